"""Train, calibrate and answer the test set: the steps that one run and every fold share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from breakhis.abstention import Rule, judge
from breakhis.catalog import Catalog
from breakhis.catalog.table import IntArray
from breakhis.config import TrainConfig
from breakhis.metrics import apply_temperature, fit_temperature
from breakhis.model.weights import Weights, get_weights
from breakhis.predictions import Predictions
from breakhis.runs import Run
from breakhis.training.fit import Job, fit_network
from breakhis.training.loop import Listener
from breakhis.training.material import Trained


@dataclass(frozen=True)
class Settled:
    """What held-out images decide about the answers of a trained network.

    Attributes:
        temperature: Calibration.
        rule: When not to answer.
    """

    temperature: float
    rule: Rule


@dataclass(frozen=True)
class Learned:
    """A trained, calibrated network and its answers for the images that it never saw.

    Attributes:
        trained: Network and epochs.
        weights: Its weights as plain arrays.
        settled: Temperature and thresholds, set on the held-out images.
        test: Calibrated answers for the test images, with the reasons not to give them.
    """

    trained: Trained
    weights: Weights
    settled: Settled
    test: Predictions


def learn(job: Job, run: Run, listener: Listener) -> Learned:
    """Fit on the training images, let held-out images choose epoch, temperature and thresholds, then test.

    Nothing of the test images is read before the last step. Answers are computed in float32, as a bundle's
    are.
    """
    trained = fit_network(job, run, listener)
    weights = get_weights(trained.network)
    settled = settle(trained, job.catalog, job.config)
    test = job.split.indices("test")
    report = listener.stage(f"answering {len(test)} test images")
    outputs = trained.answer(test)
    answers = _calibrated(job.catalog, test, outputs.probabilities, temperature=settled.temperature)
    checks = [job.store.checks[row] for row in test.tolist()]
    judged = judge(answers, outputs.features, checks=checks, rule=settled.rule)
    report(len(test), len(test))
    return Learned(trained, weights, settled, judged)


def settle(trained: Trained, catalog: Catalog, config: TrainConfig) -> Settled:
    """Fit the temperature, then the thresholds of confidence and distance, on held-out images."""
    held_out = trained.held_out()
    rows = held_out.rows
    temperature = fit_temperature(held_out.probabilities.astype(np.float64), catalog.labels[rows])
    answers = _calibrated(catalog, rows, held_out.probabilities, temperature=temperature)
    rule = Rule.fit(
        held_out.space, held_out.distances, answers.confidence, coverage=config.abstention.coverage
    )
    return Settled(temperature, rule)


def _calibrated(
    catalog: Catalog, rows: IntArray, probabilities: NDArray[np.float32], *, temperature: float
) -> Predictions:
    exact = probabilities.astype(np.float64)
    return Predictions.of_catalog(catalog, rows, apply_temperature(exact, temperature))
