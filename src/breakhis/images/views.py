"""The eight views of a square image, its flips and quarter turns, and the mean answer over them.

Tissue on a slide has no up or down, so every view is the same evidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Images = TypeVar("Images", bound=NDArray[Any])

_LEAST = np.finfo(np.float32).tiny


def turn(images: Images, view: int) -> Images:
    """View 0 to 7 of square images (N, side, side, channels); view 0 is the images themselves.

    The lower four are the quarter turns, the upper four those of the mirror image.
    """
    mirrored = images[:, :, ::-1] if view >= 4 else images
    return cast(Images, np.ascontiguousarray(np.rot90(mirrored, view % 4, axes=(1, 2))))


@dataclass(frozen=True)
class Outputs:
    """What a network makes of N images.

    Attributes:
        probabilities: (N, C) float32, uncalibrated; rows sum to 1.
        features: (N, D) float32, the pooled taps side by side, from the bottom up.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]


def mean_outputs(compute: Callable[[Images], Outputs], images: Images, *, views: int) -> Outputs:
    """The outputs over the first `views` views: features are averaged, probabilities as `mean_probabilities`.

    Of a network that is linear before its softmax, the mean answer is the answer to the mean features.
    """
    found = [compute(turn(images, view)) for view in range(views)]
    features = np.mean([one.features for one in found], axis=0)
    return Outputs(mean_probabilities([one.probabilities for one in found]), features)


def mean_probabilities(answers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The renormalised geometric mean (N, C) of answers (N, C) to the same images; a single one is itself."""
    if len(answers) == 1:
        return answers[0]
    mean = np.mean([np.log(np.maximum(answer, _LEAST)) for answer in answers], axis=0)
    shares = np.exp(mean - mean.max(axis=1, keepdims=True))
    answer: NDArray[np.float32] = shares / shares.sum(axis=1, keepdims=True)
    return answer
