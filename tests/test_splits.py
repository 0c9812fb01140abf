"""Splits: what must hold for every seed, and golden counts where the answer can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from breakhis.catalog import Catalog
from breakhis.config import SplitConfig
from breakhis.errors import SplitError
from breakhis.splits import Split, make_folds, make_split, measure_leakage
from split_tables import catalog_of_groups, catalog_of_names

SMALL = [
    *({"DC": 10} for _ in range(10)),
    *({"F": 6} for _ in range(5)),
    *({"A": 4} for _ in range(2)),
]
"""Ten cases of DC, five of F and two of A, all of one size in each class."""


@pytest.fixture(scope="module")
def official(official_names_file: Path) -> Catalog:
    return catalog_of_names(official_names_file.read_text().split())


def cases_of(split: Split, code: str, *, fold: int = 0) -> list[int]:
    return [split.counts[fold][name]["classes"][code]["cases"] for name in ("train", "validation", "test")]


def test_hold_out_of_a_small_table_has_the_counts_worked_by_hand() -> None:
    split = make_split(catalog_of_groups(SMALL), SplitConfig(), seed=0)
    assert cases_of(split, "DC") == [6, 2, 2]
    assert cases_of(split, "F") == [3, 1, 1]
    assert cases_of(split, "A") == [1, 0, 1]
    assert split.warnings == ("adenosis has 2 cases: validation holds none",)
    assert [split.counts[0][name]["images"] for name in ("train", "validation", "test")] == [82, 26, 30]


def test_folds_of_a_small_table_have_the_counts_worked_by_hand() -> None:
    split = make_folds(catalog_of_groups(SMALL), SplitConfig(validation=0.25), folds=5, seed=3)
    for fold in range(5):
        assert cases_of(split, "DC", fold=fold) == [6, 2, 2]
        assert cases_of(split, "F", fold=fold) == [3, 1, 1]
    tests_of_a = [cases_of(split, "A", fold=fold)[2] for fold in range(5)]
    assert sorted(tests_of_a) == [0, 0, 0, 1, 1]
    (warning,) = split.warnings
    lacking = ", ".join(str(fold + 1) for fold in range(5) if not tests_of_a[fold])
    assert warning.startswith("adenosis has 2 cases: ")
    assert f"test of folds {lacking} holds none" in warning


@pytest.mark.parametrize("by", ["case", "patient", "image"])
def test_hold_out_invariants_over_100_seeds(official: Catalog, by: str) -> None:
    config = SplitConfig.model_validate({"by": by})
    names = official.groups(by)
    seen = set()
    for seed in range(100):
        split = make_split(official, config, seed=seed)
        parts = [split.indices(name) for name in ("train", "validation", "test")]
        excluded = np.flatnonzero(split.subsets[:, 0] == 0)
        assert np.array_equal(np.sort(np.concatenate([*parts, excluded])), np.arange(len(official)))
        assert set(official.cases[excluded].tolist()) == {"14-13412"}
        groups = [set(names[part].tolist()) for part in parts]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert all(set(official.labels[part].tolist()) == set(range(8)) for part in (parts[0], parts[2]))
        seen.add(split.hash)
    assert len(seen) > 50, "the seed must matter"


def test_folds_test_every_image_once_over_20_seeds(official: Catalog) -> None:
    for seed in range(20):
        split = make_folds(official, SplitConfig(), folds=5, seed=seed)
        used = official.cases != "14-13412"
        assert np.array_equal((split.subsets == 3).sum(axis=1), used.astype(int))
        assert (split.subsets[~used] == 0).all()
        assert split.leakage.verdict == "clean"
        for fold in range(5):
            train, validation = (split.indices(name, fold=fold) for name in ("train", "validation"))
            assert not set(official.cases[train].tolist()) & set(official.cases[validation].tolist())
            assert set(official.labels[train].tolist()) == set(range(8))
        for code in official.taxonomy.codes:
            tested = [cases_of(split, code, fold=fold)[2] for fold in range(5)]
            assert max(tested) - min(tested) <= 1, (seed, code, tested)


def test_a_planted_leak_is_named(official: Catalog) -> None:
    split = make_split(official, SplitConfig(), seed=0)
    assert split.leakage.to_json() == {"verdict": "clean", "images": [], "patients": [], "cases": []}
    planted = split.subsets.copy()
    row = split.indices("test")[0]
    planted[row] = 1
    leakage = measure_leakage(official, planted)
    assert leakage.verdict == "leaks"
    assert leakage.patients == (str(official.patients[row]),)
    assert leakage.cases == (str(official.cases[row]),)
    assert leakage.images == ()


def test_a_split_by_folder_leaks_by_case(official: Catalog) -> None:
    split = make_split(official, SplitConfig(by="patient"), seed=0)
    assert split.leakage.verdict == "leaks"
    assert split.leakage.patients == ()
    assert split.leakage.cases


def test_saved_and_loaded_is_the_same(official: Catalog, tmp_path: Path) -> None:
    split = make_folds(official, SplitConfig(), folds=3, seed=1)
    split.save(tmp_path / "split.csv")
    loaded = Split.load(tmp_path / "split.csv", official)
    assert np.array_equal(loaded.subsets, split.subsets)
    assert loaded.to_json() == split.to_json()


def test_a_split_of_other_images_is_refused(official: Catalog, tmp_path: Path) -> None:
    make_split(official, SplitConfig(), seed=0).save(tmp_path / "split.csv")
    with pytest.raises(SplitError, match="1 listed images that are not in the data"):
        Split.load(tmp_path / "split.csv", official.select(np.arange(1, len(official))))
