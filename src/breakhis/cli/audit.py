"""`breakhis audit`."""

from pathlib import Path
from typing import Any

import click

from breakhis.cli.options import data_argument, emit, json_option, note, progress_bar, skip_bad_option


@click.command()
@data_argument
@click.option(
    "--split",
    "split_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Split to check for leakage, by name.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for audit.json and audit.html.")
@click.option("--quick", is_flag=True, help="Leave out the search for overlapping fields, the slow part.")
@click.option("--group-regex", help="Pattern whose group `case` names the case of a path, for other data.")
@skip_bad_option
@json_option
def command(data: Path, split_file: Path | None, out: Path | None, **options: Any) -> None:
    """Find oddities, duplicates and leakage.

    Every file is decoded; unreadable ones are reported. Duplicates are searched among whole pictures and, but
    for --quick, among fields that overlap, shifted, mirrored or rescaled. What is found is reported and the
    exit status is 0, but with --split it is 1 where an image, a duplicate, a patient or a case stands both in
    test and in training or validation.

    \b
    Example: breakhis audit BreaKHis_v1 --out audit
             breakhis audit BreaKHis_v1 --split split.csv
    """
    from breakhis.audit import AuditOptions, audit
    from breakhis.audit.render import render
    from breakhis.catalog.scan import scan
    from breakhis.errors import CheckFailedError
    from breakhis.splits import Split

    catalog = scan(data, skip_bad=options["skip_bad"], group_regex=options["group_regex"])
    split = Split.load(split_file, catalog) if split_file else None
    found = audit(catalog, split=split, options=AuditOptions(quick=options["quick"], stage=progress_bar))
    if out:
        from breakhis.report.audit import write_audit

        note(str(write_audit(found, out)))
    emit(found.to_json(), render(found), as_json=options["as_json"])
    if found.leaks:
        worst = found.leaks[-1]
        raise CheckFailedError(
            f"nothing of {split_file} both in test and in training or validation",
            found=" ".join(finding.message for finding in found.leaks) + f" First: {worst.names[0]}",
            fix=worst.advice,
        )
