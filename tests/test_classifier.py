"""The estimator's contract."""

import itertools
import pickle
import re
from contextlib import nullcontext

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    fbeta_score,
    make_scorer,
)
from sklearn.model_selection import (
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from skadaptive import AdaptiveHybridClassifier
from skadaptive._committee.inference import probabilities
from skadaptive._parameters import auto_epochs

# ---------------------------------------------------------------- fitted attributes


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_fitted_attributes(problem, quick, request):
    X, y = request.getfixturevalue(problem)
    model = quick().fit(X, y)
    n_classes = len(np.unique(y))
    assert_array_equal(model.classes_, np.arange(n_classes))
    assert model.n_features_in_ == 6
    assert not hasattr(model, "feature_names_in_")
    assert set(model.history_) == {
        "epoch",
        "loss",
        "score",
        "weight_cross_entropy",
        "weight_focal",
        "weight_dice",
    }
    assert {len(values) for values in model.history_.values()} == {model.n_iter_}
    assert model.history_["epoch"] == list(range(1, model.n_iter_ + 1))
    assert np.isfinite(model.history_["loss"]).all()
    assert 1 <= model.best_epoch_ <= model.n_iter_
    assert model.best_score_ == model.history_["score"][model.best_epoch_ - 1]
    assert model.loss_weights_.sum() == pytest.approx(1)
    assert model.oof_proba_.shape == (400, n_classes)
    assert_allclose(model.oof_proba_.sum(axis=1), 1)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_predictions_agree_with_each_other(problem, quick, request):
    X, y = request.getfixturevalue(problem)
    model = quick().fit(X, y)
    p = model.predict_proba(X)
    assert_allclose(np.exp(model.predict_log_proba(X)), p)
    z = model.decision_function(X)
    if problem == "binary":
        assert z.shape == (400,)
        assert_array_equal(z > 0, model.predict(X) == 1)
        assert_array_equal(p[:, 1] > model.threshold_, model.predict(X) == 1)
        z = z[:, None] + logit(model.threshold_)
    else:
        assert_array_equal(model.predict(X), p.argmax(axis=1))
    assert_allclose(probabilities(z), p)
    assert model.score(X, y) == np.mean(model.predict(X) == y)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
def test_keras_model_agrees_with_predict_proba(
    problem, quick, request, tmp_path, backend
):
    import keras

    X, y = request.getfixturevalue(problem)
    # Features as users have them: a time stamp, an amount, a ratio with a heavy tail, a
    # constant, values missing.
    X = X * [1, 1e-3, 1e4, 1, 1, 0] + [1.7e9, 0, 0, 0, 0, 5]
    X[:, 3] = np.sinh(4 * X[:, 3])
    X[::7, 2:4] = np.nan
    model = quick().fit(X, y)
    assert model._committee.transform.scaler.n_outputs == 9
    # JAX has 64-bit numbers only where they are switched on.
    with getattr(backend, "precision", nullcontext)("float64"):
        network = model.model_
        assert isinstance(network, keras.Model)
        network.save(tmp_path / "network.keras")
        for copy in (network, keras.models.load_model(tmp_path / "network.keras")):
            # Called, not predict: that turns float64 into float32 before the model
            # sees it.
            assert_allclose(copy(X), model.predict_proba(X), atol=2e-6)


def test_saved_model_agrees_with_predict_proba(quick, binary, tmp_path):
    """TensorFlow's own format, of a table with categories."""
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras's other backends write no SavedModel of float64")
    import tensorflow as tf

    numbers, y = binary
    X = pd.DataFrame(numbers + 1.7e9).rename(columns="x{}".format)
    X["kind"] = np.where(y + numbers[:, 0] > 1, "a", "b")
    model = quick().fit(X, y)
    model.model_.export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    features = model.feature_encoder_.transform(X)
    for rows in (features, features[:1]):
        (proba,) = served(tf.constant(rows)).values()
        assert_allclose(proba, model.predict_proba(X)[: len(rows)], atol=2e-6)


def test_one_row_or_the_table(quick, binary):
    X, y = binary
    model = quick(cv=5).fit(X, y)
    table = model.predict_proba(X)
    assert_array_equal(
        np.concatenate([model.predict_proba(row[None]) for row in X]), table
    )


def test_out_of_fold_rows_were_not_trained_on(quick, rng):
    """On labels without any pattern, out-of-fold probabilities cannot rank."""
    X, y = rng.normal(size=(300, 20)), rng.integers(2, size=300)
    epochs = itertools.count()
    model = quick(
        hidden_layer_sizes=(64,),
        max_epochs=60,
        scoring=lambda *_: next(epochs),  # the last epoch is the best
    ).fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.8
    assert abs(average_precision_score(y, model.oof_proba_[:, 1]) - y.mean()) < 0.15


def test_out_of_fold_rows_follow_the_splitter(quick, binary):
    X, y = binary
    ordered = quick(cv=TimeSeriesSplit(3)).fit(X, y)
    seen = np.zeros(400, dtype=bool)
    for _, test in TimeSeriesSplit(3).split(X):
        seen[test] = True
    assert_array_equal(np.isnan(ordered.oof_proba_).all(axis=1), ~seen)
    repeated = quick(
        cv=RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    )
    assert not np.isnan(repeated.fit(X, y).oof_proba_).any()
    plain = {"threshold": None, "calibration": None}
    none = quick(cv=None, max_epochs=3, **plain).fit(X, y)
    assert np.isnan(none.oof_proba_).all() and np.isnan(none.best_score_)
    assert none.best_epoch_ == none.n_iter_ == 3


def test_explicit_splits_are_the_splitters(quick, binary):
    X, y = binary
    splitter = StratifiedKFold(3, shuffle=True, random_state=5)
    by_splitter = quick(cv=splitter).fit(X, y)
    by_list = quick(cv=list(splitter.split(X, y))).fit(X, y)
    assert_array_equal(by_splitter.oof_proba_, by_list.oof_proba_)


# -------------------------------------------------------------------- labels, tables


def test_string_labels_and_either_rare_class(quick, binary):
    """Which label sorts first, or what it is called, changes nothing."""
    X, y = binary
    numbers = quick().fit(X, y)
    first = quick().fit(X, np.where(y == 1, "a fraud", "legit"))
    second = quick().fit(X, np.where(y == 1, "odd", "legit"))
    assert list(first.classes_) == ["a fraud", "legit"]
    assert_allclose(first.predict_proba(X)[:, 0], numbers.predict_proba(X)[:, 1])
    assert_array_equal(second.predict_proba(X), numbers.predict_proba(X))
    assert_allclose(first.decision_function(X), -numbers.decision_function(X))
    assert_allclose(first.oof_proba_[:, ::-1], numbers.oof_proba_)
    assert first.threshold_ == pytest.approx(numbers.threshold_)
    assert first.history_ == second.history_ == numbers.history_
    assert_array_equal(first.predict(X) == "a fraud", numbers.predict(X) == 1)


def test_a_callable_scorer_with_labels_of_its_own(quick, binary):
    X, y = binary
    labels = np.where(y == 1, "a fraud", "legit")
    scorer = make_scorer(fbeta_score, beta=2, pos_label="a fraud")
    plain = {"threshold": None, "calibration": None}
    model = quick(scoring=scorer, **plain).fit(X, labels)
    found = np.where(model.oof_proba_[:, 0] > 0.5, "a fraud", "legit")
    assert model.best_score_ == pytest.approx(
        fbeta_score(labels, found, beta=2, pos_label="a fraud"), abs=0.02
    )


def test_frames(quick, binary):
    polars = pytest.importorskip("polars")
    X, y = binary
    names = [f"feature {i}" for i in range(6)]
    expected = quick().fit(X, y).predict_proba(X)
    frame = pd.DataFrame(X, columns=names)
    by_pandas = quick().fit(frame, pd.Series(y))
    assert list(by_pandas.feature_names_in_) == names
    assert_array_equal(by_pandas.predict_proba(frame), expected)
    table = polars.DataFrame(X, schema=names)
    by_polars = quick().fit(table, polars.Series(y))
    assert list(by_polars.feature_names_in_) == names
    assert_array_equal(by_polars.predict_proba(table), expected)
    with pytest.raises(ValueError, match="feature names should match"):
        by_pandas.predict(frame[names[::-1]])


def test_missing_values(quick, binary):
    """That a value is missing may tell as much as the value."""
    X, y = binary
    X = X.copy()
    X[y == 1, 0] = np.nan
    model = quick(learning_rate=0.05, max_epochs=12).fit(X, y)
    assert average_precision_score(y, model.oof_proba_[:, 1]) > 0.9
    # Also where fit saw none: then it counts as the median.
    plain = quick().fit(*binary)
    holes = binary[0].copy()
    holes[:5, 2] = np.nan
    filled = np.where(np.isnan(holes), np.median(binary[0], axis=0), holes)
    # The median of scikit-learn's quantiles lies between two rows.
    assert_allclose(plain.predict_proba(holes), plain.predict_proba(filled), atol=0.01)
    frame = pd.DataFrame(X).astype("Float64")
    assert quick().fit(frame, y).n_features_in_ == 6


@pytest.mark.parametrize("sampler", [RandomUnderSampler(), RandomOverSampler()])
def test_missing_values_tell_behind_samplers_that_pick_rows(sampler, quick, rng):
    """The only thing that tells the classes apart is that a value is missing."""
    X, y = rng.normal(size=(400, 3)), np.arange(400) % 8 == 0
    X[y, 0] = np.nan
    model = quick(sampler=sampler, max_epochs=12).fit(X, y)
    assert average_precision_score(y, model.oof_proba_[:, 1]) > 0.9
    for _ in range(3):
        model.partial_fit(X, y)
    assert average_precision_score(y, model.oof_proba_[:, 1]) > 0.9


@pytest.mark.parametrize(
    ("n_rows", "epochs"),
    [(1, 24), (4_000, 24), (4_800, 20), (16_000, 6), (10**7, 6)],
)
def test_epochs_follow_the_rows(n_rows, epochs):
    assert auto_epochs(n_rows) == epochs


def test_patience_is_a_fifth_of_the_epochs(quick, binary):
    """With a score that never rises after the first epoch."""
    X, y = binary
    flat = {
        "early_stopping": True,
        "scoring": lambda *_: 0.5,
        "n_iter_no_change": "auto",
    }
    for max_epochs, n_iter in ((9, 6), (33, 8), ("auto", 6)):
        assert quick(max_epochs=max_epochs, **flat).fit(X, y).n_iter_ == n_iter


# -------------------------------------------------------------------------- weights


def test_weights_do_not_depend_on_their_unit(quick, binary, rng):
    X, y = binary
    weight = rng.uniform(0.5, 2, size=len(y))
    plain = quick().fit(X, y, sample_weight=weight).predict_proba(X)
    scaled = quick().fit(X, y, sample_weight=1024 * weight).predict_proba(X)
    assert_allclose(scaled, plain, rtol=1e-3)
    for unit in (1e-30, 1e300):
        tiny = quick(max_epochs=1).fit(X, y, sample_weight=unit * weight)
        same = quick(max_epochs=1).fit(X, y, sample_weight=weight)
        assert_allclose(tiny.predict_proba(X), same.predict_proba(X), rtol=1e-3)
    ones = quick().fit(X, y, sample_weight=np.ones(len(y))).predict_proba(X)
    assert_array_equal(ones, quick().fit(X, y).predict_proba(X))


def test_rows_without_weight_do_not_exist(quick, binary, rng):
    X, y = binary
    weight = (rng.random(len(y)) < 0.7).astype(float)
    kept = weight > 0
    whole = quick().fit(X, y, sample_weight=weight)
    part = quick().fit(X[kept], y[kept])
    assert_array_equal(whole.predict_proba(X), part.predict_proba(X))
    assert_array_equal(whole.oof_proba_[kept], part.oof_proba_)
    assert np.isnan(whole.oof_proba_[~kept]).all()
    # Even if they are all that there is of a class.
    three = np.where(kept, y, 2)
    assert list(quick().fit(X, three, sample_weight=weight).classes_) == [0, 1]


def test_class_weight_balanced_is_the_formula(quick, binary):
    X, y = binary
    counts = np.bincount(y)
    formula = dict(enumerate(len(y) / (2 * counts)))
    raw = {"calibration": None}
    balanced = quick(class_weight="balanced", **raw).fit(X, y)
    by_hand = quick(class_weight=formula, **raw).fit(X, y)
    assert_array_equal(by_hand.predict_proba(X), balanced.predict_proba(X))
    plain = quick(**raw).fit(X, y)
    assert balanced.predict_proba(X)[:, 1].mean() > 0.05 + (
        plain.predict_proba(X)[:, 1].mean()
    )


def test_alpha_and_gamma_act(quick, binary):
    X, y = binary
    focal = {"loss_weights": (0, 1, 0), "calibration": None, "max_epochs": 20}
    low = quick(alpha=0.1, **focal).fit(X, y).predict_proba(X)[:, 1].mean()
    high = quick(alpha=0.9, **focal).fit(X, y).predict_proba(X)[:, 1].mean()
    assert high > low + 0.1
    per_class = quick(alpha=[0.1, 0.9], **focal).fit(X, y).predict_proba(X)
    assert per_class[:, 1].mean() == pytest.approx(high)
    # In the order of classes_, also where the rare class comes first.
    turned = quick(alpha=[0.9, 0.1], **focal).fit(X, 1 - y).predict_proba(X)
    assert turned[:, 0].mean() == pytest.approx(high)
    sharp = quick(gamma=0.0, **focal).fit(X, y).history_["loss"]
    assert sharp != quick(gamma=3.0, **focal).fit(X, y).history_["loss"]


def test_alpha_weighs_the_rarest_of_three(quick, multiclass):
    X, y = multiclass
    assert np.bincount(y).argmin() == 2
    focal = {
        "n_bins": None,
        "loss_weights": (0, 1, 0),
        "calibration": None,
        "max_epochs": 20,
    }
    low, high = (
        quick(alpha=alpha, **focal).fit(X, y).predict_proba(X)[:, 2].mean()
        for alpha in (0.1, 0.9)
    )
    assert high > low + 0.02


@pytest.mark.parametrize("batch_size", [16, 64, 4000])
def test_weights_hold_at_any_batch_size(quick, rng, batch_size):
    """Balanced and without a pattern, the rare class has the probability one half."""
    X, y = rng.normal(size=(3000, 2)), (rng.random(3000) < 0.01).astype(int)
    model = quick(
        hidden_layer_sizes=(),
        n_bins=None,
        loss_weights=(1, 0, 0),
        class_weight="balanced",
        batch_size=batch_size,
        max_epochs=12,
        learning_rate=0.02,
        cv=None,
        threshold=None,
        calibration=None,
    ).fit(X, y)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.5, abs=0.06)


def test_groups_are_held_out_together(quick, binary):
    X, y = binary
    groups = np.arange(400) // 4
    seen = []

    def scorer(estimator, X, y):
        seen.append(X)
        return 0.5

    quick(cv=0.3, scoring=scorer, max_epochs=1).fit(X, y, groups=groups)
    held_out = np.isin(X[:, 0], seen[0][:, 0]).reshape(-1, 4)
    assert len(seen[0]) < 200
    assert_array_equal(held_out.any(axis=1), held_out.all(axis=1))


def test_score_is_weighted(quick, binary):
    """A scorer that takes weights gets those of the rows held out."""
    X, y = binary
    weight = np.where(X[:, 0] > 0, 5.0, 1.0)
    seen = []

    def score(y_true, y_pred, sample_weight=None):
        seen.append(sample_weight)
        return 0.5

    quick(scoring=make_scorer(score), max_epochs=1).fit(X, y, sample_weight=weight)
    assert_allclose(seen[0] / seen[0].max(), weight / weight.max())


def test_training_starts_at_the_prevalence(quick, binary):
    X, y = binary
    model = quick(learning_rate=1e-12, max_epochs=1).fit(X, y)
    assert_allclose(model.predict_proba(X)[:, 1], y.mean(), rtol=1e-3)


# ------------------------------------------------------------------- bad parameters


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("activation", "rleu", "a str among.*'relu'.*Got 'rleu'"),
        ("adaptation", "perfomance", "a str among.*'performance'.*Got 'perfomance'"),
        ("scoring", "f1score", "got 'f1score'. Is it 'f1'.* accuracy, average_prec"),
        ("scoring", "ap", "Is it 'average_precision'"),
        ("scoring", "avg_precision", "Is it 'average_precision'"),
        ("scoring", "r2", "for classifiers.*got 'r2'. The names are accuracy, average"),
        ("threshold", "f1", "'tune', a number.*say scoring='f1' and threshold='tune'"),
        ("threshold", "auto", "'tune', a number .*got 'auto'.$"),
        ("threshold", f1_score, "=f1_score .*tp, fp, fn, tn.*say scoring='f1'"),
        ("threshold", make_scorer(f1_score), r"tp, fp, fn, tn.*It takes \(estimator, "),
        ("threshold", lambda *counts: 0.5, "It returned 0.5 for 3 thresholds"),
        ("cv", StratifiedGroupKFold(3), r"pass them to fit, as fit\(X, y, groups"),
        ("categorical_features", ["TSH"], "'TSH'.* X has no column names"),
        ("optimizer", "adm", "a str among.*'adam'.*Got 'adm'"),
        ("optimizer", {"name": "sgd"}, "a name or a Keras configuration"),
        (
            "optimizer",
            {"class_name": "sgd", "config": {"learning_rate": 0.9}},
            "set by the parameter learning_rate",
        ),
        ("cv", 1, r"an int in the range \[2, inf\).*a float in the range \(0.0, 1.0\)"),
        ("cv", 1.5, "'cv' parameter.*Got 1.5"),
        ("dropout", 1.0, r"a float in the range \[0.0, 1.0\)"),
        ("gamma", -1, r"a float in the range \[0.0, 100.0\]"),
        ("alpha", 1.5, r"a float in the range \[0.0, 1.0\]"),
        (
            "alpha",
            [0.5, 0.25, 0.25],
            "one non-negative weight for each of the 2 classes",
        ),
        ("adaptation_rate", 2, r"a float in the range \[0.0, 1.0\]"),
        ("learning_rate", 0, r"a float in the range \(0.0, inf\)"),
        ("batch_size", 0, r"'auto'.*an int in the range \[1, inf\)"),
        ("batch_size", "all", "'auto'"),
        ("max_epochs", 0, r"a str among \{'auto'\} or an int in the range \[1, inf\)"),
        ("n_iter_no_change", 0, r"among \{'auto'\} or an int in the range \[1, inf\)"),
        ("n_bins", 2, r"'auto'\}, an int in the range \[3, inf\) or None"),
        ("early_stopping", "yes", "'bool'"),
        ("class_weight", "balance", "'balanced'"),
        ("class_weight", {0: 1, 5: 1}, "The classes, .*1.*, are not in class_weight"),
        ("class_weight", {0: 1, 1: 0}, "give every class a positive weight"),
        ("hidden_layer_sizes", 0, "an int in the range .1, inf.*Got 0"),
        ("hidden_layer_sizes", (8, 0), r"whole numbers of 1 or more.*got \(8, 0\)"),
        ("hidden_layer_sizes", (8.5,), r"whole numbers of 1 or more.*got \(8.5,\)"),
        ("loss_weights", (0.5, 0.5), "three non-negative numbers, for cross_entropy"),
        ("loss_weights", (0, 0, 0), "not all 0"),
        ("loss_weights", (1, -1, 1), "non-negative"),
        ("random_state", "seed", "random_state"),
    ],
)
def test_bad_parameter_names_what_is_allowed(parameter, value, message, quick, binary):
    model = quick(**{parameter: value})
    with pytest.raises(ValueError, match=message):
        model.fit(*binary)
    with pytest.raises(NotFittedError):
        model.predict(binary[0])


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("hidden_layer_sizes", np.array([8], np.int16)),
        ("hidden_layer_sizes", (np.int64(8),)),
        ("hidden_layer_sizes", 8),
        ("activation", np.str_("silu")),
        ("n_bins", np.int64(16)),
        ("dropout", np.float32(0.0)),
        ("gamma", np.int64(2)),
        ("alpha", np.float64(0.75)),
        ("alpha", np.array([0.25, 0.75])),
        ("loss_weights", [np.float64(0.4), np.float64(0.4), np.float64(0.2)]),
        ("adaptation", np.str_("performance")),
        ("adaptation_rate", np.float64(0.1)),
        ("scoring", np.str_("f1")),
        ("class_weight", {np.int64(0): np.float32(1), np.int64(1): np.float64(1)}),
        ("cv", np.int64(3)),
        ("optimizer", np.str_("adam")),
        ("optimizer", {"class_name": "adam", "config": {"beta_1": np.float64(0.9)}}),
        ("learning_rate", np.float64(0.1)),
        ("batch_size", np.int32(64)),
        ("max_epochs", np.int64(5)),
        ("early_stopping", np.bool_(True)),
        ("n_iter_no_change", np.int64(24)),
        ("threshold", np.str_("tune")),
        ("calibration", np.str_("sigmoid")),
        ("warm_start", np.bool_(False)),
        ("random_state", np.int64(0)),
        ("verbose", np.int64(0)),
    ],
)
def test_values_of_numpy_are_those_of_python(parameter, value, quick, binary):
    """A search may draw them."""
    X, y = binary
    model = quick(**{parameter: value}).fit(X, y)
    assert_allclose(model.predict_proba(X), quick().fit(X, y).predict_proba(X))
    model.partial_fit(X, y)


def test_optimizer_that_json_cannot_hold(quick, binary):
    optimizer = {"class_name": "adam", "config": {"beta_1": np.mean}}
    with pytest.raises(ValueError, match="optimizer must be .* plain values"):
        quick(optimizer=optimizer).fit(*binary)


def test_unknown_parameter_names_the_known_ones(quick):
    with pytest.raises(ValueError, match="Valid parameters are.*'adaptation_rate'"):
        quick().set_params(adaptation_rte=0.1)


# ------------------------------------------------------------------------- bad data


@pytest.mark.parametrize("scale", [4e-310, 1e-320, 1.5e308])
def test_a_feature_that_float64_cannot_scale_is_named(scale, quick, binary):
    """Its range, or the inverse of this, overflows, so that it counts as constant."""
    X, y = binary
    narrow = X.copy()
    narrow[:, 2] = np.where(X[:, 2] > 0, scale, -scale)
    with pytest.warns(UserWarning, match="Column 2 counts as constant.* 1e308"):
        quick(max_epochs=1).fit(narrow, y)
    frame = pd.DataFrame(narrow, columns=list("abcdef"))
    frame.insert(0, "kind", "u")
    with pytest.warns(UserWarning, match="Column 'c' counts as constant"):
        quick(max_epochs=1).fit(frame, y)
    with pytest.warns(UserWarning, match="Column 'c' counts as constant"):
        quick().partial_fit(frame, y, classes=[0, 1])
    # What is constant, or can be scaled, is not worth a word.
    narrow[:, 2:4] = [scale, np.nan]
    narrow[:, 4] *= 1e-300
    quick(max_epochs=1).fit(narrow, y)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (np.where(X > 2, np.inf, X), y), "Input X contains infinity"),
        (lambda X, y: (X, np.zeros(len(y))), "at least two classes.*got one class"),
        (lambda X, y: (X, X[:, 0]), "Unknown label type"),
        (lambda X, y: (X[:-1], y), "inconsistent numbers of samples"),
        (lambda X, y: (X[:, 0], y), "Expected 2D array"),
        (lambda X, y: (X.astype("U9"), y), None),
        (
            lambda X, y: (np.full(X.shape, "red"), y),
            r"Column 0 holds texts \('red'\), and an array .*features=\[0\].*DataFrame",
        ),
        (lambda X, y: (X, None), "requires y to be passed"),
        *[
            (lambda X, y, spoil=spoil: (X, spoil(y)), "^y has 40 missing values: leave")
            for spoil in (
                lambda y: np.where(np.arange(len(y)) % 10, y, np.nan),
                lambda y: [label if i % 10 else None for i, label in enumerate(y)],
                lambda y: pd.Series(y, dtype="Int64").where(np.arange(len(y)) % 10 > 0),
                lambda y: pd.Series(y).map(str).where(np.arange(len(y)) % 10 > 0),
            )
        ],
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
    ],
)
def test_bad_data(spoil, message, quick, binary):
    X, y = spoil(*binary)
    if message is None:  # numbers written as text are numbers
        quick().fit(X, y)
        return
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (lambda n: -np.ones(n), "Negative values"),
        (lambda n: np.zeros(n), "weights.*zero"),
        (lambda n: np.ones(n - 1), "sample_weight.shape"),
        (lambda n: np.ones(n + 1), "sample_weight.shape"),
        (lambda n: np.full(n, np.nan), "NaN"),
    ],
)
def test_bad_weights(weight, message, quick, binary):
    X, y = binary
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y, sample_weight=weight(len(y)))


def test_every_validation_row_of_positive_weight_is_scored(quick, binary):
    """However small its weight is beside that of others."""
    X, y = binary
    weight = np.tile([0.0, 1e-3, 1.0, 1.0], len(X))[: len(X) - 300]
    n_scored = set()

    def scorer(estimator, X, y):
        n_scored.add(len(y))
        return 0.5

    model = quick(max_epochs=1, scoring=scorer)
    model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:], sample_weight_val=weight)
    assert n_scored == {np.count_nonzero(weight)}


def test_wrong_number_of_features(quick, binary):
    X, y = binary
    with pytest.raises(ValueError, match="X has 5 features, but .* is expecting 6"):
        quick().fit(X, y).predict(X[:, :5])


def test_not_fitted(quick, binary):
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(binary[0])
    with pytest.raises(NotFittedError):
        _ = quick().model_
    assert not hasattr(quick(), "model_")


# ------------------------------------------------------------ small, one-sided data


def test_fewer_rare_rows_than_folds(quick, binary):
    X, y = binary
    rows = np.r_[np.flatnonzero(y == 0)[:60], np.flatnonzero(y == 1)[:3]]
    with pytest.warns(UserWarning, match="using 3 folds instead of cv=5"):
        model = quick(cv=5).fit(X[rows], y[rows])
    assert not np.isnan(model.oof_proba_).any()


def test_one_rare_row(quick, binary):
    X, y = binary
    rows = np.r_[np.flatnonzero(y == 0)[:60], np.flatnonzero(y == 1)[:1]]
    with pytest.warns(UserWarning, match="nothing is held out"):
        model = quick().fit(X[rows], y[rows])
    assert model.n_iter_ == model.max_epochs


def test_one_sided_held_out_rows(quick, binary):
    X, y = binary
    order = np.argsort(y, kind="stable")
    frequent = np.arange(50)
    with pytest.warns(UserWarning, match="all belong to one class"):
        model = quick(cv=[(np.arange(50, 400), frequent)]).fit(X[order], y[order])
    assert not np.isnan(model.oof_proba_[frequent]).any()


# --------------------------------------------------------- errors leave no half-fit


@pytest.fixture
def interrupted(monkeypatch, program_class):
    """Ctrl-C in the third epoch."""
    train = program_class.train
    calls = []

    def stop(self, *args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return train(self, *args)

    monkeypatch.setattr(program_class, "train", stop)
    return calls


def test_interrupt_leaves_an_unfitted_estimator_unfitted(quick, binary, interrupted):
    X, y = binary
    model = quick()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert vars(model) == vars(quick())
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    assert model.predict(X).shape == y.shape


def test_interrupt_leaves_a_fitted_estimator_as_it_was(
    quick, binary, monkeypatch, program_class
):
    X, y = binary
    model = quick().fit(X, y)
    expected, state = model.predict_proba(X), dict(vars(model))
    with monkeypatch.context() as patch:
        patch.setattr(
            program_class,
            "train",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            model.fit(X[:, :3], y + 5)
    assert vars(model) == state
    assert_array_equal(model.predict_proba(X), expected)
    assert model.fit(X[:, :3], y + 5).n_features_in_ == 3


def test_error_leaves_a_fitted_estimator_as_it_was(quick, binary):
    X, y = binary
    model = quick().fit(pd.DataFrame(X, columns=list("abcdef")), y)
    state = dict(vars(model))
    with pytest.raises(ValueError):
        model.fit(X[:, :2], np.zeros(len(y)))
    assert vars(model) == state


# ----------------------------------------------------------- copies, output, report


@pytest.mark.parametrize("through", ["pickle", "joblib"])
def test_copies_predict_the_same_bits(quick, binary, through, tmp_path):
    X, y = binary
    model = quick().fit(X, y)
    if through == "pickle":
        copy = pickle.loads(pickle.dumps(model))
    else:
        joblib.dump(model, tmp_path / "model")
        copy = joblib.load(tmp_path / "model")
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.history_ == model.history_
    assert_allclose(
        copy.model_.predict(X, verbose=0), model.predict_proba(X), atol=2e-6
    )


def test_clone_is_unfitted_and_equal(quick, binary):
    model = quick(alpha=0.3, cv=0.25).fit(*binary)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(binary[0])
    assert repr(AdaptiveHybridClassifier(gamma=1.0)) == (
        "AdaptiveHybridClassifier(gamma=1.0)"
    )


def test_verbose_shows_epoch_score_and_mix(quick, binary, capsys):
    def rule(scores, weights, *others, **more):
        return np.array([0.5, 0.2, 0.3])

    model = quick(verbose=1, max_epochs=2, adaptation=rule).fit(*binary)
    shown = capsys.readouterr().out
    last = shown.rpartition("2/2")[2]
    for name, history in (
        ("loss", "loss"),
        ("score", "score"),
        ("cross_entropy", "weight_cross_entropy"),
        ("dice", "weight_dice"),
    ):
        value = float(re.search(rf" {name}: (\S+)", last)[1])
        assert value == pytest.approx(model.history_[history][-1], abs=1e-4)
    for part in ("2/2", "score:", "cross_entropy:", "focal:", "dice:"):
        assert part in shown
    quick(max_epochs=2).fit(*binary)
    assert capsys.readouterr().out == ""


def test_batch_larger_than_the_data(quick, binary):
    X, y = binary
    huge = quick(batch_size=10**9).fit(X, y).predict_proba(X)
    assert_allclose(quick(batch_size=400).fit(X, y).predict_proba(X), huge)


def test_divergence_in_the_last_step(quick, binary, monkeypatch, program_class):
    """The loss of a step is that before its update: the weights must be looked at."""
    weights = property(lambda self: np.full(3, np.nan))
    monkeypatch.setattr(program_class, "parameters", weights)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        quick().fit(*binary)


def test_members_start_apart(quick, binary):
    X, _ = binary
    model = quick(max_epochs=1, learning_rate=1e-12).fit(*binary)
    first, second = model._committee.kernels[0][:2]
    assert np.abs(first - second).max() > 0.1


def test_without_hidden_layers_features_add_up(quick, binary):
    """One network, one member: its logit is a sum of functions of one feature each."""
    X, y = binary
    parameters = {"hidden_layer_sizes": (), "cv": 0.3, "max_epochs": 11}
    model = quick(**parameters).fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 2 * y.mean()

    def interaction(model):
        """How much the effect of the first three features depends on the others."""
        here, there = X[:200], X[200:]
        mixed = np.hstack([here[:, :3], there[:, 3:]])
        other = np.hstack([there[:, :3], here[:, 3:]])
        value = model.decision_function
        return np.abs(value(here) + value(there) - value(mixed) - value(other)).max()

    assert interaction(model) < 1e-4
    assert interaction(quick(**parameters | {"hidden_layer_sizes": (8,)}).fit(X, y)) > 1
