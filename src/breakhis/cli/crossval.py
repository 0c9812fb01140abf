"""`breakhis crossval`."""

from pathlib import Path
from typing import Any

import click

from breakhis.cli.options import data_argument, emit, json_option
from breakhis.cli.training_options import check_data, make_config, training_options


@click.command()
@data_argument
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the folds.")
@click.option("--by", type=click.Choice(["image", "patient", "case"]), help="What stays together [case].")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True)
@training_options
@json_option
def command(data: Path, out: Path, **options: Any) -> None:
    """Train and measure every fold; metrics from the pooled answers.

    Every image is answered once, by a model that never saw it nor, split by case, anything of its case.
    Started again in the same folder, it goes on with the fold that was interrupted.

    \b
    Example: breakhis crossval BreaKHis_v1 --by case --folds 5 --out cv
    """
    check_data(data, options)

    from breakhis.cli.display import TrainingDisplay
    from breakhis.report.crossval import write_crossval
    from breakhis.splits import make_folds
    from breakhis.workflows.crossval import cross_validate, save_crossval
    from breakhis.workflows.prepare import Source, prepare_source

    config = make_config(options, by=options["by"])
    with TrainingDisplay() as display:
        source = Source(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
        prepared = prepare_source(source, config.images, display)
        split = make_folds(prepared.catalog, config.split, folds=options["folds"], seed=config.seed)
        for warning in split.warnings:
            display.say(f"warning: {warning}")
        result = cross_validate(prepared, split, config, folder=out, listener=display)
        save_crossval(result, split, config, folder=out, data=prepared.catalog.root)
    page = write_crossval(out, images=prepared.catalog.root)
    emit(
        {"out": str(out), "report": str(page), **result.evaluation.to_json()},
        f"{result.evaluation.table()}\n{page}",
        as_json=options["as_json"],
    )
