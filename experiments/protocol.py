"""The protocol: pooled out-of-fold answers by case, temperature from inside the training cases, JSON."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakhis.config import SplitConfig
from breakhis.evaluate import answers_of
from breakhis.files import atomic_file, hash_json, write_text
from breakhis.metrics import Resamples, apply_temperature, estimate, fit_temperature
from breakhis.metrics.intervals import percentiles
from breakhis.predictions import Predictions
from breakhis.splits.make import make_folds
from experiments.data import CACHE, FOLDS, Ints, folds, load
from experiments.heads import CLASSES, Array
from experiments.recipe import Recipe, answer, regrouped

SEEDS = (0, 1, 2)
INNER = 4
RESULTS = Path(__file__).parent / "results"
METRICS = ("macro_f1", "accuracy", "malignancy_accuracy", "ece")

Fit = Callable[[Ints, Ints], Array]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Log-probabilities of every image by models that did not see its case, float32.

    Attributes:
        outer: (seeds, N, C).
        inner: (seeds, folds, N, C), out of fold inside the training cases of each outer fold; NaN elsewhere
            and where the inner model has seen no case of the image's class.
    """

    outer: NDArray[np.float32]
    inner: NDArray[np.float32]


@cache
def inner_folds(seed: int, fold: int, unit: str = "case") -> tuple[tuple[Ints, Ints], ...]:
    """(training, held out) rows inside the training part of one outer fold."""
    train, _ = folds(seed, unit)[fold]
    config = SplitConfig.model_validate({"by": unit})
    split = make_folds(load().catalog.select(train), config, folds=INNER, seed=seed)
    held = [split.indices("test", fold=number) for number in range(INNER)]
    return tuple((train[np.setdiff1d(np.arange(len(train)), rows)], train[rows]) for rows in held)


def out_of_fold(fit: Fit, *, unit: str = "case", nested: bool = True) -> OutOfFold:
    """Answer every image, outside and, if `nested`, inside."""
    labels = load().labels
    outer = np.full((len(SEEDS), len(labels), CLASSES), np.nan, np.float32)
    inner = np.full((len(SEEDS), FOLDS, len(labels), CLASSES), np.nan, np.float32)
    for position, seed in enumerate(SEEDS):
        for fold, (train, test) in enumerate(folds(seed, unit)):
            outer[position, test] = fit(train, test)
            for own, held in inner_folds(seed, fold, unit) if nested else ():
                known = held[np.isin(labels[held], labels[own])]
                inner[position, fold, known] = fit(own, known)
    return OutOfFold(outer, inner)


def of_recipe(recipe: Recipe, *, unit: str = "case", nested: bool = True) -> OutOfFold:
    """A recipe's answers, kept in the cache folder."""
    if recipe.top:
        experts = of_recipe(replace(recipe, top=None), unit=unit, nested=nested)
        top = of_recipe(Recipe((recipe.top,)), unit=unit, nested=nested)
        return OutOfFold(regrouped(experts.outer, top.outer), regrouped(experts.inner, top.inner))
    key = [asdict(recipe), unit, list(SEEDS)]
    files = [CACHE / "oof" / f"{hash_json([*key, *more])[:24]}.npz" for more in ([], ["outer only"])]
    file = files[0] if nested or files[0].exists() else files[1]
    if file.exists():
        with np.load(file) as kept:
            return OutOfFold(kept["outer"], kept["inner"])
    found = out_of_fold(lambda train, test: answer(recipe, train, test), unit=unit, nested=nested)
    with atomic_file(file) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, outer=found.outer, inner=found.inner)
    return found


def temperature(found: OutOfFold, position: int, fold: int) -> float:
    """Fitted on the answers inside the training cases of one outer fold."""
    inside = found.inner[position, fold].astype(np.float64)
    known = np.flatnonzero(np.isfinite(inside).all(axis=1))
    return fit_temperature(np.exp(inside[known]), load().labels[known])


def calibrated(found: OutOfFold, *, unit: str = "case") -> list[Predictions]:
    """One pooled table of answers a seed; calibrated if answered inside too, else as they are."""
    nested = bool(np.isfinite(found.inner).any())
    tables = []
    for position in range(len(found.outer)):
        probabilities = np.exp(found.outer[position].astype(np.float64))
        for fold, (_, test) in enumerate(folds(SEEDS[position], unit)):
            if nested:
                scale = temperature(found, position, fold)
                probabilities[test] = apply_temperature(probabilities[test], scale)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        rows = np.arange(len(probabilities))
        tables.append(Predictions.of_catalog(load().catalog, rows, probabilities))
    return tables


def measure(tables: list[Predictions]) -> dict[str, Any]:
    """Mean over seeds of each metric, the interval of that mean over cases, and each seed's value."""
    resamples = Resamples.draw(tables[0].cases, seed=0)
    found = [estimate(answers_of(table), resamples) for table in tables]
    result = {}
    for name in METRICS:
        values = [float(item[name].value or 0.0) for item in found]
        interval = percentiles(np.mean([item[name].samples for item in found], axis=0))
        result[name] = {
            "mean": round(float(np.mean(values)), 4),
            "ci95": [round(bound, 4) for bound in interval] if interval else None,
            "seeds": [round(value, 4) for value in values],
        }
    return result


def record(group: str, name: str, found: OutOfFold, *, config: object, unit: str = "case") -> dict[str, Any]:
    """Measure, print a line and add the run to `results/GROUP.json`."""
    tables = calibrated(found, unit=unit)
    run: dict[str, Any] = {
        "name": name,
        "unit": unit,
        "seeds": [int(seed) for seed in SEEDS[: len(tables)]],
        "images": len(tables[0]),
        "cases": len(set(tables[0].cases.tolist())),
        "temperature": "nested" if np.isfinite(found.inner).any() else "none",
        "metrics": measure(tables),
        "config": config,
    }
    add(group, run)
    line = " ".join(f"{run['metrics'][metric]['mean']:.3f}" for metric in METRICS)
    print(f"{group:12s} {unit:5s} {name:48s} {line}", flush=True)
    return run


def add(group: str, run: dict[str, Any]) -> None:
    """Put a run into its group's file, in place of one of the same name and unit."""
    file = RESULTS / f"{group}.json"
    runs = json.loads(file.read_text("utf-8")) if file.exists() else []
    kept = [old for old in runs if (old["name"], old["unit"]) != (run["name"], run["unit"])]
    lines = ",\n".join(json.dumps(item, allow_nan=False) for item in [*kept, run])
    write_text(file, f"[\n{lines}\n]\n")


def recorded(group: str, name: str, *, unit: str = "case", nested: bool = False) -> dict[str, Any] | None:
    """The run that is recorded under a name, if it is, and with a temperature if `nested`."""
    file = RESULTS / f"{group}.json"
    for old in json.loads(file.read_text("utf-8")) if file.exists() else []:
        if (old["name"], old["unit"]) == (name, unit) and (old["temperature"] == "nested" or not nested):
            return dict(old)
    return None


def run(group: str, name: str, recipe: Recipe, *, unit: str = "case", nested: bool = True) -> dict[str, Any]:
    """Answer, measure and record one recipe; a run that is recorded already is not repeated."""
    known = recorded(group, name, unit=unit, nested=nested)
    if known is not None:
        return known
    found = of_recipe(recipe, unit=unit, nested=nested)
    return record(group, name, found, config=asdict(recipe), unit=unit)
