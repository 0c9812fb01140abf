"""Comparison: paired differences by hand, test sets that differ are refused, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.cli import run
from breakhis.compare import Comparison, Contestant, compare
from breakhis.compare.figure import draw_figure, save_figure
from breakhis.errors import DataError, SplitError, UsageError
from breakhis.evaluate import evaluate
from breakhis.metrics import Metric
from breakhis.predictions import Predictions
from breakhis.splits.leakage import Leakage
from breakhis.taxonomy import Taxonomy

IMAGES = 64


def answers(right: np.ndarray) -> Predictions:
    """Two subtypes, DC and LC, eight images in each of eight cases, answered right or as the other one."""
    index = np.arange(IMAGES)
    case = index % 8
    truth = np.where(case % 2, 4, 5)
    probabilities = np.full((IMAGES, 8), 0.02)
    probabilities[index, np.where(right, truth, 9 - truth)] = 1 - 7 * 0.02
    names = np.char.add("14-", case.astype(str))
    return Predictions(
        paths=np.array([f"{name}/{number}.png" for number, name in enumerate(names.tolist())]),
        probabilities=probabilities,
        truth=truth,
        magnifications=np.full(IMAGES, 100),
        patients=names,
        cases=names,
        reasons=np.full(IMAGES, "", dtype=np.str_),
    )


def contestant(name: str, predictions: Predictions, verdict: str = "clean") -> Contestant:
    return Contestant(name, predictions, "case", verdict)


HALF = np.arange(IMAGES) // 8 % 2 == 0
"""Right for four of the eight images of every case."""
MORE = HALF | (np.arange(IMAGES) // 8 == 1)
"""Right for one image more in every case."""
UNEVEN = np.arange(IMAGES) % 8 < 4
"""Right for whole cases: four of them."""


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    runs = [contestant("half", answers(HALF)), contestant("more", answers(MORE))]
    return compare([*runs, contestant("uneven", answers(UNEVEN), "leaks")])


def test_a_gain_in_every_case_is_certain_however_hard_the_cases_are() -> None:
    # In every case one image of eight more is right: every resample differs by 1/8, and the interval has no
    # width.
    found = compare([contestant("half", answers(HALF)), contestant("more", answers(MORE))])
    (difference,) = found.differences
    assert (difference.first, difference.second) == ("more", "half")
    assert difference.metrics["accuracy"].value == pytest.approx(1 / 8)
    assert difference.metrics["accuracy"].ci95 == pytest.approx((1 / 8, 1 / 8))
    assert difference.told_apart
    assert "more (split by case) is above half" in found.summary()


def test_the_same_accuracy_from_whole_cases_is_not_told_apart() -> None:
    found = compare([contestant("half", answers(HALF)), contestant("uneven", answers(UNEVEN))])
    (difference,) = found.differences
    low, high = difference.metrics["accuracy"].ci95 or (0.0, 0.0)
    assert difference.metrics["accuracy"].value == 0
    assert low < -0.2 < 0.2 < high
    assert not difference.told_apart
    assert "not told apart" in found.summary()


def test_runs_stand_in_order_and_every_pair_is_there(comparison: Comparison) -> None:
    scores = [standing.metrics["macro_f1"].value or 0 for standing in comparison.runs]
    assert comparison.runs[0].name == "more"
    assert scores == sorted(scores, reverse=True)
    pairs = {frozenset((item.first, item.second)) for item in comparison.differences}
    assert pairs == {frozenset(pair) for pair in (("half", "more"), ("half", "uneven"), ("more", "uneven"))}


def test_a_run_stands_with_the_numbers_of_its_own_evaluation(comparison: Comparison) -> None:
    alone = evaluate(answers(MORE), unit="case").overall.metrics
    for name, metric in comparison.runs[0].metrics.items():
        assert metric.value == pytest.approx(alone[name].value), name
        assert metric.ci95 == (pytest.approx(alone[name].ci95) if alone[name].ci95 else None), name


def test_order_of_rows_and_place_of_the_folder_do_not_matter(comparison: Comparison) -> None:
    shuffled = answers(MORE).select(np.random.default_rng(0).permutation(IMAGES))
    moved = replace(shuffled, paths=np.char.add("BreaKHis_v1/", shuffled.paths))
    again = compare(
        [
            contestant("half", answers(HALF)),
            contestant("more", moved),
            contestant("uneven", answers(UNEVEN), "leaks"),
        ]
    )
    assert again.runs[0].metrics["accuracy"] == comparison.runs[0].metrics["accuracy"]
    assert again.differences[0].metrics["accuracy"] == comparison.differences[0].metrics["accuracy"]


def test_repeated_file_names_are_told_apart_by_their_path() -> None:
    tables = [answers(right) for right in (HALF, MORE)]
    repeated = [
        replace(table, paths=np.array([f"{number}/tile.png" for number in range(IMAGES)])) for table in tables
    ]
    order = np.random.default_rng(0).permutation(IMAGES)
    found = compare([contestant("half", repeated[0]), contestant("more", repeated[1].select(order))])
    assert found.differences[0].metrics["accuracy"].ci95 == pytest.approx((1 / 8, 1 / 8))


def _without_two(table: Predictions) -> Predictions:
    return table.select(np.arange(2, IMAGES))


def _other_truth(table: Predictions) -> Predictions:
    return replace(table, truth=np.where(np.arange(IMAGES) == 3, 0, table.truth))


def _other_case(table: Predictions) -> Predictions:
    return replace(table, cases=np.where(np.arange(IMAGES) == 3, "14-9", table.cases))


def _other_classes(table: Predictions) -> Predictions:
    return replace(table, taxonomy=Taxonomy(tuple("abcdefgh"), tuple("abcdefgh")))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without_two, r"2 of 64 images only in half \(e\.g\. 0\.png\)"),
        (_other_truth, r"1 images whose true subtype differs between half and more"),
        (_other_case, r"1 images whose case differs between half and more"),
        (_other_classes, r"half answers A, F, PT, .*, more a, b, c"),
    ],
)
def test_test_sets_that_differ_are_not_ranked(change, reason) -> None:
    with pytest.raises(SplitError, match=reason):
        compare([contestant("half", answers(HALF)), contestant("more", change(answers(MORE)))])


def test_one_run_or_one_run_twice_is_no_comparison() -> None:
    one = contestant("half", answers(HALF))
    for runs in ([one], [one, one]):
        with pytest.raises(UsageError, match="at least two different runs"):
            compare(runs)


def test_json_and_warnings(comparison: Comparison) -> None:
    value = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert (value["images"], value["cases"], value["ranked_by"]) == (64, 8, "macro_f1")
    assert value["runs"][0]["unit"] == "case"
    assert value["differences"][0]["macro_f1"]["ci95"] is not None
    assert value["warnings"] == ["trained on cases of the test set, which flatters: uneven"]


def test_text_shows_every_number_with_interval_and_split(comparison: Comparison) -> None:
    rows = [line for line in comparison.table().splitlines() if line.rstrip().endswith((")", " case"))]
    rows = [line for line in rows if "[" in line and not line.startswith("more (split")]
    assert len(rows) == 6
    for line in rows:
        assert line.count("[") == 4, line
    assert "uneven" in comparison.table()
    assert "case (leaks)" in comparison.table()


def test_figure_draws_the_intervals(comparison: Comparison, tmp_path: Path) -> None:
    figure = draw_figure(comparison)
    panel = figure.axes[0]
    assert panel.get_title() == "accuracy"
    drawn = [tuple(line.get_xdata()) for line in panel.lines if len(line.get_xdata()) == 2][1:]
    assert drawn == [item.metrics["accuracy"].ci95 for item in comparison.differences]
    assert "split by case" in figure.get_suptitle()
    save_figure(comparison, tmp_path / "comparison.png")
    picture = cv2.imread(str(tmp_path / "comparison.png"))
    assert picture.shape[1] > 1000
    assert picture.std() > 5


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two run folders with answers; only the first has an evaluation."""
    for name, right in (("RUN_A", HALF), ("RUN_B", MORE)):
        (tmp_path / name).mkdir()
        answers(right).save(tmp_path / name / "predictions.csv")
    evaluate(answers(HALF), unit="case", leakage=Leakage("clean")).save(tmp_path / "RUN_A" / "metrics.json")
    return [tmp_path / "RUN_A", tmp_path / "RUN_B"]


def test_command_json_and_files(folders, tmp_path, capsys) -> None:
    out = tmp_path / "comparison"
    assert run(["compare", *map(str, folders), "--json", "--out", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in printed["runs"]] == ["RUN_B", "RUN_A"]
    assert [item["unit"] for item in printed["runs"]] == ["unknown", "case"]
    assert printed["differences"][0]["accuracy"]["value"] == pytest.approx(1 / 8)
    assert json.loads((out / "comparison.json").read_text()) == printed
    assert cv2.imread(str(out / "comparison.png")) is not None


def test_command_takes_tables_too(folders, capsys) -> None:
    files = [str(folder / "predictions.csv") for folder in folders]
    assert run(["compare", *files]) == 0
    shown = capsys.readouterr().out
    assert "not known to be trained without cases of the test set: RUN_B/predictions.csv" in shown


def test_a_cross_validation_says_its_unit(folders, capsys) -> None:
    (folders[0] / "metrics.json").rename(folders[0] / "crossval.json")
    for first in (folders[0], folders[0] / "predictions.csv"):
        assert run(["compare", str(first), str(folders[1]), "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert [item["unit"] for item in printed["runs"]] == ["unknown", "case"]
        assert [item["leakage"]["verdict"] for item in printed["runs"]] == ["unknown", "clean"]


def test_command_refuses_in_one_line(folders, tmp_path, capsys) -> None:
    _without_two(answers(MORE)).save(folders[1] / "predictions.csv")
    assert run(["compare", *map(str, folders), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "2 of 64 images only in RUN_A" in captured.err
    assert not (tmp_path / "out").exists()


def test_command_names_what_is_no_run(folders, tmp_path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nothing"):
        assert run(["compare", str(folders[0]), str(wrong)]) == 2
        assert str(wrong) in capsys.readouterr().err


def test_unknown_truth_is_refused() -> None:
    table = answers(HALF)
    blank = replace(table, truth=np.full(IMAGES, -1))
    with pytest.raises(DataError, match="true subtype"):
        compare([contestant("one", blank), contestant("two", blank)])


def test_one_case_gives_differences_without_intervals() -> None:
    tables = [replace(answers(right), cases=np.full(IMAGES, "14-1")) for right in (HALF, MORE)]
    found = compare([contestant("half", tables[0]), contestant("more", tables[1])])
    assert found.differences[0].metrics["accuracy"] == Metric(pytest.approx(1 / 8), None)
    assert not found.differences[0].told_apart
