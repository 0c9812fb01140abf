"""From a folder, however it is nested, or a manifest CSV to a Catalog."""

import filecmp
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from breakhis.catalog.grouping import CaseOf, compile_grouping
from breakhis.catalog.manifest import read_manifest
from breakhis.catalog.names import parse_file, stem
from breakhis.catalog.sizes import image_size
from breakhis.catalog.table import Catalog, Row
from breakhis.errors import DataError

IMAGE_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_SHOWN: Final = 10
_log = logging.getLogger("breakhis")


def scan(
    data: Path, *, skip_bad: bool = False, group_regex: str | None = None, sizes: bool = True
) -> Catalog:
    """Catalog of the images in a folder (by their file names) or in a manifest CSV, sorted by path.

    Folders are searched to any depth; hidden files are ignored and symbolic links followed. A BreaKHis name
    met twice is counted once if the files are identical (with a warning) and is an error if they differ.

    Args:
        data: Folder, or CSV with the columns `path` and `subtype` (see `read_manifest`).
        skip_bad: Leave out, with a warning, what has no readable name or is listed but missing.
        group_regex: For images with other names: a regular expression whose group `case` (or first group),
            searched in the relative path, is case and patient; the class is then the parent folder's name.
        sizes: Read width and height from the files' headers; 0 where unreadable.

    Raises:
        DataError: No images, names that do not parse, contradicting copies, or a broken manifest.
        UsageError: `group_regex` is not a regular expression with a group.
    """
    case_of = compile_grouping(group_regex) if group_regex is not None else None
    root = data.absolute()
    if root.is_dir():
        paths = sorted(find_images(root))
        if not paths:
            raise DataError(
                f"images below {data}", found="none", fix="pass the folder that holds the BreaKHis images"
            )
        rows = _drop_bad([parse_path(path, case_of) for path in paths], paths, skip_bad=skip_bad)
        rows = _drop_copies(root, rows)
    elif root.is_file():
        root, rows = read_manifest(root, case_of=case_of)
        rows = _drop_missing(root, rows, skip_bad=skip_bad)
    else:
        raise DataError("a folder or a manifest CSV", found=f"nothing at {data}", fix="correct the path")
    return Catalog.from_rows(root, [_with_size(root, row) for row in rows] if sizes else rows)


def find_images(root: Path) -> Iterator[str]:
    """Relative POSIX paths of the image files below `root`, in no particular order."""
    entered: set[str] = set()
    pending = [""]
    while pending:
        folder = pending.pop()
        real = os.path.realpath(root / folder)
        if real in entered:  # a link back to a folder above
            continue
        entered.add(real)
        for entry in _entries(root / folder):
            if entry.name.startswith("."):  # hidden, and the "._" doubles that macOS writes
                continue
            if entry.is_dir():
                pending.append(f"{folder}{entry.name}/")
            elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                yield folder + entry.name


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(
            f"a readable folder at {folder}", found=str(error.strerror), fix="correct its permissions"
        ) from error


def parse_path(path: str, case_of: CaseOf | None = None) -> Row | None:
    """What a relative path says of its image; None where it says nothing.

    With `case_of`, an image whose name is not a BreaKHis name has its parent folder as the class.
    """
    parsed = parse_file(path)
    if case_of is None:
        return Row(path, parsed.code, parsed.magnification, parsed.patient, parsed.case) if parsed else None
    case = case_of(path)
    code = parsed.code if parsed else path.rpartition("/")[0].rpartition("/")[2]
    if not case or not code:
        return None
    return Row(path, code, parsed.magnification if parsed else 0, case, case)


def _drop_bad(rows: list[Row | None], paths: list[str], *, skip_bad: bool) -> list[Row]:
    bad = [path for path, row in zip(paths, rows, strict=True) if row is None]
    good = [row for row in rows if row is not None]
    if bad and not (skip_bad and good):
        raise DataError(
            "BreaKHis file names such as SOB_B_TA-14-16184CD-100-021.png",
            found=f"{len(bad)} other image names of {len(paths)}: {_some(bad)}",
            fix=("leave them out with --skip-bad, or " if good else "")
            + "bring foreign images by --group-regex or a manifest CSV",
        )
    if bad:
        _log.warning("%d images left out, their names do not parse: %s", len(bad), _some(bad))
    return good


def _drop_missing(root: Path, rows: list[Row], *, skip_bad: bool) -> list[Row]:
    there = [row for row in rows if os.path.isfile(f"{root}/{row.path}")]  # noqa: PTH113 (speed)
    if len(there) == len(rows):
        return rows
    kept = {row.path for row in there}
    missing = [row.path for row in rows if row.path not in kept]
    if not (skip_bad and there):
        raise DataError(
            f"every image of the manifest below {root}",
            found=f"{len(missing)} of {len(rows)} missing: {_some(missing)}",
            fix="correct the paths (they are relative to the manifest), or leave them out with --skip-bad",
        )
    _log.warning(
        "%d images of the manifest left out, there is no such file: %s", len(missing), _some(missing)
    )
    return there


def _drop_copies(root: Path, rows: list[Row]) -> list[Row]:
    """One row a BreaKHis name: of identical copies the least nested stays, unlike ones raise DataError."""
    kept: dict[str, Row] = {}
    copies: list[str] = []
    for row in sorted(rows, key=lambda row: (row.path.count("/"), row.path)):
        name = stem(row.path) if parse_file(row.path) else row.path
        first = kept.setdefault(name, row)
        if first is row:
            continue
        if not filecmp.cmp(root / first.path, root / row.path, shallow=False):
            raise DataError(
                f"one image named {name}",
                found=f"two that differ: {first.path} and {row.path}",
                fix="keep the copy that is right and move the other away",
            )
        copies.append(row.path)
    if copies:
        _log.warning("%d images lie twice and are counted once, e.g. %s", len(copies), copies[0])
    return sorted(kept.values(), key=lambda row: row.path)


def _with_size(root: Path, row: Row) -> Row:
    if row.width and row.height:
        return row
    width, height = image_size(f"{root}/{row.path}")
    return row._replace(width=width, height=height)


def _some(paths: list[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return f"{shown} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown
