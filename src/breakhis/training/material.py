"""What a training works on, and what comes out of it."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.abstention import CaseSpace
from breakhis.catalog.table import IntArray, StrArray
from breakhis.config import TrainConfig
from breakhis.images.store import Store
from breakhis.images.views import Outputs
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
    """

    untrained: Untrained
    store: Store
    targets: Targets
    cases: StrArray
    groups: StrArray

    @property
    def config(self) -> TrainConfig:
        """The whole configuration."""
        return self.untrained.config

    @property
    def network(self) -> keras.Model:
        """One view of images to probabilities."""
        return self.untrained.network


@dataclass(frozen=True)
class HeldOut:
    """Answers that nothing was fitted on, to calibrate and to set thresholds with.

    Attributes:
        rows: (n,) positions in the catalog; none of them of the test set.
        probabilities: (n, C) float32, uncalibrated, by networks that trained on nothing of the same group.
        distances: (n,) to the nearest training case of another group.
        space: What distances to all that the network trained on are measured in.
    """

    rows: IntArray
    probabilities: FloatArray
    distances: NDArray[np.float64]
    space: CaseSpace


@dataclass(frozen=True)
class Trained:
    """A network with its best weights.

    Attributes:
        network: One view of images to probabilities.
        kept_epoch: Number (from 1) of the epoch whose weights were kept.
        epochs: Epochs trained.
        answer: Rows of the catalog to uncalibrated probabilities and features, over all test views.
        held_out: Answers to calibrate with: of the validation images, or, where a head in closed form was
            fitted on these too, out of bag or of inner folds.
    """

    network: keras.Model
    kept_epoch: int
    epochs: int
    answer: Callable[[IntArray], Outputs]
    held_out: Callable[[], HeldOut]
