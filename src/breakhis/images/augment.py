"""Training-only augmentation inside the graph: parameters are drawn here, once, and applied there.

The parameters of an image depend on the seed, the epoch and the image's row alone, so neither the batch size
nor the order of work changes what is seen.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.config import AugmentConfig
from breakhis.images.stain import BLANK_RANGE, GLASS_GREEN, STAINS, TISSUE_SHARE, UNMIX

FloatArray = NDArray[np.float32]


class AugmentParameters(NamedTuple):
    """How each of N images is changed.

    Attributes:
        turned: (N,) whether rows and columns change places, before anything else.
        step: (N, 2) rows, then columns: how far in the image one pixel of the result goes; below 1 enlarges,
            below 0 flips. With `turned`, all eight flips and quarter turns.
        shift: (N, 2) where the centre is taken from, as share of the side; 0 changes nothing.
        contrast: (N,) factor around the image's mean; 1 changes nothing.
        brightness: (N,) added share of 255; 0 changes nothing.
        stain: (N, 4) factors of haematoxylin and eosin density, then offsets.
    """

    turned: NDArray[np.bool_]
    step: FloatArray
    shift: FloatArray
    contrast: FloatArray
    brightness: FloatArray
    stain: FloatArray

    def rows(self, rows: IntArray) -> "AugmentParameters":
        """The parameters of some images."""
        return AugmentParameters._make(column[rows] for column in self)


def draw_parameters(config: AugmentConfig, images: int, *, seed: int, epoch: int) -> AugmentParameters:
    """Draw the parameters of all `images` of a store for one epoch."""
    generator = np.random.default_rng([seed, epoch])

    def around(half_width: float, *shape: int) -> FloatArray:
        return generator.uniform(-half_width, half_width, (images, *shape)).astype(np.float32)

    turns = generator.integers(4 if config.quarter_turns else 1, size=images)
    flips = generator.integers(2 if config.flips else 1, size=(images, 2))
    # A quarter turn is an exchange of rows and columns, then a flip of the rows; two are a flip of both.
    backwards = np.stack([(turns == 1) | (turns == 2), turns >= 2], axis=1) ^ (flips == 1)
    zoom, shift = 1.0 + around(config.zoom, 1), around(config.shift, 2)
    stain = np.concatenate([1.0 + around(config.stain, 2), around(config.stain / 10, 2)], axis=1)
    return AugmentParameters(
        turned=turns % 2 == 1,
        step=np.where(backwards, -1 / zoom, 1 / zoom).astype(np.float32),
        shift=shift,
        contrast=1.0 + around(config.contrast),
        brightness=around(config.brightness),
        stain=stain,
    )


def augment(images: tf.Tensor, parameters: AugmentParameters) -> tf.Tensor:
    """Change a batch; what lies outside an image is its mirror image.

    Args:
        images: (B, size, size, 3) float32 or uint8 RGB in 0-255.
        parameters: Of these B images; NumPy arrays or tensors.

    Returns:
        (B, size, size, 3) float32 in 0-255; blank tiles come back unchanged.
    """
    images = tf.convert_to_tensor(images)
    return _recolour(images, _move(images, parameters), parameters)


def _per_image(values: tf.Tensor) -> tf.Tensor:
    return values[:, None, None, None]


def _is_blank(images: tf.Tensor) -> tf.Tensor:
    """As `stain.is_blank`."""
    spans = tf.reduce_max(images, axis=(1, 2)) - tf.reduce_min(images, axis=(1, 2))
    tissue = tf.reduce_mean(tf.cast(images[..., 1] < GLASS_GREEN, tf.float32), axis=(1, 2))
    return (tf.reduce_max(spans, axis=-1) < BLANK_RANGE) | (tissue < TISSUE_SHARE)


def _resampled(images: tf.Tensor, parameters: AugmentParameters) -> tf.Tensor:
    """Bilinear, one axis after the other: none of the changes mixes rows with columns."""
    batch, side = tf.shape(images)[0], tf.shape(images)[1]
    step, shift = parameters.step, parameters.shift
    images = tf.where(_per_image(parameters.turned), tf.transpose(images, (0, 2, 1, 3)), images)
    lower, upper, share = _places(step[:, 1], shift[:, 1], side)
    columns = _between(images, lower, upper, axis=2, share=share[:, None, :, None])
    lower, upper, share = _places(step[:, 0], shift[:, 0], side)
    flat = tf.reshape(columns, (batch, side, side * 3))
    return tf.reshape(_between(flat, lower, upper, axis=1, share=share[:, :, None]), (batch, side, side, 3))


def _places(step: tf.Tensor, shift: tf.Tensor, side: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Which two pixels of an axis each pixel of the result lies between, and how far from the first."""
    length = tf.cast(side, tf.float32)
    centre = (length - 1.0) / 2.0
    place = centre + step[:, None] * (tf.range(length) - centre) + shift[:, None] * length
    lower = tf.floor(place)
    first = tf.cast(lower, tf.int32)
    return _mirrored(first, side), _mirrored(first + 1, side), place - lower


def _mirrored(place: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Positions below 0 or beyond `side`, reflected at the edges."""
    around = tf.math.floormod(place, 2 * side)
    return tf.minimum(around, 2 * side - 1 - around)


def _between(
    images: tf.Tensor, lower: tf.Tensor, upper: tf.Tensor, *, axis: int, share: tf.Tensor
) -> tf.Tensor:
    one = tf.cast(tf.gather(images, lower, axis=axis, batch_dims=1), tf.float32)
    other = tf.cast(tf.gather(images, upper, axis=axis, batch_dims=1), tf.float32)
    return one + share * (other - one)


def _recoloured(images: tf.Tensor, moved: tf.Tensor, parameters: AugmentParameters) -> tf.Tensor:
    """Contrast, brightness and stain of `moved`; where `images` are blank, those as they are."""
    some_rows = tf.cast(images[:, ::4], tf.float32)  # a fourth of them says where the middle is
    mean = tf.reduce_mean(some_rows, axis=(1, 2, 3), keepdims=True)
    lit = (moved - mean) * _per_image(parameters.contrast) + mean
    lit = tf.clip_by_value(lit + 255.0 * _per_image(parameters.brightness), 0.0, 255.0)
    changed = _restained(lit, parameters.stain)
    return tf.where(_per_image(_is_blank(images)), tf.cast(images, tf.float32), changed)


def _restained(images: tf.Tensor, stain: tf.Tensor) -> tf.Tensor:
    """As `stain.jitter_stain`, folded into one matrix and one offset an image."""
    scale = tf.concat([stain[:, :2], tf.ones_like(stain[:, :1])], axis=1)
    offset = tf.concat([stain[:, 2:], tf.zeros_like(stain[:, :1])], axis=1)
    mix = tf.einsum("ij,bj,jk->bik", UNMIX, scale, STAINS)
    added = tf.linalg.matmul(offset, STAINS)
    shape = tf.shape(images)
    density = -tf.math.log(tf.maximum(images, 1.0) / 255.0)
    flat = tf.reshape(density, (shape[0], -1, 3))
    restained = tf.linalg.matmul(flat, mix) + added[:, None, :]
    return tf.clip_by_value(tf.reshape(255.0 * tf.exp(-restained), shape), 0.0, 255.0)


def _compiled(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Many small steps in few passes over memory: three times as fast as step by step."""
    compiled: Callable[..., tf.Tensor] = tf.function(
        function, jit_compile=True, reduce_retracing=True, autograph=False
    )
    return compiled


# Two, because one fused by the compiler would repeat the resampling for each channel of the stain.
_move = _compiled(_resampled)
_recolour = _compiled(_recoloured)
