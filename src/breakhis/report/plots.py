"""Pictures of a run for papers and slides: training curves and the confusion matrix, as PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from breakhis.files import atomic_file
from breakhis.report.history import History

_DPI = 160
_TRAINING, _VALIDATION, _MARK = "#8d8b99", "#4a3aa0", "#1a1923"
_DARK_CELL = 0.6
"""Share of a row from which a cell is dark enough for white figures."""


def plot_history(history: History, path: Path, *, unit: str) -> None:
    """Draw loss and accuracy over the epochs, with the kept epoch and learning-rate drops marked.

    Args:
        history: The epochs.
        path: The PNG to write, atomically.
        unit: Unit of the split, written beside the numbers.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(left, history, "loss", label="loss (cross-entropy, nats)")
    _curves(right, history, "accuracy", label="accuracy (share of images)")
    right.set_ylim(0, 1.02)
    left.legend(frameon=False, fontsize=8)
    figure.suptitle(f"Training and validation, split by {unit}", fontsize=11)
    _save(figure, path)


def plot_confusion(matrix: NDArray[np.int64], codes: Sequence[str], path: Path, *, unit: str) -> None:
    """Draw a confusion matrix (C, C) twice: counts, and shares of each true class.

    Args:
        matrix: Images; rows are the truth, columns the answers.
        codes: The C class codes.
        path: The PNG to write, atomically.
        unit: Unit of the split, written beside the numbers.
    """
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    side = 2.2 + 0.42 * len(codes)
    figure = Figure(figsize=(2 * side, side), layout="constrained")
    counts, rows = figure.subplots(1, 2)
    _matrix(counts, shares, codes, text=[[str(value) for value in row] for row in matrix.tolist()])
    _matrix(rows, shares, codes, text=[[f"{value:.2f}" for value in row] for row in shares.tolist()])
    counts.set_title("images", fontsize=10)
    rows.set_title("share of each true class", fontsize=10)
    figure.suptitle(f"Confusion matrix, split by {unit}", fontsize=11)
    _save(figure, path)


def _curves(axes: Axes, history: History, name: str, *, label: str) -> None:
    single = "o" if len(history.epochs) == 1 else ""
    for column, colour, who in ((name, _TRAINING, "training"), (f"val_{name}", _VALIDATION, "validation")):
        points = history.curve(column)
        axes.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=single, label=who)
    for index, epoch in enumerate(history.drops):
        note = "learning rate lowered" if index == 0 else None
        axes.axvline(epoch, color=_MARK, linewidth=0.8, linestyle=":", label=note)
    if history.kept is not None:
        axes.axvline(history.kept, color=_MARK, linewidth=1.2, label=f"kept epoch {history.kept}")
    for phase, first, _ in history.phases[1:]:
        axes.axvline(first - 0.5, color=_MARK, linewidth=0.6, linestyle="--", label=f"phase {phase}")
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _matrix(axes: Axes, shares: NDArray[np.float64], codes: Sequence[str], *, text: list[list[str]]) -> None:
    axes.imshow(shares, cmap="Purples", vmin=0, vmax=1)
    axes.set_xticks(range(len(codes)), codes)
    axes.set_yticks(range(len(codes)), codes)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    for row, line in enumerate(text):
        for column, cell in enumerate(line):
            colour = "white" if shares[row, column] > _DARK_CELL else "black"
            axes.text(column, row, cell, ha="center", va="center", color=colour, fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
