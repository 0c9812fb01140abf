"""The Catalog: an immutable table with one row an image."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from breakhis.files import atomic_file, hash_json
from breakhis.taxonomy import BREAKHIS, Taxonomy

IntArray = NDArray[np.int64]
StrArray = NDArray[np.str_]

COLUMNS = ("path", "subtype", "magnification", "patient", "case", "width", "height")


class Row(NamedTuple):
    """One image of a catalog, its fields in the order of `COLUMNS`."""

    path: str
    code: str
    magnification: int
    patient: str
    case: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True, eq=False)
class Catalog:
    """N images and what their names say of them; every array has shape (N,).

    Attributes:
        root: Folder that `paths` are relative to.
        paths: Relative POSIX paths, in sorted order.
        labels: Position of the subtype in `taxonomy`.
        magnifications: 40, 100, 200, 400, or 0 where unknown.
        patients: Slide folder (``14-16184CD``) or the manifest's patient.
        cases: Accession number (``14-16184``) or the manifest's case.
        widths, heights: Pixels; 0 where the file was not or could not be read.
        taxonomy: The classes that `labels` index.
    """

    root: Path
    paths: StrArray
    labels: IntArray
    magnifications: IntArray
    patients: StrArray
    cases: StrArray
    widths: IntArray
    heights: IntArray
    taxonomy: Taxonomy = BREAKHIS

    def __post_init__(self) -> None:
        for name in self._array_names():
            getattr(self, name).flags.writeable = False

    @classmethod
    def _array_names(cls) -> list[str]:
        return [field.name for field in fields(cls) if field.name not in ("root", "taxonomy")]

    @classmethod
    def from_rows(cls, root: Path, rows: Sequence[Row], *, taxonomy: Taxonomy | None = None) -> "Catalog":
        """The catalog of `rows`, in their order; codes outside BreaKHis make a taxonomy of their own."""
        paths, codes, magnifications, patients, cases, widths, heights = (
            zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
        )
        classes = taxonomy or Taxonomy.of(list(codes))
        positions = {code: label for label, code in enumerate(classes.codes)}
        return cls(
            root=root,
            paths=np.array(paths, dtype=np.str_),
            labels=np.array([positions[code] for code in codes], dtype=np.int64),
            magnifications=np.array(magnifications, dtype=np.int64),
            patients=np.array(patients, dtype=np.str_),
            cases=np.array(cases, dtype=np.str_),
            widths=np.array(widths, dtype=np.int64),
            heights=np.array(heights, dtype=np.int64),
            taxonomy=classes,
        )

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over classes and rows (without the root): the same images elsewhere hash the same."""
        rows = [getattr(self, name).tolist() for name in self._array_names()]
        return hash_json([list(self.taxonomy.codes), rows])

    @property
    def codes(self) -> StrArray:
        """Subtype code of every image."""
        return np.array(self.taxonomy.codes)[self.labels]

    @cached_property
    def patient_codes(self) -> tuple[StrArray, IntArray]:
        """Sorted names of patients, and the position (N,) of each image's patient among them."""
        return np.unique(self.patients, return_inverse=True)

    @cached_property
    def case_codes(self) -> tuple[StrArray, IntArray]:
        """Sorted names of cases, and the position (N,) of each image's case among them."""
        return np.unique(self.cases, return_inverse=True)

    def file(self, index: int) -> Path:
        """Absolute path of one image."""
        return self.root / str(self.paths[index])

    def files(self) -> list[Path]:
        """Absolute paths of all images, in row order."""
        return [self.root / path for path in self.paths.tolist()]

    def groups(self, unit: str) -> StrArray:
        """What a split by `unit` ("image", "patient", "case") must keep together."""
        return {"image": self.paths, "patient": self.patients, "case": self.cases}[unit]

    def select(self, rows: NDArray[np.bool_] | IntArray) -> "Catalog":
        """The catalog of some rows, chosen by mask or positions."""
        arrays = {name: getattr(self, name)[rows] for name in self._array_names()}
        return Catalog(root=self.root, taxonomy=self.taxonomy, **arrays)

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{len(self)} images, {len(np.unique(self.patients))} patients, "
            f"{len(np.unique(self.cases))} cases, {len(np.unique(self.labels))} subtypes in {self.root}"
        )

    def rows(self) -> Iterable[Row]:
        """One tuple an image, in the order of `COLUMNS`."""
        return map(
            Row,
            self.paths.tolist(),
            self.codes.tolist(),
            self.magnifications.tolist(),
            self.patients.tolist(),
            self.cases.tolist(),
            self.widths.tolist(),
            self.heights.tolist(),
        )

    def save(self, path: Path) -> None:
        """Write a manifest CSV that `scan` reads back (paths relative to `root`)."""
        with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(self.rows())
