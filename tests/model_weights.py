"""Weights and bundles of small networks, made without TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from breakhis.bundle import Bundle, BundleContents
from breakhis.config import CUTTABLE, ImageConfig, ModelConfig, TrainConfig, tapped_layers
from breakhis.taxonomy import BREAKHIS, Taxonomy

Weights = dict[str, NDArray[np.float32]]

SMALL = TrainConfig(
    images=ImageConfig(size=64),
    model=ModelConfig(taps=("conv2_block3_concat", "conv2_block6_concat"), branch_units=8, dense_units=(16,)),
)
"""A network of the lowest dense block alone: quick, and of the same kind as the whole."""


def random_weights(model: ModelConfig, *, classes: int, seed: int = 0) -> Weights:
    """Weights whose activations keep their scale and whose normalisations are far from doing nothing."""
    draw = _Draw(np.random.default_rng(seed))
    channels = draw.backbone(top=tapped_layers(model)[-1])
    taps = tapped_layers(model)
    if model.head == "branches":
        for tap in taps:
            draw.dense(f"{tap}_dense", channels[tap], model.branch_units)
            draw.norm(f"{tap}_bn", model.branch_units)
        width = model.branch_units * len(taps)
        for number, units in enumerate(model.dense_units, start=1):
            draw.dense(f"head{number}_dense", width, units)
            draw.norm(f"head{number}_bn", units)
            width = units
    else:
        width = sum(channels[tap] for tap in taps)
    draw.dense("probabilities", width, classes)
    if model.hierarchy:
        for name, units in (("malignancy", 1), ("benign", classes // 2), ("malignant", classes // 2)):
            draw.dense(name, width, units)
    return draw.weights


class _Draw:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.weights: Weights = {}

    def backbone(self, *, top: str) -> dict[str, int]:
        """Draw DenseNet121 up to `top`; returns the channels of every layer passed."""
        self.conv("conv1_conv", 7, 3, 64)
        self.norm("conv1_bn", 64)
        width, passed = 64, {}
        for layer in CUTTABLE:
            name = layer.rpartition("_")[0]
            if layer.endswith("_pool"):
                self.norm(f"{name}_bn", width)
                passed[f"{name}_relu"] = width
                self.conv(f"{name}_conv", 1, width, width // 2)
                width //= 2
            elif layer.endswith("_concat"):
                self.norm(f"{name}_0_bn", width)
                self.conv(f"{name}_1_conv", 1, width, 128)
                self.norm(f"{name}_1_bn", 128)
                self.conv(f"{name}_2_conv", 3, 128, 32)
                width += 32
            passed[layer] = width
            if layer == top:
                return passed
        self.norm("bn", width)
        return {**passed, "relu": width}

    def conv(self, name: str, side: int, width: int, filters: int) -> None:
        self.weights[f"{name}/kernel"] = self.normal(
            (side, side, width, filters), (side * side * width) ** -0.5
        )

    def dense(self, name: str, width: int, units: int) -> None:
        self.weights[f"{name}/kernel"] = self.normal((width, units), 3 * width**-0.5)
        self.weights[f"{name}/bias"] = self.normal((units,), 0.1)

    def norm(self, name: str, width: int) -> None:
        for part in ("gamma", "moving_variance"):
            self.weights[f"{name}/{part}"] = self.rng.uniform(0.7, 1.4, width).astype(np.float32)
        for part in ("beta", "moving_mean"):
            self.weights[f"{name}/{part}"] = self.normal((width,), 0.2)

    def normal(self, shape: tuple[int, ...], deviation: float) -> NDArray[np.float32]:
        return self.rng.normal(0, deviation, shape).astype(np.float32)


def write_bundle(
    path: Path, *, config: TrainConfig = SMALL, taxonomy: Taxonomy = BREAKHIS, seed: int = 0, **more: Any
) -> Path:
    """A bundle of random weights; `more` are further fields of `BundleContents`."""
    weights = random_weights(config.model, classes=len(taxonomy), seed=seed)
    values: dict[str, Any] = {"metrics": {}, "split": {}, "created": "2026-11-22", **more}
    Bundle.write(path, BundleContents(config=config, taxonomy=taxonomy, weights=weights, **values))
    return path
