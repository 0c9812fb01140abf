"""Batches of cached features: what heads and upper blocks are fitted on."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.training.features import FeatureCache

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """What the N images of a store should be answered.

    Attributes:
        one_hot: (N, C) float32.
        weights: (N,) float32, mean 1 over the training images.
        train, validation: Row positions.
    """

    one_hot: FloatArray
    weights: FloatArray
    train: IntArray
    validation: IntArray


@dataclass(frozen=True)
class Layout:
    """How the named outputs of a fixed lower part are packed into one feature vector."""

    shapes: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, upper: keras.Model) -> "Layout":
        """The layout of a model's named inputs."""
        return cls({name: tuple(tensor.shape[1:]) for name, tensor in upper.input.items()})

    @property
    def width(self) -> int:
        """Numbers per image."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def pack(self, outputs: Mapping[str, FloatArray]) -> FloatArray:
        """{name: (B, ...)} to (B, width)."""
        return np.concatenate([outputs[name].reshape(len(outputs[name]), -1) for name in self.shapes], axis=1)

    def unpack(self, packed: NDArray[Any]) -> dict[str, FloatArray]:
        """(B, width) to {name: (B, ...) float32}."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])
        parts = np.split(packed.astype(np.float32), ends[:-1], axis=1)
        return {
            name: part.reshape(len(part), *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


@dataclass(frozen=True)
class Order:
    """Which rows an epoch shows, in which order, and under which view each."""

    rows: IntArray
    views: IntArray

    @classmethod
    def shuffled(cls, rows: IntArray, *, views: int, seed: int, epoch: int) -> "Order":
        """Every row once under a view drawn for it; depends on nothing but the arguments."""
        generator = np.random.default_rng([seed, epoch])
        return cls(generator.permutation(rows), generator.integers(views, size=len(rows)))

    @classmethod
    def plain(cls, rows: IntArray) -> "Order":
        """Every row once, in order, under the first view."""
        return cls(rows, np.zeros(len(rows), dtype=np.int64))


class FeatureBatches:
    """Batches ``(inputs by name, one-hot, weight)``, read from disk when asked for: memory stays flat."""

    def __init__(
        self,
        views: list[FeatureCache],
        layout: Layout,
        *,
        targets: Targets,
        order: Order,
        batch_size: int,
    ) -> None:
        self._views, self._layout, self._targets = views, layout, targets
        self._order, self._batch_size = order, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self._order.rows) / self._batch_size)

    def __iter__(self) -> Iterator[tuple[dict[str, FloatArray], FloatArray, FloatArray]]:
        for start in range(0, len(self._order.rows), self._batch_size):
            chosen = slice(start, start + self._batch_size)
            yield self._batch(self._order.rows[chosen], self._order.views[chosen])

    def _batch(self, rows: IntArray, shown: IntArray) -> tuple[dict[str, FloatArray], FloatArray, FloatArray]:
        packed = np.empty((len(rows), self._layout.width), np.float32)
        for view in np.unique(shown):
            # Read anew each time: the system counts what was touched of a lasting mapping as memory.
            packed[shown == view] = self._views[view].read(rows[shown == view])
        return self._layout.unpack(packed), self._targets.one_hot[rows], self._targets.weights[rows]
