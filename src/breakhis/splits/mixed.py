"""The groups of several classes, and how many of each kind every subset gets: enumerated or searched."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakhis.splits.aims import Task
from breakhis.splits.groups import Groups, IntArray

_FEW = 4096
"""Most ways of placing the groups of several classes that are tried one by one."""
_KICKS, _KICKED = 100, 200
"""Restarts of the search, and the most kinds for which it is restarted: with more, little is left to gain."""


@dataclass(frozen=True, eq=False)
class Mixed:
    """The kinds of several classes: how many groups (M,), and which classes (M, C) each holds."""

    sizes: IntArray
    holds: NDArray[np.bool_]

    @classmethod
    def of(cls, groups: Groups) -> "Mixed":
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

    def best(self, task: Task, *, rng: np.random.Generator) -> IntArray:
        """Equally good quotas (B, M, S): all of the best ones where they can be enumerated, else one."""
        if self.ways(len(task.aim.shares)) > _FEW:
            return self._search(task, rng)[None]
        options = self.enumerate(len(task.aim.shares))
        value = task.shortfall(task.fill(self.held(options)))
        least = np.lexsort(value.T[::-1])[0]
        best: IntArray = options[(value == value[least]).all(axis=1)]
        return best

    def _search(self, task: Task, rng: np.random.Generator) -> IntArray:
        """A greedy start, then steepest descent, again and again from a few random moves away."""
        best, value = self._descend(self._greedy(task, rng), task)
        for _ in range(_KICKS if len(self.sizes) <= _KICKED else 0):
            kicked = best.copy()
            for _ in range(3):
                row, source = _drawn(np.argwhere(kicked > 0), rng)
                kicked[row, source] -= 1
                kicked[row, int(rng.random() * kicked.shape[1])] += 1
            kicked, other = self._descend(kicked, task)
            if other <= value:
                best, value = kicked, other
        return best

    def _greedy(self, task: Task, rng: np.random.Generator) -> IntArray:
        """Proportional parts, the rest one by one where each serves best, rarest class first."""
        quotas: IntArray = np.floor(self.sizes[:, None] * np.array(task.aim.shares)).astype(np.int64)
        held = task.fill(self.held(quotas))
        rarity = np.where(self.holds, task.targets.sum(axis=1), np.inf).min(axis=1)
        order = np.lexsort((rng.random(len(rarity)), rarity))
        for row in np.repeat(order, (self.sizes - quotas.sum(axis=1))[order]).tolist():
            mine = self.holds[row]
            subset = int(np.argmin(task.gain(held)[mine].sum(axis=0)))
            quotas[row, subset] += 1
            held[mine, subset] += 1
        return quotas

    def _descend(self, quotas: IntArray, task: Task) -> tuple[IntArray, tuple[float, ...]]:
        """Move one group at a time, always the one that helps most; the quotas then, and their value."""
        holds = self.holds.astype(np.float64)
        same = np.eye(quotas.shape[1], dtype=np.bool_)
        quotas, held = quotas.copy(), task.fill(self.held(quotas))
        while True:
            loss = np.where(quotas > 0, holds @ task.loss(held), np.inf)
            change = loss[:, :, None] + (holds @ task.gain(held))[:, None, :]
            change[:, same] = np.inf
            row, source, target = np.unravel_index(int(np.argmin(change)), change.shape)
            if change[row, source, target] >= 0:
                return quotas, task.value(held)
            quotas[row, source] -= 1
            quotas[row, target] += 1
            held = task.fill(self.held(quotas))


def _drawn(pairs: IntArray, rng: np.random.Generator) -> tuple[int, int]:
    """One row of `pairs`."""
    row, column = pairs[int(rng.random() * len(pairs))].tolist()
    return int(row), int(column)


def _compositions(total: int, parts: int) -> list[tuple[int, ...]]:
    """All ways to write `total` as an ordered sum of `parts` numbers from 0."""
    if parts == 1:
        return [(total,)]
    return [(first, *rest) for first in range(total + 1) for rest in _compositions(total - first, parts - 1)]
