"""The prepared store: right, whole or absent, reused, and keyed by everything that decides its pixels."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.catalog import Catalog
from breakhis.errors import ImageError, StorageError
from breakhis.images import store as store_module
from breakhis.images.decode import decode, resize
from breakhis.images.store import Store, UnreadableImagesError, prepare
from breakhis.images.stream import map_images
from breakhis.reasons import Reason


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir()) if folder.exists() else []


def test_store_holds_the_decoded_images_in_catalog_order(catalog: Catalog, tmp_path: Path) -> None:
    store = prepare(catalog, size=32, folder=tmp_path / "stores")
    expected = np.stack([decode(path, size=32) for path in catalog.files()])
    assert (len(store), store.size) == (12, 32)
    np.testing.assert_array_equal(store.images, expected)
    rows = np.array([5, 0, 11, 5])
    np.testing.assert_array_equal(store.read(rows), expected[rows])
    assert store.read(rows[:0]).shape == (0, 32, 32, 3)


def test_store_keeps_what_is_wrong_with_whole_images(
    catalog_of: Callable[[Path, int], Catalog], tmp_path: Path
) -> None:
    catalog = catalog_of(tmp_path / "data", 3)
    cv2.imwrite(str(catalog.file(1)), np.full((460, 700, 3), 255, np.uint8))
    for _ in range(2):
        assert prepare(catalog, size=224).checks == (Reason.TOO_SMALL, Reason.BLANK, Reason.TOO_SMALL)


def test_reading_outside_the_store_is_an_error(catalog: Catalog) -> None:
    store = prepare(catalog, size=32)
    for row in (-1, 12):
        with pytest.raises(IndexError):
            store.read(np.array([row]))


def test_store_is_reused_without_decoding(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    first = prepare(catalog, size=32, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(1, 13)]
    monkeypatch.setattr(store_module, "map_images", None)
    assert prepare(catalog, size=32).path == first.path


def test_key_covers_all_that_the_pixels_and_checks_depend_on(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {prepare(catalog, size=32).path, prepare(catalog, size=40).path}
    paths.add(prepare(catalog.select(np.arange(6)), size=32).path)
    os.utime(catalog.file(3), ns=(0, 10**18))
    paths.add(prepare(catalog, size=32).path)
    catalog.file(3).write_bytes(catalog.file(4).read_bytes())
    os.utime(catalog.file(3), ns=(0, 10**18))
    paths.add(prepare(catalog, size=32).path)
    monkeypatch.setattr(store_module, "DECODER_VERSION", 0)
    paths.add(prepare(catalog, size=32).path)
    monkeypatch.setattr(store_module, "CHECKS_VERSION", 0)
    paths.add(prepare(catalog, size=32).path)
    assert len(paths) == 7


def test_every_unreadable_image_is_counted_and_ten_listed(
    catalog_of: Callable[[Path, int], Catalog], tmp_path: Path
) -> None:
    catalog = catalog_of(tmp_path / "data", 20)
    for row in range(2, 14):
        catalog.file(row).write_bytes(b"")
    catalog.file(14).unlink()
    with pytest.raises(UnreadableImagesError) as refused:
        prepare(catalog, size=32, folder=tmp_path / "stores")
    assert refused.value.rows == tuple(range(2, 15))
    assert refused.value.found.count("an empty file") == 10
    assert refused.value.found.startswith("13 that are not: image-002.png: an empty file")
    assert refused.value.found.endswith("and 3 more")
    assert names(tmp_path / "stores") == []
    kept = np.setdiff1d(np.arange(20), refused.value.rows)
    assert len(prepare(catalog.select(kept), size=32, folder=tmp_path / "stores")) == 7


class _FullDisk:
    """A stream on a disk that takes `room` writes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, content: bytes) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return len(content)


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store_module._write
    monkeypatch.setattr(store_module, "_write", lambda stream, *rest: write(_FullDisk(5), *rest))
    with pytest.raises(StorageError, match="No space left"):
        prepare(catalog, size=32, folder=tmp_path / "stores")
    assert names(tmp_path / "stores") == []


def test_an_interrupted_preparation_leaves_nothing(catalog: Catalog, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(catalog, size=32, folder=tmp_path / "stores", progress=interrupt)
    assert names(tmp_path / "stores") == []


def test_a_killed_preparation_is_never_read_and_cleared_later(catalog: Catalog, tmp_path: Path) -> None:
    stores = tmp_path / "stores"
    catalog.save(tmp_path / "catalog.csv")
    script = (
        "import os, pathlib, signal, sys\n"
        "from breakhis.files import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'images.npy').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = prepare(catalog, size=32, folder=tmp_path / "other").path.parent.name
    killed = subprocess.run([sys.executable, "-c", script, str(stores / target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = stores.iterdir()
    store = prepare(catalog, size=32, folder=stores)
    assert len(store) == 12
    assert left.exists(), "another process may still be writing a fresh one"
    for path in (left, left / "images.npy"):
        os.utime(path, (0, 0))
    shutil.rmtree(store.path.parent)
    prepare(catalog, size=32, folder=stores)
    assert names(stores) == [target]


def test_two_preparations_at_once_agree(catalog: Catalog, tmp_path: Path) -> None:
    together = threading.Barrier(2)

    def wait_at_the_end(done: int, total: int) -> None:
        if done == total:
            together.wait(timeout=30)

    def run(_: int) -> Store:
        return prepare(catalog, size=32, folder=tmp_path / "stores", progress=wait_at_the_end)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, range(2))
    assert first.path == second.path
    assert names(tmp_path / "stores") == [first.path.parent.name]
    np.testing.assert_array_equal(first.images, second.images)


def test_an_altered_store_is_refused(catalog: Catalog) -> None:
    store = prepare(catalog, size=32)
    os.truncate(store.path, 5_000)
    with pytest.raises(StorageError, match="shorter"):
        store.read(np.array([11]))
    with pytest.raises(StorageError, match="delete this folder"):
        prepare(catalog, size=32)


@pytest.mark.parametrize("checks", ['["no such reason"' + ", null" * 11 + "]", "[null]", '{"blank"'])
def test_altered_checks_are_refused(catalog: Catalog, checks: str) -> None:
    store = prepare(catalog, size=32)
    (store.path.parent / "checks.json").write_text(checks)
    with pytest.raises(StorageError, match="delete this folder"):
        prepare(catalog, size=32)


def test_stream_takes_sources_as_needed_and_keeps_their_order(catalog: Catalog) -> None:
    taken = 0

    def sources() -> Iterator[Path | bytes]:
        nonlocal taken
        for number in range(300):
            taken += 1
            yield b"no image" if number % 3 == 0 else catalog.file(number % 12)

    stream = map_images(sources(), partial(resize, size=16), workers=2)
    first = [next(stream) for _ in range(6)]
    assert taken < 40
    assert [isinstance(image, ImageError) for image in first] == [True, False, False] * 2
    np.testing.assert_array_equal(first[4], decode(catalog.file(4), size=16))
    assert len(list(stream)) == 294
