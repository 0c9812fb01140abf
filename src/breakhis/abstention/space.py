"""How far an image lies from the training cases, in the space of the network's features.

Source: the Mahalanobis distance to the nearest class mean of Lee et al., "A Simple Unified Framework for
Detecting Out-of-Distribution Samples", NeurIPS 2018, arXiv 1807.03888; here to the nearest case.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from breakhis.affine import Affine, scaling
from breakhis.catalog.table import IntArray, StrArray

FloatArray = NDArray[np.float64]

COMPONENTS: Final = 32
"""Principal components that a distance is measured in."""

IMAGES: Final = 2048
"""Images that a space is fitted on where there are more: the means of cases need no more, memory does."""

_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class CaseSpace:
    """The training cases as points.

    Attributes:
        whitening: Features (N, D) to (N, K) uncorrelated coordinates of variance 1.
        points: (G, K), the mean of each of the G training cases.
    """

    whitening: Affine
    points: FloatArray

    @classmethod
    def fit(cls, features: NDArray[np.floating], cases: StrArray) -> "CaseSpace":
        """The space of training images: features (N, D), of cases (N,); every case counts the same."""
        _, index, counts = np.unique(cases, return_inverse=True, return_counts=True)
        exact = features.astype(np.float64)
        whitening = scaling(exact, 1 / counts[index], components=COMPONENTS)
        points = np.zeros((len(counts), whitening.kernel.shape[1]))
        np.add.at(points, index, whitening(exact))
        return cls(whitening, points / counts[:, None])

    def distances(self, features: NDArray[np.floating]) -> FloatArray:
        """Distance (N,) of features (N, D) to the nearest training case, in standard deviations."""
        places = self.whitening(features.astype(np.float64))
        found = np.empty(len(places))
        for start in range(0, len(places), _CHUNK):
            apart = places[start : start + _CHUNK, None] - self.points
            found[start : start + _CHUNK] = np.sqrt((apart**2).sum(axis=2).min(axis=1))
        return found


def few_of_each(cases: StrArray, *, most: int = IMAGES) -> IntArray:
    """Positions of about `most` images, as many of each of the (N,) cases as of any other, at least one."""
    share = max(most // max(len(np.unique(cases)), 1), 1)
    kept = []
    for case in np.unique(cases):
        own = np.flatnonzero(cases == case)
        kept.append(own[np.linspace(0, len(own) - 1, min(share, len(own))).round().astype(np.int64)])
    chosen: IntArray = np.sort(np.concatenate(kept))
    return chosen
