"""What each subset of a split holds: images, patients and cases, in all and per class."""

from typing import Any

import numpy as np

from breakhis.catalog.table import Catalog, IntArray
from breakhis.splits.leakage import EXCLUDED, TEST, TRAIN, VALIDATION, SubsetArray

SUBSETS = {"train": TRAIN, "validation": VALIDATION, "test": TEST, "excluded": EXCLUDED}
"""Names of a split's values, in the order of tables."""

Counts = dict[str, dict[str, Any]]
"""Subset name -> {"images", "patients", "cases", "classes": {code: {"images", "patients", "cases"}}}."""


def count_subsets(catalog: Catalog, subsets: SubsetArray) -> tuple[Counts, ...]:
    """Counts of every fold of `subsets` (N, F); unknown patients and cases (empty names) are not counted."""
    codes = {"images": np.arange(len(catalog)), "patients": catalog.patients, "cases": catalog.cases}
    known = {}
    for unit, names in codes.items():
        unique, inverse = np.unique(names, return_inverse=True)
        known[unit] = inverse if unit == "images" else np.where((unique == "")[inverse], -1, inverse)
    return tuple(_count_fold(catalog, column, known) for column in subsets.T)


def _count_fold(catalog: Catalog, subset: SubsetArray, known: dict[str, IntArray]) -> Counts:
    size = len(catalog.taxonomy)
    cell = subset.astype(np.int64) * size + catalog.labels
    per_cell = {unit: _distinct(cell, codes, 4 * size).reshape(4, size) for unit, codes in known.items()}
    in_all = {unit: _distinct(subset.astype(np.int64), codes, 4) for unit, codes in known.items()}
    return {
        name: {unit: int(total[value]) for unit, total in in_all.items()}
        | {
            "classes": {
                code: {unit: int(table[value, label]) for unit, table in per_cell.items()}
                for label, code in enumerate(catalog.taxonomy.codes)
            }
        }
        for name, value in SUBSETS.items()
    }


def _distinct(cell: IntArray, codes: IntArray, cells: int) -> IntArray:
    """Number (cells,) of different codes from 0 in each cell."""
    chosen = codes >= 0
    base = int(codes.max(initial=0)) + 1
    pairs = np.unique(cell[chosen] * base + codes[chosen])
    return np.bincount(pairs // base, minlength=cells)
