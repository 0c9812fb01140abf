"""Batches of images for `fit`, and the weights of images."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray, StrArray
from breakhis.config import AugmentConfig, ClassWeights
from breakhis.images.augment import AugmentParameters, augment, draw_parameters
from breakhis.images.store import Store

FloatArray = NDArray[np.float32]

_AT_ONCE: Final = min(os.cpu_count() or 1, 8)
"""Batches made at once: one a core, with a bound on memory."""

_AHEAD: Final = 2
"""Batches made ahead of use: enough to hide their making, and a bound on memory."""


@dataclass(frozen=True)
class Samples:
    """N prepared images and what they should be answered.

    Attributes:
        images: (N, size, size, 3) uint8: an array, or a store, of which only few batches are in memory.
        one_hot: (N, C) float32.
        weights: (N,) float32.
    """

    images: Store | NDArray[np.uint8]
    one_hot: FloatArray
    weights: FloatArray


@dataclass(frozen=True)
class BatchOptions:
    """How rows become batches.

    Attributes:
        batch_size: Images per batch; the last batch may be smaller.
        epoch: Shuffle and augment as this epoch (from 0) does; None keeps rows in order and as they are.
        seed: Seed of order and augmentation.
        augment: Ranges of augmentation; None changes nothing.
    """

    batch_size: int = 32
    epoch: int | None = None
    seed: int = 0
    augment: AugmentConfig | None = None


def make_batches(samples: Samples, rows: IntArray, options: BatchOptions) -> tf.data.Dataset:
    """One pass over `rows`, each once.

    Images are read batch by batch and ahead of use, so that a store stays on disk. TensorFlow's own tuning of
    the pipeline is off: its thread sleeps for up to a minute, and the end of a pass waits until it wakes.

    Returns:
        Dataset of image (B, size, size, 3) float32 0-255, one-hot (B, C) float32, weight (B,) float32.
    """
    order = rows
    if options.epoch is not None:
        order = np.random.default_rng([options.seed, options.epoch]).permutation(rows)
    images, shape = samples.images, samples.images.shape
    read = images.read if isinstance(images, Store) else images.__getitem__
    change = _augmenter(options, shape[0])
    one_hot, weights = tf.constant(samples.one_hot), tf.constant(samples.weights)

    def load(chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        batch = tf.numpy_function(read, [chosen], tf.uint8, stateful=False)
        batch.set_shape((None, *shape[1:]))
        return change(chosen, batch), tf.gather(one_hot, chosen), tf.gather(weights, chosen)

    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    return (
        tf.data.Dataset.from_tensor_slices(order)
        .batch(options.batch_size)
        .map(load, num_parallel_calls=_AT_ONCE)
        .prefetch(_AHEAD)
        .with_options(untuned)
    )


def _augmenter(options: BatchOptions, images: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    if options.augment is None or options.epoch is None:
        return lambda _, batch: tf.cast(batch, tf.float32)
    drawn = draw_parameters(options.augment, images, seed=options.seed, epoch=options.epoch)
    columns = [tf.constant(column) for column in drawn]

    def change(chosen: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        return augment(batch, AugmentParameters(*(tf.gather(column, chosen) for column in columns)))

    return change


_BY_CASES: Final[dict[str, float]] = {"case": 0.0, "case_root": 0.5, "case_count": 1.0}
"""Power of a class's number of cases that the class weighs by."""


def sample_weights(labels: IntArray, cases: StrArray, *, mode: ClassWeights) -> FloatArray:
    """Weight of every image in the loss, with mean 1.

    Args:
        labels: (N,) class of each training image.
        cases: (N,) case of each training image.
        mode: "none": equal weights. "image": classes weigh the same, whatever their number of images.
            "case": classes weigh the same, and within a class every case does, whatever its number of images.
            "case_count": every case weighs the same, so a class weighs as many cases as it has.
            "case_root": a class weighs the square root of that.

    Returns:
        (N,) float32.
    """
    weights = np.ones(len(labels))
    if mode == "image":
        _, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
        weights = 1.0 / counts[which]
    elif mode in _BY_CASES:
        pairs = np.char.add(np.char.add(labels.astype(np.str_), " "), cases)
        _, first, which, images = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
        cases_per_class = np.bincount(labels[first], minlength=int(labels.max()) + 1)
        weights = cases_per_class[labels] ** (_BY_CASES[mode] - 1.0) / images[which]
    return np.asarray(weights / weights.mean(), dtype=np.float32)
