"""The Keras network as an engine: slower to start than `breakhis.engine`, and the reference for it."""

from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.config import ModelConfig, tapped_layers
from breakhis.images.views import Outputs, mean_outputs
from breakhis.model.network import build_network, pooled_taps
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
        network = build_network(
            model,
            size=size,
            classes=len(weights["probabilities/bias"]),
            benign=len(weights.get("benign/bias", ())),
        )
        set_weights(network, weights)
        self._network = keras.Model(network.input, [network.output, pooled_taps(network)])

    def answer(self, images: NDArray[np.uint8] | NDArray[np.float32]) -> Outputs:
        """(N, size, size, 3) RGB in 0-255 to probabilities and features."""
        return mean_outputs(self._answer, images.astype(np.float32), views=self._model.test_views)

    def _answer(self, images: NDArray[np.float32]) -> Outputs:
        probabilities, pooled = self._network.predict(images, verbose=0)
        features = [np.asarray(pooled[tap]) for tap in tapped_layers(self._model)]
        return Outputs(np.asarray(probabilities), np.concatenate(features, axis=1))
