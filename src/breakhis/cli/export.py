"""`breakhis export`."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["bundle"]), default="bundle", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--half", is_flag=True, help="Store kernels in half precision, at half the size.")
@json_option
def command(run: Path, kind: str, out: Path, *, half: bool, as_json: bool) -> None:
    """Write the trained model of a run as one zip that leaves the machine.

    The bundle holds weights, labels, preprocessing, calibration, configuration, metrics with the unit of
    their split, provenance and a model card. It is verified before it is written, and loads without running
    code from it.

    \b
    Example: breakhis export run --format bundle --out model.zip
    """
    from breakhis.bundle import Bundle
    from breakhis.errors import UsageError
    from breakhis.predict import open_model

    if out.exists():
        raise UsageError(f"a new file at {out}", found="an existing one", fix="choose another --out")
    bundle = open_model(run)
    Bundle.write(out, bundle.contents(), half=half)
    written = Bundle.open(out)
    emit({"out": str(out), "format": kind, "hash": written.hash}, written.summary(), as_json=as_json)
