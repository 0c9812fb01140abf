"""Features beyond pooled taps: second moments of local activations, a bag of local words."""

from functools import cache

import numpy as np

from experiments.data import CACHE, Floats, Ints, load
from experiments.heads import Array

_AXES, _WORDS = 24, 64


def special(name: str, train: Ints) -> Array | None:
    """(N, d) of a feature named here, learned from the rows `train` alone; None for another name."""
    kind, _, tap = name.partition(":")
    if kind == "moments":
        return _moments(tap, train.tobytes())
    if kind == "words":
        return _words(tap, train.tobytes())
    if kind == "handcrafted":
        return np.asarray(np.load(CACHE / "handcrafted.npy"), np.float64)
    return None


@cache
def _local(tap: str) -> Floats:
    with np.load(CACHE / "flip0.npz") as file:
        return np.asarray(file[f"{tap}:local"], np.float32)


@cache
def _axes(tap: str, train: bytes) -> tuple[Array, Array]:
    """Mean and the leading scaled principal axes of local activations of training images."""
    points = _local(tap)[np.frombuffer(train, np.int64)][:, ::4].reshape(-1, _local(tap).shape[-1])
    mean = points.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    return mean, vectors[:, ::-1][:, :_AXES] / np.sqrt(values[::-1][:_AXES])


@cache
def _moments(tap: str, train: bytes) -> Array:
    """Upper triangle of each image's covariance along those axes, signed roots of it."""
    mean, axes = _axes(tap, train)
    points = (_local(tap) - mean) @ axes
    centred = points - points.mean(axis=1, keepdims=True)
    moments = np.einsum("npi,npj->nij", centred, centred) / centred.shape[1]
    flat = moments[:, *np.triu_indices(_AXES)]
    return np.asarray(np.sign(flat) * np.sqrt(np.abs(flat)))


@cache
def _words(tap: str, train: bytes) -> Array:
    """Square roots of the shares of 64 local words, found by k-means in training images."""
    from sklearn.cluster import MiniBatchKMeans

    mean, axes = _axes(tap, train)
    points = ((_local(tap) - mean) @ axes).astype(np.float64)
    rows = np.frombuffer(train, np.int64)
    words = MiniBatchKMeans(_WORDS, random_state=0, n_init=1, batch_size=4096)
    words.fit(points[rows][:, ::4].reshape(-1, _AXES))
    found = words.predict(points.reshape(-1, _AXES)).reshape(len(load().labels), -1)
    shares = np.stack([(found == word).mean(axis=1) for word in range(_WORDS)], axis=1)
    return np.asarray(np.sqrt(shares))
