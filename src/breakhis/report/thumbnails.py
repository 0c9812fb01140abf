"""The worst mistakes of a table of answers: the wrong ones that the model was surest of, with pictures."""

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from breakhis.errors import ImageError
from breakhis.images.decode import Image, read_image
from breakhis.predictions import Predictions

SIDE = 120
"""Height in pixels that a picture is drawn at; it is stored at up to twice that, for sharp screens."""

_QUALITY = 80


@dataclass(frozen=True)
class Mistake:
    """A wrong answer.

    Attributes:
        path: As the catalog has it.
        truth, answer: Class codes.
        confidence: Probability of the answer, in [0, 1].
        crosses: Whether a benign image was called malignant or the other way round.
        case: Empty where unknown.
        magnification: 0 where unknown.
        picture: JPEG as a data address; None where the image cannot be read.
        heat: The same with the evidence for the answer laid over it; None where that is not known.
    """

    path: str
    truth: str
    answer: str
    confidence: float
    crosses: bool
    case: str
    magnification: int
    picture: str | None
    heat: str | None = None


def worst_mistakes(predictions: Predictions, images: Path | None, *, count: int = 12) -> list[Mistake]:
    """The `count` most confident wrong answers, surest first.

    Args:
        predictions: Answers with known truth; those without are passed over.
        images: Folder that the paths are relative to; None where it is not known.
        count: How many at most.
    """
    wrong = np.flatnonzero((predictions.truth >= 0) & (predictions.labels != predictions.truth))
    order = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:count]
    return [_mistake(predictions, int(row), images) for row in order]


def _mistake(predictions: Predictions, row: int, images: Path | None) -> Mistake:
    taxonomy = predictions.taxonomy
    truth, answer = int(predictions.truth[row]), int(predictions.labels[row])
    name = str(predictions.paths[row])
    return Mistake(
        path=name,
        truth=taxonomy.codes[truth],
        answer=taxonomy.codes[answer],
        confidence=float(predictions.confidence[row]),
        crosses=taxonomy.has_malignancy and taxonomy.malignant[truth] != taxonomy.malignant[answer],
        case=str(predictions.cases[row]),
        magnification=int(predictions.magnifications[row]),
        picture=thumbnail(images / name) if images is not None else None,
    )


def thumbnail(source: Path) -> str | None:
    """A small JPEG of an image as a data address; None where there is no readable image."""
    image = read_if_readable(source)
    return None if image is None else data_address(shrink(image))


def read_if_readable(source: Path) -> Image | None:
    """An image as `read_image` gives it; None where there is none that is readable."""
    if not source.is_file():
        return None
    try:
        return read_image(source)
    except ImageError:
        return None


def shrink(image: Image) -> Image:
    """An image in the size that its picture is stored in, never larger than it is."""
    height, width = image.shape[:2]
    factor = min(1.0, 2 * SIDE / height, 4 * SIDE / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def data_address(image: Image) -> str:
    """(H, W, 3) uint8 RGB as a JPEG that stands in the page itself."""
    encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
