"""`breakhis explain`: the picture, one branch alone, JSON, and what is refused."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.cli import run
from breakhis.explain import explain, overlay
from breakhis.images.decode import read_image
from breakhis.predict import Predictor
from model_weights import SMALL, write_bundle


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    file = tmp_path_factory.mktemp("image") / "SOB_B_TA-14-16184CD-100-001.png"
    cv2.imwrite(str(file), coarse.repeat(20, axis=0).repeat(20, axis=1))
    return file


def test_picture_has_a_panel_for_every_branch(
    model: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heat.png"
    assert run(["explain", str(image), "--out", str(out), "--model", str(model), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["peaks"]) == [*SMALL.model.taps, "fused"]
    assert told["target"] == told["image"]["subtype"]
    assert told["image"]["case"] == "14-16184"
    assert told["model"]["use"] == "research only, not a medical device"
    drawn = cv2.imread(str(out))[:, :, ::-1].astype(int)
    source = read_image(image)
    # Two rows of pictures, in which the image stands as it is, and the heat beside it differs from it.
    corner = source[:15, :15].reshape(-1, 3).mean(axis=0)
    first = np.argwhere(np.abs(drawn - corner).max(axis=2) <= 2)
    assert len(first) > 2000
    panel = drawn[first[:, 0].min() :][: int(1.8 * 150), first[:, 1].min() :][:, : int(3.5 * 150)]
    beside = drawn[first[:, 0].min() :][: int(1.8 * 150), first[:, 1].min() + int(3.75 * 150) :]
    assert np.abs(panel - beside[:, : panel.shape[1]]).mean() > 5


def test_one_branch_alone_is_the_overlay(model: Path, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "heat.png"
    options = ["--target", "LC", "--method", "gradcam++", "--branch", "fused", "--strength", "0.4"]
    assert run(["explain", str(image), "--out", str(out), "--model", str(model), *options]) == 0
    pixels = read_image(image)
    heat = explain(Predictor.load(model), pixels, target="LC", method="gradcam++").heat["fused"]
    np.testing.assert_array_equal(read_image(out), overlay(pixels, heat, strength=0.4))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--target", "XX"], "expected a class out of A, F"),
        (["--branch", "conv9"], "expected a branch out of conv2_block3_concat"),
        (["--strength", "2"], "--strength"),
    ],
)
def test_wrong_use_is_one_line(
    options: list[str],
    said: str,
    model: Path,
    image: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "heat.png"
    assert run(["explain", str(image), "--out", str(out), "--model", str(model), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_text_names_the_answer_and_the_model(
    model: Path, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "heat.png"
    assert run(["explain", str(image), "--out", str(out), "--model", str(model)]) == 0
    text = capsys.readouterr().out
    assert str(out) in text
    assert "not measured" in text
    assert "not a medical device" in text


def test_missing_image_is_refused(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["explain", str(tmp_path / "no.png"), "--out", str(tmp_path / "x"), "--model", str(model)])
    assert status == 2
    assert "no such file" in capsys.readouterr().err
