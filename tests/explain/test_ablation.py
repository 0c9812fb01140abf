"""What each branch adds: silencing is exact, differences are paired, and every run says it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from breakhis.bundle import Bundle, BundleContents
from breakhis.catalog.synthetic import make_synthetic
from breakhis.cli import run
from breakhis.config import ModelConfig, TrainConfig
from breakhis.errors import DataError, UsageError
from breakhis.evaluate import evaluate
from breakhis.explain.ablation import Ablation, Division, ablate
from breakhis.predict import Predictor
from breakhis.predictions import Predictions
from breakhis.report.page import write_report
from breakhis.taxonomy import BREAKHIS
from model_weights import SMALL, random_weights, write_bundle
from report_folders import make_holdout, make_run

TAPS = ("conv2_block2_concat", "conv2_block3_concat", "conv2_block6_concat")
CONFIG = SMALL.model_copy(update={"model": ModelConfig(taps=TAPS, branch_units=4, dense_units=())})
DEAF, ANCHOR = TAPS[0], TAPS[2]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The first branch is heard by no logit."""
    weights = random_weights(CONFIG.model, classes=8)
    weights["probabilities/kernel"][:4] = 0
    file = tmp_path_factory.mktemp("model") / "bundle.zip"
    contents = BundleContents(
        CONFIG, BREAKHIS, weights, metrics={}, split={}, created="2026-11-24", temperature=2.0
    )
    Bundle.write(file, contents)
    return Predictor.load(file)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 256, (48, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


@pytest.fixture(scope="module")
def truth(predictor: Predictor, images: NDArray[np.uint8]) -> Predictions:
    """Two images a case; most labels are what the model answers."""
    answers = predictor.predict(images)
    labels = np.where(np.arange(48) % 3 == 0, np.arange(48) % 8, answers.labels)
    names = np.array([f"14-{number // 2}" for number in range(48)])
    return Predictions(
        paths=answers.paths,
        probabilities=answers.probabilities,
        truth=labels.astype(np.int64),
        magnifications=answers.magnifications,
        patients=names,
        cases=names,
        reasons=answers.reasons,
    )


@pytest.fixture(scope="module")
def found(predictor: Predictor, images: NDArray[np.uint8], truth: Predictions) -> Ablation:
    return ablate(predictor, halves(images), truth, division=Division("case", "clean", seed=3))


def halves(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    yield images[:20]
    yield images[20:]


def test_all_branches_are_the_model(found: Ablation, truth: Predictions) -> None:
    whole = found.variants[0]
    expected = evaluate(truth, unit="case", seed=3).overall.metrics
    for name, metric in whole.metrics.items():
        if expected[name].value is not None:
            assert metric.value == pytest.approx(expected[name].value, abs=1e-6)
            assert metric.ci95 == pytest.approx(expected[name].ci95, abs=1e-6)
    assert {metric.value for metric in whole.difference.values()} <= {0.0, None}
    assert (found.images, found.cases) == (48, 24)


def test_every_branch_is_left_out_once_and_alone_once(found: Ablation) -> None:
    named = [(variant.kind, variant.branch) for variant in found.variants[1:]]
    assert named == [("without", tap) for tap in TAPS] + [("only", tap) for tap in TAPS]
    assert [variant.name for variant in found.variants[:2]] == ["all branches", f"without {TAPS[0]}"]


def test_a_branch_that_no_logit_hears_adds_nothing(found: Ablation) -> None:
    without, alone = (
        next(one for one in found.variants if (one.kind, one.branch) == (kind, DEAF))
        for kind in ("without", "only")
    )
    assert without.difference["accuracy"].value == 0
    assert without.difference["accuracy"].ci95 == (0, 0)
    assert without.difference["brier"].value == pytest.approx(0, abs=1e-9)
    # Alone it says the same for every image.
    assert alone.metrics["roc_auc"].value == pytest.approx(0.5)
    assert alone.difference["accuracy"].value is not None
    assert alone.difference["accuracy"].value < -0.1


def test_silenced_branch_says_its_mean_in_training(
    predictor: Predictor, images: NDArray[np.uint8], truth: Predictions, tmp_path: Path
) -> None:
    """By hand: a branch whose dense layer is dead is silenced, if its normalisation gives beta then."""
    weights = predictor.bundle.weights()
    weights[f"{ANCHOR}_dense/kernel"][:] = 0
    weights[f"{ANCHOR}_dense/bias"] = weights[f"{ANCHOR}_bn/moving_mean"] = np.ones(4, np.float32)
    contents = predictor.bundle.contents()
    Bundle.write(
        tmp_path / "dead.zip",
        BundleContents(
            CONFIG, BREAKHIS, weights, metrics={}, split={}, created="", temperature=contents.temperature
        ),
    )
    expected = truth.with_probabilities(Predictor.load(tmp_path / "dead.zip").predict_proba(images))
    found = ablate(predictor, [images], truth, division=Division("case", "clean"))
    without = next(one for one in found.variants if (one.kind, one.branch) == ("without", ANCHOR))
    brier = evaluate(expected, unit="case").overall.metrics["brier"].value
    assert without.metrics["brier"].value == pytest.approx(brier, abs=1e-6)
    assert found.silenced_to == "its mean in training"


def test_it_is_saved_and_told_with_unit_and_intervals(found: Ablation, tmp_path: Path) -> None:
    found.save(tmp_path / "ablation.json")
    assert Ablation.load(tmp_path / "ablation.json") == found
    text = found.table()
    rows = [line for line in text.splitlines() if "conv2" in line or "all branches  " in line]
    assert len(rows) == 7 + 6
    assert all("case (clean)" in row and "[" in row for row in rows)
    assert "Nothing was trained anew" in text
    (tmp_path / "ablation.json").write_text("{}")
    with pytest.raises(DataError, match="KeyError"):
        Ablation.load(tmp_path / "ablation.json")


def test_one_branch_leaves_nothing_to_compare(
    images: NDArray[np.uint8], truth: Predictions, tmp_path: Path
) -> None:
    single = TrainConfig(images=SMALL.images, model=ModelConfig(taps=TAPS[:1], dense_units=()))
    model = Predictor.load(write_bundle(tmp_path / "bundle.zip", config=single))
    with pytest.raises(UsageError, match="several branches; found one, conv2_block2_concat"):
        ablate(model, [images], truth, division=Division("case", "clean"))


def test_command_measures_a_folder(
    predictor: Predictor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_synthetic(tmp_path, cases_per_class=2, images_per_patient=1, scale=0.1)
    model = str(predictor.bundle.path)
    assert run(["explain", "--ablation", str(tmp_path), "--model", model, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unit"] == "manual"
    assert told["leakage"] == {"verdict": "unknown"}
    assert len(told["variants"]) == 7
    assert set(told["variants"][1]["difference"]["macro_f1"]) == {"value", "ci95"}
    assert run(["explain", "slide.png", "--ablation", str(tmp_path), "--model", model]) == 2
    assert run(["explain", "--model", model]) == 2
    assert "Name an IMAGE and --out" in capsys.readouterr().err


def test_report_of_a_run_shows_it(found: Ablation, tmp_path: Path) -> None:
    finished = make_run(tmp_path / "run", make_holdout(tmp_path / "data", by="case"))
    assert "What each branch adds" not in write_report(finished).read_text("utf-8")
    found.save(finished.ablation_file)
    page = write_report(finished).read_text("utf-8")
    assert "What each branch adds" in page
    assert all(f"without {tap}" in page and f"only {tap}" in page for tap in TAPS)
