"""The Keras network: its graph, its parts, its weights, and its backends."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from breakhis.config import DEFAULT_TAPS, ModelConfig
from breakhis.errors import ConfigError, WeightsError
from breakhis.model.network import backbone_layers, build_network, head_model, split_network, tap_model
from breakhis.model.weights import get_weights, load_backbone, set_weights

SIZE = 64
Images = NDArray[np.float32]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_network(ModelConfig(), size=SIZE, classes=8)


@pytest.fixture(scope="module")
def spare() -> keras.Model:
    """A second network of the same kind, for tests that change its weights."""
    return build_network(ModelConfig(), size=SIZE, classes=8)


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32)


def run(model: keras.Model, value: object) -> NDArray[np.float32]:
    return np.asarray(model(value))


def test_probabilities_sum_to_one_and_layers_are_safe_to_load(
    network: keras.Model, images: Images, tmp_path: Path
) -> None:
    probabilities = run(network, images)
    assert probabilities.shape == (3, 8)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    network.save(tmp_path / "network.keras")
    restored = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
    np.testing.assert_allclose(run(restored, images), probabilities, atol=1e-6)


def test_normalisation_in_the_graph_is_that_of_keras_applications(
    network: keras.Model, images: Images
) -> None:
    expected = keras.applications.densenet.preprocess_input(images.copy())
    np.testing.assert_allclose(run(network.get_layer("normalise"), images), expected, atol=2e-6)


def test_head_on_taps_equals_the_network_and_trains_its_layers(spare: keras.Model, images: Images) -> None:
    taps, head = tap_model(spare), head_model(spare)
    features = {tap: np.asarray(vector) for tap, vector in taps(images).items()}
    assert {tap: vector.shape[1] for tap, vector in features.items()} == dict(
        zip(DEFAULT_TAPS, (512, 1024, 1024), strict=True)
    )
    before = run(spare, images)
    np.testing.assert_allclose(run(head, features), before, atol=1e-6)
    head.compile("adam", "categorical_crossentropy")
    head.fit(features, np.eye(8, dtype=np.float32)[:3], verbose=0)
    after = run(spare, images)
    assert np.abs(after - before).max() > 1e-5
    np.testing.assert_allclose(run(head, features), after, atol=1e-6)


@pytest.mark.parametrize("cut", ["pool1", "conv3_block12_concat", "pool4_pool"])
def test_halves_equal_the_network(network: keras.Model, images: Images, cut: str) -> None:
    halves = split_network(network, cut)
    np.testing.assert_allclose(run(halves.upper, halves.lower(images)), run(network, images), atol=1e-6)


@pytest.mark.parametrize("cut", ["conv5_block16_concat", "relu", "nowhere"])
def test_a_cut_without_anything_above_it_is_refused(network: keras.Model, cut: str) -> None:
    with pytest.raises(ConfigError, match="below the highest tap, conv5_block16_concat"):
        split_network(network, cut)


def test_backbone_is_what_keras_applications_builds(network: keras.Model) -> None:
    names = [layer.name for layer in backbone_layers(network) if layer.weights]
    reference = keras.applications.DenseNet121(include_top=False, weights=None)
    assert names == [layer.name for layer in reference.layers if layer.weights and layer.name != "bn"]


def test_plain_head_pools_the_last_activation(images: Images) -> None:
    plain = build_network(ModelConfig(head="plain"), size=SIZE, classes=3)
    assert run(plain, images).shape == (3, 3)
    assert list(tap_model(plain)(images)) == ["relu"]


def test_only_what_the_taps_need_is_built() -> None:
    low = build_network(ModelConfig(taps=("conv2_block6_concat",), dense_units=()), size=SIZE, classes=8)
    assert backbone_layers(low)[-1].name == "conv2_block6_concat"


def test_heads_stay_in_float32_under_mixed_precision(images: Images) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build_network(ModelConfig(taps=("conv2_block6_concat",)), size=SIZE, classes=8)
    finally:
        keras.config.set_dtype_policy("float32")
    assert mixed.get_layer("conv1_conv").compute_dtype == "bfloat16"
    assert np.asarray(mixed(images)).dtype == np.float32


def test_weights_come_back_as_they_were(network: keras.Model, spare: keras.Model, images: Images) -> None:
    weights = get_weights(network)
    assert weights["conv1_conv/kernel"].shape == (7, 7, 3, 64)
    set_weights(spare, weights)
    np.testing.assert_array_equal(run(spare, images), run(network, images))


def test_weights_that_do_not_fit_change_nothing(network: keras.Model) -> None:
    before = get_weights(network)
    wrong = {path: value + 1 for path, value in before.items()}
    wrong["probabilities/bias"] = np.zeros(5, np.float32)
    with pytest.raises(WeightsError, match=r"probabilities/bias of shape \(8,\).*found \(5,\)"):
        set_weights(network, wrong)
    for path, value in get_weights(network).items():
        np.testing.assert_array_equal(value, before[path])


def test_pretrained_backbone_is_loaded_in_order(real_weights: Path) -> None:
    network = build_network(ModelConfig(head="plain"), size=SIZE, classes=8)
    reference = keras.applications.DenseNet121(include_top=False, weights=real_weights)
    load_backbone(network, str(real_weights))
    loaded = get_weights(network)
    for path, value in get_weights(reference).items():
        np.testing.assert_array_equal(loaded[path], value)


def test_safetensors_and_bundles_are_read_too(
    network: keras.Model, spare: keras.Model, tmp_path: Path
) -> None:
    weights = {path: value + 1 for path, value in get_weights(network).items()}
    plain, bundle = tmp_path / "weights.safetensors", tmp_path / "bundle.zip"
    safetensors.numpy.save_file(weights, plain)
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.write(plain, "weights.safetensors")
    for source in (plain, bundle):
        set_weights(spare, get_weights(network))
        load_backbone(spare, str(source))
        loaded = get_weights(spare)
        np.testing.assert_array_equal(
            loaded["conv5_block16_2_conv/kernel"], weights["conv5_block16_2_conv/kernel"]
        )
        assert not np.array_equal(loaded["probabilities/kernel"], weights["probabilities/kernel"])


def _absent(path: Path) -> None:
    path.unlink(missing_ok=True)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _another_network(path: Path) -> None:
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, use_bias=False)])
    other.save_weights(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_absent, "No such file"),
        (_empty, "signature"),
        (_another_network, r"conv1_conv/kernel of shape \(7, 7, 3, 64\).*found \(3, 3, 3, 4\)"),
    ],
)
def test_files_that_do_not_fit_name_the_layer(
    network: keras.Model, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "x.weights.h5"
    make(path)
    with pytest.raises(WeightsError, match=message):
        load_backbone(network, str(path))


def test_failed_download_says_what_to_do(network: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**_: object) -> keras.Model:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "DenseNet121", offline)
    with pytest.raises(WeightsError, match=r"URL fetch failure.*--weights PATH"):
        load_backbone(network, "imagenet")


@pytest.mark.parametrize("backend", ["openvino", "jax", "torch"])
def test_network_builds_on_other_backends(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    script = (
        "import numpy as np\n"
        "from breakhis.config import ModelConfig\n"
        "from breakhis.model.network import build_network\n"
        "network = build_network(ModelConfig(), size=32, classes=8)\n"
        "output = network.predict(np.zeros((1, 32, 32, 3), 'float32'), verbose=0)\n"
        "assert output.shape == (1, 8), output.shape\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
