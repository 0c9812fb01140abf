"""Bundles: whole, the same bytes for the same contents, and refused where anything was altered."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakhis.bundle import Bundle, BundleContents
from breakhis.config import ModelConfig, TrainConfig
from breakhis.errors import BundleError, UsageError
from breakhis.taxonomy import BREAKHIS, Taxonomy


def contents(**changes: Any) -> BundleContents:
    rng = np.random.default_rng(0)
    weights = {
        "conv1_conv/kernel": rng.normal(0, 1, (7, 7, 3, 4)).astype(np.float32),
        "probabilities/bias": rng.normal(0, 1, 8).astype(np.float32),
    }
    values: dict[str, Any] = {
        "config": TrainConfig(model=ModelConfig(branch_units=16)),
        "taxonomy": BREAKHIS,
        "weights": weights,
        "metrics": {},
        "split": {},
        "created": "2026-11-22",
    }
    return BundleContents(**{**values, **changes})


@pytest.fixture
def bundle_file(tmp_path: Path) -> Path:
    Bundle.write(tmp_path / "bundle.zip", contents(temperature=1.5, extras={"notes.txt": b"hello"}))
    return tmp_path / "bundle.zip"


def test_what_is_written_is_read(bundle_file: Path) -> None:
    bundle, written = Bundle.open(bundle_file), contents()
    assert bundle.config == written.config
    assert bundle.taxonomy is BREAKHIS
    assert bundle.temperature == 1.5
    assert bundle.members["notes.txt"] == b"hello"
    for name, array in written.weights.items():
        np.testing.assert_array_equal(bundle.weights()[name], array)
    assert bundle.summary().endswith("not measured")


def test_equal_contents_give_equal_bytes(bundle_file: Path, tmp_path: Path) -> None:
    again = contents(temperature=1.5, extras={"notes.txt": b"hello"})
    Bundle.write(tmp_path / "again.zip", again)
    assert (tmp_path / "again.zip").read_bytes() == bundle_file.read_bytes()


def test_half_precision_keeps_vectors_exact(tmp_path: Path) -> None:
    Bundle.write(tmp_path / "half.zip", contents(), half=True)
    weights, written = Bundle.open(tmp_path / "half.zip").weights(), contents().weights
    np.testing.assert_array_equal(weights["probabilities/bias"], written["probabilities/bias"])
    np.testing.assert_allclose(
        weights["conv1_conv/kernel"], written["conv1_conv/kernel"], rtol=1e-3, atol=1e-7
    )
    assert not np.array_equal(weights["conv1_conv/kernel"], written["conv1_conv/kernel"])


def test_other_classes_survive(tmp_path: Path) -> None:
    taxonomy = Taxonomy(("x", "y"), ("x", "y"))
    weights = {"probabilities/bias": np.zeros(2, np.float32)}
    Bundle.write(tmp_path / "two.zip", contents(taxonomy=taxonomy, weights=weights))
    assert Bundle.open(tmp_path / "two.zip").taxonomy == taxonomy


def test_weights_and_classes_must_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="8 classes"):
        Bundle.write(tmp_path / "b.zip", contents(weights={"probabilities/bias": np.zeros(2, np.float32)}))
    with pytest.raises(UsageError, match="names of their own"):
        Bundle.write(tmp_path / "b.zip", contents(extras={"config.yaml": b""}))
    assert list(tmp_path.iterdir()) == []


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def absent(path: Path) -> None:
    path.unlink()


def repacked(
    path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def deflated(path: Path) -> None:
    repacked(path, lambda members: None, zipfile.ZIP_DEFLATED)


def member_missing(path: Path) -> None:
    repacked(path, lambda members: members.pop("weights.safetensors") and None)


def member_added(path: Path) -> None:
    repacked(path, lambda members: members.update(extra=b"1"))


def member_outside(path: Path) -> None:
    repacked(path, lambda members: members.update({"../evil": b"1"}))


def member_changed(path: Path) -> None:
    repacked(path, lambda members: members.update({"metrics.json": b'{"accuracy": 1}'}))


def no_manifest(path: Path) -> None:
    repacked(path, lambda members: members.pop("manifest.json") and None)


def manifest_edited(path: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["split"] = {"unit": "case", "leakage": {"verdict": "clean"}}
        members["manifest.json"] = json.dumps(manifest).encode()

    repacked(path, edit)


def another_format(path: Path) -> None:
    repacked(path, lambda members: members.update({"manifest.json": b'{"format": 99}'}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "File is not a zip file"),
        (empty, "File is not a zip file"),
        (absent, "no such file"),
        (deflated, "packed anew"),
        (member_missing, "weights.safetensors is not what the manifest lists"),
        (member_added, "extra is not what the manifest lists"),
        (member_outside, "'../evil'"),
        (member_changed, "metrics.json is not what the manifest lists"),
        (no_manifest, "no readable manifest.json"),
        (manifest_edited, "manifest.json edited"),
        (another_format, "bundle of format 1 at .*; found 99"),
    ],
)
def test_damage_is_named_in_one_line(bundle_file: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(bundle_file)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.open(bundle_file)
    assert "\n" not in str(caught.value)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_is_refused_or_harmless(
    bundle_file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(bundle_file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    (tmp_path / "altered.zip").write_bytes(content)
    try:
        altered = Bundle.open(tmp_path / "altered.zip")
    except BundleError:
        return
    assert altered.members == Bundle.open(bundle_file).members


def test_card_says_split_counts_metrics_and_licence(tmp_path: Path) -> None:
    cell = {"images": 10, "patients": 2, "cases": 2}
    subset = {**cell, "classes": dict.fromkeys(BREAKHIS.codes, cell)}
    metric = {"value": 0.41, "ci95": [0.33, 0.49]}
    leaks = {"verdict": "leaks", "images": [], "patients": ["14-1AB"], "cases": ["14-1"]}
    split = {
        "unit": "image",
        "seed": 3,
        "hash": "abc",
        "warnings": ["class PT is not in the test set"],
        "leakage": leaks,
        "counts": [{"train": subset, "validation": subset, "test": subset, "excluded": subset}],
    }
    of_class = {"name": "x", "images": 10, "cases": 2, "precision": metric, "recall": metric, "f1": metric}
    metrics = {
        **cell,
        "unit": "image",
        "leakage": leaks,
        "macro_f1": metric,
        "accuracy": metric,
        "per_class": dict.fromkeys(BREAKHIS.codes, of_class),
    }
    Bundle.write(tmp_path / "b.zip", contents(split=split, metrics=metrics))
    bundle = Bundle.open(tmp_path / "b.zip")
    for phrase in (
        "by **image** (seed 3); leakage verdict: **leaks**",
        "1 cases stand both in test and in training",
        "class PT is not in the test set",
        "| DC | 10 / 2 | 10 / 2 | 10 / 2 |",
        "| macro F1 | 0.410 (0.330 to 0.490) |",
        "CC BY 4.0",
        "10.1109/TBME.2015.2496264",
        "not a medical device",
    ):
        assert phrase in bundle.card
    assert "macro F1 0.41 (95% 0.33 to 0.49) by image, split leaks" in bundle.summary()


def test_opening_loads_neither_tensorflow_nor_the_card(bundle_file: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from breakhis.bundle import Bundle\n"
        f"Bundle.open(Path({str(bundle_file)!r})).weights()\n"
        "assert not {'tensorflow', 'keras', 'jinja2', 'rich', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
