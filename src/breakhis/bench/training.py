"""Training: what `fit` adds to bare Keras, and the recipe `frozen` against the plain way."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from breakhis.bench.images import augmented_epoch, samples_of
from breakhis.bench.peers.keras_frozen import FrozenPeer, seconds_of_epochs
from breakhis.bench.report import Bar, Found, Row
from breakhis.bench.subject import Subject
from breakhis.bench.timing import Job, Ratio, alternate
from breakhis.bench.torch_peer import torch_job
from breakhis.config import AugmentConfig, FitConfig, TrainConfig, load_config
from breakhis.images.augment import AugmentParameters, augment, draw_parameters
from breakhis.images.batches import BatchOptions, Samples, make_batches
from breakhis.images.store import prepare
from breakhis.model.network import backbone_layers, build_network
from breakhis.model.weights import load_backbone
from breakhis.runs import Run
from breakhis.splits import Split, make_split
from breakhis.training.fit import Job as Training
from breakhis.training.fit import fit_network
from breakhis.training.loop import LoopContext, Phase, run_phase

PEER_EPOCHS = 30


class Clock:
    """A listener that notes when each epoch ended."""

    def __init__(self) -> None:
        self.ended: dict[int, float] = {}

    def say(self, message: str) -> None:
        """Ignored."""

    def stage(self, label: str) -> Callable[[int, int], None]:
        """Ignored."""
        return lambda *_: None

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        """Ignored."""

    def epoch_done(self, row: dict[str, Any], *, epochs: int) -> None:
        """Note the time under the epoch's number, from 1."""
        self.ended[int(row["epoch"])] = time.perf_counter()


def fit(subject: Subject) -> Found:
    """One epoch of every layer by this package, by bare Keras on arrays, by PyTorch; and the feed alone."""
    count, held_out, batch = subject.batch * 3, subject.batch, subject.batch
    samples = samples_of(subject)
    rows, validation = np.arange(count) % len(subject.store), np.arange(held_out) % len(subject.store)
    network = subject.network
    loss = keras.losses.CategoricalCrossentropy()
    network.compile(
        keras.optimizers.Adam(1e-4), loss, metrics=[keras.metrics.CategoricalAccuracy("accuracy")]
    )
    pixels, answers = subject.squares(count).astype(np.float32), samples.one_hot[rows]
    held = (pixels[:held_out], answers[:held_out])

    def ours(_: int) -> int:
        with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
            run_phase(_phase(network, samples, rows, validation, batch), _context(Path(folder), batch))
        return count

    def bare(_: int) -> int:
        network.fit(pixels, answers, batch_size=batch, validation_data=held, verbose=0)
        return count

    jobs: dict[str, Job] = {"ours": ours, "keras": bare}
    with torch_job(subject, "train", count) as (extra, skipped):
        timings = alternate({**jobs, **extra}, rounds=subject.rounds(3))
    fed = alternate(
        {"feed": lambda turn: augmented_epoch(samples, turn, batch=batch)}, rounds=len(timings["keras"])
    )
    rates = [one.rate for one in timings["keras"]]
    middle = Ratio.of(rates, [1.0] * len(rates)).value
    seconds = {name: [one.wall for one in rounds] for name, rounds in timings.items()}
    median = {name: Ratio.of(values, [1.0] * len(values)).value for name, values in seconds.items()}
    what = f"`fit`, epoch of {count} images, all included / bare Keras `fit` of the same graph on arrays"
    cost = Ratio.of(seconds["ours"], seconds["keras"])
    feeds = [one.rate for one in fed["feed"]]
    feed = "batches with augmentation / the training step of every layer"
    found = [
        Row(what, median["ours"], median["keras"], "s", cost, Bar(1.05, at_most=True)),
        Row(
            feed,
            Ratio.of(feeds, [1.0] * len(feeds)).value,
            middle,
            "images/s",
            Ratio.of(feeds, rates),
            Bar(20),
        ),
    ]
    if extra:
        against = (timings["ours"], timings["torch"])
        found.append(Row.of_rates("`fit`, every layer, validation included / PyTorch's steps alone", against))
    return found, skipped


def _phase(
    network: keras.Model, samples: Samples, rows: np.ndarray, validation: np.ndarray, batch: int
) -> Phase:
    def batches(epoch: int) -> Any:
        return make_batches(
            samples, rows, BatchOptions(batch_size=batch, epoch=epoch, augment=AugmentConfig())
        )

    held_out = make_batches(samples, validation, BatchOptions(batch_size=batch))
    return Phase(name="all", model=network, epochs=1, batches=batches, validation=held_out)


def _context(folder: Path, batch: int) -> LoopContext:
    return LoopContext(
        fit=FitConfig(epochs=1, batch_size=batch),
        seed=0,
        checkpoints=folder,
        listener=Clock(),
        on_history=lambda _: None,
    )


def frozen(subject: Subject) -> Found:
    """From image files to the epoch that is kept, nothing cached, against 30 plain epochs."""
    config = _frozen_config(subject)
    split = make_split(subject.catalog, config.split, seed=config.seed)
    clock, started = Clock(), time.perf_counter()
    with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
        images = prepare(subject.catalog, size=config.images.size, folder=Path(folder))
        run = Run.start(Path(folder) / "run", config, data_hash="benchmark", resume=False)
        kept = fit_network(Training(subject.catalog, images, split, config), run, clock).kept_epoch
    ours = clock.ended[max(kept, 1)] - started
    first, following = seconds_of_epochs(_peer(subject, split, config), epochs=2)
    plain = first + (PEER_EPOCHS - 1) * following
    count = len(split.indices("train"))
    what = (
        f"`frozen` recipe, {count} training images, to its best validation loss (epoch {kept}) / "
        f"the same heads on a frozen backbone in plain Keras, {PEER_EPOCHS} epochs "
        "(2 measured, the second counted for the rest)"
    )
    ratio = plain / ours
    return [Row(what, ours, plain, "s", Ratio(ratio, ratio, ratio), Bar(10, 25))], ""


def _frozen_config(subject: Subject) -> TrainConfig:
    settings: dict[str, Any] = {"model.weights": subject.options.weights, "images.size": subject.size}
    if subject.quick:
        settings |= {"fit.epochs": 3, "fit.views": 2}
    return load_config("frozen", overrides=settings)


def _peer(subject: Subject, split: Split, config: TrainConfig) -> FrozenPeer:
    network = build_network(config.model, size=config.images.size, classes=len(subject.catalog.taxonomy))
    load_backbone(network, config.model.weights)

    head = frozenset(layer.name for layer in network.layers) - {one.name for one in backbone_layers(network)}
    drawn = draw_parameters(config.augment, len(subject.catalog), seed=0, epoch=0)
    columns = [tf.constant(column) for column in drawn]

    def change(images: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        rows = (tf.cast(number, tf.int32) * config.fit.batch_size + tf.range(tf.shape(images)[0])) % len(
            subject.catalog
        )
        return augment(images, AugmentParameters(*(tf.gather(column, rows) for column in columns)))

    files = np.array([str(file) for file in subject.catalog.files()])
    labels = subject.catalog.labels
    chosen = {name: split.indices(name) for name in ("train", "validation")}
    return FrozenPeer(
        network=network,
        head=head,
        files={name: files[rows].tolist() for name, rows in chosen.items()},
        labels={name: labels[rows].tolist() for name, rows in chosen.items()},
        size=config.images.size,
        batch=config.fit.batch_size,
        augment=change,
    )
