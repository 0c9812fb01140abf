"""The shipped recipes on real images: what they cost minutes to show."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from breakhis.runs import Run

pytestmark = [pytest.mark.slow, pytest.mark.real, pytest.mark.timeout(3600)]


def trained(data: Path, weights: Path, out: Path, *options: str) -> dict[str, Any]:
    """What `breakhis train --json` says, in a process of its own."""
    command = [sys.executable, "-m", "breakhis", "train", data, "--weights", weights, "--out", out, "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def history(out: Path) -> list[dict[str, str]]:
    with Run.open(out).history_file.open() as stream:
        return list(csv.DictReader(stream))


def test_frozen_by_image_reaches_the_bar_and_says_that_it_leaks(
    real_data: Path, real_weights: Path, tmp_path: Path
) -> None:
    value = trained(real_data, real_weights, tmp_path / "run", "--recipe", "frozen", "--by", "image")
    assert value["macro_f1"]["value"] >= 0.85
    assert value["leakage"]["verdict"] == "leaks"


def test_finetune_trains_the_upper_blocks(real_data: Path, real_weights: Path, tmp_path: Path) -> None:
    options = ["--set", "fit.epochs=2", "--set", "fit.upper_epochs=2"]
    trained(real_data, real_weights, tmp_path / "run", "--recipe", "finetune", *options)
    rows = history(tmp_path / "run")
    assert [row["phase"] for row in rows] == ["heads", "heads", "upper", "upper"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[3]["loss"]) < float(rows[2]["loss"])


def test_notebook_trains_every_layer(real_data: Path, real_weights: Path, tmp_path: Path) -> None:
    trained(real_data, real_weights, tmp_path / "run", "--recipe", "notebook", "--set", "fit.epochs=2")
    rows = history(tmp_path / "run")
    assert [row["phase"] for row in rows] == ["all", "all"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])


def test_deterministic_full_training_is_repeatable(
    real_data: Path, real_weights: Path, tmp_path: Path
) -> None:
    """Every layer, bit for bit, at 64 pixels."""
    options = ["--recipe", "notebook", "--deterministic"]
    for setting in ("fit.epochs=1", "images.size=64"):
        options += ["--set", setting]
    for name in ("a", "b"):
        trained(real_data, real_weights, tmp_path / name, *options)
    first, second = (Run.open(tmp_path / name).predictions_file.read_bytes() for name in ("a", "b"))
    assert first == second
