"""Images: preparing them, and augmented epochs of them."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from breakhis.bench.peers.keras_notebook import count, image_batches
from breakhis.bench.report import Bar, Found, Row
from breakhis.bench.subject import Subject
from breakhis.bench.timing import alternate
from breakhis.config import AugmentConfig
from breakhis.images.batches import BatchOptions, Samples, make_batches
from breakhis.images.store import prepare


def store(subject: Subject) -> Found:
    """The store against OpenCV alone: read and resize on as many threads, nothing checked, nothing kept."""
    catalog = subject.catalog.select(subject.catalog.widths == subject.catalog.widths.max())
    paths, size = catalog.files(), subject.size

    def bare(path: Path) -> None:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)

    def peer(_: int) -> int:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return sum(1 for _ in pool.map(bare, paths))

    def ours(_: int) -> int:
        with tempfile.TemporaryDirectory(dir=subject.folder) as folder:
            return len(prepare(catalog, size=size, folder=Path(folder)))

    timings = alternate({"ours": ours, "peer": peer}, rounds=subject.rounds(7))
    side = int(catalog.widths[0]), int(catalog.heights[0])
    what = (
        f"preparing the store, {len(catalog)} images of {side[0]} x {side[1]} / bare OpenCV decode and resize"
    )
    both = (timings["ours"], timings["peer"])
    return [
        Row.of_rates(what, both, bar=Bar(0.75, 0.95), per_core=True),
        Row.of_rates(f"{what}, wall", both),
    ], ""


def samples_of(subject: Subject) -> Samples:
    """The prepared images with made-up answers."""
    labels = np.arange(len(subject.store)) % 8
    return Samples(subject.store, np.eye(8, dtype=np.float32)[labels], np.ones(len(labels), np.float32))


def augmented_epoch(samples: Samples, number: int, *, batch: int) -> int:
    """One epoch, consumed; how many images it had."""
    options = BatchOptions(batch_size=batch, epoch=number, augment=AugmentConfig())
    return count_batches(samples, options)


def count_batches(samples: Samples, options: BatchOptions) -> int:
    """Consume a pass over all samples."""
    rows = np.arange(len(samples.weights))
    return sum(int(batch[0].shape[0]) for batch in make_batches(samples, rows, options))


def pipeline(subject: Subject) -> Found:
    """An augmented epoch after the first, and the notebook's way three times over."""
    samples, size, batch = samples_of(subject), subject.size, subject.batch

    def ours(number: int) -> int:
        return augmented_epoch(samples, number, batch=batch)

    peers = {
        "augmented": image_batches(
            subject.catalog.root, size=size, batch=batch, augmented=True, cached=False
        ),
        "augmented and cached in memory": image_batches(
            subject.catalog.root, size=size, batch=batch, augmented=True, cached=True
        ),
        "not augmented": image_batches(
            subject.catalog.root, size=size, batch=batch, augmented=False, cached=False
        ),
    }
    jobs = {name: lambda _, images=images: count(images) for name, images in peers.items()}
    timings = alternate({"ours": ours, **jobs}, rounds=subject.rounds(3))
    rows = []
    for name in peers:
        what = f"second-epoch input pipeline, augmented / `image_dataset_from_directory`, {name}"
        bar = Bar(5, 10) if name == "augmented" else None
        rows.append(Row.of_rates(what, (timings["ours"], timings[name]), bar=bar))
    return rows, ""
