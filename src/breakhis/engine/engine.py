"""An engine answers for batches of images, and shows what lies inside the network."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from breakhis.config import ModelConfig, tapped_layers
from breakhis.engine.compiled import Precision, compile_graph, read_quantised, settings
from breakhis.engine.graph import Graph, Weights, build_graph
from breakhis.errors import UsageError
from breakhis.files import hash_json
from breakhis.images.views import Outputs, mean_outputs

Images = NDArray[np.uint8] | NDArray[np.float32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EngineOptions:
    """How an engine computes.

    Attributes:
        precision: Arithmetic of the backbone; int8 concerns `predict` alone.
        threads: Cores to use; all by default.
        batch: Images in one pass; larger arrays are cut into such batches.
        cache_key: A hash of the weights. Where it is given, compiled graphs are kept in the cache folder.
        quantised: XML and weights (OpenVINO IR) of the graph of `answer`, for int8.
    """

    precision: Precision = "float32"
    threads: int | None = None
    batch: int = 32
    cache_key: str | None = None
    quantised: tuple[bytes, bytes] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Maps:
    """What explanations of N images are computed from, all float32.

    Attributes:
        probabilities: (N, C), of the images as they are.
        pooled: {tap: (N, channels)}, the means over h and w of `maps`: all that the head sees of an image.
        maps: {tap: (N, h, w, channels)}.
    """

    probabilities: Floats
    pooled: dict[str, Floats]
    maps: dict[str, Floats]


class Engine:
    """The network in OpenVINO, safe to share between threads: a pass uses all cores, so they take turns.

    `predict` answers as the model does, over all its test views; the rest is of the images as they are.

    Images are uint8 or float32 (N, size, size, 3), RGB in 0-255, any N.

    Args:
        model: Configuration of the network.
        weights: Its weights, or a function that reads them; only called where no compiled graph is kept.
        size: Side of the input in pixels.
        options: Precision, threads, batch, cache.

    Raises:
        UsageError: This processor lacks the precision.
        WeightsError: The weights do not fit the configuration.
    """

    def __init__(
        self,
        model: ModelConfig,
        weights: Weights | Callable[[], Weights],
        *,
        size: int = 224,
        options: EngineOptions | None = None,
    ) -> None:
        self.model = model
        self.size = size
        self.options = options or EngineOptions()
        self._weights = weights
        self._settings = settings(self.options.precision, threads=self.options.threads)
        self._one_at_a_time = threading.Lock()
        self._compiled: dict[tuple[str, str], ov.CompiledModel] = {}

    def predict(self, images: Images) -> Floats:
        """Probabilities float32 (N, C); rows sum to 1."""
        return self.answer(images).probabilities

    def answer(self, images: Images) -> Outputs:
        """Probabilities, and the features that they come from."""
        return mean_outputs(self._answer, images, views=self.model.test_views)

    def taps(self, images: Images) -> dict[str, Floats]:
        """{tap: pooled activations float32 (N, channels)}, which the head is trained on."""
        return self._run(images, "taps")

    def lower(self, images: Images, cut: str) -> dict[str, Floats]:
        """The outputs of `breakhis.model.network.split_network(network, cut).lower`.

        Returns:
            {"cut": activation float32 (N, h, w, channels), and tap: pooled (N, channels) for every tap at or
            below the cut}.
        """
        return self._run(images, f"cut:{cut}")

    def maps(self, images: Images) -> Maps:
        """Probabilities, pooled taps and tap activations of one pass."""
        found = self._run(images, "maps")
        taps = tapped_layers(self.model)
        return Maps(
            probabilities=found["probabilities"],
            pooled={tap: found[f"pooled:{tap}"] for tap in taps},
            maps={tap: found[f"map:{tap}"] for tap in taps},
        )

    def _answer(self, images: Images) -> Outputs:
        found = self._run(images, "answers")
        features = [found[f"pooled:{tap}"] for tap in tapped_layers(self.model)]
        return Outputs(found["probabilities"], np.concatenate(features, axis=1))

    def _run(self, images: Images, kind: str) -> dict[str, Floats]:
        expected = (self.size, self.size, 3)
        if images.ndim != 4 or images.shape[1:] != expected or images.dtype not in (np.uint8, np.float32):
            raise UsageError(
                f"uint8 or float32 images of shape (N, {', '.join(map(str, expected))})",
                found=f"{images.dtype} {images.shape}",
                fix="decode them with breakhis.images.decode",
            )
        compiled = self._compile(kind, images.dtype)
        if len(images) == 0:
            one = self._infer(compiled, np.zeros((1, *expected), images.dtype))
            return {name: value[:0] for name, value in one.items()}
        step = self.options.batch
        parts = [self._infer(compiled, images[start : start + step]) for start in range(0, len(images), step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _infer(self, compiled: ov.CompiledModel, batch: Images) -> dict[str, Floats]:
        with self._one_at_a_time:
            results = compiled(batch, share_inputs=True)
            return {output.any_name: np.array(results[output]) for output in compiled.outputs}

    def _compile(self, kind: str, dtype: np.dtype[Any]) -> ov.CompiledModel:
        slot = (kind, dtype.name)
        if slot not in self._compiled:
            key = self.options.cache_key
            name = (
                None
                if key is None
                else hash_json([key, self.model.model_dump(mode="json"), self.size, slot, self._int8(kind)])
            )
            self._compiled[slot] = compile_graph(lambda: self._build(kind, dtype), self._settings, key=name)
        return self._compiled[slot]

    def _int8(self, kind: str) -> bool:
        return self.options.precision == "int8" and kind == "answers"

    def _build(self, kind: str, dtype: np.dtype[Any]) -> ov.Model:
        if self._int8(kind):
            return read_quantised(self.options.quantised, dtype.type)
        weights = self._weights() if callable(self._weights) else self._weights
        graph = build_graph(self.model, weights, size=self.size, dtype=dtype.type)
        outputs = _outputs(graph, kind)
        for name, output in outputs.items():
            output.get_tensor().set_names({name})
        return ov.Model(list(outputs.values()), [graph.image], "breakhis")


def _outputs(graph: Graph, kind: str) -> dict[str, ov.Output]:
    if kind == "answers":
        return graph.answers
    if kind == "taps":
        return graph.pooled
    if kind == "maps":
        maps = {f"map:{tap}": _channels_last(graph.layers[tap]) for tap in graph.pooled}
        return {**graph.answers, **maps}
    cut = kind.removeprefix("cut:")
    if cut not in graph.layers:
        raise UsageError(
            "a layer of the network to cut behind",
            found=repr(cut),
            fix="name a lower layer, such as pool4_pool",
        )
    order = list(graph.layers)
    below = [tap for tap in graph.pooled if order.index(tap) <= order.index(cut)]
    return {"cut": _channels_last(graph.layers[cut]), **{tap: graph.pooled[tap] for tap in below}}


def _channels_last(activation: ov.Output) -> ov.Output:
    return ops.transpose(activation, ops.constant(np.array([0, 2, 3, 1]))).output(0)
