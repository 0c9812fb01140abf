"""Metrics as text for people: no number without its interval and the unit of its split."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from breakhis.metrics.intervals import Metric
from breakhis.metrics.measures import Measures

WIDTH = 118

LABELS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
    "weighted_f1": "weighted F1",
    "prr": "patient recognition rate (PRR)",
    "malignancy_accuracy": "malignancy accuracy",
    "sensitivity": "sensitivity (malignant found)",
    "specificity": "specificity (benign left alone)",
    "malignancy_roc_auc": "malignancy ROC-AUC",
    "malignancy_pr_auc": "malignancy PR-AUC",
    "malignancy_prr": "malignancy PRR",
    "roc_auc": "ROC-AUC, mean over subtypes",
    "pr_auc": "PR-AUC, mean over subtypes",
    "ece": "expected calibration error (ECE)",
    "brier": "Brier score (0 best, 2 worst)",
}
"""Name of every metric for people, in the order of the table."""

_HEADLINES = ("accuracy", "macro_f1", "malignancy_accuracy", "prr")
_GROUPED = ("accuracy", "macro_f1", "malignancy_accuracy")
_PER_CLASS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Titled:
    """What was measured, and on what kind of split."""

    name: str
    unit: str
    verdict: str

    def __str__(self) -> str:
        leakage = {"clean": "does not leak", "leaks": "LEAKS"}.get(self.verdict, "leakage unknown")
        return f"{self.name}: split by {self.unit} ({leakage})"


def summary_line(title: Titled, measures: Measures) -> str:
    """Headline metrics in one line."""
    defined = [name for name in _HEADLINES if measures.metrics[name].value is not None]
    numbers = ", ".join(f"{LABELS[name]} {measures.metrics[name]}" for name in defined)
    return f"{title}, {support(measures, 'images')}: {numbers} (95 % intervals over cases)"


def support(measures: Measures, rows: str) -> str:
    """Rows, patients and cases, e.g. ``131 images of 20 patients, 14 cases``."""
    return f"{measures.rows} {rows} of {measures.patients} patients, {measures.cases} cases"


def tables(title: Titled, overall: Measures, *, parts: dict[str, Measures], notes: Sequence[str]) -> str:
    """Every metric of all images, then per subtype and of `parts` of them, then notes, as plain text."""
    drawn = [
        (f"{title}, {support(overall, 'images')}", _overall(title, overall)),
        ("per subtype", _per_class(title, overall)),
    ]
    if parts:
        drawn.append(("per magnification and pooled", _parts(title, parts)))
    return render(drawn, [*notes, *_notes(overall)])


def render(headed: Sequence[tuple[str, Table]], notes: Sequence[str]) -> str:
    """Tables below their headings, then notes, as plain text."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with console.capture() as captured:
        for heading, table in headed:
            console.print(heading, soft_wrap=True, markup=False, highlight=False)
            console.print(table)
        for line in notes:
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def plain_table(*columns: str) -> Table:
    """A table with these columns, none of which is wrapped."""
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def cell(metric: Metric) -> str:
    """Value and interval in two digits."""
    if metric.value is None:
        return "undefined"
    bounds = f"[{metric.ci95[0]:.2f}, {metric.ci95[1]:.2f}]" if metric.ci95 else "no interval"
    return f"{metric.value:.2f} {bounds}"


def _overall(title: Titled, measures: Measures) -> Table:
    table = plain_table("metric", "value", "95 % interval", "split by")
    for name, label in LABELS.items():
        metric = measures.metrics[name]
        if metric.value is not None:
            table.add_row(label, f"{metric.value:.3f}", metric.interval(), title.unit)
    return table


def _per_class(title: Titled, measures: Measures) -> Table:
    table = plain_table("subtype", "images", "cases", *_PER_CLASS, "split by")
    for code, item in measures.per_class.items():
        cells = (cell(item.metrics[name]) for name in _PER_CLASS)
        table.add_row(f"{item.name} ({code})", str(item.rows), str(item.cases), *cells, title.unit)
    return table


def _parts(title: Titled, parts: dict[str, Measures]) -> Table:
    table = plain_table("part", "answers", "cases", *(LABELS[name] for name in _GROUPED), "split by")
    for name, measures in parts.items():
        cells = (cell(measures.metrics[key]) for key in _GROUPED)
        table.add_row(name, str(measures.rows), str(measures.cases), *cells, title.unit)
    return table


def _notes(measures: Measures) -> list[str]:
    notes = ["95 % intervals: bootstrap over cases; none where fewer than two cases bear on the number."]
    if measures.absent:
        notes.append(f"Absent from the truth, left out of macro averages: {', '.join(measures.absent)}.")
    return notes
