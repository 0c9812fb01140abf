"""The audit: everything about a copy of the data, and a split of it, that spoils a measurement."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from breakhis.audit.findings import LEAK_KINDS, SEVERITIES, Finding, count
from breakhis.audit.fingerprints import Progress, Stage, take_fingerprints
from breakhis.audit.names import (
    Folder,
    Official,
    check_groups,
    check_names,
    compare_names,
    shared_cases,
)
from breakhis.audit.pairs import COPY_BITS, Pair, choose_candidates, find_copies, find_overlaps
from breakhis.audit.same import check_pairs, check_split, crosses, scope
from breakhis.audit.sizes import Association, associations, check_associations, check_sizes, count_sizes
from breakhis.catalog import Catalog
from breakhis.errors import ImageError
from breakhis.splits import Split

FORMAT = 1


@contextmanager
def _silent(_label: str, _unit: str) -> Iterator[Progress]:
    yield lambda _done, _total: None


@dataclass(frozen=True)
class AuditOptions:
    """How thorough an audit is.

    Attributes:
        quick: Leave out the search for overlapping fields, the slow part; copies are still found.
        neighbours: Images of other cases that each image is compared with, nearest in colour first.
        together: Images of one case and magnification up to which every pair is compared.
        copy_bits: Hamming distance (of 256) of perceptual hashes up to which two pictures are copies.
        stage: Opens a progress display, given a label and a unit.
    """

    quick: bool = False
    neighbours: int = 20
    together: int = 150
    copy_bits: int = COPY_BITS
    stage: Stage = _silent


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found.

    Attributes:
        catalog: What was looked at.
        split: The split that was checked, if any.
        quick: Whether overlapping fields were not searched.
        findings: Gravest first.
        pairs: Images that show the same.
        official: Comparison with the official names; None where no name is a BreaKHis name.
        shared_cases: Cases that span several folders.
        associations: What magnification tells of image size and subtype.
        unreadable: By row, why an image cannot be decoded.
        compared: Pairs whose local features were compared.
        seconds: Time taken.
    """

    catalog: Catalog
    split: Split | None
    quick: bool
    findings: tuple[Finding, ...]
    pairs: tuple[Pair, ...]
    official: Official | None
    shared_cases: dict[str, tuple[Folder, ...]]
    associations: tuple[Association, ...]
    unreadable: dict[int, ImageError]
    compared: int
    seconds: float

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that make the split unfit to measure with."""
        return tuple(finding for finding in self.findings if finding.kind in LEAK_KINDS)

    def summary(self) -> str:
        """One line for people."""
        grades = [sum(finding.severity == grade for finding in self.findings) for grade in SEVERITIES]
        counts = ", ".join(count(n, grade) for n, grade in zip(grades, SEVERITIES, strict=True))
        verdict = ""
        if self.split is not None:
            verdict = "; the split LEAKS" if self.leaks else "; nothing found on both sides of the split"
        unread = f"; {count(len(self.unreadable), 'file')} CANNOT BE READ" if self.unreadable else ""
        return f"{self.catalog.summary()}: {counts}{unread}{verdict}"

    def to_json(self) -> dict[str, Any]:
        """The machine-readable object of `breakhis audit --json`; paths are relative to `root`."""
        catalog = self.catalog
        return {
            "format": FORMAT,
            "root": str(catalog.root),
            "catalog_hash": catalog.hash,
            "images": len(catalog),
            "patients": len(set(catalog.patients.tolist())),
            "cases": len(set(catalog.cases.tolist())),
            "quick": self.quick,
            "compared_pairs": self.compared,
            "seconds": round(self.seconds, 1),
            "leaks": None if self.split is None else bool(self.leaks),
            "split": None if self.split is None else self.split.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "official": self.official.to_json() if self.official else None,
            "shared_cases": [
                {
                    "case": case,
                    "subtypes": sorted({one.code for one in folders}),
                    "folders": [
                        {"subtype": one.code, "patient": one.patient, "images": one.images} for one in folders
                    ],
                }
                for case, folders in self.shared_cases.items()
            ],
            "sizes": [
                {"width": width, "height": height, "images": number}
                for (width, height), number in count_sizes(catalog)
            ],
            "associations": [one.to_json() for one in self.associations],
            "unreadable": [
                {"path": str(catalog.paths[row]), "found": error.found, "fix": error.fix}
                for row, error in self.unreadable.items()
            ],
            "pairs": [self._pair_json(pair) for pair in self.pairs],
        }

    def _pair_json(self, pair: Pair) -> dict[str, Any]:
        return {
            "kind": pair.kind,
            "first": str(self.catalog.paths[pair.first]),
            "second": str(self.catalog.paths[pair.second]),
            "scope": scope(self.catalog, pair),
            "both_sides": None if self.split is None else crosses(self.split, pair),
            "hash_bits": pair.bits,
            "shared": pair.shared,
            "mirrored": pair.mirrored,
            "scale": pair.scale,
        }


def audit(catalog: Catalog, *, split: Split | None = None, options: AuditOptions | None = None) -> Audit:
    """Look through a catalog, every one of its files and, if given, a split of it.

    Files that cannot be read are findings, not errors. Overlapping fields are searched among all pairs of a
    case and magnification and, across cases, among each image's nearest in colour; so two fields of different
    cases and unlike colours are not compared.

    Args:
        catalog: N images.
        split: Of this catalog.
        options: How thorough.
    """
    options = options or AuditOptions()
    start = time.perf_counter()
    with options.stage("reading", "images") as progress:
        prints, unreadable = take_fingerprints(catalog, local=not options.quick, progress=progress)
    pairs, compared = find_copies(prints, most_bits=options.copy_bits), 0
    if not options.quick:
        known = {pair.rows for pair in pairs}
        chosen = choose_candidates(catalog, prints, neighbours=options.neighbours, together=options.together)
        candidates = [rows for rows in chosen if rows not in known]
        compared = len(candidates)
        with options.stage("comparing", "pairs") as progress:
            pairs += find_overlaps(catalog, prints, candidates, progress=progress)
    official, related = compare_names(catalog), associations(catalog)
    findings = [
        *(check_split(catalog, split, pairs) if split is not None else ()),
        *_check_unreadable(catalog, unreadable),
        *check_pairs(catalog, pairs),
        *check_groups(catalog, split),
        *check_names(official),
        *check_sizes(catalog, official),
        *check_associations(related),
    ]
    return Audit(
        catalog=catalog,
        split=split,
        quick=options.quick,
        findings=tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))),
        pairs=tuple(sorted(pairs, key=lambda pair: (pair.kind != "exact", pair.kind != "copy", pair.rows))),
        official=official,
        shared_cases=shared_cases(catalog),
        associations=tuple(related),
        unreadable=unreadable,
        compared=compared,
        seconds=time.perf_counter() - start,
    )


def _check_unreadable(catalog: Catalog, problems: dict[int, ImageError]) -> list[Finding]:
    if not problems:
        return []
    verb = "is no whole 8-bit RGB image" if len(problems) == 1 else "are no whole 8-bit RGB images"
    advice = next(iter(problems.values())).fix
    return [
        Finding(
            "unreadable",
            "error",
            f"{count(len(problems), 'file')} {verb}.",
            f"{advice[:1].upper()}{advice[1:]}.",
            tuple(f"{catalog.paths[row]}: {error.found}" for row, error in problems.items()),
        )
    ]
