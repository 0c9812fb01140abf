"""The twin: one recipe and one seed, split by image and by case, side by side, and why the two differ."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from breakhis.catalog.table import IntArray
from breakhis.config import TrainConfig
from breakhis.evaluate.make import answers_of
from breakhis.files import require_own, write_json
from breakhis.metrics import Estimate, Metric, Resamples, estimate
from breakhis.predictions import Predictions
from breakhis.splits import Split, make_folds
from breakhis.training.features import FloatArray
from breakhis.training.fit import backbone_features
from breakhis.training.loop import Listener
from breakhis.training.untrained import Untrained
from breakhis.workflows.crossval import CrossValidation, cross_validate
from breakhis.workflows.prepare import Prepared

Unit = Literal["image", "patient", "case"]
_OWN = ("by-*", "twin.json", "report.html")
GAP_METRICS = ("macro_f1", "accuracy", "balanced_accuracy", "malignancy_accuracy")


def run_twin(
    prepared: Prepared, config: TrainConfig, *, folds: int, folder: Path, listener: Listener
) -> dict[str, Any]:
    """Cross-validate one recipe under each unit of splitting and write `twin.json`.

    By patient is a column of its own only where patients and cases differ. A case has to be in the answers
    of both splits for the gap's interval to be paired over cases.

    Returns:
        What was written.
    """
    require_own(folder, _OWN)
    catalog = prepared.catalog
    patients_are_cases = len(np.unique(catalog.patients)) == len(np.unique(catalog.cases))
    units: tuple[Unit, ...] = ("image", "case") if patients_are_cases else ("image", "patient", "case")
    splits = {
        unit: make_folds(catalog, config.split.model_copy(update={"by": unit}), folds=folds, seed=config.seed)
        for unit in units
    }
    untrained = Untrained(config, catalog.taxonomy)
    results = {
        unit: cross_validate(
            prepared, split, config, folder=folder / f"by-{unit}", listener=listener, untrained=untrained
        )
        for unit, split in splits.items()
    }
    features = backbone_features(catalog, prepared.store, untrained, listener=listener)
    value = {
        "recipe": config.recipe,
        "seed": config.seed,
        "images": len(results["case"].predictions),
        "folds": folds,
        "config": config.model_dump(mode="json"),
        "columns": [
            {
                "unit": unit,
                "leakage": splits[unit].leakage.to_json(),
                "warnings": list(splits[unit].warnings),
                "evaluation": results[unit].evaluation.to_json(),
                "nearest_same_case": _nearest_same_case(
                    features, catalog.cases, splits[unit], seed=config.seed
                ).to_json(),
            }
            for unit in units
        ],
        "gap": _gap(results["image"], results["case"], seed=config.seed),
    }
    write_json(folder / "twin.json", value)
    return value


def _gap(by_image: CrossValidation, by_case: CrossValidation, *, seed: int) -> dict[str, Any]:
    """By image less by case: the same images, resampled by the same cases."""
    first, second = (_measured(result.predictions, seed=seed) for result in (by_image, by_case))
    return {name: first[name].minus(second[name]).to_json() for name in GAP_METRICS if name in first}


def _measured(predictions: Predictions, *, seed: int) -> dict[str, Estimate]:
    table = predictions.select(np.argsort(predictions.paths, kind="stable"))
    return estimate(answers_of(table), Resamples.draw(table.cases, seed=seed))


def _nearest_same_case(features: FloatArray, cases: np.ndarray, split: Split, *, seed: int) -> Metric:
    """Share of test images whose nearest training image, by cosine in feature space, is of the same case."""
    tested, same = [], []
    for fold in range(split.folds):
        test, train = split.indices("test", fold=fold), split.indices("train", fold=fold)
        nearest = train[(features[test] @ features[train].T).argmax(axis=1)]
        tested.append(test)
        same.append(cases[nearest] == cases[test])
    rows: IntArray = np.concatenate(tested)
    hits = np.concatenate(same).astype(np.float64)
    resamples = Resamples.draw(cases[rows], seed=seed)
    return Estimate(float(hits.mean()), resamples.ratio(hits, np.ones(len(hits)))).metric()
