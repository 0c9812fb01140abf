"""Which groups fill the quotas: a seeded draw, improved by swaps until the images are balanced too."""

import itertools

import numpy as np

from breakhis.splits.groups import FloatArray, Groups, IntArray, Kind
from breakhis.splits.quotas import Aim, best_quotas

_SAMPLE = 128
"""Most groups of a subset that one swap chooses among; larger subsets are sampled."""
_ROUNDS = 40
"""Most rounds over all kinds and pairs of subsets."""


def allocate(groups: Groups, aim: Aim, *, rng: np.random.Generator) -> IntArray:
    """Assign every group to a subset.

    The objective is lexicographic: classes missing from subsets (by rank), balance of groups per class
    (`quotas`), then the sum over classes and subsets of (share of the class's images - wanted share) squared.

    Returns:
        Position (G,) of each group's subset in the aim.
    """
    candidates = [_place(groups, quotas, aim=aim, rng=rng) for quotas in best_quotas(groups, aim, rng=rng)]
    return min(candidates, key=lambda candidate: image_imbalance(groups, candidate, aim=aim))


def image_imbalance(groups: Groups, subset_of: IntArray, *, aim: Aim) -> float:
    """Sum over classes and subsets of (share of the class's images - wanted share) squared."""
    images = groups.images_per_class()
    excess = _excess(groups, subset_of, aim=aim)
    present = images > 0
    return round(float(((excess[present] / images[present, None]) ** 2).sum()), 12)


def _excess(groups: Groups, subset_of: IntArray, *, aim: Aim) -> FloatArray:
    """Images (C, S) above (or below) the wanted share."""
    held = np.zeros((groups.classes, len(aim.shares)), np.int64)
    for kind in groups.kinds:
        for column, label in enumerate(kind.classes.tolist()):
            np.add.at(held[label], subset_of[kind.groups], kind.images[:, column])
    wanted: FloatArray = groups.images_per_class()[:, None] * np.array(aim.shares)
    return held - wanted


def _place(groups: Groups, quotas: IntArray, *, aim: Aim, rng: np.random.Generator) -> IntArray:
    subset_of = np.zeros(groups.count, np.int64)
    for kind, quota in zip(groups.kinds, quotas, strict=True):
        drawn = np.argsort(rng.random(len(kind)), kind="stable")
        subset_of[kind.groups[drawn]] = np.repeat(np.arange(len(quota)), quota)
    excess = _excess(groups, subset_of, aim=aim)
    weight = 1.0 / np.maximum(groups.images_per_class(), 1) ** 2
    uneven = [kind for kind in groups.kinds if (kind.images != kind.images[0]).any()]
    pairs = list(itertools.combinations(range(len(aim.shares)), 2))
    for _ in range(_ROUNDS):
        swapped = 0
        for kind, pair in itertools.product(uneven, pairs):
            swapped += _swap(kind, pair, subset_of=subset_of, excess=excess, weight=weight, rng=rng)
        if not swapped:
            break
    return subset_of


def _swap(
    kind: Kind,
    pair: tuple[int, int],
    *,
    subset_of: IntArray,
    excess: FloatArray,
    weight: FloatArray,
    rng: np.random.Generator,
) -> bool:
    """Swap the two groups of `kind` that gain most between two subsets; whether any swap gains."""
    mine = subset_of[kind.groups]
    here = _sampled(np.flatnonzero(mine == pair[0]), rng)
    there = _sampled(np.flatnonzero(mine == pair[1]), rng)
    if not len(here) or not len(there):
        return False
    change = np.zeros((len(here), len(there)))
    for column, label in enumerate(kind.classes.tolist()):
        images = kind.images[:, column]
        step = images[there][None, :] - images[here][:, None]
        change += weight[label] * step * (excess[label, pair[0]] - excess[label, pair[1]] + step)
    best = int(np.argmin(change))
    if change.flat[best] >= -1e-12:
        return False
    out, back = here[best // len(there)], there[best % len(there)]
    step = kind.images[back] - kind.images[out]
    excess[kind.classes, pair[0]] += step
    excess[kind.classes, pair[1]] -= step
    subset_of[kind.groups[[out, back]]] = pair[1], pair[0]
    return True


def _sampled(positions: IntArray, rng: np.random.Generator) -> IntArray:
    if len(positions) <= _SAMPLE:
        return positions
    return positions[np.unique((rng.random(_SAMPLE) * len(positions)).astype(np.int64))]
