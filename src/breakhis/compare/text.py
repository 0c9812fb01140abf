"""A comparison as plain text."""

from collections.abc import Sequence

from rich.table import Table

from breakhis.evaluate.tables import LABELS, cell, plain_table, render
from breakhis.metrics.intervals import Metric

COLUMNS = ("accuracy", "macro_f1", "malignancy_accuracy", "prr")
"""What the table and the picture show; the JSON has every metric."""

SHORT = {**LABELS, "prr": "PRR"}

Row = tuple[str, str, dict[str, Metric]]


def comparison_text(
    heading: str, standings: Sequence[Row], pairs: Sequence[Row], *, notes: Sequence[str]
) -> str:
    """Runs, then differences; a row is a name, its split and its metrics."""
    drawn = [
        (heading, _table("run", standings)),
        ("differences, paired over cases", _table("difference", pairs)),
    ]
    more = "95 % intervals: bootstrap over cases, not adjusted for the number of comparisons."
    return render(drawn, [*notes, more])


def _table(first: str, rows: Sequence[Row]) -> Table:
    table = plain_table(first, *(SHORT[name] for name in COLUMNS), "split by")
    table.columns[0].no_wrap = False
    table.columns[0].overflow = "fold"
    for name, split, metrics in rows:
        table.add_row(name, *(cell(metrics[key]) for key in COLUMNS), split)
    return table
