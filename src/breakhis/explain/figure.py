"""The picture of an explanation: the image, the fused heat, every branch, and the answer."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from breakhis.explain.gradcam import FUSED, Explanation
from breakhis.explain.overlay import overlay, palette
from breakhis.files import atomic_file
from breakhis.images.decode import Image
from breakhis.taxonomy import Taxonomy

STRENGTH: Final = 0.65
"""Opacity of the hottest places where none is asked for: the tissue stays readable."""

_DPI: Final = 150
_COLUMNS: Final = 3
_WIDTH, _GAP, _MARGIN = 3.6, 0.15, 0.25  # of pictures, in inches
_HEAD, _TITLE, _FOOT = 0.75, 0.28, 0.85
_LABELS: Final = 1.5
_BENIGN, _MALIGNANT, _QUIET = "#2f7f79", "#a63d57", "#6c6a78"
_WARNING: Final = (
    "It shows what the model looked at, not where a tumour is. For research only, not a medical device."
)
_METHODS: Final = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}


@dataclass(frozen=True)
class Caption:
    """What stands around the picture.

    Attributes:
        name: Of the image.
        answer: The model's answer in words.
        model: The model and what it was measured on, in one line.
    """

    name: str
    answer: str
    model: str


def draw(
    image: Image,
    explanation: Explanation,
    taxonomy: Taxonomy,
    *,
    caption: Caption,
    strength: float = STRENGTH,
) -> Figure:
    """Draw an explanation.

    Args:
        image: (H, W, 3) uint8 RGB, in any size and aspect ratio.
        explanation: Of this image.
        taxonomy: The classes.
        caption: Texts around it.
        strength: Opacity of the hottest places, 0 to 1.
    """
    pictures = [("image", image), *_overlays(image, explanation, strength)]
    page = _Page(rows=1 + -(-(len(pictures) - 2) // _COLUMNS), tall=_tall(image))
    cells = [(0, 0), (0, 1), *((row, column) for row in range(1, page.rows) for column in range(_COLUMNS))]
    for (row, column), (title, picture) in zip(cells, pictures, strict=False):
        axes = page.axes(row, column)
        axes.imshow(picture, interpolation="bilinear")
        axes.set_title(title, fontsize=9, loc="left", pad=4)
        axes.axis("off")
    _bars(page.axes(0, _COLUMNS - 1, left=_LABELS, right=0.3), explanation, taxonomy)
    target = taxonomy.names[taxonomy.label(explanation.target)]
    _colour_bar(page, f"evidence for {target}, share of each map's peak")
    page.text(0.2, caption.answer, size=13, weight="bold")
    page.text(0.48, caption.name, size=9, color=_QUIET)
    page.text(page.height - 0.62, f"{_METHODS[explanation.method]} for {target}", size=9)
    page.text(page.height - 0.4, f"Model: {caption.model}", size=7.5, color=_QUIET)
    page.text(page.height - 0.22, _WARNING, size=7.5, color=_QUIET)
    return page.figure


@dataclass(frozen=True)
class _Page:
    """A figure laid out in inches from its upper left corner: rows of pictures between head and foot."""

    rows: int
    tall: float

    @cached_property
    def figure(self) -> Figure:
        return Figure(figsize=(self.width, self.height))

    @property
    def width(self) -> float:
        return 2 * _MARGIN + _COLUMNS * _WIDTH + (_COLUMNS - 1) * _GAP

    @property
    def height(self) -> float:
        return _HEAD + self.rows * (self.tall + _TITLE) + (self.rows - 1) * _GAP + _FOOT

    def axes(self, row: int, column: int, *, left: float = 0, right: float = 0) -> Axes:
        """The axes of one cell, without `left` and `right` inches of it."""
        x = _MARGIN + column * (_WIDTH + _GAP) + left
        top = _HEAD + row * (self.tall + _TITLE + _GAP) + _TITLE
        return self.box(x, top, _WIDTH - left - right, self.tall)

    def box(self, x: float, top: float, width: float, height: float) -> Axes:
        """Axes anywhere."""
        bottom = self.height - top - height
        return self.figure.add_axes(
            (x / self.width, bottom / self.height, width / self.width, height / self.height)
        )

    def text(self, top: float, text: str, **style: Any) -> None:
        """A line at the left margin."""
        self.figure.text(_MARGIN / self.width, 1 - top / self.height, text, va="center", **style)


def save(figure: Figure, path: Path) -> None:
    """Write a drawing as PNG, atomically."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _overlays(image: Image, explanation: Explanation, strength: float) -> list[tuple[str, Image]]:
    """Fused heat first, then the branches from the bottom up; a single branch is the fused map."""
    taps = [name for name in explanation.heat if name != FUSED]
    shown = [FUSED, *taps] if len(taps) > 1 else [FUSED]
    names = {FUSED: "all branches" if len(taps) > 1 else taps[0]}
    return [
        (
            f"{names.get(name, name)}: {_peak(explanation.peaks[name])}",
            overlay(image, explanation.heat[name], strength=strength),
        )
        for name in shown
    ]


def _tall(image: Image) -> float:
    """Inches for a picture's height; slivers are drawn smaller, so that the bars beside them can be read."""
    height, width = image.shape[:2]
    return float(min(max(_WIDTH * height / width, 1.6), 2 * _WIDTH))


def _peak(peak: float) -> str:
    return f"peak {peak:.2g} logits" if peak > 0 else "no evidence for it"


def _bars(axes: Axes, explanation: Explanation, taxonomy: Taxonomy) -> None:
    """Probabilities of all classes, the explained one marked."""
    values = list(explanation.probabilities.values())
    malignant = taxonomy.malignant or (False,) * len(values)
    axes.barh(range(len(values)), values, color=[_MALIGNANT if one else _BENIGN for one in malignant])
    axes.set_yticks(range(len(values)), taxonomy.names, fontsize=8)
    axes.get_yticklabels()[taxonomy.label(explanation.target)].set_fontweight("bold")
    for position, value in enumerate(values):
        axes.text(value + 0.02, position, f"{value:.0%}", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_visible(False)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    groups = " (benign green, malignant red)" if taxonomy.has_malignancy else ""
    axes.set_title(f"probability{groups}", fontsize=9, loc="right", pad=4)


def _colour_bar(page: _Page, label: str) -> None:
    scale = ScalarMappable(Normalize(0, 1), ListedColormap(palette() / 255))
    box = page.box(_MARGIN + 2 * (_WIDTH + _GAP), page.height - _FOOT + 0.15, _WIDTH, 0.12)
    bar = page.figure.colorbar(scale, cax=box, orientation="horizontal", ticks=[0, 0.5, 1])
    bar.set_label(label, fontsize=8, labelpad=1)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2, pad=1)
