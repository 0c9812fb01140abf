"""What every experiment reads: catalog, prepared images, folds by case, and pooled features of many views."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.config import SplitConfig
from breakhis.files import cache_folder
from breakhis.images.decode import read_image
from breakhis.images.stain import jitter_stain
from breakhis.images.store import Store, prepare
from breakhis.splits import Split
from breakhis.splits.make import make_folds

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

SHARED = Path(os.environ.get("BREAKHIS_SHARED", Path(__file__).parents[2] / "shared"))
CACHE = Path(os.environ.get("RECIPE_CACHE") or cache_folder() / "recipe")
SIZE = 224
FOLDS = 5
TURNS = ("flip0", "flip1", "flip2", "flip3")
FLIPS = tuple(f"flip{number}" for number in range(8))
VIEWS = (*FLIPS, *(f"stain{n}" for n in range(2)), *(f"crop{n}" for n in (0, 3, 4)), "zoom", "small", "grey")
"""Flips and turns, strong stain jitter, 0.6 crops of the original file, magnified, reduced, no colour."""
CUTS = ("pool3_pool", "pool4_pool")
CUT_VIEWS = (*TURNS, "stain0", "stain1", "zoom", "small")
"""Layers whose whole activations are kept, of these views, so that what lies above can be trained."""

_MAGNIFIED, _REDUCED, _CROP = 1.4, 0.7, 0.6


@dataclass(frozen=True, eq=False)
class Data:
    """The catalog without the excluded case, and its prepared images by the same rows."""

    catalog: Catalog
    store: Store
    rows: Ints

    @property
    def labels(self) -> Ints:
        """(N,)."""
        return self.catalog.labels

    @property
    def cases(self) -> NDArray[np.str_]:
        """(N,)."""
        return self.catalog.cases


@cache
def load() -> Data:
    """The 759 shared images of 43 cases."""
    whole = scan(SHARED / "data" / "BreaKHis_v1")
    rows = np.flatnonzero(whole.cases != "14-13412")
    return Data(whole.select(rows), prepare(whole, size=SIZE), rows)


@cache
def folds(seed: int, unit: str = "case") -> tuple[tuple[Ints, Ints], ...]:
    """(training, test) rows of every fold; training holds what the product sets aside for validation."""
    catalog = load().catalog
    config = SplitConfig.model_validate({"by": unit})
    split: Split = make_folds(catalog, config, folds=FOLDS, seed=seed)
    return tuple(
        (
            np.sort(
                np.concatenate([split.indices("train", fold=fold), split.indices("validation", fold=fold)])
            ),
            split.indices("test", fold=fold),
        )
        for fold in range(FOLDS)
    )


def view_images(view: str, rows: Ints) -> Floats:
    """(n, SIZE, SIZE, 3) float32 RGB 0-255 of some rows, as `view` shows them."""
    kind, number = view.rstrip("0123456789"), int(view.lstrip("abcdefghijklmnopqrstuvwxyz") or 0)
    if kind == "crop":
        return np.stack([_crop(load().catalog.files()[row], number) for row in rows])
    images = load().store.read(load().rows[rows]).astype(np.float32)
    makers: dict[str, Callable[[Floats], Floats]] = {
        "flip": lambda x: _turn(x, number),
        "stain": lambda x: _stain(x, number),
        "zoom": lambda x: _rescale(x, _MAGNIFIED),
        "small": lambda x: _rescale(x, _REDUCED),
        "grey": lambda x: np.repeat(x @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=-1),
    }
    return np.ascontiguousarray(makers[kind](images))


def _turn(images: Floats, number: int) -> Floats:
    turned = np.rot90(images, number % 4, axes=(1, 2))
    return turned[:, :, ::-1] if number >= 4 else turned


def _stain(images: Floats, number: int) -> Floats:
    rng = np.random.default_rng(number)
    shape = (len(images), 2)
    scale = rng.uniform(0.7, 1.3, shape).astype(np.float32)
    return jitter_stain(images, scale, rng.uniform(-0.05, 0.05, shape).astype(np.float32))


def _rescale(images: Floats, factor: float) -> Floats:
    """Magnify the centre, or reduce and continue by reflection; the size stays."""
    import cv2

    centre = SIZE / 2 * (1 - factor)
    matrix = np.array([[factor, 0, centre], [0, factor, centre]], np.float32)
    return np.stack(
        [
            cv2.warpAffine(x, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            for x in images
        ]
    )


def _crop(path: Path, number: int) -> Floats:
    import cv2

    image = read_image(path)
    height, width = (round(side * _CROP) for side in image.shape[:2])
    top, left = image.shape[0] - height, image.shape[1] - width
    corner = ((0, 0), (0, left), (top, 0), (top, left), (top // 2, left // 2))[number]
    cut = image[corner[0] : corner[0] + height, corner[1] : corner[1] + width]
    method = cv2.INTER_AREA if width >= SIZE and height >= SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (SIZE, SIZE), interpolation=method), np.float32)


@cache
def features(tap: str, pooling: str = "act", views: tuple[str, ...] = FLIPS) -> Floats:
    """(N, channels): the mean over `views` of a tap's pooled features (act, raw or std)."""
    return np.asarray(np.mean([_read(view)[f"{tap}:{pooling}"] for view in views], axis=0))


def cut_file(cut: str, view: str) -> Path:
    """Activations (N, h, w, channels) float16 at a cut, `.npy`."""
    return CACHE / f"{cut}-{view}.npy"


@cache
def _read(view: str) -> dict[str, Floats]:
    with np.load(CACHE / f"{view}.npz") as file:
        return {name: file[name] for name in file.files}
