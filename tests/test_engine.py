"""The OpenVINO engine computes what the Keras network computes."""

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import breakhis.engine.compiled
from breakhis.config import ModelConfig
from breakhis.engine import Engine, EngineOptions, supported_precisions
from breakhis.errors import UsageError, WeightsError
from breakhis.files import cache_folder
from breakhis.images.decode import decode
from breakhis.model.network import build_network, split_network, tap_model
from breakhis.model.weights import get_weights, load_backbone

SIZE = 64
CUT = "conv3_block6_concat"
SMALL = ModelConfig(taps=("conv2_block6_concat", "conv3_block12_concat"), dense_units=(32, 16))
Images = NDArray[np.uint8]


def trained_like(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Weights whose batch normalisations are far from "unchanged", so that a wrong one shows."""
    rng = np.random.default_rng(1)
    weights = get_weights(network)
    for path, value in weights.items():
        if path.endswith(("gamma", "moving_variance")):
            weights[path] = rng.uniform(0.7, 1.4, value.shape).astype(np.float32)
        elif path.endswith(("beta", "moving_mean", "bias")):
            weights[path] = rng.normal(0, 0.2, value.shape).astype(np.float32)
    return weights


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    network = build_network(SMALL, size=SIZE, classes=8)
    network.set_weights(list(trained_like(network).values()))
    return network


@pytest.fixture(scope="module")
def engine(network: keras.Model) -> Engine:
    return Engine(SMALL, get_weights(network), size=SIZE, options=EngineOptions(batch=2))


@pytest.fixture(scope="module")
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKHIS_CACHE", str(tmp_path))


def test_probabilities_equal_those_of_keras(network: keras.Model, engine: Engine, images: Images) -> None:
    expected = np.asarray(network(images.astype(np.float32)))
    assert expected.std() > 0.01
    np.testing.assert_allclose(engine.predict(images), expected, atol=1e-5)
    np.testing.assert_allclose(engine.predict(images.astype(np.float32)), expected, atol=1e-5)


def test_any_number_of_images_is_answered(engine: Engine, images: Images) -> None:
    assert engine.predict(images[:0]).shape == (0, 8)
    np.testing.assert_allclose(engine.predict(images)[2:], engine.predict(images[2:]), atol=1e-6)


def test_taps_equal_those_of_keras(network: keras.Model, engine: Engine, images: Images) -> None:
    expected = tap_model(network)(images.astype(np.float32))
    found = engine.taps(images)
    assert list(found) == list(SMALL.taps)
    for tap, vector in found.items():
        np.testing.assert_allclose(vector, expected[tap], rtol=1e-4, atol=1e-4)


def test_lower_half_equals_that_of_keras(network: keras.Model, engine: Engine, images: Images) -> None:
    halves = split_network(network, CUT)
    expected = halves.lower(images.astype(np.float32))
    found = engine.lower(images, CUT)
    assert set(found) == {"cut", "conv2_block6_concat"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.asarray(halves.upper(found)), engine.predict(images), atol=1e-5)


def test_maps_average_to_the_pooled_taps(engine: Engine, images: Images) -> None:
    maps = engine.maps(images)
    np.testing.assert_allclose(maps.probabilities, engine.predict(images), atol=1e-6)
    for tap, vector in engine.taps(images).items():
        np.testing.assert_allclose(maps.maps[tap].mean(axis=(1, 2)), vector, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(maps.pooled[tap], vector, rtol=1e-4, atol=1e-4)


@pytest.mark.real
def test_parity_on_real_images_through_the_whole_network(real_data: Path, real_weights: Path) -> None:
    model = ModelConfig()
    network = build_network(model, size=224, classes=8)
    load_backbone(network, str(real_weights))
    files = sorted(real_data.rglob("*.png"))[::200]
    images = np.stack([decode(file, size=224) for file in files])
    expected = np.asarray(network(images.astype(np.float32)))
    engine = Engine(model, get_weights(network), size=224)
    np.testing.assert_allclose(engine.predict(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    "model", [ModelConfig(head="plain"), ModelConfig(taps=("conv2_block2_concat",), dense_units=())]
)
def test_other_heads_agree_with_keras(model: ModelConfig, images: Images) -> None:
    network = build_network(model, size=SIZE, classes=3)
    network.set_weights(list(trained_like(network).values()))
    expected = np.asarray(network(images.astype(np.float32)))
    np.testing.assert_allclose(
        Engine(model, get_weights(network), size=SIZE).predict(images), expected, atol=1e-5
    )


def test_half_precision_weights_are_widened(network: keras.Model, engine: Engine, images: Images) -> None:
    half = {path: value.astype(np.float16) for path, value in get_weights(network).items()}
    found = Engine(SMALL, half, size=SIZE).predict(images)
    np.testing.assert_allclose(found, engine.predict(images), atol=0.02)


def test_compiled_graph_is_kept_and_a_cut_one_is_made_again(
    network: keras.Model, images: Images, engine: Engine, empty_cache: None
) -> None:
    def weights() -> dict[str, NDArray[np.float32]]:
        reads.append(1)
        return get_weights(network)

    def answer() -> NDArray[np.float32]:
        options = EngineOptions(cache_key="these weights")
        return Engine(SMALL, weights, size=SIZE, options=options).predict(images)

    reads: list[int] = []
    expected = engine.predict(images)
    np.testing.assert_allclose(answer(), expected, atol=1e-6)
    (blob,) = (cache_folder() / "compiled").glob("*.blob")
    content = blob.read_bytes()
    np.testing.assert_allclose(answer(), expected, atol=1e-6)
    assert len(reads) == 1
    blob.write_bytes(content[: len(content) // 2])
    np.testing.assert_allclose(answer(), expected, atol=1e-6)
    assert len(reads) == 2
    np.testing.assert_allclose(answer(), expected, atol=1e-6)
    assert len(reads) == 2


def test_only_some_compiled_graphs_are_kept(
    network: keras.Model, images: Images, empty_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakhis.engine.compiled, "_KEPT", 2)
    for number in range(3):
        options = EngineOptions(cache_key=f"weights {number}")
        Engine(SMALL, get_weights(network), size=SIZE, options=options).predict(images)
    assert len(list((cache_folder() / "compiled").glob("*.blob"))) == 2


def test_weights_of_another_configuration_are_refused(network: keras.Model, images: Images) -> None:
    with pytest.raises(WeightsError, match=r"pool3_bn/gamma of shape \(512,\); found no such weight"):
        Engine(ModelConfig(), get_weights(network), size=SIZE).predict(images)
    wide = SMALL.model_copy(update={"taps": SMALL.taps[:1]})
    with pytest.raises(WeightsError, match=r"head1_dense/kernel of shape \(64, -1\); found \(128, 32\)"):
        Engine(wide, get_weights(network), size=SIZE).predict(images)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 32, 32, 3), np.uint8), np.zeros((SIZE, SIZE, 3), np.uint8), np.zeros((1, SIZE, SIZE, 3))],
)
def test_other_arrays_than_batches_of_images_are_refused(engine: Engine, images: Images) -> None:
    with pytest.raises(UsageError, match="images of shape"):
        engine.predict(images)


def test_cut_must_exist(engine: Engine, images: Images) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        engine.lower(images, "nowhere")


def test_precision_that_the_processor_lacks_is_refused(network: keras.Model) -> None:
    if "bfloat16" in supported_precisions():
        pytest.skip("this processor computes in bfloat16")
    with pytest.raises(UsageError, match="computes in bfloat16"):
        Engine(SMALL, get_weights(network), size=SIZE, options=EngineOptions(precision="bfloat16"))


def test_bfloat16_is_close(network: keras.Model, engine: Engine, images: Images) -> None:
    if "bfloat16" not in supported_precisions():
        pytest.skip("this processor does not compute in bfloat16")
    close = Engine(SMALL, get_weights(network), size=SIZE, options=EngineOptions(precision="bfloat16"))
    np.testing.assert_allclose(close.predict(images), engine.predict(images), atol=0.1)
