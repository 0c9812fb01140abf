"""Catalogs made of names alone, for tests of splits."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from breakhis.catalog import Catalog, parse_name
from breakhis.taxonomy import BREAKHIS, Taxonomy

Row = tuple[str, str, str, str, int]
"""path, subtype code, patient, case, magnification."""


def catalog_of_rows(rows: Iterable[Row], *, taxonomy: Taxonomy = BREAKHIS) -> Catalog:
    """A catalog in sorted order of paths."""
    paths, codes, patients, cases, magnifications = zip(*sorted(rows), strict=True)
    size = len(paths)
    return Catalog(
        root=Path("data"),
        paths=np.array(paths),
        labels=np.array([taxonomy.label(code) for code in codes], np.int64),
        magnifications=np.array(magnifications, np.int64),
        patients=np.array(patients),
        cases=np.array(cases),
        widths=np.zeros(size, np.int64),
        heights=np.zeros(size, np.int64),
        taxonomy=taxonomy,
    )


def catalog_of_names(names: Iterable[str], *, nested: str = "{folder}/{magnification}X/{file}") -> Catalog:
    """The catalog of official file names, below folders of your choice."""
    rows: list[Row] = []
    for name in names:
        parsed = parse_name(name)
        assert parsed is not None
        path = nested.format(folder=parsed.folder_name, magnification=parsed.magnification, file=name)
        rows.append((path, parsed.code, parsed.patient, parsed.case, parsed.magnification))
    return catalog_of_rows(rows)


def catalog_of_groups(groups: Sequence[dict[str, int]], *, taxonomy: Taxonomy = BREAKHIS) -> Catalog:
    """Cases ``14-10000``, ``14-10001``, ... with so many images of each class, one patient a class."""
    rows: list[Row] = []
    for number, held in enumerate(groups, 10000):
        case = f"14-{number}"
        for letter, (code, images) in zip("ABCDEFGH", held.items(), strict=False):
            rows += [
                (
                    f"{code}/{case}{letter}/{code}-{case}{letter}-{index:03d}.png",
                    code,
                    case + letter,
                    case,
                    100,
                )
                for index in range(images)
            ]
    return catalog_of_rows(rows, taxonomy=taxonomy)
