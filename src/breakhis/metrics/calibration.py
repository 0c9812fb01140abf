"""Whether a probability means what it says: calibration error, Brier score, temperature scaling.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
arXiv 1706.04599.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from breakhis.errors import DataError
from breakhis.metrics.answers import Answers
from breakhis.metrics.intervals import BoolArray, Estimate, FloatArray, IntArray, Resamples

BINS = 15
"""Equal-width bins of confidence, as in the paper; bin b of B holds confidences in (b/B, (b+1)/B]."""

TEMPERATURE_RANGE = (0.05, 20.0)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: one row a bin of top-label confidence, None where a bin is empty."""

    images: tuple[int, ...]
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]

    def to_json(self) -> dict[str, Any]:
        """Upper edge, images, mean confidence and accuracy of every bin."""
        bins = len(self.images)
        return {
            "upper_edge": [(index + 1) / bins for index in range(bins)],
            "images": list(self.images),
            "confidence": list(self.confidence),
            "accuracy": list(self.accuracy),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Reliability":
        """What `to_json` gave."""
        return cls(tuple(value["images"]), tuple(value["confidence"]), tuple(value["accuracy"]))


def reliability(confidence: FloatArray, correct: BoolArray, *, bins: int = BINS) -> Reliability:
    """Bin answers by `confidence` (N,) in [0, 1] and compare it with the share that is `correct` (N,)."""
    index = _bin(confidence, bins)
    images = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, weights=values, minlength=bins) for values in (confidence, correct)]
    means = [
        tuple(float(total / count) if count else None for total, count in zip(column, images, strict=True))
        for column in sums
    ]
    return Reliability(tuple(images.tolist()), *means)


def expected_calibration_error(answers: Answers, resamples: Resamples, *, bins: int = BINS) -> Estimate:
    """Top-label ECE in [0, 1]: mean gap between confidence and accuracy over bins, weighed by images.

    The ECE of few images is biased upwards, and that of a resample more so: its interval can lie above it.
    """
    gap = np.zeros((len(answers), bins))
    gap[np.arange(len(answers)), _bin(answers.confidence, bins)] = answers.confidence - answers.correct
    value = float(np.abs(gap.sum(axis=0)).sum() / len(answers))
    images = resamples.totals(np.ones(len(answers)))
    return Estimate(value, np.abs(resamples.totals(gap)).sum(axis=1) / images)


def brier_score(answers: Answers, resamples: Resamples) -> Estimate:
    """Multiclass Brier score in [0, 2]: mean squared distance of probabilities from the truth; 0 is best."""
    labels = np.arange(answers.classes)
    squares = ((answers.probabilities - (answers.truth[:, None] == labels)) ** 2).sum(axis=1)
    # The mean is scikit-learn's brier_score_loss, which warns of float32 rows that sum to 1 only to 1e-7.
    return Estimate(float(squares.mean()), resamples.ratio(squares, np.ones(len(answers))))


def fit_temperature(probabilities: FloatArray, labels: IntArray) -> float:
    """The temperature in [0.05, 20] that makes held-out labels most likely (Guo et al., section 4.2).

    Fit it on validation cases only, never on the test set.

    Args:
        probabilities: (N, C) in [0, 1]; their logarithms serve as logits (equal up to a constant a row).
        labels: (N,) true labels.

    Returns:
        Above 1 where the model is too sure of itself, below 1 where it is not sure enough.

    Raises:
        DataError: There is no labelled image to fit on.
    """
    if not len(labels) or (labels < 0).any():
        raise DataError(
            "labelled validation images to fit a temperature on",
            found=f"{len(labels)} images, {int((labels < 0).sum())} without a label",
            fix="give the split a validation set of labelled images",
        )
    logits, rows = _logits(probabilities), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[rows, labels].mean())

    best = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURE_RANGE)), method="bounded")
    return float(np.exp(best.x))


def apply_temperature(probabilities: FloatArray, temperature: float) -> FloatArray:
    """(N, C) calibrated probabilities: softmax of the logits over `temperature`; the order of classes stays.

    The order of the summed groups (benign, malignant) is not that of single classes and can change.
    """
    scaled: FloatArray = softmax(_logits(probabilities) / temperature, axis=1)
    return scaled


def _logits(probabilities: FloatArray) -> FloatArray:
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny, dtype=np.float64))


def _bin(confidence: FloatArray, bins: int) -> IntArray:
    index = np.ceil(confidence * bins).astype(np.int64) - 1
    return np.clip(index, 0, bins - 1)
