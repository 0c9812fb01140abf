"""What an audit keeps of an image: enough to recognise it, its copies and its neighbouring fields."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from breakhis.audit.features import WORKING_SIZE, Gray, LocalFeatures, extract
from breakhis.catalog import Catalog
from breakhis.errors import ImageError
from breakhis.images.decode import Image, resize
from breakhis.images.stream import map_images

Progress = Callable[[int, int], None]
Stage = Callable[[str, str], AbstractContextManager[Progress]]
"""From a label and a unit to a context in which ``(done, total)`` is reported."""

_HASH_SIDE: Final = 16
HASH_BITS: Final = _HASH_SIDE**2
_COLOUR_BINS: Final = (8, 16, 16)
_COLOUR_RANGES: Final = (0, 256, 96, 192, 96, 192)
"""Lightness in full; the two colour axes of CIELAB where stained tissue lies."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of one readable image.

    Attributes:
        digest: SHA-256 of its shape and pixels, so that another compression of the same pixels is the same.
        phash: (256,) bool, perceptual hash: equal but for a few bits where the whole picture is the same.
        colours: (2048,) float32, square roots of the shares of colours, of length 1: unlike for other stains,
            alike for shifted, turned and mirrored fields.
        features: Local features; None in a quick audit.
    """

    digest: str
    phash: NDArray[np.bool_]
    colours: NDArray[np.float32]
    features: LocalFeatures | None


def take_fingerprints(
    catalog: Catalog, *, local: bool, progress: Progress
) -> tuple[dict[int, Fingerprint], dict[int, ImageError]]:
    """Decode every image of a catalog, by all cores.

    Args:
        catalog: N images.
        local: Whether to extract local features, the slow part.
        progress: Called after each image.

    Returns:
        By row, the fingerprints of the readable images and the errors of the others.
    """
    prints: dict[int, Fingerprint] = {}
    problems: dict[int, ImageError] = {}
    work = partial(fingerprint, local=local)
    for row, result in enumerate(map_images(catalog.files(), work)):
        if isinstance(result, ImageError):
            problems[row] = result
        else:
            prints[row] = result
        progress(row + 1, len(catalog))
    return prints, problems


def fingerprint(image: Image, *, local: bool) -> Fingerprint:
    """The fingerprint of (H, W, 3) uint8 RGB."""
    small = resize(image, WORKING_SIZE)
    return Fingerprint(
        digest=hashlib.sha256(f"{image.shape}".encode() + image.tobytes()).hexdigest(),
        phash=imagehash.phash(PillowImage.fromarray(small), hash_size=_HASH_SIDE).hash.ravel(),
        colours=_colours(small),
        features=extract(grey(small)) if local else None,
    )


def grey(image: Image) -> Gray:
    """Lightness of RGB as it is compared, at the working size, (256, 256) uint8."""
    lightness: Gray = cv2.cvtColor(resize(image, WORKING_SIZE), cv2.COLOR_RGB2GRAY)
    return lightness


def _colours(image: Image) -> NDArray[np.float32]:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, _COLOUR_BINS, _COLOUR_RANGES).ravel()
    shares: NDArray[np.float32] = np.sqrt(counts / max(float(counts.sum()), 1.0))
    return shares
