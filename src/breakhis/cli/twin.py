"""`breakhis twin`."""

from pathlib import Path
from typing import Any

import click

from breakhis.cli.options import data_argument, emit, json_option
from breakhis.cli.training_options import check_data, make_config, training_options


@click.command()
@data_argument
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the twin.")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True)
@training_options
@json_option
def command(data: Path, out: Path, **options: Any) -> None:
    """The same model, split by image and by case, side by side.

    One recipe and one seed are cross-validated under each split (and by patient where that differs). The
    page shows both numbers, the gap with its interval over cases, and why: how often the nearest training
    image of a test image is of the same case.

    \b
    Example: breakhis twin BreaKHis_v1 --out twin
    """
    check_data(data, options)

    from breakhis.cli.display import TrainingDisplay
    from breakhis.report.twin import write_twin
    from breakhis.workflows.prepare import Source, prepare_source
    from breakhis.workflows.twin import run_twin

    config = make_config(options)
    with TrainingDisplay() as display:
        source = Source(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
        prepared = prepare_source(source, config.images, display)
        value = run_twin(prepared, config, folds=options["folds"], folder=out, listener=display)
    page = write_twin(out)
    emit(
        {"out": str(out), "report": str(page), **value}, f"{_text(value)}\n{page}", as_json=options["as_json"]
    )


def _text(value: dict[str, Any]) -> str:
    from breakhis.metrics import Metric

    lines = [
        f"split by {column['unit']:<8} macro F1 {Metric.from_json(column['evaluation']['macro_f1'])}  "
        f"accuracy {Metric.from_json(column['evaluation']['accuracy'])}  "
        f"nearest training image of the same case {Metric.from_json(column['nearest_same_case'])}"
        for column in value["columns"]
    ]
    gap = Metric.from_json(value["gap"]["macro_f1"])
    return "\n".join([*lines, f"gap, by image less by case: macro F1 {gap} (95 % intervals over cases)"])
