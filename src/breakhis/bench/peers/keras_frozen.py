"""Heads trained on a frozen backbone the plain way: every image passes the whole network in every epoch."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

Augment = Callable[[tf.Tensor, int], tf.Tensor]


@dataclass(frozen=True)
class FrozenPeer:
    """What is trained on what.

    Attributes:
        network: Images (B, size, size, 3) in 0-255 to probabilities.
        head: Names of the head's layers.
        files: {"train": paths, "validation": paths}.
        labels: {the same: class numbers}.
        size: Side in pixels.
        batch: Images in one.
        augment: Changes a float32 batch, given a number that makes its randomness.
    """

    network: keras.Model
    head: frozenset[str]
    files: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[int]]
    size: int
    batch: int
    augment: Augment


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, ended: list[float]) -> None:
        super().__init__()
        self.ended = ended

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.ended.append(time.perf_counter())


def seconds_of_epochs(peer: FrozenPeer, *, epochs: int) -> list[float]:
    """Seconds of each epoch, validation included; the first one builds the graph as well."""
    started = [time.perf_counter()]
    for layer in peer.network.layers:
        layer.trainable = layer.name in peer.head
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name not in peer.head:
            layer.trainable = False  # Keras then uses the stored statistics
    peer.network.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = {name: _batches(peer, name) for name in peer.files}
    peer.network.fit(
        batches["train"],
        validation_data=batches["validation"],
        epochs=epochs,
        verbose=0,
        shuffle=False,
        callbacks=[_Clock(started)],
    )
    return [after - before for before, after in itertools.pairwise(started)]


def _batches(peer: FrozenPeer, name: str) -> tf.data.Dataset:
    def load(file: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.io.decode_image(tf.io.read_file(file), channels=3, expand_animations=False)
        return tf.image.resize(pixels, (peer.size, peer.size)), label

    files, labels = list(peer.files[name]), list(peer.labels[name])
    images = tf.data.Dataset.from_tensor_slices((files, labels))
    if name == "train":
        images = images.shuffle(len(files))
    images = images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(peer.batch)
    if name == "train":
        images = images.enumerate().map(
            lambda number, pair: (peer.augment(pair[0], number), pair[1]), num_parallel_calls=tf.data.AUTOTUNE
        )
    return images.prefetch(tf.data.AUTOTUNE)
