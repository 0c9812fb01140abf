"""Checks of an image: what is no sharp picture of H&E tissue is refused, for the right reason."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakhis.catalog.synthetic import paint_image, plan_synthetic
from breakhis.images.checks import look, sharpness
from breakhis.images.decode import read_image, resize
from breakhis.reasons import Reason, undecided
from sample_pictures import Picture, sample_pictures

PICTURES = sample_pictures()
MIN_SIDE = 112


def flat(*colour: int, size: tuple[int, int] = (230, 350)) -> Picture:
    return np.full((*size, 3), colour, dtype=np.uint8)


@pytest.fixture(scope="module")
def tiles() -> list[Picture]:
    """Synthetic tissue of every subtype and magnification, 350 x 230 and 700 x 460."""
    planned = plan_synthetic(cases_per_class=2, images_per_patient=2)
    return [paint_image(one, seed=0) for one in planned[::2]]


@pytest.mark.parametrize("name", PICTURES)
def test_what_packages_ship_is_no_stained_tissue(name: str) -> None:
    picture = PICTURES[name]
    expected = Reason.TOO_SMALL if min(picture.shape[:2]) < MIN_SIDE else Reason.NOT_HE
    assert look(picture).check is expected


def test_tissue_passes_at_its_own_size_and_squashed(tiles: list[Picture]) -> None:
    assert [look(tile).check for tile in tiles] == [None] * len(tiles)
    assert [look(resize(tile, 224)).check for tile in tiles] == [None] * len(tiles)


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (240, 170, 200), (128, 128, 128)])
def test_a_flat_tile_is_blank_with_and_without_noise(colour: tuple[int, int, int]) -> None:
    assert look(flat(*colour)).check is Reason.BLANK
    noise = np.random.default_rng(0).normal(0, 6, (230, 350, 3))
    assert look(np.clip(flat(*colour) + noise, 0, 255).astype(np.uint8)).check is Reason.BLANK


def test_glass_with_a_speck_of_tissue_is_blank(tiles: list[Picture]) -> None:
    glass = flat(245, 243, 246)
    glass[100:118, 100:130] = tiles[0][:18, :30]
    assert look(glass).check is Reason.BLANK


@pytest.mark.parametrize("size", [(224, 224), (230, 350), (460, 700)])
def test_noise_is_not_stained(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert look(noise).check is Reason.NOT_HE


def test_tissue_without_its_colours_is_not_stained(tiles: list[Picture]) -> None:
    for tile in tiles[:6]:
        grey = np.repeat(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
        # Inverted it is dark with bright green nuclei, as in fluorescence; turned, it is brown and blue.
        for changed in (grey, 255 - tile, np.ascontiguousarray(tile[..., [0, 2, 1]])):
            assert look(changed).check is Reason.NOT_HE


def test_a_line_drawing_is_not_stained() -> None:
    drawing = flat(255, 255, 255, size=(300, 300))
    for radius in range(10, 140, 6):
        cv2.circle(drawing, (150, 150), radius, (20, 20, 20), 2)
    assert look(drawing).check is Reason.NOT_HE


def test_defocus_is_seen_and_more_blur_is_never_sharper(tiles: list[Picture]) -> None:
    for tile in tiles[:8]:
        measured = [sharpness(resize(tile, 224))]
        for sigma in (1.0, 2.0, 5.0):
            blurred = cv2.GaussianBlur(tile, (0, 0), sigma * tile.shape[1] / 224)
            measured.append(sharpness(resize(blurred, 224)))
            assert sigma < 2 or look(blurred).check is Reason.BLURRED
        assert measured == sorted(measured, reverse=True)


def test_a_thumbnail_is_too_small(tiles: list[Picture]) -> None:
    small = cv2.resize(tiles[0], (MIN_SIDE - 1, 400), interpolation=cv2.INTER_AREA)
    assert look(small).check is Reason.TOO_SMALL
    assert look(np.ascontiguousarray(small.transpose(1, 0, 2))).check is Reason.TOO_SMALL


@settings(max_examples=15, deadline=None)
@given(
    quarter_turns=st.integers(0, 3),
    mirrored=st.booleans(),
    number=st.integers(0, 11),
    gain=st.floats(0.85, 1),
)
def test_orientation_and_exposure_do_not_matter(
    tiles: list[Picture], quarter_turns: int, mirrored: bool, number: int, gain: float
) -> None:
    turned = np.rot90((tiles[number] * gain).astype(np.uint8), quarter_turns)
    assert look(np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)).check is None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_any_picture_has_an_answer(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.integers(0, 256, 2))
    picture = rng.integers(low, high + 1, (height, width, 3), dtype=np.uint8)
    found = look(picture).check
    assert (found is Reason.TOO_SMALL) == (min(height, width) < MIN_SIDE)


@pytest.mark.real
def test_real_images_pass(real_data: Path) -> None:
    files = sorted(real_data.rglob("*.png"))[::4]
    found = Counter(look(read_image(file)).check for file in files)
    assert found[None] >= 0.99 * len(files), found


@pytest.mark.real
def test_defocused_real_images_are_blurred(real_data: Path) -> None:
    files = sorted(real_data.rglob("*.png"))[::20]
    blurred = [cv2.GaussianBlur(resize(read_image(file), 224), (0, 0), 1.5) for file in files]
    found = Counter(look(image).check for image in blurred)
    assert found[Reason.BLURRED] >= 0.95 * len(files), found


def test_reasons_are_fixed_words() -> None:
    probabilities = np.array([0.1, 0.4, 0.3, 0.2])
    assert undecided(probabilities, ("A", "F", "PT", "TA")) == "undecided between F and PT"
    words = {"too small", "blank", "not H&E", "blurred", "unlike the training data", "undecided between"}
    assert {str(reason) for reason in Reason} == words
