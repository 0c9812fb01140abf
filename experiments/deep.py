"""Training below the answer: from cached cuts, against the case, after a warm-up; and many models in one.

Usage: python -m experiments.deep GROUP [...]        (finetune, adversarial, warm-up, distilled)
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import log_softmax

from breakhis.config import ModelConfig
from breakhis.model.network import build_network, pooled_taps
from breakhis.model.weights import load_backbone
from experiments.data import CUT_VIEWS, SHARED, SIZE, TURNS, Floats, Ints, cut_file, features, load
from experiments.heads import CLASSES, Array, Samples, fit, weights
from experiments.protocol import Fit, out_of_fold, record, recorded, run
from experiments.recipe import Expert, Recipe, answer, bags, seen_by
from experiments.tried import HIERARCHY, LDA, SHIPPED, SOFTMAX

_BATCH = 64
_HIDDEN = 64
_PROJECTED = 128
_SHARPNESS = 0.2
_LARGEST_WEIGHT = 5.0


@dataclass(frozen=True)
class Deep:
    """What is trained below the answer, for a number of epochs that no image decides.

    Attributes:
        start: "pool3_pool" or "pool4_pool", above which the network is trained from cached activations with
            batch normalisation at rest; or "c3", whose pooled tap goes through one hidden layer.
        epochs: With labels; each shows every image in one of its views.
        rate: Of Adam, for the answer as for what is below it.
        adversary: Weight of the loss of telling a case among its class, whose gradient is reversed (Ganin et
            al., JMLR 17, 2016; given the class as by Long et al., NeurIPS 2018).
        warm_up: Epochs without labels first, in which two views of an image are to find each other among a
            batch (Chen et al., SimCLR, ICML 2020).
        linear: Whether the shipped head is fitted on the warmed-up features instead of training with labels.
    """

    start: str
    epochs: int
    rate: float
    adversary: float = 0.0
    warm_up: int = 0
    linear: bool = False


@tf.custom_gradient  # type: ignore[untyped-decorator]
def reverse(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """`x`; its gradient with the other sign."""
    return tf.identity(x), lambda gradient: -gradient


class Trainer:
    """A trunk and what is trained on it, built once for all folds and reset for each."""

    def __init__(self, deep: Deep, cases: int) -> None:
        self.deep = deep
        self.trunk = _trunk(deep.start)
        width = self.trunk.output.shape[-1]
        self.answer = keras.layers.Dense(CLASSES, kernel_initializer="zeros")
        self.case = keras.Sequential(
            [keras.Input((width + CLASSES,)), keras.layers.Dense(_HIDDEN, "relu"), keras.layers.Dense(cases)]
        )
        self.projection = keras.Sequential(
            [
                keras.Input((width,)),
                keras.layers.Dense(_PROJECTED, "relu"),
                keras.layers.Dense(_PROJECTED, use_bias=False),
            ]
        )
        self.answer.build((None, width))
        parts = (self.trunk, self.answer, self.case, self.projection)
        self.variables = [variable for part in parts for variable in part.trainable_variables]
        self.optimizer = keras.optimizers.Adam(deep.rate)
        self.optimizer.build(self.variables)
        self._all = [*self.variables, *self.optimizer.variables]
        self._first = [keras.ops.convert_to_numpy(variable) for variable in self._all]

    def reset(self) -> None:
        """Undo all training."""
        for variable, value in zip(self._all, self._first, strict=True):
            variable.assign(value)

    @tf.function  # type: ignore[untyped-decorator]
    def step(self, seen: tf.Tensor, labels: tf.Tensor, cases: tf.Tensor, weights: tf.Tensor) -> None:
        """One step with labels."""
        with tf.GradientTape() as tape:
            found = self.trunk(seen, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, self.answer(found))
            loss = tf.reduce_mean(weights * losses)
            if self.deep.adversary:
                told = tf.concat([reverse(found), tf.one_hot(labels, CLASSES)], 1)
                guesses = tf.nn.sparse_softmax_cross_entropy_with_logits(cases, self.case(told))
                loss += self.deep.adversary * tf.reduce_mean(weights * guesses)
        self._apply(tape, loss)

    @tf.function  # type: ignore[untyped-decorator]
    def match(self, one: tf.Tensor, other: tf.Tensor) -> None:
        """One step without labels."""
        with tf.GradientTape() as tape:
            found = self.trunk(tf.concat([one, other], 0), training=False)
            unit = tf.math.l2_normalize(self.projection(found), 1)
            count = tf.shape(unit)[0]
            alike = unit @ tf.transpose(unit) / _SHARPNESS - 1e9 * tf.eye(count)
            partner = (tf.range(count) + count // 2) % count
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(partner, alike))
        self._apply(tape, loss)

    def _apply(self, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        sources = [variable.value for variable in self.variables]
        gradients = tape.gradient(loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))

    def features(self, seen: Floats) -> Floats:
        """(n, width) of what the trunk makes of views (n, ...)."""
        parts = [
            np.asarray(self.trunk(seen[start : start + _BATCH].astype(np.float32), training=False))
            for start in range(0, len(seen), _BATCH)
        ]
        return np.concatenate(parts)


@cache
def trainer(deep: Deep) -> Trainer:
    """The one of a configuration."""
    keras.utils.set_random_seed(0)
    return Trainer(deep, len(np.unique(load().cases)))


def of_deep(deep: Deep) -> Fit:
    """Train on the training rows; answer test rows by the mean over the four turns."""

    def train_and_answer(train: Ints, test: Ints) -> Array:
        made = trainer(deep)
        made.reset()
        views = _views(deep.start, train.tobytes())
        rng = np.random.default_rng(0)
        for _ in range(deep.warm_up):
            for rows in _batches(train, rng):
                first, second = (rng.integers(len(views), size=len(rows)) for _ in range(2))
                made.match(*(_shown(views, which, rows) for which in (first, second)))
        if deep.linear:
            table = np.mean([made.features(views[turn]) for turn in range(len(TURNS))], axis=0)
            return answer(SHIPPED.recipe, train, test, given=table.astype(np.float64))
        labels, cases = load().labels, np.unique(load().cases, return_inverse=True)[1]
        own = np.zeros(len(labels), np.float32)
        own[train] = np.minimum(weights(labels[train], cases[train], power=0.0), _LARGEST_WEIGHT)
        for _ in range(deep.epochs):
            for rows in _batches(train, rng):
                which = rng.integers(len(views), size=len(rows))
                made.step(
                    _shown(views, which, rows),
                    *(tf.constant(column[rows]) for column in (labels, cases, own)),
                )
        parts = [
            log_softmax(np.asarray(made.answer(made.features(views[turn][test]))), axis=1)
            for turn in range(len(TURNS))
        ]
        return np.asarray(log_softmax(np.mean(parts, axis=0), axis=1))

    return train_and_answer


def _batches(rows: Ints, rng: np.random.Generator) -> Iterator[Ints]:
    """All rows but the rest that fills no batch, in a new order."""
    shuffled = rng.permutation(rows)
    for start in range(0, len(rows) - _BATCH + 1, _BATCH):
        yield shuffled[start : start + _BATCH]


def _shown(views: list[Floats], which: Ints, rows: Ints) -> tf.Tensor:
    return tf.constant(
        np.stack([views[view][row] for view, row in zip(which.tolist(), rows.tolist(), strict=True)]).astype(
            np.float32
        )
    )


@cache
def _activations(cut: str) -> list[Floats]:
    return [np.load(cut_file(cut, view)) for view in CUT_VIEWS]


def _views(start: str, train: bytes) -> list[Floats]:
    """(N, ...) of every view, the four turns first; the pooled tap is standardised on the training rows."""
    if start != "c3":
        return _activations(start)
    rows = np.frombuffer(train, np.int64)
    views = [features("c3", "act", (view,)) for view in CUT_VIEWS]
    known = np.mean(views[: len(TURNS)], axis=0)[rows]
    return [(view - known.mean(axis=0)) / (known.std(axis=0) + 1e-6) for view in views]


def _trunk(start: str) -> keras.Model:
    if start == "c3":
        pooled = keras.Input((512,))
        return keras.Model(pooled, keras.layers.Dense(_HIDDEN, "relu")(pooled))
    network = build_network(ModelConfig(head="plain"), size=SIZE, classes=CLASSES)
    load_backbone(network, str(SHARED / "weights" / "densenet121_imagenet_notop.weights.h5"))
    (pooled,) = pooled_taps(network).values()
    return keras.Model(network.get_layer(start).output, pooled)


def distilled(teacher: Recipe, student: Expert, *, share: float, inside: bool) -> Fit:
    """A student that learns from its teacher's answers, mixed with the labels.

    Args:
        teacher: With bags.
        student: One expert.
        share: Of the teacher's answers in what is learned (Hinton et al., arXiv 1503.02531).
        inside: Whether each case is answered by all bags, or by those that did not see it.
    """

    def train_and_answer(train: Ints, test: Ints) -> Array:
        scores, times = np.zeros((len(train), CLASSES)), np.zeros(len(train))
        cases = load().cases
        for part in bags(train, teacher.bags, teacher.bagged):
            asked = np.full(len(train), True) if inside else ~np.isin(cases[train], cases[part])
            scores += answer(replace(teacher, bags=0), part, train) * asked[:, None]
            times += asked
        soft = np.exp(log_softmax(scores / np.maximum(times, 1)[:, None], axis=1))
        samples, seen = seen_by(student, train, test)
        known = times > 0
        targets = np.eye(CLASSES)[samples.labels]
        targets[known] = (1 - share) * targets[known] + share * soft[known]
        size = len(train)
        spread = Samples(
            np.tile(samples.features, (CLASSES, 1)),
            np.repeat(np.arange(CLASSES), size),
            np.tile(samples.cases, CLASSES),
            np.tile(samples.magnifications, CLASSES),
            (samples.weights * targets.T).ravel() * CLASSES,
        )
        return fit(spread, student.head)(seen)

    return train_and_answer


MANY = Recipe((HIERARCHY, SOFTMAX, LDA), bags=20)
PLAIN, HALF = Deep("c3", 60, 1e-3), 0.5

GROUPS: dict[str, dict[str, tuple[Fit, Any]]] = {
    "adversarial": {
        f"hidden layer on c3, against the case: weight {adversary:g}": (of_deep(deep), asdict(deep))
        for adversary in (0.0, 0.1, 0.3, 1.0, 3.0)
        for deep in [replace(PLAIN, adversary=adversary)]
    },
    "warm-up": {
        name: (of_deep(deep), asdict(deep))
        for name, deep in (
            (
                "views matched by a hidden layer on c3, 30 epochs, then labels",
                replace(PLAIN, warm_up=30),
            ),
            ("the same, then the shipped head on the hidden layer", replace(PLAIN, warm_up=30, linear=True)),
            ("hidden layer on c3 as it falls, the shipped head on it", replace(PLAIN, linear=True)),
            (
                "views matched by the fifth stage, 5 epochs, then the shipped head",
                Deep("pool4_pool", 0, 1e-4, warm_up=5, linear=True),
            ),
            ("fifth stage at rest, the shipped head on it", Deep("pool4_pool", 0, 1e-4, linear=True)),
        )
    },
    "finetune": {
        name: (of_deep(deep), asdict(deep))
        for name, deep in (
            ("fifth stage, 4 epochs", Deep("pool4_pool", 4, 2e-4)),
            (
                "fifth stage, against the case: weight 0.3",
                Deep("pool4_pool", 4, 2e-4, adversary=0.3),
            ),
            ("fourth and fifth stage, 4 epochs", Deep("pool3_pool", 4, 1e-4)),
        )
    },
    "distilled": {
        name: (distilled(teacher, student, share=share, inside=inside), {"share": share, "inside": inside})
        for name, teacher, student, share, inside in (
            ("20 bags of softmax into one, half labels", SHIPPED.recipe, SOFTMAX, HALF, False),
            ("20 bags of softmax into one, no labels", SHIPPED.recipe, SOFTMAX, 1.0, False),
            ("20 bags of softmax into one, bags that saw the case too", SHIPPED.recipe, SOFTMAX, 1.0, True),
            (
                "20 bags of all three into one softmax, half labels",
                MANY,
                SOFTMAX,
                HALF,
                False,
            ),
            ("the same, no labels", MANY, SOFTMAX, 1.0, False),
        )
    },
}


def main() -> None:
    """Run what is not recorded yet of the named groups."""
    for group in sys.argv[1:]:
        if group == "distilled":
            run(group, "20 bags of hierarchy, softmax and LDA: all three, the teacher", MANY, nested=False)
        for name, (fitted, config) in GROUPS[group].items():
            if not recorded(group, name):
                record(group, name, out_of_fold(fitted, nested=False), config=config)


if __name__ == "__main__":
    main()
