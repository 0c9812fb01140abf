"""The runtime: any kind of input, in order, in flat memory, with the answers of the bundle's network."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

import breakhis.predict.precision
import breakhis.predict.predictor
from breakhis.bundle import Bundle
from breakhis.config import TrainConfig
from breakhis.engine import Precision
from breakhis.errors import BundleError, DataError, ImageError, MissingExtraError, RunError, UsageError
from breakhis.images.decode import decode, read_image
from breakhis.metrics.calibration import apply_temperature
from breakhis.predict import BATCH, Predictor, calibrate, choose_precision, image_files, open_model
from breakhis.runs import Run
from breakhis.taxonomy import BREAKHIS
from model_weights import write_bundle

NAME = "SOB_B_TA-14-16184CD-100-{:03d}.png"


@pytest.fixture(scope="module")
def bundle_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip", temperature=2.0)


@pytest.fixture(scope="module")
def predictor(bundle_file: Path) -> Predictor:
    return Predictor.load(bundle_file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nested folder of 2 batches and a half of pictures, and what is no picture."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(BATCH * 5 // 2):
        file = folder / f"{number % 3}" / NAME.format(number)
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), rng.integers(0, 256, (70, 46, 3), dtype=np.uint8))
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_is_answered_in_order_with_what_the_names_tell(predictor: Predictor, folder: Path) -> None:
    found = predictor.predict(folder)
    files = sorted(folder.rglob("*.png"))
    assert found.paths.tolist() == [file.as_posix() for file in files]
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-12)
    assert set(found.patients) == {"14-16184CD"}
    assert set(found.cases) == {"14-16184"}
    assert set(found.magnifications) == {100}
    assert set(found.truth) == {-1}
    assert found.probabilities.std(axis=0).max() > 1e-4
    for row in (0, BATCH, len(files) - 1):
        one = predictor.predict(files[row])
        np.testing.assert_allclose(one.probabilities[0], found.probabilities[row], atol=1e-6)


def test_files_arrays_and_text_agree(predictor: Predictor, folder: Path) -> None:
    files = sorted(folder.rglob("*.png"))[:3]
    expected = predictor.predict(files).probabilities
    arrays = [read_image(file) for file in files]
    np.testing.assert_allclose(
        predictor.predict([str(file) for file in files]).probabilities, expected, atol=1e-6
    )
    np.testing.assert_allclose(predictor.predict(arrays).probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(predictor.predict_proba(np.stack(arrays)), expected, atol=1e-6)
    assert predictor.predict(arrays).paths.tolist() == ["image 1", "image 2", "image 3"]


def test_nothing_gives_an_empty_table(predictor: Predictor) -> None:
    assert len(predictor.predict([])) == 0
    assert predictor.predict_proba([]).shape == (0, 8)


def test_probabilities_are_the_engines_after_calibration(predictor: Predictor, folder: Path) -> None:
    file = next(folder.rglob("*.png"))
    raw = predictor.engine.predict(decode(file, size=64)[None])
    np.testing.assert_allclose(
        predictor.predict(file).probabilities, apply_temperature(raw.astype(np.float64), 2.0), atol=1e-6
    )


def test_calibration_is_that_which_is_fitted() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(8, 0.1), size=50)
    for temperature in (0.5, 1.0, 3.0):
        np.testing.assert_allclose(
            calibrate(probabilities, temperature), apply_temperature(probabilities, temperature), atol=1e-9
        )
    assert np.isfinite(calibrate(np.array([[1.0, 0.0]]), 2.0)).all()


def test_a_bad_file_is_raised_after_the_answers_before_it(
    predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    files = sorted(folder.rglob("*.png"))
    bad = tmp_path / "bad.png"
    bad.write_bytes(files[0].read_bytes()[:100])
    mixed = [*files[: BATCH + 2], bad, *files[BATCH + 2 :]]
    answered: list[int] = []
    with pytest.raises(ImageError, match=r"bad\.png"):
        answered.extend(map(len, predictor.stream(mixed)))
    assert answered == [BATCH, 2]
    refused: list[ImageError] = []
    assert len(predictor.predict(mixed, on_bad=refused.append)) == len(files)
    assert len(refused) == 1


def test_streaming_takes_files_as_it_goes(predictor: Predictor, folder: Path) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        for file in itertools.cycle(sorted(folder.rglob("*.png"))):
            taken += 1
            yield file

    stream = predictor.stream(endless())
    for _ in range(3):
        assert len(next(stream)) == BATCH
    assert taken < 20 * BATCH
    stream.close()


def test_what_is_no_image_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"float64 \(8, 8, 3\)"):
        predictor.predict([np.zeros((8, 8, 3))])  # type: ignore[list-item]
    with pytest.raises(ImageError, match="no such file"):
        predictor.predict(tmp_path / "absent.png")
    with pytest.raises(DataError, match="found none"):
        image_files([tmp_path])


def test_models_are_found_or_named(
    bundle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakhis.predict.predictor, "SHIPPED_MODEL", tmp_path / "absent.zip")
    with pytest.raises(BundleError, match="--model"):
        open_model(None)
    monkeypatch.setattr(breakhis.predict.predictor, "SHIPPED_MODEL", bundle_file)
    assert open_model(None).hash == Bundle.open(bundle_file).hash
    with pytest.raises(RunError, match="a finished run"):
        open_model(tmp_path)
    run = Run.start(tmp_path / "run", TrainConfig(), data_hash="", resume=False)
    run.bundle_file.write_bytes(bundle_file.read_bytes())
    run.finish()
    assert open_model(run.folder).hash == Bundle.open(bundle_file).hash


def parity(speed: float, *, faithful: bool = True) -> dict[str, Any]:
    return {
        "faithful": faithful,
        "images_per_second": speed,
        "top1_agreement": 0.9,
        "max_difference": 0.5,
        "moved": ["accuracy"],
    }


@pytest.mark.parametrize(
    ("record", "chosen"),
    [
        ({}, "float32"),
        ({"float32": parity(20), "bfloat16": parity(40)}, "bfloat16"),
        ({"float32": parity(20), "bfloat16": parity(15)}, "float32"),
        ({"float32": parity(20), "bfloat16": parity(40, faithful=False)}, "float32"),
    ],
)
def test_fastest_faithful_precision_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any], chosen: str
) -> None:
    monkeypatch.setattr(breakhis.predict.precision, "supported_precisions", lambda: ("float32", "bfloat16"))
    assert choose_precision(Bundle.open(write_bundle(tmp_path / "b.zip", parity=record))) == chosen


def test_a_precision_that_is_absent_or_not_faithful_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakhis.predict.precision, "supported_precisions", lambda: ("float32", "bfloat16"))
    plain = Bundle.open(write_bundle(tmp_path / "plain.zip"))
    bad = {"float32": parity(20, faithful=False), "bfloat16": parity(40, faithful=False)}
    poor = Bundle.open(write_bundle(tmp_path / "poor.zip", parity=bad))
    for bundle, wanted, found in (
        (
            plain,
            "bfloat16",
            "in bfloat16 on this machine; found no parity of bfloat16 in it; choose among float32",
        ),
        (plain, "int8", "in int8 on this machine; found no quantised graph in it"),
        (poor, "bfloat16", "top-1 agreement 0.9, largest difference 0.5, moved accuracy"),
        (poor, "float32", "in float32 .* use --engine keras"),
        (poor, None, "in float32 .* use --engine keras"),
    ):
        with pytest.raises(UsageError, match=found):
            choose_precision(bundle, cast("Precision | None", wanted))


def test_a_fresh_process_gives_the_same_without_tensorflow(
    bundle_file: Path, predictor: Predictor, folder: Path
) -> None:
    script = (
        "import json, sys\n"
        "from breakhis import Predictor\n"
        "found = Predictor.load(sys.argv[1]).predict(sys.argv[2])\n"
        "light = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib', 'torch'}\n"
        "assert not light & set(sys.modules), light & set(sys.modules)\n"
        "print(json.dumps(found.probabilities.tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bundle_file), str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    np.testing.assert_allclose(json.loads(done.stdout), predictor.predict(folder).probabilities, atol=1e-6)


def test_keras_engine_agrees(bundle_file: Path, predictor: Predictor, folder: Path) -> None:
    pytest.importorskip("keras")
    keras = Predictor.load(bundle_file, engine="keras")
    files = sorted(folder.rglob("*.png"))[:3]
    np.testing.assert_allclose(
        keras.predict(files).probabilities, predictor.predict(files).probabilities, atol=1e-5
    )
    with pytest.raises(UsageError, match="float32 with Keras"):
        Predictor.load(bundle_file, engine="keras", precision="bfloat16")


def test_keras_engine_needs_the_extra(bundle_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "breakhis.model.backend", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'breakhis\[train\]'"):
        Predictor.load(bundle_file, engine="keras")


def test_columns_are_named_as_in_scikit_learn(predictor: Predictor, folder: Path) -> None:
    file = next(folder.rglob("*.png"))
    row = next(predictor.predict(file).rows())
    proba = predictor.predict_proba([read_image(file)])[0]
    assert dict(zip(predictor.classes_.tolist(), proba.tolist(), strict=True)) == pytest.approx(
        {code: row[code] for code in BREAKHIS.codes}
    )
