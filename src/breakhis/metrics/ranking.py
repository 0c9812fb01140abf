"""Areas under the ROC and precision-recall curves of one class against the rest.

The precision-recall area is average precision: the mean precision at the positives, without interpolation.
Both are undefined where the truth holds only positives or only negatives.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score, roc_auc_score

from breakhis.metrics.intervals import BoolArray, Estimate, FloatArray, IntArray, Resamples, divide

_CHUNK = 250
"""Resamples weighed at a time, which bounds memory."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well a score tells positives from negatives: 1 is perfect, chance 0.5 and their share."""

    roc_auc: Estimate
    pr_auc: Estimate


def rank(scores: FloatArray, positive: BoolArray, resamples: Resamples) -> Ranking:
    """Areas of `scores` (N,), higher meaning positive, against the truth `positive` (N,)."""
    if positive.all() or not positive.any():
        return Ranking(Estimate.undefined(), Estimate.undefined())
    roc, precision = _resampled(scores, positive, resamples)
    return Ranking(
        roc_auc=Estimate(float(roc_auc_score(positive, scores)), roc),
        pr_auc=Estimate(float(average_precision_score(positive, scores)), precision),
    )


def mean_of_defined(estimates: list[Estimate]) -> Estimate:
    """Mean over the defined estimates, on the test set and on each resample; undefined where none is."""
    defined = [estimate for estimate in estimates if estimate.value is not None]
    if not defined:
        return Estimate.undefined()
    value = float(np.mean([estimate.value for estimate in defined]))
    samples = np.array([estimate.samples for estimate in defined])
    known = np.isfinite(samples)
    total = np.where(known, samples, 0.0).sum(axis=0)
    return Estimate(value, divide(total, known.sum(axis=0).astype(np.float64)))


def _resampled(
    scores: FloatArray, positive: BoolArray, resamples: Resamples
) -> tuple[FloatArray, FloatArray]:
    """(R,) ROC area and average precision with every image weighed as often as its case was drawn.

    The K distinct scores of positives are the thresholds. Negatives are counted per case in 2K + 1 rows: row
    2k holds those strictly between thresholds k - 1 and k, row 2k + 1 those tied with threshold k.
    """
    thresholds, level = np.unique(-scores[positive], return_inverse=True)
    size = len(thresholds)
    passed = np.searchsorted(thresholds, -scores[~positive], "left")
    tied = np.append(thresholds, np.inf)[passed] == -scores[~positive]
    cases = resamples.weights.shape[1]
    positives = _counts(level, resamples.groups[positive], (size, cases))
    negatives = _counts(2 * passed + tied, resamples.groups[~positive], (2 * size + 1, cases))
    areas = [np.empty((2, 0))]
    for start in range(0, len(resamples.weights), _CHUNK):
        weights = resamples.weights[start : start + _CHUNK].T
        hits, false = positives @ weights, np.cumsum(negatives @ weights, axis=0)
        found, above, reached = np.cumsum(hits, axis=0), false[:-1:2], false[1::2]
        beaten = hits * (false[-1] - (above + reached) / 2)
        answered = found + reached
        precise = np.divide(hits * found, answered, out=np.zeros_like(hits), where=answered > 0)
        total = found[-1]
        areas.append(
            np.array([divide(beaten.sum(axis=0), total * false[-1]), divide(precise.sum(axis=0), total)])
        )
    roc, precision = np.concatenate(areas, axis=1)
    return roc, precision


def _counts(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
