"""What each subset of a split holds: images, patients and cases, in all and per class."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import Catalog, IntArray, StrArray
from breakhis.splits.leakage import EXCLUDED, TEST, TRAIN, VALIDATION, SubsetArray

SUBSETS = {"train": TRAIN, "validation": VALIDATION, "test": TEST, "excluded": EXCLUDED}
"""Names of a split's values, in the order of tables."""

UNITS = {"images": "image", "patients": "patient", "cases": "case"}

Counts = dict[str, dict[str, Any]]
"""Subset name -> {"images", "patients", "cases", "classes": {code: {"images", "patients", "cases"}}}."""


def count_subsets(catalog: Catalog, subsets: SubsetArray) -> tuple[Counts, ...]:
    """Counts of every fold of `subsets` (N, F); unknown patients and cases (empty names) are not counted."""
    return tuple(_count_fold(catalog, column) for column in subsets.T)


def groups_per_class(catalog: Catalog, rows: NDArray[np.bool_], *, unit: str) -> IntArray:
    """Number (C,) of known images, patients or cases of each class among the rows of a mask."""
    size = len(catalog.taxonomy)
    cell = np.where(rows, catalog.labels, size)
    return _distinct(catalog, cell, size + 1, unit=unit)[:size]


def group_codes(catalog: Catalog, unit: str) -> tuple[StrArray, IntArray]:
    """Sorted names of a unit's groups, and the position (N,) of each image's group among them."""
    if unit == "patient":
        return catalog.patient_codes
    return catalog.case_codes if unit == "case" else np.unique(catalog.paths, return_inverse=True)


def _count_fold(catalog: Catalog, subset: SubsetArray) -> Counts:
    size = len(catalog.taxonomy)
    whole = subset.astype(np.int64)
    cell = whole * size + catalog.labels
    per_class = {
        name: _distinct(catalog, cell, 4 * size, unit=unit).reshape(4, size) for name, unit in UNITS.items()
    }
    in_all = {name: _distinct(catalog, whole, 4, unit=unit) for name, unit in UNITS.items()}
    return {
        name: {
            **{unit: int(total[value]) for unit, total in in_all.items()},
            "classes": {
                code: {unit: int(table[value, label]) for unit, table in per_class.items()}
                for label, code in enumerate(catalog.taxonomy.codes)
            },
        }
        for name, value in SUBSETS.items()
    }


def _distinct(catalog: Catalog, cell: IntArray, cells: int, *, unit: str) -> IntArray:
    """Number (cells,) of different known groups among the images of each cell."""
    if unit == "image":
        return np.bincount(cell, minlength=cells)
    names, codes = group_codes(catalog, unit)
    pairs = cell * len(names) + codes
    if len(names) and names[0] == "":
        pairs = pairs[codes > 0]
    pairs.sort()
    first = pairs[np.diff(pairs, prepend=-1) > 0]
    return np.bincount(first // max(len(names), 1), minlength=cells)
