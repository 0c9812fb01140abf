"""Names of BreaKHis: parsed, written back, refused."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakhis.catalog.names import ImageName, parse_file, parse_name
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS

slides = st.tuples(st.integers(1, 99_999), st.text(string.ascii_uppercase, max_size=3))
names = st.builds(
    lambda code, year, slide, magnification, sequence: ImageName(
        code=code,
        patient=f"{year:02d}-{slide[0]}{slide[1]}",
        case=f"{year:02d}-{slide[0]}",
        magnification=magnification,
        sequence=sequence,
    ),
    st.sampled_from(BREAKHIS.codes),
    st.integers(0, 99),
    slides,
    st.sampled_from(MAGNIFICATIONS),
    st.integers(0, 999),
)


@given(names)
def test_a_name_is_read_back_as_it_was_written(name: ImageName) -> None:
    assert parse_name(name.file_name) == name


@given(names, st.sampled_from([".png", ".PNG", ".jpg", ".tif"]), st.sampled_from(["", "a/", "a.b/c/40X/"]))
def test_a_path_is_parsed_by_its_stem(name: ImageName, suffix: str, folder: str) -> None:
    assert parse_file(folder + name.file_name.removesuffix(".png") + suffix) == name


@given(st.text())
def test_any_text_is_parsed_to_itself_or_refused(text: str) -> None:
    parsed = parse_name(text)
    assert parsed is None or parsed.file_name == text


def test_the_fields_of_a_name() -> None:
    parsed = parse_name("SOB_B_TA-14-16184CD-100-021.png")
    assert parsed == ImageName("TA", patient="14-16184CD", case="14-16184", magnification=100, sequence=21)
    assert parsed.folder_name == "SOB_B_TA_14-16184CD"


@pytest.mark.parametrize(
    "name",
    [
        "SOB_M_TA-14-16184CD-100-021.png",  # tubular adenoma is benign
        "SOB_B_DC-14-16184CD-100-021.png",
        "SOB_B_XX-14-16184CD-100-021.png",
        "SOB_B_TA-14-16184CD-50-021.png",
        "SOB_B_TA-14-16184CD-100-21.png",
        "SOB_B_TA_14-16184CD-100-021.png",
        "SOB_B_TA-14-16184cd-100-021.png",
        "SOB_B_TA-14-16184CD-100-021.png\n",
        "a/SOB_B_TA-14-16184CD-100-021.png",
        "",
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    assert parse_name(name) is None


def test_every_official_name_is_parsed(official_names_file) -> None:
    official = official_names_file.read_text().split()
    assert [parse_name(name).file_name for name in official] == official
