"""The network as an OpenVINO graph, straight from its weights: what Keras' graph computes, without Keras.

Layers, names and epsilons are those of `breakhis.model.network`; a test holds the two graphs together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

from breakhis.config import CUTTABLE, ModelConfig, tapped_layers
from breakhis.errors import WeightsError

Weights = Mapping[str, NDArray[np.floating]]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_BACKBONE_EPSILON = 1.001e-5
_HEAD_EPSILON = 1e-3
_UNIT_EPSILON = 1e-24  # of the squared norm


@dataclass(frozen=True)
class Graph:
    """Points of the network that can be made outputs of a model.

    Attributes:
        image: The input, uint8 or float32 (B, size, size, 3), RGB in 0-255.
        layers: {DenseNet121 layer: activation float32 (B, channels, h, w)} from the bottom up to the top tap.
        pooled: {tap: float32 (B, channels)}.
        probabilities: float32 (B, C).
    """

    image: ov.Node
    layers: dict[str, ov.Output]
    pooled: dict[str, ov.Output]
    probabilities: ov.Output

    @property
    def answers(self) -> dict[str, ov.Output]:
        """{"probabilities": and for every tap "pooled:TAP":}, what an answer and its abstention rest on."""
        pooled = {f"pooled:{tap}": vector for tap, vector in self.pooled.items()}
        return {"probabilities": self.probabilities, **pooled}


def build_graph(
    model: ModelConfig, weights: Weights, *, size: int, dtype: type[np.generic] = np.uint8
) -> Graph:
    """Build the graph of a network for any batch size.

    Args:
        model: The network's configuration.
        weights: Arrays as `breakhis.model.weights.get_weights` names them; half precision is widened.
        size: Side of the square input in pixels.
        dtype: Type of the input images, `np.uint8` or `np.float32`.

    Raises:
        WeightsError: A weight is missing or does not fit; it is named.
    """
    taps = tapped_layers(model)
    image = ops.parameter([-1, size, size, 3], dtype, name="image")
    build = _Builder(weights)
    layers = build.backbone(build.normalise(image), top=taps[-1])
    pooled = {tap: ops.reduce_mean(layers[tap], ops.constant(np.array([2, 3]))).output(0) for tap in taps}
    return Graph(image=image, layers=layers, pooled=pooled, probabilities=build.head(pooled, model))


@dataclass(frozen=True)
class _Builder:
    weights: Weights = field(repr=False)

    def weight(self, path: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """One weight; -1 in `shape` stands for any length."""
        found = self.weights[path].shape if path in self.weights else "no such weight"
        fits = len(found) == len(shape) and all(b in (-1, a) for a, b in zip(found, shape, strict=True))
        if not fits:
            raise WeightsError(
                f"{path} of shape {shape}", found=str(found), fix="use the configuration of these weights"
            )
        return self.weights[path].astype(np.float32)

    def normalise(self, image: ov.Node) -> ov.Output:
        """ImageNet's mean and deviation, and channels first."""
        deviation = np.array(IMAGENET_STD)
        scale = ops.constant((1 / (255 * deviation)).astype(np.float32))
        offset = ops.constant((-np.array(IMAGENET_MEAN) / deviation).astype(np.float32))
        scaled = ops.add(ops.multiply(ops.convert(image, np.float32), scale), offset)
        return ops.transpose(scaled, ops.constant(np.array([0, 3, 1, 2]))).output(0)

    def backbone(self, x: ov.Output, *, top: str) -> dict[str, ov.Output]:
        """DenseNet121 up to its layer `top`."""
        x = self.norm_relu(self.conv(x, "conv1_conv", side=7, stride=2), "conv1_bn")
        layers: dict[str, ov.Output] = {}
        for name in CUTTABLE:
            if name == "pool1":
                x = ops.max_pool(x, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
            elif name.endswith("_pool"):
                stage = name.removesuffix("_pool")
                layers[f"{stage}_relu"] = x = self.norm_relu(x, f"{stage}_bn")
                if f"{stage}_relu" == top:
                    return layers
                x = self.halve(x, stage)
            else:
                x = self.dense_block(x, name.removesuffix("_concat"))
            layers[name] = x
            if name == top:
                return layers
        layers["relu"] = self.norm_relu(x, "bn")
        return layers

    def halve(self, x: ov.Output, name: str) -> ov.Output:
        """Halve the channels and the side."""
        x = self.conv(x, f"{name}_conv")
        return ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], exclude_pad=True).output(0)

    def dense_block(self, x: ov.Output, name: str) -> ov.Output:
        """Append the channels of one dense layer to `x`."""
        grown = self.norm_relu(x, f"{name}_0_bn")
        grown = self.norm_relu(self.conv(grown, f"{name}_1_conv"), f"{name}_1_bn")
        grown = self.conv(grown, f"{name}_2_conv", side=3)
        return ops.concat([x, grown], axis=1).output(0)

    def conv(self, x: ov.Output, name: str, *, side: int = 1, stride: int = 1) -> ov.Output:
        """A convolution without bias, padded to keep the size (before its stride)."""
        channels = x.partial_shape[1].get_length()
        kernel = self.weight(f"{name}/kernel", (side, side, channels, -1))
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        pad = [side // 2] * 2
        return ops.convolution(x, ops.constant(kernel), [stride] * 2, pad, pad, [1, 1]).output(0)

    def norm_relu(self, x: ov.Output, name: str) -> ov.Output:
        return ops.relu(self.norm(x, name, epsilon=_BACKBONE_EPSILON)).output(0)

    def norm(self, x: ov.Output, name: str, *, epsilon: float) -> ov.Output:
        """Batch normalisation by moving statistics, as one scale and one offset a channel."""
        shape = (x.partial_shape[1].get_length(),)
        gamma, beta, mean, variance = (
            self.weight(f"{name}/{part}", shape)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + np.float32(epsilon))
        offset = beta - mean * scale
        channels_first = (1, -1, *[1] * (len(x.partial_shape) - 2))
        scaled = ops.multiply(x, ops.constant(scale.reshape(channels_first)))
        return ops.add(scaled, ops.constant(offset.reshape(channels_first))).output(0)

    def dense(self, x: ov.Output, name: str) -> ov.Output:
        kernel = self.weight(f"{name}/kernel", (x.partial_shape[1].get_length(), -1))
        bias = self.weight(f"{name}/bias", kernel.shape[1:])
        product = ops.matmul(x, ops.constant(kernel), transpose_a=False, transpose_b=False)
        return ops.add(product, ops.constant(bias)).output(0)

    def head(self, pooled: dict[str, ov.Output], model: ModelConfig) -> ov.Output:
        """From pooled tap vectors to probabilities (B, C)."""
        if model.head == "branches":
            branches = [self.branch(vector, tap) for tap, vector in pooled.items()]
            x = ops.concat(branches, axis=1).output(0)
            for number in range(1, len(model.dense_units) + 1):
                hidden = ops.relu(self.dense(x, f"head{number}_dense")).output(0)
                x = self.norm(hidden, f"head{number}_bn", epsilon=_HEAD_EPSILON)
        else:
            x = ops.concat(list(pooled.values()), axis=1).output(0)
        flat = self.softmax(x, "probabilities")
        return self.mixed(x, flat, share=np.float32(model.hierarchy)) if model.hierarchy else flat

    def mixed(self, x: ov.Output, flat: ov.Output, *, share: np.float32) -> ov.Output:
        """`flat`, and by `share` the product of malignancy and the subtype within its group."""
        one = ops.constant(np.float32(1))
        malignant = ops.sigmoid(self.dense(x, "malignancy"))
        benign = ops.multiply(ops.subtract(one, malignant), self.softmax(x, "benign"))
        nested = ops.concat([benign, ops.multiply(malignant, self.softmax(x, "malignant"))], axis=1)
        parts = ops.multiply(flat, ops.constant(1 - share)), ops.multiply(nested, ops.constant(share))
        return ops.add(*parts).output(0)

    def softmax(self, x: ov.Output, name: str) -> ov.Output:
        return ops.softmax(self.dense(x, name), axis=1).output(0)

    def branch(self, vector: ov.Output, tap: str) -> ov.Output:
        unit = ops.normalize_l2(vector, ops.constant(np.array([1])), _UNIT_EPSILON, "max").output(0)
        hidden = ops.relu(self.dense(unit, f"{tap}_dense")).output(0)
        return self.norm(hidden, f"{tap}_bn", epsilon=_HEAD_EPSILON)
