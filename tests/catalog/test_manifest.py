"""Manifests: other names, labels and grouping come in by a CSV, and never ungrouped."""

import logging
from pathlib import Path

import pytest
from PIL import Image

from breakhis.catalog import scan
from breakhis.errors import DataError

TA = "SOB_B_TA-14-16184CD-100-021.png"


def manifest(folder: Path, text: str, *images: str) -> Path:
    for image in images:
        path = folder / image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4)).save(path)
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_columns_in_any_order(tmp_path: Path) -> None:
    text = (
        "case,note,subtype,magnification,width,path,height,patient\n"
        "c1,x,benign,40X,30,b/2.png,20,p2\n"
        'c1,"a, b",malignant,,,a/1.png,,p1\n'
    )
    catalog = scan(manifest(tmp_path, text, "a/1.png", "b/2.png"))
    assert [tuple(row) for row in catalog.rows()] == [
        ("a/1.png", "malignant", 0, "p1", "c1", 6, 4),
        ("b/2.png", "benign", 40, "p2", "c1", 30, 20),
    ]
    assert catalog.taxonomy.codes == ("benign", "malignant")


def test_breakhis_names_fill_in_what_is_missing(tmp_path: Path) -> None:
    catalog = scan(manifest(tmp_path, f"path,subtype\n{TA},TA\n", TA))
    assert [tuple(row) for row in catalog.rows()] == [(TA, "TA", 100, "14-16184CD", "14-16184", 6, 4)]
    assert catalog.taxonomy.has_malignancy


@pytest.mark.parametrize("column", ["case", "patient"])
def test_one_grouping_column_is_enough(tmp_path: Path, column: str) -> None:
    catalog = scan(manifest(tmp_path, f"path,subtype,{column}\n1.png,x,g\n", "1.png"))
    assert (catalog.patients[0], catalog.cases[0]) == ("g", "g")


def test_without_grouping_it_is_refused_until_an_expression_tells(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,subtype\ns1_1.png,x\n", "s1_1.png")
    with pytest.raises(DataError, match=r"for s1_1.png in manifest.csv line 2.*--group-regex"):
        scan(path)
    assert scan(path, group_regex=r"(s\d)_").cases.tolist() == ["s1"]
    with pytest.raises(DataError, match="case or patient"):
        scan(path, group_regex=r"(t\d)_")


def test_an_expression_overrules_columns(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,subtype,case\ns1_1.png,x,other\n", "s1_1.png")
    assert scan(path, group_regex=r"(s\d)_").cases.tolist() == ["s1"]


def test_paths_above_the_manifest_and_absolute_ones_move_the_root(tmp_path: Path) -> None:
    elsewhere = tmp_path / "images" / "2.png"
    text = f"path,subtype,case\n../images/1.png,x,a\n{elsewhere},y,b\n"
    path = manifest(tmp_path / "lists", text, "../images/1.png", str(elsewhere))
    catalog = scan(path)
    assert catalog.root == tmp_path / "images"
    assert catalog.paths.tolist() == ["1.png", "2.png"]


def test_missing_images_are_listed_or_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = manifest(tmp_path, "path,subtype,case\n1.png,x,a\n2.png,x,a\n", "1.png")
    with pytest.raises(DataError, match=r"1 of 2 missing: 2\.png"):
        scan(path)
    with caplog.at_level(logging.WARNING, "breakhis"):
        assert scan(path, skip_bad=True).paths.tolist() == ["1.png"]
    assert "1 images of the manifest left out" in caplog.text
    (tmp_path / "1.png").unlink()
    with pytest.raises(DataError, match="2 of 2 missing"):
        scan(path, skip_bad=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("path,subtype\n", "only a header"),
        ("path,label\n1.png,x\n", "found label, path"),
        ("fold,mag,grp,filename\n1,100,train,x.png\n", "Kaggle's list of folds.*split --official"),
        ("path,subtype,case\n1.png,,a\n", "an empty cell"),
        ("path,subtype,case\n,x,a\n", "an empty cell"),
        ("path,subtype,case\n1.png,x,a\n./1.png,y,a\n", "1.png twice"),
        (
            "path,subtype,case,magnification\n1.png,x,a,big\n",
            "magnification in manifest.*'BIG'",
        ),
        ("path,subtype,case,width\n1.png,x,a,-3\n", "width in manifest.csv line 2"),
        ('path,subtype\n1.png,"x\n', "unexpected end of data"),
    ],
)
def test_broken_manifests_are_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        scan(manifest(tmp_path, text, "1.png"))


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (9, 9)).save(path)
    with pytest.raises(DataError, match="readable manifest CSV"):
        scan(path)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufeffpath,subtype,case\r\n1.png,x,a\r\n", "1.png")
    assert scan(path).cases.tolist() == ["a"]
