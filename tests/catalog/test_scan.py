"""Folders, however nested, become catalogs; what cannot is refused in one line."""

import importlib
import logging
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from breakhis.catalog import Catalog, scan
from breakhis.catalog.names import ImageName
from breakhis.errors import DataError, UsageError
from breakhis.taxonomy import BREAKHIS

TA = "SOB_B_TA-14-16184CD-100-021.png"
DC = "SOB_M_DC-14-2523-40-010.png"
PC = "SOB_M_PC-15-190EF-400-003.png"


def put(path: Path, *, size: tuple[int, int] = (7, 5), colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, colour, colour)).save(path)
    return path


@pytest.mark.parametrize(
    "folder",
    ["", "a", "BreaKHis_v1/BreaKHis_v1/histology_slides/breast/benign/SOB/x/y/100X", "name with spaces/é"],
)
def test_any_nesting_is_found(tmp_path: Path, folder: str) -> None:
    put(tmp_path / folder / TA)
    put(tmp_path / folder / DC, size=(9, 4))
    catalog = scan(tmp_path)
    assert [Path(path).name for path in catalog.paths.tolist()] == [TA, DC]
    assert catalog.codes.tolist() == ["TA", "DC"]
    assert catalog.patients.tolist() == ["14-16184CD", "14-2523"]
    assert catalog.cases.tolist() == ["14-16184", "14-2523"]
    assert catalog.magnifications.tolist() == [100, 40]
    assert catalog.widths.tolist() == [7, 9]
    assert catalog.heights.tolist() == [5, 4]
    assert catalog.taxonomy is BREAKHIS
    assert all(file.is_file() for file in catalog.files())


def test_rows_are_sorted_by_path_and_the_hash_does_not_depend_on_the_root(tmp_path: Path) -> None:
    for root, order in ((tmp_path / "one", 1), (tmp_path / "two", -1)):
        for name in [TA, DC, PC][::order]:
            put(root / "deep" / name)
    first, second = scan(tmp_path / "one"), scan(tmp_path / "two")
    assert first.paths.tolist() == sorted(first.paths.tolist())
    assert first.hash == second.hash


def test_hidden_and_other_files_are_ignored_and_the_suffix_may_be_upper_case(tmp_path: Path) -> None:
    put(tmp_path / TA).rename(tmp_path / TA.replace(".png", ".PNG"))
    (tmp_path / f"._{DC}").write_bytes(b"macOS")
    put(tmp_path / ".thumbs" / DC)
    (tmp_path / "Folds.csv").write_text("fold,mag,grp,filename\n")
    (tmp_path / "README.txt").write_text("hello")
    assert scan(tmp_path).paths.tolist() == [TA.replace(".png", ".PNG")]


def test_identical_copies_count_once_and_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / "BreaKHis_v1" / TA)
    put(tmp_path / "BreaKHis_v1" / "BreaKHis_v1" / TA)
    with caplog.at_level(logging.WARNING, "breakhis"):
        catalog = scan(tmp_path)
    assert catalog.paths.tolist() == [f"BreaKHis_v1/{TA}"]
    assert "1 images lie twice" in caplog.text


def test_copies_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    put(tmp_path / "a" / TA, colour=1)
    put(tmp_path / "b" / TA, colour=2)
    with pytest.raises(DataError, match=r"two that differ: a/SOB_B_TA.* and b/SOB_B_TA"):
        scan(tmp_path, skip_bad=True)


def test_names_that_do_not_parse_are_counted_and_ten_are_listed(tmp_path: Path) -> None:
    put(tmp_path / TA)
    for number in range(13):
        put(tmp_path / f"photo{number:02d}.jpg")
    with pytest.raises(DataError) as caught:
        scan(tmp_path)
    assert "13 other image names of 14: photo00.jpg" in str(caught.value)
    assert "photo09.jpg and 3 more" in str(caught.value)
    assert "--skip-bad" in caught.value.fix


def test_skip_bad_leaves_them_out_and_says_how_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path / TA)
    put(tmp_path / "photo.jpg")
    with caplog.at_level(logging.WARNING, "breakhis"):
        assert scan(tmp_path, skip_bad=True).paths.tolist() == [TA]
    assert "1 images left out" in caplog.text


def test_skip_bad_does_not_make_an_empty_catalog(tmp_path: Path) -> None:
    put(tmp_path / "photo.jpg")
    with pytest.raises(DataError, match="1 other image names of 1") as caught:
        scan(tmp_path, skip_bad=True)
    assert "--skip-bad" not in caught.value.fix


def test_no_images_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        scan(tmp_path)
    with pytest.raises(DataError, match="found nothing at"):
        scan(tmp_path / "absent")


def test_a_link_back_to_the_top_ends(tmp_path: Path) -> None:
    put(tmp_path / "a" / TA)
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert scan(tmp_path).paths.tolist() == [f"a/{TA}"]


def test_unreadable_images_stay_with_size_zero(tmp_path: Path) -> None:
    (tmp_path / TA).write_bytes(b"")
    (tmp_path / DC).write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / PC).write_bytes(b"not an image, but longer than a header")
    catalog = scan(tmp_path)
    assert catalog.widths.tolist() == catalog.heights.tolist() == [0, 0, 0]


def test_other_formats_have_their_size_read(tmp_path: Path) -> None:
    put(tmp_path / TA.replace(".png", ".jpg"), size=(11, 3))
    catalog = scan(tmp_path)
    assert (catalog.widths[0], catalog.heights[0]) == (11, 3)
    assert scan(tmp_path, sizes=False).widths.tolist() == [0]


def test_a_foreign_folder_by_expression(tmp_path: Path) -> None:
    for label, slide in (("tumour", 1), ("tumour", 2), ("stroma", 1)):
        for tile in range(2):
            put(tmp_path / "train" / label / f"slide{slide}_{tile}.jpg")
    catalog = scan(tmp_path, group_regex=r"(?P<case>slide\d+)_")
    assert catalog.taxonomy.codes == ("stroma", "tumour")
    assert not catalog.taxonomy.has_malignancy
    assert sorted(set(catalog.cases.tolist())) == ["slide1", "slide2"]
    assert catalog.patients.tolist() == catalog.cases.tolist()
    assert scan(tmp_path, group_regex=r"(slide\d+)_").hash == catalog.hash
    with pytest.raises(DataError, match="6 other image names of 6"):
        scan(tmp_path, group_regex=r"(case\d+)_")


def test_an_expression_regroups_breakhis_images_under_their_own_labels(tmp_path: Path) -> None:
    put(tmp_path / "100X" / TA)
    catalog = scan(tmp_path, group_regex=r"-(\d+)[A-Z]*-\d+-\d{3}\.png$")
    assert (catalog.codes[0], catalog.cases[0], catalog.magnifications[0]) == ("TA", "16184", 100)


@pytest.mark.parametrize("pattern", ["(", "slide", ""])
def test_an_expression_without_a_case_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"\(\?P<case>"):
        scan(tmp_path, group_regex=pattern)


def test_a_saved_catalog_is_read_back_equal(tmp_path: Path) -> None:
    for name in (TA, DC, PC):
        put(tmp_path / "x" / name)
    catalog = scan(tmp_path)
    catalog.save(tmp_path / "catalog.csv")
    again = scan(tmp_path / "catalog.csv")
    assert again.hash == catalog.hash
    assert again.root == catalog.root


def test_rows_make_the_same_catalog(tmp_path: Path) -> None:
    put(tmp_path / TA)
    catalog = scan(tmp_path)
    assert Catalog.from_rows(tmp_path, list(catalog.rows())).hash == catalog.hash
    empty = Catalog.from_rows(tmp_path, [])
    assert len(empty) == 0
    assert empty.paths.dtype.kind == "U"


def test_a_hundred_thousand_names_parse_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [
        f"benign/{patient}/100X/{ImageName('DC', f'14-{patient}', f'14-{patient}', 100, number).file_name}"
        for patient in range(1000)
        for number in range(100)
    ]
    module = importlib.import_module("breakhis.catalog.scan")
    monkeypatch.setattr(module, "find_images", lambda root: iter(paths))
    started = time.process_time()
    assert len(scan(tmp_path, sizes=False)) == 100_000
    assert time.process_time() - started < 5


@pytest.mark.real
def test_the_real_images(real_data: Path) -> None:
    catalog = scan(real_data)
    assert len(catalog) == 771
    assert len(np.unique(catalog.labels)) == 8
    per_magnification = dict(zip(*np.unique(catalog.magnifications, return_counts=True), strict=True))
    assert per_magnification == {40: 35, 100: 201, 200: 530, 400: 5}
    assert set(zip(catalog.widths.tolist(), catalog.heights.tolist(), strict=True)) == {
        (700, 460), (700, 456), (500, 328), (350, 230), (224, 224),
    }  # fmt: skip
