"""The groups that a split keeps whole, gathered into kinds: groups that hold the same set of classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kind:
    """Groups with one and the same set of classes: exchangeable as far as counts of groups go.

    Attributes:
        classes: Labels of the K classes that each of these groups holds, ascending.
        groups: Positions (M,) of the groups.
        images: Images (M, K) of each group in each of those classes.
    """

    classes: IntArray
    groups: IntArray
    images: IntArray

    def __len__(self) -> int:
        return len(self.groups)


@dataclass(frozen=True, eq=False)
class Groups:
    """G groups of images and their classes.

    Attributes:
        kinds: Groups of one class first, by label, then those of several.
        count: G.
        classes: Number of classes of the taxonomy, whether or not they occur.
    """

    kinds: tuple[Kind, ...]
    count: int
    classes: int

    def per_class(self) -> IntArray:
        """Groups (C,) that hold each class."""
        total = np.zeros(self.classes, np.int64)
        for kind in self.kinds:
            total[kind.classes] += len(kind)
        return total

    def images_per_class(self) -> IntArray:
        """Images (C,) of each class."""
        total = np.zeros(self.classes, np.int64)
        for kind in self.kinds:
            total[kind.classes] += kind.images.sum(axis=0)
        return total


def gather(group_of: IntArray, labels: IntArray, *, classes: int) -> Groups:
    """Gather images into groups.

    Args:
        group_of: Group (N,) of every image, 0 to G-1, each occurring.
        labels: Class (N,) of every image.
        classes: Number of classes C.
    """
    pairs, images = np.unique(group_of * classes + labels, return_counts=True)
    group, label = np.divmod(pairs, classes)
    held = np.bincount(group)
    alone = held[group] == 1
    kinds = []
    for code in np.unique(label[alone]).tolist():
        mine = alone & (label == code)
        kinds.append(Kind(np.array([code]), group[mine], images[mine, None]))
    kinds.extend(_mixed_kinds(group[~alone], label[~alone], images[~alone]))
    return Groups(tuple(kinds), len(held), classes)


def _mixed_kinds(group: IntArray, label: IntArray, images: IntArray) -> list[Kind]:
    """Kinds of several classes, from the (group, label) pairs of their groups in ascending order."""
    if not len(group):
        return []
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    members: dict[tuple[int, ...], list[int]] = {}
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(group)], strict=True):
        members.setdefault(tuple(label[start:stop].tolist()), []).append(start)
    kinds = []
    for classes, first in sorted(members.items()):
        rows = np.array(first)
        columns = rows[:, None] + np.arange(len(classes))
        kinds.append(Kind(np.array(classes), group[rows], images[columns]))
    return kinds
