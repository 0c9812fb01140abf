"""The network: a DenseNet121 whose intermediate layers are tapped, each tap through a branch of its own.

The graph is flat and functional, normalisation included, and made of Keras' own layers only, so that it
builds on every Keras backend and loads in safe mode. DenseNet: Huang et al., CVPR 2017, arXiv 1608.06993.
"""

from dataclasses import dataclass

import keras

from breakhis.config import ModelConfig, tapped_layers
from breakhis.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_FULL = "float32"  # normalisation and heads keep full precision whatever the policy of the backbone
_POOLED = "_pooled"


def build_network(model: ModelConfig, *, size: int, classes: int, benign: int = 0) -> keras.Model:
    """An untrained network; one view of images in, probabilities out.

    Args:
        model: Head, taps and their sizes. `model.weights` is not read here, see `load_backbone`.
        size: Side of the square input in pixels.
        classes: Number of classes C.
        benign: How many of them, the first ones, are benign; read for a hierarchy only.

    Returns:
        A functional model from "image", float32 (B, size, size, 3) in 0-255 RGB, to "probabilities",
        float32 (B, C), rows summing to 1.

    Raises:
        ConfigError: A hierarchy of classes that are not first the benign, then the malignant ones.
    """
    if model.hierarchy and not 0 < benign < classes:
        raise ConfigError(
            "benign classes, then malignant ones, for model.hierarchy",
            found=f"{benign} benign of {classes} classes",
            fix="set model.hierarchy to 0 for these classes",
        )
    image = keras.Input((size, size, 3), dtype=_FULL, name="image")
    normalised = keras.layers.Rescaling(
        scale=[1 / (255 * deviation) for deviation in IMAGENET_STD],
        offset=[-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)],
        dtype=_FULL,
        name="normalise",
    )(image)
    backbone = keras.applications.DenseNet121(include_top=False, weights=None, input_tensor=normalised)
    pooled = {
        tap: keras.layers.GlobalAveragePooling2D(dtype=_FULL, name=tap + _POOLED)(
            backbone.get_layer(tap).output
        )
        for tap in tapped_layers(model)
    }
    x = _hidden(pooled, model) if model.head == "branches" else _joined(list(pooled.values()), "pooled")
    return keras.Model(image, _answer(x, model, classes, benign), name="breakhis")


def _hidden(pooled: dict[str, keras.KerasTensor], model: ModelConfig) -> keras.KerasTensor:
    """From pooled tap vectors {tap: (B, channels)} through the branches and the dense layers."""
    layers = keras.layers
    momentum = model.batch_norm_momentum
    branches = []
    for tap, vector in pooled.items():
        x = layers.UnitNormalization(dtype=_FULL, name=f"{tap}_unit")(vector)
        x = layers.Dense(model.branch_units, "relu", dtype=_FULL, name=f"{tap}_dense")(x)
        branches.append(layers.BatchNormalization(momentum=momentum, dtype=_FULL, name=f"{tap}_bn")(x))
    x = _joined(branches, "branches")
    for number, units in enumerate(model.dense_units, start=1):
        x = layers.Dense(units, "relu", dtype=_FULL, name=f"head{number}_dense")(x)
        x = layers.BatchNormalization(momentum=momentum, dtype=_FULL, name=f"head{number}_bn")(x)
        x = layers.Dropout(model.dropout, dtype=_FULL, name=f"head{number}_dropout")(x)
    return x


def _joined(vectors: list[keras.KerasTensor], name: str) -> keras.KerasTensor:
    return keras.layers.Concatenate(dtype=_FULL, name=name)(vectors) if len(vectors) > 1 else vectors[0]


def _answer(x: keras.KerasTensor, model: ModelConfig, classes: int, benign: int) -> keras.KerasTensor:
    """Probabilities (B, classes) of a vector (B, width)."""
    layers = keras.layers
    flat = layers.Dense(classes, "softmax", dtype=_FULL, name="probabilities")(x)
    if not model.hierarchy:
        return flat
    malignant = layers.Dense(1, "sigmoid", dtype=_FULL, name="malignancy")(x)
    groups = (
        ("benign", benign, layers.Rescaling(-1.0, offset=1.0, dtype=_FULL, name="benignity")(malignant)),
        ("malignant", classes - benign, malignant),
    )
    parts = [
        layers.Multiply(dtype=_FULL, name=f"{name}_share")(
            [share, layers.Dense(units, "softmax", dtype=_FULL, name=name)(x)]
        )
        for name, units, share in groups
    ]
    nested = layers.Concatenate(dtype=_FULL, name="nested")(parts)
    mixed = [
        layers.Rescaling(1 - model.hierarchy, dtype=_FULL, name="flat_part")(flat),
        layers.Rescaling(model.hierarchy, dtype=_FULL, name="nested_part")(nested),
    ]
    return layers.Add(dtype=_FULL, name="mixed")(mixed)


def tap_model(network: keras.Model) -> keras.Model:
    """Images as for `network` -> {tap: pooled float32 (B, channels)}; layers are shared with `network`."""
    return keras.Model(network.input, pooled_taps(network), name="taps")


def head_model(network: keras.Model) -> keras.Model:
    """{tap: pooled (B, channels)} -> probabilities (B, C); training it trains the layers of `network`."""
    return _part(pooled_taps(network), network.output, name="head")


@dataclass(frozen=True)
class Halves:
    """A network in two parts that share its layers: `upper(lower(images))` equals the network.

    Attributes:
        lower: Images -> {"cut": activation (B, h, w, channels), and tap: pooled (B, channels) for each tap
            that lies at or below the cut}.
        upper: The lower part's outputs -> probabilities (B, C).
    """

    lower: keras.Model
    upper: keras.Model


def split_network(network: keras.Model, cut: str) -> Halves:
    """Divide a network behind the backbone layer `cut`, e.g. "pool4_pool".

    Raises:
        ConfigError: The network has no such layer, or no tap lies above it.
    """
    names = [layer.name for layer in network.layers]
    pooled = pooled_taps(network)
    top = list(pooled)[-1]
    if cut not in names or names.index(cut) >= names.index(top):
        raise ConfigError(
            f"a cut below the highest tap, {top}",
            found=repr(cut),
            fix="name a lower layer in fit.cut, such as pool4_pool",
        )
    below = {tap: vector for tap, vector in pooled.items() if names.index(tap) <= names.index(cut)}
    middle = {"cut": network.get_layer(cut).output, **below}
    lower = keras.Model(network.input, middle, name="lower")
    return Halves(lower=lower, upper=_part(middle, network.output, name="upper"))


def backbone_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers of DenseNet121 in `network`, bottom up: neither the normalisation nor the head."""
    head = {layer.name for layer in keras.Model(list(pooled_taps(network).values()), network.output).layers}
    pools = {tap + _POOLED for tap in pooled_taps(network)}
    return [layer for layer in network.layers if layer.name not in head | pools | {"image", "normalise"}]


def pooled_taps(network: keras.Model) -> dict[str, keras.KerasTensor]:
    """{tap: its pooled tensor}, from the bottom up."""
    names = [layer.name for layer in network.layers]
    taps = [name.removesuffix(_POOLED) for name in names if name.endswith(_POOLED)]
    return {tap: network.get_layer(tap + _POOLED).output for tap in sorted(taps, key=names.index)}


def _part(tensors: dict[str, keras.KerasTensor], output: keras.KerasTensor, *, name: str) -> keras.Model:
    """The sub-network from some inner tensors to `output`, with inputs named by the keys of `tensors`."""
    inner = keras.Model(list(tensors.values()), output)
    inputs = {
        key: keras.Input(tensor.shape[1:], name=key, dtype=tensor.dtype) for key, tensor in tensors.items()
    }
    return keras.Model(inputs, inner(list(inputs.values())), name=name)
