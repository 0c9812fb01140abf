"""Classes that a subset cannot show: named, never passed over in silence."""

from collections.abc import Sequence

import numpy as np

from breakhis.catalog.table import Catalog
from breakhis.splits.counts import Counts, groups_per_class
from breakhis.splits.leakage import SubsetArray


def coverage_warnings(
    catalog: Catalog, subsets: SubsetArray, counts: Sequence[Counts], *, unit: str
) -> tuple[str, ...]:
    """One sentence for every class that some training, validation or test set lacks.

    Args:
        catalog: The images.
        subsets: Their subsets (N, F).
        counts: What `count_subsets` says of them.
        unit: "image", "patient" or "case": what the sentence counts.
    """
    held = groups_per_class(catalog, np.asarray(subsets.any(axis=1)), unit=unit)
    warnings = []
    for label, (code, name) in enumerate(zip(catalog.taxonomy.codes, catalog.taxonomy.names, strict=True)):
        groups = int(held[label])
        lacking = _lacking(code, counts)
        if groups and lacking:
            warnings.append(f"{name} has {groups} {unit}{'s' * (groups != 1)}: {lacking}")
    return tuple(warnings)


def _lacking(code: str, counts: Sequence[Counts]) -> str:
    sentences = []
    for subset in ("train", "validation", "test"):
        folds = [
            str(fold) for fold, one in enumerate(counts, 1) if not one[subset]["classes"][code]["images"]
        ]
        if folds and len(counts) == 1:
            sentences.append(f"{subset} holds none")
        elif folds:
            word = "fold" if len(folds) == 1 else "folds"
            sentences.append(f"{subset} of {word} {', '.join(folds)} holds none")
    return ", ".join(sentences)
