"""The model that ships: small, with an honest card, answering without TensorFlow; and how it is built."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from breakhis.bundle import SHIPPED_MODEL, Bundle
from breakhis.catalog.scan import scan
from breakhis.config import ImageConfig, ModelConfig, load_config
from breakhis.model.network import backbone_layers, build_network
from breakhis.model.weights import get_weights, load_backbone
from breakhis.predict import Predictor
from breakhis.taxonomy import BREAKHIS
from breakhis.workflows.build import Plan, build_model
from breakhis.workflows.prepare import Source, prepare_source
from training_tables import Silent, write_squares


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return Bundle.open(SHIPPED_MODEL)


def test_it_is_small_and_measured_by_case_without_leakage(shipped: Bundle) -> None:
    assert SHIPPED_MODEL.stat().st_size <= 16_000_000
    assert shipped.taxonomy is BREAKHIS
    assert shipped.manifest["split"]["unit"] == "case"
    assert shipped.manifest["split"]["leakage"]["verdict"] == "clean"
    assert shipped.metrics["repeated"]["seeds"] == [0, 1, 2]
    for name in ("macro_f1", "accuracy", "malignancy_accuracy"):
        values = shipped.metrics["repeated"]["values"][name]
        assert shipped.metrics[name]["value"] == pytest.approx(np.mean(values))
        low, high = shipped.metrics[name]["ci95"]
        assert low < shipped.metrics[name]["value"] < high


def test_its_card_has_counts_intervals_failures_and_licences(shipped: Bundle) -> None:
    cases = shipped.metrics["cases"]
    for phrase in (
        f"Trained on all {shipped.metrics['images']} images of {cases} cases",
        "slide 13412 exclude",
        "| macro F1 | 0.",
        " to 0.",
        "| 200X |",
        "Known failures",
        "are taken for",
        "CC BY 4.0",
        "BSD 3-clause",
        "10.1109/TBME.2015.2496264",
        "Intended use",
        "not a medical device",
    ):
        assert phrase in shipped.card, phrase
    assert "/work" not in shipped.card
    assert "/" not in shipped.config.model.weights


def test_a_fresh_process_answers_without_tensorflow(tmp_path: Path) -> None:
    write_squares(tmp_path / "data")
    image = sorted((tmp_path / "data").rglob("*.png"))[0]
    script = (
        "import sys; from breakhis.cli import run; status = run(sys.argv[1:]);"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", str(image), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert image.name in json.dumps(json.loads(done.stdout))


def test_its_backbone_is_whole_and_starts_other_training(shipped: Bundle) -> None:
    network = build_network(ModelConfig(head="plain"), size=32, classes=8)
    before = get_weights(network)
    load_backbone(network, "breakhis")
    stored = shipped.weights()
    for layer in backbone_layers(network):
        for weight in layer.weights:
            np.testing.assert_array_equal(np.asarray(weight), stored[weight.path])
    after = get_weights(network)
    assert not np.array_equal(after["conv5_block16_2_conv/kernel"], before["conv5_block16_2_conv/kernel"])


def test_building_twice_gives_the_same_weights_and_each_image_is_counted_once(tmp_path: Path) -> None:
    write_squares(tmp_path / "data")
    config = load_config(
        "linear",
        overrides={"images.size": 32, "model.weights": "none", "model.taps": ["pool2_relu"]},
    )
    prepared = prepare_source(Source(tmp_path / "data"), config.images, Silent())
    plan = Plan(config, folds=2, seeds=(0, 1), created=date(2026, 11, 24))
    bundles = [
        build_model(
            prepared, plan, out=tmp_path / f"{name}.zip", folder=tmp_path / "folds", listener=Silent()
        )
        for name in ("first", "again")
    ]
    assert bundles[0].weights_hash == bundles[1].weights_hash
    assert bundles[0].hash == bundles[1].hash
    metrics = bundles[0].metrics
    assert metrics["images"] == len(prepared.catalog) == 16
    assert sum(map(sum, metrics["confusion"])) == 2 * 16
    assert {code: item["cases"] for code, item in metrics["per_class"].items() if item["cases"]} == {
        "F": 4,
        "DC": 4,
    }
    half = bundles[0].manifest["parity"]["half"]
    assert half["faithful"]
    assert half["images"] == 16
    assert 0 < half["max_difference"] < 1e-2
    answers = Predictor.load(tmp_path / "first.zip").predict(tmp_path / "data")
    assert (answers.labels == scan(tmp_path / "data").labels).mean() == 1
    assert Bundle.open(tmp_path / "first.zip").config.images == ImageConfig(size=32)
