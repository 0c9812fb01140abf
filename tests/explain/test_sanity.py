"""Maps show what the model learnt, not what the image looks like.

Sanity checks of Adebayo et al., NeurIPS 2018, arXiv 1810.03292. A class that is a texture in one quadrant has
its heat there, and loses it when what was learnt is replaced by chance: the head alone, then every layer.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from breakhis.bundle import Bundle, BundleContents
from breakhis.config import ImageConfig, ModelConfig, TrainConfig
from breakhis.engine import Engine
from breakhis.explain import FUSED, Method, explain_all
from breakhis.images.decode import decode
from breakhis.predict import Predictor
from breakhis.taxonomy import Taxonomy
from model_weights import Weights, random_weights

SMALL = TrainConfig(
    images=ImageConfig(size=64),
    model=ModelConfig(taps=("conv2_block3_concat", "conv2_block6_concat"), branch_units=2, dense_units=()),
)
LARGE = TrainConfig(
    model=ModelConfig(taps=("conv3_block12_concat", "conv4_block24_concat"), branch_units=2, dense_units=())
)
TWO = Taxonomy(("O", "T"), ("other", "target"))
QUADRANTS = [(0, 0), (0, 1), (1, 0), (1, 1)]
DRAWS = range(4)
Images = NDArray[np.uint8]
Painter = Callable[[tuple[int, int] | None], Images]


def fitted(config: TrainConfig, backbone: Weights, paint: Painter) -> Weights:
    """Weights of the head that tells painted quadrants from none: a linear boundary in every branch.

    The two units of a branch are the two sides of the boundary, and the logits add them up.
    """
    images = np.stack([paint(quadrant) for quadrant in [*QUADRANTS * 10, *[None] * 40]])
    truth = np.repeat([1, 0], 40)
    weights = dict(backbone)
    for tap, vectors in Engine(config.model, backbone, size=config.images.size).taps(images).items():
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        boundary = LogisticRegression(C=1e4, max_iter=2000).fit(units, truth)
        assert boundary.score(units, truth) > 0.95
        weights[f"{tap}_dense/kernel"] = boundary.coef_.T * [1, -1]
        weights[f"{tap}_dense/bias"] = boundary.intercept_ * [1, -1]
        for part, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1 - 1e-3)):
            weights[f"{tap}_bn/{part}"] = np.full(2, value)
    weights["probabilities/kernel"] = np.array([[0, 1], [1, 0]] * len(config.model.taps))
    weights["probabilities/bias"] = np.zeros(2)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def share_inside(
    config: TrainConfig, weights: Weights, paint: Painter, *, file: Path, method: Method = "gradcam"
) -> dict[str, float]:
    """{tap or "fused": mean share of the heat in the painted quadrant}; even heat gives 0.25."""
    contents = BundleContents(config, TWO, weights, metrics={}, split={}, created="2026-11-24")
    Bundle.write(file, contents)
    images = np.stack([paint(quadrant) for quadrant in QUADRANTS])
    found = explain_all(Predictor.load(file), images, target="T", method=method)
    half = config.images.size // 2
    return {
        name: float(
            np.mean(
                [
                    one.heat[name][y * half : (y + 1) * half, x * half : (x + 1) * half].sum()
                    / max(one.heat[name].sum(), 1e-9)
                    for one, (y, x) in zip(found, QUADRANTS, strict=True)
                ]
            )
        )
        for name in found[0].heat
    }


def by_chance(config: TrainConfig, learnt: Weights, *, seed: int, whole: bool) -> Weights:
    """The weights with the head, or with every layer, drawn at random."""
    drawn = random_weights(config.model, classes=2, seed=seed)
    head = (*(f"{tap}_dense/" for tap in config.model.taps), "probabilities/")
    return drawn if whole else {**learnt, **{key: drawn[key] for key in drawn if key.startswith(head)}}


def stripes(seed: int) -> Painter:
    """Smooth tissue-coloured blotches of 64 pixels, striped in one quadrant."""
    rng = np.random.default_rng(seed)

    def paint(quadrant: tuple[int, int] | None) -> Images:
        picture = rng.normal((205, 160, 195), 18, (4, 4, 3)).repeat(16, axis=0).repeat(16, axis=1)
        if quadrant is not None:
            y, x = (32 * side for side in quadrant)
            picture[y : y + 32, x : x + 32] += 45 * np.sin(np.arange(32) * 2 * np.pi / 5)[:, None, None]
        return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)

    return paint


@pytest.fixture(scope="module")
def learnt() -> Weights:
    return fitted(SMALL, random_weights(SMALL.model, classes=2), stripes(1))


@pytest.mark.parametrize(("method", "least"), [("gradcam", 0.75), ("gradcam++", 0.5)])
def test_heat_lies_in_the_quadrant_of_the_class(
    learnt: Weights, method: Method, least: float, tmp_path: Path
) -> None:
    found = share_inside(SMALL, learnt, stripes(2), file=tmp_path / "model.zip", method=method)
    assert list(found) == [*SMALL.model.taps, FUSED]
    assert min(found.values()) > least, found


@pytest.mark.parametrize("whole", [False, True], ids=["head", "every layer"])
def test_heat_is_lost_with_what_was_learnt(learnt: Weights, whole: bool, tmp_path: Path) -> None:
    shares = [
        share_inside(
            SMALL,
            by_chance(SMALL, learnt, seed=seed, whole=whole),
            stripes(2),
            file=tmp_path / f"{seed}.zip",
        )[FUSED]
        for seed in DRAWS
    ]
    assert np.mean(shares) < 0.5, shares


@pytest.mark.slow
@pytest.mark.real
def test_real_tissue_in_one_quadrant(real_data: Path, real_weights: Path, tmp_path: Path) -> None:
    """One image of ductal carcinoma among three of fibroadenoma, for heads on the ImageNet backbone."""
    pytest.importorskip("keras")
    from breakhis.model.network import build_network
    from breakhis.model.weights import get_weights, load_backbone

    network = build_network(LARGE.model, size=224, classes=2)
    load_backbone(network, str(real_weights))
    target, other = (
        [decode(file, size=112) for file in sorted(real_data.rglob(f"SOB_{code}-*-100-*.png"))[:40]]
        for code in ("M_DC", "B_F")
    )

    def mosaics(seed: int) -> Painter:
        rng = np.random.default_rng(seed)

        def paint(quadrant: tuple[int, int] | None) -> Images:
            pools = {place: target if place == quadrant else other for place in QUADRANTS}
            cells = {place: pool[rng.integers(len(pool))] for place, pool in pools.items()}
            return np.vstack([np.hstack([cells[row, column] for column in (0, 1)]) for row in (0, 1)])

        return paint

    learnt = fitted(LARGE, get_weights(network), mosaics(1))
    found = share_inside(LARGE, learnt, mosaics(2), file=tmp_path / "model.zip")
    assert found[FUSED] > 0.6, found
    for whole in (False, True):
        drawn = by_chance(LARGE, learnt, seed=0, whole=whole)
        lost = share_inside(LARGE, drawn, mosaics(2), file=tmp_path / f"{whole}.zip")
        assert lost[FUSED] < 0.45, lost
