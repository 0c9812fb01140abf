"""`breakhis predict`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import emit, json_option, model_option, note, progress_bar, skip_bad_option

if TYPE_CHECKING:
    from breakhis.predictions import Predictions


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@model_option
@click.option("--out", type=click.Path(path_type=Path), help="CSV to write.")
@click.option("--pool", type=click.Choice(["patient", "case"]), help="Answer for each patient or case, too.")
@click.option("--engine", type=click.Choice(["openvino", "keras"]), default="openvino", show_default=True)
@skip_bad_option
@json_option
def command(images: tuple[Path, ...], model: Path | None, **options: Any) -> None:
    """Classify images: files, or folders searched to any depth.

    Prints the subtype, its probability, the probability of malignancy and those of all subtypes, as a table
    or as JSON, or writes a CSV with --out. For research only, not a medical device.

    \b
    Example: breakhis predict slides/ --model run --out predictions.csv --pool patient
    """
    from breakhis.errors import DataError, ImageError
    from breakhis.predict import Predictor, image_files
    from breakhis.predictions import Predictions

    left_out: list[str] = []

    def leave_out(error: ImageError) -> None:
        left_out.append(str(error))
        note(f"left out: {error}")

    files = image_files(images)
    predictor = Predictor.load(model, engine=options["engine"])
    parts = []
    with progress_bar("predicting") as progress:
        for part in predictor.stream(files, on_bad=leave_out if options["skip_bad"] else None):
            parts.append(part)
            progress(sum(map(len, parts)) + len(left_out), len(files))
    if not parts:
        raise DataError("images to classify", found="none that can be read", fix="pass other files")
    answers = Predictions.concatenate(parts)
    pooled = answers.pool(options["pool"]) if options["pool"] else None
    if options["out"] is not None:
        answers.save(options["out"])
    value = {
        "model": {"summary": predictor.bundle.summary(), "hash": predictor.bundle.hash},
        "images": list(answers.rows()),
        "pooled": list(pooled.rows()) if pooled else [],
        "left_out": left_out,
    }
    tables = [_table(answers, "image"), *([_table(pooled, options["pool"])] if pooled else [])]
    said = str(options["out"]) if options["out"] is not None else "\n\n".join(tables)
    emit(value, f"{said}\n\nmodel: {predictor.bundle.summary()}", as_json=options["as_json"])


def _table(answers: "Predictions", what: str) -> str:
    codes = answers.taxonomy.codes
    width = max([len(what), *(len(Path(path).name) for path in answers.paths.tolist())])
    lines = [f"{what:<{width}}  subtype  malignant  " + "  ".join(f"{code:>4}" for code in codes)]
    for row in answers.rows():
        malignant = "-" if row["malignant"] is None else f"{row['malignant']:.2f}"
        shares = "  ".join(f"{row[code]:4.2f}" for code in codes)
        lines.append(f"{Path(row['path']).name:<{width}}  {row['subtype']:<7}  {malignant:>9}  {shares}")
    return "\n".join(lines)
