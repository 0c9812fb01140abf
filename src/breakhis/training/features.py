"""What a fixed backbone says of each image and view: computed once, kept on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.files import atomic_folder, storage_errors
from breakhis.training.loop import Listener

FloatArray = NDArray[np.float32]
_CHUNK = 64


@dataclass(frozen=True)
class FeatureCache:
    """Features of the N images of one store under one view, filled as rows are asked for.

    A row counts only once its flag is set, and the flag is set only after the row is on disk.
    """

    folder: Path
    images: int
    width: int

    @classmethod
    def open(cls, folder: Path, *, images: int, width: int, dtype: type = np.float16) -> "FeatureCache":
        """Open or create the cache in `folder`; `dtype` is float16 or float32."""
        if not folder.exists():
            with atomic_folder(folder) as temporary:
                np.lib.format.open_memmap(
                    temporary / "features.npy", mode="w+", dtype=dtype, shape=(images, width)
                ).flush()
                np.save(temporary / "done.npy", np.zeros(images, dtype=bool))
        return cls(folder, images, width)

    def table(self) -> NDArray[Any]:
        """(images, width), read from disk as it is used; only computed rows mean anything."""
        table: NDArray[Any] = np.load(self.folder / "features.npy", mmap_mode="r")
        return table

    def missing(self, rows: IntArray) -> IntArray:
        """Those of `rows` that are not computed yet."""
        done: NDArray[np.bool_] = np.load(self.folder / "done.npy")
        absent: IntArray = rows[~done[rows]]
        return absent

    def read(self, rows: IntArray) -> NDArray[Any]:
        """(n, width) of computed rows."""
        return self.table()[rows]

    def write(self, rows: IntArray, features: FloatArray) -> None:
        """Store computed rows, then flag them."""
        with storage_errors(self.folder):
            table = np.load(self.folder / "features.npy", mmap_mode="r+")
            table[rows] = features.astype(table.dtype)
            table.flush()
            done = np.load(self.folder / "done.npy", mmap_mode="r+")
            done[rows] = True
            done.flush()


def fill(
    cache: FeatureCache,
    rows: IntArray,
    extract: Callable[[FloatArray], FloatArray],
    *,
    view: Callable[[IntArray], FloatArray],
    progress: Callable[[int], None],
) -> None:
    """Compute the rows that `cache` misses.

    Args:
        cache: Where the features go.
        rows: Positions in the store.
        extract: The fixed backbone, (B, size, size, 3) float32 0-255 to (B, width) float32.
        view: Images of some rows, (B, size, size, 3) float32 0-255, as this view shows them.
        progress: Told the number of rows that each chunk added.
    """
    missing = cache.missing(rows)
    progress(len(rows) - len(missing))
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start : start + _CHUNK]
        cache.write(chunk, extract(view(chunk)))
        progress(len(chunk))


def count_views(listener: Listener, total: int) -> Callable[[int], None]:
    """Tell `listener` of a stage of `total` views; the callback takes how many more are computed."""
    report, done = listener.stage(f"features of {total} views"), 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        report(done, total)

    return add
