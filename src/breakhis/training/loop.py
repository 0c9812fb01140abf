"""One phase of training: epochs of Keras' steps, each seeded by its number, each ending in a checkpoint.

An epoch depends only on the weights, the optimizer, the seed and its number, so that a run that was killed
and resumed goes on as if nothing had happened.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.config import FitConfig
from breakhis.errors import RunError
from breakhis.metrics import apply_temperature, fit_temperature
from breakhis.training.checkpoint import (
    PhaseProgress,
    copy_checkpoint,
    read_progress,
    restore_checkpoint,
    save_checkpoint,
)
from breakhis.training.schedule import ScheduleState, next_state

Batch = tuple[Any, Any, Any]
"""Inputs, one-hot (B, C) and weights (B,): NumPy arrays or tensors."""


class Batches(Protocol):
    """What one epoch shows; each iteration shows it anew."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Batch]: ...


class Listener(Protocol):
    """Who is told how training goes, e.g. a progress display."""

    def say(self, message: str) -> None:
        """Something that people should know."""

    def stage(self, label: str) -> Callable[[int, int], None]:
        """A preparatory stage begins; the callback takes (done, total)."""

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        """A batch of `epoch` (from 1) is done; `share` of the epoch's batches are."""

    def epoch_done(self, row: dict[str, Any], *, epochs: int) -> None:
        """An epoch and its validation are done; `row` is its line of the history."""


@dataclass(frozen=True)
class Phase:
    """A compiled model and what it is fitted on.

    Attributes:
        name: "heads", "upper" or "all".
        model: Compiled with a learning rate that can be assigned.
        epochs: Most epochs of this phase.
        batches: Training batches of an epoch (from 0).
        validation: Validation batches.
    """

    name: str
    model: keras.Model
    epochs: int
    batches: Callable[[int], Batches]
    validation: Batches


@dataclass(frozen=True)
class LoopContext:
    """What all phases of one training share."""

    fit: FitConfig
    seed: int
    checkpoints: Path
    listener: Listener
    on_history: Callable[[tuple[dict[str, Any], ...]], None]

    def last(self, phase: str) -> Path:
        """Checkpoint of the last whole epoch of a phase."""
        return self.checkpoints / f"last-{phase}.safetensors"

    def best(self, phase: str) -> Path:
        """Checkpoint of the best epoch of a phase."""
        return self.checkpoints / f"best-{phase}.safetensors"


def compile_model(model: keras.Model, fit: FitConfig, *, rate: float) -> None:
    """Make a model ready for a phase."""
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=fit.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],
        weighted_metrics=[],
        jit_compile=False,
    )


def run_phase(phase: Phase, context: LoopContext, *, before: PhaseProgress | None = None) -> PhaseProgress:
    """Train `phase` to its end, or from its last checkpoint on, and leave its best weights in the model.

    Args:
        phase: What to train.
        context: What all phases share.
        before: The finished phase before this one; its best validation loss is the one to beat.

    Returns:
        The phase's final progress.

    Raises:
        RunError: The validation loss never was a number.
    """
    progress = _begin(phase, context, before)
    while not progress.done:
        progress = _run_epoch(phase, context, progress)
        best, last = context.best(phase.name), context.last(phase.name)
        if progress.schedule.best_epoch == len(progress.rows):
            save_checkpoint(best, phase.model, progress)  # first: what the last one says must be there
            copy_checkpoint(best, last)
        else:
            save_checkpoint(last, phase.model, progress)
        context.on_history(progress.rows)
    if progress.schedule.best_epoch < 0:
        raise RunError(
            "a validation loss that is a number",
            found="none in any epoch",
            fix="lower fit.learning_rate, or train with fit.precision float32",
        )
    restore_checkpoint(context.best(phase.name), phase.model)
    return progress


def _begin(phase: Phase, context: LoopContext, before: PhaseProgress | None) -> PhaseProgress:
    phase.model.optimizer.build(phase.model.trainable_variables)
    last = context.last(phase.name)
    saved = read_progress(last)
    if saved is not None:
        restore_checkpoint(last, phase.model)
        context.on_history(saved.rows)
        return saved
    if before is None:
        return PhaseProgress(phase.name)
    schedule = ScheduleState(best=before.schedule.best, best_epoch=before.schedule.best_epoch)
    progress = PhaseProgress(phase.name, schedule=schedule, rows=before.rows)
    save_checkpoint(context.best(phase.name), phase.model, progress)  # kept if no epoch is better
    return progress


def _run_epoch(phase: Phase, context: LoopContext, progress: PhaseProgress) -> PhaseProgress:
    model, epoch = phase.model, progress.epoch
    started = time.monotonic()
    _reseed(model, context.seed, epoch)
    fitted = _fit(phase, context.listener, epoch)
    held_out = _validate(model, phase.validation)
    number, rate = len(progress.rows) + 1, float(model.optimizer.learning_rate)
    row: dict[str, Any] = {
        "epoch": number,
        "phase": phase.name,
        **fitted,
        **held_out,
        "learning_rate": rate,
        "seconds": round(time.monotonic() - started, 3),
    }
    schedule, decision = next_state(
        progress.schedule, context.fit, epoch=number, loss=row["val_loss"], learning_rate=rate
    )
    context.listener.epoch_done(row, epochs=phase.epochs)
    if decision.reduce:
        model.optimizer.learning_rate.assign(rate * context.fit.plateau_factor)
    return PhaseProgress(
        phase=phase.name,
        epoch=epoch + 1,
        done=decision.stop or epoch + 1 >= phase.epochs,
        schedule=schedule,
        rows=(*progress.rows, row),
    )


def _reseed(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every dropout generator from the epoch's number: weights alone do not carry its state."""
    generators = [
        layer.seed_generator
        for layer in model._flatten_layers()
        if getattr(layer, "seed_generator", None) is not None
    ]
    for index, generator in enumerate(generators):
        generator.state.assign([seed + 7919 * index, epoch])


def _fit(phase: Phase, listener: Listener, epoch: int) -> dict[str, float]:
    """One pass over the training batches; loss and accuracy as they were on the way."""
    batches, images = phase.batches(epoch), 0
    means = {"loss": 0.0, "accuracy": 0.0}
    for done, batch in enumerate(batches, start=1):
        measured = phase.model.train_on_batch(*batch, return_dict=True)
        images += len(batch[2])
        means = {
            name: mean + (float(measured[name]) - mean) * len(batch[2]) / images
            for name, mean in means.items()
        }
        listener.batch_done(
            phase.name, epoch=epoch + 1, epochs=phase.epochs, share=done / len(batches), logs=means
        )
    return means


def _validate(model: keras.Model, batches: Batches) -> dict[str, float]:
    answers, truth = [], []
    for inputs, one_hot, _ in batches:
        answers.append(model.predict_on_batch(inputs))
        truth.append(np.asarray(one_hot).argmax(axis=1))
    probabilities, labels = np.concatenate(answers).astype(np.float64), np.concatenate(truth)
    return {
        "val_loss": calibrated_loss(probabilities, labels),
        "val_accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
    }


def calibrated_loss(probabilities: NDArray[np.float64], labels: IntArray) -> float:
    """The mean cross-entropy of answers (N, C), at their best temperature, to images of labels (N,).

    A network becomes too sure of itself long before it stops learning to tell subtypes apart. Its answers are
    calibrated when it is done, so what they lose by being too sure is no reason to stop.
    """
    calibrated = apply_temperature(probabilities, fit_temperature(probabilities, labels))
    likely = np.maximum(calibrated[np.arange(len(labels)), labels], np.finfo(np.float64).tiny)
    return float(-np.log(likely).mean())
