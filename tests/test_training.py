"""Training: what is decided, what is cached, what survives an interruption."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from breakhis.config import FitConfig, TrainConfig
from breakhis.engine import Engine
from breakhis.errors import RunError
from breakhis.model.network import build_network, head_model, split_network
from breakhis.model.weights import get_weights
from breakhis.runs import Run
from breakhis.training.batches import Layout, Order
from breakhis.training.extract import EngineExtractor
from breakhis.training.features import FeatureCache, fill
from breakhis.training.fit import Job, fit_network
from breakhis.training.loop import calibrated_loss
from breakhis.training.schedule import ScheduleState, next_state
from breakhis.training.untrained import Untrained
from training_tables import Silent, small_config, small_job

FIT = FitConfig(early_stopping_patience=3, plateau_patience=2)


def decisions(losses: list[float]) -> list[str]:
    state, told = ScheduleState(), []
    for epoch, loss in enumerate(losses, start=1):
        state, decision = next_state(state, FIT, epoch=epoch, loss=loss, learning_rate=1e-3)
        kept = "k" if state.best_epoch == epoch else ""
        told.append(kept + "".join(name[0] for name in ("reduce", "stop") if getattr(decision, name)))
    return [*told, str(state.best_epoch)]


def test_schedule_keeps_reduces_and_stops() -> None:
    assert decisions([1.0, 0.9, 0.95, 0.94, 0.93]) == ["k", "k", "", "r", "s", "2"]


def test_a_loss_that_is_not_a_number_is_no_improvement() -> None:
    assert decisions([math.nan, 0.5, math.nan])[:3] == ["", "k", ""]


def test_being_too_sure_costs_no_validation_loss() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(4, size=60)
    scores = generator.normal(0, 1, (60, 4)) + np.eye(4)[labels]
    modest, too_sure = (softmax(factor * scores, axis=1) for factor in (0.5, 5.0))
    assert calibrated_loss(too_sure, labels) == pytest.approx(calibrated_loss(modest, labels), abs=1e-6)
    better = softmax(5.0 * (scores + np.eye(4)[labels]), axis=1)
    assert calibrated_loss(better, labels) < calibrated_loss(modest, labels) - 0.1
    assert math.isnan(calibrated_loss(np.full((60, 4), np.nan), labels))


def test_order_shows_every_row_once_and_depends_on_seed_and_epoch_alone() -> None:
    rows = np.array([3, 5, 8, 9])
    first = Order.shuffled(rows, views=4, seed=1, epoch=0)
    again = Order.shuffled(rows, views=4, seed=1, epoch=0)
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.views, again.views)
    seen = [Order.shuffled(rows, views=4, seed=1, epoch=epoch) for epoch in range(40)]
    assert all(sorted(order.rows.tolist()) == rows.tolist() for order in seen)
    assert {view for order in seen for view in order.views.tolist()} == {0, 1, 2, 3}
    assert len({tuple(order.rows.tolist()) for order in seen}) > 5


def test_layout_packs_and_unpacks() -> None:
    layout = Layout({"cut": (2, 2, 3), "tap": (4,)})
    outputs = {
        "tap": np.arange(8, dtype=np.float32).reshape(2, 4),
        "cut": np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3),
    }
    unpacked = layout.unpack(layout.pack(outputs))
    for name, value in outputs.items():
        np.testing.assert_array_equal(unpacked[name], value)


def test_features_are_computed_once_and_only_for_missing_rows(tmp_path: Path) -> None:
    cache = FeatureCache.open(tmp_path / "cache", images=6, width=2)
    asked: list[int] = []

    def view(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return rows.astype(np.float32)

    def extract(rows: np.ndarray) -> np.ndarray:
        return np.stack([rows, 2 * rows], axis=1)

    counted: list[int] = []
    fill(cache, np.array([1, 4]), extract, view=view, progress=counted.append)
    fill(cache, np.array([0, 1, 4]), extract, view=view, progress=counted.append)
    assert asked == [1, 4, 0]
    assert sum(counted) == 5
    again = FeatureCache.open(tmp_path / "cache", images=6, width=2)
    np.testing.assert_array_equal(again.read(np.array([4, 0, 1])), [[4, 8], [0, 0], [1, 2]])


def small_network(config: TrainConfig) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_network(config.model, size=config.images.size, classes=8)


@pytest.mark.parametrize("cut", [None, "pool3_pool"])
def test_cached_and_straight_path_give_the_same_loss_and_gradients(tmp_path: Path, cut: str | None) -> None:
    """The same views through the engine, half precision and the upper part, or through the whole network."""
    config = small_config("finetune")
    network = small_network(config)
    upper = head_model(network) if cut is None else split_network(network, cut).upper
    layout = Layout.of(upper)
    extract = EngineExtractor.of(network, config, layout=layout, cut=cut)
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (4, 32, 32, 3)).astype(np.float32)
    one_hot = np.eye(8, dtype=np.float32)[generator.integers(8, size=4)]
    cache = FeatureCache.open(tmp_path / "cache", images=4, width=layout.width)
    fill(cache, np.arange(4), extract, view=lambda rows: images[rows], progress=lambda _: None)

    def loss_and_gradients(model: keras.Model, inputs: Any) -> tuple[float, list[np.ndarray]]:
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(
                keras.losses.categorical_crossentropy(one_hot, model(inputs, training=False))
            )
        gradients = tape.gradient(loss, upper.trainable_variables)
        return float(loss), [np.asarray(gradient) for gradient in gradients]

    straight, expected = loss_and_gradients(network, images)
    cached, found = loss_and_gradients(upper, layout.unpack(cache.read(np.arange(4))))
    assert cached == pytest.approx(straight, rel=2e-3)
    scale = max(float(np.abs(gradient).max()) for gradient in expected)
    assert scale > 1e-4
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=5e-3 * scale)


def run_job(tmp_path: Path, name: str, config: TrainConfig) -> tuple[Run, Job, Any]:
    job = small_job(tmp_path / "data", config)
    run = Run.start(tmp_path / name, config, data_hash="d", resume=(tmp_path / name).exists())
    return run, job, fit_network(job, run, Silent())


def history(run: Run) -> list[dict[str, str]]:
    with run.history_file.open() as stream:
        return [{key: row[key] for key in row if key != "seconds"} for row in csv.DictReader(stream)]


class _PulledPlugError(Exception):
    pass


class _PullsPlug(Silent):
    """Interrupts in the middle of an epoch, as a kill would."""

    def __init__(self, phase: str, epoch: int) -> None:
        super().__init__()
        self.when = phase, epoch

    def batch_done(
        self, phase: str, *, epoch: int, epochs: int, share: float, logs: dict[str, float]
    ) -> None:
        if (phase, epoch) == self.when:
            raise _PulledPlugError


def test_a_resumed_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    config = small_config("frozen")
    whole, job, expected = run_job(tmp_path, "whole", config)
    run = Run.start(tmp_path / "cut", config, data_hash="d", resume=False)
    with pytest.raises(_PulledPlugError):
        fit_network(job, run, _PullsPlug("heads", 2))
    resumed = fit_network(job, Run.start(run.folder, config, data_hash="d", resume=True), Silent())
    assert history(run) == history(whole)
    assert [row["epoch"] for row in history(run)] == ["1", "2", "3"]
    assert resumed.kept_epoch == expected.kept_epoch
    wanted = get_weights(expected.network)
    for name, array in get_weights(resumed.network).items():
        np.testing.assert_array_equal(array, wanted[name], err_msg=name)
    _, _, other = run_job(tmp_path, "other seed", config.model_copy(update={"seed": 1}))
    assert any(not np.array_equal(array, wanted[name]) for name, array in get_weights(other.network).items())


def test_trainings_that_share_a_network_end_as_trainings_of_their_own(tmp_path: Path) -> None:
    """The same job again after another one: nothing of the first is left in network or optimizer."""
    config = small_config("frozen")
    alone, job, expected = run_job(tmp_path, "alone", config)
    wanted = get_weights(expected.network)
    shared = replace(job, untrained=Untrained(config, job.catalog.taxonomy))
    for name in ("first", "again"):
        run = Run.start(tmp_path / name, config, data_hash="d", resume=False)
        trained = fit_network(shared, run, Silent())
        assert history(run) == history(alone)
        for weight, array in get_weights(trained.network).items():
            np.testing.assert_array_equal(array, wanted[weight], err_msg=weight)


@pytest.mark.parametrize("views", [1, 8])
def test_frozen_answers_from_kept_features_are_those_of_the_whole_network(tmp_path: Path, views: int) -> None:
    changes = {"fit.learning_rate": 0.02, "fit.epochs": 12, "model.test_views": views}
    config = small_config("frozen", **changes)
    _, job, trained = run_job(tmp_path, "run", config)
    engine = Engine(config.model, get_weights(trained.network), size=config.images.size)
    rows = np.arange(len(job.catalog))
    answers, expected = trained.answer(rows), engine.answer(job.store.read(rows))
    assert answers.probabilities.std(axis=0).max() > 0.01
    np.testing.assert_allclose(answers.probabilities, expected.probabilities, atol=1e-7)
    np.testing.assert_allclose(answers.features, expected.features, atol=1e-5)
    held_out = trained.held_out()
    np.testing.assert_array_equal(held_out.rows, job.split.indices("validation"))
    np.testing.assert_allclose(held_out.probabilities, answers.probabilities[held_out.rows], atol=1e-7)


def test_finetune_goes_on_from_the_heads_and_resumes_in_the_upper_phase(tmp_path: Path) -> None:
    config = small_config("finetune", **{"fit.cut": "conv5_block14_concat"})
    job = small_job(tmp_path / "data", config)
    run = Run.start(tmp_path / "run", config, data_hash="d", resume=False)
    with pytest.raises(_PulledPlugError):
        fit_network(job, run, _PullsPlug("upper", 2))
    assert [row["phase"] for row in history(run)] == ["heads"] * 3 + ["upper"]
    again = Silent()
    trained = fit_network(job, Run.start(run.folder, config, data_hash="d", resume=True), again)
    assert [row["phase"] for row in history(run)] == ["heads"] * 3 + ["upper"] * 2
    assert [row["phase"] for row in again.rows] == ["upper"]
    assert 1 <= trained.kept_epoch <= 5


@pytest.mark.slow
def test_every_layer_is_trained_by_the_full_strategy(tmp_path: Path) -> None:
    config = small_config("full", **{"fit.epochs": 1})
    keras.utils.set_random_seed(config.seed)
    before = get_weights(build_network(config.model, size=32, classes=8))
    run, _, trained = run_job(tmp_path, "full", config)
    after = get_weights(trained.network)
    assert not np.array_equal(before["conv1_conv/kernel"], after["conv1_conv/kernel"])
    assert [row["phase"] for row in history(run)] == ["all"]
    assert (run.tensorboard / "train").is_dir()


def test_an_altered_checkpoint_is_refused(tmp_path: Path) -> None:
    config = small_config("frozen")
    run, job, _ = run_job(tmp_path, "run", config)
    last = run.checkpoints / "last-heads.safetensors"
    last.write_bytes(last.read_bytes()[:100])
    with pytest.raises(RunError, match="a whole checkpoint"):
        fit_network(job, run, Silent())
