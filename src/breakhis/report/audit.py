"""The page of an audit: findings from the gravest, and pictures of images that show the same."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from breakhis.audit import Audit
from breakhis.audit.findings import count, display_names
from breakhis.audit.pairs import Pair
from breakhis.audit.same import crosses, describe, mislabelled, rescaled, scope
from breakhis.audit.sizes import count_sizes
from breakhis.files import write_json, write_text
from breakhis.report.page import Contents, duration, render
from breakhis.report.thumbnails import thumbnail
from breakhis.report.verdict import Verdict
from breakhis.taxonomy import BREAKHIS, MAGNIFICATIONS, Taxonomy

JSON_FILE = "audit.json"
PAGE_FILE = "audit.html"
_PICTURED = 40
"""Pairs that are drawn; the others are listed."""

_WHOLE = "0,0 1,0 1,1 0,1"


@dataclass(frozen=True)
class Side:
    """One image of a pair: its name, its picture as a data address, and where the other one lies in it."""

    name: str
    about: str
    picture: str | None
    outline: str


@dataclass(frozen=True)
class PairView:
    """A pair as it is drawn."""

    words: str
    crosses: bool
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class AuditPage:
    """What the template asks for."""

    audit: Audit

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes."""
        return self.audit.catalog.taxonomy

    @property
    def magnifications(self) -> tuple[int, ...]:
        """Columns of the table of official counts."""
        return MAGNIFICATIONS

    @property
    def verdict(self) -> Verdict:
        """Leakage in words; without a split, how much there is to know."""
        audit = self.audit
        if audit.leaks:
            return Verdict(
                "leaks",
                "This split leaks",
                " ".join(finding.message for finding in audit.leaks)
                + " A model measured on it is tested on tissue that it has seen.",
            )
        if audit.split is not None:
            searched = "copy" if audit.quick else "copy or overlapping field"
            return Verdict(
                "clean",
                "Nothing found on both sides",
                f"No image, patient, case or {searched} of the test set was found in training or validation.",
            )
        number = count(len(audit.findings), "finding")
        unread = f"{count(len(audit.unreadable), 'file')} cannot be read. " if audit.unreadable else ""
        return Verdict(
            "unknown", f"{number} on the data", f"{unread}No split was checked: pass one with --split."
        )

    @property
    def official(self) -> dict[str, Any] | None:
        """Counts beside the official ones."""
        return self.audit.official.to_json() if self.audit.official else None

    @property
    def sizes(self) -> list[tuple[tuple[int, int], int]]:
        """Width and height with the number of images."""
        return count_sizes(self.audit.catalog)

    @cached_property
    def pairs(self) -> list[PairView]:
        """The pairs that are drawn: across the split first, across cases, contradicting, then the others."""
        return [self._view(pair) for pair in self._ordered[:_PICTURED]]

    @cached_property
    def more_pairs(self) -> list[PairView]:
        """The pairs that are only listed."""
        return [self._view(pair, pictures=False) for pair in self._ordered[_PICTURED:]]

    @cached_property
    def _ordered(self) -> list[Pair]:
        catalog = self.audit.catalog
        return sorted(
            self.audit.pairs,
            key=lambda pair: (
                not self._crosses(pair),
                scope(catalog, pair) != "across cases",
                not (mislabelled(catalog, pair) or rescaled(catalog, pair)),
                -pair.shared,
            ),
        )

    @cached_property
    def _names(self) -> list[str]:
        return display_names(self.audit.catalog)

    def _crosses(self, pair: Pair) -> bool:
        return self.audit.split is not None and crosses(self.audit.split, pair)

    def _view(self, pair: Pair, *, pictures: bool = True) -> PairView:
        outlines = _outlines(pair)
        first, second = (
            self._side(row, outline, pictures) for row, outline in zip(pair.rows, outlines, strict=True)
        )
        words = f"{describe(pair)}, {scope(self.audit.catalog, pair)}"
        return PairView(words, self._crosses(pair), (first, second))

    def _side(self, row: int, outline: str, pictures: bool) -> Side:
        catalog = self.audit.catalog
        case = f"case {catalog.cases[row]}" if catalog.cases[row] else "case unknown"
        picture = thumbnail(catalog.file(row)) if pictures else None
        return Side(self._names[row], f"{catalog.codes[row]}, {case}", picture, outline)

    @property
    def contents(self) -> Contents:
        """The sections, in reading order."""
        offered = (
            ("findings", "Findings", bool(self.audit.findings)),
            ("official", "Official images", self.official is not None),
            ("cases", "Shared cases", bool(self.audit.shared_cases)),
            ("same", "Images that show the same", bool(self.audit.pairs)),
            ("sizes", "Sizes", bool(self.sizes)),
            ("provenance", "Provenance", True),
        )
        return [(anchor, name) for anchor, name, present in offered if present]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was looked at, and how."""
        audit, split = self.audit, self.audit.split
        searched = "not searched (quick)" if audit.quick else f"{count(audit.compared, 'pair')} compared"
        return [
            ("Images", str(audit.catalog.root)),
            ("Overlapping fields", searched),
            ("Catalog, SHA-256", audit.catalog.hash),
            *([("Split", split.summary()), ("Split, SHA-256", split.hash)] if split else []),
            ("Time", duration(audit.seconds)),
        ]


def write_audit(audit: Audit, folder: Path) -> Path:
    """Write `audit.json` and the self-contained `audit.html`; earlier ones are replaced.

    Returns:
        The page.
    """
    write_json(folder / JSON_FILE, audit.to_json())
    subject = AuditPage(audit)
    page = folder / PAGE_FILE
    text = render(
        "audit.html.j2", page=subject, contents=subject.contents, cites_breakhis=subject.taxonomy == BREAKHIS
    )
    write_text(page, text)
    return page


def _outlines(pair: Pair) -> tuple[str, str]:
    """Where the second field lies in the first, and the first in the second, as points of the unit square."""
    if not pair.outline:
        return _WHOLE, _WHOLE
    corners = np.array(pair.outline)
    origin, matrix = corners[0], np.stack([corners[1] - corners[0], corners[3] - corners[0]], axis=1)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    back = np.linalg.solve(matrix, (square - origin).T).T
    return _points(back), _points(corners)


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.3f},{y:.3f}" for x, y in corners.tolist())
