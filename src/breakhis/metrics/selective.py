"""What a model gains by abstaining: the error among the answers it is surest of.

Source: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017,
arXiv 1705.08500.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from breakhis.metrics.intervals import BoolArray, FloatArray

_POINTS = 100


@dataclass(frozen=True)
class RiskCoverage:
    """Error rate against the share of images answered; one point a distinct confidence, at most 100 kept.

    Attributes:
        threshold: Confidence from which an image is answered, descending.
        coverage: Share of images answered then, ascending to 1.
        risk: Share of wrong answers among those.
    """

    threshold: tuple[float, ...]
    coverage: tuple[float, ...]
    risk: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The points as columns."""
        return {
            "threshold": list(self.threshold),
            "coverage": list(self.coverage),
            "risk": list(self.risk),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "RiskCoverage":
        """What `to_json` gave."""
        return cls(tuple(value["threshold"]), tuple(value["coverage"]), tuple(value["risk"]))


def risk_coverage(confidence: FloatArray, correct: BoolArray) -> RiskCoverage:
    """The curve of answers with `confidence` (N,) in [0, 1], `correct` (N,) or not."""
    values, index = np.unique(-confidence, return_inverse=True)
    answered = np.cumsum(np.bincount(index))
    wrong = np.cumsum(np.bincount(index, weights=~correct))
    risk = wrong / answered
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), _POINTS)).round().astype(np.int64))
    return RiskCoverage(
        threshold=tuple((-values[kept]).tolist()),
        coverage=tuple((answered[kept] / len(confidence)).tolist()),
        risk=tuple(risk[kept].tolist()),
    )
