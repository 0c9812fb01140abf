"""`breakhis export`."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option


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
@click.option("--data", type=click.Path(path_type=Path), help="Images to check on [those of the run].")
@json_option
def command(run: Path, kind: str, out: Path, *, half: bool, data: Path | None, as_json: bool) -> None:
    """Write a trained model in another format, with its parity figure.

    RUN is the folder of a finished run, or a bundle zip. A bundle loads without running code from it; onnx
    and litert are one file with a JSON beside it; openvino and saved_model are a folder, or a zip where OUT
    ends in .zip. All answer as the model does, calibration included. Each is first held against the network
    on the test images of the run: one that differs by more than 1e-4 is refused and not written.

    \b
    Example: breakhis export run --format bundle --out model.zip
             breakhis export run --format onnx --out model.onnx
    """
    from breakhis.bundle import Bundle
    from breakhis.export import check_new, export_model, sample_of
    from breakhis.predict import open_model

    check_new(out)
    bundle = open_model(run)
    if kind == "bundle":
        Bundle.write(out, bundle.contents(), half=half)
        written = Bundle.open(out)
        emit({"out": str(out), "format": kind, "hash": written.hash}, written.summary(), as_json=as_json)
        return
    if half:
        raise click.UsageError("--half is for the format bundle.")
    sample = sample_of(run, bundle, data)
    exported = export_model(bundle, kind, out, sample=sample)
    text = f"{out}: {exported.agreement.summary()}\non {sample.summary()}; details in {exported.card}"
    emit({"out": str(out), "card": exported.card, **exported.value}, text, as_json=as_json)
