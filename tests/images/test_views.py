"""The eight views of an image, and the mean answer over them."""

import numpy as np

from breakhis.images.views import Outputs, mean_outputs, mean_probabilities, turn

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)


def test_the_eight_views_are_all_different_and_start_with_the_image() -> None:
    views = [turn(IMAGES, view) for view in range(8)]
    np.testing.assert_array_equal(views[0], IMAGES)
    assert len({view.tobytes() for view in views}) == 8
    assert all(sorted(view.ravel()) == sorted(IMAGES.ravel()) for view in views)
    assert all(view.flags.c_contiguous and view.dtype == np.uint8 for view in views)


def test_turning_a_view_is_another_view() -> None:
    views = {turn(IMAGES, view).tobytes() for view in range(8)}
    for view in range(8):
        again = turn(turn(IMAGES, view), 5)
        assert again.tobytes() in views


def test_mean_outputs_are_the_same_for_every_view_of_an_image() -> None:
    weights = np.random.default_rng(1).normal(0, 0.02, (6 * 6 * 3, 4))

    def compute(images: np.ndarray) -> Outputs:
        flat = images.reshape(len(images), -1)
        scores = np.exp(flat @ weights)
        return Outputs(
            (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), flat.astype(np.float32)
        )

    expected = mean_outputs(compute, IMAGES, views=8)
    np.testing.assert_allclose(expected.probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.abs(expected.probabilities - compute(IMAGES).probabilities).max() > 0.01
    for view in range(8):
        found = mean_outputs(compute, turn(IMAGES, view), views=8)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        np.testing.assert_allclose(found.features, expected.features, atol=1e-3)


def test_a_probability_of_nothing_is_no_error() -> None:
    sure = np.array([[1.0, 0.0]], np.float32)
    np.testing.assert_allclose(mean_probabilities([sure, sure]), sure, atol=1e-6)
