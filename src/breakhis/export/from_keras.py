"""ONNX, LiteRT and SavedModel, by Keras' own export."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle
from breakhis.model.network import build_network
from breakhis.model.weights import set_weights

KerasFormat = Literal["onnx", "litert", "tf_saved_model"]
_LEAST: Final = float(np.finfo(np.float32).tiny)
_BATCH: Final = 16


def write_from_keras(bundle: Bundle, path: Path, kind: KerasFormat) -> None:
    """Export a bundle's network, float32 images in 0-255 to calibrated probabilities."""
    with _output_to_stderr():
        network = calibrated_network(bundle)
        network(np.zeros((1, bundle.size, bundle.size, 3), np.float32))  # Keras exports what was called once
        network.export(path, format=kind, verbose=False)


def calibrated_network(bundle: Bundle) -> keras.Model:
    """The network of a bundle with its test views and its calibration inside."""
    taxonomy, model = bundle.taxonomy, bundle.config.model
    network = build_network(model, size=bundle.size, classes=len(taxonomy), benign=taxonomy.benign_first)
    set_weights(network, bundle.weights())
    views = model.test_views
    image = keras.Input(network.input.shape[1:], name="image")
    answers = network(_views(image, views) if views > 1 else image)
    logarithms = keras.ops.log(keras.ops.maximum(answers, _LEAST))
    if views > 1:
        logarithms = keras.ops.mean(keras.ops.reshape(logarithms, (views, -1, len(taxonomy))), axis=0)
    probabilities = keras.ops.softmax(logarithms / bundle.temperature)
    return keras.Model(image, {"probabilities": probabilities}, name="breakhis")


def _views(image: keras.KerasTensor, views: int) -> keras.KerasTensor:
    """(B, side, side, 3) to (views * B, side, side, 3), in the order of `breakhis.images.views.turn`."""
    turned = []
    for view in range(views):
        x = keras.ops.flip(image, axis=2) if view >= 4 else image
        for _ in range(view % 4):
            x = keras.ops.flip(keras.ops.transpose(x, (0, 2, 1, 3)), axis=1)
        turned.append(x)
    return keras.ops.concatenate(turned, axis=0)


def answer_saved_model(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, size, size, 3) to (N, C) by the signature "serving_default" of a SavedModel."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return np.concatenate(
        [serve(image=tf.constant(part))["probabilities"].numpy() for part in _parts(images)]
    )


def answer_onnx(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, size, size, 3) to (N, C) by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": part})[0] for part in _parts(images)])


def answer_litert(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, size, size, 3) to (N, C) by LiteRT's interpreter, one image at a time as on a small device."""
    from ai_edge_litert.interpreter import Interpreter

    with _output_to_stderr():
        run = Interpreter(model_path=str(path), num_threads=os.cpu_count()).get_signature_runner()
        return np.concatenate([run(image=image[None])["probabilities"] for image in images])


def _parts(images: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    return (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))


@contextlib.contextmanager
def _output_to_stderr() -> Iterator[None]:
    """What libraries print while they convert is for people, and stdout may be read by a program."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
