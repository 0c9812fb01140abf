"""Haematoxylin and eosin in density space: separation and jitter (NumPy reference of the graph's version).

Stain vectors: Ruifrok and Johnston, Analytical and Quantitative Cytology and Histology 23(4), 2001. Jitter of
stain densities: Tellez et al., IEEE TMI 37(9), 2018.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

STAINS: Final = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]], dtype=np.float32)
"""Optical density of haematoxylin, eosin and the residual in red, green and blue; one stain a row."""

UNMIX: Final = np.linalg.inv(STAINS).astype(np.float32)
"""(3, 3) from optical density (red, green, blue) to stain density, by right multiplication."""

BLANK_RANGE: Final = 8
"""A tile whose intensities span less than this (of 255) shows one colour."""

GLASS_GREEN: Final = 220
"""Both stains absorb green: a pixel of at least this intensity (optical density 0.15 at most) is glass."""

TISSUE_SHARE: Final = 0.01
"""A tile with a smaller share of pixels that are not glass is blank, whatever the noise of the camera."""


def is_blank(images: FloatArray | NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(B,) whether each of (B, H, W, 3) RGB images in 0-255 shows no tissue: one colour, or glass alone."""
    channels = np.ascontiguousarray(np.moveaxis(images, -1, 0)).reshape(3, len(images), -1)
    spans = np.ptp(channels, axis=2).max(axis=0)
    tissue = (channels[1] < GLASS_GREEN).mean(axis=1)
    return np.asarray((spans < BLANK_RANGE) | (tissue < TISSUE_SHARE))


def jitter_stain(images: FloatArray, scale: FloatArray, offset: FloatArray) -> FloatArray:
    """Scale and shift haematoxylin and eosin density.

    Args:
        images: (B, H, W, 3) float32 RGB in 0-255.
        scale: (B, 2) factor of haematoxylin and eosin density; 1 changes nothing.
        offset: (B, 2) added density; 0 changes nothing.

    Returns:
        (B, H, W, 3) float32 in 0-255. A blank tile comes back unchanged.
    """
    density = -np.log(np.maximum(images, 1.0) / 255.0)
    stains = density @ UNMIX
    stains[..., :2] = stains[..., :2] * scale[:, None, None, :] + offset[:, None, None, :]
    jittered = np.clip(255.0 * np.exp(-(stains @ STAINS)), 0.0, 255.0).astype(np.float32)
    return np.where(is_blank(images)[:, None, None, None], images, jittered)
