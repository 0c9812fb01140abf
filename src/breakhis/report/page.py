"""The page of a run: one file that stands alone, drawn from what the run wrote."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from breakhis import __version__
from breakhis.config import TrainConfig
from breakhis.errors import DataError, RunError
from breakhis.evaluate import Evaluation
from breakhis.evaluate.tables import LABELS
from breakhis.explain.ablation import Ablation
from breakhis.files import write_text
from breakhis.predictions import Predictions
from breakhis.report.charts import CHARTS
from breakhis.report.heat import add_heat
from breakhis.report.history import History
from breakhis.report.plots import plot_confusion, plot_history
from breakhis.report.subject import Subject
from breakhis.report.thumbnails import worst_mistakes
from breakhis.runs import Run
from breakhis.taxonomy import BREAKHIS

Contents = list[tuple[str, str]]
"""Anchor and name of every section of a page."""


def write_report(run: Run, *, images: Path | None = None) -> Path:
    """Write `report.html` and the PNGs of a run; only the heat over its worst mistakes is computed anew.

    Args:
        run: A run with its configuration, split, history, predictions and metrics. Without its bundle
            there is no heat.
        images: Folder that the catalog's paths are relative to, for the pictures of mistakes; by default
            what the run's status names as ``data``.

    Returns:
        The page.

    Raises:
        RunError: A file that the page is drawn from is missing or cut.
        DataError: The predictions are not a table of answers, or the metrics not an evaluation.
    """
    subject = _run_subject(run, images)
    _write_plots(run, subject)
    write_page(run.report_file, "evaluation.html.j2", subject=subject)
    return run.report_file


def write_page(path: Path, template: str, *, subject: Subject) -> None:
    """Render the page of one evaluation with the sections that it has something to say in."""
    contents = sections(subject)
    write_text(
        path, render(template, page=subject, contents=contents, cites_breakhis=subject.taxonomy == BREAKHIS)
    )


def render(template: str, *, cites_breakhis: bool, **context: Any) -> str:
    """One template as text, everything in it escaped; `cites_breakhis` adds the data's licence and paper."""
    page = environment().get_template(template)
    return page.render(version=__version__, cites_breakhis=cites_breakhis, **context)


@cache
def environment() -> jinja2.Environment:
    """The templates of this package: escaped, strict about missing names, able to draw charts."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("breakhis.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(CHARTS)
    environment.filters["duration"] = duration
    return environment


def sections(subject: Subject) -> Contents:
    """The sections of a page, in reading order; a section's macro has its anchor's name."""
    offered = (
        ("headline", "What it reaches", True),
        ("division", "Who was tested", subject.split.get("folds") == 1),
        ("folds", "Folds", bool(subject.folds)),
        ("classes", "Each subtype", True),
        ("confusion", "What is taken for what", True),
        ("malignancy", "Benign or malignant", subject.taxonomy.has_malignancy),
        ("magnifications", "Each magnification", bool(subject.magnifications)),
        ("pooled", "Patients and cases", bool(subject.pooled)),
        ("trust", "Confidence", True),
        ("mistakes", "Worst mistakes", True),
        ("branches", "Each branch", subject.ablation is not None),
        ("training", "How it learnt", subject.history is not None),
        ("metrics", "All metrics", True),
        ("provenance", "Provenance", True),
    )
    return [(anchor, name) for anchor, name, present in offered if present]


def read_evaluation(path: Path) -> Evaluation:
    """An evaluation with all its metrics; raises DataError where the file holds something else."""
    evaluation = Evaluation.load(path)
    missing = [name for name in LABELS if name not in evaluation.overall.metrics]
    if missing:
        raise DataError(
            f"an evaluation with all its metrics at {path}",
            found=f"none called {', '.join(missing)}",
            fix="write it anew with the command that wrote it",
        )
    return evaluation


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON object from a file; raises RunError where it is missing or cut."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{what} at {path}",
            found=f"{type(error).__name__}: {error}",
            fix="let the command end that writes it",
        ) from error
    if not isinstance(value, dict):
        raise RunError(f"{what} at {path}", found=type(value).__name__, fix="write it anew")
    return value


def duration(seconds: float) -> str:
    """Seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def images_folder(status: Mapping[str, Any], images: Path | None) -> Path | None:
    """Where the images lie: as the caller says, else as the status noted them."""
    if images is not None:
        return images
    return Path(str(status["data"])) if status.get("data") else None


def _run_subject(run: Run, images: Path | None) -> Subject:
    status, config = run.status(), run.config()
    evaluation = read_evaluation(run.metrics_file)
    split = read_json(run.split_file.with_suffix(".json"), "the split of the run")
    history = History.read(run.history_file, kept=status.get("kept_epoch"))
    folder = images_folder(status, images)
    mistakes = worst_mistakes(Predictions.load(run.predictions_file), folder)
    explained, unexplained = add_heat(mistakes, folder, bundle=run.bundle_file)
    return Subject(
        kind="breakhis training report",
        title=_title(config, evaluation.unit),
        lead=_lead(config, split, history),
        evaluation=evaluation,
        split=split,
        mistakes=explained,
        unexplained=unexplained,
        history=history,
        ablation=Ablation.load(run.ablation_file) if run.ablation_file.exists() else None,
        temperature=status.get("temperature"),
        facts=_facts(run, config, split),
        documents=(
            ("Configuration", config.to_yaml()),
            ("Split", json.dumps(split, indent=2)),
            ("Status", json.dumps(status, indent=2)),
        ),
    )


def _title(config: TrainConfig, unit: str) -> str:
    taps = len(config.model.taps)
    heads = {
        "plain": "plain head",
        "linear": f"linear head on {', '.join(config.model.taps)}",
        "branches": f"{taps} tapped branch{'es' * (taps != 1)}",
    }[config.model.head]
    return f"DenseNet121 with {heads}, split by {unit}"


def _lead(config: TrainConfig, split: Mapping[str, Any], history: History) -> str:
    used = {name: _group(split["counts"][0][name]) for name in ("train", "validation", "test")}
    how = "in closed form" if history.closed_form else f"{len(history.epochs)} epochs"
    return (
        f"Recipe {config.recipe}: trained on {used['train']}, validated on {used['validation']}, tested on "
        f"{used['test']}. {config.images.size} pixels, seed {config.seed}, {how} in "
        f"{duration(history.seconds)}."
    )


def _group(counts: Mapping[str, Any]) -> str:
    parts = ((counts["images"], "image"), (counts["cases"], "case"))
    images, cases = (f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in parts)
    return f"{images} of {cases}"


def _facts(run: Run, config: TrainConfig, split: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("Run", run.folder.resolve().name),
        ("Recipe", config.recipe),
        ("Weights at the start", config.model.weights),
        ("Seed", str(config.seed)),
        ("Deterministic", "yes, one thread" if config.deterministic else "no"),
        ("Configuration, SHA-256", config.hash),
        ("Split, SHA-256", str(split["hash"])),
        ("Catalog, SHA-256", str(split["catalog_hash"])),
    )


def _write_plots(run: Run, subject: Subject) -> None:
    if subject.history is not None and not subject.history.closed_form:
        plot_history(subject.history, run.plots / "curves.png", unit=subject.unit)
    matrix = np.array(subject.measures.confusion, dtype=np.int64)
    plot_confusion(matrix, subject.taxonomy.codes, run.plots / "confusion.png", unit=subject.unit)
