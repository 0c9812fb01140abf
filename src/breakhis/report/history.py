"""The epochs of a training as its `history.csv` tells them."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from breakhis.errors import RunError

CLOSED_FORM = "closed form"
COLUMNS = ("epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


@dataclass(frozen=True)
class Epoch:
    """One line of a history; losses are in nats, accuracies in [0, 1], NaN where training diverged."""

    epoch: int
    phase: str
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class History:
    """All epochs of a training and the one whose weights were kept.

    Attributes:
        epochs: In order of training.
        kept: Number (from 1) of the kept epoch; None where it is not known.
    """

    epochs: tuple[Epoch, ...]
    kept: int | None = None

    @classmethod
    def read(cls, path: Path, *, kept: int | None = None) -> "History":
        """Read `history.csv`.

        Raises:
            RunError: It is missing, has no epoch, or a line is cut.
        """
        try:
            with path.open(newline="", encoding="utf-8") as stream:
                epochs = tuple(_epoch(row) for row in csv.DictReader(stream))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _unreadable(path, f"{type(error).__name__}: {error}") from error
        if not epochs:
            raise _unreadable(path, "no epoch")
        return cls(epochs, kept)

    @property
    def closed_form(self) -> bool:
        """Whether the head was fitted at once, so that there are no curves to draw."""
        return all(epoch.phase == CLOSED_FORM for epoch in self.epochs)

    @property
    def seconds(self) -> float:
        """Time spent in epochs."""
        return sum(epoch.seconds for epoch in self.epochs)

    @property
    def phases(self) -> tuple[tuple[str, int, int], ...]:
        """Name, first and last epoch of each phase."""
        names = list(dict.fromkeys(epoch.phase for epoch in self.epochs))
        spans = [[epoch.epoch for epoch in self.epochs if epoch.phase == name] for name in names]
        return tuple((name, span[0], span[-1]) for name, span in zip(names, spans, strict=True))

    @property
    def drops(self) -> tuple[int, ...]:
        """Epochs that began with a lower learning rate than the one before them in the same phase."""
        pairs = zip(self.epochs, self.epochs[1:], strict=False)
        return tuple(
            after.epoch
            for before, after in pairs
            if after.phase == before.phase and after.learning_rate < before.learning_rate
        )

    def curve(self, name: str) -> list[tuple[int, float]]:
        """(epoch, value) of one column, where the value is a number."""
        points = [(epoch.epoch, float(getattr(epoch, name))) for epoch in self.epochs]
        return [point for point in points if math.isfinite(point[1])]


def _epoch(row: dict[str, str]) -> Epoch:
    numbers = {name: float(row[name]) for name in COLUMNS if name not in ("epoch", "phase")}
    return Epoch(epoch=int(row["epoch"]), phase=row["phase"], **numbers)


def _unreadable(path: Path, found: str) -> RunError:
    return RunError(
        f"a history with the columns {', '.join(COLUMNS)} at {path}",
        found=found,
        fix="finish the training with `breakhis train ... --resume`",
    )
