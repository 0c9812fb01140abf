"""`breakhis evaluate`."""

from pathlib import Path
from typing import Any

import click

from breakhis.cli.options import data_argument, emit, json_option, labelled_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_argument
@labelled_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for metrics, predictions and confusion matrix."
)
@json_option
def command(model: Path, data: Path, **options: Any) -> None:
    """Measure a model on labelled images.

    MODEL is a bundle zip or a run directory. Without --split every image of DATA is measured; whether the
    model was trained on them is then unknown, and said so. --out takes metrics.json, predictions.csv, and
    the confusion matrix as confusion.csv and, in images and in shares of each subtype, confusion.png.

    \b
    Example: breakhis evaluate run BreaKHis_v1 --split run/split.csv --subset test
    """
    import numpy as np

    from breakhis.cli.labelled import answer_labelled, open_labelled
    from breakhis.evaluate import evaluate
    from breakhis.predict import Predictor
    from breakhis.report.plots import plot_confusion

    predictor = Predictor.load(model)
    test = open_labelled(data, predictor, options)
    answers = answer_labelled(test, predictor)
    evaluation = evaluate(answers, unit=test.unit, leakage=test.leakage, name=f"{model.name} on {data.name}")
    if options["out"] is not None:
        answers.save(options["out"] / "predictions.csv")
        evaluation.save(options["out"] / "metrics.json")
        evaluation.save_confusion(options["out"] / "confusion.csv")
        matrix, codes = np.array(evaluation.overall.confusion), evaluation.taxonomy.codes
        plot_confusion(matrix, codes, options["out"] / "confusion.png", unit=evaluation.unit)
    emit(evaluation.to_json(), evaluation.table(), as_json=options["as_json"])
