"""The linear head: its network, its answers over views, and how it is fitted in closed form."""

import csv
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from breakhis.affine import Affine, scaling
from breakhis.config import FitConfig, ModelConfig, TrainConfig, load_config
from breakhis.engine import Engine
from breakhis.errors import ConfigError
from breakhis.images.views import turn
from breakhis.model.backend import KerasBackend
from breakhis.model.network import build_network, tap_model
from breakhis.model.weights import get_weights
from breakhis.runs import Run
from breakhis.training.closed_form import inner_folds
from breakhis.training.fit import Job, fit_network
from breakhis.training.linear import Examples, bags, fit_affine
from model_weights import random_weights
from training_tables import Silent, small_job

SIZE = 64
IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
TAPS = ("conv2_block3_concat", "pool2_relu")


def linear(**changes: Any) -> ModelConfig:
    return ModelConfig(**{"head": "linear", "taps": TAPS, "weights": "none", **changes})


@pytest.mark.parametrize(("hierarchy", "views"), [(0.0, 8), (0.5, 1), (1.0, 1)])
def test_engine_equals_keras(hierarchy: float, views: int) -> None:
    model = linear(hierarchy=hierarchy, test_views=views)
    weights = random_weights(model, classes=8)
    expected = KerasBackend(model, weights, size=SIZE).answer(IMAGES)
    found = Engine(model, weights, size=SIZE).answer(IMAGES)
    assert expected.probabilities.std() > 0.01
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-4)


def test_mean_answer_over_views_is_the_answer_to_the_mean_features() -> None:
    model = linear(test_views=8)
    weights = random_weights(model, classes=8)
    engine = Engine(model, weights, size=SIZE)
    taps = [engine.taps(turn(IMAGES, view)) for view in range(8)]
    mean = np.concatenate([np.mean([tap[name] for tap in taps], axis=0) for name in TAPS], axis=1)
    scores = mean @ weights["probabilities/kernel"] + weights["probabilities/bias"]
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(engine.predict(IMAGES), shares / shares.sum(axis=1, keepdims=True), atol=1e-5)


def test_hierarchy_multiplies_malignancy_by_the_subtype_within_its_group() -> None:
    model = linear(hierarchy=1.0)
    weights = random_weights(model, classes=8)
    for layer, bias in (("malignancy", [2.0]), ("benign", [0, 0, 0, 9]), ("malignant", [9, 0, 0, 0])):
        weights[f"{layer}/kernel"] = np.zeros_like(weights[f"{layer}/kernel"])
        weights[f"{layer}/bias"] = np.array(bias, np.float32)
    answers = Engine(model, weights, size=SIZE).predict(IMAGES)
    malignant = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(answers[:, 4:].sum(axis=1), malignant, atol=1e-5)
    np.testing.assert_allclose(answers[:, 3], 1 - malignant, atol=1e-3)


def test_hierarchy_needs_benign_and_malignant_classes() -> None:
    with pytest.raises(ConfigError, match="0 benign of 3 classes"):
        build_network(linear(hierarchy=0.5), size=SIZE, classes=3)


def test_activation_taps_are_those_of_keras_applications() -> None:
    keras.utils.set_random_seed(0)
    taps = ("pool2_relu", "pool3_relu", "pool4_relu")
    network = build_network(linear(taps=taps), size=SIZE, classes=8)
    found = Engine(linear(taps=taps), get_weights(network), size=SIZE).taps(IMAGES)
    expected = tap_model(network)(IMAGES.astype(np.float32))
    assert {tap: found[tap].shape[1] for tap in found} == dict(zip(taps, (256, 512, 1024), strict=True))
    for tap in taps:
        assert found[tap].min() >= 0
        np.testing.assert_allclose(found[tap], expected[tap], rtol=1e-4, atol=1e-4)


def examples(*, classes: int = 3, count: int = 90, width: int = 6) -> Examples:
    generator = np.random.default_rng(2)
    labels = np.arange(count) % classes
    features = generator.normal(0, 1, (count, width)) * np.arange(1, width + 1) + 0.8 * labels[:, None] + 5
    return Examples(features, labels, np.ones(count), generator.uniform(0.5, 2, count))


def test_scaling_whitens_under_the_weights() -> None:
    given = examples()
    scaled = scaling(given.features, given.case_weights, components=4)(given.features)
    weights = given.case_weights / given.case_weights.sum()
    np.testing.assert_allclose(weights @ scaled, 0, atol=1e-9)
    np.testing.assert_allclose((scaled * weights[:, None]).T @ scaled, np.eye(4), atol=1e-6)
    plain = scaling(given.features, given.case_weights, components=None)(given.features)
    np.testing.assert_allclose(weights @ plain**2, 1, atol=1e-4)


def test_logistic_regression_is_that_of_scikit_learn_and_penalised_by_l2() -> None:
    given = examples()
    affine = fit_affine(given, FitConfig(l2=0.1), classes=3)
    reference = LogisticRegression(C=1 / (0.1 * 90), tol=1e-8, max_iter=10_000).fit(
        given.features, given.labels
    )
    np.testing.assert_allclose(
        _softmax(affine(given.features)), reference.predict_proba(given.features), atol=1e-4
    )


def test_bags_hold_whole_cases_of_every_class() -> None:
    labels = np.repeat([0, 0, 0, 0, 0, 1, 2, 2], 3)
    cases = np.repeat(["a", "b", "c", "d", "e", "a", "f", "g"], 3)  # case a is of two classes
    drawn = bags(labels, cases, FitConfig(bags=6, bag_share=0.6), seed=1)
    assert len(drawn) == 6
    for part in drawn:
        kept = np.array([len(np.unique(cases[part][labels[part] == label])) for label in range(3)])
        np.testing.assert_array_equal(kept, [3, 1, 1])
        assert len(part) == 3 * kept.sum()
    assert len({tuple(part.tolist()) for part in drawn}) > 1
    again = bags(labels, cases, FitConfig(bags=6, bag_share=0.6), seed=1)
    assert all(np.array_equal(one, two) for one, two in zip(drawn, again, strict=True))
    (whole,) = bags(labels, cases, FitConfig(bags=1), seed=1)
    np.testing.assert_array_equal(whole, np.arange(len(labels)))


def test_mean_of_maps_scores_the_mean() -> None:
    generator = np.random.default_rng(0)
    maps = [Affine(generator.normal(size=(4, 3)), generator.normal(size=3)) for _ in range(5)]
    features = generator.normal(size=(7, 4))
    expected = np.mean([one(features) for one in maps], axis=0)
    np.testing.assert_allclose(Affine.mean(maps)(features), expected)


def test_discriminant_analysis_is_that_of_scikit_learn() -> None:
    given = examples()
    given = Examples(given.features, given.labels, given.weights, np.ones(90))
    affine = fit_affine(given, FitConfig(classifier="lda", shrinkage=1e-9), classes=3)
    reference = LinearDiscriminantAnalysis(solver="lsqr").fit(given.features, given.labels)
    np.testing.assert_allclose(
        _softmax(affine(given.features)), reference.predict_proba(given.features), atol=1e-4
    )


@pytest.mark.parametrize("classifier", ["logistic", "lda"])
@pytest.mark.parametrize("present", [[3], [1, 3], [0, 1, 3]])
def test_a_class_without_training_images_is_never_answered(classifier: str, present: list[int]) -> None:
    given = examples(classes=len(present))
    given = Examples(given.features, np.array(present)[given.labels], given.weights, given.case_weights)
    affine = fit_affine(given, FitConfig(classifier=classifier), classes=5)
    answers = _softmax(affine(given.features))
    absent = [label for label in range(5) if label not in present]
    assert answers[:, absent].max() < 1e-6
    right = answers.argmax(axis=1) == given.labels
    assert right.mean() > 0.5


def test_inner_folds_keep_groups_whole_and_deal_out_every_class() -> None:
    groups = np.repeat([f"case {number}" for number in range(20)], 3)
    labels = np.repeat([0] * 10 + [1] * 5 + [2] * 5, 3)
    folds = inner_folds(labels, groups, seed=0)
    for group in np.unique(groups):
        assert len(set(folds[groups == group].tolist())) == 1
    for label, most in ((0, 2), (1, 1), (2, 1)):
        cases = [len(set(groups[(labels == label) & (folds == fold)].tolist())) for fold in range(5)]
        assert max(cases) - min(cases) <= 1
        assert max(cases) == most
    np.testing.assert_array_equal(folds, inner_folds(labels, groups, seed=0))
    assert not np.array_equal(folds, inner_folds(labels, groups, seed=1))


def small_linear(**changes: Any) -> TrainConfig:
    return load_config(
        "linear",
        overrides={
            "images.size": 32,
            "model.weights": "none",
            "model.taps": list(TAPS),
            "fit.components": 4,
            "split.test": 0.25,
            "split.validation": 0.25,
            **changes,
        },
    )


def trained(tmp_path: Path, **changes: Any) -> tuple[Job, Run, Any]:
    config = small_linear(**changes)
    job = small_job(tmp_path / "data", config)
    run = Run.start(tmp_path / f"run {len(list(tmp_path.iterdir()))}", config, data_hash="d", resume=False)
    return job, run, fit_network(job, run, Silent())


@pytest.mark.parametrize(
    "changes", [{}, {"model.hierarchy": 0.5}, {"fit.classifier": "lda", "fit.components": None}]
)
def test_strategy_fits_at_once_and_answers_as_the_bundle_will(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    job, run, result = trained(tmp_path, **changes)
    test = job.split.indices("test")
    found = result.answer(test)
    expected = Engine(job.config.model, get_weights(result.network), size=32).answer(job.store.read(test))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)
    assert (found.probabilities.argmax(axis=1) == job.catalog.labels[test]).mean() == 1
    with run.history_file.open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["epoch"], row["phase"], result.kept_epoch) == ("1", "closed form", 1)
    held_out = result.held_out()
    assert not set(held_out.rows.tolist()) & set(test.tolist())
    assert len(held_out.rows) == len(job.catalog) - len(test)


def test_what_calibrates_saw_nothing_of_the_image_s_own_case(tmp_path: Path) -> None:
    """Pictures of noise: only a fit that has seen a case can know its class."""
    generator = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for code, group, first in (("F", "B", 1000), ("DC", "M", 2000)):
        for number in range(first, first + 16):
            name = f"SOB_{group}_{code}-14-{number}-100-001.png"
            tint = generator.uniform(60, 200, 3)
            image = np.clip(tint + generator.normal(0, 40, (40, 40, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name), image)
    _, run, result = trained(tmp_path, **{"fit.components": None, "fit.l2": 1e-3, "fit.bags": 20})
    (row,) = csv.DictReader(run.history_file.read_text().splitlines())
    assert float(row["accuracy"]) > 0.8
    assert float(row["val_accuracy"]) < 0.75
    assert float(row["val_loss"]) > 2 * float(row["loss"])
    assert len(result.held_out().rows) == 24


def test_fit_is_the_same_again_and_the_backbone_stays(tmp_path: Path) -> None:
    _, _, first = trained(tmp_path)
    _, _, again = trained(tmp_path)
    wanted = get_weights(first.network)
    for name, array in get_weights(again.network).items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)


def test_closed_form_needs_a_linear_head() -> None:
    with pytest.raises(ConfigError, match="needs model"):
        load_config("frozen", overrides={"fit.strategy": "linear"})


def _softmax(scores: np.ndarray) -> np.ndarray:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
