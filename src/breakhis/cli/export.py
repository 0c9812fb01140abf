"""`breakhis export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakhis.cli.options import emit, json_option

if TYPE_CHECKING:
    from breakhis.bundle import Bundle, BundleContents


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["bundle", "onnx", "openvino", "litert", "saved_model"]),
    default="bundle",
    show_default=True,
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New file, folder or zip.")
@click.option("--half", is_flag=True, help="Bundle: store kernels in half precision, at half the size.")
@click.option(
    "--precision", type=click.Choice(["int8"]), help="Bundle: add a quantised graph, if it is faithful."
)
@click.option("--data", type=click.Path(path_type=Path), help="Images to check on [those of the run].")
@json_option
def command(run: Path, kind: str, out: Path, **options: Any) -> None:
    """Write a trained model in another format, with its parity figure.

    RUN is the folder of a finished run, or a bundle zip. A bundle loads without running code from it; onnx
    and litert are one file with a JSON beside it; openvino and saved_model are a folder, or a zip where OUT
    ends in .zip. All answer as the model does, calibration included. Each is first held against the network
    on the test images of the run: one that differs by more than 1e-4 is refused and not written.

    \b
    Example: breakhis export run --format bundle --out model.zip
             breakhis export run --format onnx --out model.onnx
             breakhis export run --precision int8 --out quantised.zip
    """
    from breakhis.bundle import Bundle
    from breakhis.export import check_new, export_model, sample_of
    from breakhis.predict import open_model

    half, precision, data = options["half"], options["precision"], options["data"]
    as_json = options["as_json"]
    check_new(out)
    bundle = open_model(run)
    if kind == "bundle":
        contents = _quantised(run, bundle, data) if precision else _measured(run, bundle, data)
        Bundle.write(out, contents, half=half)
        written = Bundle.open(out)
        emit({"out": str(out), "format": kind, "hash": written.hash}, written.summary(), as_json=as_json)
        return
    if half or precision:
        raise click.UsageError("--half and --precision are for the format bundle.")
    sample = sample_of(run, bundle, data)
    exported = export_model(bundle, kind, out, sample=sample)
    brackets = "; in brackets the 95 % interval over cases" if exported.agreement.metrics else ""
    text = (
        f"{out}: {exported.agreement.summary()}\non {sample.summary()}{brackets}; details in {exported.card}"
    )
    emit({"out": str(out), "card": exported.card, **exported.value}, text, as_json=as_json)


def _measured(model: Path, bundle: "Bundle", data: Path | None) -> "BundleContents":
    """The bundle's contents; precisions are measured anew on this machine where there are images for it."""
    from breakhis.export import run_sample, sample_of, with_parity
    from breakhis.runs import Run

    sample = run_sample(Run.open(model), bundle, subset="validation", data=data) if model.is_dir() else None
    if sample is None and data is not None:
        sample = sample_of(model, bundle, data)
    return bundle.contents() if sample is None else with_parity(bundle, sample)


def _quantised(model: Path, bundle: "Bundle", data: Path | None) -> "BundleContents":
    """The contents with an int8 graph: calibrated on training images, judged on validation images."""
    from breakhis.errors import UsageError
    from breakhis.export import run_sample
    from breakhis.export.quantise import with_int8
    from breakhis.runs import Run

    if not model.is_dir():
        raise UsageError("the folder of a run for int8", found=str(model), fix="its split names the images")
    run = Run.open(model)
    train = run_sample(run, bundle, subset="train", data=data)
    validation = run_sample(run, bundle, subset="validation", data=data)
    if train is None or validation is None:
        raise UsageError(
            "the images of the run, to quantise on",
            found="they lie there no more",
            fix="name them with --data",
        )
    return with_int8(bundle, train, validation)
