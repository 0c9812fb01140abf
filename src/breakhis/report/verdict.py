"""The leakage verdict in words nobody can misread."""

from dataclasses import dataclass
from typing import Literal

from breakhis.splits.leakage import Leakage


@dataclass(frozen=True)
class Verdict:
    """What a reader must know before any number.

    Attributes:
        kind: "unknown" where the cases are not known, so that nothing can be compared.
        title: A few words.
        text: What follows for the numbers.
    """

    kind: Literal["clean", "leaks", "unknown"]
    title: str
    text: str


def judge(leakage: Leakage | None, *, unit: str, cases: int) -> Verdict:
    """Put a split's measured leakage into words.

    Args:
        leakage: What stands on both sides; None where the training images are not known.
        unit: Unit of the split.
        cases: Known cases of the test set; 0 where the data does not tell them.
    """
    if leakage is not None and leakage.verdict == "leaks":
        return Verdict("leaks", f"This split leaks: {_shared(leakage)}", _consequence(unit))
    if leakage is None or not cases:
        return Verdict("unknown", "Leakage cannot be ruled out", _ignorance(leakage))
    return Verdict(
        "clean",
        "No case on both sides",
        "No image, patient or case of the test set was used to train or to choose anything. These numbers "
        "say, within their intervals, what to expect on a new patient from the same source.",
    )


def _shared(leakage: Leakage) -> str:
    counted = {"case": leakage.cases, "patient": leakage.patients, "image": leakage.images}
    noun, names = next((noun, names) for noun, names in counted.items() if names)
    if len(names) == 1:
        return f"1 {noun} stands on both sides"
    return f"{len(names)} {noun}s stand on both sides"


def _consequence(unit: str) -> str:
    return (
        f"Split by {unit}, the model is tested on tissue it has trained on: these numbers overstate what it "
        "does on a new patient, and must not be quoted without saying so."
    )


def _ignorance(leakage: Leakage | None) -> str:
    missing = "which images the model was trained on" if leakage is None else "which case an image comes from"
    return (
        f"It is not known {missing}, so images of one case may stand on both sides, and these numbers may "
        "overstate what the model does on a new patient."
    )
