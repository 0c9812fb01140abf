"""The published folds: read where they lie, matched by file name, no image copied.

They are five 70/30 hold-outs by slide folder (Spanhol et al., IEEE TBME 63(7), 2016), not a partition: a
patient may be tested in several, and a case whose folders were divided leaks.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from breakhis.catalog.names import stem
from breakhis.catalog.table import Catalog
from breakhis.config import SplitConfig
from breakhis.errors import SplitError
from breakhis.splits.leakage import TEST, SubsetArray
from breakhis.splits.make import generator, group_positions, set_aside
from breakhis.splits.origin import Origin
from breakhis.splits.policy import present_oddities
from breakhis.splits.split import Split

_COLUMNS = {"fold", "grp", "filename"}
_LIST_NAME = re.compile(r"dsfold\d+\.txt", re.IGNORECASE)

Lists = dict[int, dict[str, str]]
"""Fold number -> file name without its suffix -> "train" or "test"."""


def read_official(
    path: Path, catalog: Catalog, *, fold: int | None, config: SplitConfig | None = None, seed: int = 0
) -> Split:
    """The published folds as a split of a catalog, images matched by file name without its suffix.

    Validation is taken from the published training part, by the configuration's unit (case) and share. Images
    that the lists do not name are excluded. The double-labelled slide is kept, as in published numbers.

    Args:
        path: One of ``dsfold1.txt`` ... ``dsfold5.txt`` (lines ``NAME|MAGNIFICATION|FOLD|train or test``),
            a folder of them, or Kaggle's ``Folds.csv`` (columns fold, mag, grp, filename).
        catalog: The images, a part of BreaKHis or all of it.
        fold: Number of one fold, from 1; None for all of them, in ascending order.
        config: Only `by` and `validation` matter here.
        seed: Seed of the validation draw.

    Raises:
        SplitError: Neither format, a contradiction, an unknown fold, or no image in common.
    """
    lists = _read_lists(path)
    if fold is not None and fold not in lists:
        raise SplitError(
            f"fold {fold} in {path}",
            found=f"folds {', '.join(map(str, sorted(lists)))}",
            fix="ask for a fold that is listed, or name the file that lists it",
        )
    chosen = sorted(lists) if fold is None else [fold]
    config = config or SplitConfig()
    columns = [_divide(catalog, lists[number], config=config, seed=seed) for number in chosen]
    table = np.stack(columns, axis=1)
    if not table.any():
        raise SplitError(
            f"images that {path} lists in {catalog.root}",
            found=f"none of {len(catalog)}",
            fix="check that these are images of BreaKHis under their official names",
        )
    warnings = tuple(_differences(catalog, lists, chosen))
    source = f"{path.name}, fold {fold}" if fold is not None else path.name
    policy = dict.fromkeys(present_oddities(catalog, SplitConfig().oddities), "keep")
    return Split.of(catalog, table, origin=Origin("official", seed, policy, warnings, source))


def _divide(catalog: Catalog, listed: dict[str, str], *, config: SplitConfig, seed: int) -> SubsetArray:
    """Subsets (N,) of one fold; validation nested in its training part."""
    parts = np.array([listed.get(stem(path), "") for path in catalog.paths.tolist()])
    groups = group_positions(catalog, parts == "train", unit=config.by)
    table = set_aside(catalog, groups, share=config.validation, rng=generator(seed))
    table[parts == "test"] = TEST
    return table


def _differences(catalog: Catalog, lists: Lists, chosen: list[int]) -> Iterator[str]:
    present = {stem(path) for path in catalog.paths.tolist()}
    for number in chosen:
        missing = len(lists[number].keys() - present)
        unlisted = len(present - lists[number].keys())
        if missing:
            yield f"fold {number}: {missing} of {len(lists[number])} listed images are not in the data"
        if unlisted:
            yield f"fold {number}: {unlisted} images of the data are not listed and are excluded"


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a list, and where it stands."""

    name: str
    fold: str
    part: str
    place: str


def _read_lists(path: Path) -> Lists:
    lists: Lists = {}
    for line in _lines(path):
        name = stem(line.name.replace("\\", "/"))
        if line.part not in ("train", "test") or not line.fold.isdigit() or not name:
            raise SplitError(
                "a file name, a fold number and train or test on every line",
                found=f"{line.name!r}, {line.fold!r}, {line.part!r} at {line.place}",
                fix="use the published dsfold files or Kaggle's Folds.csv unaltered",
            )
        listed = lists.setdefault(int(line.fold), {})
        if listed.setdefault(name, line.part) != line.part:
            raise SplitError(
                f"each image once in fold {line.fold}",
                found=f"{name} both in train and in test ({line.place})",
                fix="use the published lists unaltered",
            )
    if not lists:
        raise SplitError(f"published folds in {path}", found="an empty list", fix="check the file")
    return lists


def _lines(path: Path) -> Iterator[_Line]:
    for file in _list_files(path):
        try:
            with file.open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.reader(stream, delimiter="," if file.suffix.lower() == ".csv" else "|"))
        except (OSError, ValueError, csv.Error) as error:
            raise SplitError(
                f"a readable list of folds at {file}", found=str(error), fix="check the path"
            ) from error
        yield from _lines_of(file, [(number, row) for number, row in enumerate(rows, 1) if row])


def _lines_of(file: Path, rows: list[tuple[int, list[str]]]) -> Iterator[_Line]:
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    if set(header) >= _COLUMNS:
        order, width = [header.index(name) for name in ("filename", "fold", "grp")], len(header)
        rows = rows[1:]
    else:
        order, width = [0, 2, 3], 4
    for number, row in rows:
        if len(row) != width:
            raise SplitError(
                "lines NAME|MAGNIFICATION|FOLD|train or test, or a CSV with columns fold, mag, grp, filename",
                found=f"{'|'.join(row)!r} at {file}:{number}",
                fix="use the published dsfold files or Kaggle's Folds.csv unaltered",
            )
        name, fold, part = (row[position].strip() for position in order)
        yield _Line(name, fold, part.lower(), f"{file}:{number}")


def _list_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if _LIST_NAME.fullmatch(file.name))
    if not files:
        raise SplitError(
            f"dsfold1.txt ... dsfold5.txt in {path}",
            found="no such file",
            fix="pass the folder that holds them, one of them, or Kaggle's Folds.csv",
        )
    return files
