"""Sizes of the images, and what magnification gives away besides magnification."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats.contingency import association, crosstab

from breakhis.audit.findings import Finding, count, display_names
from breakhis.audit.names import Official
from breakhis.catalog import Catalog

PUBLISHED_SIZES: Final = ((700, 460), (700, 456))
NOTABLE: Final = 0.3
"""Cramer's V from which two properties count as confounded."""


@dataclass(frozen=True)
class Association:
    """How much magnification tells of another property.

    Attributes:
        of: The other property, "image size" or "subtype".
        cramers_v: From 0 (nothing) to 1 (everything); a description of these images, not an estimate.
        images: Images that were counted.
        example: The clearest instance, in words.
    """

    of: str
    cramers_v: float
    images: int
    example: str

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "between": ["magnification", self.of],
            "cramers_v": round(self.cramers_v, 4),
            "images": self.images,
            "example": self.example,
        }


def count_sizes(catalog: Catalog) -> list[tuple[tuple[int, int], int]]:
    """Width and height with the number of images, commonest first; unreadable headers left out."""
    sizes = Counter(zip(catalog.widths.tolist(), catalog.heights.tolist(), strict=True))
    sizes.pop((0, 0), None)
    return sizes.most_common()


def associations(catalog: Catalog) -> list[Association]:
    """Magnification against image size and against subtype, where both vary."""
    pixels = zip(catalog.widths.tolist(), catalog.heights.tolist(), strict=True)
    sizes = np.array([f"{width}x{height}" for width, height in pixels])
    known = catalog.magnifications > 0
    readable = known & (catalog.widths > 0)
    found = [
        _associate("image size", catalog.magnifications[readable], sizes[readable]),
        _associate("subtype", catalog.magnifications[known], catalog.codes[known]),
    ]
    return [one for one in found if one is not None]


def _associate(of: str, zooms: np.ndarray, values: np.ndarray) -> Association | None:
    if len(np.unique(zooms)) < 2 or len(np.unique(values)) < 2:
        return None
    (rows, columns), table = crosstab(zooms, values)
    shares = table / table.sum(axis=1, keepdims=True)
    rest = (table.sum(axis=0) - table) / np.maximum(table.sum() - table.sum(axis=1, keepdims=True), 1)
    row, column = np.unravel_index(np.argmax((shares - rest) * table), table.shape)
    example = (
        f"{columns[column]} is {shares[row, column]:.0%} of the {count(int(table[row].sum()), 'image')} "
        f"at {rows[row]}X and {rest[row, column]:.0%} of the others"
    )
    return Association(of, float(association(table, method="cramer")), int(table.sum()), example)


def check_sizes(catalog: Catalog, official: Official | None) -> list[Finding]:
    """Images that are not of the published size, or for other data not of the commonest one."""
    sizes = count_sizes(catalog)
    if not sizes:
        return []
    usual = PUBLISHED_SIZES if official else (sizes[0][0],)
    odd = [(size, number) for size, number in sizes if size not in usual]
    if not odd:
        return []
    names = display_names(catalog)
    pixels = zip(catalog.widths.tolist(), catalog.heights.tolist(), strict=True)
    rows = [row for row, size in enumerate(pixels) if size not in usual and size != (0, 0)]
    kind = "published size, 700x460 or 700x456" if official else "commonest size, {}x{}".format(*usual[0])
    held = ", ".join(f"{width}x{height} ({number:,})" for (width, height), number in odd)
    return [
        Finding(
            "odd-size",
            "warning" if official else "note",
            f"{len(rows):,} of {count(len(catalog), 'image')} are not of the {kind}: {held}.",
            "They were resized or cut by somebody; every image is resized to one input size before training.",
            tuple(names[row] for row in rows),
        )
    ]


def check_associations(found: list[Association]) -> list[Finding]:
    """Properties that magnification gives away."""
    advice = {
        "image size": "Resize all images to one size, and measure each magnification by itself: a "
        "network can tell the magnification from the traces of resizing.",
        "subtype": "Measure each magnification by itself: a network that recognises the "
        "magnification already knows something of the subtype.",
    }
    return [
        Finding(
            f"magnification-{one.of.rpartition(' ')[2]}",
            "warning",
            f"Magnification is confounded with {one.of}: Cramer's V {one.cramers_v:.2f} over "
            f"{count(one.images, 'image')} (0 unrelated, 1 one tells the other); {one.example}.",
            advice[one.of],
        )
        for one in found
        if one.cramers_v >= NOTABLE
    ]
