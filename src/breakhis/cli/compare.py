"""`breakhis compare`."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option, seed_option


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for comparison.json, comparison.png and report.html.",
)
@seed_option
@json_option
def command(runs: tuple[Path, ...], out: Path | None, seed: int | None, as_json: bool) -> None:
    """Compare runs that were tested on the same images, with paired intervals over cases.

    RUN is a run or cross-validation folder, or a predictions.csv. Runs whose test sets differ are refused.

    \b
    Example: breakhis compare RUN_A RUN_B --out comparison
    """
    from breakhis.compare import compare, read_contestants

    comparison = compare(read_contestants(runs), seed=seed or 0)
    if out:
        from breakhis.compare.figure import save_figure
        from breakhis.files import write_json
        from breakhis.report.comparison import write_comparison

        write_json(out / "comparison.json", comparison.to_json())
        save_figure(comparison, out / "comparison.png")
        write_comparison(out)
    emit(comparison.to_json(), comparison.table(), as_json=as_json)
