"""The binary view: malignant or benign, from the summed probability of the malignant subtypes."""

import numpy as np
from sklearn.metrics import accuracy_score, recall_score

from breakhis.metrics.answers import Answers
from breakhis.metrics.intervals import BoolArray, Estimate, Resamples
from breakhis.metrics.ranking import rank
from breakhis.metrics.recognition import patient_recognition_rate

NAMES = (
    "malignancy_accuracy",
    "sensitivity",
    "specificity",
    "malignancy_roc_auc",
    "malignancy_pr_auc",
    "malignancy_prr",
)


def malignancy(answers: Answers, resamples: Resamples) -> dict[str, Estimate]:
    """Accuracy, sensitivity (malignant found), specificity (benign left alone), areas and PRR, binary.

    All are undefined where the classes have no malignancy; sensitivity and specificity also where the truth
    has no malignant or no benign image.
    """
    if not answers.malignant:
        return dict.fromkeys(NAMES, Estimate.undefined())
    truth, answer = answers.malignant_truth, answers.malignant_answer
    correct = truth == answer
    ranking = rank(answers.malignancy, truth, resamples)
    keep = resamples.only_if_spread
    return {
        "malignancy_accuracy": Estimate(
            float(accuracy_score(truth, answer)), resamples.ratio(correct, np.ones(len(correct)))
        ),
        "sensitivity": _recall(truth, answer, resamples),
        "specificity": _recall(~truth, ~answer, resamples),
        "malignancy_roc_auc": keep(ranking.roc_auc, truth, ~truth),
        "malignancy_pr_auc": keep(ranking.pr_auc, truth, ~truth),
        "malignancy_prr": patient_recognition_rate(correct, answers.patients, resamples),
    }


def _recall(truth: BoolArray, answer: BoolArray, resamples: Resamples) -> Estimate:
    if not truth.any():
        return Estimate.undefined()
    recall = Estimate(float(recall_score(truth, answer)), resamples.ratio(truth & answer, truth))
    return resamples.only_if_spread(recall, truth)
