"""`breakhis scan` and `breakhis synth`, as they are called."""

import json
from pathlib import Path

import pytest
from PIL import Image

from breakhis.cli import run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("command")
    assert run(["synth", str(out), "--cases", "2", "--images", "1", "--scale", "0.1", "--seed", "5"]) == 0
    return out


def test_scan_counts_what_synth_made(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    images = sum(1 for _ in data.rglob("*.png"))
    assert found["images"] == images == sum(found["magnifications"].values())
    assert list(found["subtypes"]) == ["A", "F", "PT", "TA", "DC", "LC", "MC", "PC"]
    assert sum(subtype["images"] for subtype in found["subtypes"].values()) == images
    assert found["subtypes"]["A"] == {
        "images": 4,
        "patients": 4,
        "cases": 2,
        "magnifications": found["subtypes"]["A"]["magnifications"],
    }
    assert found["official"] == {"missing": 7909 - images, "unknown": 0}
    assert sum(size["images"] for size in found["sizes"]) == images
    assert found["unreadable"] == 0


def test_scan_draws_a_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["40X", "100X", "200X", "400X", "images", "patients", "cases"]
    assert lines[1].startswith("adenosis")
    assert lines[9].startswith("all")
    assert lines[-1].endswith("missing, 0 unknown")


def test_scan_of_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("x", "y"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / label / "s1_1.png")
    (tmp_path / "y" / "s2_1.png").write_bytes(b"")
    assert run(["scan", str(tmp_path), "--group-regex", "(s[0-9])_", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["cases"], found["unreadable"]) == (3, 2, 1)
    assert found["magnifications"] == {"40": 0, "100": 0, "200": 0, "400": 0, "0": 3}
    assert "official" not in found
    assert run(["scan", str(tmp_path), "--group-regex", "(s[0-9])_"]) == 0
    assert "no readable header: 1" in capsys.readouterr().out


def test_bad_input_is_one_line_and_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


def test_skip_bad_says_how_many(data: Path, capsys: pytest.CaptureFixture[str], caplog) -> None:
    stray = data / "stray.png"
    stray.write_bytes(b"")
    try:
        assert run(["scan", str(data)]) == 2
        assert run(["scan", str(data), "--skip-bad"]) == 0
    finally:
        stray.unlink()
    assert "1 images left out, their names do not parse: stray.png" in caplog.text


def test_synth_does_not_overwrite(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["synth", str(data)]) == 2
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.real
def test_scan_of_the_real_images(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(real_data), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["patients"], found["cases"]) == (771, 55, 44)
    assert found["magnifications"] == {"40": 35, "100": 201, "200": 530, "400": 5}
    assert found["official"] == {"missing": 7138, "unknown": 0}
