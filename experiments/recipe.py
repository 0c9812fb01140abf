"""A recipe: experts on pooled taps, each a preparation and a head, averaged as log-probabilities."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy.special import log_softmax, logsumexp

from experiments.data import TURNS, Ints, features, load
from experiments.heads import MALIGNANT, Array, Head, Samples, fit, weights
from experiments.special import special

_TINY = 1e-6


@dataclass(frozen=True)
class Expert:
    """What one expert sees and how it is fitted.

    Attributes:
        taps: Names of `experiments.extract.TAPS`, or of `experiments.special`; concatenated.
        pooling: Mean of activations, of raw concatenations, deviation of activations, mean and deviation.
        views: Views whose features are averaged, in training and at test.
        samples: Views that are samples of their own in training (none: the average alone).
        components: Leading whitened principal components; None keeps all, unwhitened.
        power: Of the number of cases of a class in its weight; see `experiments.heads.weights`.
        nuisance: What is done to the directions in which cases of one class differ: nothing, whitened
            (WCCN), or that many leading ones projected out.
        head: The head.
    """

    taps: tuple[str, ...] = ("c3",)
    pooling: Literal["act", "raw", "std", "act+std"] = "act"
    views: tuple[str, ...] = TURNS
    samples: tuple[str, ...] = ()
    components: int | None = None
    power: float | None = 0.0
    nuisance: Literal["keep", "whiten"] | int = "keep"
    head: Head = field(default_factory=Head)


@dataclass(frozen=True)
class Recipe:
    """Experts, whose log-probabilities are averaged.

    Attributes:
        experts: At least one.
        shares: Of the experts in the mean; alike where empty.
        tilt: How often the log of a class's share of the training cases is added to its score.
        bags: Models whose scores are averaged, each of a random part of the training cases; 0 for one of all.
        bagged: Share of each class's cases in a part.
        top: Decides between benign and malignant, where given; the experts then decide within the group.
    """

    experts: tuple[Expert, ...]
    shares: tuple[float, ...] = ()
    tilt: float = 0.0
    bags: int = 0
    bagged: float = 0.6
    top: Expert | None = None


def answer(recipe: Recipe, train: Ints, test: Ints, *, given: Array | None = None) -> Array:
    """(len(test), C) log-probabilities of a recipe fitted on the rows `train`.

    Args:
        recipe: What to fit.
        train: Rows to learn from.
        test: Rows to answer.
        given: (N, d) features that stand in for the taps of all experts.
    """
    shares = recipe.shares or (1.0,) * len(recipe.experts)
    parts = [
        share * _expert(expert, rows, test, given)
        for rows in bags(train, recipe.bags, recipe.bagged)
        for share, expert in zip(shares, recipe.experts, strict=True)
    ]
    scores = np.sum(parts, axis=0) / (sum(shares) * max(recipe.bags, 1))
    if recipe.tilt:
        data = load()
        pairs = np.unique(np.stack([data.labels[train].astype(str), data.cases[train]]), axis=1)[0]
        counts = np.bincount(pairs.astype(np.int64), minlength=scores.shape[1])
        scores = scores + recipe.tilt * np.log(np.maximum(counts, 0.5) / counts.sum())
    scores = np.asarray(log_softmax(scores, axis=1))
    return np.asarray(regrouped(scores, _expert(recipe.top, train, test, given))) if recipe.top else scores


def regrouped(scores: Any, top: Any) -> Any:
    """Log-probabilities (..., C) of `scores` within benign and malignant, of `top` between the two."""
    result = scores.copy()
    for mask in (MALIGNANT, ~MALIGNANT):
        within = scores[..., mask] - logsumexp(scores[..., mask], axis=-1, keepdims=True)
        result[..., mask] = within + logsumexp(top[..., mask], axis=-1, keepdims=True)
    return result


def bags(train: Ints, count: int, share: float) -> list[Ints]:
    """The rows of a random share of each class's cases, at least one, `count` times."""
    if not count:
        return [train]
    labels, cases = load().labels[train], load().cases[train]
    rng = np.random.default_rng(0)
    bags = []
    for _ in range(count):
        kept = np.zeros(len(train), bool)
        for label in np.unique(labels):
            own = rng.permutation(np.unique(cases[labels == label]))
            kept |= (labels == label) & np.isin(cases, own[: max(1, round(share * len(own)))])
        bags.append(train[kept])
    return bags


def table(expert: Expert, views: tuple[str, ...], train: Ints) -> Array:
    """(N, d) what an expert sees of every image; only the rows `train` may be learned from."""
    parts = []
    for tap in expert.taps:
        found = special(tap, train)
        if found is not None:
            parts.append(found)
            continue
        parts.extend(
            features(tap, pooling, views).astype(np.float64) for pooling in expert.pooling.split("+")
        )
    return np.concatenate(parts, axis=1).astype(np.float64)


def _expert(expert: Expert, train: Ints, test: Ints, given: Array | None) -> Array:
    samples, asked = seen_by(expert, train, test, given)
    return fit(samples, expert.head)(asked)


def seen_by(expert: Expert, train: Ints, test: Ints, given: Array | None = None) -> tuple[Samples, Array]:
    """What an expert is fitted on, and the features (len(test), d) that it then answers."""
    data = load()
    cases = np.unique(data.cases, return_inverse=True)[1].astype(np.int64)
    rows = np.tile(train, 1 + len(expert.samples))
    key = Expert(expert.taps, expert.pooling, expert.views, expert.samples)
    if given is None:
        seen, whole, deviations = _rotated(key, train.tobytes())
    else:
        seen, whole, deviations = _of_components(given, [given[train]], train)
    if expert.components is None:
        scale = np.full(len(deviations), 1 / deviations[0])
    else:
        scale = 1 / deviations[: expert.components]
    seen, asked = seen[:, : len(scale)] * scale, whole[test][:, : len(scale)] * scale
    if expert.nuisance != "keep":
        basis = _nuisance(seen, data.labels[rows], cases[rows], how=expert.nuisance)
        seen, asked = seen @ basis, asked @ basis
    own = weights(data.labels[rows], cases[rows], power=expert.power)
    return Samples(seen, data.labels[rows], cases[rows], data.catalog.magnifications[rows], own), asked


@lru_cache(maxsize=150)
def _rotated(expert: Expert, train: bytes) -> tuple[Array, Array, Array]:
    """Principal components of the standardised, case-weighted samples, of all images, their deviations."""
    rows = np.frombuffer(train, np.int64)
    whole = table(expert, expert.views, rows)
    copies = [whole[rows], *(table(expert, (view,), rows)[rows] for view in expert.samples)]
    return _of_components(whole, copies, rows)


def _of_components(whole: Array, copies: list[Array], rows: Ints) -> tuple[Array, Array, Array]:
    """The same of any features: `whole` (N, d) of all images, `copies` (n, d) of those of `rows` (n,)."""
    seen, rows = np.concatenate(copies), np.tile(rows, len(copies))
    balance = weights(load().labels[rows], np.unique(load().cases, return_inverse=True)[1][rows], power=1.0)
    mean = np.average(seen, axis=0, weights=balance)
    deviation = np.sqrt(np.average((seen - mean) ** 2, axis=0, weights=balance)) + _TINY
    seen, whole = (seen - mean) / deviation, (whole - mean) / deviation
    scaled = seen * np.sqrt(balance)[:, None]
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    kept = np.flatnonzero(values > 1e-9 * values[-1])[::-1]
    singular = np.sqrt(values[kept])
    axes = scaled.T @ vectors[:, kept] / singular
    return seen @ axes, whole @ axes, singular / np.sqrt(len(seen))


def _nuisance(seen: Array, labels: Ints, cases: Ints, *, how: str | int) -> Array:
    """Whiten or remove the scatter of case means about the mean of their class's cases."""
    rest = []
    for label in np.unique(labels):
        own = np.unique(cases[labels == label])
        means = np.stack([seen[(labels == label) & (cases == case)].mean(axis=0) for case in own])
        rest.append((means - means.mean(axis=0)) / np.sqrt(max(len(own) - 1, 1)))
    stacked = np.concatenate(rest)
    values, vectors = np.linalg.eigh(stacked.T @ stacked / len(rest))
    if isinstance(how, int):
        return np.asarray(vectors[:, : len(values) - how])
    return np.asarray(vectors / np.sqrt(values + values.mean()))
