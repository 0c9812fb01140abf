"""Bad input from the command line: one line, status 2, nothing half-written, nothing lost."""

import json
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from PIL import Image

from breakhis.cli import run
from breakhis.runs import Run
from test_workflows import SMALL
from training_tables import write_squares

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_squares(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_squares(folder / "data")
    assert run(["train", str(folder / "data"), "--out", str(folder / "run"), *SMALL]) == 0
    return folder


def refused(capsys: Capture, *arguments: str | Path) -> str:
    """The one line with which a command refuses."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("breakhis: ")]
    assert len(lines) == 1
    assert captured.err.splitlines()[-1] == lines[0]
    assert "Traceback" not in captured.err
    return lines[0]


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file can grow beyond `room` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def spoil(kind: str, path: Path) -> None:
    """Turn a good picture into a bad one of some kind, under the same name."""
    with Image.open(path) as opened:
        picture = opened.copy()
    grey16 = np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:900])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no picture")
    elif kind == "CMYK":
        picture.convert("CMYK").save(path, format="TIFF")
    elif kind == "16-bit":
        Image.fromarray(grey16).save(path)
    elif kind == "16-bit RGB":
        cv2.imwrite(str(path), np.dstack([grey16] * 3))
    else:
        picture.convert({"grey": "L", "alpha": "RGBA", "palette": "P"}[kind]).save(path)


KINDS = {
    "truncated": "truncated after",
    "empty": "an empty file",
    "text": "another kind of file",
    "CMYK": "CMYK",
    "16-bit": "16-bit grey",
    "16-bit RGB": "16-bit",
    "grey": "8-bit grey",
    "alpha": "with alpha",
    "palette": "palette",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_whole_rgb_image_is_named(
    kind: str, data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    bad = sorted(data.iterdir())[3]
    spoil(kind, bad)
    for arguments in (
        ["train", data, "--out", tmp_path / "new", *SMALL],
        ["crossval", data, "--out", tmp_path / "new", *SMALL],
        ["evaluate", trained / "run", data],
        ["predict", data, "--model", trained / "run", "--out", tmp_path / "new"],
    ):
        line = refused(capsys, *arguments)
        assert bad.name in line
        assert KINDS[kind] in line
        assert not (tmp_path / "new").exists()


def test_unreadable_files_are_left_out_and_counted_where_asked(
    data: Path, trained: Path, capsys: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    for kind, path in zip(KINDS, sorted(data.iterdir())[::2], strict=False):
        spoil(kind, path)
    arguments = ["evaluate", str(trained / "run"), str(data), "--skip-bad", "--json"]
    assert run(arguments) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8
    assert "8 unreadable files left out" in caplog.text
    for path in data.iterdir():
        path.write_bytes(b"")
    assert "16 that are not" in refused(capsys, *arguments[:-1])


@pytest.mark.parametrize("command", ["train", "crossval", "twin"])
def test_a_wrong_path_is_refused_before_tensorflow_is_imported(command: str, tmp_path: Path) -> None:
    code = f"""
import sys
from breakhis.cli import run
assert run([{command!r}, "nowhere", "--out", "new"]) == 2
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    command_line = [sys.executable, "-c", code]
    ended = subprocess.run(command_line, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "found nothing at nowhere" in ended.stderr


def test_a_fold_that_a_split_has_not_is_counted_from_one(
    data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    shares = ["--test", "0.25", "--validation", "0.25"]
    assert run(["split", str(data), "--out", str(tmp_path / "split.csv"), *shares]) == 0
    chosen = ["--split", tmp_path / "split.csv", "--fold", "2"]
    for arguments in (
        ["train", data, "--out", tmp_path / "new", *SMALL],
        ["evaluate", trained / "run", data],
    ):
        assert "--fold from 1 to 1" in refused(capsys, *arguments, *chosen)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["train", "crossval", "twin"])
def test_a_folder_without_images_leaves_no_folder(command: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "none").mkdir()
    assert "found none" in refused(capsys, command, tmp_path / "none", "--out", tmp_path / "new", *SMALL)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["train", "crossval", "twin"])
def test_an_output_folder_with_anything_else_in_it_is_left_alone(
    command: str, data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    for out in (trained / "run", tmp_path / "thesis", tmp_path / "file"):
        held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
        assert "new or empty folder" in refused(capsys, command, data, "--out", out, *SMALL)
        assert held == (sorted(path.name for path in out.iterdir()) if out.is_dir() else [])
    assert "Not a directory" in refused(capsys, command, data, "--out", tmp_path / "file" / "x", *SMALL)


@pytest.mark.slow
def test_folds_of_another_configuration_are_not_gone_on_with(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["crossval", str(data), "--out", str(tmp_path / "cv"), "--folds", "2", *SMALL]
    assert run(arguments) == 0
    before = (tmp_path / "cv" / "predictions.csv").read_bytes()
    assert "another configuration" in refused(capsys, *arguments, "--seed", "9")
    assert (tmp_path / "cv" / "predictions.csv").read_bytes() == before


def weights_file(kind: str, path: Path) -> Path:
    """Weights that are none."""
    if kind == "text":
        path.write_text("no weights")
    elif kind == "foreign":
        with h5py.File(path, "w") as file:
            file["dense"] = np.zeros(3)
    elif kind == "cut":
        with h5py.File(path, "w") as file:
            file["layers/conv2d/vars/0"] = np.zeros((7, 7, 3, 64))
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "shape":
        with h5py.File(path, "w") as file:
            file["layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 8))
    return path


@pytest.mark.parametrize("kind", ["absent", "text", "foreign", "cut", "shape"])
def test_weights_that_do_not_fit_leave_no_run(kind: str, data: Path, tmp_path: Path, capsys: Capture) -> None:
    file = weights_file(kind, tmp_path / "weights.h5")
    command = "crossval" if kind == "absent" else "train"
    line = refused(capsys, command, data, "--out", tmp_path / "new", *SMALL, "--weights", file)
    assert "weights.h5" in line
    assert "pass weights of DenseNet121" in line
    assert not list(tmp_path.glob("new/*"))


@pytest.mark.parametrize("room", [20_000, 300_000])
def test_a_full_disk_leaves_no_run(room: int, data: Path, tmp_path: Path, capsys: Capture) -> None:
    # The smaller room ends while images are prepared, the larger one at the first checkpoint.
    with full_disk(room):
        line = refused(
            capsys,
            *("train", data, "--out", tmp_path / "run", *SMALL, "--seed", room, "--set", "images.size=48"),
            *("--set", "model.branch_units=64"),
        )
    assert "room and permission to write" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_disk_that_fills_up_later_leaves_a_run_to_go_on_with(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    arguments = ["train", str(data), "--out", str(tmp_path / "run"), *SMALL]
    with full_disk(3_000_000):  # a bundle is larger
        assert "room and permission to write" in refused(capsys, *arguments)
    assert not Run(tmp_path / "run").bundle_file.exists()
    assert run([*arguments, "--resume"]) == 0
    assert Run.open(tmp_path / "run").bundle_file.exists()


@pytest.mark.parametrize("kind", ["cut", "altered", "edited", "no bundle"])
def test_a_bundle_that_was_cut_or_altered_is_refused_everywhere(
    kind: str, data: Path, trained: Path, tmp_path: Path, capsys: Capture
) -> None:
    bundle = tmp_path / "model.zip"
    content = bytearray((trained / "run" / "bundle.zip").read_bytes())
    if kind == "cut":
        bundle.write_bytes(content[:20_000])
    elif kind == "altered":
        content[len(content) // 2] ^= 255
        bundle.write_bytes(content)
    elif kind == "edited":
        with zipfile.ZipFile(trained / "run" / "bundle.zip") as old, zipfile.ZipFile(bundle, "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name).replace(b"adenosis", b"adenosiz"))
    else:
        shutil.copy(next(data.iterdir()), bundle)
    for arguments in (
        ["predict", next(data.iterdir()), "--model", bundle],
        ["evaluate", bundle, data],
        ["export", bundle, "--format", "bundle", "--out", tmp_path / "new.zip"],
    ):
        assert "bundle at" in refused(capsys, *arguments)
    assert not (tmp_path / "new.zip").exists()
