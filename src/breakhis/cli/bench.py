"""`breakhis bench`."""

import sys
from pathlib import Path

import click

from breakhis.cli.options import emit, json_option, note


@click.command()
@click.option("--only", multiple=True, metavar="NAME", help="A measure (repeatable) [all].")
@click.option("--quick", is_flag=True, help="Whether the measures run; too short for numbers to be quoted.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of images [a synthetic set].")
@click.option("--weights", default="none", show_default=True, help="Backbone: imagenet, none or a file.")
@click.option(
    "--model", type=click.Path(path_type=Path), help="Bundle or run to predict with [one made here]."
)
@click.option(
    "--torch-python",
    type=click.Path(path_type=Path),
    default=Path(sys.executable),
    help="Interpreter that has PyTorch [this one].",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the page, such as docs/benchmarks.md.")
@json_option
def command(out: Path | None, *, only: tuple[str, ...], as_json: bool, **options: object) -> None:
    """Measure speed and memory next to what you would use instead.

    Every number is a ratio of ways that take turns in one run. Measures: memory, cold, predict, files, store,
    pipeline, frozen, fit. A peer that is not installed is left out, and the page says so. Needs the
    training extra.

    \b
    Example: breakhis bench --only pipeline --quick
    """
    from breakhis.errors import MissingExtraError
    from breakhis.files import write_text

    try:
        from breakhis.bench.run import run_benchmarks
        from breakhis.bench.subject import BenchOptions
    except ImportError as error:
        raise MissingExtraError(
            "the training extra for the benchmarks", found=str(error), fix="pip install 'breakhis[train]'"
        ) from error
    for report in run_benchmarks(BenchOptions(**options), only=only, say=note):  # type: ignore[arg-type]
        if out is not None:  # after each measure: a later one may fail after half an hour
            write_text(out, report.page())
    emit(report.to_json(), report.page(), as_json=as_json)
