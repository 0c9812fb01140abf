"""Where the model looked in its worst mistakes: the evidence for the wrong answer, laid over the picture."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from breakhis.errors import BreakhisError
from breakhis.explain import FUSED, explain, overlay
from breakhis.predict import Predictor
from breakhis.report.thumbnails import Mistake, data_address, read_if_readable, shrink

_STRENGTH = 0.65


def add_heat(
    mistakes: Sequence[Mistake], images: Path | None, *, bundle: Path
) -> tuple[tuple[Mistake, ...], str]:
    """Lay the fused Grad-CAM of each wrong answer over its picture.

    Args:
        mistakes: With pictures where the images can be read.
        images: Folder that their paths are relative to; None where it is not known.
        bundle: The model that made them.

    Returns:
        The mistakes, and why they have no heat; empty where they have, or where there is no picture to lay it
        over.
    """
    if images is None or not any(mistake.picture for mistake in mistakes):
        return tuple(mistakes), ""
    try:
        predictor = Predictor.load(bundle)
        return tuple(_explained(mistake, images, predictor) for mistake in mistakes), ""
    except BreakhisError as error:
        return tuple(mistakes), f"expected {error.expected}, found {error.found}"


def _explained(mistake: Mistake, images: Path, predictor: Predictor) -> Mistake:
    image = read_if_readable(images / mistake.path)
    if image is None:
        return mistake
    heat = explain(predictor, image, target=mistake.answer).heat[FUSED]
    return replace(mistake, heat=data_address(overlay(shrink(image), heat, strength=_STRENGTH)))
