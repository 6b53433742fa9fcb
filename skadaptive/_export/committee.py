"""The networks of an AdaptiveHybridClassifier as nodes of a graph.

The nodes repeat ``_committee.inference`` step by step, in the same precision: scaling,
encoding and calibration in float64, which gives the same bits, and the products in the
precision of the training, or in float64 before an isotonic calibration. The inputs are
scaled and encoded once for all members.
"""

from collections.abc import Callable

import numpy as np

from .._committee.calibration import STEP_SLOPE, IsotonicCalibration, SigmoidCalibration
from .._committee.inference import Committee
from .._features.piecewise import PiecewiseLinearEncoding
from .._features.scaling import BOUND, RobustScaler
from .._features.transform import InputTransform
from .._typing import FloatArray
from .graph import Graph

# Beyond this a scaled feature is 3 or -3, and its square would overflow.
_FAR = 1e100


def committee_probabilities(graph: Graph, committee: Committee, x: str) -> str:
    """Calibrated probabilities of the classes.

    Parameters
    ----------
    graph : Graph
    committee : Committee
    x : str
        Features, a float64 tensor of shape (n, n_features), NaN where missing.

    Returns
    -------
    str
        A float64 tensor of shape (n, n_classes).
    """
    dtype = committee.precision
    x = graph.cast(_inputs(graph, committee.transform, x), dtype)
    activate = _ACTIVATIONS[committee.activation]
    layers = zip(committee.kernels, committee.biases, strict=True)
    for index, (kernel, bias) in enumerate(layers):
        if index:
            x = activate(graph, x, dtype)
        # (n_members, n, n_units); the first product meets the inputs of all members.
        product = graph.op("MatMul", x, _weights(graph, kernel, dtype))
        x = graph.op("Add", product, _weights(graph, bias[:, None], dtype))
    x = graph.cast(x, float)
    if committee.calibration is not None:
        x = _calibrated(graph, committee.calibration, x)
    if committee.n_outputs == 1:
        members = graph.both_classes(x)
    else:
        members = graph.op("Softmax", x, axis=-1)
    return graph.op("ReduceMean", members, [0], keepdims=0)


def _weights(graph: Graph, values: np.ndarray, dtype: np.dtype) -> str:
    """A constant that is stored in the precision of the training."""
    constant = graph.constant(values)
    return constant if values.dtype == dtype else graph.cast(constant, dtype)


# ------------------------------------------------------------------ inputs of networks


def _inputs(graph: Graph, transform: InputTransform, x: str) -> str:
    if transform.columns is not None:
        x = graph.op("Gather", x, transform.columns.astype(np.int64), axis=1)
    scaled = _scaled(graph, transform.scaler, x)
    if not transform.encoding.n_encoded:
        return scaled
    return graph.joined([scaled, _encoded(graph, transform.encoding, scaled)])


def _scaled(graph: Graph, scaler: RobustScaler, x: str) -> str:
    scaled = graph.op("Mul", graph.op("Sub", x, scaler.center), scaler.scale)
    # Also where an infinite difference was multiplied by a scale of 0.
    missing = graph.op("IsNaN", scaled)
    scaled = graph.op("Clip", scaled, -_FAR, _FAR)
    share = graph.op("Div", scaled, BOUND)
    length = graph.op("Sqrt", graph.op("Add", graph.op("Mul", share, share), 1.0))
    scaled = graph.op("Where", missing, 0.0, graph.op("Div", scaled, length))
    columns = [scaled]
    for feature, (values, scores) in scaler.normal_scores.items():
        column = graph.op("Gather", x, [feature], axis=1)
        score = interpolated(graph, column, values, scores)
        columns.append(graph.op("Where", graph.op("IsNaN", column), 0.0, score))
    if scaler.missing:
        flagged = graph.op("Gather", x, scaler.missing, axis=1)
        columns.append(graph.cast(graph.op("IsNaN", flagged), float))
    return graph.joined(columns)


def _encoded(graph: Graph, encoding: PiecewiseLinearEncoding, scaled: str) -> str:
    columns = graph.op("Gather", scaled, encoding.columns.astype(np.int64), axis=1)
    rising = graph.op("Sub", graph.op("Unsqueeze", columns, [2]), encoding.centers)
    rising = graph.op("Mul", rising, encoding.slopes)
    bound = encoding.n_bins**-0.5
    clipped = graph.op("Clip", rising, -bound, bound)
    return graph.op("Reshape", clipped, [0, encoding.n_outputs])


def interpolated(graph: Graph, x: str, knots: FloatArray, values: FloatArray) -> str:
    """Linear interpolation between knots, by the formula of ``numpy.interp``.

    Parameters
    ----------
    graph : Graph
    x : str
        A float64 tensor of shape (..., 1).
    knots, values : ndarray of shape (n_knots,)
        Increasing, and the values there.

    Returns
    -------
    str
        A float64 tensor of shape (..., 1); of no meaning where x is NaN.
    """
    # The number of knots at or below x, by which slope, knot and value are looked up.
    reached = graph.cast(graph.op("GreaterOrEqual", x, knots[None]), np.int32)
    place = graph.op("ReduceSum", reached, [-1], keepdims=1)
    slopes = np.diff(values) / np.diff(knots)
    slope = graph.op("Gather", np.r_[0.0, slopes, 0.0], place)
    knot = graph.op("Gather", np.r_[knots[0], knots], place)
    value = graph.op("Gather", np.r_[values[0], values], place)
    # An infinite x must not meet a slope of 0.
    x = graph.op("Clip", x, knots[0], knots[-1])
    return graph.op("Add", graph.op("Mul", slope, graph.op("Sub", x, knot)), value)


# ------------------------------------------------------------------ after the products


def _calibrated(graph: Graph, calibration: object, logits: str) -> str:
    """Calibrated logits, (n_members, n, n_outputs)."""
    if isinstance(calibration, SigmoidCalibration):
        steep = graph.op("Mul", logits, calibration.slope)
        return graph.op("Add", steep, calibration.intercept)
    assert isinstance(calibration, IsotonicCalibration)
    columns = []
    for output, (knots, values) in enumerate(calibration.knots):
        column = graph.op("Gather", logits, [output], axis=-1)
        steps = interpolated(graph, column, knots, values)
        rise = graph.op("Mul", column, STEP_SLOPE)
        columns.append(graph.op("Add", steps, rise))
    return graph.joined(columns)


def _relu(graph: Graph, x: str, dtype: np.dtype) -> str:
    return graph.op("Relu", x)


def _tanh(graph: Graph, x: str, dtype: np.dtype) -> str:
    return graph.op("Tanh", x)


def _silu(graph: Graph, x: str, dtype: np.dtype) -> str:
    if dtype == np.float32:
        return graph.op("Mul", x, graph.op("Sigmoid", x))
    # onnxruntime 1.20 takes the product above for an operator of float32 alone.
    falling = graph.op("Exp", graph.op("Neg", x))
    return graph.op("Div", x, graph.op("Add", falling, dtype.type(1.0)))


def _gelu(graph: Graph, x: str, dtype: np.dtype) -> str:
    scaled = graph.op("Mul", x, dtype.type(np.sqrt(0.5)))
    # onnxruntime has the error function in float32 alone.
    share = graph.cast(graph.op("Erf", graph.cast(scaled, np.float32)), dtype)
    half = graph.op("Mul", x, dtype.type(0.5))
    return graph.op("Mul", half, graph.op("Add", share, dtype.type(1.0)))


def _elu(graph: Graph, x: str, dtype: np.dtype) -> str:
    return _exponential_below_0(graph, x, dtype, 1.0)


def _selu(graph: Graph, x: str, dtype: np.dtype) -> str:
    # Constants of Klambauer et al., 2017, "Self-Normalizing Neural Networks".
    x = _exponential_below_0(graph, x, dtype, 1.6732632423543772)
    return graph.op("Mul", x, dtype.type(1.0507009873554805))


def _exponential_below_0(graph: Graph, x: str, dtype: np.dtype, alpha: float) -> str:
    """X above 0, alpha * (exp(x) - 1) below; onnxruntime's Elu is float32 alone."""
    zero, one = dtype.type(0.0), dtype.type(1.0)
    falling = graph.op("Sub", graph.op("Exp", graph.op("Min", x, zero)), one)
    falling = graph.op("Mul", falling, dtype.type(alpha))
    return graph.op("Where", graph.op("Greater", x, zero), x, falling)


_ACTIVATIONS: dict[str, Callable[[Graph, str, np.dtype], str]] = {
    "relu": _relu,
    "selu": _selu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "tanh": _tanh,
}
