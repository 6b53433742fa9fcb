"""The network in Keras, traced, and in NumPy."""

from contextlib import nullcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skadaptive._committee.calibration import SigmoidCalibration
from skadaptive._committee.inference import (
    ACTIVATIONS,
    Committee,
    probabilities,
)
from skadaptive._committee.state import NetworkLayout
from skadaptive._features.piecewise import (
    PiecewiseLinearEncoding,
)
from skadaptive._features.scaling import RobustScaler
from skadaptive._features.transform import InputTransform


def committee(
    rng,
    activation="relu",
    n_members=3,
    n_outputs=1,
    units=(5, 7, 4),
    n_bins=3,
    calibration=None,
):
    """A committee of random networks."""
    sizes = [units[0] * (1 + (n_bins or 0)), *units[1:], n_outputs]
    scaler = RobustScaler(rng.normal(size=units[0]), rng.uniform(0.5, 2, size=units[0]))
    rows = rng.normal(size=(100, units[0]))
    return Committee(
        InputTransform(
            scaler, PiecewiseLinearEncoding.fit(scaler, rows, np.ones(100), n_bins)
        ),
        activation,
        [
            rng.normal(size=(n_members, a, b)) / np.sqrt(a)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ],
        [rng.normal(size=(n_members, b)) for b in sizes[1:]],
        calibration,
    )


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_three_views_of_one_network(activation, n_outputs, rng, backend):
    """NumPy, the function that is trained, and the Keras model agree."""
    from keras import ops

    from skadaptive._training.network import build_model, committee_logits

    calibration = SigmoidCalibration(0.7, np.arange(n_outputs) - 1.0)
    net = committee(rng, activation, n_outputs=n_outputs, calibration=calibration)
    X = rng.normal(scale=3, size=(50, 5))
    proba = probabilities(net.logits(X))
    factors = rng.uniform(0.5, 2, size=net.kernels[0].shape[:2])
    kernels = [net.kernels[0] / factors[:, :, None], *net.kernels[1:]]
    layers = zip(kernels, net.biases, strict=True)
    weights = [factors, *(part for layer in layers for part in layer)]
    on_jax = hasattr(backend, "JaxProgram")
    # Keras computes in float32 on JAX.
    close = {"rtol": 1e-5, "atol": 3e-6} if on_jax else {"rtol": 1e-6, "atol": 1e-7}
    inputs = np.stack([net.transform(X)] * len(factors))
    with getattr(backend, "precision", nullcontext)("float64"):
        tensor = ops.convert_to_tensor(inputs)
        trained, apart = (
            ops.convert_to_numpy(
                committee_logits(weights, tensor, activation, together=together)
            )
            for together in (True, False)
        )
        if on_jax:
            in_jax = backend.committee_logits(weights, inputs, activation)
            assert_allclose(in_jax, trained.transpose(1, 0, 2), **close)
    assert_allclose(apart, trained, **close)
    for member in range(3):
        assert_allclose(net.logits(X, member), trained[:, member], **close)
    each = [probabilities(calibration(trained[:, member])) for member in range(3)]
    assert_allclose(proba, np.mean(each, axis=0), rtol=1e-6)
    assert_allclose(
        build_model(net).predict(X, verbose=0), proba, atol=5e-6 if on_jax else 2e-6
    )


def test_the_keras_model_has_normal_scores_and_flags_of_missing_values(rng):
    from skadaptive._training.network import build_model

    knots, scores = np.array([-2.0, 0.0, 5.0]), np.array([-3.0, 0.5, 3.0])
    scaler = RobustScaler(np.zeros(3), np.ones(3), {1: (knots, scores)}, [2])
    X = rng.normal(scale=3, size=(50, 3))
    encoding = PiecewiseLinearEncoding.fit(scaler, X, np.ones(50), None)
    X[::5, 1] = X[::7, 2] = np.nan
    sizes = [(3, 5, 4), (3, 4, 1)]  # three features, one with scores, one with a flag
    kernels = [rng.normal(size=size) for size in sizes]
    biases = [rng.normal(size=(3, n_units)) for _, _, n_units in sizes]
    net = Committee(InputTransform(scaler, encoding), "relu", kernels, biases, None)
    proba = probabilities(net.logits(X))
    assert_allclose(build_model(net).predict(X, verbose=0), proba, atol=5e-6)


def test_an_encoded_feature_counts_once_in_the_first_layer():
    """In the size of its kernel at the start, and in how fast that moves."""
    from skadaptive._training.parameters import initial_parameters, step_sizes

    for n_columns, n_encoded, n_bins in ((6, 0, 0), (6, 2, 5)):
        layout = NetworkLayout(n_columns, n_encoded, n_bins, 1, (400, 8), 1, "selu")
        n_inputs, fan_in = n_columns + n_encoded * n_bins, n_columns + n_encoded
        kernel = slice(n_inputs, n_inputs + 400 * n_inputs)
        start = initial_parameters(np.random.default_rng(0), layout, [0.0])
        assert_allclose(start[kernel].std(), fan_in**-0.5, rtol=0.05)
        sizes = step_sizes(layout, np.full((1, n_inputs), 0.5))
        assert_allclose(sizes[kernel], fan_in**-0.5)
        assert_allclose(sizes[:n_inputs], 3)
