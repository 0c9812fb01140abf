"""The model that ships does not answer pictures that are no sharp H&E tissue, and answers most real ones."""

from pathlib import Path

import numpy as np
import pytest

from breakhis.catalog.scan import find_images
from breakhis.images.checks import look
from breakhis.predict import Predictor
from breakhis.reasons import Reason
from sample_pictures import Picture, sample_pictures

PICTURES = sample_pictures()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load()


def tinted(picture: Picture) -> Picture:
    """A photograph whose bright parts are eosin pink and whose dark parts are haematoxylin blue."""
    share = picture.mean(axis=2, keepdims=True) / 255
    mixed = share * np.array([235, 190, 215]) + (1 - share) * np.array([90, 50, 130])
    return mixed.astype(np.uint8)


def test_photographs_drawings_blank_tiles_and_another_stain_get_no_answer(predictor: Predictor) -> None:
    names = ["skimage immunohistochemistry", "skimage astronaut", "skimage page", "sklearn flower"]
    blank = np.full((460, 700, 3), 243, dtype=np.uint8)
    answers = predictor.predict([*(PICTURES[name] for name in names), blank])
    assert answers.reasons.tolist() == [str(Reason.NOT_HE)] * 4 + [str(Reason.BLANK)]
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("name", ["camera", "brick", "coins", "moon", "text"])
def test_what_has_the_colours_of_the_stain_but_no_tissue_is_unlike(predictor: Predictor, name: str) -> None:
    picture = tinted(PICTURES[f"skimage {name}"])
    assert look(picture).check is None
    assert predictor.predict([picture]).reasons.tolist() == [str(Reason.UNLIKE)]


def test_real_images_are_answered_but_for_the_unsure_ones(predictor: Predictor, real_data: Path) -> None:
    """It was trained on them: this shows that nothing is refused as no tissue, not how well it does."""
    files = sorted(real_data / name for name in find_images(real_data))[::64]
    answers = predictor.predict(files)
    reasons = set(answers.reasons.tolist()) - {"", str(Reason.UNLIKE)}
    assert all(reason.startswith(Reason.UNDECIDED) for reason in reasons)
    assert (answers.reasons == "").mean() > 0.8


def test_thresholds_are_those_of_held_out_images(predictor: Predictor) -> None:
    rule, metrics = predictor.bundle.rule, predictor.bundle.metrics
    assert rule is not None
    assert (rule.coverage, rule.images) == (0.9, metrics["images"])
    low, high = metrics["abstention"]["coverage"]["ci95"]
    assert low < 0.9 < high
    assert "does not answer for an image that is too small" in predictor.bundle.card
