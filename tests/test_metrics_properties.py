"""Metrics: what holds for every table of answers, and what the intervals and the temperature are worth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakhis.errors import DataError
from breakhis.metrics import Answers, Metric, Resamples, apply_temperature, fit_temperature, measure
from breakhis.metrics.recognition import image_recognition_rate
from breakhis.taxonomy import BREAKHIS


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    images, cases = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharpness = draw(st.sampled_from([0.05, 1.0, 20.0]))
    probabilities = generator.dirichlet(np.full(8, sharpness), images)
    case = generator.integers(0, cases, images)
    return Answers(
        truth=generator.integers(0, draw(st.integers(1, 8)), images),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        patients=np.char.add(case.astype(str), generator.choice(["A", "B"], images)),
        cases=case.astype(str),
        malignant=BREAKHIS.malignant,
    )


def all_metrics(table: Answers, seed: int = 0) -> dict[str, Metric]:
    measured = measure(table, BREAKHIS, seed=seed)
    flat = dict(measured.metrics)
    for code, item in measured.per_class.items():
        flat.update({f"{code} {name}": metric for name, metric in item.metrics.items()})
    return flat


@given(answers())
@settings(deadline=None, max_examples=15)
def test_metrics_and_intervals_are_bounded(table: Answers) -> None:
    for name, metric in all_metrics(table).items():
        top = 2 if name == "brier" else 1
        assert metric.value is None or -1e-12 <= metric.value <= top + 1e-12, name
        assert metric.ci95 is None or -1e-12 <= metric.ci95[0] <= metric.ci95[1] <= top + 1e-12, name
        assert metric.value is not None or metric.ci95 is None, name


@given(answers(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=15)
def test_order_of_the_images_does_not_matter(table: Answers, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(len(table))
    shuffled = Answers(
        truth=table.truth[rows],
        predicted=table.predicted[rows],
        probabilities=table.probabilities[rows],
        patients=table.patients[rows],
        cases=table.cases[rows],
        malignant=table.malignant,
    )
    before, after = all_metrics(table), all_metrics(shuffled)
    for name, metric in before.items():
        assert after[name].value == pytest.approx(metric.value), name
        assert after[name].ci95 == (pytest.approx(metric.ci95) if metric.ci95 else None), name


@given(answers())
@settings(deadline=None, max_examples=15)
def test_one_case_or_an_unknown_case_gives_no_interval_rather_than_a_false_one(table: Answers) -> None:
    one = np.full(len(table), "14-16184")
    unknown = np.where(np.arange(len(table)) == 0, "", table.cases)
    for cases in (one, unknown):
        assert {metric.ci95 for metric in all_metrics(replace(table, cases=cases)).values()} == {None}


def test_same_seed_same_interval_other_seed_another() -> None:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(8), 200)
    cases = generator.integers(0, 20, 200).astype(str)
    table = Answers(generator.integers(0, 8, 200), probabilities.argmax(axis=1), probabilities, cases, cases)
    assert all_metrics(table, 1) == all_metrics(table, 1)
    assert all_metrics(table, 1)["brier"].ci95 != all_metrics(table, 2)["brier"].ci95


def test_intervals_over_cases_cover_the_truth_and_intervals_over_images_do_not() -> None:
    """100 studies of 40 cases whose own accuracies are uniform in [0, 1]: the true accuracy is 1/2."""
    generator = np.random.default_rng(0)
    covered = {"case": 0, "image": 0}
    for _ in range(100):
        case = np.repeat(np.arange(40), 20)
        correct = generator.random(800) < generator.random(40)[case]
        for unit, names in (("case", case.astype(str)), ("image", np.arange(800).astype(str))):
            resamples = Resamples.draw(names, seed=1, count=200)
            low, high = image_recognition_rate(correct, resamples).metric().ci95 or (1.0, 0.0)
            covered[unit] += low <= 0.5 <= high
    assert 0.88 <= covered["case"] / 100 <= 0.99
    assert covered["image"] / 100 < 0.75


def test_differences_are_paired() -> None:
    """The same answers twice differ by exactly nothing; unpaired resamples would say otherwise."""
    generator = np.random.default_rng(0)
    case = np.repeat(np.arange(10).astype(str), 5)
    correct = generator.random(50) < 0.5
    better = correct | (np.arange(50) % 5 == 0)
    resamples = Resamples.draw(case, seed=0)
    rate, better_rate = (image_recognition_rate(values, resamples) for values in (correct, better))
    assert rate.minus(rate) == Metric(0.0, (0.0, 0.0))
    difference = better_rate.minus(rate)
    assert difference.value == pytest.approx(better.mean() - correct.mean())
    assert difference.ci95 is not None
    assert difference.ci95[0] > 0


@given(answers(), st.floats(0.05, 20))
@settings(deadline=None)
def test_temperature_never_changes_the_most_probable_class(table: Answers, temperature: float) -> None:
    calibrated = apply_temperature(table.probabilities, temperature)
    chosen = calibrated[np.arange(len(table)), table.probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(chosen, calibrated.max(axis=1))
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)


def test_temperature_one_changes_nothing() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-12)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_probabilities_is_found_again(truth: float) -> None:
    generator = np.random.default_rng(0)
    honest = generator.dirichlet(np.ones(8), 20_000)
    labels = (honest.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    spoilt = apply_temperature(honest, 1 / truth)
    assert fit_temperature(spoilt, labels) == pytest.approx(truth, rel=0.03)


def test_temperature_lowers_the_calibration_error_of_an_overconfident_model() -> None:
    generator = np.random.default_rng(1)
    honest = generator.dirichlet(np.ones(8), 4000)
    labels = (honest.cumsum(axis=1) < generator.random((4000, 1))).sum(axis=1)
    sure = apply_temperature(honest, 0.3)
    names = generator.integers(0, 40, 4000).astype(str)
    calibrated = apply_temperature(sure, fit_temperature(sure[:2000], labels[:2000]))
    errors = [
        all_metrics(
            Answers(labels[2000:], table[2000:].argmax(axis=1), table[2000:], names[2000:], names[2000:])
        )["ece"].value
        for table in (sure, calibrated)
    ]
    assert errors[0] is not None
    assert errors[1] is not None
    assert errors[1] < errors[0] / 5


def test_temperature_needs_labelled_images() -> None:
    with pytest.raises(DataError, match="fit a temperature"):
        fit_temperature(np.empty((0, 8)), np.empty(0, dtype=np.int64))
    with pytest.raises(DataError, match="1 without a label"):
        fit_temperature(np.full((1, 8), 1 / 8), np.array([-1]))
