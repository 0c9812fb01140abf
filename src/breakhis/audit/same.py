"""What pairs of images that show the same mean: within a case, across cases, and across a split."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import numpy as np

from breakhis.audit.findings import Finding, Severity, count, display_names
from breakhis.audit.pairs import Kind, Pair
from breakhis.catalog import Catalog
from breakhis.splits import Split
from breakhis.splits.leakage import TEST, TRAIN, VALIDATION

Scope = Literal["within a case", "across cases", "of unknown case"]
SCOPES: Final[tuple[Scope, ...]] = ("within a case", "across cases", "of unknown case")

_WHAT: Final[dict[Kind, str]] = {
    "exact": "with identical pixels",
    "copy": "that are copies (re-encoded, resized or slightly changed)",
    "overlap": "whose fields share tissue (shifted, turned, mirrored or rescaled)",
}
_SLUGS: Final[dict[Scope, str]] = {
    "within a case": "case",
    "across cases": "across",
    "of unknown case": "unknown",
}
_SAME_SCALE: Final = (0.8, 1.25)


def scope(catalog: Catalog, pair: Pair) -> Scope:
    """Whether both images of a pair are of one case."""
    first, second = catalog.cases[pair.first], catalog.cases[pair.second]
    if not first or not second:
        return "of unknown case"
    return "within a case" if first == second else "across cases"


def crosses(split: Split, pair: Pair) -> bool:
    """Whether in some fold one image is tested and the other trained or validated on."""
    first, second = split.subsets[pair.first], split.subsets[pair.second]
    fitted = (TRAIN, VALIDATION)
    there = (first == TEST) & np.isin(second, fitted)
    back = (second == TEST) & np.isin(first, fitted)
    return bool((there | back).any())


def mislabelled(catalog: Catalog, pair: Pair) -> bool:
    """Whether both images of a pair show the same under different subtypes."""
    return bool(catalog.labels[pair.first] != catalog.labels[pair.second])


def rescaled(catalog: Catalog, pair: Pair) -> bool:
    """Whether both images of a pair show the same at different scales under one magnification."""
    first, second = catalog.magnifications[list(pair.rows)].tolist()
    return pair.kind == "overlap" and first == second > 0 and not _of_one_scale(pair)


def _of_one_scale(pair: Pair) -> bool:
    return _SAME_SCALE[0] < pair.scale < _SAME_SCALE[1]


def name_pairs(catalog: Catalog, pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Each pair as one string, with how much it shares."""
    names = display_names(catalog)
    return tuple(f"{names[pair.first]} = {names[pair.second]} ({describe(pair)})" for pair in pairs)


def describe(pair: Pair) -> str:
    """How two images are the same, in a few words."""
    if pair.kind == "exact":
        return "identical pixels"
    if pair.kind == "copy":
        return f"copy, {pair.bits} of 256 bits differ"
    words = [f"{pair.shared:.0%} shared"]
    if pair.mirrored:
        words.append("mirrored")
    if not _of_one_scale(pair):
        words.append(f"scale {pair.scale:.2f}")
    return ", ".join(words)


def check_pairs(catalog: Catalog, pairs: Sequence[Pair]) -> list[Finding]:
    """Duplicates by kind and scope, then those whose labels or magnifications contradict."""
    found = []
    for kind in _WHAT:
        for where in SCOPES:
            chosen = [pair for pair in pairs if pair.kind == kind and scope(catalog, pair) == where]
            if chosen:
                found.append(_duplicates(catalog, chosen, where))
    return [*found, *_contradictions(catalog, pairs)]


def _duplicates(catalog: Catalog, pairs: Sequence[Pair], where: Scope) -> Finding:
    kind = pairs[0].kind
    severity: Severity = "note" if (kind, where) == ("overlap", "within a case") else "warning"
    advice = {
        "within a case": "A split by case keeps them together; a split by image does not.",
        "across cases": "A case is named wrongly, or a file was copied: find out, and leave one image out.",
        "of unknown case": "Name their case in the manifest, so that a split can keep them together.",
    }
    return Finding(
        f"{kind}-{_SLUGS[where]}",
        "error" if where == "across cases" else severity,
        f"{count(len(pairs), 'pair')} of images {where} {_WHAT[kind]}.",
        advice[where],
        name_pairs(catalog, pairs),
    )


def _contradictions(catalog: Catalog, pairs: Sequence[Pair]) -> list[Finding]:
    found = []
    unlike = [pair for pair in pairs if mislabelled(catalog, pair)]
    if unlike:
        found.append(
            Finding(
                "contradicting-labels",
                "error",
                f"{count(len(unlike), 'pair')} of images {'shows' if len(unlike) == 1 else 'show'} the same "
                "under different subtypes.",
                "One label of each pair is wrong: correct it, or leave both images out.",
                name_pairs(catalog, unlike),
            )
        )
    unequal = [pair for pair in pairs if rescaled(catalog, pair)]
    if unequal:
        found.append(
            Finding(
                "contradicting-scale",
                "warning",
                f"{count(len(unequal), 'pair')} of images under one magnification "
                f"{'shows' if len(unequal) == 1 else 'show'} the same tissue at different scales.",
                "One image of each pair was cropped, enlarged or named with the wrong magnification.",
                name_pairs(catalog, unequal),
            )
        )
    return found


def check_split(catalog: Catalog, split: Split, pairs: Sequence[Pair]) -> list[Finding]:
    """What stands both in test and in training or validation; one finding a kind, by name."""
    leakage = split.leakage
    both = [pair for pair in pairs if crosses(split, pair)]
    shared = {
        "image": (leakage.images, "image", "Leave the second copy out of the data."),
        "duplicate": (
            name_pairs(catalog, both),
            "pair of images that show the same",
            "Split by case; where a pair is of two cases, leave one of its images out.",
        ),
        "patient": (leakage.patients, "patient", "Split by patient or, better, by case."),
        "case": (leakage.cases, "case", "Split by case: folders of one case show the same tissue."),
    }
    return [
        Finding(
            f"leak-{unit}",
            "error",
            f"{_plural(len(names), noun)} both in test and in training or validation.",
            advice,
            names,
        )
        for unit, (names, noun, advice) in shared.items()
        if names
    ]


def _plural(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun} stands"
    head, of, rest = noun.partition(" of ")
    return f"{number:,} {head}s{of}{rest} stand"
