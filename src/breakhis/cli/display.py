"""The live display of a training: stages, epoch, loss, accuracy and time left, on stderr."""

import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

_NO_MEASUREMENT = (
    "loss and accuracy below are of training and validation images and have no intervals: "
    "progress, not a measurement"
)


class TrainingDisplay:
    """Draws what a training tells its listener; use it as a context manager."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[told]}"),
            console=Console(file=sys.stderr),
        )
        self._task: TaskID | None = None
        self._phase = ""
        self._phase_started = 0.0
        self._first = 0

    def __enter__(self) -> "TrainingDisplay":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        """Print a line above the bars."""
        self._bar.console.print(message, highlight=False, soft_wrap=True)

    def stage(self, label: str) -> Callable[[int, int], None]:
        """Show a preparatory stage; the callback takes (done, total)."""
        task = self._bar.add_task(label, total=None, told="")
        started = time.monotonic()

        def update(done: int, total: int) -> None:
            elapsed = time.monotonic() - started
            told = f"{done} of {total}"
            if 0 < done < total:
                told += f", {_clock(elapsed * (total - done) / done)} left"
            self._bar.update(task, completed=done, total=total, told=told)

        return update

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        """Show a batch: epoch, running loss and accuracy, and the most time that the phase can still take."""
        if phase != self._phase:
            if not self._phase:
                self.say(_NO_MEASUREMENT)
            self._phase, self._phase_started = phase, time.monotonic()
            self._task = self._bar.add_task(f"training {phase}", total=epochs, told="")
            self._first = epoch - 1
        done = epoch - 1 + share
        elapsed = time.monotonic() - self._phase_started
        left = elapsed * (epochs - done) / max(done - self._first, 1e-9)
        told = f"epoch {epoch}/{epochs}, at most {_clock(left)} left"
        told += "".join(f", {key} {logs[key]:.3f}" for key in ("loss", "accuracy") if key in logs)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=epochs, told=told)

    def epoch_done(self, row: dict[str, Any], *, epochs: int) -> None:
        """Show an epoch's line of the history."""
        self._bar.console.print(
            f"epoch {row['epoch']:>3} ({row['phase']})  loss {row['loss']:.4f}  "
            f"accuracy {row['accuracy']:.3f}  validation loss {row['val_loss']:.4f}  "
            f"accuracy {row['val_accuracy']:.3f}  rate {row['learning_rate']:.1e}  {row['seconds']:.1f} s",
            highlight=False,
            soft_wrap=True,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
