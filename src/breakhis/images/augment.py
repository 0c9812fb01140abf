"""Training-only augmentation inside the graph: parameters are drawn here, once, and applied there.

The parameters of an image depend on the seed, the epoch and the image's row alone, so neither the batch size
nor the order of work changes what is seen.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.config import AugmentConfig
from breakhis.images.stain import BLANK_RANGE, STAINS, UNMIX

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class AugmentParameters:
    """How each of N images is changed.

    Attributes:
        transforms: (N, 8) float32 projective transform, output pixel to input pixel, of a centred unit
            square: flips, quarter turns, zoom and shift in one resampling.
        contrast: (N,) factor around the image's mean; 1 changes nothing.
        brightness: (N,) added share of 255; 0 changes nothing.
        stain: (N, 4) factors of haematoxylin and eosin density, then offsets.
    """

    transforms: FloatArray
    contrast: FloatArray
    brightness: FloatArray
    stain: FloatArray

    def rows(self, rows: IntArray) -> "AugmentParameters":
        """The parameters of some images."""
        return AugmentParameters(
            self.transforms[rows], self.contrast[rows], self.brightness[rows], self.stain[rows]
        )


def draw_parameters(config: AugmentConfig, images: int, *, seed: int, epoch: int) -> AugmentParameters:
    """Draw the parameters of all `images` of a store for one epoch."""
    generator = np.random.default_rng([seed, epoch])

    def around(half_width: float, *shape: int) -> FloatArray:
        return generator.uniform(-half_width, half_width, (images, *shape)).astype(np.float32)

    turns = generator.integers(4 if config.quarter_turns else 1, size=images)
    flips = generator.integers(2 if config.flips else 1, size=(images, 2))
    zoom, shift = 1.0 + around(config.zoom), around(config.shift, 2)
    stain = np.concatenate([1.0 + around(config.stain, 2), around(config.stain / 10, 2)], axis=1)
    return AugmentParameters(
        transforms=_transforms(turns, flips, zoom=zoom, shift=shift),
        contrast=1.0 + around(config.contrast),
        brightness=around(config.brightness),
        stain=stain,
    )


def _transforms(turns: IntArray, flips: IntArray, *, zoom: FloatArray, shift: FloatArray) -> FloatArray:
    """(N, 8) rows ``a0 a1 a2 b0 b1 b2 0 0`` on coordinates whose origin is the centre and whose side is 1."""
    angle = turns * (math.pi / 2)
    cosine, sine = np.rint(np.cos(angle)), np.rint(np.sin(angle))
    signs = 1 - 2 * flips
    rows = np.zeros((len(turns), 8), dtype=np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2] = signs[:, 0] * cosine / zoom, -signs[:, 0] * sine / zoom, shift[:, 0]
    rows[:, 3], rows[:, 4], rows[:, 5] = signs[:, 1] * sine / zoom, signs[:, 1] * cosine / zoom, shift[:, 1]
    return rows


def augment(images: tf.Tensor, parameters: AugmentParameters) -> tf.Tensor:
    """Change a batch.

    Args:
        images: (B, size, size, 3) float32 RGB in 0-255.
        parameters: Of these B images; NumPy arrays or tensors.

    Returns:
        (B, size, size, 3) float32 in 0-255; blank tiles come back unchanged.
    """
    spans = tf.reduce_max(images, axis=(1, 2)) - tf.reduce_min(images, axis=(1, 2))
    blank = tf.reduce_max(spans, axis=-1) < BLANK_RANGE
    moved = _resample(images, parameters.transforms)
    lit = _light(moved, parameters.contrast, parameters.brightness)
    return tf.where(blank[:, None, None, None], images, _restain(lit, parameters.stain))


def _resample(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    side = tf.cast(tf.shape(images)[1], tf.float32)
    centre = (side - 1.0) / 2.0
    a, b, c, d, e, f, _, _ = tf.unstack(tf.cast(transforms, tf.float32), axis=1)
    zeros = tf.zeros_like(a)
    pixels = tf.stack(
        [
            a,
            b,
            centre - (a + b) * centre + c * side,
            d,
            e,
            centre - (d + e) * centre + f * side,
            zeros,
            zeros,
        ],
        axis=1,
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=pixels,
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _light(images: tf.Tensor, contrast: tf.Tensor, brightness: tf.Tensor) -> tf.Tensor:
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    factor = tf.cast(contrast, tf.float32)[:, None, None, None]
    added = 255.0 * tf.cast(brightness, tf.float32)[:, None, None, None]
    return tf.clip_by_value((images - mean) * factor + mean + added, 0.0, 255.0)


def _restain(images: tf.Tensor, stain: tf.Tensor) -> tf.Tensor:
    """As `stain.jitter_stain`, folded into one matrix and one offset an image."""
    scale = tf.concat([stain[:, :2], tf.ones_like(stain[:, :1])], axis=1)
    offset = tf.concat([stain[:, 2:], tf.zeros_like(stain[:, :1])], axis=1)
    mix = tf.einsum("ij,bj,jk->bik", UNMIX, tf.cast(scale, tf.float32), STAINS)
    added = tf.linalg.matmul(tf.cast(offset, tf.float32), STAINS)
    shape = tf.shape(images)
    density = -tf.math.log(tf.maximum(images, 1.0) / 255.0)
    flat = tf.reshape(density, (shape[0], -1, 3))
    restained = tf.linalg.matmul(flat, mix) + added[:, None, :]
    return tf.clip_by_value(tf.reshape(255.0 * tf.exp(-restained), shape), 0.0, 255.0)
