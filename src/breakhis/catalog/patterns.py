"""The eight subtypes as synthetic architecture: what tells them apart is arrangement, not colour.

Each function draws one growth pattern, much simplified, on a canvas. They teach nobody pathology; they give
eight textures that a network can learn and that have the same names.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from breakhis.catalog.canvas import Canvas, Points, along, beside


def _acinus(canvas: Canvas, centre: Points, radius: float, *, lumen: float, nucleus: float) -> None:
    """A gland in cross-section: a ring of cells around a lumen of the share `lumen` of its radius."""
    canvas.fill(canvas.epithelium, canvas.ring(centre, radius, 0.1))
    canvas.fill(canvas.lumen, canvas.ring(centre, radius * lumen, 0.2))
    wall = canvas.ring(centre, radius * (0.5 + lumen / 2), 0.06)
    count = min(len(wall), round(2 * np.pi * radius * (0.5 + lumen / 2) / (2.3 * nucleus)))
    cells = wall[np.arange(count) * len(wall) // count]
    outward = np.arctan2(cells[:, 1] - centre[1], cells[:, 0] - centre[0])
    canvas.place(cells, nucleus, angles=outward, stretch=1.4)


def _cleft(canvas: Canvas, line: Points, width: float, nucleus: float) -> None:
    """A slit between two rows of cells."""
    canvas.stroke(canvas.epithelium, line, width + 5 * nucleus)
    canvas.stroke(canvas.lumen, line, width)
    points, angles = along(line, 2.4 * nucleus * canvas.unit)
    for side in (-1, 1):
        offset = side * (width / 2 + 1.4 * nucleus) * canvas.unit
        canvas.place(beside(points, angles, offset), nucleus, angles=angles, stretch=1.3)


def _spindles(canvas: Canvas, spacing: float, *, heading: float, nucleus: float, loss: float = 0.2) -> None:
    """Stromal cells: thin nuclei that follow the fibres."""
    points = canvas.scatter(spacing, loss=loss)
    bare = canvas.inside(
        points, np.maximum(canvas.epithelium, np.maximum(canvas.lumen, canvas.mucin)), invert=True
    )
    angles = heading + 0.5 * np.sin(bare[:, 0] / (40 * canvas.unit)) + canvas.rng.normal(0, 0.25, len(bare))
    canvas.place(bare, nucleus, angles=angles, stretch=3.2)


def adenosis(canvas: Canvas) -> None:
    """Lobules crowded with small acini, stroma between them."""
    for centre in canvas.scatter(105, reach=65):
        lobule = canvas.ring(centre, canvas.rng.uniform(38, 52), 0.25)
        patch = np.zeros_like(canvas.lumen)
        canvas.fill(patch, lobule)
        for acinus in canvas.inside(canvas.scatter(19, reach=12), patch):
            _acinus(canvas, acinus, canvas.rng.uniform(7, 9.5), lumen=0.3, nucleus=1.9)
    _spindles(canvas, 20, heading=0.5, nucleus=1.5)


def fibroadenoma(canvas: Canvas) -> None:
    """Long narrow curved ducts pressed to slits in loose, cell-poor stroma."""
    heading = canvas.rng.uniform(0, np.pi)
    for start in canvas.scatter(95, loss=0.15, reach=125):
        line = canvas.meander(start, heading + canvas.rng.normal(0, 0.5), length=120, bend=1.3)
        _cleft(canvas, line, canvas.rng.uniform(2, 4), 2.1)
    _spindles(canvas, 15, heading=heading, nucleus=1.5, loss=0.35)


def phyllodes(canvas: Canvas) -> None:
    """Broad leaf-like clefts and a stroma crowded with spindle cells."""
    heading = canvas.rng.uniform(0, np.pi)
    for start in canvas.scatter(190, loss=0.2, reach=340):
        line = canvas.meander(start, heading + canvas.rng.normal(0, 0.4), length=330, bend=1.0)
        _cleft(canvas, line, canvas.rng.uniform(10, 17), 2.3)
    _spindles(canvas, 7.5, heading=heading, nucleus=1.9, loss=0.1)


def tubular_adenoma(canvas: Canvas) -> None:
    """Uniform round tubules, back to back, with open lumens."""
    radius = canvas.rng.uniform(14, 17)
    for centre in canvas.scatter(2.15 * radius, reach=1.2 * radius):
        _acinus(canvas, centre, radius * canvas.rng.uniform(0.85, 1.05), lumen=0.5, nucleus=2.2)
    _spindles(canvas, 14, heading=1.0, nucleus=1.4)


def ductal_carcinoma(canvas: Canvas) -> None:
    """Solid irregular nests of large, unequal, crowded nuclei in fibrous stroma."""
    for centre in canvas.scatter(68, loss=0.12, reach=48):
        canvas.fill(canvas.epithelium, canvas.ring(centre, canvas.rng.uniform(24, 36), 0.32))
    cells = canvas.inside(canvas.scatter(7.6, loss=0.08), canvas.epithelium)
    canvas.place(cells, 3.1, stretch=1.35, variety=0.34)
    _spindles(canvas, 17, heading=canvas.rng.uniform(0, np.pi), nucleus=1.7)


def lobular_carcinoma(canvas: Canvas) -> None:
    """Small equal cells in single files through dense stroma."""
    heading = canvas.rng.uniform(0, np.pi)
    for start in canvas.scatter(27, loss=0.1, reach=85):
        line = canvas.meander(start, heading, length=canvas.rng.uniform(30, 80), bend=0.35)
        canvas.stroke(canvas.epithelium, line, 6)
        points, angles = along(line, 5.6 * canvas.unit)
        canvas.place(points, 2.2, angles=angles, stretch=1.1, variety=0.1)
    _spindles(canvas, 26, heading=heading, nucleus=1.3)


def mucinous_carcinoma(canvas: Canvas) -> None:
    """Lakes of pale mucin, small clumps of cells afloat in them, thin septa between."""
    for centre in canvas.scatter(88, reach=68):
        canvas.fill(canvas.mucin, canvas.ring(centre, canvas.rng.uniform(44, 54), 0.16))
    for centre in canvas.inside(canvas.scatter(50, loss=0.25, reach=20), canvas.mucin):
        canvas.fill(canvas.epithelium, canvas.ring(centre, canvas.rng.uniform(8, 15), 0.3))
    cells = canvas.inside(canvas.scatter(5.4, loss=0.05), canvas.epithelium)
    canvas.place(cells, 2.4, variety=0.18)
    _spindles(canvas, 13, heading=0.3, nucleus=1.4)


def papillary_carcinoma(canvas: Canvas) -> None:
    """Branching fronds in open space: a thin core of stroma, its surface lined by crowded cells."""
    canvas.lumen[:] = 255
    core = np.zeros_like(canvas.lumen)
    lines = []
    for start in canvas.scatter(68, loss=0.1, reach=130):
        heading = canvas.rng.uniform(0, 2 * np.pi)
        stem = canvas.meander(start, heading, length=100, bend=0.9)
        twigs = (len(stem) // 3, 2 * len(stem) // 3)
        lines += [stem, *(canvas.meander(stem[at], heading + turn, length=45, bend=0.6)
                          for at, turn in zip(twigs, (1.1, -1.1), strict=True))]  # fmt: skip
    for line in lines:
        canvas.stroke(canvas.epithelium, line, 19)
        canvas.stroke(core, line, 6)
    canvas.lumen[canvas.epithelium > 0] = 0
    for line in lines:
        points, angles = along(line, 4.2 * canvas.unit)
        for side in (-6.6, 6.6):
            canvas.place(
                beside(points, angles, side * canvas.unit),
                2.5,
                angles=angles + np.pi / 2,
                stretch=1.5,
                variety=0.2,
            )
    canvas.epithelium[core > 0] = 0


PATTERNS: Final[dict[str, Callable[[Canvas], None]]] = {
    "A": adenosis,
    "F": fibroadenoma,
    "PT": phyllodes,
    "TA": tubular_adenoma,
    "DC": ductal_carcinoma,
    "LC": lobular_carcinoma,
    "MC": mucinous_carcinoma,
    "PC": papillary_carcinoma,
}
"""How each subtype is drawn."""
