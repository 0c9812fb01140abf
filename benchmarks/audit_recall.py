"""What the audit's search for overlapping fields finds and misses, measured on real images.

From each image of at least 700x456 pixels two windows are cut that share a known part; the second is
turned, mirrored or rescaled, made 5 % brighter and saved as JPEG of quality 85. The shortlist across cases is
measured on the overlaps that the images have by nature: how often would the partner, were it of another case,
be among the nearest in colour?

    python benchmarks/audit_recall.py BreaKHis_v1
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from breakhis.audit import AuditOptions, audit
from breakhis.audit.features import align, extract
from breakhis.audit.fingerprints import fingerprint, grey
from breakhis.audit.pairs import COPY_BITS, LEAST_AGREEMENT, LEAST_SHARED, LEAST_SUPPORT, measure_overlap
from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.images.decode import Image, read_image

Change = Callable[[Image], tuple[Image, Image]]


def shifted(share: float, change: Callable[[Image], Image] = lambda image: image) -> Change:
    """Two windows side by side that share `share` of their width."""

    def cut(image: Image) -> tuple[Image, Image]:
        width = int(image.shape[1] / (2 - share))
        return image[:, :width], change(image[:, -width:])

    return cut


def zoomed(factor: float) -> Change:
    """The whole field, and its middle enlarged by `factor`."""

    def cut(image: Image) -> tuple[Image, Image]:
        height, width = image.shape[:2]
        high, wide = int(height / factor), int(width / factor)
        top, left = (height - high) // 2, (width - wide) // 2
        middle = image[top : top + high, left : left + wide]
        return image, cv2.resize(middle, (width, height), interpolation=cv2.INTER_CUBIC)

    return cut


CHANGES: dict[str, Change] = {
    **{f"shifted, {share:.0%} shared": shifted(share) for share in (0.75, 0.5, 0.3, 0.2, 0.1, 0.05)},
    "mirrored": lambda image: (image, image[:, ::-1]),
    "mirrored and shifted, 50% shared": shifted(0.5, lambda image: image[:, ::-1]),
    "upside down and shifted, 30% shared": shifted(0.3, lambda image: image[::-1]),
    "quarter turn": lambda image: (image, np.rot90(image)),
    **{f"enlarged {factor} times": zoomed(factor) for factor in (1.25, 1.5, 2.0, 2.4)},
}


def retaken(image: Image) -> Image:
    """Brighter, and through JPEG."""
    brighter = cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=1.05)
    return cv2.imdecode(cv2.imencode(".jpg", brighter, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)


def is_found(first: Image, second: Image) -> bool:
    """Whether the audit would report the pair, given that it compares it."""
    prints = [fingerprint(np.ascontiguousarray(one), local=False) for one in (first, second)]
    if (prints[0].phash != prints[1].phash).sum() <= COPY_BITS:
        return True
    pictures = [grey(np.ascontiguousarray(one)) for one in (first, second)]
    alignment = align(*(extract(one) for one in pictures))
    if alignment is None or alignment.support < LEAST_SUPPORT:
        return False
    shared, agreement = measure_overlap(pictures[0], pictures[1], alignment)
    return shared >= LEAST_SHARED and agreement >= LEAST_AGREEMENT


def shortlist_ranks(catalog: Catalog) -> list[tuple[float, int]]:
    """For each natural overlap, its share and the better rank of one image beside those of other cases."""
    pairs = [pair for pair in audit(catalog).pairs if pair.kind == "overlap"]
    colours = np.array([fingerprint(read_image(file), local=False).colours for file in catalog.files()])
    ranks = []
    for pair in pairs:
        both = []
        for one, other in (pair.rows, pair.rows[::-1]):
            alike = colours @ colours[one]
            both.append(int((alike[catalog.cases != catalog.cases[one]] > alike[other]).sum()) + 1)
        ranks.append((pair.shared, min(both)))
    return ranks


def main(data: Path) -> None:
    """Print both tables."""
    catalog = scan(data)
    large = catalog.select((catalog.widths >= 700) & (catalog.heights >= 456))
    images = [read_image(file) for file in large.files()]
    print(f"{len(images)} images")
    for name, change in CHANGES.items():
        found = sum(is_found(first, retaken(second)) for first, second in map(change, images))
        print(f"{name:<40} {found:3} of {len(images)}")
    ranks = shortlist_ranks(catalog)
    for least in (0.0, 0.3, 0.5):
        chosen = [rank for share, rank in ranks if share >= least]
        near = sum(rank <= AuditOptions().neighbours for rank in chosen)
        print(f"natural overlaps of {least:.0%} or more on the shortlist: {near} of {len(chosen)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
