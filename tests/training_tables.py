"""Small jobs for the tests of training: coloured squares, a network of random weights, a silent listener."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from breakhis.catalog.scan import scan
from breakhis.config import TrainConfig, load_config
from breakhis.images.store import prepare
from breakhis.splits import make_split
from breakhis.training.fit import Job


class Silent:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)

    def stage(self, label: str) -> Callable[[int, int], None]:
        return lambda done, total: None

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        pass

    def epoch_done(self, row: dict[str, Any], *, epochs: int) -> None:
        self.rows.append(row)


def write_squares(folder: Path, *, size: int = 40, per_case: int = 2) -> None:
    """Four cases of each of two subtypes, which differ in colour: fibroadenoma and ductal carcinoma."""
    generator = np.random.default_rng(0)
    for code, group, tint in (("F", "B", (200, 120, 200)), ("DC", "M", (120, 60, 160))):
        for case in range(4):
            for sequence in range(per_case):
                number = 1000 + case + (50 if code == "DC" else 0)
                name = f"SOB_{group}_{code}-14-{number}-100-{sequence:03d}.png"
                image = np.clip(tint + generator.normal(0, 20, (size, size, 3)), 0, 255)
                folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / name), image.astype(np.uint8))


def small_config(strategy: str, **overrides: Any) -> TrainConfig:
    """A configuration that trains in seconds."""
    return load_config(
        "frozen",
        overrides={
            "images.size": 32,
            "model.weights": "none",
            "model.branch_units": 8,
            "model.dense_units": [8],
            "fit.strategy": strategy,
            "fit.views": 2,
            "fit.epochs": 3,
            "fit.upper_epochs": 2,
            "fit.batch_size": 4,
            "fit.precision": "float32",
            "split.test": 0.25,
            "split.validation": 0.25,
            **overrides,
        },
    )


def small_job(folder: Path, config: TrainConfig) -> Job:
    """A job on `write_squares`."""
    if not folder.exists():
        write_squares(folder)
    catalog = scan(folder)
    split = make_split(catalog, config.split, seed=config.seed)
    return Job(catalog, prepare(catalog, size=config.images.size), split, config)
