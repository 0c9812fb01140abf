"""`breakhis doctor`."""

import click

from breakhis.cli.options import emit, json_option


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Say what works on this machine, and the fix for what does not.

    Exits with 1 if a check failed. A warning names something that only some commands need.

    \b
    Example: breakhis doctor
    """
    from breakhis.doctor import Check, examine
    from breakhis.errors import CheckFailedError

    def line(check: Check) -> str:
        head = f"{check.status:<8} {check.name:<24} {check.message}"
        return f"{head}\n{'':<33} fix: {check.fix}" if check.fix else head

    checks = list(examine())
    failed = [check for check in checks if check.status == "failed"]
    result = {"ok": not failed, "checks": [check.to_json() for check in checks]}
    emit(result, "\n".join(map(line, checks)), as_json=as_json)
    if failed:
        names = ", ".join(check.name for check in failed)
        raise CheckFailedError(
            "every check to pass", found=f"{len(failed)} failed: {names}", fix=failed[0].fix
        )
