"""A small catalog of real files for the tests of images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from breakhis.catalog import Catalog
from breakhis.taxonomy import BREAKHIS


def make_catalog(root: Path, count: int = 12) -> Catalog:
    """`count` PNG files of random pixels and two shapes below `root`, and their catalog."""
    root.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(count)
    names = [f"image-{row:03d}.png" for row in range(count)]
    for row, name in enumerate(names):
        shape = (46, 70, 3) if row % 2 else (48, 48, 3)
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(root / name)
    return Catalog(
        root=root,
        paths=np.array(names),
        labels=np.arange(count) % len(BREAKHIS),
        magnifications=np.full(count, 40),
        patients=np.array([f"p{row % 5}" for row in range(count)]),
        cases=np.array([f"c{row % 4}" for row in range(count)]),
        widths=np.zeros(count, np.int64),
        heights=np.zeros(count, np.int64),
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Twelve readable images."""
    return make_catalog(tmp_path / "data")


@pytest.fixture
def catalog_of() -> Callable[[Path, int], Catalog]:
    """The maker of such catalogs."""
    return make_catalog
