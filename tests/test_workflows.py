"""Whole jobs through the command line: train, evaluate, export, cross-validate, twin."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from breakhis.bundle import Bundle
from breakhis.cli import run
from breakhis.evaluate import Evaluation
from breakhis.explain.ablation import Ablation
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.runs import Run
from training_tables import write_squares

SMALL = [
    item
    for setting in (
        "images.size=32",
        "model.branch_units=8",
        "model.dense_units=[8]",
        "fit.views=2",
        "fit.epochs=2",
        "split.test=0.25",
        "split.validation=0.25",
    )
    for item in ("--set", setting)
] + ["--weights", "none", "--recipe", "frozen"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares") / "data"
    write_squares(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 0) -> dict[str, Any]:
    """The JSON object that a command prints, and nothing else on stdout."""
    assert run([str(argument) for argument in arguments] + ["--json"]) == status
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def test_train_leaves_a_run_that_every_later_command_takes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    trained = said(capsys, "train", data, "--out", folder, *SMALL)
    assert trained["unit"] == "case"
    assert trained["leakage"]["verdict"] == "clean"
    done = Run.open(folder)
    assert Evaluation.load(done.metrics_file).to_json()["macro_f1"] == trained["macro_f1"]
    assert "split by case" in done.report_file.read_text().lower()
    ablation = Ablation.load(done.ablation_file)
    assert ablation.variants[0].metrics["macro_f1"].value == pytest.approx(trained["macro_f1"]["value"])
    assert ablation.division.verdict == "clean"
    assert "What each branch adds" in done.report_file.read_text()
    again = said(capsys, "evaluate", folder, data, "--split", done.split_file, "--subset", "test")
    for name in ("accuracy", "macro_f1", "ece"):
        assert again[name]["value"] == pytest.approx(trained[name]["value"], abs=1e-6)
    assert again["images"] == trained["images"] == len(Predictions.load(done.predictions_file))
    measured = tmp_path / "measured"
    said(capsys, "evaluate", folder, data, "--split", done.split_file, "--out", measured)
    assert (measured / "confusion.csv").read_bytes() == done.confusion_file.read_bytes()
    assert cv2.imread(str(measured / "confusion.png")).std() > 5
    out = tmp_path / "model.zip"
    said(capsys, "export", folder, "--format", "bundle", "--out", out)
    assert Bundle.open(out).metrics["unit"] == "case"
    for bundle in (Bundle.open(done.bundle_file), Bundle.open(out)):
        record = bundle.manifest["parity"]["float32"]
        assert record["faithful"]
        assert record["reference"] == "Keras"
        assert record["max_difference"] <= 1e-5
        assert record["images"] == len(done.split_file.read_text().split(",validation")) - 1
        assert record["sample"]["unit"] == "case"
        assert record["sample"]["subset"] == "validation"
        assert record["macro_f1"]["value"] is not None
        assert record["macro_f1_change"]["value"] == 0
    table = Predictions.load(done.predictions_file)
    answers = Predictor.load(out).predict([data / path for path in table.paths.tolist()])
    np.testing.assert_allclose(answers.probabilities, table.probabilities, atol=1e-6)
    assert run(["train", str(data), "--out", str(folder), *SMALL]) == 2
    assert "a new or empty folder" in capsys.readouterr().err


def test_a_head_in_closed_form_goes_the_whole_way(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    settings = (
        "images.size=32",
        "model.taps=[conv2_block3_concat]",
        "model.hierarchy=0.5",
        "fit.components=4",
    )
    shares = ("split.test=0.25", "split.validation=0.25")
    options = [item for setting in (*settings, *shares) for item in ("--set", setting)]
    trained = said(
        capsys, "train", data, "--out", folder, "--recipe", "linear", "--weights", "none", *options
    )
    done = Run.open(folder)
    page = done.report_file.read_text()
    assert "linear head on conv2_block3_concat" in page
    assert "fitted in closed form" in page
    assert not (done.plots / "curves.png").exists()
    table = Predictions.load(done.predictions_file)
    answers = Predictor.load(folder).predict([data / path for path in table.paths.tolist()])
    np.testing.assert_allclose(answers.probabilities, table.probabilities, atol=1e-5)
    assert "mean over 8 flips and quarter turns" in Bundle.open(done.bundle_file).card
    again = said(capsys, "evaluate", folder, data, "--split", done.split_file, "--subset", "test")
    assert again["macro_f1"]["value"] == pytest.approx(trained["macro_f1"]["value"], abs=1e-6)


def test_a_split_by_image_is_said_to_leak(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    trained = said(capsys, "train", data, "--out", folder, "--by", "image", *SMALL)
    assert trained["unit"] == "image"
    assert trained["leakage"]["verdict"] == "leaks"
    assert "leaks" in Run.open(folder).report_file.read_text()


def test_crossval_answers_every_image_once_and_goes_on_at_the_fold(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cv"
    first = said(capsys, "crossval", data, "--out", folder, "--folds", "2", *SMALL)
    pooled = Predictions.load(folder / "predictions.csv")
    assert sorted(pooled.paths.tolist()) == sorted(path.name for path in data.iterdir())
    assert first["images"] == len(pooled) == 16
    stamps = {path: path.stat().st_mtime_ns for path in folder.glob("fold-*/predictions.csv")}
    assert len(stamps) == 2
    again = said(capsys, "crossval", data, "--out", folder, "--folds", "2", *SMALL)
    assert again["macro_f1"] == first["macro_f1"]
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_twin_shows_both_splits_and_the_mechanism(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "twin"
    value = said(capsys, "twin", data, "--out", folder, "--folds", "2", *SMALL)
    assert [column["unit"] for column in value["columns"]] == ["image", "case"]
    image, case = value["columns"]
    assert (image["leakage"]["verdict"], case["leakage"]["verdict"]) == ("leaks", "clean")
    assert case["nearest_same_case"]["value"] == 0
    gap = image["evaluation"]["macro_f1"]["value"] - case["evaluation"]["macro_f1"]["value"]
    assert value["gap"]["macro_f1"]["value"] == pytest.approx(gap)
    assert (folder / "report.html").read_text().count("by case") > 0


def test_resume_without_a_run_and_clashing_options_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", str(data), "--out", str(tmp_path / "none"), "--resume"]) == 2
    assert "found" in capsys.readouterr().err
    arguments = ["train", str(data), "--out", str(tmp_path / "x"), "--by", "case", "--split", "s.csv"]
    assert run(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x").exists()
