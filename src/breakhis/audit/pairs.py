"""Pairs of images that show the same: identical pixels, copies, and fields that share tissue."""

import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from breakhis.audit.features import WORKING_SIZE, Alignment, Gray, align
from breakhis.audit.fingerprints import HASH_BITS, Fingerprint, Progress, grey
from breakhis.catalog import Catalog
from breakhis.images.decode import read_image

Kind = Literal["exact", "copy", "overlap"]
Rows = tuple[int, int]
Prints = Mapping[int, Fingerprint]

COPY_BITS: Final = 40
"""Hamming distance, of 256, up to which two pictures are copies. Real fields, re-encoded, resized or cut by
2 %, differ by at most 26 bits; unrelated ones by at least 88."""

LEAST_SUPPORT: Final = 6
LEAST_AGREEMENT: Final = 0.8
"""Correlation of the laid-over pixels; unrelated fields that RANSAC aligned by chance stay below 0.6."""

LEAST_SHARED: Final = 0.02
_SMOOTHING: Final = 2.0
_CHUNK: Final = 1024


@dataclass(frozen=True)
class Pair:
    """Two images that show the same.

    Attributes:
        kind: "exact" for identical pixels, "copy" for one picture re-encoded, resized or slightly changed,
            "overlap" for fields that share tissue: shifted, turned, mirrored or at another scale.
        first, second: Rows in the catalog, in ascending order.
        bits: Hamming distance of the perceptual hashes, 0-256.
        shared: Share of the smaller field that lies in both, 0-1.
        mirrored: Whether one is a mirror image.
        scale: Length in the second over length in the first, both squashed to one square.
        outline: Corners of the first field in the second, in shares of its width and height.
    """

    kind: Kind
    first: int
    second: int
    bits: int
    shared: float = 1.0
    mirrored: bool = False
    scale: float = 1.0
    outline: tuple[tuple[float, float], ...] = ()

    @property
    def rows(self) -> Rows:
        """Both rows."""
        return self.first, self.second


def find_copies(prints: Prints, *, most_bits: int = COPY_BITS) -> list[Pair]:
    """Every pair with identical pixels, or with perceptual hashes at most `most_bits` apart."""
    rows = list(prints)
    if not rows:
        return []
    signs = np.array([prints[row].phash for row in rows], np.float32) * 2 - 1
    pairs = []
    for start in range(0, len(rows), _CHUNK):
        block = (HASH_BITS - signs[start : start + _CHUNK] @ signs.T) / 2
        for low, high in np.argwhere(block <= most_bits).tolist():
            if start + low < high:
                first, second = rows[start + low], rows[high]
                same = prints[first].digest == prints[second].digest
                pairs.append(Pair("exact" if same else "copy", first, second, bits=int(block[low, high])))
    return pairs


def choose_candidates(catalog: Catalog, prints: Prints, *, neighbours: int, together: int) -> list[Rows]:
    """Pairs worth a comparison of their local features.

    Within a case and magnification, every pair (of a larger group than `together`, each image's nearest ones
    by colour); across cases, or where the case is unknown, each image's `neighbours` nearest by colour.

    Args:
        catalog: N images.
        prints: Fingerprints by row.
        neighbours: Images of other cases that each image is compared with.
        together: Size up to which a group is compared in full.
    """
    rows = np.array(sorted(prints), np.int64)
    if len(rows) < 2:
        return []
    groups: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row in rows.tolist():
        if catalog.cases[row]:
            groups[str(catalog.cases[row]), int(catalog.magnifications[row])].append(row)
    chosen: set[Rows] = set()
    for group in groups.values():
        if len(group) <= together:
            chosen.update(itertools.combinations(group, 2))
        else:
            chosen.update(_nearest(np.array(group), prints, count=together))
    chosen.update(_nearest(rows, prints, count=neighbours, cases=catalog.cases[rows]))
    return sorted(chosen)


def _nearest(
    rows: NDArray[np.int64], prints: Prints, *, count: int, cases: NDArray[np.str_] | None = None
) -> Iterable[Rows]:
    """Each row with its `count` nearest by colour; with `cases`, only those of another or unknown case."""
    colours = np.array([prints[row].colours for row in rows.tolist()])
    count = min(count, len(rows) - 1)
    for start in range(0, len(rows), _CHUNK):
        alike = colours[start : start + _CHUNK] @ colours.T
        own = np.arange(start, start + len(alike))
        if cases is not None:
            known = cases[own] != ""
            alike[known[:, None] & (cases[own][:, None] == cases)] = -1
        alike[np.arange(len(alike)), own] = -1
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        for low, column in zip(*np.nonzero(np.take_along_axis(alike, nearest, axis=1) >= 0), strict=True):
            one, other = int(rows[start + low]), int(rows[nearest[low, column]])
            yield min(one, other), max(one, other)


def find_overlaps(
    catalog: Catalog, prints: Prints, candidates: Iterable[Rows], *, progress: Progress
) -> list[Pair]:
    """The candidates that one shift, turn, scale and perhaps reflection lays over each other, pixel by pixel.

    Args:
        catalog: N images.
        prints: Fingerprints with local features, by row.
        candidates: Pairs of rows.
        progress: Called with the number of candidates done and of all.
    """
    tasks: dict[int, list[int]] = defaultdict(list)
    for first, second in candidates:
        tasks[first].append(second)
    total, done, pairs = sum(map(len, tasks.values())), 0, []

    def compare(first: int) -> list[Pair]:
        found = (_overlap(catalog, prints, (first, second)) for second in tasks[first])
        return [pair for pair in found if pair is not None]

    # Many small products: threads of the linear algebra inside our own would only wait for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for first, found in zip(tasks, pool.map(compare, tasks), strict=True):
            pairs += found
            done += len(tasks[first])
            progress(done, total)
    return pairs


def _overlap(catalog: Catalog, prints: Prints, rows: Rows) -> Pair | None:
    first, second = (prints[row] for row in rows)
    if first.features is None or second.features is None:
        raise ValueError("the fingerprints were taken without local features")
    alignment = align(first.features, second.features)
    if alignment is None or alignment.support < LEAST_SUPPORT:
        return None
    pictures = [grey(read_image(catalog.file(row))) for row in rows]
    shared, agreement = measure_overlap(pictures[0], pictures[1], alignment)
    if shared < LEAST_SHARED or agreement < LEAST_AGREEMENT:
        return None
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (WORKING_SIZE - 1)
    placed = (corners @ alignment.transform[:, :2].T + alignment.transform[:, 2]) / (WORKING_SIZE - 1)
    return Pair(
        "overlap",
        *rows,
        bits=int((first.phash != second.phash).sum()),
        shared=round(shared, 3),
        mirrored=alignment.mirrored,
        scale=round(alignment.scale, 3),
        outline=tuple((round(x, 3), round(y, 3)) for x, y in placed.tolist()),
    )


def measure_overlap(first: Gray, second: Gray, alignment: Alignment) -> tuple[float, float]:
    """Lay the first over the second and compare what both show.

    Args:
        first: (256, 256) uint8.
        second: (256, 256) uint8.
        alignment: From the first to the second.

    Returns:
        Share of the smaller field that lies in both (0-1), and the correlation of the pixels there (-1 to
        1; 0 where either is blank).
    """
    size = (WORKING_SIZE, WORKING_SIZE)
    over, under = (cv2.GaussianBlur(one, (0, 0), _SMOOTHING).astype(np.float32) for one in (first, second))
    laid = cv2.warpAffine(over, alignment.transform, size)
    both = cv2.warpAffine(np.ones(size, np.float32), alignment.transform, size) > 0.99
    shared = float(both.mean()) / min(1.0, alignment.scale**2)
    if not both.any() or min(laid[both].std(), under[both].std()) < 1:
        return shared, 0.0
    return min(shared, 1.0), float(np.corrcoef(laid[both], under[both])[0, 1])
