"""The decision threshold and its criteria."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import (
    train_test_split,
)

from skadaptive._committee.threshold_tuning import (
    _counts_between,
    _takes_counts,
    at_thresholds,
    best_score,
    tune_threshold,
)
from skadaptive.thresholds import (
    OF_SCORER,
    expected_cost,
    f1,
    precision_at_recall,
    recall_at_precision,
)

# ---------------------------------------------------------------------- calibration


def distorted(rng, n_rows=4000, slope=0.5, shift=-2.0):
    """Labels, and logits that are off by a known scale and shift."""
    true = rng.normal(-2, 2, size=n_rows)
    y = (rng.random(n_rows) < expit(true)).astype(int)
    return y, ((true - shift) / slope)[:, None]


# ------------------------------------------------------------------------ threshold


def exhaustive(criterion, y, proba):
    """Best score over every threshold between two probabilities."""
    levels = np.unique(np.r_[0.0, proba, 1.0])
    best = -np.inf
    for at in (levels[1:] + levels[:-1]) / 2:
        found = proba > at
        counts = [
            np.sum(found & (y == 1)),
            np.sum(found & (y == 0)),
            np.sum(~found & (y == 1)),
            np.sum(~found & (y == 0)),
        ]
        best = max(best, float(criterion(*map(np.asarray, counts))))
    return best


def score_at(criterion, y, proba, threshold):
    found = proba > threshold
    return float(
        criterion(
            *map(
                np.asarray,
                [
                    np.sum(found & (y == 1)),
                    np.sum(found & (y == 0)),
                    np.sum(~found & (y == 1)),
                    np.sum(~found & (y == 0)),
                ],
            )
        )
    )


@pytest.mark.parametrize(
    "criterion",
    [*OF_SCORER.values(), expected_cost([[0, 1], [10, 0]]), precision_at_recall(0.8)],
)
def test_threshold_is_nearly_the_best(criterion, rng):
    y, z = distorted(rng, slope=1.0, shift=0.0)
    proba = expit(z[:, 0])
    found = tune_threshold(criterion, y, proba, np.ones(len(y)))
    assert score_at(criterion, y, proba, found) > exhaustive(criterion, y, proba) - 0.02


def test_threshold_of_f1_is_half_of_it(rng):
    """Lipton et al., 2014: for calibrated probabilities."""
    y, z = distorted(rng, n_rows=40_000, slope=1.0, shift=0.0)
    proba = expit(z[:, 0])
    found = tune_threshold(f1, y, proba, np.ones(len(y)))
    assert found == pytest.approx(f1_score(y, proba > found) / 2, abs=0.06)


def test_thresholds_lie_between_rare_rows_and_midway_to_0_and_1():
    y, proba = np.array([1, 1, 1, 0, 0]), np.array([0.2, 0.4, 0.6, 0.75, 0.05])
    thresholds, counts = _counts_between(y, y, proba, np.arange(1.0, 6), 0.45)
    assert_allclose(thresholds[[0, -1]], [0.1, 0.8])
    assert 0.45 in thresholds and 190 < len(thresholds) <= 202
    for at in (0.1, 0.45, 0.8):
        above = counts[:, np.searchsorted(thresholds, at) + 1 :].sum(axis=1)
        assert_allclose(above, {0.1: [6, 4], 0.45: [3, 4], 0.8: [0, 0]}[at])
    single = _counts_between(y[2:], y[2:], proba[2:], np.ones(3), 0.5)[0]
    assert_allclose(single, [0.3, 0.5, 0.8])
    assert best_score(OF_SCORER["accuracy"], y, proba, np.ones(5)) == 0.8


def test_rules_of_adaptation_get_the_threshold_before_calibration(rng):
    y, z = distorted(rng, n_rows=3000)
    found = at_thresholds(f1, y, z[:, 0])
    assert found == at_thresholds(f1, y, z[:, 0], np.ones(3000))
    weight = rng.integers(1, 3, 3000)
    repeated = at_thresholds(f1, y.repeat(weight), z[:, 0].repeat(weight))
    weighted = at_thresholds(f1, y, z[:, 0], weight.astype(float))
    assert weighted == pytest.approx(repeated, rel=0.05)
    # The logits are twice too large, and off by 4: half of F1 is carried back.
    scores = f1_score(y, expit(z[:, 0]) > found["best_threshold"])
    best = logit(scores / 2)
    assert logit(found["best_threshold"]) == pytest.approx((best + 2) / 0.5, abs=0.8)


def test_nothing_speaks_for_another_threshold_than_the_neutral_one():
    y = np.repeat([0, 1], 50)
    proba = np.r_[np.linspace(0, 0.2, 50), np.linspace(0.8, 1, 50)]
    assert tune_threshold(f1, y, proba, np.ones(100)) == 0.5
    assert tune_threshold(f1, y, proba, np.ones(100), neutral=0.7) == 0.7


def test_no_false_alarm_among_few_rows_does_not_mean_that_there_is_none():
    """At a cost that no right alarm can make up for, the neutral threshold stays."""
    y = np.repeat([0, 1], [25, 5])
    proba = np.r_[np.linspace(0.1, 0.5, 25), np.linspace(0.3, 0.6, 5)]
    costly = np.where(y == 0, 1000.0, 1e-4)
    assert tune_threshold(f1, y, proba, costly, neutral=0.999) == 0.999


@pytest.mark.parametrize("criterion", [f1, expected_cost([[0, 1], [9, 0]])])
def test_calibrated_probabilities_help_where_rare_rows_are_few(criterion, rng):
    """Seen by many rows of the same kind; 25 of 200 are rare in each draw."""
    y, z = distorted(rng, n_rows=40_000, slope=1.0, shift=0.0)
    proba = expit(z[:, 0])
    ones, scores = np.ones(200), {False: [], True: []}
    for _ in range(60):
        drawn = rng.choice(len(y), 200)
        for calibrated, found in scores.items():
            at = tune_threshold(
                criterion, y[drawn], proba[drawn], ones, calibrated=calibrated
            )
            found.append(score_at(criterion, y, proba, at))
    assert np.mean(scores[True]) > np.mean(scores[False]) + 0.005


def test_labels_decide_where_there_are_many(rng):
    """Although probabilities that are far too small were said to be calibrated."""
    y, z = distorted(rng, n_rows=100_000, slope=1.0, shift=0.0)
    proba = expit(z[:, 0] - 3)
    found = tune_threshold(f1, y, proba, np.ones(len(y)), calibrated=True)
    thresholds = np.quantile(proba, np.arange(100) / 100)
    scores = [score_at(f1, y, proba, at) for at in thresholds]
    assert score_at(f1, y, proba, found) > 0.98 * max(scores)


def test_weights_have_no_unit(rng):
    """They say how many rare rows there are, in any unit."""
    y, z = distorted(rng, n_rows=2000, slope=1.0, shift=0.0)
    proba, weight = expit(z[:, 0]), rng.uniform(0.5, 2, size=2000)
    same = {
        tune_threshold(f1, y, proba, unit * weight, calibrated=True)
        for unit in (0.125, 1.0, 1024.0)
    }
    assert len(same) == 1


def test_expected_cost_finds_the_odds_of_the_costs(rng):
    y, z = distorted(rng, n_rows=40_000, slope=1.0, shift=0.0)
    found = tune_threshold(
        expected_cost([[0, 1], [9, 0]]), y, expit(z[:, 0]), np.ones(len(y))
    )
    assert found == pytest.approx(0.1, abs=0.05)


def test_constraints_are_kept(rng):
    y, z = distorted(rng, slope=1.0, shift=0.0)
    proba, ones = expit(z[:, 0]), np.ones(len(y))
    found = proba > tune_threshold(precision_at_recall(0.9), y, proba, ones)
    assert 0.88 < found[y == 1].mean() < 0.96
    found = proba > tune_threshold(recall_at_precision(0.8), y, proba, ones)
    assert 0.78 < y[found].mean() < 0.9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: precision_at_recall(0), r"min_recall must be a number in \(0, 1\]"),
        (lambda: recall_at_precision("a"), "min_precision must be a number"),
        (lambda: expected_cost([1, 2]), "cost_matrix must be 2 x 2"),
    ],
)
def test_bad_criteria(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_criterion_without_a_signature_is_taken():
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(getattr)  # of a function written in C
    assert _takes_counts(getattr)
    assert not _takes_counts(len)


def test_without_a_rare_class_the_most_probable_is_predicted(quick):
    X, y = make_classification(600, 6, flip_y=0.2, random_state=0)
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:230]]
    tuned = 0
    for part in (slice(None), rows[:-30]):
        model = quick().fit(X[part], y[part])
        share = y[part].mean()
        assert (model.threshold_ == 0.5) == (share > 0.45)
        tuned += model.threshold_ != 0.5
        assert quick(threshold=f1).fit(X[part], y[part]).threshold_ != 0.5
    assert tuned == 1


def test_threshold_parameter(quick, binary):
    X, y = binary
    p = quick().fit(X, y).predict_proba(X)[:, 1]
    for threshold, expected in ((0.2, 0.2), (None, 0.5)):
        model = quick(threshold=threshold).fit(X, y)
        assert model.threshold_ == expected
        assert_array_equal(
            model.predict(X) == 1, model.predict_proba(X)[:, 1] > expected
        )
    careful = quick(threshold=precision_at_recall(0.95)).fit(X, y)
    assert careful.predict(X)[y == 1].mean() > 0.85
    assert clone(careful).get_params() == careful.get_params()
    assert p.shape == y.shape
    for bad in (0.0, 1.0, 1.5, "best"):
        with pytest.raises(ValueError, match="^(The 'thr|thr).* must be"):
            quick(threshold=bad).fit(X, y)


@pytest.mark.parametrize("calibration", ["sigmoid", None])
def test_calibrated_probabilities_have_a_say_in_the_threshold(
    calibration, quick, binary
):
    X, y = binary
    model = quick(calibration=calibration).fit(X, y)
    proba, ones = model.oof_proba_[:, 1], np.ones(len(y))
    by = {
        calibrated: tune_threshold(f1, y, proba, ones, calibrated=calibrated)
        for calibrated in (False, True)
    }
    assert by[False] != by[True]
    assert model.threshold_ == by[calibration is not None]


def test_fixed_threshold_is_that_of_the_rare_class(quick, binary):
    X, y = binary
    labels = np.where(y == 1, "a fraud", "legit")
    model = quick(threshold=0.2).fit(X, labels)
    found = model.predict(X) == "a fraud"
    assert_array_equal(found, model.predict_proba(X)[:, 0] > 0.2)
    assert_array_equal(found, model.decision_function(X) <= 0)


def test_tuned_threshold_raises_f1_on_new_rows(quick, rng):
    X, y = make_classification(
        4000, 6, n_informative=4, weights=[0.93], class_sep=0.6, random_state=1
    )
    X, X_new, y, y_new = train_test_split(X, y, stratify=y, random_state=0)
    model = quick(hidden_layer_sizes=(32,)).fit(X, y)
    at_half = model.predict_proba(X_new)[:, 1] > 0.5
    tuned = f1_score(y_new, model.predict(X_new))
    assert tuned > f1_score(y_new, at_half) + 0.05
    assert model.threshold_ < 0.4


def test_nothing_held_out_is_said(quick, binary):
    with pytest.warns(UserWarning, match="Nothing is held out that could tune"):
        model = quick(cv=None).fit(*binary)
    assert model.threshold_ == 0.5
    raw = quick(cv=None, threshold=None, calibration=None).fit(*binary)
    assert_array_equal(raw.predict_proba(binary[0]), model.predict_proba(binary[0]))
