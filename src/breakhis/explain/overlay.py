"""Heat as colour: over an image, or as a layer of its own.

Tissue in haematoxylin and eosin is pink, purple and white. The colours run from blue-green to yellow, which
occur in none of it, get lighter with heat (the upper part of viridis, so they also read in grey and to
colour-blind eyes), and are the more opaque the hotter: cold tissue keeps its own colours.
"""

from typing import Final

import cv2
import numpy as np

from breakhis.errors import UsageError
from breakhis.explain.gradcam import Heat
from breakhis.images.decode import Image

_COLDEST: Final = 96
"""Index of viridis (of 256) where the colours begin: below it are blues and purples, as of nuclei."""

_OPAQUE_FROM: Final = 0.6
"""Heat from which on the layer is wholly opaque (at strength 1)."""


def palette() -> Image:
    """The colours of heat 0 to 1, uint8 (256, 3) RGB."""
    positions = np.linspace(_COLDEST, 255, 256).round().astype(np.uint8)
    colours: Image = cv2.applyColorMap(positions[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    return colours


def overlay(image: Image, heat: Heat, *, strength: float) -> Image:
    """Lay heat over an image, in the image's own size and aspect ratio.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (size, size) float32 in [0, 1], as in `Explanation.heat`.
        strength: Opacity of the hottest places, 0 to 1.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UsageError: A strength outside 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise UsageError("a strength from 0 to 1", found=str(strength), fix="0.6 shows tissue and heat")
    height, width = image.shape[:2]
    stretched = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    layer = _layer(stretched)
    opacity = layer[:, :, 3:] * np.float32(strength / 255)
    blended = image * (1 - opacity) + layer[:, :, :3] * opacity
    return np.asarray(blended.round(), dtype=np.uint8)


def heat_png(heat: Heat) -> bytes:
    """Heat as an RGBA PNG to lay over the image, stretched to it; it is opaque where it is hot.

    Laid over with opacity s, it is what `overlay` draws at strength s.
    """
    layer = cv2.cvtColor(_layer(heat), cv2.COLOR_RGBA2BGRA)
    return bytes(cv2.imencode(".png", layer)[1])


def _layer(heat: Heat) -> Image:
    """(h, w) to uint8 (h, w, 4) RGBA."""
    colour = palette()[(heat * 255).round().astype(np.uint8)]
    opacity = (np.clip(heat / _OPAQUE_FROM, 0, 1) * 255).round().astype(np.uint8)
    layer: Image = np.dstack([colour, opacity])
    return layer
