"""Where networks begin, and how far a step moves each parameter, in NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive._committee.state import NetworkLayout
from skadaptive._training.parameters import (
    initial_parameters,
    kernels_and_biases,
    step_sizes,
)


def layout_of(activation="relu", n_outputs=1, hidden=(3, 4), n_members=2):
    return NetworkLayout(2, 1, 5, n_outputs, hidden, n_members, activation)


def split(vector, layout):
    """Input scales, and kernels and biases in turn, of each member."""
    ends = np.cumsum(layout.sizes)[:-1]
    members = vector.reshape(layout.n_members, -1)
    return list(zip(*(np.split(member, ends) for member in members), strict=True))


def test_steps_of_each_kind_of_parameter():
    layout = layout_of()
    rates = np.arange(14.0).reshape(2, 7)
    scales, *layers = split(step_sizes(layout, rates), layout)
    assert_array_equal(scales, 6 * rates)
    # All bins of a feature count as one input.
    for n_inputs, kernels, biases in zip(
        (3, 3, 4), layers[::2], layers[1::2], strict=True
    ):
        assert_allclose(kernels, 1 / np.sqrt(n_inputs))
        assert_array_equal(biases, np.full_like(biases, 0.1))


@pytest.mark.parametrize(
    ("activation", "gain"),
    [("relu", 2), ("silu", 2), ("gelu", 2), ("selu", 1), ("tanh", 1)],
)
def test_signals_keep_their_size(activation, gain, rng):
    layout = layout_of(activation, hidden=(300, 200))
    bias = np.array([-2.5])
    scales, *layers = split(initial_parameters(rng, layout, bias), layout)
    assert_array_equal(scales, np.ones((2, 7)))
    for n_inputs, kernels in zip((3, 300), layers[:-2:2], strict=True):
        deviation = np.sqrt(gain / n_inputs)
        assert_allclose(np.std(kernels, axis=1), deviation, rtol=0.08)
        assert abs(np.mean(kernels)) < 0.1 * deviation
        assert not np.array_equal(*kernels)  # members differ
    for zeros in (*layers[1:-2:2], layers[-2]):
        assert not np.any(zeros)
    assert_array_equal(layers[-1], [bias, bias])


def test_no_hidden_layer_and_several_outputs(rng):
    layout = layout_of(n_outputs=3, hidden=())
    bias = np.array([0.5, -1.0, 2.0])
    scales, kernels, biases = split(initial_parameters(rng, layout, bias), layout)
    assert np.all(scales) and not np.any(kernels)
    assert_array_equal(biases, [bias, bias])


def test_the_input_scales_become_part_of_the_first_kernel(rng):
    layout = layout_of()
    vector = rng.normal(size=2 * sum(layout.sizes))
    kernels, biases = kernels_and_biases(vector, layout.shapes, 2)
    scales, *layers = split(vector, layout)
    for i, shape in enumerate([(7, 3), (3, 4), (4, 1)]):
        plain = np.reshape(layers[2 * i], (2, *shape))
        scale = np.array(scales)[:, :, None] if i == 0 else 1
        assert_allclose(kernels[i], plain * scale)
        assert_array_equal(biases[i], layers[2 * i + 1])
