"""Checks of an image before the network is asked: size, tissue, stain and sharpness.

Every measure is taken of the image squashed to one size, as the network sees it, so that one threshold serves
all sizes of image. The thresholds lie outside the range of all real images at hand (`docs/abstention.md`
shows by how far), because a microscope that is not among them must not be refused for its tint.

Stain is judged in the hue-saturation-density space of optical density: van der Laak et al., Cytometry 39(4),
2000. There hue and saturation do not depend on the amount of stain, and both haematoxylin and eosin absorb
green most, which brown (DAB), grey, skin, sky and grass do not.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from breakhis.images.decode import Image, resize
from breakhis.images.stain import GLASS_GREEN, is_blank
from breakhis.reasons import Reason

MIN_SHARE: Final = 0.5
"""Shorter side over the side of the network's input: below it, detail is missing that the network learnt
from."""

SIZE: Final = 224
"""Side in pixels of the square that sharpness is judged at, or less where the image has less; stain is judged
at half of it, where camera noise and the blocks of JPEG are averaged out."""

MIN_CONTRAST: Final = 6.0
"""Standard deviation of brightness (of 255) below which an image has one colour; real images: over 10."""

MAX_DARK: Final = 0.02
"""Share of pixels that may be dark in all three channels: light passes even through dense nuclei."""

DARK: Final = 50
"""Brightest channel (of 255) of such a pixel; in real images there is none."""

MIN_SATURATION: Final = 0.05
"""Chroma of all tissue over its density; grey is 0, the palest real image 0.076."""

STAIN_HUES: Final = (40.0, 180.0)
"""Hue in degrees from blue haematoxylin to pink eosin and orange-red cells of blood."""

MIN_STAINED: Final = 0.2
"""Share of all chroma that must lie in these hues; real images 0.31 and more, immunohistochemistry 0.04."""

MIN_COHERENCE: Final = 0.04
"""Length of the sum of chroma over the sum of lengths: 1 for one hue, near 0 where all hues cancel (noise,
colour charts); real images 0.088 and more."""

MIN_SHARPNESS: Final = 0.9
"""Variance of the Laplacian over the mean square of the gradient, of brightness: a mean squared spatial
frequency, which does not depend on contrast. Real images 1.15 and more; Pertuz et al., Pattern Recognition
46(5), 2013, compare such measures of focus."""

CHECKS_VERSION: Final = 1
"""Raised whenever the same image would get another check: prepared stores keep them."""

_ROUNDING: Final = 5.0
"""Variance of the Laplacian of noise with a deviation of half a grey level: rounding is no detail, but in a
badly blurred image it is all that varies from pixel to pixel."""

_DENSITY: Final = -np.log(np.maximum(np.arange(256), 1) / 255).astype(np.float32)
"""Optical density of every intensity."""


@dataclass(frozen=True, eq=False)
class Looked:
    """An image as the network takes it.

    Attributes:
        square: (size, size, 3) uint8 RGB.
        check: What is wrong with the whole image as a picture of stained tissue: `TOO_SMALL`, `BLANK`,
            `NOT_HE` or `BLURRED`, the first that holds; None where nothing is wrong.
    """

    square: Image
    check: Reason | None


def look(image: Image, *, size: int = SIZE) -> Looked:
    """Resize and check an image.

    Args:
        image: (H, W, 3) uint8 RGB at its own size.
        size: Side in pixels of the network's input.
    """
    square, shorter = resize(image, size), min(image.shape[:2])
    if shorter < MIN_SHARE * size:
        return Looked(square, Reason.TOO_SMALL)
    side = min(shorter, SIZE)
    return Looked(square, _check(square if size == side else resize(image, side)))


def _check(square: Image) -> Reason | None:
    half = resize(square, max(len(square) // 2, 1))
    if _is_blank(half):
        return Reason.BLANK
    if not _is_haematoxylin_and_eosin(half):
        return Reason.NOT_HE
    return Reason.BLURRED if sharpness(square) < MIN_SHARPNESS else None


def sharpness(image: Image) -> float:
    """Variance of the Laplacian over the mean square of the gradient, of (H, W, 3) uint8; 0 if flat."""
    grey = _brightness(image)
    across, down = grey[1:-1, 2:] - grey[1:-1, :-2], grey[2:, 1:-1] - grey[:-2, 1:-1]
    mean_square = float(np.vdot(across, across) + np.vdot(down, down)) / (4 * max(across.size, 1))
    deviation = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F, ksize=1))[1].item())
    detail = max(deviation**2 - _ROUNDING, 0.0)
    return detail / mean_square if mean_square > 0 else 0.0


def _is_blank(half: Image) -> bool:
    one_colour = float(_brightness(half).std()) < MIN_CONTRAST
    return one_colour or bool(is_blank(half[None])[0])


def _is_haematoxylin_and_eosin(half: Image) -> bool:
    channels = np.ascontiguousarray(np.moveaxis(half, -1, 0)).reshape(3, -1)
    if (np.maximum.reduce(channels) < DARK).mean() > MAX_DARK:
        return False
    tissue = channels[1] < GLASS_GREEN
    red, green, blue = (_DENSITY[channel[tissue]] for channel in channels)
    density = (red + green + blue) / np.float32(3)
    return _is_stained(red - density, (green - blue) / np.float32(3**0.5), float(density.sum()))


def _is_stained(across: NDArray[np.float32], up: NDArray[np.float32], density: float) -> bool:
    """Whether chroma (N,), (N,) of tissue is strong, of the stains' hues, and mostly of one of them."""
    lengths = np.hypot(across, up)
    total = float(lengths.sum())
    if total < MIN_SATURATION * density:
        return False
    first, last = np.radians(STAIN_HUES).astype(np.float32)
    behind = up * np.cos(first) > across * np.sin(first)
    before = up * np.cos(last) < across * np.sin(last)
    stained = float(lengths[behind & before].sum())
    coherence = float(np.hypot(across.sum(), up.sum())) / total
    return stained >= MIN_STAINED * total and coherence >= MIN_COHERENCE


def _brightness(image: Image) -> NDArray[np.float32]:
    grey: NDArray[np.float32] = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return grey
