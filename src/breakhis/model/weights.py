"""Weights of a network as plain arrays, and where a backbone's first weights come from."""

import contextlib
import hashlib
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import keras
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from breakhis.errors import WeightsError
from breakhis.files import SHIPPED_MODEL
from breakhis.model.network import backbone_layers

Array = NDArray[np.float32]
Weights = dict[str, Array]

_FIX = "pass weights of DenseNet121 without its top as Keras saves them, a bundle, or none"


def get_weights(network: keras.Model) -> Weights:
    """Every weight by its stable path, such as "conv1_conv/kernel"; float32 copies."""
    return {weight.path: np.asarray(weight).astype(np.float32) for weight in network.weights}


def hash_weights(weights: Weights) -> str:
    """SHA-256 over names, shapes and values, whatever the order."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].shape}".encode())
        digest.update(np.ascontiguousarray(weights[name]).tobytes())
    return digest.hexdigest()


def set_weights(network: keras.Model, weights: Mapping[str, Array]) -> None:
    """Replace every weight of `network`; entries of `weights` that it has no use for are ignored.

    Raises:
        WeightsError: A weight is missing or of another shape; the first one is named and nothing is changed.
    """
    _assign(network.weights, weights, source="the given weights")


def load_backbone(network: keras.Model, weights: str) -> None:
    """Give the DenseNet121 layers of `network` their first weights; the head keeps its own.

    Args:
        network: As built by `build_network`.
        weights: "none"; "imagenet" (downloaded by Keras, once); "breakhis" (of the shipped model); or a path
            to weights of DenseNet121 without its top as Keras saves them (.h5), to a bundle (.zip), or to
            .safetensors as `get_weights` names.

    Raises:
        WeightsError: The file is absent, unreadable or does not fit, or the download failed.
    """
    if weights == "none":
        return
    layers = [layer for layer in backbone_layers(network) if layer.weights]
    path = SHIPPED_MODEL if weights == "breakhis" else Path(weights)
    found = _download_imagenet() if weights == "imagenet" else _read(path, layers)
    _assign([weight for layer in layers for weight in layer.weights], found, source=weights)


def _assign(variables: Iterable[keras.Variable], weights: Mapping[str, Array], *, source: str) -> None:
    variables = list(variables)
    for variable in variables:
        shape = weights[variable.path].shape if variable.path in weights else "no such weight"
        if shape != tuple(variable.shape):
            raise WeightsError(
                f"{variable.path} of shape {tuple(variable.shape)} in {source}", found=str(shape), fix=_FIX
            )
    for variable in variables:
        variable.assign(weights[variable.path])


def _download_imagenet() -> Weights:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return get_weights(keras.applications.DenseNet121(include_top=False, weights="imagenet"))
    except Exception as error:  # Keras raises nothing narrower where a download fails
        raise WeightsError(
            "the ImageNet weights of DenseNet121, which Keras downloads",
            found=str(error),
            fix="fetch them where there is internet and pass the file with --weights PATH, or --weights none",
        ) from error


def _read(path: Path, layers: list[keras.layers.Layer]) -> Weights:
    try:
        if path.suffix == ".safetensors":
            return _parse_safetensors(path.read_bytes())
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return _parse_safetensors(archive.read("weights.safetensors"))
        with h5py.File(path) as file:
            return _named(_legacy_layers(file) if "layer_names" in file.attrs else _layers(file), layers)
    except (OSError, KeyError, zipfile.BadZipFile, SafetensorError) as error:
        raise WeightsError(f"a readable weights file at {path}", found=str(error), fix=_FIX) from error


def _parse_safetensors(content: bytes) -> Weights:
    arrays = safetensors.numpy.load(content)
    return {path: array.astype(np.float32) for path, array in arrays.items()}


def _named(found: dict[str, list[list[Array]]], layers: list[keras.layers.Layer]) -> Weights:
    """Pair the k-th layer of each kind in a file with the k-th of that kind in the network."""
    remaining = {kind: iter(values) for kind, values in found.items()}
    named: Weights = {}
    for layer in layers:
        values = next(remaining.get(_kind(len(layer.weights)), iter(())), [])
        named |= {weight.path: value for weight, value in zip(layer.weights, values, strict=False)}
    return named


def _kind(weights: int) -> str:
    return "batch_normalization" if weights == 4 else "conv2d"


def _layers(file: h5py.File) -> dict[str, list[list[Array]]]:
    """Keras 3 files: one group a layer, named after its kind and its number in the model."""
    groups = file["layers"]
    found: dict[str, list[list[Array]]] = {}
    for kind in ("conv2d", "batch_normalization"):
        numbered = [kind, *(f"{kind}_{number}" for number in range(1, len(groups)))]
        stored = [groups[name]["vars"] for name in numbered if name in groups]
        found[kind] = [[np.asarray(values[str(k)]) for k in range(len(values))] for values in stored]
    return found


def _legacy_layers(file: h5py.File) -> dict[str, list[list[Array]]]:
    """Files of Keras 1 and 2, such as its own ImageNet download: one group a layer, in the model's order."""
    found: dict[str, list[list[Array]]] = {"conv2d": [], "batch_normalization": []}
    for name in file.attrs["layer_names"]:
        values = [np.asarray(file[name][weight]) for weight in file[name].attrs["weight_names"]]
        if values:
            found[_kind(len(values))].append(values)
    return found
