"""Exports answer as the model does, say how nearly, and are not written where they do not."""

import json
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

import breakhis.export.export
import breakhis.export.parity
from breakhis.bundle import Bundle
from breakhis.cli import run
from breakhis.config import ImageConfig, ModelConfig, TrainConfig
from breakhis.errors import CheckFailedError, DataError, MissingExtraError
from breakhis.export import Sample, compare, export_model, sample_of
from breakhis.export.from_keras import answer_litert, answer_onnx, answer_saved_model, calibrated_network
from breakhis.export.ir import answer_ir, calibrated_graph
from breakhis.export.quantise import with_int8
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from model_weights import write_bundle

TEMPERATURE = 1.7
TINY = TrainConfig(
    images=ImageConfig(size=32),
    model=ModelConfig(taps=("conv2_block1_concat", "conv2_block2_concat"), branch_units=8, dense_units=(8,)),
)
Answer = Callable[[Path, NDArray[np.float32]], NDArray[np.float32]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    path = tmp_path_factory.mktemp("model") / "bundle.zip"
    return Bundle.open(write_bundle(path, config=TINY, temperature=TEMPERATURE))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled pictures of all subtypes, two cases each."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for group, codes in (("B", ("A", "F", "PT", "TA")), ("M", ("DC", "LC", "MC", "PC"))):
        for code in codes:
            for case in range(2):
                name = f"SOB_{group}_{code}-14-{1000 + case}{code}-100-001.png"
                cv2.imwrite(str(folder / name), rng.integers(0, 256, (46, 70, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def sample(bundle: Bundle, data: Path) -> Sample:
    return sample_of(bundle.path, bundle, data)


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        ("openvino", "ir", answer_ir),
        ("onnx", "model.onnx", answer_onnx),
        ("litert", "model.tflite", answer_litert),
        ("saved_model", "saved", answer_saved_model),
    ],
)
def test_each_format_answers_as_the_predictor_does(
    bundle: Bundle,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    name: str,
    answer: Answer,
) -> None:
    out = tmp_path / name
    arguments = [
        "export",
        str(bundle.path),
        "--format",
        kind,
        "--out",
        str(out),
        "--data",
        str(data),
        "--json",
    ]
    assert run(arguments) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    images = np.random.default_rng(1).integers(0, 256, (3, bundle.size, bundle.size, 3), dtype=np.uint8)
    expected = Predictor.load(bundle.path).predict_proba(images)
    assert expected.std() > 0.01
    np.testing.assert_allclose(answer(out, images.astype(np.float32)), expected, atol=1e-5)
    parity = said["parity"]
    assert parity["images"] == 16
    assert parity["sample"]["source"] == "real"
    assert 0 <= parity["max_difference"] <= 1e-5
    assert parity["top1_agreement"] == 1
    assert parity["accuracy"]["ci95"] is not None
    assert {key: said[key] for key in said if key not in ("out", "card")} == json.loads(
        Path(said["card"]).read_text()
    )
    left = {path.name for path in tmp_path.iterdir()}
    assert left == ({name} if out.is_dir() else {name, f"{name}.json"})
    assert run(arguments) == 2


@pytest.fixture
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an install without the extra, where the reference is the engine."""
    monkeypatch.setitem(sys.modules, "breakhis.model.backend", None)
    monkeypatch.setitem(sys.modules, "breakhis.export.from_keras", None)


def test_a_zip_holds_the_same_files(bundle: Bundle, sample: Sample, tmp_path: Path, no_keras: None) -> None:
    export_model(bundle, "openvino", tmp_path / "ir.zip", sample=sample)
    with zipfile.ZipFile(tmp_path / "ir.zip") as archive:
        assert set(archive.namelist()) == {"breakhis.json", "model.bin", "model.xml"}


def test_the_line_for_people_has_interval_and_split(
    bundle: Bundle, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_keras: None
) -> None:
    arguments = ["export", str(bundle.path), "--format", "openvino", "--out", str(tmp_path / "ir")]
    assert run([*arguments, "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert re.search(r"accuracy \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", told)
    assert "split unknown" in told
    assert "95 % interval over cases" in told


@pytest.mark.parametrize("of", ["openvino", "keras"])
def test_views_and_hierarchy_are_inside_the_graph(tmp_path: Path, sample: Sample, of: str) -> None:
    model = ModelConfig(head="linear", taps=("conv2_block2_concat",), hierarchy=0.4, test_views=8)
    config = TINY.model_copy(update={"model": model})
    bundle = Bundle.open(write_bundle(tmp_path / "linear.zip", config=config, temperature=TEMPERATURE))
    images = sample.images[:3]
    expected = Predictor.load(bundle.path).predict_proba(images)
    if of == "openvino":
        found = ov.Core().compile_model(calibrated_graph(bundle), "CPU")(images.astype(np.float32))[0]
    else:
        found = np.asarray(calibrated_network(bundle)(images.astype(np.float32))["probabilities"])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    one_view = model.model_copy(update={"test_views": 1})
    path = write_bundle(tmp_path / "one.zip", config=TINY.model_copy(update={"model": one_view}))
    assert np.abs(Predictor.load(path).predict_proba(images) - expected).max() > 1e-4


def test_an_export_that_differs_is_refused_by_name_and_not_written(
    bundle: Bundle, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_keras: None
) -> None:
    form = breakhis.export.export.FORMATS["openvino"]

    def off(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
        answers = form.answer(path, images)
        answers[0] = np.roll(answers[0], 1)
        return answers

    monkeypatch.setitem(
        breakhis.export.export.FORMATS, "openvino", breakhis.export.export.Format(form.write, off)
    )
    with pytest.raises(
        CheckFailedError, match=r"openvino answers within 0\.0001 of the engine .* 16 real images"
    ):
        export_model(bundle, "openvino", tmp_path / "out", sample=sample)
    assert list(tmp_path.iterdir()) == []


def test_without_images_of_the_run_painted_ones_are_used_and_said_so(bundle: Bundle) -> None:
    sample = sample_of(bundle.path, bundle)
    assert sample.source == "synthetic"
    assert "synthetic" in sample.summary()
    assert compare(sample.table, sample.table).metrics == {}


def test_other_classes_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    manifest = tmp_path / "data.csv"
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((8, 8, 3), np.uint8))
    manifest.write_text("path,subtype,case\nx.png,other,c1\n")
    with pytest.raises(DataError, match="images of the classes A, F"):
        sample_of(bundle.path, bundle, manifest)


def test_missing_extras_are_named(bundle: Bundle, sample: Sample, tmp_path: Path, no_keras: None) -> None:
    exported = export_model(bundle, "openvino", tmp_path / "ir", sample=sample)
    assert exported.value["parity"]["reference"] == "the engine in float32"
    with pytest.raises(MissingExtraError, match=r"pip install 'breakhis\[train,export\]'"):
        export_model(bundle, "onnx", tmp_path / "model.onnx", sample=sample)


def answers(truth: list[int], said: list[int]) -> Predictions:
    count = len(truth)
    blank = np.full(count, "", dtype=np.str_)
    return Predictions(
        paths=np.array([str(row) for row in range(count)]),
        probabilities=np.eye(8)[said],
        truth=np.array(truth),
        magnifications=np.zeros(count, np.int64),
        patients=np.array([f"14-{row // 4}" for row in range(count)]),
        cases=np.array([f"14-{row // 4}" for row in range(count)]),
        reasons=blank,
    )


def test_agreement_counts_answers_and_names_the_metrics_that_moved() -> None:
    truth = list(range(8)) * 50
    wrong = [(label + 1) % 8 if row % 7 == 0 else label for row, label in enumerate(truth)]
    reference = answers(truth, wrong)
    same = compare(reference, reference)
    assert same.faithful
    assert (same.max_difference, same.top1_agreement, same.moved) == (0, 1, ())
    one = compare(answers(truth, [*wrong[:-2], (wrong[-2] + 1) % 8, wrong[-1]]), reference)
    assert one.top1_agreement == 1 - 1 / 400
    assert one.faithful
    assert one.changes["accuracy"].value == pytest.approx(-1 / 400)
    many = compare(answers(truth, [*wrong[:-40], *[(label + 1) % 8 for label in wrong[-40:]]]), reference)
    assert not many.faithful
    assert "accuracy" in many.moved


def test_int8_is_calibrated_judged_and_chosen_only_where_it_is_faithful(
    bundle: Bundle, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_keras: None
) -> None:
    unlabelled = replace(sample, table=replace(sample.table, truth=np.full(len(sample.images), -1)))
    contents = with_int8(bundle, sample, unlabelled)
    path = tmp_path / "int8.zip"
    Bundle.write(path, contents)
    record = Bundle.open(path).manifest["parity"]["int8"]
    assert record["faithful"]
    assert record["images_per_second"] > 0
    predictor = Predictor.load(path, precision="int8")
    exact = Predictor.load(path, precision="float32").predict_proba(sample.images)
    difference = np.abs(predictor.predict_proba(sample.images) - exact).max()
    assert difference == pytest.approx(record["max_difference"], abs=1e-3)
    assert 0 < difference < 0.2
    monkeypatch.setattr(breakhis.export.parity, "TOP1_BAR", 1.1)
    with pytest.raises(CheckFailedError, match=r"int8 to give 99 % of the .* nothing was written"):
        with_int8(bundle, sample, unlabelled)
