"""Calibration, the threshold, and resampling that does not leak."""

import itertools

import numpy as np
import pandas as pd
import pytest
from imblearn.base import BaseSampler
from imblearn.combine import SMOTETomek
from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss, f1_score, log_loss
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    StratifiedKFold,
    train_test_split,
)

from skadaptive._committee.calibration import (
    CALIBRATIONS,
    IsotonicCalibration,
    SigmoidCalibration,
)
from skadaptive._committee.threshold_tuning import tune_threshold
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


def test_sigmoid_finds_scale_and_shift(rng):
    y, z = distorted(rng)
    found = SigmoidCalibration.fit(z, y, np.ones(len(y)))
    assert found.slope == pytest.approx(0.5, rel=0.1)
    assert found.intercept[0] == pytest.approx(-2.0, rel=0.1)


def test_sigmoid_with_three_classes(rng):
    true = rng.normal(size=(6000, 3)) * 2 + [1, 0, -2]
    p = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    y = (rng.random((6000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    found = SigmoidCalibration.fit(true * 3 + [0, 1, 4], y, np.ones(6000))
    assert found.slope == pytest.approx(1 / 3, rel=0.1)
    shift = found.intercept - found.intercept[0]
    assert_allclose(shift, [0, -1 / 3, -4 / 3], atol=0.15)


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


def test_weights_of_classes_are_weights_of_their_rows(rng):
    y, z = distorted(rng, n_rows=2000, slope=1.0, shift=0.0)
    proba, weight = expit(z[:, 0]), rng.uniform(0.5, 2, size=2000)
    apart = tune_threshold(f1, y, proba, weight, class_weight=(1.0, 7.0))
    assert apart == tune_threshold(f1, y, proba, weight * np.where(y == 1, 7.0, 1.0))
    # Weights say how many rare rows there are, in any unit.
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
        with pytest.raises(ValueError, match="The 'threshold' parameter"):
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


# ------------------------------------------------------------------------- sampler


class Spy(BaseSampler):
    """A sampler that remembers what it was given, and marks what it makes."""

    _sampling_type = "over-sampling"
    _parameter_constraints = {"sampling_strategy": "no_validation"}
    seen = []

    def _fit_resample(self, X, y):
        Spy.seen.append((X.copy(), y.copy()))
        extra = X[y == 1] + 100.0
        return np.concatenate([X, extra]), np.concatenate([y, np.ones(len(extra), int)])


def test_sampler_sees_only_what_its_member_trains_on(quick, binary):
    """Fails if rows are resampled before they are split."""
    X, y = binary
    Spy.seen = []
    judged = []

    def scorer(estimator, X, y):
        judged.append((np.array(X), np.array(y)))
        return 0.5

    splits = list(StratifiedKFold(3, shuffle=True, random_state=1).split(X, y))
    model = quick(sampler=Spy(), cv=splits, scoring=scorer, max_epochs=1).fit(X, y)
    assert len(Spy.seen) == 3
    for (given_X, given_y), (train, _) in zip(Spy.seen, splits, strict=True):
        assert_array_equal(given_X, X[train])
        assert_array_equal(given_y, y[train])
    # Judged: every row once, none of those that were made, at its natural share.
    ((judged_X, judged_y),) = judged
    assert_array_equal(judged_X, X)
    assert_array_equal(judged_y, y)
    assert model.oof_proba_.shape == (len(y), 2)


def test_no_leak_from_resampling(quick, rng):
    """Random labels: over-sampled before the split, copies would tell them."""
    X, y = rng.normal(size=(300, 20)), (rng.random(300) < 0.1).astype(int)
    epochs = itertools.count()
    model = quick(
        hidden_layer_sizes=(64,),
        sampler=RandomOverSampler(),
        scoring=lambda *_: next(epochs),
        max_epochs=60,
    ).fit(X, y)
    order = np.argsort(-model.oof_proba_[:, 1])
    assert y[order][: y.sum()].mean() < 0.4
    # The same, resampled first: every copy of a rare row is found.
    X_over, y_over = RandomOverSampler(random_state=0).fit_resample(X, y)
    leaking = quick(
        hidden_layer_sizes=(64,), scoring=lambda *_: next(epochs), max_epochs=60
    ).fit(X_over, y_over)
    order = np.argsort(-leaking.oof_proba_[:, 1])
    assert y_over[order][: y_over.sum()].mean() > 0.9


@pytest.mark.parametrize(
    "sampler",
    [
        SMOTE(),
        SMOTETomek(),
        RandomUnderSampler(),
        RandomOverSampler(),
        RandomOverSampler(shrinkage=0.5),
    ],
    ids=str,
)
def test_samplers_of_imbalanced_learn(sampler, quick, binary):
    X, y = binary
    model = quick(sampler=sampler).fit(X, y)
    assert not np.isnan(model.oof_proba_).any()
    # Calibrated at the natural share although trained on balanced rows.
    assert model.oof_proba_[:, 1].mean() == pytest.approx(y.mean(), abs=0.02)
    again = quick(sampler=sampler).fit(X, y)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_members_have_their_own_draw(quick, binary):
    X, y = binary
    every = [(np.arange(300), np.arange(300, 400))] * 3
    # With the same rows for all, the draws alone differ; weights of 0 steps show it.
    model = quick(sampler=RandomUnderSampler(random_state=0), cv=every, max_epochs=1)
    model.fit(X, y)
    first, second = (model._committee.logits(X, m) for m in (0, 1))
    assert np.abs(first - second).max() > 1e-3


def test_smotenc_on_a_frame(quick, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(a=(X[:, 0] > 0).astype(int))
    model = quick(sampler=SMOTENC(categorical_features=["a"])).fit(frame, y)
    assert not np.isnan(model.oof_proba_).any()


def test_sampler_and_weights(quick, binary):
    X, y = binary
    weight = np.where(y == 1, 2.0, 1.0)
    quick(sampler=RandomUnderSampler()).fit(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="takes? a sampler that picks rows"):
        quick(sampler=SMOTE()).fit(X, y, sample_weight=weight)


class OneClass(BaseSampler):
    _sampling_type = "clean-sampling"
    _parameter_constraints = {"sampling_strategy": "no_validation"}

    def _fit_resample(self, X, y):
        return X[y == 0], y[y == 0]


def test_bad_samplers(quick, binary):
    X, y = binary
    model = quick().fit(X, y)
    state = dict(vars(model))
    with pytest.raises(ValueError, match="OneClass.*leaves 1 of 2 classes"):
        model.set_params(sampler=OneClass()).fit(X, y)
    with pytest.raises(ValueError, match="'sampler' parameter.*fit_resample"):
        model.set_params(sampler="smote").fit(X, y)
    model.set_params(sampler=None)
    assert vars(model) == state


# -------------------------------------------------------------------- given X_val


def test_validation_data_judge_and_calibrate(quick, binary):
    X, y = binary
    X, X_val, y, y_val = train_test_split(X, y, stratify=y, random_state=0)
    model = quick().fit(X, y, X_val=X_val, y_val=y_val)
    assert model._committee.n_members == 3
    assert np.isnan(model.oof_proba_).all() and model.oof_proba_.shape == (len(y), 2)
    p = model.predict_proba(X_val)[:, 1]
    assert p.mean() == pytest.approx(y_val.mean(), abs=0.01)
    # Members differ in their seeds alone, and all rows are trained on.
    first, second = (model._committee.logits(X, m) for m in (0, 1))
    assert (first != second).any()
    one = quick(cv=0.2).fit(X, y, X_val=X_val, y_val=y_val)
    assert one._committee.n_members == 1


def test_validation_data_in_frames_and_with_weights(quick, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    weight = np.where(np.arange(100) % 2, 1.0, 0.0)
    by_weight = quick().fit(
        frame[100:],
        y[100:],
        X_val=frame[:100],
        y_val=y[:100],
        sample_weight_val=weight,
    )
    odd = frame[:100][weight > 0]
    by_rows = quick().fit(frame[100:], y[100:], X_val=odd, y_val=y[:100][weight > 0])
    assert_allclose(
        by_weight.predict_proba(frame), by_rows.predict_proba(frame), rtol=1e-5
    )


def test_validation_data_with_a_sampler(quick, binary):
    X, y = binary
    model = quick(sampler=SMOTE()).fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
    p = model.predict_proba(X[:100])[:, 1]
    assert p.mean() == pytest.approx(y[:100].mean(), abs=0.02)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda X, y: {"X_val": X[:, :3], "y_val": y}, "X has 3 features"),
        (lambda X, y: {"X_val": X}, "X_val needs y_val"),
        (lambda X, y: {"y_val": y}, "need X_val"),
        (lambda X, y: {"X_val": X, "y_val": y[:-1]}, "inconsistent numbers of samples"),
        (
            lambda X, y: {"X_val": X, "y_val": y + 5},
            r"classes that are not known: \[5, 6\]",
        ),
    ],
)
def test_bad_validation_data(given, message, quick, binary):
    X, y = binary
    model = quick()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **given(X, y))
    assert vars(model) == vars(quick())


def test_validation_data_through_a_pipeline(quick, binary):
    from sklearn import config_context
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = binary
    with config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(
            StandardScaler(), model, transform_input=["X_val"]
        ).fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
    own = StandardScaler().fit(X[100:])
    by_hand = quick().fit(
        own.transform(X[100:]), y[100:], X_val=own.transform(X[:100]), y_val=y[:100]
    )
    assert_array_equal(
        pipeline.predict_proba(X), by_hand.predict_proba(own.transform(X))
    )
