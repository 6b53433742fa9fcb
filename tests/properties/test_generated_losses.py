"""Losses of generated rows: values of float64 NumPy, and finite gradients."""

import keras
import numpy as np
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from numpy.testing import assert_allclose
from scipy.special import expit, log_expit, logit, logsumexp, softmax

from skadaptive.losses import HybridLoss, cross_entropy, dice, focal, hybrid

pytestmark = pytest.mark.slow

LABEL_DTYPES = ["int8", "int64", "uint8", "float32", "float64"]
WEIGHT_DTYPES = ["int32", "float32", "float64"]


# ------------------------------------------------------------ reference, in float64


def log_losses(y, z):
    """-log p_y and log(1 - p_y), by other ways than in the package."""
    if z.shape[-1] == 1:
        signed = np.where(y == 1, 1.0, -1.0) * z[..., 0]
        return -log_expit(signed), log_expit(-signed)
    rows = np.arange(z.shape[-1]) == y[..., None]
    total = logsumexp(z, axis=-1)
    others = logsumexp(np.where(rows, -np.inf, z), axis=-1)
    return total - z[rows].reshape(y.shape), others - total


def reference(y, z, w, *, loss_weights, gamma, alpha, smooth):
    """The three terms, stacked, and their sum."""
    y, z = y.astype(int), z.astype(float)
    w = np.ones(y.shape) if w is None else w.astype(float)
    log_loss, log_miss = log_losses(y, z)
    n_outputs = z.shape[-1]
    if np.ndim(alpha):
        a = np.asarray(alpha)[y]
    elif n_outputs <= 2:
        a = np.where(y == 1, alpha, 1 - alpha)
    else:
        a = alpha

    def mean(values):
        total = w.sum(0)
        return (w * values).sum(0) / np.where(total > 0, total, 1)

    def one(t, p):
        return 1 - (2 * (w * t * p).sum(0) + smooth) / ((w * (t + p)).sum(0) + smooth)

    if n_outputs == 1:
        dice_loss = one(y == 1, expit(z[..., 0]))
    else:
        p = softmax(z, axis=-1)
        by_class = np.stack([one(y == c, p[..., c]) for c in range(n_outputs)])
        present = np.stack([(w * (y == c)).sum(0) > 0 for c in range(n_outputs)])
        n_present = present.sum(0)
        dice_loss = (by_class * present).sum(0) / np.where(n_present, n_present, 1)
    terms = mean(log_loss), mean(a * np.exp(gamma * log_miss) * log_loss), dice_loss
    return terms, sum(m * t for m, t in zip(loss_weights, terms, strict=True))


# ------------------------------------------------------------------------- the cases


@st.composite
def rows(draw, largest):
    """Labels, logits and weights of some shape and dtype.

    Parameters
    ----------
    largest : float
        Of the sizes that logits have.
    """
    n_outputs = draw(st.sampled_from([1, 2, 3, 5]))
    between = draw(st.sampled_from([(), (3,), (2, 2)]))
    shape = (draw(st.integers(1, 9)), *between)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    scale = draw(st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e3, largest]))
    labels = draw(st.sampled_from([*LABEL_DTYPES, "bool"]))
    weights = draw(st.sampled_from([None, "ones", "zeros", "some", 1e-6, 1.0, 1e6]))
    weight_dtype = draw(st.sampled_from(WEIGHT_DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes = max(2, n_outputs)
    if labels == "bool" and n_classes > 2:
        labels = "int64"
    present = rng.integers(n_classes, size=draw(st.integers(1, n_classes)))
    y = rng.choice(present, size=shape).astype(labels)
    z = rng.choice([-1.0, 0.0, 1.0, None], size=(*shape, n_outputs))
    z = np.where(z == None, rng.normal(size=z.shape), z).astype(float)  # noqa: E711
    z = (z * scale).clip(-largest, largest).astype(dtype)
    if weights is None:
        return y, z, None
    if isinstance(weights, float):
        return y, z, (weights * rng.uniform(0.1, 3, shape)).astype("float64")
    made = {"ones": 1, "zeros": 0, "some": rng.integers(0, 3, shape)}
    return y, z, np.broadcast_to(made[weights], shape).astype(weight_dtype)


@st.composite
def parameters(draw, n_outputs):
    """Parameters of ``hybrid``."""
    size = max(2, n_outputs)
    share = st.sampled_from([0.0, 0.25, 0.75, 1.0])
    by_class = st.lists(share, min_size=size, max_size=size)
    mix = st.lists(st.sampled_from([0.0, 0.2, 1.0]), min_size=3, max_size=3)
    return {
        "loss_weights": draw(mix),
        "gamma": draw(st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 100.0])),
        "alpha": draw(share | by_class),
        "smooth": draw(st.sampled_from([1e-3, 1.0, 100.0])),
    }


def value_and_gradient(function, z):
    """Value of a loss, and the gradient of its sum, on the backend of Keras."""
    if keras.backend.backend() == "jax":
        import jax

        value, pull = jax.vjp(function, z)
        return np.asarray(value), np.asarray(pull(ops.ones_like(value))[0])
    tensorflow = pytest.importorskip("tensorflow")
    z = tensorflow.constant(z)
    with tensorflow.GradientTape() as tape:
        tape.watch(z)
        value = function(z)
    return value.numpy(), tape.gradient(value, z).numpy()


def tensors(*arrays):
    return [None if a is None else ops.convert_to_tensor(a) for a in arrays]


def assert_close(result, expected, z):
    """Equal up to rounding in the dtype of the logits.

    With several outputs -log p_y is a difference of numbers as large as the logits, so
    that its rounding is in proportion to them; a focusing parameter of 100 multiplies
    that.
    """
    unit = np.finfo(z.dtype).eps
    largest = np.abs(z).max() if z.shape[-1] > 1 else 1.0
    tolerance = 2000 * unit * max(1.0, float(largest))
    assert_allclose(result, expected, rtol=2000 * unit, atol=tolerance)


@bounded(30)
@given(st.data())
def test_values_are_those_of_numpy_and_gradients_are_finite(data):
    y, z, w = data.draw(rows(1e31))  # times weights of 1e6, in float32
    given = data.draw(parameters(z.shape[-1]))
    terms, total = reference(y, z, w, **given)
    y_tensor, w_tensor = tensors(y, w)
    of_focal = {name: given[name] for name in ("gamma", "alpha")}
    functions = [
        lambda z: cross_entropy(y_tensor, z, w_tensor),
        lambda z: focal(y_tensor, z, w_tensor, **of_focal),
        lambda z: dice(y_tensor, z, w_tensor, smooth=given["smooth"]),
        lambda z: hybrid(y_tensor, z, w_tensor, **given),
    ]
    for function, expected in zip(functions, [*terms, total], strict=True):
        value, slope = value_and_gradient(function, z)
        assert value.shape == z.shape[1:-1] and value.dtype == z.dtype
        assert np.isfinite(value).all() and (value >= 0).all()
        assert_close(value, expected, z)
        assert slope.shape == z.shape and np.isfinite(slope).all()
        if w is not None:
            assert not slope[w == 0].any()


@bounded(10)
@given(rows(30.0), st.sampled_from(["float16", "bfloat16", "float32", "float64"]))
def test_hybrid_loss_of_any_dtype_is_that_of_its_logits(case, dtype):
    """Half precision is computed in float32, and probabilities are those of logits."""
    y, z, w = case
    y, z, w = (None if a is None else a.reshape(len(y), -1)[:, :1] for a in (y, z, w))
    y = np.minimum(y, 1)
    z = ops.cast(z, dtype)
    seen = ops.convert_to_numpy(ops.cast(z, "float64"))
    expected = hybrid(*tensors(y[:, 0], seen, None if w is None else w[:, 0]))
    loss = HybridLoss(from_logits=True)(y, z, w)
    assert_allclose(float(loss), float(expected), rtol=1e-5, atol=1e-6)
    of_shares = HybridLoss()(y, expit(seen), w)
    clipped = np.clip(seen, *logit([1e-7, 1 - 1e-7]))  # as Keras clips probabilities
    expected = hybrid(*tensors(y[:, 0], clipped, None if w is None else w[:, 0]))
    assert_allclose(float(of_shares), float(expected), rtol=1e-3, atol=1e-5)
