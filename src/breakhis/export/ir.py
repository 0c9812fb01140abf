"""OpenVINO IR, straight from the weights: no Keras, no TensorFlow."""

from pathlib import Path
from typing import Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from breakhis.bundle import Bundle
from breakhis.engine.compiled import compile_graph, settings
from breakhis.engine.graph import build_graph

FILE: Final = "model.xml"
_LEAST: Final = np.finfo(np.float32).tiny
_BATCH: Final = 16


def write_ir(bundle: Bundle, folder: Path) -> None:
    """Make the folder of `model.xml` and `model.bin`: float32 images in 0-255 to calibrated probabilities."""
    folder.mkdir()
    ov.save_model(calibrated_graph(bundle), folder / FILE, compress_to_fp16=False)


def answer_ir(folder: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, size, size, 3) to (N, C), computed in float32 from the files alone."""
    compiled = compile_graph(lambda: ov.Core().read_model(folder / FILE), settings("float32"))
    parts = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    return np.concatenate([compiled(part)[0] for part in parts])


def calibrated_graph(bundle: Bundle) -> ov.Model:
    """The network of a bundle with its test views and its calibration inside."""
    graph = build_graph(bundle.config.model, bundle.weights(), size=bundle.size, dtype=np.float32)
    views, image = bundle.config.model.test_views, graph.image
    if views > 1:
        image = ops.parameter(graph.image.get_partial_shape(), np.float32, name="image")
        graph.image.output(0).replace(_views(image.output(0), views))
    logarithms = ops.log(ops.maximum(graph.probabilities, ops.constant(_LEAST))).output(0)
    if views > 1:
        shape = ops.constant(np.array([views, -1, len(bundle.taxonomy)]))
        stacked = ops.reshape(logarithms, shape, special_zero=False)
        logarithms = ops.reduce_mean(stacked, ops.constant(np.array([0]))).output(0)
    logits = ops.divide(logarithms, ops.constant(np.float32(bundle.temperature)))
    probabilities = ops.softmax(logits, axis=1).output(0)
    image.output(0).get_tensor().set_names({"image"})
    probabilities.get_tensor().set_names({"probabilities"})
    return ov.Model([probabilities], [image], "breakhis")


def _views(image: ov.Output, views: int) -> ov.Output:
    """(B, side, side, 3) to (views * B, side, side, 3), in the order of `breakhis.images.views.turn`."""
    swapped = ops.constant(np.array([0, 2, 1, 3]))

    def mirror(x: ov.Output, axis: int) -> ov.Output:
        start, stop, step = ([value] for value in (-1, np.iinfo(np.int32).min, -1))
        return ops.slice(x, *(ops.constant(np.array(v)) for v in (start, stop, step, [axis]))).output(0)

    turned = []
    for view in range(views):
        x = mirror(image, 2) if view >= 4 else image
        for _ in range(view % 4):
            x = mirror(ops.transpose(x, swapped).output(0), 1)
        turned.append(x)
    return ops.concat(turned, axis=0).output(0)
