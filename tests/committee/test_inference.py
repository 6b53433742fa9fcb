"""Prediction in NumPy, without Keras."""

import dataclasses
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax

from skadaptive._committee.calibration import SigmoidCalibration
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
    n_each=1,
    calibration=None,
):
    """A committee of random networks, ``n_each`` of them a member."""
    n_networks = n_members * n_each
    sizes = [units[0] * (1 + (n_bins or 0)), *units[1:], n_outputs]
    scaler = RobustScaler(rng.normal(size=units[0]), rng.uniform(0.5, 2, size=units[0]))
    rows = rng.normal(size=(100, units[0]))
    return Committee(
        InputTransform(
            scaler, PiecewiseLinearEncoding.fit(scaler, rows, np.ones(100), n_bins)
        ),
        activation,
        [
            rng.normal(size=(n_networks, a, b)) / np.sqrt(a)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ],
        [rng.normal(size=(n_networks, b)) for b in sizes[1:]],
        n_members,
        calibration,
    )


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_members", [1, 2])
def test_probabilities_are_the_mean_of_the_members(n_members, n_outputs, rng):
    calibration = SigmoidCalibration(0.7, np.arange(n_outputs) - 1.0)
    options = {"n_members": n_members, "n_outputs": n_outputs, "n_each": 2}
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


@pytest.mark.parametrize("n_rows", [1, 7, BLOCK, BLOCK + 1, 3000])
def test_a_row_alone_and_in_a_table_are_the_same_number(n_rows, rng):
    net = committee(rng, units=(29, 128, 64))
    X = rng.normal(size=(n_rows, 29))
    table = net.logits(X)
    for row in {0, n_rows // 2, n_rows - 1}:
        assert_array_equal(net.logits(X[row : row + 1])[0], table[row])
    order = rng.permutation(n_rows)
    assert_array_equal(net.logits(X[order]), table[order])


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
