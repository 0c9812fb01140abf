"""Linear classifiers in closed or convex form on features of a fixed backbone: one optimum, no epochs.

Cases are few and features many, so what decides is how the features are scaled: they are standardised and,
on request, whitened to their first principal components, with every case weighing the same however many
images it has. All of it folds into one matrix and one offset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from breakhis.affine import Affine, FloatArray
from breakhis.catalog.table import IntArray, StrArray
from breakhis.config import FitConfig

_ABSENT = -30.0
"""Logit of a class that the training set lacks: a probability below 1e-12."""


@dataclass(frozen=True)
class Examples:
    """What a classifier is fitted on.

    Attributes:
        features: (N, D), scaled.
        labels: (N,) in 0 to C-1.
        weights: (N,) weight of each image in the loss.
        case_weights: (N,) weights under which every case counts the same, for the scaling of features.
    """

    features: FloatArray
    labels: IntArray
    weights: FloatArray
    case_weights: FloatArray

    def of(self, labels: IntArray, chosen: NDArray[np.bool_] | None = None) -> "Examples":
        """The chosen rows, or all, under other labels (N,)."""
        rows = np.arange(len(labels)) if chosen is None else np.flatnonzero(chosen)
        return Examples(self.features[rows], labels[rows], self.weights[rows], self.case_weights[rows])


def fit_affine(examples: Examples, fit: FitConfig, *, classes: int) -> Affine:
    """Scaled features to the logits of a softmax over `classes`.

    Logistic regression minimises the weighted mean cross-entropy plus ``fit.l2 / 2`` times the squared norm
    of the weights. Discriminant analysis takes classes as normal with one covariance, shrunk towards a
    multiple of the unit matrix (Ledoit and Wolf, J. Multivariate Analysis 88, 2004).
    """
    if fit.classifier == "lda":
        return _discriminant(examples, classes, shrinkage=fit.shrinkage)
    return _logistic(examples, classes, l2=fit.l2)


def bags(labels: IntArray, cases: StrArray, fit: FitConfig, *, seed: int) -> list[IntArray]:
    """Rows of `fit.bags` random parts of the cases, each with the share `fit.bag_share` of every class's.

    Whole cases are drawn without replacement, at least one a class (subagging: Bühlmann and Yu, Annals of
    Statistics 30(4), 2002). A single part is all rows.

    Args:
        labels: (N,) class of each image.
        cases: (N,) case of each image.
        fit: Number and size of the parts.
        seed: Draws the cases.
    """
    if fit.bags == 1:
        return [np.arange(len(labels))]
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(fit.bags):
        kept = np.zeros(len(labels), dtype=bool)
        for label in np.unique(labels):
            own = generator.permutation(np.unique(cases[labels == label]))
            count = max(1, round(fit.bag_share * len(own)))
            kept |= (labels == label) & np.isin(cases, own[:count])
        drawn.append(np.flatnonzero(kept))
    return drawn


def _logistic(examples: Examples, classes: int, *, l2: float) -> Affine:
    scaled = examples.features
    present = np.unique(examples.labels)
    result = Affine(np.zeros((scaled.shape[1], classes)), np.full(classes, _ABSENT))
    result.bias[present] = 0.0
    if len(present) < 2:
        return result
    strength = 1 / (l2 * examples.weights.sum())
    model = LogisticRegression(C=strength, tol=1e-7, max_iter=10_000)
    model.fit(scaled, examples.labels, sample_weight=examples.weights)
    answered = present if len(present) > 2 else present[1:]  # of two classes only the second has a score
    result.kernel[:, answered] = model.coef_.T
    result.bias[answered] = model.intercept_
    return result


def _discriminant(examples: Examples, classes: int, *, shrinkage: float) -> Affine:
    scaled = examples.features
    share = examples.weights / examples.weights.sum()
    of_class = np.eye(classes)[examples.labels] * share[:, None]
    prior = of_class.sum(axis=0)
    present = prior > 0
    means = np.zeros((classes, scaled.shape[1]))
    means[present] = (of_class.T @ scaled)[present] / prior[present, None]
    case_share = examples.case_weights / examples.case_weights.sum()
    rows = (scaled - means[examples.labels]) * np.sqrt(case_share)[:, None]
    covariance = rows.T @ rows
    width = len(covariance)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / width * np.eye(width)
    kernel = np.linalg.solve(shrunk, means.T)
    bias = np.full(classes, _ABSENT)
    bias[present] = np.log(prior[present]) - 0.5 * np.einsum("kd,dk->k", means, kernel)[present]
    return Affine(kernel, bias)
