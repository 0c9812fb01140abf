"""A manifest CSV: how images with other names, labels or grouping come in."""

import csv
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from breakhis.catalog.grouping import CaseOf
from breakhis.catalog.names import ImageName, parse_file
from breakhis.catalog.table import Row
from breakhis.errors import DataError

_REQUIRED: Final = ("path", "subtype")
_KAGGLE_FOLDS: Final = {"fold", "grp", "filename"}


def read_manifest(path: Path, *, case_of: CaseOf | None = None) -> tuple[Path, list[Row]]:
    """The folder that paths are relative to, and one row an image, sorted by path.

    Columns: `path` (relative to the manifest, or absolute) and `subtype` are required; `patient`, `case`,
    `magnification` ("40" or "40X"), `width` and `height` are optional, in any order; others are ignored.
    Missing patient, case and magnification are read from a BreaKHis name; with any other name the patient
    stands for a missing case and the other way round.

    Args:
        path: The CSV file, UTF-8 with a header line.
        case_of: Reads case and patient out of the path; it then overrules the columns.

    Raises:
        DataError: Not such a file, a path listed twice, or an image without any grouping.
    """
    path = path.absolute()
    table = _read_table(path)
    files = [os.path.normpath(path.parent / record["path"]) for record in table]
    root = _common_root(path.parent, files)
    prefix = os.path.join(root, "")  # noqa: PTH118 (keeps the trailing separator)
    rows = [
        _row(file.removeprefix(prefix).replace(os.sep, "/"), record, f"{path.name} line {line}", case_of)
        for line, (file, record) in enumerate(zip(files, table, strict=True), start=2)
    ]
    rows.sort(key=lambda row: row.path)
    for first, second in itertools.pairwise(rows):
        if first.path == second.path:
            raise DataError(
                f"each image once in {path.name}", found=f"{first.path} twice", fix="delete one of the lines"
            )
    return root, rows


def _read_table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            _check_columns(path, reader.fieldnames or ())
            table = [{key: (value or "").strip() for key, value in _cells(record)} for record in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"a readable manifest CSV at {path}", found=str(error), fix="pass a folder or a CSV file"
        ) from error
    if not table:
        raise DataError(f"images in {path}", found="only a header", fix="list one image a line")
    return table


def _cells(record: dict[str | None, str | list[str]]) -> Iterable[tuple[str, str | None]]:
    """The named cells; what stands right of the last column has no name."""
    return ((key, value) for key, value in record.items() if key is not None and not isinstance(value, list))


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    names = set(columns)
    if set(_REQUIRED) <= names:
        return
    found = ", ".join(sorted(names)) or "an empty file"
    if names >= _KAGGLE_FOLDS:
        raise DataError(
            "a folder or a manifest CSV",
            found=f"Kaggle's list of folds at {path}",
            fix="pass the folder of images, and this file to `breakhis split --official`",
        )
    raise DataError(f"the columns path and subtype in {path}", found=found, fix="add the missing column")


def _common_root(folder: Path, files: list[str]) -> Path:
    """The manifest's folder if it holds all files, else the lowest folder that does."""
    try:
        root = Path(os.path.commonpath(files)) if len(files) > 1 else Path(files[0]).parent
    except ValueError as error:  # several drives
        raise DataError(
            "images below one folder", found="several drives", fix="write one manifest a drive"
        ) from error
    return folder if root.is_relative_to(folder) else root


def _row(path: str, record: dict[str, str], place: str, case_of: CaseOf | None) -> Row:
    if not record["path"] or not record["subtype"]:
        raise DataError(f"a path and a subtype in {place}", found="an empty cell", fix="fill it in")
    parsed = parse_file(path)
    patient, case = _grouping(path, record, parsed, case_of)
    if not case:
        raise DataError(
            f"a case or patient for {path} in {place}",
            found="neither a column nor a BreaKHis name that tells it",
            fix="add a column `case` or pass --group-regex: images of one patient must not be torn apart",
        )
    named = parsed.magnification if parsed else 0
    return Row(
        path=path,
        code=record["subtype"],
        magnification=_number(record, "magnification", place) or named,
        patient=patient,
        case=case,
        width=_number(record, "width", place),
        height=_number(record, "height", place),
    )


def _grouping(
    path: str, record: dict[str, str], parsed: ImageName | None, case_of: CaseOf | None
) -> tuple[str, str]:
    """Patient and case: by the expression, by the columns, by the name; "" where nothing tells."""
    if case_of is not None:
        return case_of(path), case_of(path)
    patient, case = record.get("patient", ""), record.get("case", "")
    if parsed is not None:
        return patient or parsed.patient, case or parsed.case
    return patient or case, case or patient


def _number(record: dict[str, str], column: str, place: str) -> int:
    text = record.get(column, "").upper()
    if column == "magnification":
        text = text.removesuffix("X")
    if not text:
        return 0
    if not text.isdecimal():
        raise DataError(f"a whole number as {column} in {place}", found=repr(text), fix="correct the cell")
    return int(text)
