"""Affine maps of features, and the ones that bring features to one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """Features (N, D) to `features @ kernel + bias` (N, K)."""

    kernel: FloatArray
    bias: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        scores: FloatArray = features @ self.kernel + self.bias
        return scores

    @classmethod
    def mean(cls, maps: Sequence["Affine"]) -> "Affine":
        """The map whose scores are the mean scores of several."""
        kernel = np.mean([one.kernel for one in maps], axis=0)
        return cls(kernel, np.mean([one.bias for one in maps], axis=0))

    def after(self, first: "Affine") -> "Affine":
        """This map of what `first` gives, as one map."""
        return Affine(first.kernel @ self.kernel, first.bias @ self.kernel + self.bias)


def scaling(features: FloatArray, weights: FloatArray, *, components: int | None) -> Affine:
    """Standardise features (N, D); then whiten the first `components` principal components, if asked to.

    Weights (N,) say how much each row counts.
    """
    share = weights / weights.sum()
    mean = share @ features
    deviation = np.sqrt(share @ (features - mean) ** 2) + 1e-6
    if components is None:
        kernel = np.diag(1 / deviation)
    else:
        rows = np.sqrt(share)[:, None] * ((features - mean) / deviation)
        variances, directions = _leading(rows, components)
        kernel = directions / np.sqrt(variances) / deviation[:, None]
    return Affine(kernel, -mean @ kernel)


def _leading(rows: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Variances (K,) and directions (D, K) of at most `count` components of rows (N, D), the least first.

    The leading ones alone, of the smaller of the two Gram matrices: ten times as fast as all.
    """
    from scipy.linalg import eigh  # slow to import, and of no use to whoever only applies a map

    few = len(rows) < rows.shape[1]
    gram = rows @ rows.T if few else rows.T @ rows
    least = max(len(gram) - count, 0)
    variances, vectors = eigh(gram, subset_by_index=(least, len(gram) - 1))
    kept = variances > 1e-10 * variances[-1]
    variances, vectors = variances[kept], vectors[:, kept]
    return variances, rows.T @ vectors / np.sqrt(variances) if few else vectors
