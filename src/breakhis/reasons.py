"""The words in which a model says why it does not answer: a closed set, the same on every surface."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Reason(StrEnum):
    """Why an image gets no answer, in the order in which the reasons are looked for.

    The first four are found in the image, the others in what the network makes of it. `UNDECIDED` begins a
    reason that ends with the two most probable classes, see `undecided`.
    """

    TOO_SMALL = "too small"
    BLANK = "blank"
    NOT_HE = "not H&E"
    BLURRED = "blurred"
    UNLIKE = "unlike the training data"
    UNDECIDED = "undecided between"


def undecided(probabilities: NDArray[np.floating], codes: Sequence[str]) -> str:
    """The reason of an unsure answer, e.g. ``undecided between F and PT``.

    Args:
        probabilities: (C,) of one image.
        codes: The C classes.
    """
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return f"{Reason.UNDECIDED} {codes[first]} and {codes[second]}"
