"""The embedded names and what they say of a copy."""

import runpy
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from breakhis.catalog.names import parse_name
from breakhis.catalog.official import (
    EXPECTED_COUNTS,
    compare_with_official,
    official_images,
    official_names,
)
from breakhis.catalog.scan import parse_path
from breakhis.catalog.table import Catalog
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS


def catalog_of(names: list[str]) -> Catalog:
    return Catalog.from_rows(Path(), [parse_path(f"some/folder/{name}") for name in names])


def test_the_names_are_the_published_ones(official_names_file: Path) -> None:
    assert sorted(official_names_file.read_text().split()) == list(official_names())


def test_every_name_parses_to_itself() -> None:
    assert [parse_name(name) for name in official_names()] == list(official_images())


def test_counts_are_those_of_the_table() -> None:
    counted = Counter((image.code, image.magnification) for image in official_images())
    assert counted == {
        (code, zoom): EXPECTED_COUNTS[code][zoom] for code in BREAKHIS.codes for zoom in MAGNIFICATIONS
    }
    per_zoom = {zoom: sum(EXPECTED_COUNTS[code][zoom] for code in BREAKHIS.codes) for zoom in MAGNIFICATIONS}
    assert per_zoom == {40: 1995, 100: 2081, 200: 2013, 400: 1820}
    assert len(official_names()) == len(set(official_names())) == 7909


@pytest.mark.parametrize(
    ("code", "images", "folders", "cases"),
    [
        ("A", 444, 4, 2),
        ("F", 1014, 10, 7),
        ("PT", 453, 3, 3),
        ("TA", 569, 7, 6),
        ("DC", 3451, 38, 38),
        ("LC", 626, 5, 4),
        ("MC", 792, 9, 7),
        ("PC", 560, 6, 6),
    ],
)
def test_folders_and_cases_are_those_of_the_table(code: str, images: int, folders: int, cases: int) -> None:
    of_class = [image for image in official_images() if image.code == code]
    assert len(of_class) == sum(EXPECTED_COUNTS[code].values()) == images
    assert len({image.folder_name for image in of_class}) == folders
    assert len({image.case for image in of_class}) == cases


def test_groups_of_the_whole_set() -> None:
    images = official_images()
    assert len({image.folder_name for image in images}) == 82
    assert len({image.case for image in images}) == 70
    # 14-13412 is one slide in two folders, so there are 81 patient numbers
    assert len({image.patient for image in images}) == 81
    classes: dict[str, set[str]] = {}
    for image in images:
        classes.setdefault(image.case, set()).add(image.code)
    across = {case: codes for case, codes in classes.items() if len(codes) > 1}
    assert across == {"14-21998": {"PT", "F"}, "14-29960": {"F", "A"}, "14-13412": {"DC", "LC"}}
    assert {image.patient for image in images if not image.patient.startswith("14-")} == {"15-190EF"}


def test_the_embedded_file_is_what_the_tool_writes() -> None:
    pack = runpy.run_path(str(Path(__file__).parents[2] / "tools/pack_official_names.py"))["pack"]
    packed = (resources.files("breakhis.catalog") / "official_names.txt").read_text("utf-8")
    assert pack(list(official_names())) == packed


def test_a_whole_copy_is_whole_whatever_its_folders() -> None:
    assert compare_with_official(catalog_of(list(official_names()))).whole


def test_missing_and_unknown_names_are_told() -> None:
    added = "SOB_B_TA-14-99999-100-001.png"
    compared = compare_with_official(catalog_of([*official_names()[3:], added]))
    assert compared.missing == official_names()[:3]
    assert compared.unknown == (added,)
    assert not compared.whole
