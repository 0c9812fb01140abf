"""The demonstration, whole."""

import json
from pathlib import Path

import pytest

from breakhis.cli import run


@pytest.mark.slow
def test_demo_shows_that_a_split_by_image_looks_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", str(tmp_path / "demo"), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["leakage"]["verdict"] == "clean"
    assert value["by_image"]["leakage"]["verdict"] == "leaks"
    assert value["by_image"]["macro_f1"]["value"] > value["macro_f1"]["value"] + 0.3
    assert Path(value["report"]).read_text("utf-8").startswith("<!doctype html>")
    assert set(value["prediction"]) >= {"subtype", "malignant", "confidence"}
