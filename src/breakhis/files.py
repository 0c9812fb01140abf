"""Files that are either whole or absent: atomic writes, hashes, and the cache folder."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from breakhis.errors import RunError, StorageError

SHIPPED_MODEL: Final = Path(__file__).parent / "models" / "breakhis.zip"
"""The bundle that is used where none is named; absent from a build without a model."""

_DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EEXIST,  # a file where a folder should be made
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}


@contextmanager
def storage_errors(path: Path, *, left: str = "nothing half-written was left") -> Iterator[None]:
    """Turn the operating system's refusal to write below `path` into a StorageError.

    Args:
        path: What is written, for the message.
        left: What the refusal leaves behind, for the message.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise StorageError(
            f"room and permission to write {path}",
            found=os.strerror(error.errno or 0),
            fix=f"free space or choose another output folder; {left}",
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write; it replaces `path` only if the block succeeds."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling folder of `path`; it becomes `path` only if the block succeeds.

    Where another process finished the same folder first, that one is kept.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            try:
                temporary.rename(path)
            except OSError:
                if not path.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: object) -> None:
    """Write readable JSON atomically; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_between(page: Path, writer: str, text: str) -> None:
    """Replace what `writer`, a script, wrote into a Markdown page before, between marks of its name.

    Raises:
        ValueError: The page lacks the marks ``<!-- WRITER -->`` and ``<!-- end of WRITER -->``.
    """
    begin, end = f"<!-- {writer} -->", f"<!-- end of {writer} -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} lacks {begin} or {end}")
    write_text(page, f"{before}{begin}\n{text}\n{end}{after}")


def require_own(folder: Path, patterns: Iterable[str]) -> None:
    """Raise RunError where `folder` is a file, or holds what is not hidden and matches none of `patterns`."""
    if not folder.exists():
        return
    held = [path.name for path in folder.iterdir()] if folder.is_dir() else ["a file"]
    foreign = [name for name in held if not any(fnmatch(name, pattern) for pattern in (".*", *patterns))]
    if foreign:
        raise RunError(
            f"a new or empty folder at {folder}, or one to go on with",
            found=", ".join(sorted(foreign)[:3]),
            fix="choose another --out",
        )


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_json(value: object) -> str:
    """SHA-256 of a JSON value in canonical form: equal values have equal hashes on every machine."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def cache_folder() -> Path:
    """Where prepared images, features and compiled graphs are kept; `BREAKHIS_CACHE` overrides it."""
    configured = os.environ.get("BREAKHIS_CACHE")
    if configured:
        return Path(configured)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "breakhis"
