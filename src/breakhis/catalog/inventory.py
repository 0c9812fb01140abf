"""What a catalog holds, counted: images by subtype and magnification, patients, cases, sizes."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from breakhis.catalog.official import Completeness, compare_with_official
from breakhis.catalog.table import Catalog
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS


@dataclass(frozen=True)
class Inventory:
    """Counts of a catalog.

    Attributes:
        catalog: What was counted.
        table: (C, M) images of each class at each of `magnifications`.
        magnifications: The four of BreaKHis, and 0 for "unknown" where there is any such image.
        patients, cases: (C,) groups of each class; a case of two classes counts in both.
        official: Comparison with the official names; None for other classes.
    """

    catalog: Catalog
    table: tuple[tuple[int, ...], ...]
    magnifications: tuple[int, ...]
    patients: tuple[int, ...]
    cases: tuple[int, ...]
    official: Completeness | None

    def to_json(self) -> dict[str, Any]:
        """The machine-readable object of `breakhis scan --json`."""
        catalog = self.catalog
        sizes = Counter(zip(catalog.widths.tolist(), catalog.heights.tolist(), strict=True))
        unreadable = sizes.pop((0, 0), 0)
        found: dict[str, Any] = {
            "root": str(catalog.root),
            "hash": catalog.hash,
            "images": len(catalog),
            "patients": len(np.unique(catalog.patients)),
            "cases": len(np.unique(catalog.cases)),
            "subtypes": {code: self._of_class(label) for label, code in enumerate(catalog.taxonomy.codes)},
            "magnifications": _by_zoom(self.magnifications, np.sum(self.table, axis=0).tolist()),
            "sizes": [
                {"width": width, "height": height, "images": count}
                for (width, height), count in sizes.most_common()
            ],
            "unreadable": unreadable,
        }
        if self.official is not None:
            missing, unknown = len(self.official.missing), len(self.official.unknown)
            found["official"] = {"missing": missing, "unknown": unknown}
        return found

    def render(self) -> str:
        """The table for people."""
        zooms = [f"{zoom}X" if zoom else "other" for zoom in self.magnifications]
        head: list[Any] = ["", *zooms, "images", "patients", "cases"]
        names = self.catalog.taxonomy.names
        rows: list[list[Any]] = [
            [name, *counts, sum(counts), patients, cases]
            for name, counts, patients, cases in zip(
                names, self.table, self.patients, self.cases, strict=True
            )
        ]
        found = self.to_json()
        total = ["all", *np.sum(self.table, axis=0).tolist(), *(found[key] for key in head[-3:])]
        wide = max(len(str(row[0])) for row in [*rows, total])
        lines = [
            f"{row[0]:<{wide}}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in [head, *rows, total]
        ]
        sizes = ", ".join(f"{size['images']} of {size['width']}x{size['height']}" for size in found["sizes"])
        if sizes:
            lines.append(f"sizes: {sizes}")
        if found["unreadable"]:
            lines.append(f"no readable header: {found['unreadable']}")
        if self.official is not None:
            lines.append("official names: {missing} missing, {unknown} unknown".format(**found["official"]))
        return "\n".join(lines)

    def _of_class(self, label: int) -> dict[str, Any]:
        return {
            "images": sum(self.table[label]),
            "patients": self.patients[label],
            "cases": self.cases[label],
            "magnifications": _by_zoom(self.magnifications, self.table[label]),
        }


def take_inventory(catalog: Catalog) -> Inventory:
    """Count a catalog."""
    zooms = (*MAGNIFICATIONS, *sorted(set(catalog.magnifications.tolist()) - set(MAGNIFICATIONS)))
    classes = [catalog.labels == label for label in range(len(catalog.taxonomy))]
    table = tuple(
        tuple(int(np.sum(catalog.magnifications[rows] == zoom)) for zoom in zooms) for rows in classes
    )
    return Inventory(
        catalog=catalog,
        table=table,
        magnifications=zooms,
        patients=tuple(len(np.unique(catalog.patients[rows])) for rows in classes),
        cases=tuple(len(np.unique(catalog.cases[rows])) for rows in classes),
        official=compare_with_official(catalog) if catalog.taxonomy == BREAKHIS else None,
    )


def _by_zoom(zooms: tuple[int, ...], counts: tuple[int, ...] | list[int]) -> dict[str, int]:
    return {str(zoom): count for zoom, count in zip(zooms, counts, strict=True)}
