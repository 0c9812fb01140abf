"""The table of a split as CSV: written, read back, and matched with the images at hand."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from breakhis.catalog.table import Catalog, IntArray
from breakhis.errors import SplitError
from breakhis.files import atomic_file
from breakhis.splits.counts import SUBSETS
from breakhis.splits.leakage import SubsetArray

_NAMES = {value: name for name, value in SUBSETS.items()}


def write_table(path: Path, paths: Sequence[str], subsets: SubsetArray) -> None:
    """Write `path,subset`, or `path,fold1,fold2,...` for F folds, one row an image, subsets by name."""
    folds = subsets.shape[1]
    columns = ["subset"] if folds == 1 else [f"fold{fold}" for fold in range(1, folds + 1)]
    words = np.array([_NAMES[value] for value in range(len(_NAMES))])
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["path", *columns])
        writer.writerows([name, *row] for name, row in zip(paths, words[subsets].tolist(), strict=True))


def require_replaceable(path: Path) -> None:
    """Raise SplitError where `path` or its JSON exists and is something else than an earlier split."""
    for file, mark in (
        (path, r"\ufeff?path,(subset|fold1)\b"),
        (path.with_suffix(".json"), r'[\s\S]*"leakage"'),
    ):
        if file.exists() and not re.match(mark, file.read_text("utf-8", errors="replace")):
            raise SplitError(
                f"a new file or an earlier split at {file}",
                found="another file, which was left as it is",
                fix="choose another output name",
            )


def read_table(path: Path) -> tuple[list[str], SubsetArray]:
    """Read paths (N,) and subsets (N, F) back.

    Raises:
        SplitError: Not such a table: the first bad line is named.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.reader(stream))
    except (OSError, ValueError, csv.Error) as error:
        _refuse(path, str(error), cause=error)
    header, rows = (lines[0], lines[1:]) if lines else ([], [])
    if header[:2] not in (["path", "subset"], ["path", "fold1"]):
        _refuse(path, f"the columns {','.join(header[:5])}" if header else "an empty file")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header) or not row[0] or not set(row[1:]) <= SUBSETS.keys():
            _refuse(path, f"{','.join(row)!r} on line {line}")
    paths = [row[0] for row in rows]
    if len(set(paths)) != len(paths) or not paths:
        _refuse(path, "images that are listed twice" if paths else "no rows")
    return paths, np.array([[SUBSETS[word] for word in row[1:]] for row in rows], np.uint8)


def match(paths: Sequence[str], catalog: Catalog, *, source: Path, partial: bool = False) -> IntArray:
    """Row (N,) of the table for every image of the catalog: by relative path, else by unique file name.

    Args:
        paths: Paths of the table's rows.
        catalog: The images at hand, perhaps nested otherwise than when the split was made.
        source: The file, for messages.
        partial: Accept images that the table does not list; their row is -1.

    Raises:
        SplitError: The table is of other images.
    """
    listed, present = list(paths), catalog.paths.tolist()
    if not set(listed) <= set(present):
        bare = [path.rpartition("/")[2] for path in listed]
        bare_present = [path.rpartition("/")[2] for path in present]
        if len(set(bare)) == len(bare) and len(set(bare_present)) == len(bare_present):
            listed, present = bare, bare_present
    unknown = sorted(set(listed) - set(present))
    missing = [] if partial else sorted(set(present) - set(listed))
    if unknown or missing:
        found = (
            [f"{len(unknown)} listed images that are not in the data ({unknown[0]} ...)"] if unknown else []
        )
        found += [f"{len(missing)} images that it does not list ({missing[0]} ...)"] if missing else []
        raise SplitError(
            f"the images of {catalog.root} to be those of {source}",
            found=" and ".join(found),
            fix="use the data that the split was made on, or make a new split of this data",
        )
    row_of = {path: row for row, path in enumerate(listed)}
    return np.array([row_of.get(path, -1) for path in present], np.int64)


def _refuse(path: Path, found: str, *, cause: Exception | None = None) -> NoReturn:
    raise SplitError(
        f"a split table at {path}: columns path,subset or path,fold1,fold2,..., each path once, "
        f"each subset one of {', '.join(SUBSETS)}",
        found=found,
        fix="correct it, or make a split with `breakhis split`",
    ) from cause
