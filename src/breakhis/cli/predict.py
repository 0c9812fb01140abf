"""`breakhis predict`: classify images."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from breakhis.cli.options import emit, json_option, model_option, note, progress_bar, skip_bad_option

if TYPE_CHECKING:
    from breakhis.errors import ImageError
    from breakhis.predictions import Predictions


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@model_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the rows to this CSV.")
@click.option("--pool", type=click.Choice(["patient", "case"]), help="Also answer for every patient or case.")
@click.option(
    "--engine", type=click.Choice(["openvino", "keras"]), default="openvino", help="What computes [openvino]."
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bfloat16", "int8"]),
    help="Arithmetic [the fastest found faithful].",
)
@skip_bad_option
@json_option
def command(images: tuple[Path, ...], **options: Any) -> None:
    """Classify images: files, or folders searched to any depth.

    Prints a table, or writes a CSV as it goes: a job that was killed goes on where it stopped when the same
    command is given again. With --skip-bad the exit status is 0 as long as one image was answered. For
    research only, not a medical device.

    \b
    Example: breakhis predict slide.png
             breakhis predict slides/ --out predictions.csv --pool patient
    """
    _import_engine()
    from breakhis.predict import Predictor, answer_table, image_files

    bad: list[str] = []

    def leave_out(error: "ImageError") -> None:
        bad.append(str(error))
        note(f"left out: {error}")

    files = image_files(images)
    predictor = Predictor.load(options["model"], engine=options["engine"], precision=options["precision"])
    on_bad = leave_out if options["skip_bad"] else None
    out = options["out"]
    if out is None:
        answers = predictor.predict(files, on_bad=on_bad)
    else:
        answers = _write(predictor, files, out, on_bad=on_bad)
    if not len(answers):
        _refuse_nothing(bad, out)
    pooled = answers.pool(options["pool"]) if options["pool"] else None
    result = {
        "model": predictor.describe(),
        "images": list(answers.rows()),
        "pooled": list(pooled.rows()) if pooled else [],
        "left_out": bad,
        "out": str(out) if out else None,
    }
    text = [str(out) if out else answer_table(answers)]
    if pooled:
        text.append(answer_table(pooled, of=options["pool"]))
    text.append(_footer(predictor, len(answers), bad))
    emit(result, "\n\n".join(text), as_json=options["as_json"])


def _import_engine() -> None:
    """Import OpenVINO without its model converters, which it does without where they cannot be imported.

    They and their telemetry are a third of all that a single answer imports. The program has no use for them;
    a library must not hide them from its user, so this is done here alone.
    """
    converters = "openvino.tools.ovc"
    if "openvino" not in sys.modules:
        sys.modules[converters] = None  # type: ignore[assignment]
        try:
            importlib.import_module("openvino")
        finally:
            del sys.modules[converters]


def _write(predictor: Any, files: list[Path], out: Path, *, on_bad: Any) -> "Predictions":
    from breakhis.predict import write_predictions
    from breakhis.predictions import Predictions

    with progress_bar("predict") as progress:
        write_predictions(predictor, files, out, on_bad=on_bad, progress=progress)
    return Predictions.load(out)


def _refuse_nothing(bad: list[str], out: Path | None) -> NoReturn:
    """A job without a single answer has failed; it leaves no table that looks like a result."""
    from breakhis.errors import DataError

    if out is not None:
        out.unlink(missing_ok=True)
    raise DataError(
        "at least one whole 8-bit RGB image to answer for",
        found=f"{len(bad)} files, all of them bad" if len(bad) > 1 else "one file, a bad one",
        fix="convert or replace the files that were named above",
    )


def _footer(predictor: Any, answered: int, bad: list[str]) -> str:
    left_out = f", {len(bad)} left out" if bad else ""
    return (
        f"{answered} answers{left_out}. Model: {predictor.bundle.summary()}.\n"
        "For research only, not a medical device."
    )
