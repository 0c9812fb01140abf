"""`breakhis train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import data_argument, emit, json_option, load_fold
from breakhis.cli.training_options import check_data, make_config, training_options

if TYPE_CHECKING:
    from breakhis.catalog import Catalog
    from breakhis.config import TrainConfig
    from breakhis.splits import Split

_DECIDING = ("config_file", "recipe", "weights", "settings", "deterministic", "seed", "by")


@click.command()
@data_argument
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder of the run.")
@click.option("--by", type=click.Choice(["image", "patient", "case"]), help="What stays together [case].")
@click.option("--split", "split_file", type=click.Path(path_type=Path), help="CSV that `split` wrote.")
@click.option("--fold", type=click.IntRange(1), default=1, help="Fold of that split [1].")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run.")
@training_options
@json_option
def command(data: Path, out: Path, **options: Any) -> None:
    """Train, evaluate, package and report, in one go.

    The run holds the configuration, the split, history, plots, answers and metrics of the test set,
    bundle.zip and report.html. With --resume the run's own configuration is taken unless options are given.

    \b
    Example: breakhis train BreaKHis_v1 --out run
             breakhis train BreaKHis_v1 --by image --recipe notebook --out leaky
    """
    from breakhis.runs import Run

    if options["by"] and options["split_file"]:
        raise click.UsageError("--split decides what stays together; leave --by out.")
    check_data(data, options)
    Run.check_free(out, resume=options["resume"])

    from breakhis.cli.display import TrainingDisplay
    from breakhis.workflows.prepare import Source, prepare_source
    from breakhis.workflows.train import start_run, train

    kept = options["resume"] and not any(options[name] for name in _DECIDING)
    config = Run(out).config() if kept else make_config(options, by=options["by"])
    with TrainingDisplay() as display:
        source = Source(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
        prepared = prepare_source(source, config.images, display)
        split = _split(prepared.catalog, config, options)
        display.say(f"split by {split.unit} ({split.leakage.verdict})")
        run = start_run(out, prepared, split, config=config, resume=options["resume"])
        evaluation = train(prepared, split, config, run=run, listener=display)
    emit(
        {"run": str(out), "report": str(run.report_file), **evaluation.to_json()},
        f"{evaluation.table()}\n{run.report_file}",
        as_json=options["as_json"],
    )


def _split(catalog: "Catalog", config: "TrainConfig", options: dict[str, Any]) -> "Split":
    from breakhis.splits import make_split

    if options["split_file"]:
        return load_fold(options["split_file"], options["fold"], catalog)
    return make_split(catalog, config.split, seed=config.seed)
