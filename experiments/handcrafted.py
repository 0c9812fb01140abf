"""Features a pathologist could name: stain densities, nuclei, texture. Written once to the cache folder.

Usage: python -m experiments.handcrafted
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

from breakhis.files import atomic_file
from breakhis.images.stain import UNMIX
from experiments.data import CACHE, Floats, load
from experiments.heads import Array

Plane = NDArray[np.uint8]

_LEAST_NUCLEUS = 12
_QUANTILES = (5, 25, 50, 75, 95)


def of_image(image: Floats) -> Array:
    """(d,) of one (224, 224, 3) RGB image in 0-255."""
    stains = -np.log(np.maximum(image, 1.0) / 255.0) @ UNMIX
    lab = cv2.cvtColor((image / 255).astype(np.float32), cv2.COLOR_RGB2LAB)
    parts = [
        np.percentile(plane, _QUANTILES) for plane in (*np.moveaxis(stains, 2, 0), *np.moveaxis(lab, 2, 0))
    ]
    parts.append(np.corrcoef(lab.reshape(-1, 3).T)[np.triu_indices(3, 1)])
    haematoxylin = _bytes(stains[..., 0])
    for plane in (haematoxylin, _bytes(stains[..., 1])):
        parts.append(_texture(plane))
    parts.extend([_sizes(haematoxylin), _nuclei(haematoxylin)])
    return np.concatenate(parts)


def _bytes(density: Floats) -> Plane:
    return np.asarray(np.clip(density / 1.5, 0, 1) * 255, np.uint8)


def _texture(plane: Plane) -> Array:
    """Local binary patterns at three radii, and co-occurrence at three distances."""
    parts = []
    for radius in (1, 2, 4):
        pattern = local_binary_pattern(plane, 8, radius, "uniform")
        parts.append(np.bincount(pattern.astype(int).ravel(), minlength=10) / plane.size)
    pairs = graycomatrix(plane // 16, (1, 4, 12), (0, np.pi / 2), levels=16, symmetric=True, normed=True)
    parts.extend(
        graycoprops(pairs, name).mean(axis=1) for name in ("contrast", "homogeneity", "energy", "correlation")
    )
    return np.concatenate(parts)


def _sizes(plane: Plane) -> Array:
    """What openings by growing discs remove (granulometry), bright and dark, as shares."""
    found: list[float] = []
    for picture in (plane, 255 - plane):
        means = [float(picture.mean())]
        for radius in (1, 2, 3, 5, 8, 12):
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
            means.append(float(cv2.morphologyEx(picture, cv2.MORPH_OPEN, disc).mean()))
        found.extend(-np.diff(means) / max(means[0], 1.0))
    return np.array(found)


def _nuclei(plane: Plane) -> Array:
    """Number, area, shape and spacing of dark blobs after Otsu's threshold."""
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0)
    level, mask = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    kept = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _LEAST_NUCLEUS) + 1
    share = float((mask > 0).mean())
    if len(kept) < 3:
        return np.array([level, share, float(count), *[0.0] * 10])
    areas = stats[kept, cv2.CC_STAT_AREA].astype(np.float64)
    width, height = stats[kept, cv2.CC_STAT_WIDTH], stats[kept, cv2.CC_STAT_HEIGHT]
    spacing = cKDTree(centres[kept]).query(centres[kept], k=2)[0][:, 1]
    return np.array(
        [
            level,
            share,
            np.log(len(kept)),
            *np.log(np.percentile(areas, (10, 50, 90))),
            np.log(areas).std(),
            float((areas / (width * height)).mean()),
            float((np.maximum(width, height) / np.minimum(width, height)).mean()),
            *np.percentile(spacing, (10, 50, 90)),
            spacing.std(),
        ]
    )


def main() -> None:
    """Compute and keep (N, d) float64."""
    images = load().store.read(load().rows).astype(np.float32)
    found = np.stack([of_image(image) for image in images])
    with atomic_file(CACHE / "handcrafted.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, found)
    print(found.shape, np.isfinite(found).all())


if __name__ == "__main__":
    main()
