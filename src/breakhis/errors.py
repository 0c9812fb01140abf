"""The exception tree: every error a user can cause says what was expected, what was found and what to do.

The command line maps `exit_code` to the process's exit status and the service maps `http_status` to the
response's status; nothing else in the package decides either.
"""

from typing import ClassVar


class BreakhisError(Exception):
    """Base of every error that the package raises for its users.

    Args:
        expected: What the operation needed.
        found: What it met instead.
        fix: What the user can do next.
    """

    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422

    def __init__(self, expected: str, *, found: str, fix: str) -> None:
        super().__init__(expected, found, fix)
        self.expected = " ".join(expected.split())
        self.found = " ".join(found.split())
        self.fix = " ".join(fix.split())

    def __str__(self) -> str:
        return f"expected {self.expected}; found {self.found}; {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.expected, self.found, self.fix))


def _rebuild(kind: type[BreakhisError], expected: str, found: str, fix: str) -> BreakhisError:
    return kind(expected, found=found, fix=fix)


class UsageError(BreakhisError):
    """The command or call does not fit together."""

    http_status = 400


class ConfigError(BreakhisError):
    """A recipe or configuration file does not validate."""


class DataError(BreakhisError):
    """A folder, manifest or file name is not what a catalog can be built from."""


class ImageError(BreakhisError):
    """One image cannot be decoded, or is not 8-bit RGB."""


class SplitError(BreakhisError):
    """A split cannot be made, or does not belong to this catalog."""


class WeightsError(BreakhisError):
    """Weights do not fit the network."""


class RunError(BreakhisError):
    """A run directory is missing, unfinished or belongs to another run."""


class BundleError(BreakhisError):
    """A model bundle is cut, altered or of an unknown format."""


class StorageError(BreakhisError):
    """The disk refused a write; nothing half-written was left."""

    http_status = 507


class FetchError(BreakhisError):
    """A download failed or did not verify."""


class MissingExtraError(BreakhisError):
    """A feature needs an optional dependency that is not installed."""

    http_status = 501


class LimitError(BreakhisError):
    """A request is larger than the service accepts."""

    http_status = 413


class BusyError(BreakhisError):
    """The service cannot take the request now."""

    http_status = 503


class DeadlineError(BreakhisError):
    """A request took longer than the service gives one."""

    http_status = 504


class CheckFailedError(BreakhisError):
    """A check ran to its end and found something: exit code 1, not a malfunction."""

    exit_code = 1
