"""What subsets should hold of every class, how far they are from it, and how groups of one class fill them.

Targets are rounded to 1/1024 so that every sum is exact in float64: the same result on every machine.
"""

from dataclasses import dataclass

import numpy as np

from breakhis.splits.groups import FloatArray, Groups, IntArray


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
    short = (base.sum(axis=-1) + singles - targets.sum(axis=-1))[..., None]
    level = np.min((short - above) / np.arange(size, 0, -1), axis=-1, keepdims=True)
    held = np.maximum(base, np.floor(targets + level).astype(np.int64) - size)
    left = base.sum(axis=-1) + singles - held.sum(axis=-1)
    while (left > 0).any():
        cost = 2 * (held - targets) + 1 - weight * (held == 0)
        chosen = np.arange(size) == np.argmin(cost, axis=-1)[..., None]
        held = held + (chosen & (left > 0)[..., None])
        left = left - (left > 0)
    return np.asarray(held, np.int64)


@dataclass(frozen=True, eq=False)
class Task:
    """Groups of one class that must be placed, and what the subsets should hold in the end.

    Attributes:
        aim: Shares and ranks of the S subsets.
        singles: Groups (C,) that hold one class only.
        targets: Wanted groups (C, S) of each class, those of several classes included.
    """

    aim: Aim
    singles: IntArray
    targets: FloatArray

    @classmethod
    def of(cls, groups: Groups, aim: Aim) -> "Task":
        singles = np.zeros(groups.classes, np.int64)
        for kind in groups.kinds:
            if len(kind.classes) == 1:
                singles[kind.classes] = len(kind)
        return cls(aim, singles, aim.targets(groups.per_class()))

    def fill(self, base: IntArray) -> IntArray:
        """Groups (..., C, S) once the groups of one class are added to `base` at least cost."""
        return fill(base, self.singles, self.targets, weight=self.aim.cover)

    def shortfall(self, held: IntArray) -> FloatArray:
        """Objective (..., 1 + ranks), compared from the left: classes missing by rank, then imbalance."""
        exists = self.targets.sum(axis=-1, keepdims=True) > 0
        missing = ((held == 0) & exists).sum(axis=-2)
        ranks = np.array(self.aim.ranks)
        levels = [missing[..., ranks == rank].sum(axis=-1) for rank in range(max(self.aim.ranks) + 1)]
        return np.stack([*levels, ((held - self.targets) ** 2).sum(axis=(-2, -1))], axis=-1)

    def value(self, held: IntArray) -> tuple[float, ...]:
        """`shortfall` of one (C, S) as a tuple."""
        return tuple(self.shortfall(held).tolist())

    def gain(self, held: IntArray) -> FloatArray:
        """Change (C, S) of the objective by one group of a class more in a subset, coverage weighted."""
        change: FloatArray = 2 * (held - self.targets) + 1 - self.aim.cover * (held == 0)
        return change

    def loss(self, held: IntArray) -> FloatArray:
        """Change (C, S) of the objective by one group of a class less in a subset."""
        change: FloatArray = 1 - 2 * (held - self.targets) + self.aim.cover * (held == 1)
        return change
