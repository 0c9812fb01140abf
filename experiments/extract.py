"""Pool every tap of the frozen ImageNet network over every view of every image; keep cuts of some views.

Usage: python -m experiments.extract [VIEW ...]        (all by default; what is there is kept)
"""

import os
import sys
from functools import cache

import numpy as np

from breakhis.config import ModelConfig
from breakhis.engine import Engine
from breakhis.files import atomic_file
from breakhis.model.network import build_network
from breakhis.model.weights import Weights, get_weights, load_backbone
from experiments.data import (
    CACHE,
    CUT_VIEWS,
    CUTS,
    SHARED,
    SIZE,
    TURNS,
    VIEWS,
    Floats,
    cut_file,
    load,
    view_images,
)

TAPS = {
    "c2": ("conv2_block6_concat", "pool2_bn"),
    "c3m": ("conv3_block6_concat", "conv3_block7_0_bn"),
    "c3": ("conv3_block12_concat", "pool3_bn"),
    "c4m": ("conv4_block12_concat", "conv4_block13_0_bn"),
    "c4": ("conv4_block24_concat", "pool4_bn"),
    "c5m": ("conv5_block8_concat", "conv5_block9_0_bn"),
    "c5": ("conv5_block16_concat", "bn"),
}
"""Short name: the layer, and the batch normalisation that follows it."""

_CHUNK = 32
_EPSILON = 1.001e-5


@cache
def network_weights(model: ModelConfig) -> Weights:
    """ImageNet's weights, of all layers, below a head that is not used."""
    network = build_network(model, size=SIZE, classes=8)
    load_backbone(network, str(SHARED / "weights" / "densenet121_imagenet_notop.weights.h5"))
    weights = get_weights(network)
    full = build_network(ModelConfig(head="plain"), size=SIZE, classes=8)
    load_backbone(full, str(SHARED / "weights" / "densenet121_imagenet_notop.weights.h5"))
    return {**get_weights(full), **weights}


def taps_of(view: str) -> dict[str, tuple[str, str]]:
    """All taps of the first four turns; of the other views only the one that leads."""
    return TAPS if view in TURNS else {"c3": TAPS["c3"]}


def cuts_of(view: str) -> tuple[str, ...]:
    """Layers whose whole activations are kept."""
    return CUTS if view in CUT_VIEWS else ()


def activate(maps: Floats, weights: Weights, name: str) -> Floats:
    """What the next layer sees: batch normalisation by moving statistics, then ReLU."""
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(_EPSILON))
    return np.asarray(np.maximum(maps * scale + (beta - mean * scale), 0))


def pool(engine: Engine, weights: Weights, view: str) -> dict[str, Floats]:
    """{"tap:pooling": (N, channels)} of one view; the first also keeps 14 x 14 local means of c2 and c3.

    Activations (N, h, w, channels) float16 at a cut stand under its own name.
    """
    parts: list[dict[str, Floats]] = []
    count = len(load().labels)
    for start in range(0, count, _CHUNK):
        images = view_images(view, np.arange(start, min(count, start + _CHUNK)))
        maps = engine.maps(images).maps
        found: dict[str, Floats] = {cut: maps[cut].astype(np.float16) for cut in cuts_of(view)}
        for tap, (layer, norm) in taps_of(view).items():
            active = activate(maps[layer], weights, norm)
            found[f"{tap}:raw"] = maps[layer].mean(axis=(1, 2))
            found[f"{tap}:act"] = active.mean(axis=(1, 2))
            found[f"{tap}:std"] = active.std(axis=(1, 2))
            if view == "flip0" and tap in ("c2", "c3"):
                n, side, _, channels = active.shape
                step = side // 14
                local = active.reshape(n, 14, step, 14, step, channels).mean(axis=(2, 4))
                found[f"{tap}:local"] = local.reshape(n, 196, channels).astype(np.float16)
        parts.append(found)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def main() -> None:
    """Extract those of the named views, or of all, that are missing."""
    views = [view for view in sys.argv[1:] or VIEWS if not (CACHE / f"{view}.npz").exists()]
    for view in views:
        layers = (*(layer for layer, _ in taps_of(view).values()), *cuts_of(view))
        model = ModelConfig(taps=layers)
        weights = network_weights(model)
        engine = Engine(model, weights, size=SIZE)
        found = pool(engine, weights, view)
        for cut in cuts_of(view):
            with atomic_file(cut_file(cut, view)) as temporary, temporary.open("wb") as stream:
                np.save(stream, found.pop(cut))
        with atomic_file(CACHE / f"{view}.npz") as temporary, temporary.open("wb") as stream:
            np.savez(stream, **found)  # type: ignore[arg-type]
        print(view, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
