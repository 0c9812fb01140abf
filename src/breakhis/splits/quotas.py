"""How many groups of each kind every subset gets: the part of a split that decides what can be learned.

Only counts matter here, so the problem is small however many images there are. In this order: every class in
every subset that its number of groups allows (training first), then the least sum over classes and subsets
of (groups held - share of the class's groups) squared. Groups of one class fill what the groups of several
classes leave open, which greedy unit steps do exactly because the sum is convex; the groups of several
classes are enumerated while there are few and searched by steepest descent otherwise.

Targets are rounded to 1/1024 so that every sum is exact in float64: the same result on every machine.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakhis.splits.groups import FloatArray, Groups, IntArray

_FEW = 4096
"""Most ways of placing the groups of several classes that are tried one by one."""


@dataclass(frozen=True)
class Aim:
    """What S subsets should hold.

    Attributes:
        shares: Share (S) of every class's groups and images; they sum to 1.
        ranks: Importance (S) of holding every class, 0 first; subsets of one rank are alike.
    """

    shares: tuple[float, ...]
    ranks: tuple[int, ...]

    @property
    def cover(self) -> FloatArray:
        """Weight (S,) of holding a class: each rank outweighs all of the next and any balance."""
        last = max(self.ranks)
        return np.array([2.0 ** (12 * (1 + last - rank)) for rank in self.ranks])

    def targets(self, totals: IntArray) -> FloatArray:
        """Wanted number (C, S) of each class's groups in each subset, in steps of 1/1024."""
        wanted: FloatArray = totals[:, None] * np.array(self.shares)
        return np.round(wanted * 1024) / 1024


def best_quotas(groups: Groups, aim: Aim, *, rng: np.random.Generator, most: int = 4) -> list[IntArray]:
    """Equally good numbers (kinds, S) of groups of each kind in each subset, at most `most` of them."""
    singles = np.zeros(groups.classes, np.int64)
    for kind in groups.kinds:
        if len(kind.classes) == 1:
            singles[kind.classes] = len(kind)
    mixed = _Mixed.of(groups)
    targets = aim.targets(groups.per_class())
    if mixed.ways(len(aim.shares)) <= _FEW:
        options = mixed.enumerate(len(aim.shares))
        chosen = _best_options(mixed, options, singles=singles, targets=targets, aim=aim)
        chosen = chosen[np.argsort(rng.random(len(chosen)), kind="stable")[:most]]
    else:
        chosen = mixed.search(singles, targets, aim=aim, rng=rng)[None]
    return [
        _without_empty(
            groups,
            np.concatenate([_fill_fairly(mixed.held(one), singles, targets, aim=aim, rng=rng), one]),
            targets=targets,
            aim=aim,
        )
        for one in chosen
    ]


def fill(base: IntArray, singles: IntArray, targets: FloatArray, *, weight: FloatArray) -> IntArray:
    """Add each class's own groups to what the subsets hold already, at least cost.

    Args:
        base: Groups (..., C, S) held already.
        singles: Groups (C,) to add.
        targets: Wanted groups (C, S).
        weight: Gain (..., S) of the first group of a class in a subset.

    Returns:
        Groups (..., C, S) held then.
    """
    size = base.shape[-1]
    gap = -np.sort(-(base - targets), axis=-1)
    above = np.cumsum(gap, axis=-1) - gap
    level = np.min(-above / np.arange(size, 0, -1), axis=-1, keepdims=True)
    held = np.maximum(base, np.floor(targets + level).astype(np.int64) - size)
    left = base.sum(axis=-1) + singles - held.sum(axis=-1)
    while (left > 0).any():
        cost = 2 * (held - targets) + 1 - weight * (held == 0)
        chosen = np.arange(size) == np.argmin(cost, axis=-1)[..., None]
        held = held + (chosen & (left > 0)[..., None])
        left = left - (left > 0)
    return np.asarray(held, np.int64)


def shortfall(held: IntArray, targets: FloatArray, *, aim: Aim) -> FloatArray:
    """Objective (..., 1 + ranks), compared from left to right: classes missing by rank, then imbalance."""
    exists = targets.sum(axis=-1, keepdims=True) > 0
    missing = ((held == 0) & exists).sum(axis=-2)
    ranks = np.array(aim.ranks)
    levels = [missing[..., ranks == rank].sum(axis=-1) for rank in range(max(aim.ranks) + 1)]
    return np.stack([*levels, ((held - targets) ** 2).sum(axis=(-2, -1))], axis=-1)


def _fill_fairly(
    base: IntArray, singles: IntArray, targets: FloatArray, *, aim: Aim, rng: np.random.Generator
) -> IntArray:
    """Quotas (kinds of one class, S): `fill`, with ties going to the subset with fewest groups so far."""
    behind = base.sum(axis=0) - base.sum() * np.array(aim.shares)
    rows = {}
    for label in np.argsort(rng.random(len(singles)), kind="stable").tolist():
        if not singles[label]:
            continue
        tie = behind / (1e6 * (1 + np.abs(behind).max())) + rng.random(len(aim.shares)) * 1e-9
        wanted = targets[label : label + 1]
        held = fill(base[label : label + 1], singles[label : label + 1], wanted - tie / 2, weight=aim.cover)
        rows[label] = held[0] - base[label]
        behind = behind + rows[label] - singles[label] * np.array(aim.shares)
    return np.array([rows[label] for label in sorted(rows)], np.int64).reshape(-1, len(aim.shares))


def _without_empty(groups: Groups, quotas: IntArray, *, targets: FloatArray, aim: Aim) -> IntArray:
    """Quotas (kinds, S) with a group moved into each empty subset, where no more important one suffers."""
    holds = np.zeros((len(groups.kinds), groups.classes), np.int64)
    for row, kind in enumerate(groups.kinds):
        holds[row, kind.classes] = 1
    for subset in np.argsort(aim.ranks, kind="stable").tolist():
        totals = quotas.sum(axis=0)
        if totals[subset]:
            continue
        value = tuple(shortfall(holds.T @ quotas, targets, aim=aim))
        moves = []
        for row, source in np.argwhere((quotas > 0) & (totals > 1)).tolist():
            moved = quotas.copy()
            moved[row, source] -= 1
            moved[row, subset] += 1
            moves.append((tuple(shortfall(holds.T @ moved, targets, aim=aim)), row, source))
        best, row, source = min(moves, default=(value, -1, -1))
        if row >= 0 and best[0] <= value[0]:
            quotas = quotas.copy()
            quotas[row, source] -= 1
            quotas[row, subset] += 1
    return quotas


def _best_options(
    mixed: "_Mixed", options: IntArray, *, singles: IntArray, targets: FloatArray, aim: Aim
) -> IntArray:
    """Those options (B, kinds, S) that leave the least shortfall once the other groups are filled in."""
    held = fill(mixed.held(options), singles, targets, weight=aim.cover)
    value = shortfall(held, targets, aim=aim)
    order = np.lexsort(value.T[::-1])
    best: IntArray = options[(value == value[order[0]]).all(axis=1)]
    return best


@dataclass(frozen=True, eq=False)
class _Mixed:
    """The kinds of several classes: how many groups (M,), and which classes (M, C) each holds."""

    sizes: IntArray
    holds: NDArray[np.bool_]

    @classmethod
    def of(cls, groups: Groups) -> "_Mixed":
        kinds = [kind for kind in groups.kinds if len(kind.classes) > 1]
        holds = np.zeros((len(kinds), groups.classes), np.bool_)
        for row, kind in enumerate(kinds):
            holds[row, kind.classes] = True
        return cls(np.array([len(kind) for kind in kinds], np.int64), holds)

    def held(self, quotas: IntArray) -> IntArray:
        """Groups (..., C, S) of each class in each subset under quotas (..., M, S)."""
        return (self.holds.T.astype(np.float64) @ quotas).astype(np.int64)

    def ways(self, subsets: int) -> int:
        """Number of different quotas."""
        return math.prod(math.comb(size + subsets - 1, subsets - 1) for size in self.sizes.tolist())

    def enumerate(self, subsets: int) -> IntArray:
        """All quotas (B, M, S)."""
        parts = [_compositions(size, subsets) for size in self.sizes.tolist()]
        rows = list(itertools.product(*parts))
        return np.array(rows, np.int64).reshape(len(rows), len(self.sizes), subsets)

    def search(
        self, singles: IntArray, targets: FloatArray, *, aim: Aim, rng: np.random.Generator
    ) -> IntArray:
        """Good quotas (M, S): proportional parts, the rest greedily, rarest class first, then descent."""
        quotas = np.floor(self.sizes[:, None] * np.array(aim.shares)).astype(np.int64)
        held = fill(self.held(quotas), singles, targets, weight=aim.cover)
        totals = targets.sum(axis=1)
        rarity = np.where(self.holds, totals, np.inf).min(axis=1)
        order = np.lexsort((rng.random(len(rarity)), rarity))
        for row in np.repeat(order, (self.sizes - quotas.sum(axis=1))[order]).tolist():
            mine = self.holds[row]
            cost = (2 * (held[mine] - targets[mine]) + 1 - aim.cover * (held[mine] == 0)).sum(axis=0)
            subset = int(np.argmin(cost))
            quotas[row, subset] += 1
            held[mine, subset] += 1
        return self._descend(quotas, singles, targets, aim=aim)

    def _descend(self, quotas: IntArray, singles: IntArray, targets: FloatArray, *, aim: Aim) -> IntArray:
        holds = self.holds.astype(np.float64)
        same = np.eye(quotas.shape[1], dtype=np.bool_)
        held = fill(self.held(quotas), singles, targets, weight=aim.cover)
        for _ in range(1000):
            gain = holds @ (2 * (held - targets) + 1 - aim.cover * (held == 0))
            loss = holds @ (1 - 2 * (held - targets) + aim.cover * (held == 1))
            loss[quotas == 0] = np.inf
            change = loss[:, :, None] + gain[:, None, :]
            change[:, same] = np.inf
            row, source, target = np.unravel_index(int(np.argmin(change)), change.shape)
            if change[row, source, target] >= 0:
                break
            quotas[row, source] -= 1
            quotas[row, target] += 1
            held = fill(self.held(quotas), singles, targets, weight=aim.cover)
        return quotas


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write `total` as an ordered sum of `parts` numbers from 0."""
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _compositions(total - first, parts - 1)]
