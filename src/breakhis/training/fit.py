"""From images and a configuration to a trained network: the one entry of this package."""

from dataclasses import dataclass

import keras
import numpy as np

from breakhis.catalog.table import Catalog
from breakhis.config import TrainConfig
from breakhis.images.batches import sample_weights
from breakhis.images.store import Store
from breakhis.model.network import build_network
from breakhis.model.weights import load_backbone
from breakhis.runs import Run
from breakhis.splits import Split
from breakhis.training.batches import Targets
from breakhis.training.device import prepare_device
from breakhis.training.features import FloatArray
from breakhis.training.history import write_history
from breakhis.training.loop import Listener, LoopContext
from breakhis.training.strategies import STRATEGIES, Material, tap_features


@dataclass(frozen=True)
class Trained:
    """A network with its best weights.

    Attributes:
        network: Images to probabilities.
        kept_epoch: Number (from 1) of the epoch whose weights were kept.
        epochs: Epochs trained.
    """

    network: keras.Model
    kept_epoch: int
    epochs: int


@dataclass(frozen=True)
class Job:
    """One training: prepared images, their division (its first fold counts) and the configuration."""

    catalog: Catalog
    store: Store
    split: Split
    config: TrainConfig


def fit_network(job: Job, run: Run, listener: Listener) -> Trained:
    """Train on the training images of a job; validation images decide the kept epoch.

    Test images are not read.

    Interrupted trainings go on from their last whole epoch when called again with the same run.

    Raises:
        WeightsError: The backbone's weights do not fit.
        RunError: The validation loss never was a number.
    """
    config = job.config
    prepare_device(config)
    network = build_network(config.model, size=config.images.size, classes=len(job.catalog.taxonomy))
    load_backbone(network, config.model.weights)
    material = Material(network, job.store, _targets(job), config)
    context = LoopContext(
        fit=config.fit,
        seed=config.seed,
        checkpoints=run.checkpoints,
        listener=listener,
        on_history=lambda rows: write_history(run, rows),
    )
    progress = STRATEGIES[config.fit.strategy](material, context)
    return Trained(network, progress.schedule.best_epoch, len(progress.rows))


def backbone_features(
    catalog: Catalog, store: Store, config: TrainConfig, *, listener: Listener
) -> FloatArray:
    """What the untrained network's backbone says of every image as it is.

    Returns:
        (N, width) float32, the pooled taps side by side; each tap has length 1 and so has each row, so that a
        product of two rows is their mean cosine.
    """
    prepare_device(config)
    network = build_network(config.model, size=config.images.size, classes=len(catalog.taxonomy))
    load_backbone(network, config.model.weights)
    everything = np.arange(len(catalog), dtype=np.int64)
    nothing = np.zeros((len(catalog), 0), dtype=np.float32)
    targets = Targets(nothing, np.ones(len(catalog), dtype=np.float32), everything[:0], everything)
    return tap_features(Material(network, store, targets, config), listener)


def _targets(job: Job) -> Targets:
    labels, cases, train = job.catalog.labels, job.catalog.cases, job.split.indices("train")
    weights = np.ones(len(labels), dtype=np.float32)
    weights[train] = sample_weights(labels[train], cases[train], mode=job.config.fit.class_weights)
    one_hot = np.eye(len(job.catalog.taxonomy), dtype=np.float32)[labels]
    return Targets(one_hot, weights, train, job.split.indices("validation"))
