"""Predictions: one answer, told twice, never in contradiction."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from breakhis.errors import DataError
from breakhis.predictions import Predictions


def predictions(probabilities: np.ndarray, **columns: list[object]) -> Predictions:
    count = len(probabilities)
    return Predictions(
        paths=np.array([f"{i}.png" for i in range(count)]),
        probabilities=np.asarray(probabilities, dtype=np.float64),
        truth=np.array(columns.get("truth", [-1] * count), dtype=np.int64),
        magnifications=np.array(columns.get("magnifications", [0] * count), dtype=np.int64),
        patients=np.array(columns.get("patients", [""] * count), dtype=np.str_),
        cases=np.array(columns.get("cases", [""] * count), dtype=np.str_),
        reasons=np.array(columns.get("reasons", [""] * count), dtype=np.str_),
    )


@given(arrays(np.float64, (5, 8), elements=st.floats(0.001, 1)))
def test_subtype_and_malignancy_never_contradict(raw: np.ndarray) -> None:
    table = predictions(raw / raw.sum(axis=1, keepdims=True))
    answered_malignant = np.array(table.taxonomy.malignant)[table.labels]
    np.testing.assert_array_equal(answered_malignant, table.malignancy > 0.5)
    np.testing.assert_allclose(table.malignancy, table.probabilities[:, 4:].sum(axis=1))


def test_most_probable_subtype_of_the_less_probable_group_is_not_answered() -> None:
    table = predictions(np.array([[0.4, 0, 0, 0, 0.15, 0.15, 0.2, 0.1]]))
    assert table.subtypes.tolist() == ["MC"]
    assert table.malignancy[0] == pytest.approx(0.6)
    assert table.confidence[0] == pytest.approx(0.2)


def test_pooling_is_the_mean_and_abstaining_images_have_no_say() -> None:
    rows = np.eye(8)[[0, 1, 4, 4]]
    table = predictions(
        rows,
        cases=["a", "a", "a", "b"],
        patients=["a1", "a2", "a2", "b"],
        magnifications=[40, 100, 40, 200],
        reasons=["", "", "blurred", "blurred"],
    )
    pooled = table.pool("case")
    assert pooled.paths.tolist() == ["a", "b"]
    np.testing.assert_allclose(pooled.probabilities[0], [0.5, 0.5, 0, 0, 0, 0, 0, 0])
    assert pooled.reasons.tolist() == ["", "blurred"]
    assert pooled.magnifications.tolist() == [0, 200]
    assert pooled.patients.tolist() == ["", "b"]


def test_a_case_with_two_true_subtypes_is_pooled_per_subtype() -> None:
    table = predictions(np.eye(8)[[1, 2]], cases=["14-21998"] * 2, truth=[1, 2])
    assert table.pool("case").truth.tolist() == [1, 2]


def test_save_and_load_round_trip(tmp_path: Path) -> None:
    table = predictions(
        np.full((2, 8), 0.125), truth=[3, -1], cases=["c", ""], magnifications=[40, 0], reasons=["", "blank"]
    )
    table.save(tmp_path / "p.csv")
    loaded = Predictions.load(tmp_path / "p.csv")
    np.testing.assert_array_equal(loaded.probabilities, table.probabilities)
    assert loaded.truth.tolist() == [3, -1]
    assert loaded.reasons.tolist() == ["", "blank"]
    header = (tmp_path / "p.csv").read_text().splitlines()[0]
    assert header.startswith(
        "path,subtype,confidence,malignant,A,F,PT,TA,DC,LC,MC,PC,patient,case,abstain,reason"
    )


def test_a_table_without_truth_has_exactly_the_contract_columns(tmp_path: Path) -> None:
    predictions(np.full((1, 8), 0.125)).save(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[0] == (
        "path,subtype,confidence,malignant,A,F,PT,TA,DC,LC,MC,PC,patient,case,abstain,reason"
    )


def test_a_cut_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("path,subtype,confidence,malignant,A,F\n1.png,A,1")
    with pytest.raises(DataError, match="a predictions table"):
        Predictions.load(tmp_path / "p.csv")
