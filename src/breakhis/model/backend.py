"""The Keras network as an engine: slower to start than `breakhis.engine`, and the reference for it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from breakhis.config import ModelConfig
from breakhis.images.views import mean_answer
from breakhis.model.network import build_network
from breakhis.model.weights import set_weights


class KerasBackend:
    """Answers as `breakhis.engine.Engine` does, computed by Keras.

    Args:
        model: Configuration of the network.
        weights: Arrays as `breakhis.model.weights.get_weights` names them.
        size: Side of the input in pixels.

    Raises:
        WeightsError: The weights do not fit the configuration.
    """

    def __init__(self, model: ModelConfig, weights: Mapping[str, NDArray[np.float32]], *, size: int) -> None:
        self._model = model
        self._network = build_network(
            model,
            size=size,
            classes=len(weights["probabilities/bias"]),
            benign=len(weights.get("benign/bias", ())),
        )
        set_weights(self._network, weights)

    def predict(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, size, size, 3) RGB in 0-255 to probabilities (N, C); rows sum to 1."""
        return mean_answer(
            lambda view: np.asarray(self._network.predict(view, verbose=0)),
            images.astype(np.float32),
            views=self._model.test_views,
        )
