"""`breakhis scan`: count what is there."""

from pathlib import Path

import click

from breakhis.cli.options import data_argument, emit, json_option, skip_bad_option


@click.command()
@data_argument
@click.option("--group-regex", help="Pattern whose group `case` names the case of a path, for other data.")
@skip_bad_option
@json_option
def command(data: Path, group_regex: str | None, skip_bad: bool, as_json: bool) -> None:
    """Count images per subtype and magnification, patients and cases.

    The folder is searched to any depth, and only file names are believed.

    \b
    Example: breakhis scan BreaKHis_v1
             breakhis scan manifest.csv --json
             breakhis scan TILES --group-regex '(?P<case>slide_[0-9]+)'
    """
    from breakhis.catalog.inventory import take_inventory
    from breakhis.catalog.scan import scan

    inventory = take_inventory(scan(data, skip_bad=skip_bad, group_regex=group_regex))
    emit(inventory.to_json(), inventory.render(), as_json=as_json)
