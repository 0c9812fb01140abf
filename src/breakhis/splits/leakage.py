"""Leakage, measured: what stands both where a model is fitted and where it is tested."""

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
        return (
            f"LEAKS: {len(self.images)} images, {len(self.patients)} patients and {len(self.cases)} cases "
            "stand both in test and in training or validation"
        )

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
    images = _shared(image_names(catalog), folds)
    patients = _shared(catalog.patients, folds)
    cases = _shared(catalog.cases, folds)
    leaks = bool(images or patients or cases)
    return Leakage("leaks" if leaks else "clean", images, patients, cases)


def image_names(catalog: Catalog) -> StrArray:
    """What identifies an image (N,) wherever its file lies: patient, magnification and file name."""
    files = (path.rpartition("/")[2] for path in catalog.paths.tolist())
    parts = zip(catalog.patients.tolist(), catalog.magnifications.tolist(), files, strict=True)
    return np.array([f"{patient}/{magnification}/{name}" for patient, magnification, name in parts])


def _shared(names: StrArray, folds: SubsetArray) -> tuple[str, ...]:
    unique, inverse = np.unique(names, return_inverse=True)
    shared = np.zeros(len(unique), np.bool_)
    for column in folds.T:
        fitted = _present(inverse, (column == TRAIN) | (column == VALIDATION), len(unique))
        shared |= fitted & _present(inverse, column == TEST, len(unique))
    return tuple(name for name in unique[shared].tolist() if name)


def _present(inverse: IntArray, chosen: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    found = np.zeros(size, np.bool_)
    found[inverse[chosen]] = True
    return found
