"""Train, calibrate and answer the test set: the steps that one run and every fold share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakhis.catalog.table import IntArray
from breakhis.engine import Engine
from breakhis.metrics import apply_temperature, fit_temperature
from breakhis.model.weights import Weights, get_weights
from breakhis.predictions import Predictions
from breakhis.runs import Run
from breakhis.training.fit import Job, Trained, fit_network
from breakhis.training.loop import Listener

_CHUNK = 64


@dataclass(frozen=True)
class Learned:
    """A trained, calibrated network and its answers for the images that it never saw.

    Attributes:
        trained: Network and epochs.
        weights: Its weights as plain arrays.
        temperature: Fitted on the validation images.
        test: Calibrated answers for the test images.
    """

    trained: Trained
    weights: Weights
    temperature: float
    test: Predictions


def learn(job: Job, run: Run, listener: Listener) -> Learned:
    """Fit on the training images, let validation images choose epoch and temperature, then test.

    Nothing of the test images is read before the last step. Answers come from the engine in float32, which
    is what a bundle answers with.
    """
    trained = fit_network(job, run, listener)
    weights = get_weights(trained.network)
    engine = Engine(job.config.model, weights, size=job.config.images.size)
    validation, test = job.split.indices("validation"), job.split.indices("test")
    temperature = fit_temperature(_answer(engine, job, validation), job.catalog.labels[validation])
    report = listener.stage(f"answering {len(test)} test images")
    answers = apply_temperature(_answer(engine, job, test), temperature)
    report(len(test), len(test))
    return Learned(trained, weights, temperature, Predictions.of_catalog(job.catalog, test, answers))


def _answer(engine: Engine, job: Job, rows: IntArray) -> NDArray[np.float64]:
    chunks = [
        engine.predict(job.store.read(rows[start : start + _CHUNK])) for start in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(chunks).astype(np.float64)
