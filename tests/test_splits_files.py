"""Splits as files: what is read back is what was written, and nothing altered is believed."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from breakhis.catalog import Catalog
from breakhis.config import SplitConfig
from breakhis.errors import SplitError
from breakhis.splits import Split, make_folds, make_split
from split_tables import catalog_of_names

NAMES = [
    f"SOB_{group}_{code}-14-{number}{letter}-{magnification}-{sequence:03d}.png"
    for group, code, first in (("M", "DC", 100), ("B", "F", 200))
    for number in range(first, first + 6)
    for letter in "AB"
    for magnification in (40, 200)
    for sequence in (1, 2)
]


@pytest.fixture
def catalog() -> Catalog:
    return catalog_of_names(NAMES)


@pytest.fixture
def saved(catalog: Catalog, tmp_path: Path) -> Path:
    path = tmp_path / "split.csv"
    make_split(catalog, SplitConfig(), seed=4).save(path)
    return path


def test_json_says_how_the_split_came_about_and_what_it_holds(catalog: Catalog, saved: Path) -> None:
    stored = json.loads(saved.with_suffix(".json").read_text())
    assert stored["unit"] == "case"
    assert stored["seed"] == 4
    assert stored["policy"] == {}
    assert stored["catalog_hash"] == catalog.hash
    assert stored["leakage"]["verdict"] == "clean"
    (counts,) = stored["counts"]
    assert counts["test"]["classes"]["DC"] == {"images": 8, "patients": 2, "cases": 1}
    assert {unit: counts["train"][unit] for unit in ("images", "patients", "cases")} == {
        "images": 64,
        "patients": 16,
        "cases": 8,
    }


@pytest.mark.parametrize("nested", ["{file}", "a/b/{folder}/{file}"])
def test_matches_by_file_name_when_nested_otherwise(catalog: Catalog, saved: Path, nested: str) -> None:
    other = catalog_of_names(NAMES, nested=nested)
    loaded, original = Split.load(saved, other), Split.load(saved, catalog)
    assert loaded.hash == original.hash
    for name in ("train", "validation", "test"):
        mine = {Path(path).name for path in other.paths[loaded.indices(name)]}
        assert mine == {Path(path).name for path in catalog.paths[original.indices(name)]}


def test_the_order_of_rows_does_not_matter(catalog: Catalog, saved: Path) -> None:
    shuffled = catalog.select(np.random.default_rng(0).permutation(len(catalog)))
    again = make_split(shuffled, SplitConfig(), seed=4)
    loaded = Split.load(saved, shuffled)
    assert np.array_equal(again.subsets, loaded.subsets)
    assert np.array_equal(again.paths, loaded.paths)


def alter_subset(saved: Path) -> None:
    text = saved.read_text()
    saved.write_text(text.replace(",test\n", ",train\n", 1))


def alter_json(key: str, value: object) -> Callable[[Path], None]:
    def alter(saved: Path) -> None:
        beside = saved.with_suffix(".json")
        beside.write_text(json.dumps(json.loads(beside.read_text()) | {key: value}))

    return alter


@pytest.mark.parametrize(
    "alter",
    [
        alter_subset,
        alter_json("unit", "image"),
        alter_json("seed", 5),
        alter_json("warnings", ["all is well"]),
        alter_json("catalog_hash", "0" * 64),
        alter_json("content_hash", "0" * 64),
        alter_json("hash", "0" * 64),
    ],
)
def test_an_altered_file_is_refused_by_name(
    catalog: Catalog, saved: Path, alter: Callable[[Path], None]
) -> None:
    alter(saved)
    with pytest.raises(SplitError, match=r"split\.csv and split\.json as they were written.*altered"):
        Split.load(saved, catalog)


def test_altered_counts_are_not_believed(catalog: Catalog, saved: Path) -> None:
    alter_json("counts", [])(saved)
    assert Split.load(saved, catalog).counts[0]["test"]["cases"] == 2


def test_other_labels_for_the_same_images_are_refused(catalog: Catalog, saved: Path) -> None:
    relabelled = dataclasses.replace(catalog, labels=catalog.labels[::-1].copy())
    with pytest.raises(SplitError, match="subtypes, patients and cases"):
        Split.load(saved, relabelled)


def test_a_claimed_verdict_is_measured_again(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    make_split(catalog, SplitConfig(by="image"), seed=0).save(path)
    alter_json("leakage", {"verdict": "clean", "images": [], "patients": [], "cases": []})(path)
    assert Split.load(path, catalog).leakage.verdict == "leaks"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "empty"),
        ("path,set\na.png,train\n", "path,set"),
        ("path,subset\na.png,training\n", "line 2"),
        ("path,subset\na.png\n", "line 2"),
        ("path,subset\na.png,train\na.png,test\n", "listed twice"),
        ("path,subset\n", "no rows"),
    ],
)
def test_a_file_that_is_no_split_is_refused(
    catalog: Catalog, tmp_path: Path, content: str, found: str
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(content)
    with pytest.raises(SplitError, match=r"mine\.csv") as caught:
        Split.load(path, catalog)
    assert found in caught.value.found


@pytest.mark.parametrize(
    ("key", "value"), [("unit", "slide"), ("seed", "x"), ("warnings", 3), ("policy", []), ("format", 2)]
)
def test_json_with_other_values_is_refused(catalog: Catalog, saved: Path, key: str, value: object) -> None:
    alter_json(key, value)(saved)
    with pytest.raises(SplitError, match=r"split\.json") as caught:
        Split.load(saved, catalog)
    assert key in caught.value.found


def test_json_that_is_cut_is_refused(catalog: Catalog, saved: Path) -> None:
    beside = saved.with_suffix(".json")
    beside.write_text(beside.read_text()[:100])
    with pytest.raises(SplitError, match=r"split\.json"):
        Split.load(saved, catalog)


def test_a_table_made_by_hand_is_accepted_and_measured(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = ["train", "validation", "test", "train"]
    lines = [f"{name},{rows[index % 4]}" for index, name in enumerate(NAMES[:-4])]
    path.write_text("\n".join(["path,subset", *lines]) + "\n")
    split = Split.load(path, catalog)
    assert split.unit == "manual"
    assert split.leakage.verdict == "leaks"
    assert "4 images that mine.csv does not list are excluded" in split.warnings
    assert split.counts[0]["excluded"]["images"] == 4
    assert len(split.indices("test")) == len(lines[2::4])


def test_one_fold_is_a_split_of_its_own(catalog: Catalog) -> None:
    split = make_folds(catalog, SplitConfig(), folds=3, seed=0)
    one = split.one_fold(2, catalog)
    assert one.folds == 1
    assert np.array_equal(one.indices("test"), split.indices("test", fold=2))
    assert one.counts == (split.counts[2],)
    assert one.hash != split.hash
    with pytest.raises(SplitError, match="from 0 to 2"):
        split.indices("test", fold=3)
    with pytest.raises(SplitError, match="from 0 to 2"):
        split.one_fold(-1, catalog)


def test_what_is_no_split_is_not_overwritten(catalog: Catalog, tmp_path: Path) -> None:
    split = make_split(catalog, SplitConfig(), seed=0)
    manifest, other = tmp_path / "manifest.csv", tmp_path / "other.json"
    manifest.write_text("path,subtype\na.png,DC\n")
    other.write_text("{}")
    for path in (manifest, other.with_suffix(".csv")):
        with pytest.raises(SplitError, match="left as it is"):
            split.save(path)
    assert manifest.read_text() == "path,subtype\na.png,DC\n"
    assert other.read_text() == "{}"
    split.save(tmp_path / "split.csv")
    split.save(tmp_path / "split.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.csv",
        "other.json",
        "split.csv",
        "split.json",
    ]


def test_only_csv_is_written(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match=r"ends in \.csv"):
        make_split(catalog, SplitConfig(), seed=0).save(tmp_path / "split.json")
    assert not list(tmp_path.iterdir())
