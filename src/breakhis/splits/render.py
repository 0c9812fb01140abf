"""A split as a table for people."""

from typing import Any, get_args

from breakhis.splits.split import Split, Subset

_GAP = "  "


def count_table(split: Split) -> str:
    """Images, patients and cases of every class in every subset, then the verdict, the
    policy for oddities and the warnings.

    Folds are shown by what they test, in images and cases.
    """
    if split.folds == 1:
        (counts,) = split.counts
        subsets = [*get_args(Subset), *(["excluded"] if counts["excluded"]["images"] else [])]
        table = _table([(name, counts[name]) for name in subsets], ("images", "patients", "cases"))
    else:
        tests = [(f"test {fold}", counts["test"]) for fold, counts in enumerate(split.counts, 1)]
        table = _table(tests, ("images", "cases"))
    policy = [f"case {number}: {choice}" for number, choice in split.policy.items()]
    return "\n".join([*table, split.summary(), *policy, *(f"warning: {text}" for text in split.warnings)])


def _table(blocks: list[tuple[str, dict[str, Any]]], units: tuple[str, ...]) -> list[str]:
    """Lines with one row a class and one block of columns, headed by its name, for each entry of `blocks`."""
    codes = list(blocks[0][1]["classes"])
    first = max(map(len, [*codes, "all"]))
    width = len(_GAP.join(units))
    names = _GAP.join(name.center(width) for name, _ in blocks).rstrip()
    lines = [f"{'':{first}}{_GAP}{names}", _row("", [unit for _ in blocks for unit in units], first, units)]
    for code in codes:
        cells = [str(counts["classes"][code][unit]) for _, counts in blocks for unit in units]
        lines.append(_row(code, cells, first, units))
    return [*lines, _row("all", [str(counts[unit]) for _, counts in blocks for unit in units], first, units)]


def _row(name: str, cells: list[str], first: int, units: tuple[str, ...]) -> str:
    padded = (cell.rjust(len(units[column % len(units)])) for column, cell in enumerate(cells))
    return f"{name:>{first}}{_GAP}{_GAP.join(padded)}"
