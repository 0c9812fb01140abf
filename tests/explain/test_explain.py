"""Explanations: gradients equal to a tape's, maps in the right place, colours in the right place."""

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from breakhis.config import ModelConfig
from breakhis.errors import UsageError
from breakhis.explain import (
    FUSED,
    METHODS,
    Method,
    explain,
    explain_all,
    heat_png,
    overlay,
    palette,
)
from breakhis.explain.head import build_head
from breakhis.images.decode import resize
from breakhis.images.views import turn
from breakhis.predict import BATCH, Predictor
from model_weights import SMALL, random_weights, write_bundle

Images = NDArray[np.uint8]
TAPS = SMALL.model.taps
HEADS = {
    "branches": ModelConfig(taps=("conv2_block3_concat", "pool3_pool"), dense_units=(24, 16)),
    "one branch, no dense layer": ModelConfig(taps=("conv2_block6_concat",), dense_units=()),
    "plain": ModelConfig(head="plain"),
    "linear": ModelConfig(head="linear", taps=("conv2_block6_concat", "pool2_relu")),
}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_bundle(tmp_path_factory.mktemp("model") / "bundle.zip", temperature=2.0))


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """(5, 60, 90, 3): coarse patches, so that taps have something to tell apart."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 6, 9, 3), dtype=np.uint8)
    return coarse.repeat(10, axis=1).repeat(10, axis=2)


@pytest.mark.parametrize("model", HEADS.values(), ids=HEADS)
def test_head_and_gradient_equal_those_of_tensorflow(model: ModelConfig) -> None:
    tf = pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    from breakhis.model.network import build_network, head_model
    from breakhis.model.weights import set_weights

    weights = random_weights(model, classes=8)
    network = build_network(model, size=64, classes=8)
    full = {variable.path: np.asarray(variable) for variable in network.weights}
    set_weights(network, {**full, **{key: value for key, value in weights.items() if key in full}})
    network.get_layer("probabilities").activation = keras.activations.linear
    head = head_model(network)
    rng = np.random.default_rng(3)
    maps = {
        tap: rng.normal(0.2, 1, (6, 2, 3, tensor.shape[1])).astype(np.float32)
        for tap, tensor in head.input.items()
    }
    labels = np.array([0, 1, 2, 3, 7, 7])
    variables = {tap: tf.Variable(activation) for tap, activation in maps.items()}
    with tf.GradientTape() as tape:
        logits = head({tap: tf.reduce_mean(variable, axis=(1, 2)) for tap, variable in variables.items()})
        chosen = tf.gather(logits, labels, batch_dims=1)
    expected = tape.gradient(chosen, variables)

    pooled = {tap: activation.mean(axis=(1, 2)) for tap, activation in maps.items()}
    found = build_head(model, weights).gradients(pooled, labels)
    np.testing.assert_allclose(build_head(model, weights).logits(pooled), logits, atol=1e-5)
    assert list(found) == list(maps)
    for tap, gradient in found.items():
        assert np.abs(gradient).max() > 1e-2
        everywhere = np.broadcast_to(gradient[:, None, None] / 6, maps[tap].shape)
        np.testing.assert_allclose(everywhere, expected[tap], atol=1e-6)


def test_hierarchy_and_its_gradient_equal_those_of_tensorflow() -> None:
    """What stands in for logits are the centred logarithms of the mixed probabilities."""
    tf = pytest.importorskip("tensorflow")
    from breakhis.model.network import build_network, head_model
    from breakhis.model.weights import set_weights

    model = ModelConfig(head="linear", taps=("conv2_block2_concat", "conv2_block6_concat"), hierarchy=0.4)
    weights = random_weights(model, classes=8)
    network = build_network(model, size=64, classes=8, benign=4)
    full = {variable.path: np.asarray(variable) for variable in network.weights}
    set_weights(network, {**full, **{key: value for key, value in weights.items() if key in full}})
    head = head_model(network)
    rng = np.random.default_rng(3)
    pooled = {tap: rng.normal(0.2, 1, (6, tensor.shape[1])) for tap, tensor in head.input.items()}
    labels = np.array([0, 1, 3, 4, 7, 7])
    variables = {tap: tf.Variable(vector.astype(np.float32)) for tap, vector in pooled.items()}
    with tf.GradientTape() as tape:
        log_p = tf.math.log(head({tap: tf.convert_to_tensor(one) for tap, one in variables.items()}))
        centred = log_p - tf.reduce_mean(log_p, axis=1, keepdims=True)
        chosen = tf.gather(centred, labels, batch_dims=1)
    expected = tape.gradient(chosen, variables)
    ours = build_head(model, weights)
    np.testing.assert_allclose(ours.logits(pooled), centred, atol=1e-4)
    for tap, gradient in ours.gradients(pooled, labels).items():
        assert np.abs(gradient).max() > 1e-2
        np.testing.assert_allclose(gradient, expected[tap], atol=1e-4)


def test_a_model_of_eight_views_is_explained_as_it_answers(images: Images, tmp_path: Path) -> None:
    """Probabilities are those of `predict`, and turning the image turns the heat."""
    model = ModelConfig(head="linear", taps=("conv2_block3_concat",), test_views=8)
    config = SMALL.model_copy(update={"model": model})
    predictor = Predictor.load(write_bundle(tmp_path / "bundle.zip", config=config, temperature=2.0))
    square = resize(images[0], 64)
    found = explain(predictor, square)
    expected = predictor.predict_proba([square])[0]
    np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)
    for view in range(8):
        turned = explain(predictor, turn(square[None], view)[0], target=found.target)
        heat = turn(found.heat[FUSED][None, :, :, None], view)[0, :, :, 0]
        np.testing.assert_allclose(turned.heat[FUSED], heat, atol=1e-3)
    one_view = Predictor.load(
        write_bundle(
            tmp_path / "one.zip",
            config=config.model_copy(update={"model": model.model_copy(update={"test_views": 1})}),
        )
    )
    assert np.abs(explain(one_view, square).heat[FUSED] - found.heat[FUSED]).max() > 0.05


@pytest.mark.parametrize("method", METHODS)
def test_one_image_is_explained_as_among_others(predictor: Predictor, images: Images, method: Method) -> None:
    many = np.concatenate([images] * 4)
    assert len(many) > BATCH
    found = explain_all(predictor, many, method=method)
    one = explain(predictor, images[2], method=method)
    proba = predictor.predict_proba(images[2:3])[0]
    assert one.answer == one.target == predictor.predict(images[2:3]).subtypes[0]
    np.testing.assert_allclose(list(one.probabilities.values()), proba, atol=1e-6)
    assert list(one.heat) == list(one.peaks) == [*TAPS, FUSED]
    for name, heat in one.heat.items():
        assert heat.shape == (64, 64)
        assert heat.dtype == np.float32
        assert heat.min() >= 0
        assert heat.max() == 1
        for row in (2, 17):
            np.testing.assert_allclose(found[row].heat[name], heat, atol=1e-3)
            assert found[row].peaks[name] == pytest.approx(one.peaks[name], rel=1e-3)
    assert explain_all(predictor, []) == []


def test_map_is_the_tapped_activation_weighted_by_the_gradient(predictor: Predictor, images: Images) -> None:
    """Numerically: heat is how the logit changes when a place of the tap is strengthened."""
    maps = predictor.engine.maps(np.stack([resize(images[0], 64)]))  # type: ignore[attr-defined]
    head = build_head(SMALL.model, predictor.bundle.weights())
    tap, label = TAPS[1], predictor.taxonomy.label("TA")
    expected = np.zeros(maps.maps[tap].shape[1:3])
    for y, x in np.ndindex(*expected.shape):
        for sign in (1, -1):
            changed = maps.pooled[tap] + sign * 1e-3 * maps.maps[tap][:, y, x]
            logits = head.logits({**maps.pooled, tap: changed})
            expected[y, x] += sign * logits[0, label] / 2e-3
    found = explain(predictor, images[0], target="TA")
    assert found.target == "TA"
    strengthened = cv2.resize(np.maximum(cv2.resize(expected, (64, 64)), 0), (64, 64))
    np.testing.assert_allclose(
        found.heat[tap] * found.peaks[tap], strengthened, atol=0.01 * strengthened.max()
    )


def test_fused_map_is_the_balance_of_the_branches(predictor: Predictor, images: Images) -> None:
    """With one branch alone the fused map is that branch's."""
    found = explain(predictor, images[0])
    together = sum(found.heat[tap] * found.peaks[tap] for tap in TAPS)
    assert (found.heat[FUSED] * found.peaks[FUSED] <= together + 1e-5).all()


def test_plus_plus_weighs_otherwise(predictor: Predictor, images: Images) -> None:
    plain, plus = (explain(predictor, images[1], method=method) for method in METHODS)
    assert np.abs(plain.heat[FUSED] - plus.heat[FUSED]).max() > 0.05


def test_what_cannot_be_explained_is_refused(predictor: Predictor, images: Images) -> None:
    with pytest.raises(UsageError, match="'XX'"):
        explain(predictor, images[0], target="XX")
    with pytest.raises(UsageError, match="'lime'"):
        explain(predictor, images[0], method="lime")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"float64 \(8, 8, 3\)"):
        explain(predictor, np.zeros((8, 8, 3)))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="found object"):
        explain(replace(predictor, engine=object()), images[0])  # type: ignore[arg-type]


def test_overlay_keeps_cold_tissue_and_the_aspect_ratio(images: Images) -> None:
    heat = np.zeros((64, 64), np.float32)
    heat[:32, :32] = 1
    image = images[0]
    drawn = overlay(image, heat, strength=1.0)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn[32:], image[32:])
    np.testing.assert_array_equal(drawn[:, 48:], image[:, 48:])
    np.testing.assert_array_equal(drawn[:28, :42], np.broadcast_to(palette()[255], (28, 42, 3)))
    np.testing.assert_array_equal(overlay(image, heat, strength=0.0), image)
    with pytest.raises(UsageError, match="from 0 to 1"):
        overlay(image, heat, strength=1.5)


def test_heat_png_laid_over_is_the_overlay(images: Images) -> None:
    heat = np.random.default_rng(0).random((60, 90), dtype=np.float32)
    layer = np.asarray(PIL.Image.open(BytesIO(heat_png(heat))).convert("RGBA"), dtype=np.float64)
    opacity = layer[:, :, 3:] / 255 * 0.6
    expected = images[0] * (1 - opacity) + layer[:, :, :3] * opacity
    np.testing.assert_allclose(overlay(images[0], heat, strength=0.6), expected, atol=1)


def test_colours_get_lighter_with_heat() -> None:
    lightness = cv2.cvtColor(palette()[None], cv2.COLOR_RGB2LAB)[0, :, 0].astype(int)
    assert (np.diff(lightness) >= -1).all()
    assert lightness[-1] > lightness[0] + 80


def test_explaining_loads_no_tensorflow(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from breakhis import Predictor\n"
        "from breakhis.explain import explain, heat_png\n"
        "found = explain(Predictor.load(sys.argv[1]), np.full((40, 60, 3), 128, np.uint8))\n"
        "heat_png(found.heat['fused'])\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    bundle = write_bundle(tmp_path / "bundle.zip")
    subprocess.run([sys.executable, "-c", script, str(bundle)], check=True)
