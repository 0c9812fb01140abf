"""Train, calibrate and answer the test set: the steps that one run and every fold share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakhis.metrics import apply_temperature, fit_temperature
from breakhis.model.weights import Weights, get_weights
from breakhis.predictions import Predictions
from breakhis.runs import Run
from breakhis.training.fit import Job, fit_network
from breakhis.training.loop import Listener
from breakhis.training.material import Trained


@dataclass(frozen=True)
class Learned:
    """A trained, calibrated network and its answers for the images that it never saw.

    Attributes:
        trained: Network and epochs.
        weights: Its weights as plain arrays.
        temperature: Fitted on the held-out images.
        test: Calibrated answers for the test images.
    """

    trained: Trained
    weights: Weights
    temperature: float
    test: Predictions


def learn(job: Job, run: Run, listener: Listener) -> Learned:
    """Fit on the training images, let held-out images choose epoch and temperature, then test.

    Nothing of the test images is read before the last step. Answers are computed in float32, as a bundle's
    are.
    """
    trained = fit_network(job, run, listener)
    weights = get_weights(trained.network)
    test = job.split.indices("test")
    held_out = trained.held_out()
    temperature = fit_temperature(_exact(held_out.probabilities), job.catalog.labels[held_out.rows])
    report = listener.stage(f"answering {len(test)} test images")
    answers = apply_temperature(_exact(trained.answer(test)), temperature)
    report(len(test), len(test))
    return Learned(trained, weights, temperature, Predictions.of_catalog(job.catalog, test, answers))


def _exact(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    return probabilities.astype(np.float64)
