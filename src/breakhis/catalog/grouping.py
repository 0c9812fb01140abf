"""Case of a foreign file: a regular expression that the user gives, applied to the relative path."""

import re
from collections.abc import Callable

from breakhis.errors import UsageError

CaseOf = Callable[[str], str]
"""From a relative POSIX path to its case, "" where the expression does not match."""


def compile_grouping(pattern: str) -> CaseOf:
    """The function that reads the case out of a path: the group named ``case``, else group 1.

    Raises:
        UsageError: `pattern` is not a regular expression, or holds no group.
    """
    advice = "write e.g. '(?P<case>slide_[0-9]+)' and quote it for the shell"
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            "a regular expression for the case", found=f"{pattern!r}: {error}", fix=advice
        ) from error
    if not expression.groups:
        raise UsageError(
            "a group in the regular expression that marks the case", found=repr(pattern), fix=advice
        )
    group: str | int = "case" if "case" in expression.groupindex else 1

    def case_of(path: str) -> str:
        match = expression.search(path)
        return (match[group] or "") if match else ""

    return case_of
