"""Synthetic H&E pictures: an architecture by subtype, seen under the stain and light of one case.

Stains add up as optical densities (Beer-Lambert), as in Ruifrok and Johnston, Analytical and Quantitative
Cytology and Histology 23(4), 2001.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.canvas import Canvas
from breakhis.catalog.patterns import PATTERNS
from breakhis.taxonomy import BREAKHIS

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]

_HAEMATOXYLIN: Final = (0.65, 0.70, 0.29)
_EOSIN: Final = (0.09, 0.95, 0.30)
_ZOOM: Final = {40: 0.7, 100: 1.0, 200: 1.45, 400: 2.1}
"""Size of structures by magnification: milder than the optics, so that a gland still fits a small picture."""
_BASE_WIDTH: Final = 350


@dataclass(frozen=True)
class Look:
    """What all pictures of one case share whatever they show: the shortcut that a split by image rewards.

    Attributes:
        haematoxylin, eosin: (3,) optical density of one unit of stain in red, green and blue.
        light: (3,) intensity of empty glass, 0-1.
        fibre: Length over width of stromal fibres.
        nucleus: Factor on nuclear density.
        sharpness: Standard deviation of the blur, in units.
        grain: Standard deviation of the camera's noise, 0-255.
        growth: Factor on the size of all structures.
        mimicry: Share of the area that looks like another subtype of the same group.
        mimic: 0-1, which one that is.
    """

    haematoxylin: Field
    eosin: Field
    light: Field
    fibre: float
    nucleus: float
    sharpness: float
    grain: float
    growth: float
    mimicry: float
    mimic: float


def draw_look(rng: np.random.Generator) -> Look:
    """A look at random: staining protocol, lamp and focus as they vary between cases."""

    def stain(vector: tuple[float, ...], strength: float) -> Field:
        bent = np.array(vector) * np.exp(rng.normal(0, 0.16, 3)) + rng.uniform(0, 0.06, 3)
        return np.asarray(strength * bent / np.linalg.norm(bent), np.float32)

    return Look(
        haematoxylin=stain(_HAEMATOXYLIN, rng.uniform(1.1, 1.9)),
        eosin=stain(_EOSIN, rng.uniform(0.45, 1.1)),
        light=np.asarray(rng.uniform(0.86, 0.98) * (1 - rng.uniform(0, 0.09, 3)), np.float32),
        fibre=rng.uniform(2.5, 9),
        nucleus=rng.uniform(0.75, 1.15),
        sharpness=rng.uniform(0.35, 0.9),
        grain=rng.uniform(1.5, 5.0),
        growth=float(np.exp(rng.normal(0, 0.2))),
        mimicry=rng.uniform(0.05, 0.6),
        mimic=rng.random(),
    )


def paint(
    code: str, look: Look, *, size: tuple[int, int], magnification: int, rng: np.random.Generator
) -> Picture:
    """One picture, (H, W, 3) uint8 RGB.

    Args:
        code: Subtype, which decides the architecture.
        look: The case's stain and light.
        size: Width and height in pixels.
        magnification: 40, 100, 200 or 400.
        rng: Every random choice of this picture.
    """
    width, height = size
    scale = width / _BASE_WIDTH
    canvas = _grow(code, look, size=size, unit=scale * look.growth * _ZOOM[magnification], rng=rng)
    haematoxylin, eosin = _densities(canvas, look)
    density = haematoxylin[..., None] * look.haematoxylin + eosin[..., None] * look.eosin
    picture = look.light * np.exp(-density) * (255 * _vignette(width, height, rng))[..., None]
    picture = cv2.GaussianBlur(picture, (0, 0), look.sharpness * scale)
    picture += np.float32(look.grain) * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.asarray(np.clip(np.round(picture), 0, 255), np.uint8)


def _grow(code: str, look: Look, *, size: tuple[int, int], unit: float, rng: np.random.Generator) -> Canvas:
    """The subtype's architecture, and in a part of the picture that of the subtype it mimics."""
    malignant = BREAKHIS.malignant[BREAKHIS.label(code)]
    group = [other for other in BREAKHIS.codes if BREAKHIS.malignant[BREAKHIS.label(other)] == malignant]
    group.remove(code)
    ground = _noise(size, 90 * unit, rng)
    strange = ground < np.quantile(ground, look.mimicry)
    canvas, other = (Canvas(window, unit=unit, rng=rng) for window in (~strange, strange))
    PATTERNS[code](canvas)
    PATTERNS[group[int(look.mimic * len(group))]](other)
    for part in (canvas, other):
        part.draw_nuclei()
    canvas.merge(other)
    return canvas


def _densities(canvas: Canvas, look: Look) -> tuple[Field, Field]:
    """Haematoxylin and eosin, (H, W) each, about 0 to 1."""
    size, unit, rng = (canvas.width, canvas.height), canvas.unit, canvas.rng
    soft = max(0.6, 0.9 * unit)
    lumen, mucin, cells = (
        cv2.GaussianBlur(layer, (0, 0), soft).astype(np.float32) / 255
        for layer in (canvas.lumen, canvas.mucin, canvas.epithelium)
    )
    nuclei = cv2.GaussianBlur(canvas.nuclei, (0, 0), 0.5 * soft).astype(np.float32) / 255
    cells *= 1 - lumen
    mucin *= 1 - cells
    stroma = (1 - lumen) * (1 - mucin) * (1 - cells)
    fibres = _fibres(canvas, look.fibre)
    mottle, cloud = _noise(size, 1.6 * unit, rng), _noise(size, 45 * unit, rng)
    unevenness = 1 + 0.12 * cloud
    eosin = stroma * (0.62 + 0.17 * fibres) + cells * (0.5 + 0.1 * mottle) + mucin * (0.06 + 0.03 * fibres)
    haematoxylin = (
        0.04 * stroma + cells * (0.13 + 0.05 * mottle) + mucin * (0.13 + 0.06 * cloud + 0.03 * fibres)
    )
    haematoxylin += look.nucleus * nuclei * (0.85 + 0.22 * mottle)
    eosin *= 1 - 0.6 * nuclei
    return np.maximum(haematoxylin * unevenness, 0), np.maximum(eosin * unevenness, 0)


def _noise(size: tuple[int, int], grain: float, rng: np.random.Generator) -> Field:
    """Smooth noise, (H, W), of about unit variance; `grain` is its length in pixels."""
    step = max(1.0, grain)
    shape = (int(size[1] / step) + 3, int(size[0] / step) + 3)
    coarse = rng.standard_normal(shape, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))


def _fibres(canvas: Canvas, stretch: float) -> Field:
    """Wavy parallel streaks, (H, W), of about unit variance."""
    side = int(np.hypot(canvas.width, canvas.height)) + 1
    noise = canvas.rng.standard_normal((side, side), dtype=np.float32)
    thickness = max(0.7, 1.1 * canvas.unit)
    streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=thickness * stretch, sigmaY=thickness)
    streaks /= streaks.std()
    y, x = np.mgrid[: canvas.height, : canvas.width].astype(np.float32)
    turn = canvas.rng.uniform(0, np.pi)
    wave = 3 * canvas.unit * _noise((canvas.width, canvas.height), 30 * canvas.unit, canvas.rng)
    x, y = x - canvas.width / 2, y - canvas.height / 2
    across = np.cos(turn) * x + np.sin(turn) * y + side / 2
    down = np.cos(turn) * y - np.sin(turn) * x + side / 2 + wave
    places = (across.astype(np.float32), down.astype(np.float32))
    return np.asarray(cv2.remap(streaks, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _vignette(width: int, height: int, rng: np.random.Generator) -> Field:
    """The lamp's fall-off towards one side, (H, W), about 0.94 to 1."""
    x = np.linspace(-1, 1, width, dtype=np.float32) - np.float32(rng.uniform(-0.4, 0.4))
    y = np.linspace(-1, 1, height, dtype=np.float32) - np.float32(rng.uniform(-0.4, 0.4))
    return np.asarray(1 - 0.03 * (x[None, :] ** 2 + y[:, None] ** 2))
