"""Prediction in NumPy, without Keras."""

import dataclasses
import pickle
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax

from skadaptive import _threads as threads
from skadaptive._committee import inference
from skadaptive._committee.calibration import IsotonicCalibration, SigmoidCalibration
from skadaptive._committee.inference import (
    BLOCK,
    Committee,
    log_probabilities,
    probabilities,
)
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
    dtype="float64",
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
            (rng.normal(size=(n_members, a, b)) / np.sqrt(a)).astype(dtype)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ],
        [rng.normal(size=(n_members, b)).astype(dtype) for b in sizes[1:]],
        calibration,
    )


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_members", [1, 2])
def test_probabilities_are_the_mean_of_the_members(n_members, n_outputs, rng):
    calibration = SigmoidCalibration(0.7, np.arange(n_outputs) - 1.0)
    options = {"n_members": n_members, "n_outputs": n_outputs}
    net = committee(rng, calibration=calibration, **options)
    X = rng.normal(size=(20, 5))
    each = [
        probabilities(calibration(net.logits(X, member))) for member in range(n_members)
    ]
    assert_allclose(probabilities(net.logits(X)), np.mean(each, axis=0))


def test_rows_that_all_members_are_sure_of_keep_their_order(rng):
    """Where their probabilities are 0 or 1 to all digits of a float."""
    net = committee(rng, units=(1,), n_bins=None)
    slopes = np.array([900.0, 1000.0, 1100.0])[:, None, None]
    net = dataclasses.replace(net, kernels=[slopes])
    logits = net.logits(net.transform.scaler.center + np.linspace(-9, 9, 200)[:, None])
    assert (np.diff(logits[:, 0]) > 0).all()
    assert logits[0, 0] < -1000 and logits[-1, 0] > 1000


@pytest.mark.parametrize("activation", list(inference.ACTIVATIONS))
@pytest.mark.parametrize("scale", [1.0, 1e11, 1e13, 1e30])
def test_networks_that_cannot_overflow_do_not(activation, scale, rng):
    """Whatever the features; and networks with usual parameters cannot."""
    net = committee(rng, activation, dtype="float32")
    kernels = [np.float32(scale) * kernel for kernel in net.kernels]
    net = dataclasses.replace(net, kernels=kernels)
    X = rng.normal(size=(500, 5)) * 10.0 ** rng.uniform(-3, 300, size=(500, 1))
    with np.errstate(all="ignore"):
        logits = [net.logits(X, member) for member in range(3)]
    assert net.can_overflow() or np.isfinite(logits).all()
    assert net.can_overflow() == (scale > 1e12)


def test_mean_probability_of_members_however_sure():
    z = np.concatenate([np.linspace(-s, s, 41) for s in (1e-9, 1, 40, 700, 5000)])
    logits = np.stack(np.meshgrid(z, z, z[::7])).reshape(3, -1)
    log_proba = -np.logaddexp(0, np.stack([logits, -logits]))
    expected = np.subtract(*np.logaddexp.reduce(log_proba, axis=1)[::-1])
    assert_allclose(
        inference._logit_of_mean(logits[..., None])[:, 0],
        expected,
        rtol=1e-13,
        atol=1e-15,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 7, BLOCK, BLOCK + 1, 3000])
def test_a_row_alone_and_in_a_table_are_the_same_number(
    n_rows, dtype, rng, monkeypatch
):
    """However many threads predict the table."""
    net = committee(rng, n_members=10, units=(29, 128, 64), n_bins=20, dtype=dtype)
    X = rng.normal(size=(n_rows, 29))
    monkeypatch.setattr(threads, "effective_n_threads", lambda: 1)
    table = net.logits(X)
    for row in {0, n_rows // 2, n_rows - 1}:
        assert_array_equal(net.logits(X[row : row + 1])[0], table[row])
    monkeypatch.setattr(threads, "effective_n_threads", lambda: 3)
    order = rng.permutation(n_rows)
    assert_array_equal(net.logits(X[order]), table[order])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_rows_are_divided_among_threads(n_threads, rng, monkeypatch):
    seen = set()
    transform = InputTransform.__call__

    def watched(*arguments, **options):
        seen.add(threading.get_ident())
        time.sleep(1e-3)
        return transform(*arguments, **options)

    monkeypatch.setattr(InputTransform, "__call__", watched)
    monkeypatch.setattr(threads, "effective_n_threads", lambda: n_threads)
    committee(rng).logits(rng.normal(size=(5000, 5)))
    assert len(seen) == n_threads


def test_no_product_is_large_enough_for_threads_of_blas(rng, monkeypatch):
    """Of however many inputs and units; the parts add up to the whole product."""
    sizes = []
    matmul = np.matmul

    def watched(x, kernel):
        sizes.append(x.shape[-2] * x.shape[-1] * kernel.shape[-1])
        return matmul(x, kernel)

    monkeypatch.setattr(np, "matmul", watched)
    x, kernel = rng.normal(size=(4, BLOCK, 1500)), rng.normal(size=(3, 1, 1500, 100))
    assert_allclose(inference._product(x, kernel), x @ kernel, rtol=1e-9, atol=1e-9)
    assert len(sizes) == 5 and max(sizes) <= 2**18


@pytest.mark.parametrize("n_units", [1, 700, 40_000])
def test_products_in_parts_are_the_product(n_units, rng):
    """However few of the inputs, one at least, a part has."""
    x, kernel = rng.normal(size=(3, 8, 9)), rng.normal(size=(1, 9, n_units))
    assert_allclose(inference._product(x, kernel), x @ kernel, rtol=1e-9, atol=1e-9)


def test_networks_of_float32_are_as_good_as_those_of_float64(rng, monkeypatch):
    """Their products are of float32, too."""
    net = committee(rng, n_members=5, units=(20, 64, 64), n_bins=16)
    rounded = dataclasses.replace(
        net,
        kernels=[kernel.astype("float32") for kernel in net.kernels],
        biases=[bias.astype("float32") for bias in net.biases],
    )
    X = rng.normal(scale=3, size=(2000, 20))
    expected, matmul, dtypes = probabilities(net.logits(X)), np.matmul, set()

    def watched(*factors):
        dtypes.add(matmul(*factors).dtype)
        return matmul(*factors)

    monkeypatch.setattr(np, "matmul", watched)
    logits = rounded.logits(X)
    assert dtypes == {np.dtype("float32")} and logits.dtype == np.float64
    assert 0 < np.abs(probabilities(logits) - expected).max() < 2e-6


def test_isotonic_calibration_gets_logits_of_float64(rng):
    """A step magnifies the rounding of float32, which depends on the order of sums."""
    step = np.array([-1e-6, 0.0, 1e-6, 3.0]), np.array([-4.0, 0.0, 2.0, 2.5])
    calibration = IsotonicCalibration([step])
    net = committee(rng, calibration=calibration, dtype="float32")
    exact = dataclasses.replace(
        net,
        kernels=[kernel.astype(float) for kernel in net.kernels],
        biases=[bias.astype(float) for bias in net.biases],
    )
    X = rng.normal(size=(300, 5))
    assert_array_equal(net.logits(X), exact.logits(X))
    # A member before its calibration is as in the training.
    assert (net.logits(X, 0) != exact.logits(X, 0)).any()
    assert net.dtype == np.float32


def test_narrow_bins_far_from_0_are_encoded_in_float64(rng):
    """In float32 a time stamp of today has a resolution of 128 seconds."""
    X = 1.7e9 + rng.uniform(0, 3600, size=(500, 1))
    X[::2] -= 1e8
    transform = InputTransform.fit(X, np.ones(500), n_bins=16)
    exact = transform(X)
    rounded = np.empty(exact.shape, "float32")
    assert transform(X, out=rounded) is rounded
    assert_array_equal(rounded, exact.astype("float32"))


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logits_of_a_member_are_its_own(n_outputs, rng):
    it, X = committee(rng, n_outputs=n_outputs), rng.normal(size=(20, 5))
    assert it.n_members == 3
    for member in range(3):
        alone = dataclasses.replace(
            it,
            kernels=[kernel[[member]] for kernel in it.kernels],
            biases=[bias[[member]] for bias in it.biases],
        )
        assert_allclose(it.logits(X, member), alone.logits(X), atol=1e-12)


def test_no_rows(rng):
    assert committee(rng).logits(np.empty((0, 5))).shape == (0, 1)


def test_probabilities_sum_to_one_and_stay_finite():
    z = np.array([[-800.0], [-1.0], [0.0], [30.0], [800.0]])
    assert_allclose(probabilities(z).sum(axis=1), 1)
    assert_array_equal(probabilities(z)[[0, -1]], [[1, 0], [0, 1]])
    assert_allclose(log_probabilities(z)[[0, -1]], [[0, -800], [-800, 0]])
    assert_allclose(np.exp(log_probabilities(z)), probabilities(z))
    many = np.array([[1.0, 2.0, -3.0]])
    assert_allclose(probabilities(many), softmax(many, axis=1))
    assert_allclose(log_probabilities(many), log_softmax(many, axis=1))


# --------------------------------------------------------------- without TensorFlow


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "jax", "keras"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
    )


def test_unpickled_estimator_predicts_without_tensorflow(quick, binary, tmp_path):
    X, y = binary
    model = quick().fit(X, y)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", X)
    code = """
    import pickle, pathlib, sys
    import numpy as np
    folder = pathlib.Path(sys.argv[1])
    model = pickle.loads((folder / "model.pkl").read_bytes())
    np.save(folder / "p.npy", model.predict_proba(np.load(folder / "X.npy")))
    assert not {"tensorflow", "jax", "keras"} & set(sys.modules)
    """
    done = run(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(X))
