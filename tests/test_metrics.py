"""Metrics: a small table worked by hand, and agreement with scikit-learn on every resample."""

import json
import time

import numpy as np
import pytest
from sklearn import metrics as sk

from breakhis.errors import DataError
from breakhis.metrics import Answers, Measures, Resamples, estimate, measure, reliability, risk_coverage
from breakhis.metrics.classification import class_scores, resampled_confusion
from breakhis.metrics.recognition import patient_scores
from breakhis.taxonomy import BREAKHIS, Taxonomy

FOUR = Taxonomy(
    codes=("A", "F", "DC", "LC"),
    names=("adenosis", "fibroadenoma", "ductal carcinoma", "lobular carcinoma"),
    malignant=(False, False, True, True),
)

# truth, patient, case, probabilities of A, F, DC, LC; the answer is the largest of them.
TABLE = [
    ("A", "p1", "c1", (0.7, 0.1, 0.1, 0.1)),  # A, right
    ("A", "p1", "c1", (0.3, 0.5, 0.1, 0.1)),  # F
    ("F", "p2", "c1", (0.2, 0.6, 0.1, 0.1)),  # F, right
    ("F", "p3", "c2", (0.1, 0.8, 0.1, 0.0)),  # F, right
    ("F", "p3", "c2", (0.1, 0.2, 0.6, 0.1)),  # DC
    ("DC", "p4", "c3", (0.0, 0.1, 0.9, 0.0)),  # DC, right
    ("DC", "p4", "c3", (0.1, 0.1, 0.5, 0.3)),  # DC, right
    ("DC", "p4", "c3", (0.1, 0.1, 0.2, 0.6)),  # LC
    ("DC", "p5", "c4", (0.5, 0.2, 0.2, 0.1)),  # A
    ("DC", "p5", "c4", (0.0, 0.0, 1.0, 0.0)),  # DC, right
]


def table_answers() -> Answers:
    probabilities = np.array([row[3] for row in TABLE])
    return Answers(
        truth=np.array([FOUR.label(row[0]) for row in TABLE]),
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        patients=np.array([row[1] for row in TABLE]),
        cases=np.array([row[2] for row in TABLE]),
        malignant=FOUR.malignant,
    )


def random_answers(
    seed: int, *, images: int = 300, cases: int = 12, taxonomy: Taxonomy = BREAKHIS, digits: int = 2
) -> Answers:
    """Cases of one class each, coarse probabilities (so that scores tie), two patients a case."""
    generator = np.random.default_rng(seed)
    case = generator.integers(0, cases, images)
    truth = case % len(taxonomy)
    scores = generator.dirichlet(np.ones(len(taxonomy)), images)
    scores[np.arange(images), truth] += 0.2
    probabilities = np.round(scores / scores.sum(axis=1, keepdims=True), digits) + 0.001
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Answers(
        truth=truth,
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        patients=np.char.add(case.astype(str), generator.choice(["A", "B"], images)),
        cases=case.astype(str),
        malignant=taxonomy.malignant,
    )


def taken(answers: Answers, rows: np.ndarray) -> Answers:
    return Answers(
        truth=answers.truth[rows],
        predicted=answers.predicted[rows],
        probabilities=answers.probabilities[rows],
        patients=answers.patients[rows],
        cases=answers.cases[rows],
        malignant=answers.malignant,
    )


@pytest.fixture(scope="module")
def golden() -> Measures:
    return measure(table_answers(), FOUR)


# Confusion, rows true A, F, DC, LC and columns answered A, F, DC, LC:
#   A   1 1 0 0
#   F   0 2 1 0
#   DC  1 0 3 1
#   LC  0 0 0 0      absent from the truth
# Precision: A 1/2, F 2/3, DC 3/4. Recall: A 1/2, F 2/3, DC 3/5.
# F1 = 2 hits / (true + answered): A 2/4, F 4/6, DC 6/9.
# Macro over the three classes present: P (1/2 + 2/3 + 3/4) / 3 = 23/36; R (1/2 + 2/3 + 3/5) / 3 = 53/90;
#   F1 (1/2 + 2/3 + 2/3) / 3 = 11/18.
# Weighted by 2, 3, 5 images: P (1 + 2 + 15/4) / 10 = 27/40; R (1 + 2 + 3) / 10;
#   F1 (1 + 2 + 10/3) / 10 = 19/30.
# Patients: p1 1/2, p2 1, p3 1/2, p4 2/3, p5 1/2; mean 19/6 / 5 = 19/30.
# Malignant truth: the last five. Answered malignant: p3's second, all of p4, p5's second.
#   Sensitivity 4/5, specificity 4/5, accuracy 8/10; patients 1, 1, 1/2, 1, 1/2: mean 4/5.
# Summed DC + LC: benign .2 .2 .2 .1 .7, malignant .9 .8 .8 .3 1. Pairs won 5 + 5 + 5 + 4 + 5 of 25.
#   Average precision: at 1 1/1, .9 2/2, .8 4/4 twice, .3 5/6; mean 29/30.
# Areas against the rest: A wins 8 + 7 of 16; F 7 + 7 + (5 + a tie of 1/2) of 21; DC 5 + 4 + 4 + 4 + 5 of 25.
#   Average precision: A (1 + 2/3) / 2; F (1 + 1 + 3/5) / 3; DC (1 + 1 + 3/4 + 5/6 + 5/6) / 5.
# Squared distances a row: .12 .76 .22 .06 1.02 .02 .36 1.02 .94 0; mean .452.
# Confidence bins: .5 three rows, one right: gap 1.5 - 1; .6 three, one right: 1.8 - 1; .7, .8, .9 right:
#   .3 + .2 + .1; 1 right: 0. Together 1.9 of 10 images.
GOLDEN = {
    "accuracy": 6 / 10,
    "image_recognition_rate": 6 / 10,
    "balanced_accuracy": 53 / 90,
    "macro_precision": 23 / 36,
    "macro_recall": 53 / 90,
    "macro_f1": 11 / 18,
    "weighted_precision": 27 / 40,
    "weighted_recall": 6 / 10,
    "weighted_f1": 19 / 30,
    "prr": 19 / 30,
    "malignancy_accuracy": 8 / 10,
    "sensitivity": 4 / 5,
    "specificity": 4 / 5,
    "malignancy_prr": 4 / 5,
    "malignancy_roc_auc": 24 / 25,
    "malignancy_pr_auc": 29 / 30,
    "roc_auc": (15 / 16 + 19.5 / 21 + 22 / 25) / 3,
    "pr_auc": (5 / 6 + 13 / 15 + 53 / 60) / 3,
    "brier": 0.452,
    "ece": 0.19,
}


def test_golden_numbers(golden: Measures) -> None:
    found = {name: metric.value for name, metric in golden.metrics.items()}
    assert found == pytest.approx(GOLDEN)


def test_golden_support_and_confusion(golden: Measures) -> None:
    assert (golden.rows, golden.patients, golden.cases) == (10, 5, 4)
    assert golden.confusion == ((1, 1, 0, 0), (0, 2, 1, 0), (1, 0, 3, 1), (0, 0, 0, 0))
    support = {code: (item.rows, item.cases) for code, item in golden.per_class.items()}
    assert support == {"A": (2, 1), "F": (3, 2), "DC": (5, 2), "LC": (0, 0)}


def test_golden_per_class(golden: Measures) -> None:
    ductal = {name: metric.value for name, metric in golden.per_class["DC"].metrics.items()}
    expected = {"precision": 3 / 4, "recall": 3 / 5, "f1": 2 / 3, "roc_auc": 22 / 25, "pr_auc": 53 / 60}
    assert ductal == pytest.approx(expected)


def test_golden_interval() -> None:
    # Two cases, one all right and one all wrong, three images each: a resample holds the right one twice,
    # once or never, so accuracy is 1, 1/2 or 0 with chances 1/4, 1/2, 1/4: both 2.5 % tails end at 0 and 1.
    answers = taken(table_answers(), np.array([0, 2, 3, 1, 4, 7]))
    regrouped = Answers(
        truth=answers.truth,
        predicted=answers.predicted,
        probabilities=answers.probabilities,
        patients=answers.patients,
        cases=np.array(["right"] * 3 + ["wrong"] * 3),
        malignant=answers.malignant,
    )
    accuracy = measure(regrouped, FOUR).metrics["accuracy"]
    assert (accuracy.value, accuracy.ci95) == (0.5, (0.0, 1.0))


def test_absent_class_is_named_and_undefined_never_nan(golden: Measures) -> None:
    assert golden.absent == ("LC",)
    assert golden.undefined_auc == ("LC",)
    assert {metric.value for metric in golden.per_class["LC"].metrics.values()} == {None}
    assert "null" in json.dumps(golden.to_json(), allow_nan=False)


def test_class_of_one_case_has_values_without_intervals(golden: Measures) -> None:
    adenosis = golden.per_class["A"].metrics
    assert all(metric.value is not None and metric.ci95 is None for metric in adenosis.values())
    assert all(metric.ci95 is not None for metric in golden.per_class["F"].metrics.values())


def test_class_without_a_correct_answer_counts_zero_in_the_macro_average() -> None:
    # A is never answered (precision 0 by rule), DC has 2 hits of 3 answers and 2 images.
    answers = taken(table_answers(), np.array([1, 4, 5, 6]))
    answers.truth[1] = FOUR.label("A")
    measured = measure(answers, FOUR)
    assert measured.absent == ("F", "LC")
    assert measured.metrics["macro_precision"].value == pytest.approx((0 + 2 / 3) / 2)
    assert measured.metrics["macro_recall"].value == pytest.approx((0 + 1) / 2)


def test_json_round_trip(golden: Measures) -> None:
    assert Measures.from_json(json.loads(json.dumps(golden.to_json()))) == golden


def test_patient_scores_as_the_paper_defines_them() -> None:
    answers = table_answers()
    names, scores = patient_scores(answers.correct, answers.patients)
    assert dict(zip(names.tolist(), scores, strict=True)) == pytest.approx(
        {"p1": 1 / 2, "p2": 1, "p3": 1 / 2, "p4": 2 / 3, "p5": 1 / 2}
    )


def test_prr_is_undefined_where_a_patient_is_unknown() -> None:
    answers = table_answers()
    answers.patients[3] = ""
    assert measure(answers, FOUR).metrics["prr"].value is None


def test_reliability_bins() -> None:
    answers = table_answers()
    diagram = reliability(answers.confidence, answers.correct, bins=2)
    # Up to and with 1/2: three rows of .5, one right. Above: 5.6 of confidence in seven rows, five right.
    assert diagram.images == (3, 7)
    assert diagram.confidence == pytest.approx((0.5, (3 * 0.6 + 0.7 + 0.8 + 0.9 + 1) / 7))
    assert diagram.accuracy == pytest.approx((1 / 3, 5 / 7))


def test_risk_coverage_by_hand() -> None:
    answers = table_answers()
    curve = risk_coverage(answers.confidence, answers.correct)
    assert curve.threshold == pytest.approx((1.0, 0.9, 0.8, 0.7, 0.6, 0.5))
    assert curve.coverage == pytest.approx((0.1, 0.2, 0.3, 0.4, 0.7, 1.0))
    assert curve.risk == pytest.approx((0, 0, 0, 0, 2 / 7, 4 / 10))


def test_no_malignancy_no_numbers_about_it() -> None:
    plain = Taxonomy.of(["one", "two", "three", "four"])
    answers = table_answers()
    unlabelled = Answers(
        answers.truth, answers.predicted, answers.probabilities, answers.patients, answers.cases
    )
    metrics = measure(unlabelled, plain).metrics
    assert metrics["malignancy_accuracy"].to_json() == {"value": None, "ci95": None}
    assert metrics["sensitivity"].value is None
    assert metrics["accuracy"].value == 0.6


def test_unknown_truth_is_refused() -> None:
    with pytest.raises(DataError, match="1 without a known true subtype"):
        Answers(
            truth=np.array([-1]),
            predicted=np.array([0]),
            probabilities=np.eye(4)[:1],
            patients=np.array(["p"]),
            cases=np.array(["c"]),
        )


@pytest.mark.parametrize("seed", range(3))
def test_every_resample_is_what_scikit_learn_says_of_the_repeated_images(seed: int) -> None:
    answers = random_answers(seed)
    resamples = Resamples.draw(answers.cases, seed=seed, count=20)
    found = estimate(answers, resamples)
    for index, weights in enumerate(resamples.weights):
        rows = np.repeat(np.arange(len(answers)), weights[resamples.groups].astype(int))
        repeated = taken(answers, rows)
        for name, value in _by_scikit_learn(repeated).items():
            assert found[name].samples[index] == pytest.approx(value), name


def _by_scikit_learn(answers: Answers) -> dict[str, float]:
    truth, predicted = answers.truth, answers.predicted
    present = np.unique(truth)
    arguments = {"labels": present, "zero_division": 0}
    macro = sk.precision_recall_fscore_support(truth, predicted, average="macro", **arguments)
    weighted = sk.precision_recall_fscore_support(truth, predicted, average="weighted", **arguments)
    return {
        "accuracy": sk.accuracy_score(truth, predicted),
        "balanced_accuracy": macro[1],
        **dict(zip(("macro_precision", "macro_recall", "macro_f1"), macro[:3], strict=True)),
        **dict(zip(("weighted_precision", "weighted_recall", "weighted_f1"), weighted[:3], strict=True)),
        "roc_auc": np.mean(
            [sk.roc_auc_score(truth == label, answers.probabilities[:, label]) for label in present]
        ),
        "pr_auc": np.mean(
            [sk.average_precision_score(truth == label, answers.probabilities[:, label]) for label in present]
        ),
        "malignancy_roc_auc": sk.roc_auc_score(answers.malignant_truth, answers.malignancy),
        "malignancy_pr_auc": sk.average_precision_score(answers.malignant_truth, answers.malignancy),
        "sensitivity": sk.recall_score(answers.malignant_truth, answers.malignant_answer),
        "specificity": sk.recall_score(~answers.malignant_truth, ~answers.malignant_answer),
        "brier": sk.brier_score_loss(
            truth, answers.probabilities, labels=np.arange(answers.classes), scale_by_half=False
        ),
        "ece": _ece(answers),
    }


def _ece(answers: Answers) -> float:
    diagram = reliability(answers.confidence, answers.correct)
    gaps = [
        images * abs(confidence - accuracy)
        for images, confidence, accuracy in zip(
            diagram.images, diagram.confidence, diagram.accuracy, strict=True
        )
        if confidence is not None and accuracy is not None
    ]
    return sum(gaps) / len(answers)


def test_prr_of_a_resample_counts_a_patient_as_often_as_its_case() -> None:
    answers = random_answers(5)
    resamples = Resamples.draw(answers.cases, seed=5, count=20)
    samples = estimate(answers, resamples)["prr"].samples
    names, scores = patient_scores(answers.correct, answers.patients)
    case_of = dict(zip(answers.patients.tolist(), resamples.groups.tolist(), strict=True))
    for index, weights in enumerate(resamples.weights):
        often = [weights[case_of[name]] for name in names.tolist()]
        assert samples[index] == pytest.approx(np.average(scores, weights=often))


def test_per_class_resamples_agree_with_scikit_learn() -> None:
    answers = random_answers(7)
    resamples = Resamples.draw(answers.cases, seed=7, count=10)
    scores = class_scores(resampled_confusion(answers, resamples))
    for index, weights in enumerate(resamples.weights):
        rows = np.repeat(np.arange(len(answers)), weights[resamples.groups].astype(int))
        repeated = taken(answers, rows)
        expected = sk.precision_recall_fscore_support(
            repeated.truth, repeated.predicted, labels=np.arange(8), zero_division=0
        )
        absent = expected[3] == 0
        for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
            np.testing.assert_allclose(scores[name][index], np.where(absent, np.nan, values))


def test_all_metrics_of_the_whole_set_take_under_three_seconds() -> None:
    answers = random_answers(0, images=8000, cases=70, digits=6)
    start = time.process_time()
    measured = measure(answers, BREAKHIS)
    assert time.process_time() - start < 3
    assert all(metric.ci95 is not None for metric in measured.metrics.values())
