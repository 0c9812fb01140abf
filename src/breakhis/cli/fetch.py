"""`breakhis fetch`: BreaKHis itself, downloaded and verified."""

from collections.abc import Callable
from pathlib import Path

import click

from breakhis.cli.options import emit, json_option


@click.command()
@click.argument("dest", type=click.Path(path_type=Path, file_okay=False))
@click.option("--url", help="A mirror of the archive, BreaKHis_v1.tar.gz [the official host].")
@click.option("--keep-archive", is_flag=True, help="Leave the archive beside the unpacked folder.")
@json_option
def command(dest: Path, url: str | None, keep_archive: bool, as_json: bool) -> None:
    """Download BreaKHis to DEST/BreaKHis_v1 and verify it against the 7,909 official names.

    About 4 GB, and as much again while it is unpacked. Interrupted, the same command goes on with it.

    \b
    Example: breakhis fetch data
    """
    from breakhis.catalog.fetch import fetch
    from breakhis.catalog.inventory import take_inventory
    from breakhis.catalog.official import OFFICIAL_URL
    from breakhis.catalog.scan import scan
    from breakhis.cli.display import TrainingDisplay

    with TrainingDisplay() as display:

        def stage(label: str) -> Callable[[int, int], None]:
            update = display.stage(f"{label}, MB")
            return lambda done, total: update(done // 1_000_000, total // 1_000_000)

        folder = fetch(dest, url=url or OFFICIAL_URL, keep_archive=keep_archive, stage=stage)
    inventory = take_inventory(scan(folder))
    emit({"out": str(folder), **inventory.to_json()}, f"{inventory.render()}\n{folder}", as_json=as_json)
