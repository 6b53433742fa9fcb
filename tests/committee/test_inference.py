"""The NumPy forward pass, alone and against Keras."""

import dataclasses
import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax
from scipy.stats import norm

from skadaptive._committee.calibration import SigmoidCalibration
from skadaptive._committee.inference import (
    ACTIVATIONS,
    BLOCK,
    Committee,
    log_probabilities,
    probabilities,
)
from skadaptive._features.piecewise import (
    PiecewiseLinearEncoding,
    auto_bins,
    interpolate,
)
from skadaptive._features.scaling import BOUND, RobustScaler, quantiles


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
        scaler,
        activation,
        PiecewiseLinearEncoding.fit(scaler, rows, np.ones(100), n_bins),
        [
            rng.normal(size=(n_networks, a, b)) / np.sqrt(a)
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ],
        [rng.normal(size=(n_networks, b)) for b in sizes[1:]],
        n_members,
        calibration,
    )


@pytest.mark.parametrize("n_each", [1, 2])
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_three_views_of_one_network(activation, n_outputs, n_each, rng):
    """NumPy, the function that is trained, and the Keras model agree."""
    from keras import ops

    from skadaptive._training.network import build_model, committee_logits

    calibration = SigmoidCalibration(0.7, np.arange(n_outputs) - 1.0)
    net = committee(
        rng, activation, n_outputs=n_outputs, n_each=n_each, calibration=calibration
    )
    X = rng.normal(scale=3, size=(50, 5))
    proba = probabilities(net.logits(X))
    factors = rng.uniform(0.5, 2, size=net.kernels[0].shape[:2])
    kernels = [net.kernels[0] / factors[:, :, None], *net.kernels[1:]]
    layers = zip(kernels, net.biases, strict=True)
    weights = [factors, *(part for layer in layers for part in layer)]
    scaled = net.scaler.transform(X)
    inputs = np.hstack([scaled, net.encoding.transform(scaled)])
    inputs = ops.convert_to_tensor(np.stack([inputs] * len(factors)))
    trained, apart = (
        ops.convert_to_numpy(
            committee_logits(weights, inputs, activation, together=together)
        )
        for together in (True, False)
    )
    assert_allclose(apart, trained, rtol=1e-6, atol=1e-7)
    members = trained.reshape(50, 3, n_each, n_outputs).mean(axis=2)
    for member in range(3):
        assert_allclose(net.logits(X, member), members[:, member], rtol=1e-6, atol=1e-7)
    each = [probabilities(calibration(members[:, member])) for member in range(3)]
    assert_allclose(proba, np.mean(each, axis=0), rtol=1e-6)
    assert_allclose(build_model(net).predict(X, verbose=0), proba, atol=2e-6)


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
    logits = net.logits(net.scaler.center + np.linspace(-9, 9, 200)[:, None])
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


# -------------------------------------------------------------------------- scaling


def test_scaling_is_robust_and_bounded(rng):
    X = np.c_[rng.normal(50, 10, 500), rng.lognormal(0, 3, 500), rng.random(500) < 0.03]
    X[0, 0] = 1e12
    scaled = RobustScaler.fit(X, np.ones(500)).transform(X)
    assert np.abs(scaled).max() <= BOUND + 1e-12
    assert 0.5 < scaled[1:, 0].std() < 1
    assert_array_equal(np.argsort(scaled[:, 1]), np.argsort(X[:, 1]))
    # A rare flag has no interquartile range but must be seen.
    assert np.ptp(scaled[:, 2]) > 1


@pytest.mark.parametrize("n_rows", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_are_those_of_numpy(rng, n_rows, dtype):
    """By a sort of ours where weights are equal; with missing values, too."""
    X = rng.normal(size=(n_rows, 3)).astype(dtype)
    X[:, 1] = np.round(X[:, 1])
    X[1::3, 0], X[:, 2] = np.nan, np.nan
    levels = np.r_[0, 0.07, np.arange(1, 30) / 30, 1]
    found = quantiles(X, levels, np.full(n_rows, 2.0))
    for feature in (0, 1):
        column = X[~np.isnan(X[:, feature]), feature]
        expected = np.quantile(column, levels, method="inverted_cdf")
        assert_array_equal(found[:, feature], expected)
    assert np.isnan(found[:, 2]).all()


def test_scaling_knows_weights(rng):
    X, weight = rng.normal(size=(300, 4)), rng.integers(1, 4, size=300)
    X[:, 2] = np.exp(3 * X[:, 2])
    X[:, 3] = np.where(X[:, 3] > 1, np.exp(6 * X[:, 3]), 0)
    weighted = RobustScaler.fit(X, weight.astype(float))
    repeated = RobustScaler.fit(X.repeat(weight, axis=0), np.ones(weight.sum()))
    assert weighted.dominant == [3] and list(weighted.scores) == [2]
    assert_array_equal(weighted.center, repeated.center)
    assert_array_equal(weighted.scale, repeated.scale)
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-9)


def test_heavy_tails_come_as_normal_scores_too(rng):
    normal, heavy = rng.normal(size=2000), rng.standard_t(1, size=2000)
    flag, few = rng.random(2000) < 0.1, rng.integers(4, size=2000)
    X = np.c_[normal, heavy, flag, few, np.exp(5 * normal)]
    scaler = RobustScaler.fit(X, np.ones(2000))
    assert list(scaler.scores) == [1, 4]
    scaled = scaler.transform(X)
    assert scaled.shape == (2000, scaler.n_outputs) == (2000, 7)
    for feature, column in ((1, 5), (4, 6)):
        scores = scaled[:, column]
        assert_allclose([scores.mean(), scores.std()], [0, 1], atol=0.02)
        order = np.argsort(X[:, feature])
        assert (np.diff(scores[order]) >= 0).all()
        # In the tail, where the bend leaves nothing to tell rows apart.
        tail = order[-40:]
        assert np.ptp(scores[tail]) > 3 * np.ptp(scaled[tail, feature])
    # A monotone transformation of a heavy-tailed feature changes its scores only
    # between the knots.
    cubed = X.copy()
    cubed[:, 1] **= 3
    again = RobustScaler.fit(cubed, np.ones(2000)).transform(cubed)
    assert_allclose(again[:, 5], scaled[:, 5], atol=0.2)


def test_ties_have_the_score_between_theirs():
    X = np.r_[np.zeros(40), np.ones(58), np.full(2, 1000.0)][:, None]
    values, scores = RobustScaler.fit(X, np.ones(100)).scores[0]
    assert_array_equal(values, [0, 1, 1000])
    assert_allclose(scores, norm.ppf([0.2, 0.69, 0.99]), atol=0.1)


def zero_inflated(rng, n_rows, values):
    """0 in nine rows of ten, and values in the others, whose places come too."""
    there = rng.random(n_rows) < 0.1
    return np.where(there, values, 0.0)[:, None], there


def test_others_than_a_dominant_value_are_on_a_scale_of_their_own(rng):
    x, there = zero_inflated(rng, 3000, rng.uniform(1, 3, 3000))
    x[np.flatnonzero(there)[0]] = 1e12
    scaler = RobustScaler.fit(x, np.ones(3000))
    assert scaler.dominant == [0] and not scaler.scores
    assert_allclose(1 / scaler.scale, np.median(x[there]), rtol=0.01)
    # Levels are told apart as they are, and so is a feature with a middle half.
    flag, three = rng.random(300) < 0.1, np.repeat([0, 1, 2], [270, 20, 10])
    gaps = np.where(np.arange(300) % 9 == 0, np.nan, three)  # no level of their own
    levels = np.c_[flag, three, gaps, rng.poisson(1, 300)]
    scaler = RobustScaler.fit(levels, np.ones(300))
    assert not scaler.dominant
    assert_array_equal(scaler.scale[:3], [2, 1, 1])


def test_missing_values_are_in_the_middle_and_flagged(rng):
    X = rng.normal(5, 2, size=(300, 3))
    X[:, 2] = np.exp(3 * X[:, 2])
    complete = X.copy()
    gone = rng.random((300, 3)) < [0.0, 0.3, 0.3]
    X[gone] = np.nan
    scaler = RobustScaler.fit(X, np.ones(300))
    assert scaler.missing == [1, 2] and list(scaler.scores) == [2]
    scaled = scaler.transform(X)
    assert_array_equal(scaled[:, 4:], gone[:, 1:])
    assert (scaled[:, :3][gone] == 0).all() and (scaled[gone[:, 2], 3] == 0).all()
    # What is there is scaled as if the rest had never been.
    only = RobustScaler.fit(complete[~gone[:, 1]][:, [1]], np.ones((~gone[:, 1]).sum()))
    assert_allclose(scaler.center[1], only.center[0])
    assert_allclose(scaler.scale[1], only.scale[0])
    nothing = RobustScaler.fit(np.full((5, 1), np.nan), np.ones(5))
    assert_array_equal(nothing.transform(np.array([[3.0], [np.nan]])), [[0, 0], [0, 1]])


def test_missing_values_and_weights(rng):
    X = rng.normal(size=(60, 3))
    X[:20, 1], X[:, 2] = np.nan, np.nan
    weight = rng.integers(1, 4, size=60)
    weighted = RobustScaler.fit(X, weight.astype(float))
    repeated = RobustScaler.fit(X.repeat(weight, axis=0), np.ones(weight.sum()))
    assert_array_equal(weighted.center, repeated.center)
    assert_array_equal(weighted.scale, repeated.scale)


@pytest.mark.parametrize("exponent", [1, 3, 5])
def test_interpolation_in_keras_is_that_of_numpy(exponent, rng):
    from keras import ops

    x = rng.standard_cauchy(size=(2000, 1)) ** exponent
    values, scores = RobustScaler.fit(x, np.ones(2000)).scores[0]
    found = interpolate(ops.convert_to_tensor(x), values, scores, ops)
    assert_allclose(found, np.interp(x, values, scores), atol=1e-6)


def test_constant_feature_is_ignored(rng):
    X = np.c_[rng.normal(size=50), np.full(50, 7.0)]
    scaler = RobustScaler.fit(X, np.ones(50))
    assert_array_equal(scaler.transform(np.array([[0.0, -99.0]]))[:, 1], 0)


def test_many_rows_are_thinned_but_a_rare_flag_is_seen(rng, monkeypatch):
    X = np.c_[rng.normal(size=20_000), np.zeros(20_000)]
    X[19_000, 1] = 1  # hardly among the rows that are drawn
    all_rows = RobustScaler.fit(X, np.ones(20_000))
    monkeypatch.setattr("skadaptive._features.scaling._MOST_ROWS", 2000)
    some = RobustScaler.fit(X, np.ones(20_000))
    assert_allclose(some.center, all_rows.center, atol=0.1)
    assert_allclose(some.scale, all_rows.scale, rtol=0.1)
    assert some.center[0] != all_rows.center[0]
    assert some.scale[1] == all_rows.scale[1] == 2


def test_extreme_values_stay_finite(rng):
    X = np.c_[rng.normal(size=50) * 1e300, rng.normal(size=50) * 1e-300]
    scaler = RobustScaler.fit(X, np.ones(50))
    extreme = np.array([[np.finfo(float).max, -np.finfo(float).max]])
    for rows in (X, extreme, -extreme):
        assert np.isfinite(scaler.transform(rows)).all()


# -------------------------------------------------------------------------- encoding


def encoded(X, n_bins, weight=None):
    """Encoding, by feature, (n_samples, n_encoded, n_bins)."""
    weight = np.ones(len(X)) if weight is None else weight
    scaler = RobustScaler.fit(X, weight)
    encoding = PiecewiseLinearEncoding.fit(scaler, X, weight, n_bins)
    found = encoding.transform(scaler.transform(X))
    return encoding, found.reshape(len(X), encoding.n_encoded, n_bins)


def test_encoding_is_the_published_one(rng):
    """Equation 1 of Gorishniy et al., 2022, but from -1 to 1."""
    x = rng.normal(size=(400, 1))
    x[0] = 0.1  # the median, so that the bend is as near to straight as it gets
    _, found = encoded(x / 100, n_bins=4)
    edges = np.quantile(x[:, 0], np.arange(5) / 4, method="inverted_cdf")
    expected = np.clip((x - edges[:-1]) / np.diff(edges), 0, 1) * 2 - 1
    inside = (x >= edges[:-1]) & (x < edges[1:])
    assert_allclose(2 * found[:, 0][~inside], expected[~inside], atol=1e-9)
    # Scaling bends within an interval.
    assert_allclose(2 * found[:, 0][inside], expected[inside], atol=0.35)
    assert (np.diff(found[np.argsort(x[:, 0])], axis=0) >= 0).all()


def test_encoding_weighs_as_much_as_a_feature(rng):
    for n_bins in (3, 7, 16):
        _, found = encoded(rng.normal(size=(1000, 2)), n_bins)
        size = np.square(found).sum(axis=2)
        assert (size <= 1 + 1e-9).all() and (size > 1 - 1.01 / n_bins).all()


def test_an_encoded_feature_counts_once_in_the_first_layer():
    """In the size of its kernel at the start, and in how fast that moves."""
    from skadaptive._training.network import (
        initial_weights,
        step_factors,
        weight_shapes,
    )

    for n_columns, n_encoded, n_bins in ((6, 0, 0), (6, 2, 5)):
        shapes = weight_shapes(n_columns, n_encoded, n_bins, (400, 8), 1)
        n_inputs, fan_in = n_columns + n_encoded * n_bins, n_columns + n_encoded
        kernel = slice(n_inputs, n_inputs + 400 * n_inputs)
        start = initial_weights(
            np.random.default_rng(0), shapes, n_bins, n_encoded, 1, "selu", [0.0]
        )
        assert_allclose(start[kernel].std(), fan_in**-0.5, rtol=0.05)
        factors = step_factors(shapes, n_bins, n_encoded, np.full((1, n_inputs), 0.5))
        assert_allclose(factors[kernel], fan_in**-0.5)
        assert_allclose(factors[:n_inputs], 3)


def test_flags_and_constants_are_not_encoded(rng):
    flag, few = rng.random(300) < 0.1, rng.integers(5, size=300)
    heavy = rng.standard_t(1, size=300)
    X = np.c_[
        rng.normal(size=300), flag, few, np.ones(300), np.full(300, np.nan), heavy
    ]
    encoding, found = encoded(X, n_bins=8)
    # The last of the scaled columns but one is the normal scores of the last feature.
    assert_array_equal(encoding.columns, [0, 2, 6])
    # Five values have four intervals.
    assert ((np.ptp(found[:, 1], axis=0) > 0) == (np.arange(8) < 4)).all()
    scaler = RobustScaler.fit(X[:, [1, 3]], np.ones(300))
    none = PiecewiseLinearEncoding.fit(scaler, X[:, [1, 3]], np.ones(300), n_bins=8)
    assert none.n_encoded == 0


def test_a_dominant_value_takes_up_no_interval(rng):
    x, there = zero_inflated(rng, 4000, rng.uniform(-1, 2, 4000))
    _, found = encoded(x, n_bins=8)
    found = found[:, 0]
    assert (np.ptp(found, axis=0) > 0).all()
    assert len(np.unique(found[~there], axis=0)) == 1
    # Nor do two or more intervals of the others share what one of them could have.
    at = np.abs(found[there]).min(axis=1) < 8**-0.5 - 1e-9
    interval = np.abs(found[there][at]).argmin(axis=1)
    assert np.bincount(interval).max() < there.sum() / 6


@pytest.mark.parametrize(
    ("n_features", "n_bins"), [(0, 16), (1, 16), (32, 16), (33, 15), (128, 4), (999, 4)]
)
def test_intervals_follow_the_features(n_features, n_bins, rng):
    assert auto_bins(n_features) == n_bins
    if n_features:
        X, weight = rng.normal(size=(40, n_features)), np.ones(40)
        scaler = RobustScaler.fit(X, weight)
        encoding = PiecewiseLinearEncoding.fit(scaler, X, weight, "auto")
        assert encoding.centers.shape == (n_features, n_bins)


def test_encoding_knows_weights(rng):
    X, weight = rng.normal(size=(60, 3)), rng.integers(1, 4, size=60)
    X[:, 2] = np.where(X[:, 2] > 0.8, X[:, 2], 0)
    weighted, _ = encoded(X, 5, weight.astype(float))
    repeated, _ = encoded(X.repeat(weight, axis=0), 5)
    assert_array_equal(weighted.centers, repeated.centers)
    assert_array_equal(weighted.slopes, repeated.slopes)


def test_single_thresholds_are_learnt_with_it(quick, rng):
    """A band in one of many features, which a smooth network hardly sees so soon."""
    X = rng.normal(size=(2000, 8))
    y = ((X[:, 3] > 1.0) & (X[:, 3] < 1.3)).astype(int)
    found = {
        n_bins: quick(n_bins=n_bins, max_epochs=12).fit(X, y).best_score_
        for n_bins in (None, 16)
    }
    assert found[16] > found[None] + 0.2


def test_a_band_beside_a_dominant_value_is_learnt(quick, rng):
    """Amounts, 0 in most rows, that tell where they are neither small nor large."""
    amount = np.where(rng.random(3000) < 0.8, 0, np.exp(rng.normal(3, 5, 3000)))
    X = np.c_[amount, rng.normal(size=(3000, 3))]
    y = ((amount > 20) & (amount < 60)).astype(int)
    assert quick(max_epochs=12).fit(X, y).best_score_ > 0.85


# --------------------------------------------------------------- without TensorFlow


BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras"):
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
    assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    done = run(code, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(X))


def test_fit_without_tensorflow_says_how_to_install_it():
    code = """
    from skadaptive import AdaptiveHybridClassifier
    from skadaptive.datasets import load_rare
    AdaptiveHybridClassifier().fit(*load_rare(return_X_y=True))
    """
    done = run(code)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: AdaptiveHybridClassifier needs TensorFlow")
    assert "pip install 'skadaptive[tensorflow]'" in last


def test_fit_on_another_keras_backend_says_so():
    pytest.importorskip("jax")  # Keras's NumPy backend needs it
    code = """
    import os
    sys.meta_path.pop(0)
    os.environ["KERAS_BACKEND"] = "numpy"
    from skadaptive import AdaptiveHybridClassifier
    from skadaptive.datasets import load_rare
    AdaptiveHybridClassifier().fit(*load_rare(return_X_y=True))
    """
    done = run(code)
    assert done.returncode == 1
    assert "set KERAS_BACKEND=tensorflow" in done.stderr.strip().splitlines()[-1]
