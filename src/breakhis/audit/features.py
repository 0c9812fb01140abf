"""Local features of a field and the transform that lays one field over another.

A perceptual hash sees a picture as a whole, so it misses a neighbouring field that shares half of its tissue.
SIFT points (Lowe, IJCV 60(2):91-110, 2004) with Hellinger-scaled descriptors (Arandjelovic and Zisserman,
CVPR 2012) find what two fields share, and RANSAC keeps only what one shift, turn and scale explains.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Gray = NDArray[np.uint8]
Transform = NDArray[np.float64]
"""(2, 3): a shift, turn, scale and perhaps reflection of points (x, y) in pixels of the working size."""

WORKING_SIZE: Final = 256
"""Side in pixels of the square that fields are compared in; squashing undoes the squashing of some copies."""

_POINTS: Final = 400
_CONTRAST: Final = 0.02
_UNIT: Final = 512
"""Length of a stored descriptor: entries then fit a byte."""

_RATIO: Final = 0.8
"""Largest distance to the best match, as a share of that to the second best."""

_TOLERANCE: Final = 3.0
"""Pixels of the working size that a matched point may lie off."""

_SCALES: Final = (0.4, 2.5)
_LEAST_MATCHES: Final = 6


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """Up to 400 points of one field.

    Attributes:
        points: (K, 2) float32, x and y in pixels of the working size.
        descriptors: (K, 128) uint8, square roots of SIFT's histograms, of length 512.
    """

    points: Points
    descriptors: NDArray[np.uint8]

    def mirrored(self) -> "LocalFeatures":
        """The features of the field seen in a mirror (left and right exchanged), without looking again.

        A descriptor is a grid of 4 x 4 histograms of 8 directions, laid along the point's own direction: a
        mirror exchanges the sides of that grid and the sense of the directions.
        """
        points = self.points * np.array([-1, 1], np.float32) + np.array([WORKING_SIZE - 1, 0], np.float32)
        grid = self.descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
        return LocalFeatures(points, grid[..., -np.arange(8) % 8].reshape(-1, 128))


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one field lies over another.

    Attributes:
        transform: From points of the first to points of the second.
        support: Number of matched points that it explains.
    """

    transform: Transform
    support: int

    @property
    def mirrored(self) -> bool:
        """Whether one field is a mirror image of the other."""
        return float(np.linalg.det(self.transform[:, :2])) < 0

    @property
    def scale(self) -> float:
        """Length in the second over length in the first."""
        return float(np.sqrt(abs(np.linalg.det(self.transform[:, :2]))))


def extract(gray: Gray) -> LocalFeatures:
    """The strongest points of a grey picture (WORKING_SIZE, WORKING_SIZE) uint8."""
    detector = cv2.SIFT.create(nfeatures=_POINTS, contrastThreshold=_CONTRAST)
    keypoints, found = detector.detectAndCompute(gray, None)
    if found is None:
        return LocalFeatures(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    points = np.array([keypoint.pt for keypoint in keypoints], np.float32)
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1)
    descriptors = np.minimum(np.rint(np.sqrt(shares) * _UNIT), 255).astype(np.uint8)
    return LocalFeatures(points, descriptors)


def align(first: LocalFeatures, second: LocalFeatures) -> Alignment | None:
    """The best supported transform from `first` to `second`, mirrored or not; None where nothing matches."""
    plain = _align(first, second)
    mirrored = _align(first.mirrored(), second)
    if mirrored is None or (plain is not None and plain.support >= mirrored.support):
        return plain
    mirror = np.array([[-1.0, 0, WORKING_SIZE - 1], [0, 1, 0], [0, 0, 1]])
    return Alignment(mirrored.transform @ mirror, mirrored.support)


def _align(first: LocalFeatures, second: LocalFeatures) -> Alignment | None:
    rows, columns = _matches(first.descriptors, second.descriptors)
    if len(rows) < _LEAST_MATCHES:
        return None
    transform, inliers = cv2.estimateAffinePartial2D(
        first.points[rows], second.points[columns], method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE
    )
    if transform is None:
        return None
    alignment = Alignment(transform, int(inliers.sum()))
    return alignment if _SCALES[0] < alignment.scale < _SCALES[1] else None


def _matches(
    first: NDArray[np.uint8], second: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of descriptors that are each other's nearest, and clearly nearer than the second nearest."""
    none = np.zeros(0, np.intp)
    if len(first) < 2 or len(second) < 2:
        return none, none
    cosines = first.astype(np.float32) @ second.T.astype(np.float32) / _UNIT**2
    nearest = cosines.argmax(axis=1)
    rows = np.flatnonzero(cosines.argmax(axis=0)[nearest] == np.arange(len(nearest)))
    columns = nearest[rows]
    candidates = cosines[rows]
    best = candidates[np.arange(len(rows)), columns]
    candidates[np.arange(len(rows)), columns] = -1
    clear = 1 - best < _RATIO**2 * (1 - candidates.max(axis=1, initial=-1))
    return rows[clear], columns[clear]
