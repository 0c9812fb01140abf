"""The published folds, in the two formats that exist, written here from the official names."""

import time
from pathlib import Path

import numpy as np
import pytest

from breakhis.catalog import Catalog, parse_name
from breakhis.errors import SplitError
from breakhis.splits import Split, read_official
from split_tables import catalog_of_names

FOLDS = range(1, 6)


@pytest.fixture(scope="module")
def names(official_names_file: Path) -> list[str]:
    return official_names_file.read_text().split()


@pytest.fixture(scope="module")
def catalog(names: list[str]) -> Catalog:
    return catalog_of_names(names)


def part_of(name: str, fold: int) -> str:
    """A 70/30 division by slide folder, another one for each fold."""
    parsed = parse_name(name)
    assert parsed is not None
    number = sum(map(ord, parsed.folder_name)) + 3 * fold
    return "test" if number % 10 < 3 else "train"


def write_lists(folder: Path, names: list[str]) -> Path:
    for fold in FOLDS:
        lines = [f"{name}|{name.split('-')[3]}|{fold}|{part_of(name, fold)}" for name in names]
        (folder / f"dsfold{fold}.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_kaggle(folder: Path, names: list[str]) -> Path:
    lines = ["fold,mag,grp,filename"]
    for fold in FOLDS:
        for name in names:
            path = f"BreaKHis_v1/histology_slides/breast/benign/SOB/x/{name}"
            lines.append(f"{fold},{name.split('-')[3]},{part_of(name, fold)},{path}")
    (folder / "Folds.csv").write_text("\n".join(lines) + "\n")
    return folder / "Folds.csv"


def names_tested(split: Split, catalog: Catalog, *, column: int) -> set[str]:
    return {Path(path).name for path in catalog.paths[split.indices("test", fold=column)]}


def test_both_formats_give_the_same_folds_in_time(names: list[str], catalog: Catalog, tmp_path: Path) -> None:
    kaggle, lists = write_kaggle(tmp_path, names), write_lists(tmp_path, names)
    # Processor time: the bar of two seconds is the reader's, not that of a busy machine.
    start = time.process_time()
    split = read_official(lists, catalog, fold=None)
    assert time.process_time() - start < 2
    start = time.process_time()
    other = read_official(kaggle, catalog, fold=None)
    assert time.process_time() - start < 2
    assert np.array_equal(split.subsets, other.subsets)
    assert split.unit == "official"
    assert split.folds == 5
    assert split.policy == {"13412": "keep"}
    assert (other.origin.source, split.origin.source) == ("Folds.csv", tmp_path.name)
    for column, fold in enumerate(FOLDS):
        assert names_tested(split, catalog, column=column) == {n for n in names if part_of(n, fold) == "test"}
        parts = [split.indices(name, fold=column) for name in ("train", "validation")]
        cases = [set(catalog.cases[part].tolist()) for part in parts]
        assert not cases[0] & cases[1], "validation is nested by case"
        assert sum(map(len, parts)) + len(names_tested(split, catalog, column=column)) == len(names)


def test_one_fold_is_the_same_alone_as_among_all(names: list[str], catalog: Catalog, tmp_path: Path) -> None:
    lists = write_lists(tmp_path, names)
    alone = read_official(lists / "dsfold3.txt", catalog, fold=3)
    among = read_official(lists, catalog, fold=None)
    assert np.array_equal(alone.subsets[:, 0], among.subsets[:, 2])
    assert alone.origin.source == "dsfold3.txt, fold 3"


def test_leaks_of_the_published_folds_are_named(names: list[str], catalog: Catalog, tmp_path: Path) -> None:
    split = read_official(write_kaggle(tmp_path, names), catalog, fold=1)
    divided = set()
    for case in np.unique(catalog.cases).tolist():
        parts = {part_of(Path(path).name, 1) for path in catalog.paths[catalog.cases == case]}
        divided |= {case} if len(parts) == 2 else set()
    assert divided
    assert split.leakage.verdict == "leaks"
    assert set(split.leakage.cases) == divided


def test_differences_from_the_data_are_counted(names: list[str], tmp_path: Path) -> None:
    lists = write_lists(tmp_path, names[100:])
    catalog = catalog_of_names(names[:-50], nested="{file}")
    split = read_official(lists / "dsfold1.txt", catalog, fold=None)
    assert "fold 1: 50 of 7809 listed images are not in the data" in split.warnings
    assert "fold 1: 100 images of the data are not listed and are excluded" in split.warnings
    assert split.counts[0]["excluded"]["images"] == 100


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("SOB_B_A-14-22549AB-100-001.png|100|1|validation", "validation"),
        ("SOB_B_A-14-22549AB-100-001.png|100|one|train", "one"),
        ("SOB_B_A-14-22549AB-100-001.png,100,1,train", "dsfold1.txt:1"),
        ("a.png|100|1|train\na.png|100|1|test", "a both in train and in test"),
        ("", "an empty list"),
        ("a.png|100|1|train\nb.png|100|1|test", "none of 7909"),
    ],
)
def test_a_list_that_is_none_is_refused(catalog: Catalog, tmp_path: Path, line: str, found: str) -> None:
    (tmp_path / "dsfold1.txt").write_text(line)
    with pytest.raises(SplitError) as caught:
        read_official(tmp_path, catalog, fold=None)
    assert found in caught.value.found


def test_an_unknown_fold_and_an_empty_folder_are_refused(
    names: list[str], catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(SplitError, match="no such file"):
        read_official(tmp_path, catalog, fold=1)
    with pytest.raises(SplitError, match="found folds 1, 2, 3, 4, 5"):
        read_official(write_kaggle(tmp_path, names), catalog, fold=6)
    with pytest.raises(SplitError, match="readable list"):
        read_official(tmp_path / "absent.txt", catalog, fold=1)
