"""A split as a table for people."""

from typing import get_args

from breakhis.splits.split import Split, Subset


def count_table(split: Split) -> str:
    """Images, patients and cases of every class in every subset, then the verdict and the warnings.

    Folds are shown by what they test, in images and cases.
    """
    rows = _hold_out_rows(split) if split.folds == 1 else _fold_rows(split)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([*lines, split.summary(), *(f"warning: {warning}" for warning in split.warnings)])


def _hold_out_rows(split: Split) -> list[list[str]]:
    counts = split.counts[0]
    units = ("images", "patients", "cases")
    subsets = [*get_args(Subset), *(["excluded"] if counts["excluded"]["images"] else [])]
    rows = [
        ["", *(f"{subset}: images" if unit == "images" else unit for subset in subsets for unit in units)]
    ]
    for code in counts["train"]["classes"]:
        rows.append([code, *(str(counts[name]["classes"][code][unit]) for name in subsets for unit in units)])
    return [*rows, ["all", *(str(counts[name][unit]) for name in subsets for unit in units)]]


def _fold_rows(split: Split) -> list[list[str]]:
    units = ("images", "cases")
    tests = [counts["test"] for counts in split.counts]
    numbers = range(1, split.folds + 1)
    rows = [
        ["", *(f"test {fold}: images" if unit == "images" else unit for fold in numbers for unit in units)]
    ]
    for code in tests[0]["classes"]:
        rows.append([code, *(str(test["classes"][code][unit]) for test in tests for unit in units)])
    return [*rows, ["all", *(str(test[unit]) for test in tests for unit in units)]]
