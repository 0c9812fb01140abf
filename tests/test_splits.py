"""Splits: what must hold for every seed, and golden counts where the answer can be worked out by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from breakhis.catalog import Catalog
from breakhis.config import SplitConfig
from breakhis.errors import SplitError
from breakhis.splits import Leakage, Split, make_folds, make_split, measure_leakage
from split_tables import catalog_of_groups, catalog_of_names

SMALL = [
    *({"DC": 10} for _ in range(10)),
    *({"F": 6} for _ in range(5)),
    *({"A": 4} for _ in range(2)),
]
"""Ten cases of DC, five of F and two of A, all of one size in each class."""

GOLDEN_TEST_CASES = [f"14-{number}" for number in (11520, 11951, 14926, 15696, 15704, 16196, 16448)]
GOLDEN_TEST_CASES += [f"14-{number}" for number in (19979, 20629, 22704, 25197, 2523, 2985, 29960, 3411)]


@pytest.fixture(scope="module")
def official(official_names_file: Path) -> Catalog:
    return catalog_of_names(official_names_file.read_text().split())


@pytest.fixture(scope="module")
def thinned(official_names_file: Path) -> Catalog:
    """All cases of BreaKHis with every eighth image."""
    return catalog_of_names(official_names_file.read_text().split()[::8])


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
def test_hold_out_invariants_over_100_seeds(thinned: Catalog, by: str) -> None:
    config = SplitConfig.model_validate({"by": by})
    names = thinned.groups(by)
    seen = set()
    for seed in range(100):
        split = make_split(thinned, config, seed=seed)
        parts = [split.indices(name) for name in ("train", "validation", "test")]
        excluded = np.flatnonzero(split.subsets[:, 0] == 0)
        assert np.array_equal(np.sort(np.concatenate([*parts, excluded])), np.arange(len(thinned)))
        assert set(thinned.cases[excluded].tolist()) == {"14-13412"}
        groups = [set(names[part].tolist()) for part in parts]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        assert all(set(thinned.labels[part].tolist()) == set(range(8)) for part in (parts[0], parts[2]))
        seen.add(split.hash)
    assert len(seen) > 50, "the seed must matter"


def test_folds_test_every_image_once_over_40_seeds(thinned: Catalog) -> None:
    for seed in range(40):
        split = make_folds(thinned, SplitConfig(), folds=5, seed=seed)
        used = thinned.cases != "14-13412"
        assert np.array_equal((split.subsets == 3).sum(axis=1), used.astype(int))
        assert (split.subsets[~used] == 0).all()
        assert split.leakage.verdict == "clean"
        for fold in range(5):
            train, validation = (split.indices(name, fold=fold) for name in ("train", "validation"))
            assert not set(thinned.cases[train].tolist()) & set(thinned.cases[validation].tolist())
            assert set(thinned.labels[train].tolist()) == set(range(8))
        for code in thinned.taxonomy.codes:
            tested = [cases_of(split, code, fold=fold)[2] for fold in range(5)]
            assert max(tested) - min(tested) <= 1, (seed, code, tested)


def test_folds_of_a_small_table_hold_over_100_seeds() -> None:
    catalog = catalog_of_groups([*SMALL, {"A": 3, "F": 4}])
    for seed in range(100):
        split = make_folds(catalog, SplitConfig(), folds=4, seed=seed)
        assert ((split.subsets == 3).sum(axis=1) == 1).all()
        assert split.leakage.verdict == "clean"
        for code, groups in (("DC", 10), ("F", 6), ("A", 3)):
            held = np.array([cases_of(split, code, fold=fold) for fold in range(4)])
            assert (held.sum(axis=1) == groups).all(), "each case stands in one set of each fold"
            assert np.ptp(held[:, 2]) <= 1
            assert (held[:, 0] > 0).all()


def test_a_leak_is_summed_up_in_words() -> None:
    leakage = Leakage("leaks", patients=("14-1A",), cases=("14-1", "14-2"))
    assert leakage.summary().startswith("LEAKS: 0 images, 1 patient and 2 cases stand")


@pytest.mark.parametrize("side", [1, 2], ids=["train", "validation"])
def test_a_planted_leak_is_named(official: Catalog, side: int) -> None:
    split = make_split(official, SplitConfig(), seed=0)
    assert split.leakage.to_json() == {"verdict": "clean", "images": [], "patients": [], "cases": []}
    planted = split.subsets.copy()
    row = split.indices("test")[0]
    planted[row] = side
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


@pytest.mark.parametrize(
    ("policy", "excluded", "kept"),
    [("exclude", 246, set()), ("keep", 0, {"DC", "LC"}), ("dc", 123, {"DC"}), ("lc", 123, {"LC"})],
)
def test_the_double_labelled_slide_is_handled_as_asked(
    official: Catalog, policy: str, excluded: int, kept: set[str]
) -> None:
    config = SplitConfig.model_validate({"oddities": {"13412": policy, "99999": "exclude"}})
    split = make_split(official, config, seed=0)
    assert split.policy == {"13412": policy}
    assert split.counts[0]["excluded"]["images"] == excluded
    used = (split.subsets[:, 0] > 0) & (official.cases == "14-13412")
    assert set(official.codes[used].tolist()) == kept


def test_a_class_that_the_policy_takes_away_is_an_error(official: Catalog) -> None:
    without = official.select((official.codes != "LC") | (official.cases == "14-13412"))
    with pytest.raises(SplitError, match="lobular carcinoma"):
        make_split(without, SplitConfig(), seed=0)
    assert make_split(without, SplitConfig(oddities={"13412": "lc"}), seed=0).warnings[-1] == (
        "lobular carcinoma has 1 case: validation holds none, test holds none"
    )


@pytest.mark.parametrize(
    ("groups", "found"),
    [([{"DC": 5}, {"F": 5}], "found 2"), ([{"DC": 5}, {"F": 5}, {"A": 5}], "none")],
)
def test_too_few_cases_are_an_error(groups: list[dict[str, int]], found: str) -> None:
    with pytest.raises(SplitError, match=found):
        make_split(catalog_of_groups(groups), SplitConfig(), seed=0)


def test_more_folds_than_cases_are_an_error() -> None:
    with pytest.raises(SplitError, match="at least 20 cases"):
        make_folds(catalog_of_groups(SMALL), SplitConfig(), folds=20, seed=0)
    with pytest.raises(SplitError, match="at least 2 folds"):
        make_folds(catalog_of_groups(SMALL), SplitConfig(), folds=1, seed=0)


def test_an_unknown_case_cannot_be_split_by_case() -> None:
    catalog = catalog_of_groups(SMALL)
    unknown = dataclasses.replace(catalog, cases=np.where(catalog.labels == 0, "", catalog.cases))
    with pytest.raises(SplitError, match="8 of 138 images without one"):
        make_split(unknown, SplitConfig(), seed=0)
    split = make_split(unknown, SplitConfig(by="image"), seed=0)
    assert split.leakage.verdict == "leaks"
    assert "" not in split.leakage.cases


def test_an_image_that_is_there_twice_is_a_leak(official: Catalog) -> None:
    names = [Path(path).name for path in official.paths.tolist()]
    once, twice = catalog_of_names(names), catalog_of_names(names[:50], nested="copy/{file}")
    both = Catalog(
        Path("data"),
        *(
            np.concatenate([getattr(part, name) for part in (once, twice)])
            for name in ("paths", "labels", "magnifications", "patients", "cases", "widths", "heights")
        ),
    )
    subsets = np.repeat(np.array([1, 3], np.uint8), [len(once), len(twice)])
    assert len(measure_leakage(both, subsets).images) == 50


def test_the_same_seed_gives_the_same_split_on_every_machine(official: Catalog) -> None:
    """The golden split: any change of it changes every published number, and belongs in the changelog."""
    split = make_split(official, SplitConfig(), seed=0)
    assert make_split(official, SplitConfig(), seed=0).hash == split.hash
    tested = sorted(set(official.cases[split.indices("test")].tolist()))
    assert tested == GOLDEN_TEST_CASES
