"""Accuracy, precision, recall and F1 (per class, macro, weighted), balanced accuracy, confusion matrix.

The rule for averages, on the test set and on every resample alike:

- macro averages run over the classes that are present in the truth;
- such a class without a correct answer counts 0, also where it was never answered at all;
- a class absent from the truth has no precision, recall or F1 (None) and is listed as absent, but answering
  it where another class is true still costs that other class its recall;
- weighted averages weigh each class by its images in the truth.
"""

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, recall_score

from breakhis.metrics.answers import Answers
from breakhis.metrics.intervals import Estimate, FloatArray, IntArray, Resamples, divide

SCORES = ("precision", "recall", "f1")


def confusion(answers: Answers) -> IntArray:
    """(C, C) images; rows are the truth, columns the answers."""
    matrix = confusion_matrix(answers.truth, answers.predicted, labels=np.arange(answers.classes))
    return np.asarray(matrix, dtype=np.int64)


def resampled_confusion(answers: Answers, resamples: Resamples) -> FloatArray:
    """(R, C, C) confusion matrix of every resample, from one matrix per case."""
    classes, cases = answers.classes, resamples.weights.shape[1]
    cells = (resamples.groups * classes + answers.truth) * classes + answers.predicted
    per_case = np.bincount(cells, minlength=cases * classes**2).reshape(cases, classes**2)
    matrices: FloatArray = resamples.weights @ per_case.astype(np.float64)
    return matrices.reshape(-1, classes, classes)


def class_scores(matrices: FloatArray) -> dict[str, FloatArray]:
    """Precision, recall and F1, each (R, C), of confusion matrices (R, C, C); NaN for an absent class."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    support, answered = matrices.sum(axis=2), matrices.sum(axis=1)
    never_answered = (answered == 0) & (support > 0)
    precision = divide(hits, np.where(support > 0, answered, 0))
    return {
        "precision": np.where(never_answered, 0.0, precision),
        "recall": divide(hits, support),
        "f1": divide(2 * hits, np.where(support > 0, support + answered, 0)),
    }


def averages(answers: Answers, matrices: FloatArray) -> dict[str, Estimate]:
    """Accuracy, balanced accuracy, and macro and weighted precision, recall and F1.

    Args:
        answers: The N answers.
        matrices: Their `resampled_confusion`.
    """
    support = matrices.sum(axis=2)
    hits = np.diagonal(matrices, axis1=1, axis2=2).sum(axis=1)
    scores = class_scores(matrices)
    result = {
        "accuracy": Estimate(
            float(accuracy_score(answers.truth, answers.predicted)), divide(hits, support.sum(axis=1))
        ),
        "balanced_accuracy": Estimate(_balanced_accuracy(answers), _mean_of_present(scores["recall"])),
    }
    for average in ("macro", "weighted"):
        values = precision_recall_fscore_support(
            answers.truth, answers.predicted, labels=answers.present, average=average, zero_division=0
        )
        for name, value in zip(SCORES, values, strict=False):
            weights = np.ones_like(support) if average == "macro" else support
            result[f"{average}_{name}"] = Estimate(float(value), _mean_of_present(scores[name], weights))
    return result


def per_class(answers: Answers, matrices: FloatArray, resamples: Resamples) -> list[dict[str, Estimate]]:
    """Precision, recall and F1 of each of the C classes.

    A class absent from the truth has None for all three; one whose images come from a single case has values
    without intervals.
    """
    values = precision_recall_fscore_support(
        answers.truth, answers.predicted, labels=np.arange(answers.classes), zero_division=0
    )
    samples = class_scores(matrices)
    result = []
    for label in range(answers.classes):
        mask = answers.truth == label
        scores = {
            name: Estimate(float(value[label]), samples[name][:, label])
            for name, value in zip(SCORES, values, strict=False)
        }
        if not mask.any():
            scores = dict.fromkeys(SCORES, Estimate.undefined())
        result.append({name: resamples.only_if_spread(score, mask) for name, score in scores.items()})
    return result


def _balanced_accuracy(answers: Answers) -> float:
    # sklearn's balanced_accuracy_score is this recall, but warns of answers that are absent from the truth.
    return float(
        recall_score(
            answers.truth, answers.predicted, labels=answers.present, average="macro", zero_division=0
        )
    )


def _mean_of_present(scores: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    present = np.isfinite(scores)
    weighted = present * (np.ones_like(scores) if weights is None else weights)
    return divide((np.where(present, scores, 0.0) * weighted).sum(axis=1), weighted.sum(axis=1))
