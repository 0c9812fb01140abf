"""The history of a training as CSV and as TensorBoard events, both written anew from its rows."""

import csv
from typing import Any

import tensorflow as tf

from breakhis.files import atomic_file, storage_errors
from breakhis.runs import Run

COLUMNS = ("epoch", "phase", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


def write_history(run: Run, rows: tuple[dict[str, Any], ...]) -> None:
    """Write `history.csv` and append the last row's scalars to the TensorBoard log."""
    with atomic_file(run.history_file) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with storage_errors(run.tensorboard):
        _write_events(run, rows[-1])


def _write_events(run: Run, row: dict[str, Any]) -> None:
    for name, prefix in (("train", ""), ("validation", "val_")):
        writer = tf.summary.create_file_writer(str(run.tensorboard / name))
        with writer.as_default(step=row["epoch"]):
            tf.summary.scalar("epoch_loss", row[f"{prefix}loss"])
            tf.summary.scalar("epoch_accuracy", row[f"{prefix}accuracy"])
            if not prefix:
                tf.summary.scalar("learning_rate", row["learning_rate"])
        writer.close()
