"""Properties of the losses, on whichever backend Keras runs.

``make test-jax`` runs this module once more, on JAX.
"""

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops
from numpy.testing import assert_allclose
from scipy.special import expit, log_softmax, softmax

from skadaptive import AdaptiveHybridClassifier
from skadaptive._training.term_scales import term_scales
from skadaptive.losses import HybridLoss, cross_entropy, dice, focal, hybrid

BACKEND = keras.backend.backend()
TERMS = {"cross_entropy": cross_entropy, "focal": focal, "dice": dice}
N_MEMBERS = 3


# ------------------------------------------------------- reference, in float64 NumPy


def reference_cross_entropy(y, z, w):
    return _mean(-_log_p(y, z), w)


def reference_focal(y, z, w, gamma=2.0, alpha=0.75):
    log_p = _log_p(y, z)
    if np.ndim(alpha):
        a = np.asarray(alpha)[y]
    elif z.shape[-1] <= 2:
        a = np.where(y == 1, alpha, 1 - alpha)
    else:
        a = alpha
    return _mean(-a * (1 - np.exp(log_p)) ** gamma * log_p, w)


def reference_dice(y, z, w, smooth=1.0):
    def one(t, p):
        return 1 - (2 * (w * t * p).sum(0) + smooth) / ((w * (t + p)).sum(0) + smooth)

    if z.shape[-1] == 1:
        return one(y == 1, expit(z[..., 0]))
    p = softmax(z, axis=-1)
    losses = [one(y == c, p[..., c]) for c in range(z.shape[-1])]
    present = [(w * (y == c)).sum(0) > 0 for c in range(z.shape[-1])]
    return np.sum(np.multiply(losses, present), 0) / np.sum(present, 0)


def _log_p(y, z):
    if z.shape[-1] == 1:
        return np.log(expit(np.where(y == 1, 1, -1) * z[..., 0]))
    return np.take_along_axis(log_softmax(z, axis=-1), y[..., None], -1)[..., 0]


def _mean(values, w):
    return (w * values).sum(0) / w.sum(0)


REFERENCES = {
    "cross_entropy": reference_cross_entropy,
    "focal": reference_focal,
    "dice": reference_dice,
}


# ------------------------------------------------------------------------- helpers


def problem(rng, n_outputs, n_rows=40):
    y = rng.integers(max(n_outputs, 2), size=(n_rows, N_MEMBERS))
    z = rng.normal(scale=3.0, size=(n_rows, N_MEMBERS, n_outputs))
    w = rng.uniform(0.1, 3.0, size=(n_rows, N_MEMBERS))
    return y, z, w


def evaluate(loss, y, z, w=None, **parameters):
    y, z = ops.convert_to_tensor(y), ops.convert_to_tensor(z)
    w = None if w is None else ops.convert_to_tensor(w)
    return ops.convert_to_numpy(loss(y, z, w, **parameters))


def gradient(function, z):
    """Gradient of the sum of function(z), by automatic differentiation."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        z = tf.constant(z)
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = tf.reduce_sum(function(z))
        return tape.gradient(value, z).numpy()
    import jax

    return np.asarray(jax.grad(lambda z: function(z).sum())(z))


def numerical_gradient(function, z, step=1e-4):
    """Central differences of fourth order."""
    result = np.zeros_like(z)
    for index in np.ndindex(z.shape):
        values = []
        for k in (-2, -1, 1, 2):
            shifted = z.copy()
            shifted[index] += k * step
            values.append(function(shifted).sum())
        low2, low, high, high2 = values
        result[index] = (low2 - 8 * low + 8 * high - high2) / (12 * step)
    return result


# --------------------------------------------------------------------------- tests


@pytest.mark.parametrize("n_outputs", [1, 2, 4])
@pytest.mark.parametrize("name", TERMS)
def test_value_agrees_with_reference(name, n_outputs, rng):
    y, z, w = problem(rng, n_outputs)
    assert_allclose(evaluate(TERMS[name], y, z, w), REFERENCES[name](y, z, w), 1e-10)


@pytest.mark.parametrize("n_outputs", [1, 2, 4])
def test_focal_with_a_weight_for_each_class_agrees_with_reference(n_outputs, rng):
    y, z, w = problem(rng, n_outputs)
    alpha = rng.uniform(0.1, 2, max(2, n_outputs)).astype(z.dtype)
    expected = reference_focal(y, z, w, alpha=alpha)
    assert_allclose(evaluate(focal, y, z, w, alpha=alpha), expected, 1e-10)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", TERMS)
def test_gradient_agrees_with_differences(name, n_outputs, rng):
    y, z, w = problem(rng, n_outputs, n_rows=6)
    result = gradient(
        lambda z: TERMS[name](ops.convert_to_tensor(y), z, ops.convert_to_tensor(w)), z
    )
    expected = numerical_gradient(lambda z: REFERENCES[name](y, z, w), z)
    assert_allclose(result, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_finite_at_extreme_logits(n_outputs, gamma, dtype):
    n_classes = max(n_outputs, 2)
    one = np.eye(n_outputs)
    z = np.concatenate([0 * one[:1], -100 * one, 100 * one]).astype(dtype)
    y = np.repeat(np.arange(n_classes), len(z))
    z = np.tile(z, (n_classes, 1))
    y_tensor = ops.convert_to_tensor(y)

    def loss(z):
        return hybrid(y_tensor, z, gamma=gamma)

    value = ops.convert_to_numpy(loss(ops.convert_to_tensor(z)))
    assert np.isfinite(value) and value > 1
    slope = gradient(loss, z)
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() > 1e-3


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", TERMS)
def test_members_are_independent(name, n_outputs, rng):
    y, z, w = problem(rng, n_outputs)
    together = evaluate(TERMS[name], y, z, w)
    alone = [evaluate(TERMS[name], y[:, m], z[:, m], w[:, m]) for m in range(N_MEMBERS)]
    assert together.shape == (N_MEMBERS,)
    assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", TERMS)
def test_weight_zero_is_absence(name, n_outputs, rng):
    y, z, w = problem(rng, n_outputs)
    w[25:] = 0
    present = evaluate(TERMS[name], y[:25], z[:25], w[:25])
    assert_allclose(evaluate(TERMS[name], y, z, w), present, rtol=1e-12)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", TERMS)
def test_weight_two_is_the_row_twice(name, n_outputs, rng):
    y, z, _ = problem(rng, n_outputs)
    w = np.ones(y.shape)
    w[:10] = 2
    twice = np.r_[np.arange(10), np.arange(len(y))]
    assert_allclose(
        evaluate(TERMS[name], y, z, w),
        evaluate(TERMS[name], y[twice], z[twice]),
        rtol=1e-12,
    )


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("name", TERMS)
def test_no_weight_at_all_gives_zero(name, n_outputs, rng):
    y, z, w = problem(rng, n_outputs, n_rows=5)

    def loss(z):
        return TERMS[name](ops.convert_to_tensor(y), z, ops.zeros(w.shape, "float64"))

    assert_allclose(ops.convert_to_numpy(loss(ops.convert_to_tensor(z))), 0, atol=1e-12)
    assert_allclose(gradient(loss, z), 0)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("loss", [cross_entropy, focal])
def test_a_given_total_weight_divides_the_sum(loss, n_outputs, rng):
    """As of a batch, whose mean weight is that of all rows."""
    y, z, w = problem(rng, n_outputs)
    given = evaluate(loss, y, z, w, total_weight=3.0 * w.sum(axis=0))
    assert_allclose(given, evaluate(loss, y, z, w) / 3, rtol=1e-5)


def test_focal_without_focus_is_weighted_cross_entropy(rng):
    y, z, w = problem(rng, 1)
    alpha = 0.3
    factor = np.where(y == 1, alpha, 1 - alpha)
    expected = (
        (w * factor).sum(0) / w.sum(0) * reference_cross_entropy(y, z, w * factor)
    )
    result = evaluate(focal, y, z, w, gamma=0.0, alpha=alpha)
    assert_allclose(result, expected, rtol=1e-12)


def test_alpha_weighs_the_rare_class():
    """Lin et al.: alpha for y = 1. A row of class 0 gets 1 - alpha."""
    z = np.zeros((1, 1))
    unweighted = 0.5**2 * np.log(2)
    assert_allclose(evaluate(focal, [1], z, alpha=0.9), 0.9 * unweighted)
    assert_allclose(evaluate(focal, [0], z, alpha=0.9), 0.1 * unweighted)
    per_class = np.array([0.3, 0.8])
    assert_allclose(evaluate(focal, [1], z, alpha=per_class), 0.8 * unweighted)
    assert_allclose(evaluate(focal, [0], z, alpha=per_class), 0.3 * unweighted)


@pytest.mark.parametrize("name", TERMS)
def test_batch_without_rare_row(name, rng):
    """The loss is finite and its gradient lowers every rare probability."""
    z = rng.normal(size=(32, 1))
    y = np.zeros(32, dtype=int)
    assert np.isfinite(evaluate(TERMS[name], y, z))
    slope = gradient(lambda z: TERMS[name](ops.convert_to_tensor(y), z), z)
    assert (slope > 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", TERMS)
def test_terms_in_half_precision(name, dtype, rng):
    y, z, w = problem(rng, 3)
    given = (ops.cast(values, dtype) for values in (z, w))
    value = TERMS[name](ops.convert_to_tensor(y), *given)
    assert_allclose(
        ops.convert_to_numpy(ops.cast(value, "float32")),
        evaluate(TERMS[name], y, z, w),
        rtol=0.03,
    )


def test_smoothing_lowers_dice_of_a_batch_without_rare_row():
    """With a tiny smoothing term the loss is near 1 however small probabilities are."""
    z, y = np.full((256, 1), -7.0), np.zeros(256, dtype=int)
    assert evaluate(dice, y, z, smooth=1e-6) > 0.999
    assert evaluate(dice, y, z, smooth=1.0) < 0.2


@pytest.mark.parametrize("name", TERMS)
def test_absent_class(name, rng):
    """A class without rows in the batch is left out of the mean over classes."""
    y, z, w = problem(rng, 4)
    y = np.where(y == 3, 0, y)
    assert_allclose(evaluate(TERMS[name], y, z, w), REFERENCES[name](y, z, w), 1e-10)
    assert np.isfinite(
        gradient(lambda z: TERMS[name](ops.convert_to_tensor(y), z), z)
    ).all()


def test_two_class_softmax_agrees_with_binary(rng):
    y, z, w = problem(rng, 1)
    pair = np.concatenate([np.zeros_like(z), z], axis=-1)
    assert_allclose(
        evaluate(cross_entropy, y, pair, w), evaluate(cross_entropy, y, z, w), 1e-12
    )
    assert_allclose(
        evaluate(focal, y, pair, w, alpha=np.array([0.8, 0.2])),
        evaluate(focal, y, z, w, alpha=0.2),
        rtol=1e-12,
    )
    for alpha in (0.2, 0.75):
        assert_allclose(
            evaluate(focal, y, pair, w, alpha=alpha),
            evaluate(focal, y, z, w, alpha=alpha),
            rtol=1e-12,
        )
    # Two outputs give the mean of the Dice losses of both classes.
    both = [evaluate(dice, y, z, w), evaluate(dice, 1 - y, -z, w)]
    assert_allclose(evaluate(dice, y, pair, w), np.mean(both, axis=0), rtol=1e-12)


def test_hybrid_is_the_weighted_sum(rng):
    y, z, w = problem(rng, 1)
    parameters = {"gamma": 1.5, "alpha": 0.6, "smooth": 2}
    result = evaluate(hybrid, y, z, w, loss_weights=(0.5, 0.2, 0.7), **parameters)
    expected = (
        0.5 * reference_cross_entropy(y, z, w)
        + 0.2 * reference_focal(y, z, w, gamma=1.5, alpha=0.6)
        + 0.7 * reference_dice(y, z, w, smooth=2)
    )
    assert_allclose(result, expected, rtol=1e-10)


@pytest.mark.parametrize("prevalence", [0.3, 0.01])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_scales_equalise_the_gradients_where_training_begins(prevalence, gamma):
    n_rows = 4000
    y = (np.arange(n_rows) < prevalence * n_rows).astype(int)
    z = np.full((n_rows, 1), np.log(prevalence / (1 - prevalence)))
    alpha = np.array([0.6, 0.4])
    scales = term_scales([1 - prevalence, prevalence], gamma=gamma, alpha=alpha)
    parameters = {"focal": {"gamma": gamma, "alpha": alpha}, "dice": {"smooth": 1e-9}}
    sizes = []
    for (name, term), scale in zip(TERMS.items(), scales, strict=True):
        term = partial(term, ops.convert_to_tensor(y), **parameters.get(name, {}))
        sizes.append(scale * np.abs(gradient(term, z)).sum())
    assert_allclose(sizes, sizes[0], rtol=0.01)


@pytest.mark.parametrize("loss", [focal, hybrid, HybridLoss])
def test_defaults_are_those_of_the_estimator(loss):
    expected = inspect.signature(AdaptiveHybridClassifier).parameters
    given = inspect.signature(loss).parameters
    for name in given.keys() & {"loss_weights", "gamma", "alpha"}:
        assert given[name].default == expected[name].default, name


# ---------------------------------------------------------------------- HybridLoss


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_hybrid_loss_never_broadcasts_to_a_square(shape, rng):
    y, z = rng.integers(2, size=20), rng.normal(size=(20, 1)).astype("float32")
    w = rng.uniform(size=20).astype("float32")
    value = HybridLoss(from_logits=True)(y.reshape(shape), z, w.reshape(shape))
    assert_allclose(ops.convert_to_numpy(value), evaluate(hybrid, y, z, w), rtol=1e-5)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_hybrid_loss_takes_probabilities(n_outputs, rng):
    z = rng.normal(size=(20, n_outputs)).astype("float32")
    y = rng.integers(max(n_outputs, 2), size=20)
    p = expit(z) if n_outputs == 1 else softmax(z, axis=-1)
    assert_allclose(
        ops.convert_to_numpy(HybridLoss()(y, p)),
        ops.convert_to_numpy(HybridLoss(from_logits=True)(y, z)),
        rtol=1e-4,
    )


@pytest.mark.parametrize("p", [[0.0, 1.0, 0.3], [[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]]])
def test_certain_probabilities_have_a_finite_loss(p):
    p = np.array(p, dtype="float32")
    for y in ([0, 1, 1], [1, 0, 1]):
        assert np.isfinite(float(HybridLoss()(np.array(y), p)))


def test_hybrid_loss_takes_other_shapes_and_precisions(rng):
    """Labels one-hot, predictions without a second axis, and in half precision."""
    loss = HybridLoss(from_logits=True)
    z = rng.normal(size=(20, 3)).astype("float16")
    y, flag = rng.integers(3, size=20), rng.integers(2, size=20)
    wide = z.astype("float32")
    of_three, of_one = evaluate(hybrid, y, wide), evaluate(hybrid, flag, wide[:, :1])
    for labels, logits, expected in (
        (np.eye(3)[y], z, of_three),
        (y, z, of_three),
        (flag, z[:, 0], of_one),
        (flag[:, None], z[:, :1], of_one),
    ):
        value = ops.convert_to_numpy(loss(labels, logits))
        assert value.dtype == np.float32
        assert_allclose(value, expected, rtol=1e-5)


def test_hybrid_loss_config_round_trip(rng):
    loss = HybridLoss((0.2, 0.5, 0.3), gamma=1.0, alpha=0.7, from_logits=True)
    loss.loss_weights.assign([0.1, 0.6, 0.3])
    copy = HybridLoss.from_config(loss.get_config())
    y, z = rng.integers(2, size=9), rng.normal(size=(9, 1)).astype("float32")
    assert_allclose(
        ops.convert_to_numpy(copy(y, z)), ops.convert_to_numpy(loss(y, z)), rtol=1e-6
    )
    assert_allclose(copy.initial_loss_weights, [0.2, 0.5, 0.3], rtol=1e-6)
    # Earlier files have the current weights alone.
    config = loss.get_config()
    del config["initial_loss_weights"]
    earlier = HybridLoss.from_config(config)
    assert_allclose(earlier.initial_loss_weights, [0.1, 0.6, 0.3], rtol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"gamma": -1.0},
        {"gamma": 101.0},
        {"gamma": "2"},
        {"gamma": np.nan},
        {"alpha": 5.0},
        {"alpha": -1.0},
        {"alpha": (0.5, -0.5)},
        {"alpha": (0.0, 0.0)},
        {"alpha": (0.5, np.inf)},
        {"alpha": [[0.5, 0.5]]},
        {"alpha": [0.5]},
        {"alpha": None},
        {"smooth": 0.0},
        {"from_logits": "no"},
    ],
    ids=str,
)
def test_hybrid_loss_refuses_what_the_estimator_refuses(given):
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name}.* must be"):
        HybridLoss(**given)
    if name in ("gamma", "alpha"):
        with pytest.raises(ValueError, match=f"{name}.* must be"):
            AdaptiveHybridClassifier(**given).fit(np.eye(12), [0, 1] * 6)


def test_parameters_of_a_loss_have_names(rng):
    y, z, w = problem(rng, 1)
    assert_allclose(hybrid(y_true=y, logits=z, sample_weight=w), hybrid(y, z, w))
    with pytest.raises(TypeError, match="positional"):
        hybrid(y, z, w, (0.4, 0.4, 0.2))


def test_hybrid_loss_takes_the_ends_of_the_ranges():
    for given in ({"gamma": 0}, {"gamma": 100}, {"alpha": 0}, {"alpha": np.float32(1)}):
        loss = HybridLoss(**given)
        assert np.isfinite(float(loss(np.array([0, 1]), np.array([0.2, 0.9]))))


@pytest.mark.parametrize(
    ("n_outputs", "n_weights"), [(1, 3), (2, 3), (3, 2), (3, 4)], ids=str
)
def test_alpha_has_one_weight_per_class(n_outputs, n_weights):
    loss = HybridLoss(alpha=[0.5] * n_weights, from_logits=True)
    with pytest.raises(ValueError, match=f"each of the {max(2, n_outputs)} classes"):
        loss(np.zeros(4), np.zeros((4, n_outputs), "float32"))


@pytest.mark.skipif(BACKEND == "jax", reason="JAX compiles a loss's variables in")
def test_weights_take_effect_after_compilation(rng):
    """Python floats set after compilation do nothing; the variable does."""
    X = rng.normal(size=(64, 3)).astype("float32")
    y = (X[:, 0] > 0).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    loss = HybridLoss(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(X, y, verbose=0)
    before = model.get_weights()
    loss.loss_weights.assign([0, 0, 0])
    model.fit(X, y, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert_allclose(new, old, atol=0)
