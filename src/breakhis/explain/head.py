"""The head of the network in NumPy: from pooled tap vectors to logits, and the logits' gradient.

The head is a few small dense layers, so its gradient is written down instead of taped, and explanations need
no TensorFlow. Layers and epsilons are those of `breakhis.model.network`; a test holds the gradients together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle
from breakhis.config import ModelConfig, tapped_layers

Array = NDArray[np.float64]
Vectors = Mapping[str, NDArray[np.floating]]

_NORM_EPSILON = 1e-3
_UNIT_EPSILON = 1e-12


class Layer(Protocol):
    """A differentiable function of rows."""

    def __call__(self, x: Array) -> Array:
        """(N, D) to (N, E)."""
        ...

    def backward(self, x: Array, gradient: Array) -> Array:
        """The gradient (N, D) at `x` of what has the gradient (N, E) at the layer's output."""
        ...


@dataclass(frozen=True)
class Unit:
    """Rows divided by their Euclidean length."""

    def __call__(self, x: Array) -> Array:
        unit: Array = x / self._length(x)
        return unit

    def backward(self, x: Array, gradient: Array) -> Array:
        """Only what is orthogonal to `x` changes the answer."""
        unit = self(x)
        across: Array = gradient - unit * (unit * gradient).sum(axis=1, keepdims=True)
        return across / self._length(x)

    @staticmethod
    def _length(x: Array) -> Array:
        length: Array = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), _UNIT_EPSILON)
        return length


@dataclass(frozen=True, eq=False)
class Dense:
    """x @ kernel + bias."""

    kernel: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        product: Array = x @ self.kernel
        return product + self.bias

    def backward(self, x: Array, gradient: Array) -> Array:
        """Independent of `x`."""
        product: Array = gradient @ self.kernel.T
        return product


@dataclass(frozen=True)
class Relu:
    """max(x, 0)."""

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def backward(self, x: Array, gradient: Array) -> Array:
        """Zero where `x` is not positive."""
        return gradient * (x > 0)


@dataclass(frozen=True, eq=False)
class Scale:
    """x * scale + offset: a batch normalisation by its moving statistics."""

    scale: Array
    offset: Array

    def __call__(self, x: Array) -> Array:
        return x * self.scale + self.offset

    def backward(self, x: Array, gradient: Array) -> Array:
        """Independent of `x`."""
        return gradient * self.scale


@dataclass(frozen=True, eq=False)
class Mixture:
    """The logarithm of mixed answers, less its mean over the classes, which is free in a softmax.

    A mixture of softmaxes has no logits; these are what stands in for them: their softmax is the mixture, and
    of a single softmax they are the logits, centred.

    Attributes:
        share: Of malignancy times the subtype in its group; the rest is of `flat`.
        flat: To the logits of all classes.
        malignancy: To the logit of malignancy.
        benign, malignant: To the logits of the first and the remaining classes.
    """

    share: float
    flat: Dense
    malignancy: Dense
    benign: Dense
    malignant: Dense

    def __call__(self, x: Array) -> Array:
        log_p = np.log(self._mixed(x))
        centred: Array = log_p - log_p.mean(axis=1, keepdims=True)
        return centred

    def backward(self, x: Array, gradient: Array) -> Array:
        """Through the logarithm, both parts of the mixture, and their softmaxes."""
        parts = self._mixed(x)
        upstream = (gradient - gradient.mean(axis=1, keepdims=True)) / parts
        risk, benign, malignant = self._nested(x)
        of_benign, of_malignant = np.split(self.share * upstream, [benign.shape[1]], axis=1)
        of_risk = (of_malignant * malignant).sum(axis=1) - (of_benign * benign).sum(axis=1)
        slope = (risk * (1 - risk)) * of_risk[:, None]
        return (
            self.flat.backward(x, _through_softmax(softmax(self.flat(x)), (1 - self.share) * upstream))
            + self.malignancy.backward(x, slope)
            + self.benign.backward(x, _through_softmax(benign, (1 - risk) * of_benign))
            + self.malignant.backward(x, _through_softmax(malignant, risk * of_malignant))
        )

    def _nested(self, x: Array) -> tuple[Array, Array, Array]:
        """Probability of malignancy (N, 1), and of the subtypes within each group."""
        risk: Array = 1 / (1 + np.exp(-self.malignancy(x)))
        return risk, softmax(self.benign(x)), softmax(self.malignant(x))

    def _mixed(self, x: Array) -> Array:
        risk, benign, malignant = self._nested(x)
        nested = np.concatenate([(1 - risk) * benign, risk * malignant], axis=1)
        mixed: Array = (1 - self.share) * softmax(self.flat(x)) + self.share * nested
        return np.maximum(mixed, np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Chain:
    """Layers one after another."""

    layers: tuple[Layer, ...] = ()

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, x: Array, gradient: Array) -> Array:
        """By the chain rule."""
        inputs = []
        for layer in self.layers:
            inputs.append(x)
            x = layer(x)
        for layer, seen in zip(reversed(self.layers), reversed(inputs), strict=True):
            gradient = layer.backward(seen, gradient)
        return gradient


@dataclass(frozen=True)
class Head:
    """What the network does with the pooled vectors of its taps, for one view of an image.

    Attributes:
        branches: {tap: layers of its branch}, from the bottom up.
        upper: From the branches' outputs, side by side, to the logits.
        means: {tap: (units,) mean output in training}; empty where the head does not know it.
    """

    branches: dict[str, Chain]
    upper: Chain
    means: dict[str, Array]

    def outputs(self, pooled: Vectors) -> dict[str, Array]:
        """{tap: (N, channels)} to {tap: the branch's output (N, units)}."""
        return {tap: branch(_wide(pooled[tap])) for tap, branch in self.branches.items()}

    def combine(self, outputs: Mapping[str, Array]) -> Array:
        """What `outputs` gave, to logits (N, C)."""
        return self.upper(np.concatenate([outputs[tap] for tap in self.branches], axis=1))

    def logits(self, pooled: Vectors) -> Array:
        """{tap: (N, channels)} to logits (N, C), before the softmax and before calibration."""
        return self.combine(self.outputs(pooled))

    def gradients(self, pooled: Vectors, labels: NDArray[np.int64]) -> dict[str, Array]:
        """The gradient of one logit an image with respect to its pooled vectors.

        Args:
            pooled: {tap: (N, channels)}.
            labels: (N,) which logit of each image.

        Returns:
            {tap: (N, channels)}.
        """
        outputs = self.outputs(pooled)
        joined = np.concatenate(list(outputs.values()), axis=1)
        chosen = np.eye(self.upper(joined).shape[1])[labels]
        upstream = self.upper.backward(joined, chosen)
        ends = np.cumsum([output.shape[1] for output in outputs.values()])[:-1]
        parts = np.split(upstream, ends, axis=1)
        return {
            tap: branch.backward(_wide(pooled[tap]), part)
            for (tap, branch), part in zip(self.branches.items(), parts, strict=True)
        }


@lru_cache(maxsize=2)
def head_of(bundle: Bundle) -> Head:
    """The head of a bundle's network; the last two are kept, because a service asks for them often."""
    return build_head(bundle.config.model, bundle.weights())


def build_head(model: ModelConfig, weights: Vectors) -> Head:
    """The head that a configuration describes, with weights named as in `breakhis.model.weights`."""
    read = _Reader(weights)
    taps = tapped_layers(model)
    output = read.output(model)
    if model.head != "branches":
        return Head({tap: Chain() for tap in taps}, Chain((output,)), means={})
    branches = {
        tap: Chain((Unit(), read.dense(f"{tap}_dense"), Relu(), read.norm(f"{tap}_bn"))) for tap in taps
    }
    hidden: list[Layer] = []
    for number in range(1, len(model.dense_units) + 1):
        hidden += [read.dense(f"head{number}_dense"), Relu(), read.norm(f"head{number}_bn")]
    # A batch normalisation moves its mean in training to beta.
    means = {tap: _wide(weights[f"{tap}_bn/beta"]) for tap in taps}
    return Head(branches, Chain((*hidden, output)), means)


@dataclass(frozen=True)
class _Reader:
    weights: Vectors

    def dense(self, name: str) -> Dense:
        return Dense(_wide(self.weights[f"{name}/kernel"]), _wide(self.weights[f"{name}/bias"]))

    def output(self, model: ModelConfig) -> Layer:
        """The last layer, to logits."""
        flat = self.dense("probabilities")
        if not model.hierarchy:
            return flat
        nested = (self.dense(name) for name in ("malignancy", "benign", "malignant"))
        return Mixture(model.hierarchy, flat, *nested)

    def norm(self, name: str) -> Scale:
        gamma, beta, mean, variance = (
            _wide(self.weights[f"{name}/{part}"])
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _NORM_EPSILON)
        return Scale(scale, beta - mean * scale)


def softmax(logits: Array) -> Array:
    """Over the last axis of (N, C)."""
    odds: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares


def _through_softmax(shares: Array, gradient: Array) -> Array:
    """From the gradient with respect to a softmax's output to that with respect to its logits."""
    inner: Array = shares * (gradient - (shares * gradient).sum(axis=1, keepdims=True))
    return inner


def _wide(array: NDArray[np.floating]) -> Array:
    return array.astype(np.float64)
