"""`breakhis serve`."""

import sys
from pathlib import Path

import click

from breakhis.cli.options import emit, json_option, model_option


@click.command()
@model_option
@click.option("--host", default="127.0.0.1", help="Address to listen on [127.0.0.1, this machine only].")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, help="Port to listen on, 0 for a free one [8000]."
)
@json_option
def command(model: Path | None, host: str, port: int, *, as_json: bool) -> None:
    """Classify images in a web page and over REST.

    Nothing is loaded from any other host, and no upload is written to disk. Stop it with Ctrl-C; requests
    that have begun are answered first. Logs are JSON lines on stderr. For research only, not a medical
    device.

    \b
    Example: breakhis serve --port 8000
             curl -F files=@slide.png http://127.0.0.1:8000/v1/predict
    """
    from breakhis.predict import Predictor
    from breakhis.serve import address, listen, serve

    predictor = Predictor.load(model)
    with listen(host, port) as listening:
        url = address(listening)
        text = f"{predictor.bundle.summary()}\n{url}\nFor research only, not a medical device."
        emit({"url": url, "model": predictor.describe()}, text, as_json=as_json)
        sys.stdout.flush()
        serve(predictor, listening)
