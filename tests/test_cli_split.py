"""`breakhis split`: what it prints, writes and refuses."""

import json
from pathlib import Path

import pytest

from breakhis.catalog.scan import scan
from breakhis.cli import run
from breakhis.splits import Split

SLIDES = [("M_DC", 100, 6), ("M_LC", 200, 3), ("B_F", 300, 4), ("B_A", 400, 2)]
NAMES = [
    f"SOB_{code}-14-{first + number}{letter}-{magnification}-001.png"
    for code, first, cases in SLIDES
    for number in range(cases)
    for letter in "AB"
    for magnification in (40, 400)
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(b"never decoded")
    return folder


def test_json_is_what_was_written(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "split.csv"
    assert run(["split", str(data), "--by", "case", "--out", str(out), "--seed", "3", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    split = Split.load(out, scan(data))
    assert printed == {"out": str(out), **split.to_json()}
    assert (printed["unit"], printed["seed"], printed["leakage"]["verdict"]) == ("case", 3, "clean")
    assert printed["counts"][0]["train"]["cases"] == 4 + 1 + 2 + 1


def test_table_verdict_and_warnings_are_printed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["split", str(data), "--out", str(tmp_path / "split.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = {line.split()[0]: line.split()[1:] for line in lines[2:10]}
    assert cells["DC"] == ["16", "8", "4", "4", "2", "1", "4", "2", "1"]
    assert cells["A"] == ["4", "2", "1", "0", "0", "0", "4", "2", "1"]
    assert "warning: adenosis has 2 cases: validation holds none" in lines
    assert any("clean: no image, patient or case of the test set" in line for line in lines)


def test_a_split_by_image_is_called_a_leak(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["split", str(data), "--by", "image", "--out", str(tmp_path / "split.csv")]) == 0
    assert "LEAKS" in capsys.readouterr().out


def test_what_was_left_out_is_printed(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["split", str(real_data), "--out", str(tmp_path / "split.csv")]) == 0
    printed = capsys.readouterr().out
    assert "excluded" in printed.splitlines()[0]
    assert "case 13412: exclude" in printed.splitlines()


def test_folds_have_a_column_each(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "folds.csv"
    assert run(["split", str(data), "--folds", "3", "--validation", "0.3", "--out", str(out)]) == 0
    assert out.read_text().splitlines()[0] == "path,fold1,fold2,fold3"
    assert "test 3" in capsys.readouterr().out


def test_official_folds_are_read(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = tmp_path / "dsfold2.txt"
    lines = [f"{name}|40|2|{'test' if '1A-' in name else 'train'}" for name in NAMES]
    lists.write_text("\n".join(lines))
    arguments = ["split", str(data), "--by", "case", "--official", str(lists), "--fold", "2"]
    assert run([*arguments, "--out", str(tmp_path / "split.csv"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["unit"] == "official"
    assert printed["source"] == "dsfold2.txt, fold 2"
    assert printed["leakage"]["cases"] == ["14-101", "14-201", "14-301", "14-401"]
    assert printed["counts"][0]["test"]["patients"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fold", "1"], "--fold needs --official"),
        (["--folds", "3", "--test", "0.3"], "leave --test out"),
        (["--official", "x.txt", "--folds", "3"], "leave folds out"),
        (["--official", "absent.txt"], "readable list of folds"),
        (["--test", "0.6", "--validation", "0.5"], "below 1"),
        (["--oddity", "13412=drop"], "oddities"),
        (["--folds", "30"], "at least 30 cases"),
        (["--test", "2"], "--test"),
    ],
)
def test_wrong_use_is_one_line_and_nothing_is_written(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["split", str(data), "--out", str(tmp_path / "split.csv"), *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_oddities_are_kept_when_asked(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, excluded in (([], True), (["--oddity", "13412=keep"], False)):
        assert run(["split", str(real_data), "--out", str(tmp_path / "s.csv"), "--json", *options]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["policy"] == {"13412": "exclude" if excluded else "keep"}
        assert bool(printed["counts"][0]["excluded"]["images"]) is excluded
        assert printed["leakage"]["verdict"] == "clean"
