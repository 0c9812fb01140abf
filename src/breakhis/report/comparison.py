"""The page of a comparison: runs on one test set, and which of them can be told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakhis.errors import RunError
from breakhis.evaluate.tables import LABELS
from breakhis.files import write_text
from breakhis.metrics import Metric
from breakhis.report.page import read_json, render

COMPARISON_FILE = "comparison.json"
PAGE_FILE = "report.html"

_SHOWN = ("macro_f1", "accuracy", "malignancy_accuracy", "prr")


@dataclass(frozen=True)
class Standing:
    """One run: the unit and verdict of its split, and its metrics."""

    name: str
    unit: str
    verdict: str
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class Pair:
    """`first` less `second`."""

    first: Standing
    second: Standing
    told_apart: bool
    metrics: Mapping[str, Metric]


@dataclass(frozen=True)
class Compared:
    """What `comparison.json` holds, best run first."""

    images: int
    cases: int
    runs: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Compared":
        """What `breakhis compare` wrote; raises KeyError, TypeError or ValueError if it is something else."""
        runs = {
            one["name"]: Standing(one["name"], one["unit"], one["leakage"]["verdict"], _metrics(one))
            for one in value["runs"]
        }
        pairs = tuple(
            Pair(runs[one["first"]], runs[one["second"]], one["told_apart"], _metrics(one))
            for one in value["differences"]
        )
        if not pairs:
            raise ValueError("no pair of runs")
        return cls(value["images"], value["cases"], tuple(runs.values()), pairs, tuple(value["warnings"]))

    @property
    def title(self) -> str:
        """The finding, in one line."""
        best = self.pairs[0]
        verb = "is above" if best.told_apart else "cannot be told apart from"
        return f"{best.first.name} {verb} {best.second.name}"

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Metrics that some run has, with their names for people."""
        known = [name for name in _SHOWN if any(run.metrics[name].value is not None for run in self.runs)]
        return [(name, LABELS[name]) for name in known]


def write_comparison(folder: Path) -> Path:
    """Write `report.html` of a folder that holds `comparison.json`.

    Returns:
        The page.

    Raises:
        RunError: There is no whole `comparison.json`.
    """
    source = folder / COMPARISON_FILE
    value = read_json(source, "a comparison of runs")
    try:
        compared = Compared.from_json(value)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"images, cases, runs, differences and warnings in {source}",
            found=f"{type(error).__name__}: {error}",
            fix="write it anew with `breakhis compare RUN RUN --out FOLDER`",
        ) from error
    page = folder / PAGE_FILE
    # Of all taxonomies only that of BreaKHis knows malignancy.
    cites = any(name == "malignancy_accuracy" for name, _ in compared.labels)
    write_text(page, render("comparison.html.j2", page=compared, contents=[], cites_breakhis=cites))
    return page


def _metrics(value: Mapping[str, Any]) -> dict[str, Metric]:
    metrics = {
        name: Metric.from_json(one) for name, one in value.items() if isinstance(one, dict) and "ci95" in one
    }
    missing = [name for name in _SHOWN if name not in metrics]
    if missing:
        raise KeyError(", ".join(missing))
    return metrics
