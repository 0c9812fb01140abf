"""Augmentation: seeded, independent of the batch, never touching a blank tile."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakhis.catalog import Catalog
from breakhis.config import AugmentConfig
from breakhis.images.augment import augment, draw_parameters
from breakhis.images.batches import BatchOptions, Samples, make_batches, sample_weights
from breakhis.images.stain import is_blank, jitter_stain
from breakhis.images.store import prepare

EYE, ONES = np.eye(12, 8, dtype=np.float32), np.ones(12, dtype=np.float32)
NOTHING = AugmentConfig(flips=False, quarter_turns=False, zoom=0, shift=0, brightness=0, contrast=0, stain=0)


def tissue(count: int, *, size: int = 32, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(60, 250, (count, size, size, 3)).astype(np.float32)


def changed(images: np.ndarray, config: AugmentConfig, *, seed: int = 0, epoch: int = 0) -> np.ndarray:
    return augment(images, draw_parameters(config, len(images), seed=seed, epoch=epoch)).numpy()


def test_zero_ranges_change_nothing() -> None:
    images = tissue(4)
    np.testing.assert_allclose(changed(images, NOTHING), images, atol=1e-2)


def test_one_seed_and_epoch_give_the_same_images_and_others_do_not() -> None:
    images, config = tissue(4), AugmentConfig()
    np.testing.assert_array_equal(changed(images, config, epoch=3), changed(images, config, epoch=3))
    assert np.abs(changed(images, config, epoch=3) - changed(images, config, epoch=4)).mean() > 5
    assert np.abs(changed(images, config, seed=1) - changed(images, config, seed=2)).mean() > 5


@given(
    level=st.floats(0, 255),
    noise=st.floats(0, 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_a_blank_tile_comes_back_unchanged(level: float, noise: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    blank = np.clip(level + generator.uniform(-noise, noise, (2, 16, 16, 3)), 0, 255).astype(np.float32)
    strong = AugmentConfig(zoom=0.5, shift=0.5, brightness=0.5, contrast=0.9, stain=0.9)
    np.testing.assert_array_equal(changed(blank, strong, seed=seed), blank)
    ones = np.ones((2, 2), dtype=np.float32)
    np.testing.assert_array_equal(jitter_stain(blank, 1.9 * ones, 0.09 * ones), blank)


def test_noisy_glass_is_blank_and_a_trace_of_tissue_is_not() -> None:
    generator = np.random.default_rng(0)
    glass = np.clip(generator.normal(242, 4, (2, 64, 64, 3)), 0, 255).astype(np.float32)
    glass[1, :8, :8] = (190, 120, 180)
    assert is_blank(glass).tolist() == [True, False]
    after = changed(glass, NOTHING.model_copy(update={"stain": 0.5}), seed=1)
    np.testing.assert_array_equal(after[0], glass[0])
    assert np.abs(after[1] - glass[1]).mean() > 0.1


def test_a_shift_by_whole_pixels_brings_in_the_mirror_image() -> None:
    images = tissue(3, size=20)
    plain = draw_parameters(NOTHING, 3, seed=0, epoch=0)
    shifted = plain._replace(shift=np.tile(np.float32([3 / 20, -4 / 20]), (3, 1)))
    mirrored = np.pad(images, ((0, 0), (0, 3), (4, 0), (0, 0)), mode="symmetric")
    np.testing.assert_allclose(augment(images, shifted), mirrored[:, 3:, :20], atol=0.05)


def test_zoom_stretches_around_the_centre() -> None:
    rows = np.linspace(50, 200, 33, dtype=np.float32)
    image = np.tile(rows[None, :, None, None], (1, 1, 33, 3))
    plain = draw_parameters(NOTHING, 1, seed=0, epoch=0)
    zoomed = augment(image, plain._replace(step=np.full((1, 2), 0.5, np.float32))).numpy()
    np.testing.assert_allclose(
        zoomed[0, :, 0, 0], np.interp(np.linspace(8, 24, 33), range(33), rows), atol=0.05
    )


def test_bytes_and_floats_are_changed_alike() -> None:
    images = tissue(4).astype(np.uint8)
    drawn = draw_parameters(AugmentConfig(), 4, seed=3, epoch=1)
    np.testing.assert_allclose(augment(images, drawn), augment(images.astype(np.float32), drawn), atol=0.01)


def test_the_graph_and_the_reference_jitter_stain_alike() -> None:
    images = tissue(3)
    config = NOTHING.model_copy(update={"stain": 0.4})
    drawn = draw_parameters(config, 3, seed=5, epoch=0)
    expected = jitter_stain(images, drawn.stain[:, :2], drawn.stain[:, 2:])
    np.testing.assert_allclose(augment(images, drawn).numpy(), expected, atol=0.05)
    assert np.abs(expected - images).mean() > 1


def test_flips_and_quarter_turns_are_exact() -> None:
    images = tissue(64)
    config = NOTHING.model_copy(update={"flips": True, "quarter_turns": True})
    moved = changed(images, config)
    seen = set()
    for before, after in zip(images, moved, strict=True):
        symmetries = [np.rot90(flip, k) for flip in (before, before[:, ::-1]) for k in range(4)]
        distances = [float(np.abs(after - candidate).max()) for candidate in symmetries]
        assert min(distances) < 1e-2
        seen.add(int(np.argmin(distances)))
    assert seen == set(range(8))


def test_what_is_seen_does_not_depend_on_the_batch_size() -> None:
    images = tissue(10).astype(np.uint8)
    samples = Samples(images, np.eye(10, dtype=np.float32), np.arange(10, dtype=np.float32))
    rows = np.array([7, 3, 9, 1], dtype=np.int64)
    seen = []
    for batch_size in (1, 3):
        options = BatchOptions(batch_size=batch_size, epoch=2, seed=4, augment=AugmentConfig())
        batches = [[part.numpy() for part in batch] for batch in make_batches(samples, rows, options)]
        seen.append([np.concatenate(parts) for parts in zip(*batches, strict=True)])
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert sorted(seen[0][2].tolist()) == [1, 3, 7, 9]
    np.testing.assert_array_equal(seen[0][1].argmax(axis=1), seen[0][2])


def test_a_store_and_its_images_in_memory_give_equal_batches_again_and_again(
    catalog_of: Callable[[Path, int], Catalog], tmp_path: Path
) -> None:
    store = prepare(catalog_of(tmp_path, 12), size=32)
    options = BatchOptions(batch_size=5, epoch=1, seed=2, augment=AugmentConfig())
    rows = np.arange(1, 12)
    seen = [
        [batch[0].numpy() for batch in make_batches(Samples(images, EYE, ONES), rows, options)]
        for images in (store, store, np.array(store.images))
    ]
    assert [len(batch) for batch in seen[0]] == [5, 5, 1]
    for other in seen[1:]:
        for one, two in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_without_an_epoch_rows_stay_in_order_and_unchanged() -> None:
    images = tissue(5).astype(np.uint8)
    samples = Samples(images, np.eye(5, dtype=np.float32), np.ones(5, dtype=np.float32))
    rows = np.array([4, 0, 2], dtype=np.int64)
    batches = make_batches(samples, rows, BatchOptions(augment=AugmentConfig()))
    assert batches.options().autotune.enabled is False  # else the end of a slow pass waits for its thread
    (batch,) = batches
    np.testing.assert_array_equal(batch[0].numpy(), images[rows])


def test_case_weights_make_cases_of_a_class_and_classes_weigh_the_same() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    cases = np.array(["a", "a", "a", "b", "c", "c"])
    weights = sample_weights(labels, cases, mode="case")
    assert weights.mean() == pytest.approx(1)
    assert weights[cases == "a"].sum() == pytest.approx(weights[cases == "b"].sum())
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    by_image = sample_weights(labels, cases, mode="image")
    np.testing.assert_allclose(by_image, [0.75] * 4 + [1.5] * 2)
    assert sample_weights(labels, cases, mode="none").tolist() == [1] * 6
