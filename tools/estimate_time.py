"""Estimate how long a recipe takes on the whole of BreaKHis, from images per second measured here and now.

Usage: python tools/estimate_time.py DATA [--recipe linear] [--weights none]
"""

import argparse
import itertools
import time
from pathlib import Path

import numpy as np

from breakhis.catalog.official import official_images
from breakhis.catalog.scan import find_images
from breakhis.config import load_config
from breakhis.engine import Engine
from breakhis.images.decode import decode
from breakhis.model.network import build_network
from breakhis.model.weights import get_weights, load_backbone

IMAGES, PASSES = 32, 3


def main() -> None:
    """Time the part of the network below the taps, and multiply."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="linear")
    parser.add_argument("--weights", default="none", help="they do not change the time")
    given = parser.parse_args()
    config = load_config(given.recipe, overrides={"model.weights": given.weights})
    size = config.images.size
    files = [given.data / path for path in itertools.islice(sorted(find_images(given.data)), IMAGES)]
    images = np.stack([decode(file, size=size) for file in files])
    network = build_network(config.model, size=size, classes=8, benign=4)
    load_backbone(network, given.weights)
    engine = Engine(config.model, get_weights(network), size=size)
    engine.taps(images)
    times = []
    for _ in range(PASSES):
        started = time.perf_counter()
        engine.taps(images)
        times.append(time.perf_counter() - started)
    rate = len(images) / float(np.median(times))
    total = len(official_images())
    views = config.model.test_views if config.fit.strategy == "linear" else config.fit.views
    print(
        f"{rate:.1f} images/s up to {', '.join(config.model.taps)} at {size} px; {views} views of "
        f"{total:,} images: {views * total / rate / 60:.0f} min for the features of recipe {config.recipe}"
    )


if __name__ == "__main__":
    main()
