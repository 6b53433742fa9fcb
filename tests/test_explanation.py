"""Explanations of data whose true effects are known, and of any classifier."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline as sampling_pipeline
from scipy.sparse import csr_array
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder
from sklearn.svm import LinearSVC

from skadaptive import explain

COEFFICIENTS = np.array([2.0, 1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def made():
    """Rows, labels, and a classifier that knows the true effects."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4))
    y = (rng.random(1000) < expit(X @ COEFFICIENTS - 3)).astype(int)
    model = LogisticRegression(C=1e3).fit(X[:500], y[:500])
    return X[500:], y[500:], model


@pytest.fixture(scope="module")
def mixed():
    """A frame with numbers, categories and missing values, labels and a pipeline."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "amount": rng.lognormal(size=300),
            "color": rng.choice(["red", "green", "blue"], 300),
            "age": rng.integers(20, 80, 300),
        }
    )
    odds = 2 * (frame["color"] == "red") + np.log(frame["amount"]) - 2
    y = np.where(rng.random(300) < expit(odds), "yes", "no")
    frame.loc[::9, "amount"] = np.nan
    frame.loc[::17, "color"] = None
    prepare = make_column_transformer(
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["color"]),
        remainder="passthrough",
    )
    model = make_pipeline(prepare, HistGradientBoostingClassifier(max_iter=20))
    return frame, y, model.fit(frame, y)


# --------------------------------------------------------------------------- importance


def test_the_order_of_the_effects_is_found(made):
    X, y, model = made
    table = explain(model, X, y, random_state=0).importances_
    assert table.index[:2].tolist() == ["x0", "x1"]
    assert (table["low"].iloc[:2] > 0).all()
    assert ((table["low"] <= 0) & (table["high"] >= 0)).iloc[2:].all()


@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc", "f1"])
def test_importances_agree_with_those_of_scikit_learn(made, scoring):
    X, y, model = made
    expected = permutation_importance(
        model, X, y, scoring=scoring, n_repeats=30, random_state=0
    ).importances_mean
    explanation = explain(
        model, X, y, scoring=scoring, n_repeats=20, random_state=1, max_correlation=None
    )
    table = explanation.importances_.loc[[f"x{i}" for i in range(4)]]
    error = 5 * table["std"] * np.sqrt(1 / 20 + 1 / 30)
    assert (np.abs(table["importance"] - expected) <= error + 1e-12).all()
    scorer = make_scorer(
        {"f1": f1_score}.get(scoring, average_precision_score),
        response_method="predict" if scoring == "f1" else "predict_proba",
    )
    if scoring != "roc_auc":
        assert explanation.score_ == pytest.approx(scorer(model, X, y))


def test_a_scorer_of_the_users_gets_the_same_score_as_its_name(made):
    X, y, model = made
    names = explain(model, X, y, scoring="f1", random_state=0).importances_
    own = explain(model, X, y, scoring=make_scorer(f1_score), random_state=0)
    pd.testing.assert_frame_equal(own.importances_, names)


def test_correlated_features_share_their_importance(made):
    """Alone, each of two copies seems to matter half as much."""
    X, y, _ = made
    rng = np.random.default_rng(0)
    X = np.column_stack([X, X[:, 0] + 0.1 * rng.normal(size=len(X))])
    model = RandomForestClassifier(50, random_state=0).fit(X[:250], y[:250])
    together = explain(model, X[250:], y[250:], random_state=0).importances_
    assert together.index[0] == "x0 + x4"
    assert together["features"].iloc[0] == ["x0", "x4"]
    alone = explain(
        model, X[250:], y[250:], random_state=0, max_correlation=None
    ).importances_
    assert alone["importance"].max() < together["importance"].iloc[0]


def test_groups_that_are_told_are_permuted_and_explained_together(mixed):
    frame, y, model = mixed
    explanation = explain(model, frame, y, feature_groups={"both": ["amount", "age"]})
    assert set(explanation.importances_.index) == {"both", "color"}
    assert list(explanation.contributions([0]).values_) == ["both", "color"]


def test_weights_of_rows_count_as_copies(made):
    """Intervals aside, which hold for different numbers of rows."""
    X, y, model = made
    weight = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    explanation = explain(model, X, y, sample_weight=weight)
    expected = average_precision_score(
        y, model.predict_proba(X)[:, 1], sample_weight=weight
    )
    assert explanation.score_ == pytest.approx(expected)


def test_a_drawn_sample_estimates_the_score_of_all_rows(made):
    X, y, model = made
    all_rows = explain(model, X, y, random_state=0)
    drawn = explain(model, X, y, max_samples=300, random_state=0)
    assert drawn.n_scored_ <= 300 < all_rows.n_scored_
    assert drawn.score_ == pytest.approx(all_rows.score_, abs=0.1)


@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc"])
def test_two_rows_of_a_class_are_enough_for_intervals(made, scoring):
    """They are in blocks of their own, so that no block leaves one class alone."""
    X, y, model = made
    for seed in range(15):
        rng = np.random.default_rng(seed)
        both = [np.flatnonzero(y == label) for label in (0, 1)]
        rows = np.r_[rng.choice(both[0], 30), rng.choice(both[1], 2)]
        rows = X[rows], y[rows]
        found = explain(model, *rows, scoring=scoring, n_repeats=1, random_state=seed)
        assert np.isfinite(found.importances_[["low", "high"]]).all(axis=None)


def test_it_repeats_with_a_seed(made):
    X, y, model = made
    first, second, other = (explain(model, X, y, random_state=s) for s in (0, 0, 1))
    pd.testing.assert_frame_equal(first.importances_, second.importances_)
    assert not first.importances_.equals(other.importances_)
    pd.testing.assert_frame_equal(
        first.contributions([3]).values_, second.contributions([3]).values_
    )


# ------------------------------------------------------ rows that trained the estimator


def wrapped(classifier, X, y, how):
    """The same classifier inside of what users put around it."""
    if how == "pipeline":
        return make_pipeline(MinMaxScaler(), classifier).fit(X, y)
    if how == "search":
        return GridSearchCV(classifier, {"gamma": [1.0]}, cv=2).fit(X, y)
    fitted = classifier.fit(X, y)
    if how == "threshold":
        fixed = FixedThresholdClassifier(FrozenEstimator(fitted), threshold=0.3)
        return fixed.fit(X, y)
    return fitted


@pytest.mark.parametrize("how", ["bare", "pipeline", "threshold", "search"])
def test_rows_of_the_fit_go_through_members_that_did_not_see_them(binary, quick, how):
    X, y = binary
    model = wrapped(quick(), X, y, how)
    *_, ours = (model[-1] if how == "pipeline" else model,)
    ours = getattr(ours, "best_estimator_", ours)
    ours = ours.estimator_.estimator if how == "threshold" else ours
    explanation = explain(model, X, y, random_state=0)
    assert explanation.rows_ == "out of fold"
    np.testing.assert_allclose(explanation.proba_, ours.oof_proba_[:, 1], atol=1e-6)
    expected = average_precision_score(y, ours.oof_proba_[:, 1])
    assert explanation.score_ == pytest.approx(expected, abs=1e-6)
    # Whatever a member says of rows that it trained on, nothing changes for the others.
    rows = np.flatnonzero(ours._seen_rows.members[:, 0] == 2)[:2]
    before = explanation.contributions(rows).values_
    importances = explanation.importances_
    ours._committee.biases[-1][2] += 50.0
    after = explain(model, X, y, random_state=0).contributions(rows).values_
    assert not np.allclose(before, after)
    others = np.flatnonzero(ours._seen_rows.members[:, 0] != 2)[:5]
    kept = explanation.proba_[others]
    np.testing.assert_array_equal(explain(model, X).proba_[others], kept)
    assert not explain(model, X, y, random_state=0).importances_.equals(importances)


def test_any_other_table_is_taken_as_new(binary, quick):
    X, y = binary
    model = quick().fit(X, y)
    for rows in (X[:-1], X[::-1], X + 1e-9):
        explanation = explain(model, rows)
        assert explanation.rows_ == "taken as new"
        np.testing.assert_allclose(
            explanation.proba_, model.predict_proba(rows)[:, 1], rtol=1e-12
        )


def test_an_estimator_that_changes_the_probabilities_is_taken_as_it_is(binary, quick):
    X, y = binary
    model = CalibratedClassifierCV(FrozenEstimator(quick().fit(X, y))).fit(X, y)
    explanation = explain(model, X)
    assert explanation.rows_ == "taken as new"
    np.testing.assert_array_equal(explanation.proba_, model.predict_proba(X)[:, 1])


def test_a_sampler_in_the_pipeline_has_no_part_in_predictions(binary, quick):
    X, y = binary
    steps = MinMaxScaler(), RandomOverSampler(random_state=0), quick()
    model = sampling_pipeline(*steps).fit(X, y)
    explanation = explain(model, X)
    assert explanation.rows_ == "taken as new"  # the members saw other rows
    np.testing.assert_allclose(explanation.proba_, model.predict_proba(X)[:, 1])


def test_a_dense_table_matches_the_sparse_one_of_the_fit(binary, quick):
    X, y = binary
    X = np.where(X > 0, X, 0.0)
    model = quick().fit(csr_array(X), y)
    explanation = explain(model, X)
    assert explanation.rows_ == "out of fold"
    np.testing.assert_allclose(explanation.proba_, model.oof_proba_[:, 1], atol=1e-6)


def test_an_estimator_without_its_training_state_is_explained(binary, quick):
    X, y = binary
    model = quick().fit(X, y)
    before = explain(model, X, y, random_state=0)
    after = explain(model.drop_training_state(), X, y, random_state=0)
    assert after.pos_label_ == before.pos_label_
    pd.testing.assert_frame_equal(after.importances_, before.importances_)


def test_only_rows_that_were_held_out_are_scored(binary, quick):
    X, y = binary
    explanation = explain(quick(cv=0.25).fit(X, y), X, y)
    assert explanation.rows_ == "out of fold"
    assert explanation.n_scored_ == 100


def test_a_fit_that_held_nothing_out_is_warned_of(binary, quick):
    X, y = binary
    model = quick(cv=None, threshold=None, calibration=None).fit(X, y)
    with pytest.warns(UserWarning, match="none of them were held out"):
        assert explain(model, X, y).rows_ == "trained on"


def test_permuted_values_stay_within_their_fold(binary, quick):
    """Values of other folds are those that the member has trained on."""
    from skadaptive._explanation.importance import ScoredTable
    from skadaptive._explanation.models import ExplainedModel

    X, y = binary
    model = ExplainedModel(quick().fit(X, y), X, y, None)
    scored = ScoredTable(model, None, np.arange(len(y)), y, np.ones(len(y)), None)
    order = scored.permutation(np.random.default_rng(0))
    assert sorted(order) == list(range(len(y))) and (order != np.arange(len(y))).any()
    np.testing.assert_array_equal(model.members[order], model.members)


# ------------------------------------------------------------------------ contributions


def log_odds(model, X):
    return logit(model.predict_proba(X)[:, 1])


def test_contributions_of_a_linear_model_are_known(made):
    """They are coefficient times distance from the mean of the background."""
    X, y, model = made
    contributions = explain(model, X, random_state=0).contributions(
        range(10), background=X[:100]
    )
    expected = model.coef_ * (X[:10] - X[:100].mean(axis=0))
    np.testing.assert_allclose(contributions.values_, expected, atol=1e-8)


def test_contributions_add_up(made, mixed, binary, multiclass, quick):
    X, y, _ = made
    cases = [
        (RandomForestClassifier(20, random_state=0).fit(X, y), X, None),
        (mixed[2], mixed[0], None),
        (quick().fit(*binary), binary[0], None),
        (quick().fit(*binary), binary[0][:50], None),
        (quick().fit(*multiclass), multiclass[0], 1),
        (quick().fit(*binary), binary[0], 0),
    ]
    for model, rows, label in cases:
        explanation = explain(model, rows, pos_label=label, random_state=0)
        background = rows[:60]
        contributions = explanation.contributions([0, 7, 31], background=background)
        total = contributions.values_.sum(axis=1)
        difference = contributions.log_odds_ - contributions.base_
        np.testing.assert_allclose(total, difference, atol=1e-6)
        proba = np.clip(explanation.proba_[[0, 7, 31]], 1e-6, 1 - 1e-6)
        np.testing.assert_allclose(contributions.log_odds_, logit(proba), atol=1e-6)
        if explanation.rows_ == "taken as new":
            proba = explain(model, background, pos_label=label).proba_
            base = logit(np.clip(proba, 1e-6, 1 - 1e-6)).mean()
            np.testing.assert_allclose(contributions.base_, base, atol=1e-6)


@pytest.mark.parametrize("n_background", [1, 7, 200, 450])
def test_contributions_add_up_for_any_size_of_the_background(made, n_background):
    X, _, model = made
    explanation = explain(model, X, random_state=0)
    contributions = explanation.contributions([1], background=X[:n_background])
    total = contributions.values_.sum(axis=1)
    difference = contributions.log_odds_ - contributions.base_
    np.testing.assert_allclose(total, difference, atol=1e-9)


def test_contributions_converge_to_those_of_all_orders(made):
    """Of two features that interact, each gets half of the interaction."""
    X, y, _ = made
    both = FunctionTransformer(lambda X: X[:, :1] * X[:, 1:2])
    model = make_pipeline(both, LogisticRegression()).fit(X, y)
    row, background = X[:1], X[1:2]
    (x0, x1), (b0, b1) = row[0, :2], background[0, :2]
    coefficient = model[-1].coef_[0, 0]
    expected = (
        coefficient / 2 * np.array([(x0 - b0) * (x1 + b1), (x1 - b1) * (x0 + b0)])
    )
    values = explain(model, X).contributions([0], background=background).values_
    np.testing.assert_allclose(values.iloc[0, :2], expected, atol=1e-9)
    np.testing.assert_array_equal(values.iloc[0, 2:], 0)


def test_what_is_said_of_a_row_does_not_depend_on_the_others(made):
    X, _, model = made
    explanation = explain(model, X, random_state=0)
    together = explanation.contributions([3, 4]).values_
    alone = explanation.contributions([4]).values_
    np.testing.assert_allclose(together.loc[[4]], alone, rtol=1e-12)


def test_memory_is_bounded_for_a_row_of_many_features():
    """All walks of one row would be a table of 240 MB."""
    n_features = 384
    X = np.random.default_rng(0).normal(size=(200, n_features))
    model = LogisticRegression(max_iter=20).fit(X, X[:, 0] > 1)
    explanation = explain(model, X)
    tracemalloc.start()
    explanation.contributions([0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6


def test_reasons_are_in_words_and_in_the_rows_of_a_frame(mixed):
    frame, _, model = mixed
    frame = frame.set_axis([f"row {i}" for i in range(len(frame))], axis=0)
    contributions = explain(model, frame, random_state=0).contributions(range(30))
    reasons = contributions.reasons(4)
    assert reasons.index.tolist() == frame.index[:30].tolist()
    assert reasons.columns.tolist() == [f"reason_{i}" for i in range(1, 5)]
    assert (reasons["reason_4"] == "").all()  # of three features
    assert reasons["reason_1"].str.contains(" the odds ").mean() > 0.8
    assert reasons.stack().str.contains("color missing|amount missing").any()
    assert reasons.stack().str.contains("color (?:red|green|blue) (?:rais|low)").any()
    greatest = contributions.values_.abs().max(axis=1)
    assert ((reasons["reason_1"] == "") == (np.exp(greatest) < 1.05)).all()


# ------------------------------------------------------------------------------ effects


def test_effects_agree_with_partial_dependence_of_scikit_learn(made):
    X, _, model = made
    effect = explain(model, X).effect("x0")
    assert len(X) == 500  # so that all rows are averaged
    expected = []
    for value in effect.table["value"]:
        changed = X.copy()
        changed[:, 0] = value
        expected.append(model.predict_proba(changed)[:, 1].mean())
    np.testing.assert_allclose(effect.table["probability"], expected, rtol=1e-12)
    theirs = partial_dependence(model, X, [0], kind="average", method="brute")
    interpolated = np.interp(
        theirs["grid_values"][0], effect.table["value"], effect.table["probability"]
    )
    np.testing.assert_allclose(interpolated, theirs["average"][0], atol=0.02)


def test_effects_of_categories_and_missing_values(mixed):
    frame, _, model = mixed
    explanation = explain(model, frame)
    effect = explanation.effect("color")
    assert not effect.is_ordered
    counts = frame["color"].value_counts()
    assert effect.table["value"].tolist()[:3] == counts.index.tolist()
    np.testing.assert_allclose(effect.table["share"][:3], counts / len(frame))
    assert effect.is_missing.tolist() == [False, False, False, True]
    assert effect.table["share"].sum() == pytest.approx(1)
    probability = effect.table.set_index("value")["probability"]
    assert probability["red"] > probability["green"]
    amount = explanation.effect("amount")
    assert amount.is_ordered and amount.is_missing[-1]
    assert amount.table["value"][:-1].is_monotonic_increasing
    assert len(amount.sample) == frame["amount"].notna().sum()
    assert len(explanation.effect("age").table) == 20


def test_the_effect_of_one_hot_columns_is_that_of_the_category(mixed):
    frame, y, _ = mixed
    encoded = pd.get_dummies(frame[["color", "age"]].fillna("none"), dtype=float)
    model = LogisticRegression(max_iter=1000).fit(encoded, y)
    explanation = explain(model, encoded, y)
    assert explanation.importances_.index[0] == "color"
    table = explanation.effect("color").table
    assert sorted(table["value"]) == sorted(encoded.columns[1:])
    assert table["share"].sum() == pytest.approx(1)


# --------------------------------------------------------------- classes and estimators


def test_the_class_is_the_rare_one_unless_it_is_told(mixed, multiclass, quick):
    frame, y, model = mixed
    assert explain(model, frame).pos_label_ == "yes"
    no = explain(model, frame, pos_label="no")
    np.testing.assert_allclose(no.proba_, model.predict_proba(frame)[:, 0])
    X, y = multiclass
    assert explain(quick().fit(X, y), X).pos_label_ == 2
    forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    assert explain(forest, X, y).pos_label_ == 2
    with pytest.raises(ValueError, match="3 classes.*pos_label=0, for example"):
        explain(forest, X)
    with pytest.raises(ValueError, match="pos_label=7 is none of the classes"):
        explain(forest, X, pos_label=7)


@pytest.mark.parametrize("scoring", ["f1", make_scorer(f1_score, average="macro")])
def test_scores_of_labels_with_more_than_two_classes(multiclass, quick, scoring):
    X, y = multiclass
    for model in (quick().fit(X, y), RandomForestClassifier(10).fit(X, y)):
        explanation = explain(model, X + 1e-9, y, scoring=scoring)
        predicted = model.predict(X + 1e-9)
        if scoring == "f1":
            expected = f1_score(y == 2, predicted == 2)
        else:
            expected = f1_score(y, predicted, average="macro")
        assert explanation.score_ == pytest.approx(expected)


def test_a_scorer_of_three_classes_gets_scores_of_each(multiclass):
    X, y = multiclass
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    widths = set()

    def scorer(estimator, X, y):
        scores = estimator.decision_function(X)
        widths.add(scores.shape[1:])
        return np.mean(scores.argmax(axis=1) == y)

    explanation = explain(model, X, y, scoring=scorer, random_state=0)
    assert explanation.score_ == pytest.approx(model.score(X, y))
    assert widths == {(3,)}


def test_every_step_before_the_network_prepares_the_rows(binary, quick):
    X, y = binary
    steps = (MinMaxScaler(), PCA(), MinMaxScaler())
    model = make_pipeline(*steps, quick(max_epochs=2)).fit(X, y)
    new = X[:20] + 1e-6  # rows that no member has held out
    found = explain(model, new, random_state=0).contributions(background=X[:60])
    proba = model.predict_proba(new)[:, 1]
    np.testing.assert_allclose(expit(found.log_odds_), proba, rtol=1e-5)


def test_decision_values_allow_the_importance_alone(made):
    X, y, _ = made
    explanation = explain(LinearSVC().fit(X, y), X, y, random_state=0)
    assert explanation.importances_.index[0] == "x0"
    for ask in (
        lambda: explanation.contributions([0]),
        lambda: explanation.effect(0),
        lambda: explanation.proba_,
    ):
        with pytest.raises(ValueError, match="LinearSVC.*CalibratedClassifierCV"):
            ask()
    other = explain(LinearSVC().fit(X, y), X, y, pos_label=0)
    decision = LinearSVC().fit(X, y).decision_function(X)
    expected = average_precision_score(y == 0, -decision)
    assert other.score_ == pytest.approx(expected)
    with pytest.raises(ValueError, match="scoring must be one of average_precision"):
        explain(LinearSVC().fit(X, y), X, y, scoring="neg_log_loss")


def test_probabilities_of_0_and_1_are_clipped(made):
    X, y, _ = made
    forest = RandomForestClassifier(3, random_state=0).fit(X, y)
    assert (forest.predict_proba(X)[:, 1] == 0).any()
    contributions = explain(forest, X).contributions()
    assert np.isfinite(contributions.values_).all(axis=None)
    assert contributions.log_odds_.min() == pytest.approx(logit(1e-6))


def test_without_labels_there_are_effects_and_contributions_alone(made):
    X, _, model = made
    explanation = explain(model, X)
    assert not hasattr(explanation, "importances_")
    assert "Without y" in repr(explanation)


def test_what_the_result_shows(made):
    X, y, model = made
    text = repr(explain(model, X, y, random_state=0))
    assert "Loss of average_precision" in text and "500 rows, taken as new" in text
    assert "x0" in repr(explain(model, X).contributions([0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": csr_array((500, 4))}, "sparse.*X.toarray"),
        ({"X": np.ones((0, 4))}, "at least one of each"),
        ({"y": np.ones(3)}, "X has 500, y has 3"),
        ({"y": np.full(500, 7)}, "not known: \\[7.*classes are \\[0, 1\\]"),
        ({"y": np.full(500, np.nan)}, "500 of 500 values of y are missing"),
        ({"y": np.arange(500) // 499}, "two rows of 1 and two .*; 1 and 499 are"),
        ({"max_samples": 2}, "two rows of 1 and two .*; 1 and 1 are"),
        ({"y": None, "sample_weight": np.ones(500)}, "sample_weight.*needs y"),
        ({"scoring": "recal"}, "such as \"average_precision\".*got 'recal'"),
        ({"n_repeats": 0}, "n_repeats must be a whole number from 1 on; got 0"),
        ({"max_samples": 1.5}, "max_samples must be a whole number"),
        ({"max_correlation": 2}, "max_correlation must be a number in"),
        ({"feature_groups": {"a": ["b"]}}, "X has no column 'b'"),
        ({"estimator": LinearRegression()}, "Pass a fitted classifier"),
        ({"estimator": LogisticRegression}, "the class LogisticRegression is none"),
    ],
)
def test_what_is_wrong_is_said(made, change, message):
    X, y, model = made
    arguments = {"estimator": model, "X": X, "y": y} | change
    with pytest.raises(ValueError, match=message):
        explain(**arguments)


def test_what_is_wrong_with_a_question_is_said(made):
    X, y, model = made
    explanation = explain(model, X)
    nothing = np.zeros(500, dtype=bool)
    for rows in ([500], [-1], [[0]], [], [0.5], nothing[:3], nothing):
        with pytest.raises(ValueError, match="row numbers from 0 to 499"):
            explanation.contributions(rows)
    with pytest.raises(ValueError, match="4 columns of X; got 3"):
        explanation.contributions([0], background=X[:, :3])
    for feature in ("x4", 4, -1, True):
        with pytest.raises(ValueError, match="no column.*Its columns: x0, x1"):
            explanation.effect(feature)
    with pytest.raises(ValueError, match="n_reasons must be a whole number"):
        explanation.contributions([0]).reasons(0)
    with pytest.raises(NotFittedError):
        explain(LogisticRegression(), X)


def test_a_classifier_without_odds_of_one_target_is_refused(made):
    X, y, _ = made
    with pytest.raises(ValueError, match="one class alone, 0"):
        explain(DummyClassifier().fit(X, np.zeros(500, int)), X)
    with pytest.raises(ValueError, match="several targets"):
        explain(RandomForestClassifier(2).fit(X, np.column_stack([y, y])), X)
