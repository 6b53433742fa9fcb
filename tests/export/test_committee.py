"""A committee as a graph beside its prediction in NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit

from skadaptive._committee.calibration import IsotonicCalibration, SigmoidCalibration
from skadaptive._committee.inference import ACTIVATIONS, Committee, probabilities
from skadaptive._export.committee import committee_probabilities, interpolated
from skadaptive._export.graph import Graph
from skadaptive._features.transform import InputTransform

pytest.importorskip("onnxruntime")


def graph_of(committee, n_features):
    graph = Graph(inputs={"X": ("number", n_features)})
    proba = committee_probabilities(graph, committee, graph.cast("X", float))
    n_classes = max(2, committee.n_outputs)
    return graph.model(graph.cast(proba, np.float32), n_classes, "probabilities")


def random_committee(rng, transform, activation, n_outputs, dtype):
    sizes = [transform.n_inputs, 7, 4, n_outputs]
    shapes = list(zip(sizes[:-1], sizes[1:], strict=True))
    kernels = [2 * rng.normal(size=(3, a, b)) / np.sqrt(a) for a, b in shapes]
    biases = [rng.normal(size=(3, b)) for b in sizes[1:]]
    return Committee(
        transform,
        activation,
        [kernel.astype(dtype) for kernel in kernels],
        [bias.astype(dtype) for bias in biases],
        SigmoidCalibration(0.7, np.arange(n_outputs) - 1.0),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_agrees_with_numpy(activation, dtype, n_outputs, draw_numbers, run_onnx, rng):
    X = draw_numbers(rng, 300)
    n_bins = rng.choice([None, 4, 16])
    transform = InputTransform.fit(X, np.ones(len(X)), n_bins)
    assert transform.scaler.missing and transform.scaler.normal_scores
    committee = random_committee(rng, transform, activation, n_outputs, dtype)
    model = graph_of(committee, X.shape[1])
    new = draw_numbers(rng, 200, missing=0.3) * np.float32(1.5)
    expected = probabilities(committee.logits(new))
    assert expected.std(axis=0).min() > 0.01
    atol = 1e-7 if dtype == "float64" and activation != "gelu" else 2e-6
    assert_allclose(run_onnx(model, new), expected, atol=atol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_isotonic_calibration(dtype, draw_numbers, run_onnx, rng):
    """A step magnifies the rounding of the sums, and the last one is almost upright."""
    X = draw_numbers(rng, 300)
    transform = InputTransform.fit(X, np.ones(len(X)), 4)
    committee = random_committee(rng, transform, "silu", 3, dtype)
    logits, y = rng.normal(size=(500, 3)), rng.integers(3, size=500)
    logits[:, 0] += y == 0
    fitted = IsotonicCalibration.fit(logits, y, np.ones(500))
    one_knot = (np.zeros(1), logit(np.array([0.3])))
    member = committee.logits(X, 0)[:, 2]
    upright = (np.median(member) + np.array([-1e-6, 1e-6]), np.array([-2.0, 2.0]))
    for last in (fitted.knots[2], one_knot, upright):
        knots = [*fitted.knots[:2], last]
        object.__setattr__(committee, "calibration", IsotonicCalibration(knots))
        expected = probabilities(committee.logits(X))
        assert_allclose(run_onnx(graph_of(committee, 9), X), expected, atol=1e-7)


def test_columns_of_a_sparse_table(draw_numbers, run_onnx, rng):
    import dataclasses

    X = draw_numbers(rng, 300)
    columns = np.array([1, 4, 6])
    transform = InputTransform.fit(X[:, columns], np.ones(len(X)), 4)
    transform = dataclasses.replace(transform, columns=columns, n_columns=9)
    committee = random_committee(rng, transform, "relu", 1, "float32")
    expected = probabilities(committee.logits(X[:, columns]))
    assert_allclose(run_onnx(graph_of(committee, 9), X), expected, atol=2e-6)


def test_infinite_numbers_count_as_very_large(draw_numbers, run_onnx, rng):
    X = draw_numbers(rng, 300)
    transform = InputTransform.fit(X, np.ones(len(X)), 4)
    committee = random_committee(rng, transform, "relu", 1, "float32")
    rows = np.repeat(X[:2], 9, axis=0)
    rows[np.arange(9), np.arange(9)] = np.inf
    rows[9 + np.arange(9), np.arange(9)] = -np.inf
    large = np.nan_to_num(rows, nan=np.nan, posinf=1e30, neginf=-1e30)
    model = graph_of(committee, 9)
    assert_allclose(run_onnx(model, rows), run_onnx(model, large), atol=1e-6)


@pytest.mark.parametrize("n_knots", [1, 2, 30])
def test_interpolation_is_that_of_numpy(n_knots, run_onnx, rng):
    knots = np.unique(rng.normal(size=n_knots).astype(np.float32)).astype(float)
    values = rng.normal(size=len(knots))
    graph = Graph(inputs={"X": ("number", 1)})
    y = interpolated(graph, graph.cast("X", float), knots, values)
    model = graph.model(graph.cast(y, np.float32), 1, "y")
    x = np.r_[knots, rng.normal(scale=3, size=200), -np.inf, np.inf].astype(np.float32)
    expected = np.interp(x, knots, values).astype(np.float32)
    assert_allclose(run_onnx(model, x[:, None])[:, 0], expected, rtol=1e-6, atol=1e-7)
