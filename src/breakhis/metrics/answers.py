"""What every metric is computed from: N labelled answers as plain arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from breakhis.errors import DataError
from breakhis.metrics.intervals import BoolArray, FloatArray, IntArray, StrArray


@dataclass(frozen=True, eq=False)
class Answers:
    """N answers beside their truth.

    Attributes:
        truth: (N,) labels in 0..C-1.
        predicted: (N,) answered labels.
        probabilities: (N, C) float64 in [0, 1], rows sum to 1.
        patients: (N,) empty where unknown.
        cases: (N,) empty where unknown.
        malignant: Whether each of the C classes is malignant; empty where the question does not apply.
    """

    truth: IntArray
    predicted: IntArray
    probabilities: FloatArray
    patients: StrArray
    cases: StrArray
    malignant: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        unknown = int(((self.truth < 0) | (self.truth >= self.classes)).sum())
        if not len(self.truth) or unknown:
            raise DataError(
                "at least one answer, and the true subtype of each",
                found=f"{len(self.truth)} answers, {unknown} without a known true subtype",
                fix="evaluate images whose names or manifest tell their subtype",
            )

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def classes(self) -> int:
        """C."""
        return len(self.probabilities.T)

    @cached_property
    def correct(self) -> BoolArray:
        """(N,) whether the answered class is the true one."""
        return np.equal(self.predicted, self.truth)

    @cached_property
    def confidence(self) -> FloatArray:
        """(N,) probability of the answered class."""
        chosen: FloatArray = self.probabilities[np.arange(len(self)), self.predicted]
        return chosen

    @cached_property
    def present(self) -> IntArray:
        """Labels that stand in the truth, ascending."""
        return np.unique(self.truth)

    @property
    def malignant_truth(self) -> BoolArray:
        """(N,) whether the true class is malignant."""
        return np.array(self.malignant, dtype=np.bool_)[self.truth]

    @property
    def malignant_answer(self) -> BoolArray:
        """(N,) whether the answered class is malignant; by construction that of the more probable group."""
        return np.array(self.malignant, dtype=np.bool_)[self.predicted]

    @property
    def malignancy(self) -> FloatArray:
        """(N,) summed probability of the malignant classes."""
        total: FloatArray = self.probabilities[:, np.array(self.malignant, dtype=np.bool_)].sum(axis=1)
        return total
