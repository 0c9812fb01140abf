"""Leakage, measured: what stands both where a model is fitted and where it is tested."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import Catalog, IntArray, StrArray

SubsetArray = NDArray[np.uint8]

EXCLUDED, TRAIN, VALIDATION, TEST = range(4)
"""Values of a split's table."""


@dataclass(frozen=True)
class Leakage:
    """Names that stand in training or validation and in test.

    Attributes:
        verdict: "leaks" where any image, patient or case is shared; folders of one case are not independent.
        images: File names that stand on both sides (an image present twice in the catalog).
        patients: Slide folders on both sides.
        cases: Accession numbers on both sides.
    """

    verdict: Literal["clean", "leaks"]
    images: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for people."""
        if self.verdict == "clean":
            return "clean: no image, patient or case of the test set stands in training or validation"
        images, patients, cases = (
            f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"
            for names, noun in ((self.images, "image"), (self.patients, "patient"), (self.cases, "case"))
        )
        return f"LEAKS: {images}, {patients} and {cases} stand both in test and in training or validation"

    def to_json(self) -> dict[str, object]:
        """Verdict and names."""
        return {
            "verdict": self.verdict,
            "images": list(self.images),
            "patients": list(self.patients),
            "cases": list(self.cases),
        }


def measure_leakage(catalog: Catalog, subsets: SubsetArray) -> Leakage:
    """Measure one division (N,), or F folds (N, F), of a catalog; folds are judged one by one and united.

    Unknown patients and cases (empty names) cannot be compared and are left out. An image is recognised by
    patient, magnification and file name.
    """
    folds = subsets.reshape(len(catalog), -1)
    images = _shared_images(catalog, folds)
    patients = _shared(*catalog.patient_codes, folds)
    cases = _shared(*catalog.case_codes, folds)
    leaks = bool(images or patients or cases)
    return Leakage("leaks" if leaks else "clean", images, patients, cases)


def _shared_images(catalog: Catalog, folds: SubsetArray) -> tuple[str, ...]:
    files = [path.rpartition("/")[2] for path in catalog.paths.tolist()]
    times = Counter(files)
    rows = np.array([row for row, name in enumerate(files) if times[name] > 1], np.int64)
    parts = zip(catalog.patients[rows].tolist(), catalog.magnifications[rows].tolist(), rows, strict=True)
    keys = np.array([f"{patient}/{magnification}/{files[row]}" for patient, magnification, row in parts])
    return _shared(*np.unique(keys, return_inverse=True), folds[rows]) if len(rows) else ()


def _shared(names: StrArray, codes: IntArray, folds: SubsetArray) -> tuple[str, ...]:
    """Names, sorted, that stand on both sides of a fold; `codes` (N,) are positions in `names`."""
    shared = np.zeros(len(names), np.bool_)
    for column in folds.T:
        fitted = _present(codes, (column == TRAIN) | (column == VALIDATION), len(names))
        shared |= fitted & _present(codes, column == TEST, len(names))
    return tuple(name for name in names[shared].tolist() if name)


def _present(codes: IntArray, chosen: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, np.bool_)
    found[codes[chosen]] = True
    return found
