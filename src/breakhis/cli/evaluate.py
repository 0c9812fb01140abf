"""`breakhis evaluate`."""

from pathlib import Path
from typing import Any

import click

from breakhis.cli.options import data_argument, emit, json_option, labelled_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_argument
@labelled_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder for metrics.json and predictions.csv.")
@json_option
def command(model: Path, data: Path, **options: Any) -> None:
    """Measure a model on labelled images.

    MODEL is a bundle zip or a run directory. Without --split every image of DATA is measured; whether the
    model was trained on them is then unknown, and said so.

    \b
    Example: breakhis evaluate run BreaKHis_v1 --split run/split.csv --subset test
    """
    from breakhis.cli.labelled import answer_labelled, open_labelled
    from breakhis.evaluate import evaluate
    from breakhis.predict import Predictor

    predictor = Predictor.load(model)
    test = open_labelled(data, predictor, options)
    answers = answer_labelled(test, predictor)
    evaluation = evaluate(answers, unit=test.unit, leakage=test.leakage, name=f"{model.name} on {data.name}")
    if options["out"] is not None:
        answers.save(options["out"] / "predictions.csv")
        evaluation.save(options["out"] / "metrics.json")
        evaluation.save_confusion(options["out"] / "confusion.csv")
    emit(evaluation.to_json(), evaluation.table(), as_json=options["as_json"])
