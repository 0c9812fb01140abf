"""`breakhis predict`: its table, JSON and CSV, and going on after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from breakhis.cli import run
from breakhis.predict import BATCH, Predictor, write_predictions
from breakhis.predictions import Predictions
from model_weights import write_bundle

COLUMNS = "path,subtype,confidence,malignant,A,F,PT,TA,DC,LC,MC,PC,patient,case,abstain,reason"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three batches of pictures of two patients of one case."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(BATCH * 3):
        letters = "CD" if number % 2 else "AB"
        file = folder / f"SOB_B_TA-14-16184{letters}-100-{number:03d}.png"
        cv2.imwrite(str(file), rng.integers(0, 256, (46, 70, 3), dtype=np.uint8))
    return folder


def test_one_image_as_a_table(images: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = min(images.iterdir())
    assert run(["predict", str(file), "--model", str(model)]) == 0
    text = capsys.readouterr().out
    (answer,) = Predictor.load(model).predict(file).rows()
    header, row, *_ = text.splitlines()
    assert header.split() == ["image", "answer", "malignant", "A", "F", "PT", "TA", "DC", "LC", "MC", "PC"]
    assert f"{answer['malignant']:.1%}" in row
    assert f"{answer['confidence']:.1%}" in row
    assert "not measured" in text
    assert "not a medical device" in text


def test_json_is_one_object_with_model_images_and_pooled(
    images: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(images), "--model", str(model), "--pool", "case", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["leakage"] == "unknown"
    assert found["model"]["precision"] == "float32"
    assert len(found["images"]) == BATCH * 3
    assert list(found["images"][0]) == COLUMNS.split(",")
    assert [row["path"] for row in found["pooled"]] == ["14-16184"]


def test_csv_holds_what_the_predictor_says(
    images: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "predictions.csv"
    assert run(["predict", str(images), "--model", str(model), "--out", str(out), "--pool", "patient"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{out}\n")
    assert "14-16184AB" in text
    assert out.read_text().splitlines()[0] == COLUMNS
    assert [item.name for item in out.parent.iterdir()] == ["predictions.csv"]
    found, expected = Predictions.load(out), Predictor.load(model).predict(images)
    assert found.paths.tolist() == expected.paths.tolist()
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


@pytest.mark.parametrize("cut", [0, 5])
def test_an_interrupted_job_goes_on(
    images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    predictor, files = Predictor.load(model), sorted(images.iterdir())
    expected = tmp_path / "expected.csv"
    write_predictions(predictor, files, expected)
    out = tmp_path / "out.csv"

    def stop(done: int, total: int) -> None:
        if done >= 2 * BATCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(predictor, files, out, progress=stop)
    part = tmp_path / "out.csv.part"
    assert not out.exists()
    content = part.read_bytes()
    part.write_bytes(content[: len(content) - cut])
    asked = _count_streamed(predictor, monkeypatch)
    write_predictions(predictor, files, out)
    assert len(asked) == BATCH + (cut > 0)
    assert _cells(out) == _cells(expected)
    assert not part.exists()


def _count_streamed(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    asked: list[Path] = []
    stream = Predictor.stream

    def counting(self: Predictor, files: list[Path], **options: Any) -> Any:
        asked.extend(files)
        return stream(self, files, **options)

    monkeypatch.setattr(Predictor, "stream", counting)
    return asked


def _cells(file: Path) -> list[list[str]]:
    """Rows with numbers rounded: batches of other sizes differ in the last bits."""
    with file.open(newline="") as stream:
        return [
            [cell[:6] if "." in cell and cell[0] in "01" else cell for cell in row]
            for row in csv.reader(stream)
        ]


@pytest.mark.parametrize("spoil", ["other model", "other files", "no note", "no rows", "other rows"])
def test_a_part_of_another_job_is_begun_anew(images: Path, model: Path, tmp_path: Path, spoil: str) -> None:
    predictor, files = Predictor.load(model), sorted(images.iterdir())[: BATCH + 2]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        write_predictions(predictor, files, out, progress=stop)
    part, note = tmp_path / "out.csv.part", tmp_path / "out.csv.part.json"
    if spoil == "other model":
        predictor = Predictor.load(write_bundle(tmp_path / "other.zip", seed=1))
    elif spoil == "other files":
        files = files[::-1]
    elif spoil == "no note":
        note.unlink()
    elif spoil == "no rows":
        part.unlink()
    else:
        part.write_text("some,other\ntable,here\n")
    write_predictions(predictor, files, out)
    found = Predictions.load(out)
    assert found.paths.tolist() == [file.as_posix() for file in files]
    np.testing.assert_allclose(found.probabilities, predictor.predict(files).probabilities, atol=1e-6)


def test_bad_files_stop_or_are_left_out(
    images: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for file in sorted(images.iterdir())[:3]:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "a broken one.png").write_bytes(b"")
    arguments = ["predict", str(folder), "--model", str(model)]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "a broken one.png" in captured.err
    assert run([*arguments, "--skip-bad", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert len(found["images"]) == 3
    assert len(found["left_out"]) == 1
    assert "left out: " in captured.err


def test_a_job_without_a_single_answer_has_failed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one.png", "another.png"):
        (tmp_path / name).write_bytes(b"")
    arguments = ["predict", str(tmp_path), "--model", str(model), "--skip-bad"]
    for output in (["--json"], ["--out", str(tmp_path / "out.csv")]):
        assert run([*arguments, *output]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "2 files, all of them bad" in captured.err.splitlines()[-1]
        assert captured.err.count("left out: ") == 2
    assert {file.suffix for file in tmp_path.iterdir()} == {".png"}


@pytest.mark.parametrize("arguments", [["predict"], ["predict", "x.png", "--model", "absent.zip"]])
def test_wrong_use_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_killed_process_leaves_no_csv_and_the_next_one_finishes(
    images: Path, model: Path, tmp_path: Path
) -> None:
    many = [str(file) for file in sorted(images.iterdir())] * 20
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "breakhis", "predict", *many, "--model", str(model), "--out", str(out)]
    job = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    part = tmp_path / "out.csv.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 2000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert not out.exists()
    assert part.exists()
    subprocess.run(command, check=True, capture_output=True)
    assert Predictions.load(out).paths.tolist() == many


def test_a_single_answer_imports_only_what_it_needs(images: Path, model: Path) -> None:
    script = (
        "import sys; from breakhis.cli import run; status = run(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr); sys.exit(status)"
    )
    arguments = ["predict", str(min(images.iterdir())), "--model", str(model)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    unneeded = {
        "rich",
        "sklearn",
        "scipy",
        "matplotlib",
        "tensorflow",
        "jinja2",
        "openvino.tools.ovc",
        "absl",
    }
    assert unneeded.isdisjoint(done.stderr.split())
