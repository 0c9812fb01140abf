"""Small heads on pooled features: weighted, closed-form or convex, fitted in seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from breakhis.taxonomy import BREAKHIS

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Answer = Callable[[Array], Array]
"""(m, d) features to (m, C) log-probabilities."""

CLASSES = len(BREAKHIS)
MALIGNANT = np.array(BREAKHIS.malignant)
_FLOOR = -12.0
"""Log-probability of what a head rules out, so that one expert has no veto."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples: features (n, d), labels (n,), position of their case (n,), magnification, weights."""

    features: Array
    labels: Ints
    cases: Ints
    magnifications: Ints
    weights: Array


@dataclass(frozen=True)
class Head:
    """How a head is fitted.

    Attributes:
        kind: logistic, hierarchy (malignancy, then the subtype in its group), lda, kernel (logistic on an
            RBF map), knn, prototypes (a mean a case), forest.
        c: Inverse strength of the penalty at 600 images; neighbours of knn; leaf size of the forest.
        shrinkage: Of lda's covariance, towards a multiple of the identity.
        mixup: Mixed samples for each true one, between cases of one magnification.
        robust: Rounds in which cases with a large loss gain weight (group DRO).
    """

    kind: Literal["logistic", "hierarchy", "lda", "kernel", "knn", "prototypes", "forest"] = "logistic"
    c: float = 0.1
    shrinkage: float = 0.5
    mixup: int = 0
    robust: int = 0


def fit(samples: Samples, head: Head) -> Answer:
    """The fitted head."""
    if head.mixup:
        samples = _mixed(samples, head.mixup)
    makers = {
        "logistic": _logistic,
        "hierarchy": _hierarchy,
        "lda": _lda,
        "kernel": _kernel,
        "knn": _knn,
        "prototypes": _prototypes,
        "forest": _forest,
    }
    answer = makers[head.kind](samples, head)
    for _ in range(head.robust):
        samples = _harder(samples, answer)
        answer = makers[head.kind](samples, head)
    return answer


def weights(labels: Ints, cases: Ints, *, power: float | None) -> Array:
    """(n,) with mean 1; a class's total goes as its number of cases to `power`, and its cases weigh alike.

    Power 1 is one weight a case, 0 one a class, None one an image.
    """
    if power is None:
        return np.ones(len(labels))
    result = np.zeros(len(labels))
    for label in np.unique(labels):
        own = np.unique(cases[labels == label])
        for case in own:
            mask = (labels == label) & (cases == case)
            result[mask] = len(own) ** (power - 1) / mask.sum()
    return np.asarray(result / result.mean())


def _linear(samples: Samples, c: float, targets: Ints) -> Answer:
    """Weighted multinomial regression on `targets`; columns are the targets that occur, ascending."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(targets)) == 1:
        return lambda features: np.zeros((len(features), 1))
    model = LogisticRegression(C=c * 600 / len(targets), max_iter=3000, tol=1e-4)
    model.fit(samples.features, targets, sample_weight=samples.weights)

    def answer(features: Array) -> Array:
        scores = model.decision_function(features)
        if scores.ndim == 1:
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        return np.asarray(log_softmax(scores, axis=1))

    return answer


def _spread(found: Array, labels: Ints) -> Array:
    """Columns of some labels as columns of all classes."""
    result = np.full((len(found), CLASSES), _FLOOR)
    result[:, labels] = np.maximum(found, _FLOOR)
    return result


def _logistic(samples: Samples, head: Head) -> Answer:
    known = np.unique(samples.labels)
    inner = _linear(samples, head.c, samples.labels)
    return lambda features: _spread(inner(features), known)


def _hierarchy(samples: Samples, head: Head) -> Answer:
    group = MALIGNANT[samples.labels].astype(np.int64)
    top = _linear(samples, head.c, group)
    parts = []
    for side in (0, 1):
        mask = group == side
        own = Samples(
            samples.features[mask],
            samples.labels[mask],
            samples.cases[mask],
            samples.magnifications[mask],
            samples.weights[mask],
        )
        # The penalty is that of all images, so that both groups are shrunk alike.
        parts.append((_linear(own, head.c * mask.sum() / len(mask), own.labels), np.unique(own.labels), side))

    def answer(features: Array) -> Array:
        groups = top(features)
        result = np.full((len(features), CLASSES), _FLOOR)
        for inner, known, side in parts:
            result[:, known] = np.maximum(inner(features) + groups[:, [side]], _FLOOR)
        return result

    return answer


def _lda(samples: Samples, head: Head) -> Answer:
    known = np.unique(samples.labels)
    totals = np.array([samples.weights[samples.labels == k].sum() for k in known])
    means = np.stack(
        [
            np.average(
                samples.features[samples.labels == k], axis=0, weights=samples.weights[samples.labels == k]
            )
            for k in known
        ]
    )
    rest = samples.features - means[np.searchsorted(known, samples.labels)]
    within = (rest * samples.weights[:, None]).T @ rest / samples.weights.sum()
    size = len(within)
    within = (1 - head.shrinkage) * within + head.shrinkage * np.trace(within) / size * np.eye(size)
    kernel = np.linalg.solve(within, means.T)
    bias = -0.5 * (means.T * kernel).sum(axis=0) + np.log(totals / totals.sum())
    return lambda features: _spread(log_softmax(features @ kernel + bias, axis=1), known)


def _kernel(samples: Samples, head: Head) -> Answer:
    from sklearn.metrics.pairwise import rbf_kernel

    gamma = 1 / (2 * samples.features.var(axis=0).sum())
    values, vectors = np.linalg.eigh(rbf_kernel(samples.features, gamma=gamma))
    kept = values > 1e-6 * values[-1]
    root = vectors[:, kept] / np.sqrt(values[kept])
    mapped = rbf_kernel(samples.features, gamma=gamma) @ root
    inner = _logistic(
        Samples(mapped, samples.labels, samples.cases, samples.magnifications, samples.weights), head
    )
    return lambda features: inner(rbf_kernel(features, samples.features, gamma=gamma) @ root)


def _knn(samples: Samples, head: Head) -> Answer:
    onehot = np.eye(CLASSES)[samples.labels] * samples.weights[:, None]

    def answer(features: Array) -> Array:
        near = np.argsort(_distances(features, samples.features), axis=1)[:, : int(head.c)]
        votes = onehot[near].sum(axis=1) + 0.05
        return np.asarray(np.log(votes / votes.sum(axis=1, keepdims=True)))

    return answer


def _prototypes(samples: Samples, head: Head) -> Answer:
    pairs = np.unique(np.stack([samples.labels, samples.cases], axis=1), axis=0)
    means = np.stack(
        [samples.features[(samples.labels == k) & (samples.cases == case)].mean(axis=0) for k, case in pairs]
    )
    width = _distances(samples.features, means).min(axis=1).mean()

    def answer(features: Array) -> Array:
        scores = -_distances(features, means) / (2 * head.c * width)
        result = np.full((len(features), CLASSES), -np.inf)
        for label in np.unique(pairs[:, 0]):
            own = pairs[:, 0] == label
            result[:, label] = logsumexp(scores[:, own], axis=1) - np.log(own.sum())
        return np.asarray(np.maximum(log_softmax(result, axis=1), _FLOOR))

    return answer


def _forest(samples: Samples, head: Head) -> Answer:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(300, min_samples_leaf=int(head.c), random_state=0)
    model.fit(samples.features, samples.labels, sample_weight=samples.weights)
    return lambda features: _spread(np.log(model.predict_proba(features) + 1e-3), model.classes_)


def _distances(a: Array, b: Array) -> Array:
    return np.asarray((a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1))


def _mixed(samples: Samples, count: int) -> Samples:
    """Add convex mixtures within a magnification; a mixture counts for both labels, by its shares."""
    rng = np.random.default_rng(0)
    size = len(samples.labels)
    parts = [samples]
    for _ in range(count):
        order = np.arange(size)
        for magnification in np.unique(samples.magnifications):
            own = np.flatnonzero(samples.magnifications == magnification)
            order[own] = rng.permutation(own)
        share = rng.beta(0.4, 0.4, size)
        mixed = share[:, None] * samples.features + (1 - share[:, None]) * samples.features[order]
        for labels, part in ((samples.labels, share), (samples.labels[order], 1 - share)):
            mean = share * samples.weights + (1 - share) * samples.weights[order]
            parts.append(Samples(mixed, labels, samples.cases, samples.magnifications, mean * part))
    names = ("features", "labels", "cases", "magnifications", "weights")
    return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _harder(samples: Samples, answer: Answer) -> Samples:
    """Weight each case up by its loss (Sagawa et al., ICLR 2020, one step of exponentiated gradient)."""
    rows = np.arange(len(samples.labels))
    loss = -answer(samples.features)[rows, samples.labels]
    scaled = samples.weights.copy()
    for case in np.unique(samples.cases):
        scaled[samples.cases == case] *= np.exp(0.5 * loss[samples.cases == case].mean())
    return Samples(
        samples.features, samples.labels, samples.cases, samples.magnifications, scaled / scaled.mean()
    )
