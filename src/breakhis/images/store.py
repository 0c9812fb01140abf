"""Prepared images on disk: decoded, checked and resized once, read by every later epoch and run."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog import Catalog
from breakhis.errors import ImageError, StorageError
from breakhis.files import atomic_folder, cache_folder, hash_json
from breakhis.images.checks import CHECKS_VERSION, look
from breakhis.images.decode import DECODER_VERSION, Image
from breakhis.images.stream import map_images
from breakhis.reasons import Reason

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

_log = logging.getLogger("breakhis")
_FILE: Final = "images.npy"
_CHECKS: Final = "checks.json"
_LISTED: Final = 10
_ABANDONED_SECONDS: Final = 3600


class UnreadableImagesError(ImageError):
    """Some images of a catalog cannot be prepared.

    Attributes:
        rows: Their positions in the catalog, so that a caller can drop them and go on.
    """

    rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, problems: dict[int, ImageError], catalog: Catalog) -> "UnreadableImagesError":
        """One error that counts all problems (row: error) and lists the first ten."""
        listed = [f"{catalog.paths[row]}: {error.found}" for row, error in problems.items()][:_LISTED]
        more = [f"and {len(problems) - _LISTED} more"] if len(problems) > _LISTED else []
        error = cls(
            f"{len(catalog)} whole 8-bit RGB images in {catalog.root}",
            found=f"{len(problems)} that are not: {'; '.join(listed + more)}",
            fix=f"{next(iter(problems.values())).fix}; or leave such files out with --skip-bad",
        )
        error.rows = tuple(problems)
        return error


@dataclass(frozen=True)
class Store:
    """N prepared images of one size, in the order of the catalog that they were prepared from.

    Attributes:
        path: The `.npy` file that holds them.
        shape: (N, size, size, 3).
        offset: Bytes before the first pixel.
        checks: (N,) what is wrong with each image as a picture of stained tissue.
    """

    path: Path
    shape: tuple[int, int, int, int]
    offset: int
    checks: tuple[Reason | None, ...]

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open what `prepare` wrote; raises StorageError where it is cut or altered."""
        try:
            images = np.load(folder / _FILE, mmap_mode="r")
            words = json.loads((folder / _CHECKS).read_text("utf-8"))
            checks = tuple(None if word is None else Reason(word) for word in words)
            if len(checks) != len(images):
                raise ValueError(f"{len(images)} images, {len(checks)} checks")
        except (OSError, ValueError) as error:
            raise StorageError(
                f"prepared images in {folder}", found=str(error), fix="delete this folder and run again"
            ) from error
        return cls(path=folder / _FILE, shape=images.shape, offset=images.offset, checks=checks)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Side in pixels."""
        return self.shape[1]

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """All images, (N, size, size, 3) uint8 RGB, mapped from disk and read-only.

        The system counts touched pages of a mapping as memory of the process; `read` stays flat.
        """
        mapped: NDArray[np.uint8] = np.load(self.path, mmap_mode="r")
        return mapped

    def read(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Some images, (len(rows), size, size, 3) uint8 RGB, from any thread.

        Raises:
            IndexError: A row is not below N.
            StorageError: The file was cut since it was opened.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise IndexError(f"rows must lie in 0..{len(self) - 1}")
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        length = images[:1].nbytes
        with self.path.open("rb", buffering=0) as stream:
            for row, image in zip(rows.tolist(), images, strict=True):
                stream.seek(self.offset + row * length)
                if stream.readinto(image.data) != length:
                    raise StorageError(
                        f"{len(self)} prepared images in {self.path}",
                        found="a shorter file",
                        fix="delete its folder and run again",
                    )
        return images


def prepare(
    catalog: Catalog, *, size: int, folder: Path | None = None, progress: Progress | None = None
) -> Store:
    """Decode, check and resize every image of a catalog, by all cores, unless an earlier run has done it.

    The store is keyed by the catalog's hash, each file's length and time of change, the size, the decoder and
    the checks, and becomes visible only when whole; two processes may prepare the same one at once.

    Args:
        catalog: N images.
        size: Side in pixels.
        folder: Where stores are kept; by default below the cache folder.
        progress: Called after each image; not at all where the store is there already.

    Raises:
        UnreadableImagesError: Some images are not whole 8-bit RGB; all are counted, ten listed.
        StorageError: The disk is full or refuses.
    """
    parent = folder or cache_folder() / "prepared"
    target = parent / f"{size}px-{_key(catalog, size)[:24]}"
    if not target.exists():
        _remove_abandoned(target)
        with atomic_folder(target) as temporary, (temporary / _FILE).open("wb") as stream:
            checks = _write(stream, catalog, size, progress)
            (temporary / _CHECKS).write_text(json.dumps(checks), "utf-8")
            os.fsync(stream.fileno())
    return Store.open(target)


def prepare_readable(
    catalog: Catalog, *, size: int, skip_bad: bool, progress: Progress | None = None
) -> tuple[Catalog, Store]:
    """As `prepare`; with `skip_bad`, unreadable files are left out with a warning, and of the catalog too.

    Raises:
        UnreadableImagesError: Some images are not whole 8-bit RGB, and `skip_bad` is off or none is.
    """
    try:
        return catalog, prepare(catalog, size=size, progress=progress)
    except UnreadableImagesError as error:
        if not skip_bad or len(error.rows) == len(catalog):
            raise
        _log.warning("%d unreadable files left out: %s", len(error.rows), error.found)
        catalog = catalog.select(np.setdiff1d(np.arange(len(catalog)), error.rows))
        return catalog, prepare(catalog, size=size, progress=progress)


def _key(catalog: Catalog, size: int) -> str:
    versions = (DECODER_VERSION, CHECKS_VERSION)
    return hash_json([catalog.hash, versions, size, [_stamp(path) for path in catalog.files()]])


def _stamp(path: Path) -> tuple[int, int]:
    """Length and time of change of a file; zeros for a missing one, which the decoder will report."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def _write(stream: BinaryIO, catalog: Catalog, size: int, progress: Progress | None) -> list[Reason | None]:
    """Write the images in order, and return their checks.

    A full disk then refuses a write, where a mapping would kill the process.
    """
    total = len(catalog)
    header = {"descr": "|u1", "fortran_order": False, "shape": (total, size, size, 3)}
    np.lib.format.write_array_header_1_0(stream, header)
    problems: dict[int, ImageError] = {}
    checks = []
    for row, looked in enumerate(map_images(catalog.files(), partial(look, size=size))):
        if isinstance(looked, ImageError):
            problems[row] = looked
        elif not problems:
            stream.write(_contiguous(looked.square))
            checks.append(looked.check)
        if progress:
            progress(row + 1, total)
    if problems:
        raise UnreadableImagesError.of(problems, catalog)
    return checks


def _contiguous(image: Image) -> memoryview:
    return np.ascontiguousarray(image).data


def _remove_abandoned(target: Path) -> None:
    """Remove what a killed preparation of the same store left: temporary folders that nobody writes to."""
    for folder in target.parent.glob(f".{target.name}.*"):
        with suppress(FileNotFoundError):  # another process has just finished this one
            newest = max(path.stat().st_mtime for path in [folder, *folder.iterdir()])
            if time.time() - newest > _ABANDONED_SECONDS:
                shutil.rmtree(folder)
