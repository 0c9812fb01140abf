"""What a training works on, and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from breakhis.catalog.table import IntArray, StrArray
from breakhis.config import TrainConfig
from breakhis.images.store import Store
from breakhis.training.batches import Targets
from breakhis.training.features import FloatArray
from breakhis.training.untrained import Untrained


@dataclass(frozen=True)
class Material:
    """What a strategy works on.

    Attributes:
        untrained: The network to train, reset to its first weights.
        store: The N prepared images.
        targets: Answers, weights and rows.
        cases: (N,) case of each image.
        groups: (N,) what the split keeps together.
        config: The whole configuration.
    """

    untrained: Untrained
    store: Store
    targets: Targets
    cases: StrArray
    groups: StrArray
    config: TrainConfig

    @property
    def network(self) -> keras.Model:
        """One view of images to probabilities."""
        return self.untrained.network


@dataclass(frozen=True)
class HeldOut:
    """Answers that nothing was fitted on, to calibrate with.

    Attributes:
        rows: (n,) positions in the catalog; none of them of the test set.
        probabilities: (n, C) float32, uncalibrated, by networks that trained on nothing of the same group.
    """

    rows: IntArray
    probabilities: FloatArray


@dataclass(frozen=True)
class Trained:
    """A network with its best weights.

    Attributes:
        network: One view of images to probabilities.
        kept_epoch: Number (from 1) of the epoch whose weights were kept.
        epochs: Epochs trained.
        answer: Rows of the catalog to uncalibrated probabilities (n, C) float32, over all test views.
        held_out: Answers to calibrate with: of the validation images, or, where a head in closed form was
            fitted on these too, out of bag or of inner folds.
    """

    network: keras.Model
    kept_epoch: int
    epochs: int
    answer: Callable[[IntArray], FloatArray]
    held_out: Callable[[], HeldOut]
