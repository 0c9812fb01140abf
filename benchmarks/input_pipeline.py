"""How fast images become batches, next to what a user would write in plain OpenCV and Keras.

    python benchmarks/input_pipeline.py DATA [--json]

Each pair runs in turns in one process, on the same files, several times; rates are medians, in images a
second of wall time and of processor time (a core's worth), which a busy machine disturbs less. Memory is the
largest resident size of a fresh process that makes one augmented epoch.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import keras
import numpy as np
import tensorflow as tf

from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.config import AugmentConfig
from breakhis.images.batches import BatchOptions, Samples, make_batches
from breakhis.images.store import Store, prepare

SIZE = 224
BATCH = 32
ROUNDS = 5

Job = Callable[[int], int]
"""Does its work for a round (0, 1, ...) and returns how many images it handled."""


def compare(ours: Job, peer: Job, *, rounds: int = ROUNDS) -> dict[str, float]:
    """Median rates of both, after an untimed round each, and their ratios."""
    rates: dict[str, list[tuple[float, float]]] = {"ours": [], "peer": []}
    for turn in range(rounds + 1):
        for name, job in (("ours", ours), ("peer", peer)):
            wall, processor = time.perf_counter(), time.process_time()
            count = job(turn)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            if turn:
                rates[name].append((count / wall, count / processor))
    ours_wall, ours_core = (statistics.median(rate) for rate in zip(*rates["ours"], strict=True))
    peer_wall, peer_core = (statistics.median(rate) for rate in zip(*rates["peer"], strict=True))
    return {
        "ours": ours_wall,
        "peer": peer_wall,
        "ratio": ours_wall / peer_wall,
        "ours_per_core": ours_core,
        "peer_per_core": peer_core,
        "ratio_per_core": ours_core / peer_core,
    }


def preparing(catalog: Catalog) -> dict[str, float]:
    """The store against OpenCV alone: read and resize on as many threads, nothing checked, nothing kept."""
    native = catalog.select(catalog.widths == catalog.widths.max())
    files = native.files()

    def bare(path: Path) -> None:
        cv2.resize(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    def peer(_: int) -> int:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return sum(1 for _ in pool.map(bare, files))

    def ours(_: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            return len(prepare(native, size=SIZE, folder=Path(folder)))

    return compare(ours, peer)


def samples_of(store: Store) -> Samples:
    one_hot = np.eye(8, dtype=np.float32)[np.arange(len(store)) % 8]
    return Samples(store, one_hot, np.ones(len(store), np.float32))


def epoch(samples: Samples, number: int) -> int:
    """One augmented epoch, consumed."""
    options = BatchOptions(batch_size=BATCH, epoch=number, augment=AugmentConfig())
    rows = np.arange(len(samples.weights))
    return sum(int(batch[0].shape[0]) for batch in make_batches(samples, rows, options))


def keras_epochs(data: Path, *, augmented: bool, cached: bool) -> Job:
    """`image_dataset_from_directory` and Rescaling, with the augmentation that Keras has layers for."""
    layers = keras.layers
    change = keras.Sequential(
        [
            layers.RandomFlip("horizontal_and_vertical"),
            layers.RandomRotation(0.25, fill_mode="reflect"),
            layers.RandomZoom(0.1, fill_mode="reflect"),
            layers.RandomTranslation(0.05, 0.05, fill_mode="reflect"),
            layers.RandomBrightness(0.05),
            layers.RandomContrast(0.1),
        ]
    )
    rescale = layers.Rescaling(1 / 255)
    images = keras.utils.image_dataset_from_directory(
        data, labels=None, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
    )
    if cached:
        images = images.cache()
    if augmented:
        images = images.map(lambda batch: change(batch, training=True), num_parallel_calls=tf.data.AUTOTUNE)
    images = images.map(rescale, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return lambda _: sum(int(batch.shape[0]) for batch in images)


def training_steps() -> Job:
    """Bare Keras steps of the whole DenseNet121 on images in memory."""
    inputs = keras.Input((SIZE, SIZE, 3))
    backbone = keras.applications.DenseNet121(include_top=False, weights=None, pooling="avg")
    network = keras.Model(inputs, keras.layers.Dense(8, activation="softmax")(backbone(inputs)))
    network.compile(keras.optimizers.Adam(1e-4), "categorical_crossentropy", jit_compile=False)
    images, answers = np.zeros((BATCH, SIZE, SIZE, 3), np.float32), np.eye(8, dtype=np.float32)[[0] * BATCH]

    def step(_: int) -> int:
        network.train_on_batch(images, answers)
        return BATCH

    return step


def peak_memory(images: int) -> float:
    """Largest resident size in MB of a fresh process that makes one augmented epoch of `images`."""
    command = [sys.executable, __file__, ".", "--memory-of", str(images)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def make_epoch_of_zeros(images: int) -> float:
    """Make one epoch from a store of that many empty images; its file is a hole that takes no disk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        with path.open("wb") as stream:
            shape = (images, SIZE, SIZE, 3)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            stream.truncate(stream.tell() + images * SIZE * SIZE * 3)
        epoch(samples_of(Store.open(Path(folder))), 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(data: Path) -> dict[str, dict[str, float]]:
    """Every comparison, by name."""
    # Memory first: a process's peak counts that of the process which starts it.
    few, many = peak_memory(1_000), peak_memory(20_000)
    results = {"peak MB of an epoch, 20,000 images / 1,000": {"ours": many, "peer": few, "ratio": many / few}}
    catalog = scan(data, skip_bad=True)
    results["preparing the store / bare OpenCV"] = preparing(catalog)
    with tempfile.TemporaryDirectory() as folder:
        samples = samples_of(prepare(catalog, size=SIZE, folder=Path(folder)))

        def ours(number: int) -> int:
            return epoch(samples, number)

        peers = {
            "augmented epoch / Keras, augmented": keras_epochs(data, augmented=True, cached=False),
            "augmented epoch / Keras, augmented and cached in memory": keras_epochs(
                data, augmented=True, cached=True
            ),
            "augmented epoch / Keras, not augmented": keras_epochs(data, augmented=False, cached=False),
        }
        for name, peer in peers.items():
            results[name] = compare(ours, peer, rounds=3)
        results["augmented epoch / DenseNet121 training step"] = compare(ours, training_steps(), rounds=2)
    return results


def table(results: dict[str, dict[str, float]]) -> str:
    lines = ["| what | ours | peer | ratio | a core: ours | peer | ratio |", "|---|---|---|---|---|---|---|"]
    for name, row in results.items():
        wall = f"{row['ours']:.0f} | {row['peer']:.0f} | {row['ratio']:.2f}"
        core = "| | "
        if "ratio_per_core" in row:
            core = f"{row['ours_per_core']:.0f} | {row['peer_per_core']:.0f} | {row['ratio_per_core']:.2f}"
        lines.append(f"| {name} | {wall} | {core} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder of BreaKHis images")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        print(make_epoch_of_zeros(options.memory_of))
        return
    results = measure(options.data)
    print(json.dumps(results, indent=2) if options.json else table(results))


if __name__ == "__main__":
    main()
