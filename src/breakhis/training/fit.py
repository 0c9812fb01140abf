"""From images and a configuration to a trained network: the one entry of this package."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from breakhis.abstention import CaseSpace, few_of_each
from breakhis.catalog.table import Catalog, IntArray, StrArray
from breakhis.config import TrainConfig
from breakhis.engine import Engine
from breakhis.errors import ConfigError
from breakhis.images.batches import sample_weights
from breakhis.images.store import Store
from breakhis.images.views import Outputs
from breakhis.model.weights import get_weights
from breakhis.runs import Run
from breakhis.splits import Split
from breakhis.training.batches import Targets
from breakhis.training.closed_form import ViewFeatures, train_linear
from breakhis.training.features import FloatArray
from breakhis.training.head import engine_head
from breakhis.training.history import write_history
from breakhis.training.loop import Listener, LoopContext
from breakhis.training.material import HeldOut, Material, Trained
from breakhis.training.strategies import STRATEGIES, tap_features
from breakhis.training.untrained import Untrained

_CHUNK = 64


@dataclass(frozen=True)
class Job:
    """One training: prepared images, their division (its first fold counts) and the configuration.

    Attributes:
        untrained: What trainings of one configuration can share; the network of one ends with the next.
    """

    catalog: Catalog
    store: Store
    split: Split
    config: TrainConfig
    untrained: Untrained | None = None


def fit_network(job: Job, run: Run, listener: Listener) -> Trained:
    """Train on the training images of a job; validation images decide the kept epoch.

    Test images are not read.

    Interrupted trainings go on from their last whole epoch when called again with the same run.

    Raises:
        WeightsError: The backbone's weights do not fit.
        RunError: The validation loss never was a number.
    """
    config = job.config
    untrained = job.untrained or Untrained(config, job.catalog.taxonomy)
    untrained.reset()
    material = Material(untrained, job.store, _targets(job), job.catalog.cases, _groups(job))
    context = LoopContext(
        fit=config.fit,
        seed=config.seed,
        checkpoints=run.checkpoints,
        listener=listener,
        on_history=lambda rows: write_history(run, rows),
    )
    if config.fit.strategy == "linear":
        return train_linear(material, listener, on_history=context.on_history)
    progress = STRATEGIES[config.fit.strategy](material, context)
    answer = _answering(material, listener)
    return Trained(
        network=untrained.network,
        kept_epoch=progress.schedule.best_epoch,
        epochs=len(progress.rows),
        answer=answer,
        held_out=lambda: _held_out(material, answer),
    )


def fit_everything(
    catalog: Catalog, store: Store, config: TrainConfig, *, rows: IntArray, listener: Listener
) -> Trained:
    """Fit a head in closed form on all `rows`, for a model that cross-validation measures.

    Raises:
        ConfigError: A strategy that needs validation images to know when to stop.
        WeightsError: The backbone's weights do not fit.
    """
    if config.fit.strategy != "linear":
        raise ConfigError(
            "fit.strategy linear, to train on every image",
            found=config.fit.strategy,
            fix="name a recipe whose head is fitted in closed form",
        )
    one_hot = np.eye(len(catalog.taxonomy), dtype=np.float32)[catalog.labels]
    targets = Targets(one_hot, np.ones(len(catalog), dtype=np.float32), rows, rows[:0])
    material = Material(Untrained(config, catalog.taxonomy), store, targets, catalog.cases, catalog.cases)
    return train_linear(material, listener)


def backbone_features(
    catalog: Catalog, store: Store, untrained: Untrained, *, listener: Listener
) -> FloatArray:
    """What the untrained network's backbone says of every image as it is.

    Returns:
        (N, width) float32, the pooled taps side by side; each tap has length 1 and so has each row, so that a
        product of two rows is their mean cosine.
    """
    untrained.reset()
    everything = np.arange(len(catalog), dtype=np.int64)
    nothing = np.zeros((len(catalog), 0), dtype=np.float32)
    targets = Targets(nothing, np.ones(len(catalog), dtype=np.float32), everything[:0], everything)
    material = Material(untrained, store, targets, catalog.cases, catalog.cases)
    return tap_features(material, listener)


def _answering(material: Material, listener: Listener) -> Callable[[IntArray], Outputs]:
    """Rows to outputs of the trained network: from kept features where its backbone is the untrained one."""
    config, store, weights = material.config, material.store, get_weights(material.network)
    if config.fit.strategy == "frozen":
        return ViewFeatures.of(material, listener, head=engine_head(config, weights)).outputs
    engine = Engine(config.model, weights, size=config.images.size)

    def answer(rows: IntArray) -> Outputs:
        starts = range(0, len(rows), _CHUNK)
        parts = [engine.answer(store.read(rows[start : start + _CHUNK])) for start in starts]
        return Outputs(
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.features for part in parts]),
        )

    return answer


def _held_out(material: Material, answer: Callable[[IntArray], Outputs]) -> HeldOut:
    """What the network says of the validation images, and how far they lie from the training cases."""
    train, validation = material.targets.train, material.targets.validation
    known = train[few_of_each(material.cases[train])]
    space = CaseSpace.fit(answer(known).features, material.cases[known])
    found = answer(validation)
    return HeldOut(validation, found.probabilities, space.distances(found.features), space)


def _groups(job: Job) -> StrArray:
    """(N,) what the split keeps together: images, patients, or cases where it does not say."""
    columns = {"image": job.catalog.paths, "patient": job.catalog.patients}
    return columns.get(job.split.unit, job.catalog.cases)


def _targets(job: Job) -> Targets:
    labels, cases, train = job.catalog.labels, job.catalog.cases, job.split.indices("train")
    weights = np.ones(len(labels), dtype=np.float32)
    weights[train] = sample_weights(labels[train], cases[train], mode=job.config.fit.class_weights)
    one_hot = np.eye(len(job.catalog.taxonomy), dtype=np.float32)[labels]
    return Targets(one_hot, weights, train, job.split.indices("validation"))
