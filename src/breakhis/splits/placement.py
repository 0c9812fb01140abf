"""Which groups fill the quotas: a seeded draw, improved by exchanges until the images are balanced too."""

import itertools
from dataclasses import dataclass

import numpy as np

from breakhis.splits.aims import Aim, Task
from breakhis.splits.groups import FloatArray, Groups, IntArray, Kind
from breakhis.splits.quotas import best_quotas

_SAMPLE = 128
"""Most groups of a subset that one exchange chooses among; larger subsets are sampled."""
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
    """Draw groups for the quotas, then exchange groups as long as that balances the images better."""
    subset_of = np.zeros(groups.count, np.int64)
    for kind, quota in zip(groups.kinds, quotas, strict=True):
        drawn = np.argsort(rng.random(len(kind)), kind="stable")
        subset_of[kind.groups[drawn]] = np.repeat(np.arange(len(quota)), quota)
    draft = _Draft.of(groups, subset_of, aim=aim)
    uneven = [kind for kind in groups.kinds if (kind.images != kind.images[0]).any()]
    pairs = list(itertools.combinations(range(len(aim.shares)), 2))
    for _ in range(_ROUNDS):
        gains = [draft.exchange(kind, pair, rng=rng) for kind, pair in itertools.product(uneven, pairs)]
        if not any(gains):
            break
    return draft.subset_of


@dataclass(frozen=True, eq=False)
class _Draft:
    """A division that is being improved in place.

    Attributes:
        task: What the subsets should hold, in groups.
        subset_of: Subset (G,) of every group.
        held: Groups (C, S) of each class in each subset.
        excess: Images (C, S) above the wanted share.
        weight: Weight (C,) of a class's squared excess: classes count alike, however many images they have.
    """

    task: Task
    subset_of: IntArray
    held: IntArray
    excess: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, groups: Groups, subset_of: IntArray, *, aim: Aim) -> "_Draft":
        held = np.zeros((groups.classes, len(aim.shares)), np.int64)
        for kind in groups.kinds:
            held[kind.classes] += np.bincount(subset_of[kind.groups], minlength=len(aim.shares))
        weight = 1.0 / np.maximum(groups.images_per_class(), 1) ** 2
        return cls(Task.of(groups, aim), subset_of, held, _excess(groups, subset_of, aim=aim), weight)

    def exchange(self, kind: Kind, pair: tuple[int, int], *, rng: np.random.Generator) -> bool:
        """Do the exchange of two groups of `kind` between two subsets that gains most; whether any gains.

        Where the balance of groups does not mind, a group may also go over with none in return.
        """
        one, other = pair
        nobody = len(kind)
        here, there = self._members(kind, one, rng=rng), self._members(kind, other, rng=rng)
        if self._may_go(kind, one, other):
            there = np.append(there, nobody)
        if self._may_go(kind, other, one):
            here = np.append(here, nobody)
        if not len(here) or not len(there):
            return False
        images = np.append(kind.images, np.zeros((1, len(kind.classes)), np.int64), axis=0)
        change = np.zeros((len(here), len(there)))
        for column, label in enumerate(kind.classes.tolist()):
            step = images[there, column][None, :] - images[here, column][:, None]
            change += self.weight[label] * step * (self.excess[label, one] - self.excess[label, other] + step)
        best = int(np.argmin(change))
        if change.flat[best] >= -1e-12:
            return False
        for position, source, target in (
            (here[best // len(there)], one, other),
            (there[best % len(there)], other, one),
        ):
            if position != nobody:
                self._move(kind, int(position), source, target)
        return True

    def _members(self, kind: Kind, subset: int, *, rng: np.random.Generator) -> IntArray:
        """Positions in `kind` of groups in a subset, a sample if there are many."""
        found = np.flatnonzero(self.subset_of[kind.groups] == subset)
        if len(found) <= _SAMPLE:
            return found
        return found[np.unique((rng.random(_SAMPLE) * len(found)).astype(np.int64))]

    def _may_go(self, kind: Kind, source: int, target: int) -> bool:
        """Whether a group of `kind` can go over without a change of the objective in groups."""
        change = (
            self.task.loss(self.held)[kind.classes, source] + self.task.gain(self.held)[kind.classes, target]
        )
        return float(change.sum()) == 0 and int(np.count_nonzero(self.subset_of == source)) > 1

    def _move(self, kind: Kind, position: int, source: int, target: int) -> None:
        self.subset_of[kind.groups[position]] = target
        self.held[kind.classes, source] -= 1
        self.held[kind.classes, target] += 1
        self.excess[kind.classes, source] -= kind.images[position]
        self.excess[kind.classes, target] += kind.images[position]
