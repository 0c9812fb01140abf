"""`breakhis predict` as a user meets it."""

import json
from pathlib import Path

import pytest

from breakhis.cli import run
from training_tables import write_squares


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Images and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("predict")
    write_squares(folder / "data")
    settings = [
        "images.size=32",
        "model.branch_units=4",
        "model.dense_units=[4]",
        "fit.views=1",
        "fit.epochs=1",
    ]
    arguments = [item for setting in settings for item in ("--set", setting)]
    shares = ["--set", "split.test=0.25", "--set", "split.validation=0.25"]
    command = ["train", str(folder / "data"), "--out", str(folder / "run"), "--weights", "none"]
    assert run([*command, "--recipe", "frozen", *arguments, *shares]) == 0
    return folder / "data", folder / "run"


def test_table_json_and_csv_say_the_same(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = trained
    image = min(data.iterdir())
    assert run(["predict", str(image), "--model", str(model), "--json"]) == 0
    (answer,) = json.loads(capsys.readouterr().out)["images"]
    assert sum(answer[code] for code in ("A", "F", "PT", "TA", "DC", "LC", "MC", "PC")) == pytest.approx(1)
    assert run(["predict", str(image), "--model", str(model)]) == 0
    told = capsys.readouterr().out
    assert image.name in told
    assert "by case" in told
    out = tmp_path / "p.csv"
    assert run(["predict", str(data), "--model", str(model), "--out", str(out), "--pool", "case"]) == 0
    lines = out.read_text().splitlines()
    assert lines[0] == ("path,subtype,confidence,malignant,A,F,PT,TA,DC,LC,MC,PC,patient,case,abstain,reason")
    assert len(lines) == 1 + len(list(data.iterdir()))
    assert lines[1].split(",")[1] == answer["subtype"]


def test_a_bad_image_is_one_line_unless_it_is_to_be_skipped(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = trained
    whole = min(data.iterdir())
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:200])
    (tmp_path / whole.name).write_bytes(whole.read_bytes())
    arguments = ["predict", str(tmp_path), "--model", str(model), "--json"]
    assert run(arguments) == 2
    assert "cut.png" in capsys.readouterr().err
    assert run([*arguments, "--skip-bad"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [Path(row["path"]).name for row in value["images"]] == [whole.name]
    assert len(value["left_out"]) == 1


def test_an_altered_bundle_is_refused(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, model = trained
    whole = (model / "bundle.zip").read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    for name, altered in (("cut.zip", whole[:middle]), ("flipped.zip", flipped)):
        (tmp_path / name).write_bytes(altered)
        assert run(["predict", str(min(data.iterdir())), "--model", str(tmp_path / name)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "expected" in captured.err
