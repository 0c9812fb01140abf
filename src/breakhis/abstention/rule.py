"""The thresholds below which a model does not answer, and the answers with their reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from breakhis.abstention.space import CaseSpace
from breakhis.affine import Affine
from breakhis.predictions import Predictions
from breakhis.reasons import Reason, undecided

FloatArray = NDArray[np.float64]

UNLIKE_SHARE: Final = 0.2
"""Share of what a rule leaves unanswered of held-out images that it may leave for their distance."""


@dataclass(frozen=True, eq=False)
class Rule:
    """When a model answers.

    Attributes:
        coverage: Share of the held-out images that the thresholds were set to answer.
        images: Number of those images.
        distance: Largest distance to the nearest training case at which an image is answered.
        confidence: Least calibrated probability of the answered subtype.
        space: What distances are measured in.
    """

    coverage: float
    images: int
    distance: float
    confidence: float
    space: CaseSpace

    @classmethod
    def fit(
        cls, space: CaseSpace, distances: FloatArray, confidence: FloatArray, *, coverage: float
    ) -> "Rule":
        """The strictest thresholds that answer a share of `coverage` of held-out images.

        Args:
            space: Of the training images.
            distances: (N,) of held-out images to the nearest training case other than their own group.
            confidence: (N,) calibrated, of the same images.
            coverage: In (0, 1].
        """
        count = len(distances)
        near = np.ceil((1 - (1 - coverage) * UNLIKE_SHARE) * count)
        distance = float(np.sort(distances)[int(near) - 1])
        surest = np.sort(confidence[distances <= distance])[::-1]
        answered = min(int(np.ceil(coverage * count)), len(surest))
        return cls(coverage, count, distance, float(surest[answered - 1]), space)

    def reasons(self, answers: Predictions, features: NDArray[np.floating]) -> list[str]:
        """Why each of N images is not answered, from its features (N, D); empty where it is answered."""
        far = self.space.distances(features) > self.distance
        unsure = answers.confidence < self.confidence
        found = []
        for row, probabilities in enumerate(answers.probabilities):
            if far[row]:
                found.append(str(Reason.UNLIKE))
            else:
                found.append(undecided(probabilities, answers.taxonomy.codes) if unsure[row] else "")
        return found

    def to_json(self) -> dict[str, Any]:
        """The thresholds, without the space."""
        return {
            "coverage": self.coverage,
            "images": self.images,
            "distance": self.distance,
            "confidence": self.confidence,
        }

    def to_bytes(self) -> bytes:
        """The space, as safetensors."""
        arrays = {
            "kernel": self.space.whitening.kernel,
            "bias": self.space.whitening.bias,
            "points": self.space.points,
        }
        packed: bytes = safetensors.numpy.save(
            {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        )
        return packed

    @classmethod
    def load(cls, thresholds: Mapping[str, Any], space: bytes) -> "Rule":
        """What `to_json` and `to_bytes` gave; raises KeyError, TypeError or SafetensorError otherwise."""
        arrays = {name: array.astype(np.float64) for name, array in safetensors.numpy.load(space).items()}
        return cls(
            **{name: thresholds[name] for name in ("coverage", "images", "distance", "confidence")},
            space=CaseSpace(Affine(arrays["kernel"], arrays["bias"]), arrays["points"]),
        )


def judge(
    answers: Predictions,
    features: NDArray[np.floating],
    *,
    checks: Sequence[Reason | None],
    rule: Rule | None,
) -> Predictions:
    """The same answers with the first reason that holds not to give each.

    Args:
        answers: Calibrated, of N images.
        features: (N, D), as `breakhis.images.views.Outputs` has them.
        checks: What `breakhis.images.checks` found in each.
        rule: None for a model without thresholds, which abstains by the checks alone.
    """
    later = rule.reasons(answers, features) if rule is not None else [""] * len(answers)
    reasons = [str(check or reason) for check, reason in zip(checks, later, strict=True)]
    return replace(answers, reasons=np.array(reasons, dtype=np.str_))
