"""What several commands share: options, one JSON object on stdout, progress on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from breakhis.catalog import Catalog
    from breakhis.splits import Split

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
data_argument = click.argument("data", type=click.Path(path_type=Path))
model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="Bundle zip or run directory (default: the shipped model).",
)
skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="Leave out files whose name or content is bad, and say how many."
)
_LABELLED = (
    click.option("--split", "split_file", type=click.Path(path_type=Path), help="CSV that `split` wrote."),
    click.option(
        "--subset", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
    ),
    click.option("--fold", type=click.IntRange(1), default=1, help="Fold of that split [1]."),
    click.option(
        "--group-regex", help="Pattern whose group `case` names the case of a path, for other data."
    ),
    skip_bad_option,
)
seed_option = click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of every random choice.")


def labelled_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which labelled images are measured: read by `breakhis.cli.labelled`."""
    for option in reversed(_LABELLED):
        command = option(command)
    return command


def load_fold(split_file: Path, fold: int, catalog: "Catalog") -> "Split":
    """One fold of a split file, counted from 1 as people do; raises SplitError where there is none."""
    from breakhis.errors import SplitError
    from breakhis.splits import Split

    split = Split.load(split_file, catalog)
    if fold > split.folds:
        raise SplitError(
            f"--fold from 1 to {split.folds} for {split_file}", found=str(fold), fix="name one of these"
        )
    return split.one_fold(fold - 1, catalog)


def emit(value: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print the machine-readable object or the text for people on stdout."""
    click.echo(json.dumps(value, allow_nan=False) if as_json else text)


def note(message: str) -> None:
    """Say something to people while a command works: on stderr."""
    click.echo(message, err=True)


@contextmanager
def progress_bar(label: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """A callback ``(done, total)`` that draws a bar with rate and time left on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[rate]}}/s,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None, rate="-")

        def update(done: int, total: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:.0f}" if elapsed > 0 else "-"
            bar.update(task, completed=done, total=total, rate=rate)

        yield update
