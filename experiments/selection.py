"""The honest price of choosing: the recipe chosen in every outer fold by the folds inside it.

Also what answering a case from all of its images gains, which is another task under its own name.

Usage: python -m experiments.selection
"""

from collections import Counter

import numpy as np

from breakhis.evaluate import answers_of
from breakhis.metrics import Resamples, estimate
from breakhis.predictions import Predictions
from experiments.data import FOLDS, folds, load
from experiments.heads import Array
from experiments.protocol import (
    SEEDS,
    OutOfFold,
    add,
    calibrated,
    measure,
    of_recipe,
    record,
)
from experiments.tried import LEADERS, Trial

_JUDGED = ("macro_f1", "accuracy", "malignancy_accuracy")


def merit(inside: Array) -> float:
    """Mean of macro-F1, accuracy and malignancy accuracy of log-probabilities (N, C), NaN where unknown."""
    rows = np.flatnonzero(np.isfinite(inside).all(axis=1))
    probabilities = np.exp(inside[rows])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    answers = answers_of(Predictions.of_catalog(load().catalog, rows, probabilities))
    found = estimate(answers, Resamples.draw(answers.cases, count=0))
    return float(np.mean([found[name].value or 0.0 for name in _JUDGED]))


def chosen(candidates: list[Trial]) -> tuple[OutOfFold, Counter[str]]:
    """Answers of the candidate that was best inside each fold's training cases; how often each was."""
    answers = [of_recipe(trial.recipe) for trial in candidates]
    outer, inner = np.empty_like(answers[0].outer), np.empty_like(answers[0].inner)
    names: Counter[str] = Counter()
    for position, seed in enumerate(SEEDS):
        for fold in range(FOLDS):
            merits = [merit(found.inner[position, fold].astype(np.float64)) for found in answers]
            best = int(np.argmax(merits))
            names[candidates[best].name] += 1
            test = folds(seed)[fold][1]
            outer[position, test] = answers[best].outer[position, test]
            inner[position, fold] = answers[best].inner[position, fold]
    return OutOfFold(outer, inner), names


def pooled(trial: Trial) -> None:
    """Record a recipe whose every image is answered by the mean probability of its case's images."""
    tables = []
    for table in calibrated(of_recipe(trial.recipe)):
        probabilities = table.probabilities.copy()
        for case in np.unique(table.cases):
            probabilities[table.cases == case] = probabilities[table.cases == case].mean(axis=0)
        tables.append(table.with_probabilities(probabilities))
    run = {
        "name": f"all images of a case together: {trial.name}",
        "unit": "case",
        "seeds": list(SEEDS),
        "images": len(tables[0]),
        "cases": len(np.unique(tables[0].cases)),
        "temperature": "nested",
        "metrics": measure(tables),
        "config": {"of": trial.name},
    }
    add("pooled-cases", run)


def main() -> None:
    """Nested selection, and pooled cases of the leaders."""
    candidates = [trial for trial in LEADERS if trial.nested]
    found, names = chosen(candidates)
    config = {"candidates": [trial.name for trial in candidates], "chosen": dict(names), "judged": _JUDGED}
    record("selection", "chosen in each fold by the folds inside it", found, config=config)
    print(names)
    for trial in candidates[1:]:
        pooled(trial)


if __name__ == "__main__":
    main()
