"""How many groups of each kind every subset gets: the part of a split that decides what can be learned.

Only counts matter here, so the problem is small however many images there are. In this order: every class in
every subset that its number of groups allows (training first), then the least sum over classes and subsets
of (groups held - share of the class's groups) squared. Groups of one class fill what the groups of several
classes leave open, which greedy unit steps do exactly because the sum is convex; the groups of several
classes are enumerated while there are few and searched otherwise.
"""

import numpy as np

from breakhis.splits.aims import Aim, Task, fill
from breakhis.splits.groups import Groups, IntArray
from breakhis.splits.mixed import Mixed


def best_quotas(groups: Groups, aim: Aim, *, rng: np.random.Generator, most: int = 4) -> list[IntArray]:
    """Equally good numbers (kinds, S) of groups of each kind in each subset, at most `most` of them."""
    task, mixed = Task.of(groups, aim), Mixed.of(groups)
    options = mixed.best(task, rng=rng)
    chosen = options[np.argsort(rng.random(len(options)), kind="stable")[:most]]
    whole = [np.concatenate([_fill_fairly(mixed.held(one), task, rng=rng), one]) for one in chosen]
    return [_without_empty(groups, quotas, task=task) for quotas in whole]


def _fill_fairly(base: IntArray, task: Task, *, rng: np.random.Generator) -> IntArray:
    """Quotas (kinds of one class, S): `fill`, with ties going to the subset with fewest groups so far."""
    shares = np.array(task.aim.shares)
    behind = base.sum(axis=0) - base.sum() * shares
    rows = {}
    for label in np.argsort(rng.random(len(base)), kind="stable").tolist():
        mine = slice(label, label + 1)
        if not task.singles[label]:
            continue
        tie = behind / (1e6 * (1 + np.abs(behind).max())) + rng.random(len(shares)) * 1e-9
        held = fill(base[mine], task.singles[mine], task.targets[mine] - tie / 2, weight=task.aim.cover)
        rows[label] = held[0] - base[label]
        behind = behind + rows[label] - task.singles[label] * shares
    return np.array([rows[label] for label in sorted(rows)], np.int64).reshape(-1, len(shares))


def _without_empty(groups: Groups, quotas: IntArray, *, task: Task) -> IntArray:
    """Quotas (kinds, S) with a group moved into each empty subset, where no more important one suffers."""
    holds = np.zeros((len(groups.kinds), groups.classes), np.int64)
    for row, kind in enumerate(groups.kinds):
        holds[row, kind.classes] = 1
    for subset in np.argsort(task.aim.ranks, kind="stable").tolist():
        totals = quotas.sum(axis=0)
        if totals[subset]:
            continue
        sources = np.argwhere((quotas > 0) & (totals > 1)).tolist()
        moves = [_moved(quotas, row, source=source, target=subset) for row, source in sources]
        best = min(moves, key=lambda moved: task.value(holds.T @ moved), default=quotas)
        if task.value(holds.T @ best)[0] <= task.value(holds.T @ quotas)[0]:
            quotas = best
    return quotas


def _moved(quotas: IntArray, row: int, *, source: int, target: int) -> IntArray:
    moved = quotas.copy()
    moved[row, source] -= 1
    moved[row, target] += 1
    return moved
