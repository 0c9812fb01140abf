"""The fixed part of a network as a plain function of images, run by the inference engine."""

from dataclasses import dataclass, field

import keras

from breakhis.config import TrainConfig
from breakhis.engine import Engine, EngineOptions, Precision, supported_precisions
from breakhis.files import hash_json
from breakhis.model.network import backbone_layers
from breakhis.model.weights import get_weights, hash_weights
from breakhis.training.batches import FloatArray, Layout


@dataclass(frozen=True)
class EngineExtractor:
    """Images to packed features, in bfloat16 where the processor computes in it and the strategy allows.

    Attributes:
        key: Hash of weights, outputs, input size and precision: equal keys mean equal answers.
        layout: How the outputs are packed.
    """

    key: str
    layout: Layout
    _engine: Engine = field(repr=False)
    _cut: str | None

    @classmethod
    def of(
        cls,
        network: keras.Model,
        config: TrainConfig,
        *,
        layout: Layout,
        cut: str | None,
        exact: bool = False,
    ) -> "EngineExtractor":
        """The part of `network` below its branches, or below and including the layer `cut`.

        Features that answers are computed from are `exact`, for a bundle answers in float32.
        """
        weights = get_weights(network)
        rounded = not exact and "bfloat16" in supported_precisions()
        precision: Precision = "bfloat16" if rounded else "float32"
        size = config.images.size
        engine = Engine(config.model, weights, size=size, options=EngineOptions(precision=precision))
        names = {weight.path for layer in backbone_layers(network) for weight in layer.weights}
        backbone = hash_weights({name: weights[name] for name in names})
        shapes = {name: list(shape) for name, shape in layout.shapes.items()}
        return cls(hash_json([backbone, shapes, size, precision, cut]), layout, engine, cut)

    def __call__(self, images: FloatArray) -> FloatArray:
        """(B, size, size, 3) float32 0-255 to (B, width) float32."""
        if self._cut is None:
            return self.layout.pack(self._engine.taps(images))
        return self.layout.pack(self._engine.lower(images, self._cut))
