"""The model that ships: measured by repeated cross-validation, then trained on every case."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from breakhis.bundle import Bundle, BundleContents
from breakhis.config import ModelConfig, TrainConfig
from breakhis.evaluate import evaluate
from breakhis.evaluate.make import answers_of
from breakhis.export import half_precision, split_sample, spread
from breakhis.metrics import Metric, Resamples, estimate
from breakhis.metrics.intervals import percentiles
from breakhis.model.network import build_network
from breakhis.model.weights import Weights, get_weights, load_backbone
from breakhis.predictions import Predictions
from breakhis.splits import Split, make_folds
from breakhis.training.fit import fit_everything
from breakhis.training.loop import Listener
from breakhis.workflows.crossval import cross_validate
from breakhis.workflows.learn import settle
from breakhis.workflows.prepare import Prepared


@dataclass(frozen=True)
class Plan:
    """How a model is built.

    Attributes:
        config: The recipe; its first weights may be a file, the bundle says "imagenet" all the same.
        folds: Folds of each cross-validation.
        seeds: One cross-validation each; the first is that of the shipped fit.
        created: Date on the card.
    """

    config: TrainConfig
    folds: int = 5
    seeds: tuple[int, ...] = (0, 1, 2)
    created: date = date(1970, 1, 1)


def build_model(prepared: Prepared, plan: Plan, *, out: Path, folder: Path, listener: Listener) -> Bundle:
    """Cross-validate by the split's unit under every seed, train on all cases, and write the bundle.

    Each fold's answers are calibrated by held-out answers of its own training part, and the shipped network
    by held-out answers of everything, so that its temperature is found as theirs were. Nothing of a test fold
    touches a choice. The manifest says under `parity.half` what kernels of half precision change.

    Args:
        prepared: Catalog and images.
        plan: Recipe, folds and seeds.
        out: The bundle.
        folder: Where the folds lie; finished ones are not repeated.
        listener: Told of progress.
    """
    tables, splits = [], []
    for seed in plan.seeds:
        config = plan.config.model_copy(update={"seed": seed})
        split = make_folds(prepared.catalog, config.split, folds=plan.folds, seed=seed)
        result = cross_validate(prepared, split, config, folder=folder / f"seed-{seed}", listener=listener)
        splits.append(split)
        tables.append(result.predictions)
    rows = np.flatnonzero(np.isin(prepared.catalog.paths, tables[0].paths))
    listener.say(f"training on all {len(rows)} images")
    config = plan.config.model_copy(update={"seed": plan.seeds[0]})
    trained = fit_everything(prepared.catalog, prepared.store, config, rows=rows, listener=listener)
    settled = settle(trained, prepared.catalog, config)
    shipped = config.model_copy(update={"model": config.model.model_copy(update={"weights": "imagenet"})})
    contents = BundleContents(
        config=shipped,
        taxonomy=prepared.catalog.taxonomy,
        weights={**_whole_backbone(config), **get_weights(trained.network)},
        metrics=repeated(tables, splits, plan),
        split=splits[0].to_json(),
        created=plan.created.isoformat(),
        temperature=settled.temperature,
        rule=settled.rule,
    )
    listener.say("comparing with kernels in half precision, as they are stored")
    chosen = spread(rows)
    sample = split_sample(prepared.catalog, None, "train", rows=chosen, images=prepared.store.read(chosen))
    parity = {"half": half_precision(contents, sample)}
    Bundle.write(out, replace(contents, parity=parity), half=True)
    return Bundle.open(out)


def repeated(tables: Sequence[Predictions], splits: Sequence[Split], plan: Plan) -> dict[str, Any]:
    """One evaluation of several cross-validations of the same images, JSON-ready.

    Metrics of all images are the mean over seeds, and their interval is that of this mean: every seed is
    measured on the same resampled cases. All else is measured on the answers of all seeds together, where
    each image, and so each case, stands once a seed; images are counted once.
    """
    count = len(tables)
    together = evaluate(
        Predictions.concatenate(tables),
        unit=splits[0].unit,
        leakage=splits[0].leakage,
        name=f"recipe {plan.config.recipe}, {plan.folds} folds by {splits[0].unit}, mean of {count} seeds",
        seed=plan.config.seed,
    )
    value: dict[str, Any] = _counted_once(together.to_json(), count)
    ordered = [table.select(np.argsort(table.paths, kind="stable")) for table in tables]
    resamples = Resamples.draw(ordered[0].cases, seed=plan.config.seed)
    found = [estimate(answers_of(table), resamples) for table in ordered]
    seeds: dict[str, list[float | None]] = {}
    for name in found[0]:
        values = [item[name].value for item in found]
        seeds[name] = values
        defined = [one for one in values if one is not None]
        mean = float(np.mean(defined)) if len(defined) == count else None
        samples = np.mean([item[name].samples for item in found], axis=0)
        value[name] = Metric(mean, None if mean is None else percentiles(samples)).to_json()
    value["repeated"] = {"folds": plan.folds, "seeds": list(plan.seeds), "values": seeds}
    return value


def _counted_once(value: Any, count: int) -> Any:
    """The same JSON with every number of images divided by the number of times that each was answered."""
    if isinstance(value, dict):
        return {
            key: item // count if key == "images" and isinstance(item, int) else _counted_once(item, count)
            for key, item in value.items()
        }
    return [_counted_once(item, count) for item in value] if isinstance(value, list) else value


def _whole_backbone(config: TrainConfig) -> Weights:
    """All of DenseNet121, above the highest tap too, so that other trainings can start from the bundle."""
    network = build_network(ModelConfig(head="plain"), size=config.images.size, classes=2)
    load_backbone(network, config.model.weights)
    return {name: array for name, array in get_weights(network).items() if "probabilities" not in name}
