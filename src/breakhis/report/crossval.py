"""The page of a cross-validation: the sections of a run's page, over pooled out-of-fold answers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from breakhis.errors import RunError
from breakhis.evaluate import Evaluation
from breakhis.predictions import Predictions
from breakhis.report.page import duration, images_folder, read_evaluation, read_json, write_page
from breakhis.report.subject import Subject
from breakhis.report.thumbnails import worst_mistakes

CROSSVAL_FILE = "crossval.json"
PREDICTIONS_FILE = "predictions.csv"
PAGE_FILE = "report.html"


def write_crossval(folder: Path, *, images: Path | None = None) -> Path:
    """Write `report.html` of a folder that holds `crossval.json` and `predictions.csv`.

    Args:
        folder: What `breakhis crossval` wrote. Beside the evaluation, `crossval.json` holds ``folds`` (a list
            of ``{"fold", "images", "cases", "seconds"}``) and may hold ``split`` (the JSON of the split),
            ``config``, ``recipe``, ``seed`` and ``data`` (the folder of the images).
        images: Folder that the paths are relative to, for the pictures of mistakes; by default ``data``.

    Returns:
        The page.

    Raises:
        RunError: There is no whole `crossval.json`.
        DataError: The predictions are not a table of answers, or the JSON holds no evaluation.
    """
    source = folder / CROSSVAL_FILE
    value = read_json(source, "the evaluation of a cross-validation")
    evaluation = read_evaluation(source)
    predictions = Predictions.load(folder / PREDICTIONS_FILE)
    folds = _folds(value, source)
    subject = Subject(
        kind="breakhis cross-validation report",
        title=f"{len(folds)}-fold cross-validation, split by {evaluation.unit}",
        lead=_lead(value, evaluation, folds),
        evaluation=evaluation,
        split=value.get("split", {}),
        mistakes=tuple(worst_mistakes(predictions, images_folder(value, images))),
        folds=folds,
        facts=_facts(value),
        documents=_documents(value),
    )
    page = folder / PAGE_FILE
    write_page(page, "evaluation.html.j2", subject=subject)
    return page


def _folds(value: Mapping[str, Any], source: Path) -> tuple[Mapping[str, Any], ...]:
    wanted = ("fold", "images", "cases", "seconds")
    folds = value.get("folds")
    if not isinstance(folds, list) or not all(set(wanted) <= set(one) for one in folds):
        raise RunError(
            f"a list `folds` with {', '.join(wanted)} in {source}",
            found=repr(folds)[:80],
            fix="write it anew with `breakhis crossval`",
        )
    return tuple(folds)


def _lead(value: Mapping[str, Any], evaluation: Evaluation, folds: tuple[Mapping[str, Any], ...]) -> str:
    recipe = f"Recipe {value['recipe']}: " if "recipe" in value else ""
    seconds = sum(float(one["seconds"]) for one in folds)
    measures = evaluation.overall
    return (
        f"{recipe}{measures.rows:,} images of {measures.cases} cases, each answered once by a model that was "
        f"trained on the other folds. {len(folds)} trainings in {duration(seconds)}."
    )


def _facts(value: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    split = value.get("split", {})
    named = (
        ("Recipe", value.get("recipe")),
        ("Seed", value.get("seed")),
        ("Split, SHA-256", split.get("hash")),
        ("Catalog, SHA-256", split.get("catalog_hash")),
    )
    return tuple((name, str(fact)) for name, fact in named if fact is not None)


def _documents(value: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    kept = (("Configuration", "config"), ("Split", "split"))
    return tuple((name, json.dumps(value[key], indent=2)) for name, key in kept if key in value)
