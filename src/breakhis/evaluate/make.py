"""From predictions to their evaluation."""

import numpy as np

from breakhis.errors import DataError
from breakhis.evaluate.evaluation import Abstention, Evaluation
from breakhis.metrics import Answers, Estimate, Measures, Metric, Resamples, measure
from breakhis.metrics.calibration import reliability
from breakhis.metrics.recognition import image_recognition_rate
from breakhis.metrics.selective import risk_coverage
from breakhis.predictions import Predictions
from breakhis.splits.leakage import Leakage

_OF_IMAGES = ("image_recognition_rate", "prr", "malignancy_prr")


def evaluate(
    predictions: Predictions,
    *,
    unit: str,
    leakage: Leakage | None = None,
    name: str | None = None,
    seed: int = 0,
) -> Evaluation:
    """Measure answers whose truth is known: all together, per magnification, and pooled by patient and case.

    Images that the model abstains from are measured by their most probable answer like all others; what
    abstaining gains stands in `Evaluation.abstention`.

    Args:
        predictions: Answers for a test set, or the pooled out-of-fold answers of a cross-validation.
        unit: What the split kept together: "image", "patient", "case", "official" or "manual".
        leakage: What stands on both sides of the split; None where the training images are not known.
        name: What was measured, for people.
        seed: Draws the resamples of cases that the intervals come from.

    Raises:
        DataError: No images, or one whose true subtype is unknown.
    """
    answers = answers_of(predictions)
    return Evaluation(
        name=name or "evaluation",
        unit=unit,
        leakage=leakage,
        taxonomy=predictions.taxonomy,
        overall=measure(answers, predictions.taxonomy, seed=seed),
        per_magnification=_per_magnification(predictions, seed),
        pooled=_pooled(predictions, seed),
        abstention=_abstention(predictions, answers, seed),
        reliability=reliability(answers.confidence, answers.correct),
        risk_coverage=risk_coverage(answers.confidence, answers.correct),
        seed=seed,
    )


def answers_of(predictions: Predictions) -> Answers:
    """The arrays that metrics are computed from; raises DataError where a truth is unknown."""
    unknown = predictions.paths[predictions.truth < 0]
    if len(unknown):
        raise DataError(
            "images whose true subtype is known",
            found=f"{len(unknown)} of {len(predictions)} without it, e.g. {unknown[0]}",
            fix="use BreaKHis file names or a manifest with a subtype column, or `breakhis predict`",
        )
    return Answers(
        truth=predictions.truth,
        predicted=predictions.labels,
        probabilities=predictions.probabilities,
        patients=predictions.patients,
        cases=predictions.cases,
        malignant=predictions.taxonomy.malignant,
    )


def _per_magnification(predictions: Predictions, seed: int) -> dict[int, Measures]:
    known = np.unique(predictions.magnifications[predictions.magnifications > 0])
    return {
        magnification: measure(
            answers_of(predictions.select(predictions.magnifications == magnification)),
            predictions.taxonomy,
            seed=seed,
        )
        for magnification in known.tolist()
    }


def _pooled(predictions: Predictions, seed: int) -> dict[str, Measures]:
    result = {}
    if "" not in predictions.patients:
        result["patient"] = _measure_pooled(predictions.pool("patient"), seed)
    if "" not in predictions.cases:
        result["case"] = _measure_pooled(predictions.pool("case"), seed)
    return result


def _measure_pooled(pooled: Predictions, seed: int) -> Measures:
    measured = measure(answers_of(pooled), pooled.taxonomy, seed=seed)
    # Rates of images; of pooled answers they would be another quantity under the same name.
    measured.metrics.update(dict.fromkeys(_OF_IMAGES, Metric(None)))
    return measured


def _abstention(predictions: Predictions, answers: Answers, seed: int) -> Abstention | None:
    answered = predictions.reasons == ""
    if answered.all():
        return None
    resamples = Resamples.draw(answers.cases, seed=seed)
    accuracy = Estimate.undefined()
    if answered.any():
        accuracy = Estimate(
            float(answers.correct[answered].mean()), resamples.ratio(answers.correct & answered, answered)
        )
    return Abstention(
        images=int((~answered).sum()),
        coverage=image_recognition_rate(answered, resamples).metric(),
        accuracy=accuracy.metric(),
    )
