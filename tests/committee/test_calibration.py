"""Calibration of out-of-fold logits."""

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    StratifiedKFold,
)

from skadaptive._committee import calibration as module
from skadaptive._committee.calibration import (
    CALIBRATIONS,
    IsotonicCalibration,
    SigmoidCalibration,
)

# ---------------------------------------------------------------------- calibration


def distorted(rng, n_rows=4000, slope=0.5, shift=-2.0):
    """Labels, and logits that are off by a known scale and shift."""
    true = rng.normal(-2, 2, size=n_rows)
    y = (rng.random(n_rows) < expit(true)).astype(int)
    return y, ((true - shift) / slope)[:, None]


def test_sigmoid_finds_scale_and_shift(rng):
    y, z = distorted(rng)
    found = SigmoidCalibration.fit(z, y, np.ones(len(y)))
    assert found.slope == pytest.approx(0.5, rel=0.1)
    assert found.intercept[0] == pytest.approx(-2.0, rel=0.1)


def test_a_single_output_is_a_softmax_over_0_and_it(rng):
    scores, y = rng.normal(scale=9, size=(500, 1)), rng.integers(2, size=500)
    both = np.hstack([np.zeros_like(scores), scores])
    loss, residual = module._of_two_classes(scores, y[:, None])
    expected_loss, expected = module._of_several_classes(both, np.eye(2)[y])
    assert_allclose(loss, expected_loss, rtol=1e-9, atol=1e-14)
    assert_allclose(residual, expected[:, 1:], rtol=1e-9, atol=1e-14)


def test_sigmoid_with_three_classes(rng):
    true = rng.normal(size=(6000, 3)) * 2 + [1, 0, -2]
    p = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    y = (rng.random((6000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    found = SigmoidCalibration.fit(true * 3 + [0, 1, 4], y, np.ones(6000))
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    shift = found.intercept - found.intercept[0]
    assert_allclose(shift, [0, -1 / 3, -4 / 3], atol=0.15)


def test_isotonic_probabilities_stay_as_far_from_0_and_1_as_rows_show():
    logits, y = np.linspace(-3, 3, 18)[:, None], np.arange(18) > 8
    found = IsotonicCalibration.fit(logits, y.astype(int), np.ones(18))
    ((_, log_odds),) = found.knots
    assert_allclose(expit(log_odds[[0, -1]]), [1 / 20, 19 / 20])


@pytest.mark.parametrize("kind", CALIBRATIONS.values())
def test_calibration_keeps_the_order_and_lowers_the_log_loss(kind, rng):
    y, z = distorted(rng)
    calibrated = kind.fit(z[:2000], y[:2000], np.ones(2000))(z[2000:])
    order = np.argsort(z[2000:, 0])
    assert (np.diff(calibrated[order, 0]) > 0).all()
    before, after = (log_loss(y[2000:], expit(v[:, 0])) for v in (z[2000:], calibrated))
    assert after < 0.8 * before
    assert expit(calibrated).mean() == pytest.approx(y[2000:].mean(), abs=0.02)


@pytest.mark.parametrize("kind", CALIBRATIONS.values())
def test_calibration_honours_weights(kind, rng):
    y, z = distorted(rng, n_rows=300)
    weight = rng.integers(1, 4, size=300)
    weighted = kind.fit(z, y, weight.astype(float))(z)
    twice = kind.fit(z.repeat(weight, axis=0), y.repeat(weight), np.ones(weight.sum()))
    # Isotonic regression is bounded by the number of rows; inside they agree.
    inside = np.abs(weighted) < 4
    assert_allclose(weighted[inside], twice(z)[inside], rtol=0.03, atol=1e-4)


def test_separated_classes_get_a_finite_slope():
    z = np.r_[np.linspace(-3, -1, 50), np.linspace(1, 3, 50)][:, None]
    found = SigmoidCalibration.fit(z, np.repeat([0, 1], 50), np.ones(100))
    assert 1 < found.slope < 50
    isotonic = IsotonicCalibration.fit(z, np.repeat([0, 1], 50), np.ones(100))
    assert np.abs(isotonic(z)).max() < 10


@pytest.mark.parametrize("apart", [False, True])
def test_the_slope_is_pulled_towards_1_as_written(apart, rng):
    """Log loss plus 1e-4 times the square of the slope's logarithm is least."""
    y, z = distorted(rng, n_rows=200)
    if apart:
        z = np.where(y == 1, 1, -1)[:, None] * rng.uniform(0.5, 1, (200, 1)) + 2
    weight = rng.uniform(0.5, 2, 200)

    def penalized(log_slope, intercept):
        margin = (2 * y - 1) * (np.exp(log_slope) * z[:, 0] + intercept)
        loss = np.average(np.logaddexp(0, -margin), weights=weight)
        return loss + 1e-4 * log_slope**2

    found = SigmoidCalibration.fit(z, y, weight)
    least = minimize(lambda p: penalized(*p), [0, 0], method="Nelder-Mead", tol=1e-9)
    ours = penalized(np.log(found.slope), found.intercept[0])
    assert ours == pytest.approx(least.fun, rel=1e-3)
    assert np.log(found.slope) == pytest.approx(least.x[0], rel=0.05)


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_keras_model_is_calibrated_too(problem, calibration, quick, request):
    X, y = request.getfixturevalue(problem)
    model = quick(calibration=calibration).fit(X, y)
    # The steps of isotonic regression magnify the rounding of float32.
    found = model.model_.predict(X, verbose=0)
    tolerance = 2e-6 if calibration == "sigmoid" else 1e-3
    assert_allclose(found, model.predict_proba(X), atol=tolerance)


DISTORTIONS = {
    "focal": {"loss_weights": (0, 1, 0)},
    "dice": {"loss_weights": (0.1, 0.1, 0.8)},
    "balanced": {"class_weight": "balanced"},
    "balanced, no encoding": {"class_weight": "balanced", "n_bins": None},
    "smote": {"sampler": SMOTE(random_state=0)},
}


def with_and_without(learner, distortion, X, y, splitter):
    """Mean Brier score and log loss on rows never seen, calibrated and not."""
    scores = {"sigmoid": [], None: []}
    for train, test in splitter.split(X, y):
        for calibration in scores:
            model = clone(learner).set_params(
                calibration=calibration, **DISTORTIONS[distortion]
            )
            p = model.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
            scores[calibration].append(
                [brier_score_loss(y[test], p), log_loss(y[test], p)]
            )
    return (np.mean(scores[kind], axis=0) for kind in scores)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_probabilities_are_put_right(distortion, learner):
    X, y = make_classification(
        4000,
        8,
        n_informative=5,
        weights=[0.93],
        flip_y=0.05,
        class_sep=0.7,
        random_state=0,
    )
    halves = StratifiedKFold(2, shuffle=True, random_state=0)
    calibrated, raw = with_and_without(learner, distortion, X, y, halves)
    assert (calibrated < [1.0, 0.8] * raw).all(), (calibrated, raw)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_little_is_lost_where_rare_rows_are_few(distortion, learner, digits):
    """And log loss is won where there is any to win.

    Here are 30 rare rows to fit it to, and the Brier scores of single splits differ by
    a third. Log loss with class weights or SMOTE is by itself what calibration makes of
    it here, .046 and .040 (.08 before steps were flat), within a fiftieth.
    """
    halves = RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0)
    calibrated, raw = with_and_without(learner, distortion, *digits, halves)
    assert calibrated[0] < 1.2 * raw[0], (calibrated, raw)
    ratio, most = {
        "focal": (1.0, 0.049),
        "dice": (0.8, 0.049),
        "balanced": (1.05, 0.051),
        "balanced, no encoding": (1.0, 0.051),
        "smote": (1.05, 0.045),
    }[distortion]
    assert calibrated[1] < min(ratio * raw[1], most), (calibrated, raw)


def test_ranking_by_a_member_is_untouched(quick, binary):
    X, y = binary
    orders = [
        np.argsort(
            quick(cv=0.25, calibration=calibration, threshold=None)
            .fit(X, y)
            .decision_function(X)
        )
        for calibration in ("sigmoid", "isotonic", None)
    ]
    assert_array_equal(orders[0], orders[2])
    assert_array_equal(orders[1], orders[2])
