"""TensorFlow and JAX train the same network, up to rounding."""

import json
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("tensorflow")
pytest.importorskip("jax")
import keras  # noqa: E402

from skadaptive._training import jax_optimizers  # noqa: E402

if keras.config.backend() != "tensorflow":
    pytest.skip("the program in TensorFlow needs Keras on it", allow_module_level=True)


KERAS = tuple(map(int, keras.__version__.split(".")[:2]))


@pytest.fixture
def both(monkeypatch):
    """Fit on each of the backends."""

    def fit(model, *args, **kwargs):
        fitted = []
        for backend in ("tensorflow", "jax"):
            monkeypatch.setenv("SKADAPTIVE_TESTS_BACKEND", backend)
            fitted.append(clone_of(model).fit(*args, **kwargs))
        return fitted

    return fit


# A single full batch is trained in float64. The calibration is found by iteration, to
# fewer digits.
double_precision = {"batch_size": 400, "calibration": None}


def clone_of(model):
    # With the state of the optimizer, which is compared, too.
    return type(model)(**model.get_params() | {"warm_start": True})


def assert_same(fitted, X, atol):
    tensorflow, jax = fitted
    assert_allclose(jax.predict_proba(X), tensorflow.predict_proba(X), atol=atol)
    assert_allclose(jax.oof_proba_, tensorflow.oof_proba_, atol=atol)
    for name, values in tensorflow.history_.items():
        assert_allclose(jax.history_[name], values, atol=10 * atol, err_msg=name)
    assert (tensorflow.predict_proba(X) != tensorflow.predict_proba(X[:1])).any()
    states = [model._state.training for model in fitted]
    one, other = ([*map(np.shape, state.optimizer_state)] for state in states)
    if KERAS < (3, 9):  # whose Nadam had its variables in another order
        one, other = sorted(one), sorted(other)
    assert one == other


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
@pytest.mark.parametrize("n_bins", [None, 4])
def test_same_network(problem, n_bins, both, quick, request):
    X, y = request.getfixturevalue(problem)
    model = quick(n_bins=n_bins, hidden_layer_sizes=(8, 8, 6), max_epochs=4)
    weight = np.random.default_rng(0).uniform(0.5, 2, size=len(y))
    assert_same(both(model, X, y, sample_weight=weight), X, 1e-4)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_same_digits_in_double_precision(problem, both, quick, request):
    X, y = request.getfixturevalue(problem)
    parameters = {"hidden_layer_sizes": (8, 6), "max_epochs": 8, "gamma": 1.3}
    fitted = both(quick(**double_precision, **parameters), X, y)
    assert_same(fitted, X, 1e-9)
    assert fitted[1]._state.training.parameters.dtype == np.float64
    import jax.numpy as jnp

    assert jnp.ones(2).dtype == np.float32  # as elsewhere in the process


@pytest.mark.parametrize(
    "optimizer",
    [
        *("sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "lion"),
        {"class_name": "SGD", "config": {"momentum": 0.9, "weight_decay": 0.01}},
        {"class_name": "SGD", "config": {"momentum": 0.8, "nesterov": True}},
        {"class_name": "rmsprop", "config": {"momentum": 0.5, "rho": 0.8}},
        {"class_name": "Adam", "config": {"beta_1": 0.8, "amsgrad": False}},
    ],
    ids=str,
)
def test_same_optimizers(optimizer, both, quick, binary):
    X, y = binary
    parameters = {"optimizer": optimizer, "max_epochs": 6, "learning_rate": 0.02}
    assert_same(both(quick(**double_precision, **parameters), X, y), X, 1e-9)


@pytest.mark.parametrize(
    ("config", "is_own"),
    [
        ({"momentum": 0.9}, True),
        ({"weight_decay": None}, True),
        ({"weight_decay": 0.1}, True),
        ({"weight_decay": 2.0}, False),
        ({"momentum": None}, False),
        ({"momentum": 2.0}, False),
        ({"clipnorm": 1.0}, False),
    ],
)
def test_unusual_optimizers_are_left_to_keras(config, is_own, monkeypatch):
    monkeypatch.setattr(jax_optimizers, "KerasOptimizer", Mock())
    optimizer = json.dumps({"class_name": "SGD", "config": config})
    made = jax_optimizers.make_optimizer(optimizer, 3, "float32")
    assert isinstance(made, jax_optimizers.OwnOptimizer) == is_own


@pytest.mark.parametrize("sizes", [(), (5,)])
def test_rows_encoded_batch_by_batch(sizes, both, quick, binary, monkeypatch):
    X, y = binary
    monkeypatch.setattr("skadaptive._training.loop._MOST_ENCODED", 0)
    fitted = both(quick(n_bins=5, max_epochs=3, hidden_layer_sizes=sizes), X, y)
    assert_same(fitted, X, 1e-4)


@pytest.mark.parametrize("activation", ["relu", "selu", "elu", "gelu", "silu", "tanh"])
def test_same_activations(activation, both, quick, binary):
    X, y = binary
    model = quick(activation=activation, max_epochs=3, **double_precision)
    fitted = both(model, X, y)
    assert_same(fitted, X, 1e-9)


def test_a_training_goes_on_elsewhere(quick, binary, monkeypatch):
    """The state that one backend leaves is the one that the other begins with."""
    X, y = binary
    found = []
    for backends in (("tensorflow", "tensorflow"), ("tensorflow", "jax")):
        model = quick(warm_start=True, optimizer="nadam", **double_precision)
        for backend in backends:
            monkeypatch.setenv("SKADAPTIVE_TESTS_BACKEND", backend)
            model.fit(X, y)
        found.append(model.predict_proba(X))
    assert_allclose(*found, atol=1e-9)


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_loss_and_its_gradient(n_outputs, rng):
    import jax
    import tensorflow as tf

    from skadaptive._training.jax_network import hybrid
    from skadaptive.losses import hybrid as expected

    shape = 5, 40
    y = rng.integers(0, max(2, n_outputs), size=shape).astype("float32")
    weight = rng.uniform(size=shape).astype("float32") * (rng.random(shape) < 0.8)
    z = rng.normal(scale=5, size=(*shape, n_outputs)).astype("float32")
    z[:, :2] *= 1e3
    y[1] = 0
    terms = {
        "loss_weights": np.array([0.3, 0.5, 0.2], "float32"),
        "gamma": np.float32(1.7),
        "alpha": np.linspace(0.2, 0.8, max(2, n_outputs)).astype("float32"),
        "smooth": np.float32(0.7),
        "total_weight": np.full(5, 21.0, "float32"),
    }
    found, slopes = jax.value_and_grad(lambda z: hybrid(y, z, weight, terms).sum())(z)
    logits = tf.constant(z.transpose(1, 0, 2))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(expected(tf.constant(y.T), logits, weight.T, **terms))
    assert_allclose(found, value, rtol=1e-5)
    expected_slopes = tape.gradient(value, logits).numpy().transpose(1, 0, 2)
    assert np.isfinite(slopes).all()
    assert_allclose(slopes, expected_slopes, atol=1e-5)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 9, 5), (3, 5, 9), (2, 1, 4)])
def test_orthogonalized_updates(shape, share, rng):
    from skadaptive._training import jax_network, orthogonalization

    updates = rng.normal(size=shape).astype("float32")
    updates[0, :, 0] = 0
    found = jax_network.orthogonalize(updates, share)
    expected = orthogonalization.orthogonalize(updates, share).numpy()
    assert_allclose(found, expected, atol=2e-6)
    assert not np.asarray(jax_network.orthogonalize(0 * updates, share)).any()
