"""Learning rates over a training, by their formulas."""

import numpy as np
import pytest

from skadaptive._training.schedules import flat_then_cosine, inverse_square_root


def test_flat_for_half_and_then_half_a_cosine():
    progress = np.linspace(0, 1, 101)
    share = flat_then_cosine(progress)
    np.testing.assert_array_equal(share[:51], 1)
    np.testing.assert_allclose(share[[50, 75, 100]], [1, 0.5, 0], atol=1e-12)
    third = np.cos(np.pi / 3)
    assert flat_then_cosine(0.5 + 1 / 6) == pytest.approx((1 + third) / 2)
    assert (np.diff(share[50:]) < 0).all()


@pytest.mark.parametrize("n_done", [0, 7, 10_000])
def test_a_stream_goes_on_where_it_was(n_done):
    share = inverse_square_root(n_done, 200, np.array([0.0, 0.5, 1.0]))
    steps = n_done + np.array([0, 100, 200])
    np.testing.assert_allclose(share, np.maximum(0.25, (1 + steps / 100) ** -0.5))
    assert inverse_square_root(n_done + 200, 50, 0.0) == share[-1]
    assert inverse_square_root(0, 1500, 1.0) == 0.25
