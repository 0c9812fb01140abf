"""Folders as `train`, `crossval` and `twin` leave them: made-up answers, measured by the real functions."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from breakhis.catalog.table import Catalog
from breakhis.config import SplitConfig, load_config
from breakhis.evaluate import Evaluation, evaluate
from breakhis.files import write_json
from breakhis.predictions import Predictions
from breakhis.report.history import CLOSED_FORM, COLUMNS
from breakhis.runs import Run
from breakhis.splits import Split, make_folds, make_split
from breakhis.taxonomy import BREAKHIS, Taxonomy

HOSTILE = 'x"><img src=http:evil onerror=alert(1)>&amp;{{7*7}}.png'
"""A file name that a careless template would execute."""


@dataclass(frozen=True)
class Made:
    """Images on disk and answers for some of them."""

    catalog: Catalog
    split: Split
    predictions: Predictions

    @cached_property
    def evaluation(self) -> Evaluation:
        """The answers, measured."""
        return evaluate(self.predictions, unit=self.split.unit, leakage=self.split.leakage, name="made up")


def make_catalog(root: Path, taxonomy: Taxonomy = BREAKHIS) -> Catalog:
    """Four cases of six images a class, one with a hostile name; the files are small real pictures."""
    per_case, cases = 6, 4
    labels = np.repeat(np.arange(len(taxonomy)), per_case * cases)
    case = np.array([f"14-{number // per_case + 1000}" for number in range(len(labels))])
    paths = np.array([f"pictures/{number:04d}.png" for number in range(len(labels))], dtype=object)
    paths[0] = f"pictures/{HOSTILE}"
    (root / "pictures").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for path in paths:
        picture = rng.integers(0, 255, (46, 70, 3), dtype=np.uint8)
        (root / path).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    order = np.argsort(paths.astype(str))
    return Catalog(
        root=root,
        paths=paths.astype(str)[order],
        labels=labels[order],
        magnifications=np.array([40, 100, 200] * (len(labels) // 3))[order],
        patients=np.char.add(case, np.where(np.arange(len(labels)) % 2 == 0, "A", "B"))[order],
        cases=case[order],
        widths=np.full(len(labels), 70),
        heights=np.full(len(labels), 46),
        taxonomy=taxonomy,
    )


def answer(catalog: Catalog, rows: np.ndarray, skill: float) -> Predictions:
    """Random answers, better with more skill; the image with the hostile name is surely wrong."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(len(rows), len(catalog.taxonomy)))
    logits[np.arange(len(rows)), catalog.labels[rows]] += skill
    logits[np.char.find(catalog.paths[rows], "onerror") >= 0] = np.eye(len(catalog.taxonomy))[-1] * 20
    odds = np.exp(logits)
    return Predictions.of_catalog(catalog, rows, odds / odds.sum(axis=1, keepdims=True))


def make_holdout(root: Path, *, by: str, taxonomy: Taxonomy = BREAKHIS) -> Made:
    """A hold-out split whose test set has the image with the hostile name."""
    catalog = make_catalog(root, taxonomy)
    hostile = int(np.flatnonzero(np.char.find(catalog.paths, "onerror") >= 0)[0])
    for seed in range(50):
        split = make_split(catalog, SplitConfig(by=by), seed=seed)
        rows = split.indices("test")
        if hostile in rows:
            return Made(catalog, split, answer(catalog, rows, 3.0 if by == "image" else 1.0))
    raise AssertionError("no seed tests the image with the hostile name")


def write_history(path: Path, epochs: int = 9) -> None:
    """Two phases, one drop of the learning rate at epoch 4."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for epoch in range(1, epochs + 1):
            phase = "heads" if epoch <= 6 else "upper"
            rate = 1e-5 if phase == "upper" else 1e-3 if epoch < 4 else 3e-4
            writer.writerow([epoch, phase, 2 / epoch, 0.9, 1 + 1 / epoch, 0.5, rate, 61.0])


def write_fit(path: Path) -> None:
    """A head that was fitted at once."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerow([1, CLOSED_FORM, 0.749, 0.866, 1.653, 0.448, 0, 3.0])


def make_run(folder: Path, made: Made) -> Run:
    """A finished run."""
    config = load_config("frozen", overrides={"split.by": made.split.unit})
    run = Run.start(folder, config, data_hash=made.catalog.hash, resume=False)
    made.catalog.save(run.catalog_file)
    made.split.save(run.split_file)
    made.predictions.save(run.predictions_file)
    made.evaluation.save(run.metrics_file)
    write_history(run.history_file)
    run.write_status({"kept_epoch": 5, "temperature": 1.3, "data": str(made.catalog.root)})
    run.finish()
    return run


def make_crossval(folder: Path, catalog: Catalog) -> dict[str, Any]:
    """A finished cross-validation in three folds by case; returns what its JSON holds."""
    split = make_folds(catalog, SplitConfig(by="case"), folds=3, seed=0)
    parts = [answer(catalog, split.indices("test", fold=fold), 1.0) for fold in range(3)]
    predictions = Predictions.concatenate(parts)
    evaluation = evaluate(predictions, unit="case", leakage=split.leakage)
    folds = [
        {"fold": number, "images": len(part), "cases": len(np.unique(part.cases)), "seconds": 65.0}
        for number, part in enumerate(parts, 1)
    ]
    value = {
        **evaluation.to_json(),
        "recipe": "frozen",
        "folds": folds,
        "split": split.to_json(),
        "data": str(catalog.root),
    }
    folder.mkdir()
    write_json(folder / "crossval.json", value)
    predictions.save(folder / "predictions.csv")
    return value


def make_twin(folder: Path, *made: Made) -> dict[str, Any]:
    """A finished twin; returns what its JSON holds."""
    columns = [
        {
            "unit": one.split.unit,
            "leakage": one.split.leakage.to_json(),
            "evaluation": one.evaluation.to_json(),
            "nearest_same_case": {"value": share, "ci95": [share / 2, share]},
        }
        for one, share in zip(made, (0.9, 0.25, 0.0), strict=False)
    ]
    value = {
        "recipe": "frozen",
        "seed": 3,
        "images": len(made[0].catalog),
        "columns": columns,
        "gap": {"macro_f1": {"value": 0.41, "ci95": [0.3, 0.5]}, "accuracy": {"value": 0.4, "ci95": None}},
    }
    folder.mkdir()
    write_json(folder / "twin.json", value)
    return value
