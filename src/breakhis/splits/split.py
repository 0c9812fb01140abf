"""The Split: which image is for training, validation and test, in one division or in folds."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from breakhis.catalog.table import Catalog, IntArray, StrArray
from breakhis.config import Unit
from breakhis.errors import SplitError
from breakhis.files import hash_json, write_json
from breakhis.splits.counts import SUBSETS, Counts, count_subsets
from breakhis.splits.coverage import coverage_warnings
from breakhis.splits.leakage import Leakage, SubsetArray, measure_leakage
from breakhis.splits.origin import FORMAT, Origin, read_stored
from breakhis.splits.reading import match, read_table, require_replaceable, write_table

Subset = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """A division of N images, or F divisions of the same images.

    Attributes:
        paths: (N,) relative paths as they were when the split was made, in the catalog's row order.
        subsets: (N, F) uint8: 0 excluded, 1 train, 2 validation, 3 test.
        origin: Unit, seed, policy and warnings, also readable as attributes of the split.
        catalog_hash: Hash of the catalog that the split was made on.
        content_hash: Hash of every image's subtype, patient and case.
        leakage: What stands both in test and in training or validation, measured; over all folds.
        counts: For each fold, what `count_subsets` says.
    """

    paths: StrArray
    subsets: SubsetArray
    origin: Origin
    catalog_hash: str
    content_hash: str
    leakage: Leakage
    counts: tuple[Counts, ...]

    def __post_init__(self) -> None:
        self.subsets.flags.writeable = False

    @classmethod
    def of(cls, catalog: Catalog, subsets: SubsetArray, *, origin: Origin) -> "Split":
        """The split of a catalog by `subsets` (N,) or (N, F).

        Counts and leakage are measured here, and a warning is added for every class that a set lacks.

        Raises:
            SplitError: A fold without a training, validation or test image.
        """
        table = np.array(subsets, np.uint8).reshape(len(catalog), -1)
        counts = count_subsets(catalog, table)
        for fold, one in enumerate(counts, 1):
            for name in get_args(Subset):
                if not one[name]["images"]:
                    raise SplitError(
                        f"images for {name}{f' in fold {fold}' if len(counts) > 1 else ''}",
                        found=f"none, with {one['train']['images']} images to train on and "
                        f"{one['excluded']['images']} excluded",
                        fix="add data, or ask for another share, fewer folds or a finer unit",
                    )
        unit = origin.unit if origin.unit in ("image", "patient") else "case"
        lacking = coverage_warnings(catalog, table, counts, unit=unit)
        origin = replace(origin, warnings=(*origin.warnings, *lacking))
        content = _content_hash(catalog.paths, catalog)
        leakage = measure_leakage(catalog, table)
        return cls(catalog.paths, table, origin, catalog.hash, content, leakage, counts)

    @property
    def unit(self) -> Unit:
        """What was kept together: image, patient, case, official or manual."""
        return self.origin.unit

    @property
    def seed(self) -> int:
        """Seed of the draw."""
        return self.origin.seed

    @property
    def policy(self) -> dict[str, str]:
        """What was done with each oddity that is present."""
        return dict(self.origin.policy)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that every report repeats."""
        return self.origin.warnings

    @property
    def folds(self) -> int:
        """Number of divisions; 1 for a hold-out."""
        return int(self.subsets.shape[1])

    def __len__(self) -> int:
        return len(self.paths)

    def indices(self, subset: Subset, *, fold: int = 0) -> IntArray:
        """Ascending row positions (int64) in the catalog; folds count from 0."""
        self._require_fold(fold)
        return np.flatnonzero(self.subsets[:, fold] == SUBSETS[subset]).astype(np.int64)

    def one_fold(self, fold: int, catalog: Catalog) -> "Split":
        """One fold (from 0) as a split of its own, with its own leakage and counts."""
        self._require_fold(fold)
        column = self.subsets[:, [fold]]
        leakage = measure_leakage(catalog, column)
        return replace(self, subsets=column, leakage=leakage, counts=(self.counts[fold],))

    def _require_fold(self, fold: int) -> None:
        if not 0 <= fold < self.folds:
            raise SplitError(
                f"a fold from 0 to {self.folds - 1}", found=str(fold), fix="ask for a fold that the split has"
            )

    @cached_property
    def hash(self) -> str:
        """SHA-256 over origin, catalog hash and every image's subsets, whatever the order of rows."""
        order = np.argsort(self.paths, kind="stable")
        rows = [self.paths[order].tolist(), self.subsets[order].tolist()]
        return hash_json([FORMAT, self.origin.to_json(), self.catalog_hash, self.content_hash, rows])

    def summary(self) -> str:
        """One line for people."""
        sizes = ", ".join(f"{self.counts[0][name]['images']} {name}" for name in get_args(Subset))
        what = f"{sizes} images" if self.folds == 1 else f"{self.folds} folds of {len(self)} images"
        return f"split by {self.unit}, seed {self.seed}: {what}; {self.leakage.summary()}"

    def to_json(self) -> dict[str, Any]:
        """Everything but the table: origin, hashes, leakage and counts."""
        return {
            "format": FORMAT,
            **self.origin.to_json(),
            "folds": self.folds,
            "images": len(self),
            "catalog_hash": self.catalog_hash,
            "content_hash": self.content_hash,
            "hash": self.hash,
            "leakage": self.leakage.to_json(),
            "counts": list(self.counts),
        }

    def save(self, path: Path) -> None:
        """Write the table as CSV at `path` and `to_json` beside it with the suffix .json.

        Raises:
            SplitError: Another suffix, or a file that is not an earlier split is in the way.
        """
        if path.suffix != ".csv":
            raise SplitError("a file name that ends in .csv", found=str(path), fix="rename the output")
        require_replaceable(path)
        write_json(path.with_suffix(".json"), self.to_json())
        write_table(path, self.paths.tolist(), self.subsets)

    @classmethod
    def load(cls, path: Path, catalog: Catalog) -> "Split":
        """Read a split back, for a catalog of the same images, however they are nested now.

        A table without a JSON beside it is taken as made by hand: its unit is "manual" and images that it
        does not list are excluded.

        Raises:
            SplitError: An altered file, or a split of other images, labels, patients or cases.
        """
        paths, subsets = read_table(path)
        beside = path.with_suffix(".json")
        if not beside.exists():
            return _manual(path, catalog, paths=paths, subsets=subsets)
        origin, stored = read_stored(beside)
        hashes = str(stored.get("catalog_hash")), str(stored.get("content_hash"))
        saved = cls(np.array(paths), subsets, origin, *hashes, Leakage("clean"), ())
        if saved.hash != stored.get("hash"):
            raise SplitError(
                f"{path} and {beside.name} as they were written together (hash {stored.get('hash')})",
                found=f"hash {saved.hash}: one of them was altered",
                fix="restore both files, or make a new split",
            )
        rows = match(paths, catalog, source=path)
        table = subsets[rows]
        if _content_hash(saved.paths[rows], catalog) != saved.content_hash:
            raise SplitError(
                f"the subtypes, patients and cases that {path} was made on",
                found=f"others for the same images of {catalog.root}",
                fix="make a new split of this data",
            )
        leakage, counts = measure_leakage(catalog, table), count_subsets(catalog, table)
        return replace(saved, paths=saved.paths[rows], subsets=table, leakage=leakage, counts=counts)


def _manual(path: Path, catalog: Catalog, *, paths: list[str], subsets: SubsetArray) -> Split:
    rows = match(paths, catalog, source=path, partial=True)
    table = np.where(rows[:, None] >= 0, subsets[rows], 0).astype(np.uint8)
    unlisted = int((rows < 0).sum())
    warnings = (f"{unlisted} images that {path.name} does not list are excluded",) if unlisted else ()
    return Split.of(catalog, table, origin=Origin("manual", warnings=warnings, source=path.name))


def _content_hash(paths: StrArray, catalog: Catalog) -> str:
    """SHA-256 of subtype, patient and case of every image, in the order of the split's own paths."""
    order = np.argsort(paths, kind="stable")
    columns = (catalog.codes, catalog.patients, catalog.cases)
    return hash_json([column[order].tolist() for column in columns])
