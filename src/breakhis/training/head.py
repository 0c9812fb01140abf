"""The head of a trained network as a plain function of pooled taps, run by the inference engine."""

from collections.abc import Callable, Mapping

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from breakhis.config import TrainConfig
from breakhis.engine.compiled import compile_graph, settings
from breakhis.engine.graph import Weights, build_graph
from breakhis.training.features import FloatArray

Head = Callable[[Mapping[str, FloatArray]], FloatArray]
"""{tap: pooled (B, channels)} to probabilities (B, C)."""


def engine_head(config: TrainConfig, weights: Weights) -> Head:
    """What the engine computes above the pooled taps: with features of its own, its own answers to the bit.

    Keras adds up in another order, and its answers are up to 3e-6 away.
    """
    graph = build_graph(config.model, weights, size=config.images.size)
    inputs = []
    for tap, pooled in graph.pooled.items():
        entry = ops.parameter([-1, pooled.partial_shape[1].get_length()], np.float32, name=tap)
        pooled.replace(entry.output(0))
        inputs.append(entry)
    head = compile_graph(lambda: ov.Model([graph.probabilities], inputs, "head"), settings("float32"))

    def answer(taps: Mapping[str, FloatArray]) -> FloatArray:
        return np.array(head([np.ascontiguousarray(taps[tap]) for tap in graph.pooled])[0])

    return answer
