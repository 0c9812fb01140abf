"""Pictures that installed packages ship, none of them H&E: photographs, drawings, texts, another stain."""

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage.data
import sklearn.datasets
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_SKIMAGE = (
    *("astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "colorwheel", "grass"),
    *("gravel", "horse", "hubble_deep_field", "immunohistochemistry", "logo", "microaneurysms", "moon"),
    *("page", "retina", "rocket", "shepp_logan_phantom", "text"),
)
_MATPLOTLIB = ("grace_hopper.jpg", "logo2.png", "Minduka_Present_Blue_Pack.png")


def sample_pictures() -> dict[str, Picture]:
    """All of them as (H, W, 3) uint8 RGB, by name."""
    found = {f"skimage {name}": _rgb(getattr(skimage.data, name)()) for name in _SKIMAGE}
    found["skimage motorcycle"] = _rgb(skimage.data.stereo_motorcycle()[0])
    found["skimage lfw_subset"] = _rgb(skimage.data.lfw_subset()[0])
    photographs = sklearn.datasets.load_sample_images()
    for file, picture in zip(photographs.filenames, photographs.images, strict=True):
        found[f"sklearn {Path(file).stem}"] = _rgb(picture)
    folder = Path(matplotlib.get_data_path()) / "sample_data"
    for name in _MATPLOTLIB:
        read = cv2.imread(str(folder / name), cv2.IMREAD_COLOR_RGB)
        found[f"matplotlib {Path(name).stem}"] = _rgb(np.asarray(read))
    return found


def _rgb(picture: NDArray[np.generic]) -> Picture:
    values = np.asarray(picture)
    if values.dtype != np.uint8:
        values = (np.clip(values.astype(np.float64), 0, 1) * 255).astype(np.uint8)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    return np.ascontiguousarray(values[..., :3])
