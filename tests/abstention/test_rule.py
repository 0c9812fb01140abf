"""Thresholds: set for a coverage, kept in a bundle, and giving the first reason that holds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakhis.abstention import CaseSpace, Rule, few_of_each, judge
from breakhis.predictions import Predictions
from breakhis.reasons import Reason

GENERATOR = np.random.default_rng(0)
CASES = np.repeat([f"case {number}" for number in range(12)], 10)
CENTRES = GENERATOR.normal(0, 5, (12, 40))
FEATURES = np.repeat(CENTRES, 10, axis=0) + GENERATOR.normal(0, 1, (120, 40))


def answers(confidence: list[float]) -> Predictions:
    """F with this confidence, the rest shared by PT and A."""
    count = len(confidence)
    probabilities = np.zeros((count, 8))
    probabilities[:, 1] = confidence
    probabilities[:, 2] = (1 - np.array(confidence)) * 0.9
    probabilities[:, 0] = (1 - np.array(confidence)) * 0.1
    nothing = np.full(count, "", dtype=np.str_)
    zero = np.zeros(count, dtype=np.int64)
    return Predictions(nothing, probabilities, zero, zero, nothing, nothing, nothing)


def test_a_training_case_is_near_and_distance_grows_away_from_all() -> None:
    space = CaseSpace.fit(FEATURES, CASES)
    near = space.distances(FEATURES)
    own = np.array([space.whitening(FEATURES[case == CASES]).mean(axis=0) for case in np.unique(CASES)])
    np.testing.assert_allclose(space.points, own)
    line = CENTRES.mean(axis=0) + np.arange(1, 6)[:, None] * 20 * GENERATOR.normal(0, 1, 40)
    far = space.distances(line)
    assert near.max() < far.min()
    assert (np.diff(far) > 0).all()


def test_distance_does_not_depend_on_scale_of_features_nor_on_images_a_case() -> None:
    scale = GENERATOR.uniform(0.01, 100, 40)
    moved = CaseSpace.fit(FEATURES * scale + 7, CASES).distances(FEATURES[:5] * scale + 7)
    np.testing.assert_allclose(CaseSpace.fit(FEATURES, CASES).distances(FEATURES[:5]), moved, rtol=1e-4)
    often = np.r_[np.arange(120), np.tile(np.flatnonzero(CASES == "case 3"), 9)]
    repeated = CaseSpace.fit(FEATURES[often], CASES[often])
    np.testing.assert_allclose(
        repeated.distances(FEATURES), CaseSpace.fit(FEATURES, CASES).distances(FEATURES)
    )


def test_more_features_than_images_give_the_same_space_as_their_rotation() -> None:
    """The Gram matrix of images is taken where it is the smaller one; distances cannot tell."""
    wide = np.concatenate([FEATURES, np.tile(FEATURES, (1, 4))], axis=1)
    few = CaseSpace.fit(wide, CASES)
    many = CaseSpace.fit(np.repeat(wide, 3, axis=0), np.repeat(CASES, 3))
    np.testing.assert_allclose(few.distances(wide), many.distances(wide), rtol=1e-6)


def test_a_space_needs_few_images_of_each_case() -> None:
    everything = few_of_each(CASES)
    np.testing.assert_array_equal(everything, np.arange(120))
    few = few_of_each(CASES, most=60)
    assert [int((CASES[few] == case).sum()) for case in np.unique(CASES)] == [5] * 12
    assert len(few_of_each(CASES, most=3)) == 12


@settings(max_examples=50, deadline=None)
@given(
    coverage=st.floats(0.05, 1),
    confidence=st.lists(st.floats(0.2, 1), min_size=120, max_size=120),
)
def test_a_rule_answers_the_share_it_was_set_for(coverage: float, confidence: list[float]) -> None:
    space = CaseSpace.fit(FEATURES, CASES)
    table = answers(confidence)
    rule = Rule.fit(space, space.distances(FEATURES), table.confidence, coverage=coverage)
    found = np.array(rule.reasons(table, FEATURES))
    answered = int((found == "").sum())
    assert answered >= np.ceil(coverage * 120)
    ties = int((table.confidence == rule.confidence).sum())
    assert answered < coverage * 120 + 1 + ties
    assert (found == Reason.UNLIKE).mean() <= (1 - coverage) * 0.2 + 1e-9


def test_the_first_reason_that_holds_is_given() -> None:
    space = CaseSpace.fit(FEATURES, CASES)
    rule = Rule(0.9, 120, distance=float(space.distances(FEATURES).max()), confidence=0.5, space=space)
    table = answers([0.9, 0.45, 0.45, 0.9])
    features = FEATURES[:4].copy()
    features[2] += 1000
    judged = judge(table, features, checks=[None, None, None, Reason.BLANK], rule=rule)
    assert judged.reasons.tolist() == ["", "undecided between PT and F", "unlike the training data", "blank"]
    assert judge(table, features, checks=[None] * 4, rule=None).reasons.tolist() == [""] * 4


def test_a_rule_is_the_same_once_stored() -> None:
    space = CaseSpace.fit(FEATURES, CASES)
    rule = Rule.fit(space, space.distances(FEATURES), np.linspace(0.2, 1, 120), coverage=0.8)
    again = Rule.load(rule.to_json(), rule.to_bytes())
    assert again.to_json() == rule.to_json()
    np.testing.assert_allclose(again.space.distances(FEATURES), space.distances(FEATURES), rtol=1e-4)
    with pytest.raises(KeyError):
        Rule.load({}, rule.to_bytes())


def test_an_answer_keeps_its_probabilities_when_it_is_not_given() -> None:
    space = CaseSpace.fit(FEATURES, CASES)
    rule = Rule(0.9, 120, distance=0.0, confidence=1.0, space=space)
    table = answers([0.7, 0.6])
    judged = judge(table, FEATURES[:2] + 50, checks=[None, None], rule=rule)
    assert judged.reasons.tolist() == [str(Reason.UNLIKE)] * 2
    np.testing.assert_array_equal(replace(judged, reasons=table.reasons).probabilities, table.probabilities)
