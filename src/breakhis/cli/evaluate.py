"""`breakhis evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import data_argument, emit, json_option, progress_bar, skip_bad_option

if TYPE_CHECKING:
    from breakhis.catalog import Catalog
    from breakhis.catalog.table import IntArray
    from breakhis.splits import Leakage


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@data_argument
@click.option("--split", "split_file", type=click.Path(path_type=Path), help="CSV that `split` wrote.")
@click.option(
    "--subset", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True
)
@click.option("--fold", type=click.IntRange(1), default=1, help="Fold of that split [1].")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for metrics.json and predictions.csv.")
@click.option("--group-regex", help="Pattern whose group `case` names the case of a path, for other data.")
@skip_bad_option
@json_option
def command(model: Path, data: Path, **options: Any) -> None:
    """Measure a model on labelled images.

    MODEL is a bundle zip or a run directory. Without --split every image of DATA is measured; whether the
    model was trained on them is then unknown, and said so.

    \b
    Example: breakhis evaluate run BreaKHis_v1 --split run/split.csv --subset test
    """
    import numpy as np

    from breakhis.catalog.scan import scan
    from breakhis.errors import DataError
    from breakhis.evaluate import evaluate
    from breakhis.images.store import prepare
    from breakhis.predict import Predictor
    from breakhis.predictions import Predictions

    predictor = Predictor.load(model)
    catalog = scan(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
    if catalog.taxonomy != predictor.taxonomy:
        raise DataError(
            f"images of the classes {', '.join(predictor.taxonomy.codes)}",
            found=", ".join(catalog.taxonomy.codes),
            fix="use a model of these classes",
        )
    rows, unit, leakage = _chosen(catalog, options)
    with progress_bar("preparing") as progress:
        store = prepare(catalog.select(rows), size=predictor.bundle.size, progress=progress)
    chunks = [
        predictor.predict_proba(store.read(np.arange(start, min(start + 64, len(rows)))))
        for start in range(0, len(rows), 64)
    ]
    answers = Predictions.of_catalog(catalog, rows, np.concatenate(chunks))
    evaluation = evaluate(answers, unit=unit, leakage=leakage, name=f"{model.name} on {data.name}")
    if options["out"] is not None:
        answers.save(options["out"] / "predictions.csv")
        evaluation.save(options["out"] / "metrics.json")
        evaluation.save_confusion(options["out"] / "confusion.csv")
    emit(evaluation.to_json(), evaluation.table(), as_json=options["as_json"])


def _chosen(catalog: "Catalog", options: dict[str, Any]) -> "tuple[IntArray, str, Leakage | None]":
    import numpy as np

    from breakhis.splits import Split

    if options["split_file"] is None:
        return np.arange(len(catalog), dtype=np.int64), "manual", None
    split = Split.load(options["split_file"], catalog).one_fold(options["fold"] - 1, catalog)
    leakage = split.leakage if options["subset"] == "test" else None
    return split.indices(options["subset"]), split.unit, leakage
