"""Evaluation: the contract of its JSON, its parts by hand, and text that never shows a bare number."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from breakhis.errors import DataError
from breakhis.evaluate import Evaluation, evaluate
from breakhis.metrics import Metric
from breakhis.predictions import Predictions
from breakhis.splits.leakage import Leakage
from breakhis.taxonomy import BREAKHIS, Taxonomy

LEAKS = Leakage("leaks", ("a.png",), ("14-1A",), ("14-1",))


def predictions(seed: int = 0, images: int = 160, cases: int = 16) -> Predictions:
    """Two cases a subtype, two patients a case, two magnifications; right more often than not."""
    generator = np.random.default_rng(seed)
    case = np.arange(images) % cases
    truth = case % 8
    probabilities = generator.dirichlet(np.ones(8), images)
    probabilities[np.arange(images), truth] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = np.char.add("14-", case.astype(str))
    return Predictions(
        paths=np.char.add(np.arange(images).astype(str), ".png"),
        probabilities=probabilities,
        truth=truth,
        magnifications=np.where(np.arange(images) < 100, 40, 200),
        patients=np.char.add(names, np.where(np.arange(images) % 3 == 0, "A", "B")),
        cases=names,
        reasons=np.full(images, "", dtype=np.str_),
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(predictions(), unit="case", leakage=Leakage("clean"), name="RUN")


CONTRACT = (
    *("accuracy", "macro_precision", "macro_recall", "macro_f1", "balanced_accuracy", "prr"),
    *("weighted_precision", "weighted_recall", "weighted_f1", "malignancy_accuracy", "sensitivity"),
    *("specificity", "ece", "brier", "roc_auc", "pr_auc"),
)


def test_json_keeps_the_contract(evaluation: Evaluation) -> None:
    value = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    assert (value["unit"], value["leakage"]["verdict"]) == ("case", "clean")
    assert (value["images"], value["patients"], value["cases"]) == (160, 32, 16)
    for name in CONTRACT:
        low, high = value[name]["ci95"]
        assert 0 <= low <= high <= 2, name
        assert isinstance(value[name]["value"], float), name
    assert list(value["per_class"]) == list(BREAKHIS.codes)
    for item in value["per_class"].values():
        assert (item["images"], item["cases"]) == (20, 2)
        assert {"precision", "recall", "f1", "roc_auc", "pr_auc"} <= set(item)


def test_what_is_saved_is_what_is_loaded(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save(tmp_path / "metrics.json")
    assert Evaluation.load(tmp_path / "metrics.json") == evaluation


def test_everything_optional_survives_the_file(tmp_path: Path) -> None:
    table = predictions()
    table.reasons[:5] = "unsure"
    foreign = Taxonomy(tuple("abcdefgh"), tuple("abcdefgh"))
    measured = evaluate(replace(table, taxonomy=foreign), unit="image", leakage=LEAKS)
    measured.save(tmp_path / "metrics.json")
    loaded = Evaluation.load(tmp_path / "metrics.json")
    assert loaded == measured
    assert loaded.leakage == LEAKS
    assert loaded["malignancy_accuracy"] == loaded["sensitivity"] == Metric(None)
    assert "malignancy" not in loaded.summary()


def test_without_known_training_images_leakage_is_unknown_not_clean() -> None:
    measured = evaluate(predictions(), unit="case")
    assert measured.to_json()["leakage"] == {"verdict": "unknown"}
    assert "leakage unknown" in measured.summary()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"leakage": {"verdict": "clean"}}'])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(DataError, match="an evaluation at"):
        Evaluation.load(tmp_path / "metrics.json")


def test_unknown_truth_is_refused_by_name() -> None:
    table = predictions()
    table.truth[7] = -1
    with pytest.raises(DataError, match=r"1 of 160 without it, e.g. 7\.png"):
        evaluate(table, unit="case")


def test_a_magnification_is_measured_like_a_test_set_of_its_own(evaluation: Evaluation) -> None:
    table = predictions()
    alone = evaluate(table.select(table.magnifications == 40), unit="case")
    assert list(evaluation.per_magnification) == [40, 200]
    assert evaluation.per_magnification[40] == alone.overall
    assert evaluation.per_magnification[40].rows + evaluation.per_magnification[200].rows == 160


def test_pooled_answers_by_hand() -> None:
    # One case of two patients. Patient A: DC .6 and .2, mean .4, PC .3; patient B: MC .5 against DC .3.
    # Images: right, wrong (PC .6), wrong. Patients: A right, B wrong. Case: DC mean of .6 .2 .3, right.
    probabilities = np.zeros((3, 8))
    probabilities[0, [4, 5]] = 0.6, 0.4
    probabilities[1, [4, 0, 7]] = 0.2, 0.2, 0.6
    probabilities[2, [4, 6, 5]] = 0.3, 0.5, 0.2
    table = Predictions(
        paths=np.array(["1", "2", "3"]),
        probabilities=probabilities,
        truth=np.array([4, 4, 4]),
        magnifications=np.array([40, 100, 0]),
        patients=np.array(["A", "A", "B"]),
        cases=np.array(["c", "c", "c"]),
        reasons=np.array(["", "", ""]),
    )
    measured = evaluate(table, unit="case")
    assert measured["accuracy"] == Metric(pytest.approx(1 / 3), None)
    assert measured["prr"].value == pytest.approx((1 / 2 + 0) / 2)
    assert measured.pooled["patient"].metrics["accuracy"].value == 0.5
    assert measured.pooled["case"].metrics["accuracy"].value == 1.0
    assert measured.pooled["patient"].rows == 2


def test_a_pooled_rate_is_never_called_prr(evaluation: Evaluation) -> None:
    pooled = evaluation.to_json()["pooled"]["patient"]
    assert pooled["prr"]["value"] is pooled["image_recognition_rate"]["value"] is None
    assert (pooled["answers"], "images" in pooled) == (32, False)


def test_unknown_patients_are_not_pooled() -> None:
    table = predictions()
    table.patients[0] = ""
    measured = evaluate(table, unit="case")
    assert list(measured.pooled) == ["case"]
    assert measured["prr"].value is None
    assert measured["accuracy"].ci95 is not None


def test_abstention_by_hand() -> None:
    table = predictions(images=16)
    wrong = table.labels != table.truth
    assert 0 < wrong.sum() < 16
    table.reasons[wrong] = "unsure"
    abstention = evaluate(table, unit="case").abstention
    assert abstention is not None
    assert abstention.images == wrong.sum()
    assert abstention.coverage.value == pytest.approx(1 - wrong.mean())
    assert abstention.accuracy.value == 1.0


def test_abstaining_from_everything_leaves_no_accuracy() -> None:
    table = predictions(images=16)
    table.reasons[:] = "unsure"
    abstention = evaluate(table, unit="case").abstention
    assert abstention is not None
    assert (abstention.coverage.value, abstention.accuracy) == (0.0, Metric(None))


def test_the_binary_view_follows_the_summed_probability(evaluation: Evaluation) -> None:
    table = predictions()
    malignant = np.array(BREAKHIS.malignant)[table.truth]
    expected = ((table.malignancy > 0.5) == malignant).mean()
    assert evaluation["malignancy_accuracy"].value == pytest.approx(expected)


def test_confusion_csv(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation.save_confusion(tmp_path / "confusion.csv")
    with (tmp_path / "confusion.csv").open(newline="") as stream:
        header, *rows = list(csv.reader(stream))
    table = predictions()
    assert header == ["truth", *BREAKHIS.codes]
    assert [row[0] for row in rows] == list(BREAKHIS.codes)
    counted = np.zeros((8, 8), dtype=int)
    np.add.at(counted, (table.truth, table.labels), 1)
    assert [[int(cell) for cell in row[1:]] for row in rows] == counted.tolist()


@pytest.mark.parametrize("unit", ["case", "image"])
def test_no_number_in_the_text_without_its_interval_and_unit(unit: str) -> None:
    table = predictions()
    table.truth[table.truth == 7] = 6
    measured = evaluate(table, unit=unit, leakage=LEAKS, name="RUN")
    lines = [line for line in measured.table().splitlines() if re.search(r"\d\.\d", line)]
    assert len(lines) > 25
    for line in lines:
        numbers = re.findall(r"(?<![\[\d.])\d\.\d+(?!\d*\])(?!, )", re.sub(r"\[[^\]]*\]", "[]", line))
        intervals = line.count("[") + line.count("no interval")
        assert len(numbers) == intervals > 0, line
        assert line.rstrip().endswith(unit), line
    assert "Absent from the truth, left out of macro averages: PC." in measured.table()
    assert f"split by {unit} (LEAKS)" in measured.summary()
    assert measured.summary().count("[") == len(re.findall(r"\d\.\d{3} \[", measured.summary())) == 4
    assert "\n" not in measured.summary()


def test_same_seed_same_evaluation() -> None:
    first, again, other = (evaluate(predictions(images=48), unit="case", seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert other["accuracy"].value == first["accuracy"].value
    assert other["brier"].ci95 != first["brier"].ci95
