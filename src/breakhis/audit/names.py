"""What names alone tell: missing and unknown images, folders of one case, labels that contradict."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from breakhis.audit.findings import Finding, count
from breakhis.catalog import Catalog
from breakhis.catalog.names import parse_file
from breakhis.catalog.official import EXPECTED_COUNTS, Completeness, compare_with_official, official_names
from breakhis.splits import Split
from breakhis.taxonomy import DOUBLE_LABELLED_CASE

_REPLICATED = f"14-{DOUBLE_LABELLED_CASE}"


@dataclass(frozen=True)
class Folder:
    """A slide folder: one patient under one subtype."""

    case: str
    code: str
    patient: str
    images: int

    @property
    def name(self) -> str:
        """Subtype and patient, ``DC 14-13412``."""
        return f"{self.code} {self.patient}"


@dataclass(frozen=True)
class Official:
    """A catalog beside the official names.

    Attributes:
        difference: Missing and unknown names.
        held: By subtype and magnification, images whose name is official.
    """

    difference: Completeness
    held: dict[str, dict[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Counts by subtype and magnification; the names stand in the findings."""
        return {
            "missing": len(self.difference.missing),
            "unknown": len(self.difference.unknown),
            "counts": {
                code: {str(zoom): {"images": self.held[code][zoom], "official": n} for zoom, n in row.items()}
                for code, row in EXPECTED_COUNTS.items()
            },
        }


def compare_names(catalog: Catalog) -> Official | None:
    """The comparison with the official names; None where no name is a BreaKHis name."""
    parsed = {image.file_name: image for path in catalog.paths.tolist() if (image := parse_file(path))}
    if not parsed:
        return None
    difference = compare_with_official(catalog)
    held = {code: dict.fromkeys(row, 0) for code, row in EXPECTED_COUNTS.items()}
    for name in parsed.keys() - set(difference.unknown):
        held[parsed[name].code][parsed[name].magnification] += 1
    return Official(difference, held)


def shared_cases(catalog: Catalog) -> dict[str, tuple[Folder, ...]]:
    """Cases that span several folders, with each folder of theirs; unknown cases are left out."""
    images: dict[tuple[str, str, str], int] = defaultdict(int)
    for key in zip(catalog.cases.tolist(), catalog.codes.tolist(), catalog.patients.tolist(), strict=True):
        images[key] += 1
    folders: dict[str, list[Folder]] = defaultdict(list)
    for (case, code, patient), number in sorted(images.items()):
        folders[case].append(Folder(case, code, patient, number))
    return {case: tuple(held) for case, held in folders.items() if case and len(held) > 1}


def check_names(official: Official | None) -> list[Finding]:
    """Missing and unknown images."""
    found = []
    if official and (missing := official.difference.missing):
        found.append(
            Finding(
                "missing",
                "warning",
                f"{len(missing):,} of the {len(official_names()):,} official images are missing.",
                "Results on this copy do not compare with published ones; fetch the whole set if you can.",
                missing,
            )
        )
    if official and (unknown := official.difference.unknown):
        have = "has" if len(unknown) == 1 else "have"
        found.append(
            Finding(
                "unknown",
                "warning",
                f"{count(len(unknown), 'image')} {have} no official name.",
                "Find out where they come from: a measurement must not hold augmented or renamed copies.",
                unknown,
            )
        )
    return found


def check_groups(catalog: Catalog, split: Split | None) -> list[Finding]:
    """Patients under two labels, and cases that span folders: one finding each."""
    found = []
    for case, folders in shared_cases(catalog).items():
        patients = {folder.patient for folder in folders}
        for patient in sorted(patients):
            twice = tuple(folder for folder in folders if folder.patient == patient)
            if len(twice) > 1:
                found.append(_double_label(patient, twice, split))
        found.append(_shared_case(case, folders))
    return sorted(found, key=lambda finding: finding.kind)


def _double_label(patient: str, folders: tuple[Folder, ...], split: Split | None) -> Finding:
    held = " and ".join(f"{folder.code} ({count(folder.images, 'image')})" for folder in folders)
    message = f"Slide {patient} carries more than one label: {held}."
    advice = "Find out which label is right, or leave the slide out."
    if patient == _REPLICATED:
        message += " One of the labels is wrong (Benhammou et al., Neurocomputing 375, 2020)."
        advice = (
            "Leave it out, as `breakhis split` does by default (split.oddities: exclude, keep, dc or lc)."
        )
        if split is not None:
            advice += f" This split records: {split.policy.get(DOUBLE_LABELLED_CASE, 'no policy')}."
    return Finding("double-label", "warning", message, advice, tuple(folder.name for folder in folders))


def _shared_case(case: str, folders: tuple[Folder, ...]) -> Finding:
    codes = sorted({folder.code for folder in folders})
    across = f"across subtypes {' and '.join(codes)}" if len(codes) > 1 else f"all {codes[0]}"
    held = ", ".join(f"{folder.name} ({folder.images})" for folder in folders)
    return Finding(
        "shared-case",
        "warning" if len(codes) > 1 else "note",
        f"Case {case} spans {len(folders)} folders, {across}: {held}.",
        "Keep them together: split by case, not by patient.",
        tuple(folder.name for folder in folders),
    )
