"""A comparison as a picture: differences between runs with their intervals."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from breakhis.compare.comparison import Comparison
from breakhis.compare.text import COLUMNS, SHORT
from breakhis.files import write_bytes
from breakhis.metrics.intervals import Metric

_TOLD_APART, _NOT_TOLD_APART = "#0b6e4f", "#6b7280"


def save_figure(comparison: Comparison, path: Path) -> None:
    """Write `draw_figure` as a PNG."""
    buffer = io.BytesIO()
    draw_figure(comparison).savefig(buffer, format="png", dpi=144)
    write_bytes(path, buffer.getvalue())


def draw_figure(comparison: Comparison) -> Figure:
    """The differences of every pair, one panel a metric; green where the interval leaves out 0."""
    pairs = comparison.differences
    shown = [name for name in COLUMNS if pairs[0].metrics[name].value is not None]
    figure = Figure(figsize=(3.2 * len(shown) + 2.5, 1.6 + 0.5 * len(pairs)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for panel, name in zip(axes, shown, strict=True):
        _draw(panel, [pair.metrics[name] for pair in pairs])
        panel.set_title(SHORT[name], fontsize=10)
    axes[0].set_yticks(range(len(pairs)), [f"{pair.first}\n- {pair.second}" for pair in pairs], fontsize=8)
    axes[0].set_ylim(len(pairs) - 0.5, -0.5)
    splits = ", ".join(sorted({run.unit for run in comparison.runs}))
    figure.suptitle(
        f"Differences with 95 % intervals over {comparison.cases} cases, {comparison.images} images, "
        f"split by {splits}",
        fontsize=10,
    )
    figure.supxlabel("green: the interval leaves out 0; hollow: no interval", fontsize=8)
    return figure


def _draw(panel: Axes, metrics: list[Metric]) -> None:
    panel.axvline(0, color="black", linewidth=0.8)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
    for row, metric in enumerate(metrics):
        if metric.value is None:
            continue
        if metric.ci95 is None:
            panel.plot([metric.value], [row], marker="o", color=_NOT_TOLD_APART, fillstyle="none")
            continue
        low, high = metric.ci95
        colour = _NOT_TOLD_APART if low <= 0 <= high else _TOLD_APART
        panel.plot([low, high], [row, row], color=colour, linewidth=2, solid_capstyle="butt")
        panel.plot([metric.value], [row], marker="o", color=colour)
