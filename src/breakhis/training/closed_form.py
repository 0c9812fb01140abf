"""The strategy without epochs: a linear head fitted at once on the mean features of each image's views."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from breakhis.abstention import CaseSpace
from breakhis.affine import Affine, scaling
from breakhis.catalog.table import IntArray, StrArray
from breakhis.config import tapped_layers
from breakhis.files import cache_folder, hash_json
from breakhis.images.batches import sample_weights
from breakhis.images.store import Store
from breakhis.images.views import Outputs, mean_probabilities, turn
from breakhis.training.batches import Layout
from breakhis.training.extract import EngineExtractor
from breakhis.training.features import FeatureCache, FloatArray, count_views, fill
from breakhis.training.head import Head
from breakhis.training.linear import Examples, bags, fit_affine
from breakhis.training.loop import Listener
from breakhis.training.material import HeldOut, Material, Trained

_INNER_FOLDS = 5


@dataclass(frozen=True)
class ViewFeatures:
    """Pooled taps of every test view of an image, computed when first asked for, whatever fold asks.

    Attributes:
        layout: How taps are packed.
        material: Network, images and configuration.
        listener: Told of progress.
    """

    layout: Layout
    material: Material
    listener: Listener
    _extract: EngineExtractor
    _head: Head

    @classmethod
    def of(cls, material: Material, listener: Listener, *, head: Head | None = None) -> "ViewFeatures":
        """The features that the backbone of `material` gives; answers are those of `head`, else of Keras."""
        untrained = material.untrained
        return cls(untrained.layout, material, listener, untrained.exact, head or untrained.head)

    def read(self, rows: IntArray) -> FloatArray:
        """(views, n, width) float32 of rows of the store."""
        views = self.material.config.model.test_views
        progress = count_views(self.listener, views * len(rows))
        return np.stack([self.cache(view, rows, progress=progress).read(rows) for view in range(views)])

    def cache(self, view: int, rows: IntArray, *, progress: Callable[[int], None]) -> FeatureCache:
        """The features of one view, in which those of `rows` are computed."""
        store = self.material.store
        key = hash_json([store.path.parent.name, self._extract.key, "exact", view])
        cache = FeatureCache.open(
            cache_folder() / "features" / key, images=len(store), width=self.layout.width, dtype=np.float32
        )
        fill(cache, rows, self._extract, view=partial(_shown, store, view), progress=progress)
        return cache

    def outputs(self, rows: IntArray) -> Outputs:
        """What the network as it stands now makes of rows of the store."""
        views = self.read(rows)
        return Outputs(self.answers_to(views), self.mean(views))

    def answers_to(self, views: FloatArray) -> FloatArray:
        """(n, C) float32: answers over all views, from features (views, n, width) that were read before."""
        return mean_probabilities([np.asarray(self._head(self.layout.unpack(view))) for view in views])

    def mean(self, views: FloatArray) -> FloatArray:
        """(n, D) float32: taps side by side as the head takes them, means of features (views, n, width)."""
        taps = self.layout.unpack(views.mean(axis=0))
        return np.concatenate([taps[tap] for tap in tapped_layers(self.material.config.model)], axis=1)


@dataclass(frozen=True)
class Known:
    """Images that a head is fitted on, their features read once.

    Attributes:
        rows: (n,) positions in the store.
        labels: (n,).
        cases: (n,).
        folds: (n,) inner fold, see `inner_folds`.
        views: (views, n, width) float32, packed taps.
        means: (n, D) float32, what the head takes.
    """

    rows: IntArray
    labels: IntArray
    cases: StrArray
    folds: IntArray
    views: FloatArray
    means: FloatArray

    @classmethod
    def of(cls, material: Material, features: ViewFeatures) -> "Known":
        """The training and validation images of `material`."""
        rows = np.sort(np.concatenate([material.targets.train, material.targets.validation]))
        labels = material.targets.one_hot[rows].argmax(axis=1)
        folds = inner_folds(labels, material.groups[rows], seed=material.config.seed)
        views = features.read(rows)
        return cls(rows, labels, material.cases[rows], folds, views, features.mean(views))

    def __getitem__(self, chosen: IntArray | NDArray[np.bool_]) -> "Known":
        """Some of them."""
        return Known(
            self.rows[chosen],
            self.labels[chosen],
            self.cases[chosen],
            self.folds[chosen],
            self.views[:, chosen],
            self.means[chosen],
        )


def train_linear(
    material: Material,
    listener: Listener,
    *,
    on_history: Callable[[tuple[dict[str, Any], ...]], None] | None = None,
) -> Trained:
    """Fit the head in closed form on training and validation images.

    Nothing is chosen by validation images, so they are trained on too. What calibrates are answers out of bag
    where the head is a mean over parts of the cases and the split keeps cases together, and else answers of
    inner folds that keep the split's groups whole. The history has one line, its validation columns of these
    answers.
    """
    started = time.monotonic()
    features = ViewFeatures.of(material, listener)
    known = Known.of(material, features)
    fitted = fit_head(material, known)
    if material.config.fit.bags > 1 and np.array_equal(material.groups[known.rows], known.cases):
        held_out = _out_of_bag(material, features, known, fitted)
    else:
        held_out = _cross_fitted(material, features, known)
    _set_layers(material.network, fitted)
    measured = {
        "": (known.rows, features.answers_to(known.views)),
        "val_": (held_out.rows, held_out.probabilities),
    }
    row: dict[str, Any] = {"epoch": 1, "phase": "closed form", "learning_rate": 0.0}
    for prefix, (rows, probabilities) in measured.items():
        truth = material.targets.one_hot[rows]
        losses = -np.log(np.maximum((probabilities * truth).sum(axis=1), np.finfo(np.float32).tiny))
        row[f"{prefix}loss"] = float(losses.mean())
        row[f"{prefix}accuracy"] = float((probabilities.argmax(axis=1) == truth.argmax(axis=1)).mean())
    row["seconds"] = round(time.monotonic() - started, 3)
    listener.epoch_done(row, epochs=1)
    if on_history is not None:
        on_history((row,))
    return Trained(material.network, 1, 1, features.outputs, lambda: held_out)


@dataclass(frozen=True)
class FittedBag:
    """One fit of the linear layers.

    Attributes:
        cases: What it was fitted on.
        layers: {layer: its optimum}.
    """

    cases: frozenset[str]
    layers: dict[str, Affine]


def fit_head(material: Material, known: Known) -> list[FittedBag]:
    """Set the network's linear layers to the optimum on `known`, or to the mean of its bags."""
    config = material.config
    raw = known.means.astype(np.float64)
    with threadpool_limits(1):  # small matrices: threads would cost more than they give, and the same bits
        fitted = [
            FittedBag(
                frozenset(known.cases[part].tolist()),
                _fit_layers(material, raw[part], labels=known.labels[part], cases=known.cases[part]),
            )
            for part in bags(known.labels, known.cases, config.fit, seed=config.seed)
        ]
    _set_layers(material.network, fitted)
    return fitted


def _set_layers(network: keras.Model, fitted: list[FittedBag]) -> None:
    for layer in fitted[0].layers:
        whole = Affine.mean([bag.layers[layer] for bag in fitted])
        network.get_layer(layer).set_weights([whole.kernel, whole.bias])


def _fit_layers(
    material: Material, raw: NDArray[np.float64], *, labels: IntArray, cases: StrArray
) -> dict[str, Affine]:
    """{layer: its optimum} for unscaled features (n, D) of images of these labels and cases."""
    fit, network, classes = material.config.fit, material.network, material.targets.one_hot.shape[1]
    alike = sample_weights(np.zeros_like(labels), cases, mode="case").astype(np.float64)
    weights = sample_weights(labels, cases, mode=fit.class_weights).astype(np.float64)
    scale = scaling(raw, alike, components=fit.components)
    examples = Examples(scale(raw), labels, weights, alike)
    layers = {"probabilities": fit_affine(examples, fit, classes=classes)}
    if material.config.model.hierarchy:
        benign = network.get_layer("benign").units
        malignant = labels >= benign
        both = fit_affine(examples.of(malignant.astype(np.int64)), fit, classes=2)
        layers["malignancy"] = Affine(both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1])
        for layer, chosen, first, size in (
            ("benign", ~malignant, 0, benign),
            ("malignant", malignant, benign, classes - benign),
        ):
            layers[layer] = fit_affine(examples.of(labels - first, chosen), fit, classes=size)
    return {layer: affine.after(scale) for layer, affine in layers.items()}


def _out_of_bag(material: Material, features: ViewFeatures, known: Known, fitted: list[FittedBag]) -> HeldOut:
    """Answers for each case by the mean of the bags without it.

    Source: Breiman, "Bagging Predictors", Machine Learning 24, 1996.

    A case that is in every bag, being the only one of its class, is left out.
    """
    answers = np.zeros((len(known.rows), material.targets.one_hot.shape[1]), dtype=np.float32)
    answered = np.zeros(len(known.rows), dtype=bool)
    for case in np.unique(known.cases).tolist():
        without = [bag for bag in fitted if case not in bag.cases]
        if without:
            own = known.cases == case
            _set_layers(material.network, without)
            answers[own] = features.answers_to(known.views[:, own])
            answered |= own
    return _held_out(known, np.flatnonzero(answered), answers[answered])


def _cross_fitted(material: Material, features: ViewFeatures, known: Known) -> HeldOut:
    """Answers for each inner fold by a head fitted on the others.

    An image whose class no other group holds is left out: its fold cannot know the class.
    """
    kept, answers = [], []
    for fold in np.unique(known.folds):
        inside = known.folds != fold
        fit_head(material, known[inside])
        asked = np.flatnonzero(~inside & np.isin(known.labels, known.labels[inside]))
        kept.append(asked)
        answers.append(features.answers_to(known.views[:, asked]))
    return _held_out(known, np.concatenate(kept), np.concatenate(answers))


def _held_out(known: Known, answered: IntArray, probabilities: FloatArray) -> HeldOut:
    """Answers to some of `known`, each with its distance to the cases of the other inner folds."""
    means, cases = known.means, known.cases
    distances = np.zeros(len(known.rows))
    for fold in np.unique(known.folds):
        inside = known.folds == fold
        distances[inside] = CaseSpace.fit(means[~inside], cases[~inside]).distances(means[inside])
    return HeldOut(known.rows[answered], probabilities, distances[answered], CaseSpace.fit(means, cases))


def inner_folds(labels: IntArray, groups: StrArray, *, seed: int) -> IntArray:
    """Fold (n,) of every image: each class's groups are dealt out in turn, the rarest class first."""
    generator = np.random.default_rng(seed)
    of_class = {label: np.unique(groups[labels == label]) for label in np.unique(labels).tolist()}
    dealt: dict[str, int] = {}
    for label in sorted(of_class, key=lambda label: (len(of_class[label]), label)):
        for group in generator.permutation(of_class[label]).tolist():
            dealt.setdefault(group, len(dealt) % _INNER_FOLDS)
    return np.array([dealt[group] for group in groups.tolist()], dtype=np.int64)


def _shown(store: Store, view: int, rows: IntArray) -> FloatArray:
    return turn(store.read(rows).astype(np.float32), view)
