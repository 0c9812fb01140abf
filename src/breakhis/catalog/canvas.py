"""Where synthetic tissue is drawn: layers of shapes and nuclei, and the curves and scatters they follow.

Lengths are in units: one unit is one pixel of a 350x230 picture at 100X.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(n, 2) x and y in pixels."""
Mask = NDArray[np.uint8]
Window = NDArray[np.bool_]

_SUBPIXEL: Final = 4
"""Bits of fraction in the coordinates that OpenCV draws at."""

_MARGIN: Final = 30.0
"""How far outside the picture things may start, in units."""

_TURN: Final = np.linspace(0, 2 * np.pi, 40, endpoint=False)
_CIRCLE: Final = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
_ORDERS: Final = np.array([2, 2, 3, 3, 5, 5])
_WAVES: Final = np.concatenate([[np.cos(order * _TURN), np.sin(order * _TURN)] for order in (2, 3, 5)])
"""Undulations of an outline, (6, 40): two to five a turn, each in two phases."""


class Canvas:
    """Layers (H, W) uint8 of one picture, 0 absent to 255 full.

    Attributes:
        window: (H, W) bool, where the picture will be looked at: nuclei elsewhere are not drawn.
        epithelium: Cell bodies of glands and tumour nests.
        lumen: Empty space, painted white.
        mucin: Pale bluish mucus.
        nuclei: Density of nuclei.
        unit: Pixels a unit.
        rng: Every random choice comes from it.
    """

    def __init__(self, window: Window, *, unit: float, rng: np.random.Generator) -> None:
        self.window, self.unit, self.rng = window, unit, rng
        shape = self.height, self.width = window.shape
        self.epithelium: Mask = np.zeros(shape, np.uint8)
        self.lumen: Mask = np.zeros(shape, np.uint8)
        self.mucin: Mask = np.zeros(shape, np.uint8)
        self.nuclei: Mask = np.zeros(shape, np.uint8)
        self._planned: list[Points] = []

    def fill(self, layer: Mask, outline: Points, value: int = 255) -> None:
        """Fill a closed outline."""
        fixed = np.round(outline * 2**_SUBPIXEL).astype(np.int32)
        cv2.fillPoly(layer, [fixed], value, cv2.LINE_AA, _SUBPIXEL)

    def stroke(self, layer: Mask, line: Points, width: float, value: int = 255) -> None:
        """Draw an open line of `width` units."""
        fixed = np.round(line * 2**_SUBPIXEL).astype(np.int32)
        thickness = max(1, round(width * self.unit))
        cv2.polylines(layer, [fixed], False, value, thickness, cv2.LINE_AA, _SUBPIXEL)

    def place(
        self,
        points: Points,
        radius: float,
        *,
        angles: Points | None = None,
        stretch: float = 1.2,
        variety: float = 0.15,
    ) -> None:
        """Plan a nucleus at every point inside the window.

        Args:
            points: (n, 2) centres in pixels.
            radius: Mean radius in units.
            angles: Direction of the long axis in radians, (n,); random where None.
            stretch: Long axis over short axis.
            variety: Spread of size, shape and density: small in benign cells, large in pleomorphic ones.
        """
        if angles is None:
            angles = self.rng.uniform(0, np.pi, len(points))
        kinds = np.broadcast_to((radius * self.unit, stretch, variety), (len(points), 3))
        self._planned.append(np.column_stack([points, angles, kinds]))

    def draw_nuclei(self) -> None:
        """Draw the planned nuclei, each a little different, onto the layer `nuclei`."""
        planned = np.concatenate(self._planned)
        planned = planned[self._seen(planned[:, :2], self.window)]
        angles, radii, stretch, variety = planned[:, 2:].T
        chance = self.rng.standard_normal((4, len(planned)))
        radii = radii * np.exp(variety * chance[0])
        ratios = np.sqrt(stretch) * np.exp(0.5 * variety * chance[1])
        degrees = np.degrees(angles) + 8 * chance[2]
        density = np.clip(200 + (40 + 60 * variety) * chance[3], 90, 255)
        one = 2**_SUBPIXEL
        axes = np.maximum(one, np.round(np.column_stack([radii * ratios, radii / ratios]) * one)).astype(int)
        centres = np.round(planned[:, :2] * one).astype(int)
        for centre, axis, degree, value in zip(
            centres.tolist(), axes.tolist(), degrees.tolist(), density.tolist(), strict=True
        ):
            cv2.ellipse(self.nuclei, centre, axis, degree, 0, 360, value, -1, cv2.LINE_AA, _SUBPIXEL)

    def merge(self, other: "Canvas") -> None:
        """Take over what another canvas of the same size shows in its window."""
        for layer in ("epithelium", "lumen", "mucin"):
            np.copyto(getattr(self, layer), getattr(other, layer), where=other.window)
        np.maximum(self.nuclei, other.nuclei, out=self.nuclei)

    def scatter(self, spacing: float, *, loss: float = 0.0, reach: float = 5.0) -> Points:
        """Points about `spacing` units apart, also a little outside the picture.

        Args:
            spacing: Distance of neighbours in units.
            loss: Share of points that is left out.
            reach: How far from its point a thing is drawn, in units: points too far from the window to be
                seen are left out.
        """
        step = spacing * self.unit
        edge = min(reach, _MARGIN) * self.unit
        columns = np.arange(-edge, self.width + edge + step, step)
        rows = np.arange(-edge, self.height + edge + step, step)
        x, y = np.meshgrid(columns, rows)
        x[1::2] += step / 2
        points = np.stack([x.ravel(), y.ravel()], 1) + self.rng.uniform(-0.32, 0.32, (x.size, 2)) * step
        kept = self.rng.random(len(points)) >= loss
        return np.asarray(points[kept & self._near(points, reach)])

    def _near(self, points: Points, reach: float) -> Window:
        """(n,) whether the window is within `reach` units of each point (in a square around it)."""
        side = 2 * round(reach * self.unit) + 1
        around = cv2.dilate(self.window.astype(np.uint8), np.ones((1, side), np.uint8))
        around = cv2.dilate(around, np.ones((side, 1), np.uint8))
        column, row = np.floor(points).astype(int).T
        near = around[np.clip(row, 0, self.height - 1), np.clip(column, 0, self.width - 1)]
        return np.asarray(near, np.bool_)

    def inside(self, points: Points, layer: Mask, *, invert: bool = False) -> Points:
        """The points of the picture where the layer is present (absent with `invert`)."""
        within = self._seen(points, np.ones_like(self.window))
        present = self._seen(points, layer > 127)
        return points[within & ~present] if invert else points[present]

    def _seen(self, points: Points, where: Window) -> Window:
        """(n,) whether each point lies in the picture and `where` is true there."""
        column, row = np.floor(points).astype(int).T
        within = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height)
        within[within] = where[row[within], column[within]]
        return np.asarray(within, np.bool_)

    def ring(self, centre: Points, radius: float, wobble: float) -> Points:
        """A closed outline around `centre`, its radius (units) varying by the share `wobble`."""
        waves = self.rng.normal(0, wobble / _ORDERS) @ _WAVES
        radii = radius * self.unit * np.maximum(0.2, 1 + waves)
        return np.asarray(centre + _CIRCLE * radii[:, None])

    def meander(self, start: Points, heading: float, *, length: float, bend: float) -> Points:
        """An open line of `length` units from `start` that wanders off its heading by `bend` (radians)."""
        steps = max(3, round(length / 4))
        turns = np.cumsum(self.rng.normal(0, 1, steps)) / np.sqrt(steps)
        wave = np.sin(np.linspace(0, self.rng.uniform(2, 7), steps) + self.rng.uniform(0, 6))
        headings = heading + bend * (turns + 0.7 * wave)
        strides = np.stack([np.cos(headings), np.sin(headings)], 1) * 4 * self.unit
        return np.asarray(start + np.cumsum(strides, axis=0))


def along(line: Points, spacing: float) -> tuple[Points, Points]:
    """Points every `spacing` pixels along a line and the direction (radians) of the line there."""
    strides = np.diff(line, axis=0)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*strides.T))])
    stops = np.arange(spacing / 2, travelled[-1], spacing)
    segment = np.clip(np.searchsorted(travelled, stops, side="right") - 1, 0, len(strides) - 1)
    points = np.stack([np.interp(stops, travelled, line[:, axis]) for axis in (0, 1)], 1)
    return points, np.arctan2(strides[segment, 1], strides[segment, 0])


def beside(points: Points, angles: Points, distance: float) -> Points:
    """The points moved sideways (to the left of their direction) by `distance` pixels."""
    return np.asarray(points + distance * np.stack([-np.sin(angles), np.cos(angles)], 1))
