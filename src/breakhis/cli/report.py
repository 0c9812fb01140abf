"""`breakhis report`."""

from pathlib import Path

import click

from breakhis.cli.options import emit, json_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the images, where they have moved since.",
)
@json_option
def command(folder: Path, images: Path | None, *, as_json: bool) -> None:
    """Write the self-contained page of a run, a cross-validation, a twin or a comparison.

    FOLDER is what `train`, `crossval`, `twin` or `compare --out` wrote. The page is report.html in it: one
    file that loads nothing from anywhere. Only where the model of a run looked in its worst mistakes is
    computed anew.

    \b
    Example: breakhis report RUN
    """
    from breakhis.report.write import write_any

    written = write_any(folder, images=images)
    emit({"kind": written.kind, "report": str(written.page)}, str(written.page), as_json=as_json)
