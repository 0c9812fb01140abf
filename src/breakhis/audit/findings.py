"""One thing that an audit found, in words that need no manual."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from breakhis.catalog import Catalog

Severity = Literal["error", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")

LEAK_KINDS: Final = ("leak-image", "leak-duplicate", "leak-patient", "leak-case")
"""Kinds of findings that make a split unfit to measure with."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: Short and stable, for programs.
        severity: "error" spoils a measurement, "warning" may, "note" is good to know.
        message: What was found, a sentence.
        advice: What to do, a sentence.
        names: Every image, pair, folder or case that is concerned.
    """

    kind: str
    severity: Severity
    message: str
    advice: str
    names: tuple[str, ...] = ()

    @property
    def untold(self) -> tuple[str, ...]:
        """The names that the message does not say already."""
        return () if self.kind in ("double-label", "shared-case") else self.names

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
            "names": list(self.names),
        }


def display_names(catalog: Catalog) -> list[str]:
    """File names where they are unambiguous, else paths, in row order."""
    paths: list[str] = catalog.paths.tolist()
    files = [path.rpartition("/")[2] for path in paths]
    return files if len(set(files)) == len(files) else paths


def count(number: int, noun: str) -> str:
    """``1 image``, ``2,000 images``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
