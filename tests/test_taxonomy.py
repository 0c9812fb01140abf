"""The eight subtypes, in the one order that labels have everywhere."""

import pytest

from breakhis.taxonomy import BREAKHIS, DOUBLE_LABELLED_CASE, FOLDERS, MAGNIFICATIONS, Taxonomy


def test_breakhis_is_four_benign_then_four_malignant() -> None:
    assert BREAKHIS.codes == ("A", "F", "PT", "TA", "DC", "LC", "MC", "PC")
    assert BREAKHIS.malignant == (False,) * 4 + (True,) * 4
    assert len(BREAKHIS) == len(BREAKHIS.names) == 8
    assert BREAKHIS.has_malignancy
    assert [BREAKHIS.label(code) for code in BREAKHIS.codes] == list(range(8))
    with pytest.raises(ValueError, match="not in tuple"):
        BREAKHIS.label("XX")


def test_folders_agree_with_malignancy() -> None:
    assert tuple(FOLDERS) == BREAKHIS.codes
    for code, malignant in zip(BREAKHIS.codes, BREAKHIS.malignant, strict=True):
        assert FOLDERS[code].startswith("malignant/" if malignant else "benign/")


def test_codes_of_breakhis_keep_their_labels_in_a_subset() -> None:
    assert Taxonomy.of(["DC", "A"]) is BREAKHIS


def test_foreign_codes_make_their_own_sorted_taxonomy() -> None:
    foreign = Taxonomy.of(["stroma", "DC", "fat", "fat"])
    assert foreign.codes == foreign.names == ("DC", "fat", "stroma")
    assert not foreign.has_malignancy


def test_constants() -> None:
    assert MAGNIFICATIONS == (40, 100, 200, 400)
    assert DOUBLE_LABELLED_CASE == "13412"
