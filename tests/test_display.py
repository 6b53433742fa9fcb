"""The pictures: what is drawn is what is known, and who may be drawn."""

import matplotlib

matplotlib.use("Agg")  # before anything draws: there may be no screen

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import make_column_transformer  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.metrics import f1_score, precision_score, recall_score  # noqa: E402
from sklearn.model_selection import (  # noqa: E402
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    FunctionTransformer,
    OneHotEncoder,
    StandardScaler,
)
from sklearn.svm import LinearSVC  # noqa: E402

from skadaptive import (  # noqa: E402
    AdaptationDisplay,
    AdaptiveHybridClassifier,
    EffectDisplay,
    ImportanceDisplay,
    ThresholdDisplay,
    explain,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def fitted(quick, binary):
    return quick().fit(*binary)


def line_data(line):
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


# ------------------------------------------------------------------------- adaptation


def test_adaptation_draws_the_history(fitted):
    fitted.best_epoch_ = 2  # neither the first nor the last
    display = AdaptationDisplay.from_estimator(fitted, name="ours")
    terms = ("weight_cross_entropy", "weight_focal", "weight_dice")
    for line, term in zip(display.lines_, terms, strict=True):
        assert term.split("_")[1] in line.get_label().lower()
        x, y = line_data(line)
        np.testing.assert_array_equal(x, fitted.history_["epoch"])
        np.testing.assert_array_equal(y, fitted.history_[term])
    np.testing.assert_array_equal(
        line_data(display.score_line_)[1], fitted.history_["score"]
    )
    assert set(display.best_line_.get_xdata()) == {fitted.best_epoch_}
    assert display.ax_.get_title() == "ours"
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert len(shown) == 5 and any("f1" in text for text in shown)
    # Told apart without colour.
    styles = {line.get_linestyle() for line in display.lines_}
    assert len(styles) == 3


def test_adaptation_draws_where_it_is_told(fitted):
    figure, (left, right) = plt.subplots(1, 2)
    display = AdaptationDisplay.from_estimator(fitted, ax=right)
    assert display.ax_ is right and display.figure_ is figure and not left.lines
    again = display.plot(left, name="other")
    assert again is display and display.ax_ is left
    assert left.get_title() == "other" and len(left.lines) == len(right.lines)


def test_adaptation_finds_the_last_step(fitted, quick, binary):
    X, y = binary
    pipeline = make_pipeline(StandardScaler(), quick()).fit(X, y)
    display = AdaptationDisplay.from_estimator(pipeline)
    assert display.history is pipeline[-1].history_
    search = GridSearchCV(pipeline, {"adaptivehybridclassifier__gamma": [1.0]}, cv=2)
    with pytest.raises(NotFittedError):
        AdaptationDisplay.from_estimator(search)
    search.fit(X, y)
    display = AdaptationDisplay.from_estimator(search)
    assert display.history is search.best_estimator_[-1].history_


def test_adaptation_puts_a_score_beyond_shares_on_its_own_scale(quick, binary):
    model = quick(scoring="neg_log_loss").fit(*binary)
    display = AdaptationDisplay.from_estimator(model)
    assert display.score_ax_ is not display.ax_
    low, high = display.score_ax_.get_ylim()
    score = model.history_["score"]
    assert low < min(score) and max(score) < high
    assert display.score_line_ in display.score_ax_.lines


def test_adaptation_without_a_score(quick, binary):
    model = quick(cv=None, threshold=None, calibration=None).fit(*binary)
    display = AdaptationDisplay.from_estimator(model)
    assert display.score_line_ is None and len(display.lines_) == 3


def test_adaptation_refuses_others(quick, binary):
    with pytest.raises(NotFittedError):
        AdaptationDisplay.from_estimator(quick())
    with pytest.raises(NotFittedError):
        AdaptationDisplay.from_estimator(make_pipeline(StandardScaler(), quick()))
    for wrong in (LogisticRegression().fit(*binary), LogisticRegression(), None):
        with pytest.raises(TypeError, match="AdaptiveHybridClassifier"):
            AdaptationDisplay.from_estimator(wrong)
    with pytest.raises(TypeError, match="AdaptiveHybridClassifier"):
        AdaptationDisplay.from_estimator(AdaptiveHybridClassifier)


# -------------------------------------------------------------------------- threshold


@pytest.fixture
def predictions(rng):
    """Probabilities with ties, 12 % rare."""
    y = np.r_[np.ones(24, int), np.zeros(176, int)]
    proba = np.round(np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1), 2)
    return y, proba


def test_threshold_curves_are_the_metrics(predictions, rng):
    y, proba = predictions
    weight = rng.uniform(0.5, 2, len(y))
    display = ThresholdDisplay.from_predictions(y, proba, sample_weight=weight)
    assert (np.diff(display.thresholds) > 0).all()
    for i in range(0, len(display.thresholds), 7):
        labels = proba >= display.thresholds[i]
        for name, metric in (
            ("precision", precision_score),
            ("recall", recall_score),
            ("f1", f1_score),
        ):
            value = metric(y, labels, sample_weight=weight)
            assert getattr(display, name)[i] == pytest.approx(value)


def test_threshold_scores_at_one(predictions):
    """Rows above are rare, as everywhere in the package, also at a tie."""
    y, proba = predictions
    display = ThresholdDisplay.from_predictions(y, proba)
    for threshold in (0.0, 0.4, 0.405, np.sort(proba)[50]):
        labels = proba > threshold
        found = display.at(threshold)
        assert found["precision"] == pytest.approx(precision_score(y, labels))
        assert found["recall"] == pytest.approx(recall_score(y, labels))
        assert found["f1"] == pytest.approx(f1_score(y, labels))
    assert display.at(1.0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_threshold_marks_what_is_drawn(predictions):
    """The marks lie on the lines; nothing is marked that is not asked for."""
    y, proba = predictions
    display = ThresholdDisplay.from_predictions(y, proba, threshold=0.437, name="it")
    assert set(display.threshold_line_.get_xdata()) == {0.437}
    marks = [line for line in display.ax_.lines if line.get_marker() == "o"]
    assert len(marks) == 3
    for mark, line in zip(marks, display.lines_, strict=True):
        x, heights = line_data(line)
        assert line.get_drawstyle() == "steps-pre"
        on_line = heights[np.searchsorted(x, 0.437)]
        assert mark.get_ydata()[0] == pytest.approx(on_line)
        assert f"{on_line:.2f}" in line.get_label()
    assert display.ax_.get_title() == "it"
    assert len({line.get_linestyle() for line in display.lines_}) == 3
    plain = ThresholdDisplay.from_predictions(y, proba)
    assert plain.threshold_line_ is None
    assert not [line for line in plain.ax_.lines if line.get_marker() == "o"]


def test_threshold_weights_are_repeated_rows(predictions, rng):
    y, proba = predictions
    counts = rng.integers(0, 3, len(y))
    counts[:3] = 1
    weighted = ThresholdDisplay.from_predictions(y, proba, sample_weight=counts)
    repeated = ThresholdDisplay.from_predictions(
        np.repeat(y, counts), np.repeat(proba, counts)
    )
    for name in ("thresholds", "precision", "recall", "f1"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name))


def test_threshold_finds_the_rare_label(predictions):
    y, proba = predictions
    text = np.where(y == 1, "a fraud", "honest")  # rare, and first in order
    display = ThresholdDisplay.from_predictions(text, proba)
    assert display.pos_label == "a fraud" and "a fraud" in display.ax_.get_xlabel()
    np.testing.assert_array_equal(
        display.recall, ThresholdDisplay.from_predictions(y, proba).recall
    )
    other = ThresholdDisplay.from_predictions(text, 1 - proba, pos_label="honest")
    assert other.pos_label == "honest" and other.precision[0] == pytest.approx(0.88)


@pytest.mark.parametrize("flip", [False, True])
def test_threshold_of_the_estimator(quick, binary, flip):
    """Marked is the threshold that predict follows, whichever class is rare."""
    X, y = binary
    y = 1 - y if flip else y
    model = make_pipeline(StandardScaler(), quick(threshold=0.3)).fit(X, y)
    display = ThresholdDisplay.from_estimator(model, X, y)
    assert display.threshold == pytest.approx(0.3)
    assert display.pos_label == 1 - flip
    found = display.at(display.threshold)
    rare = model.predict(X) == display.pos_label
    assert found["recall"] == pytest.approx(recall_score(y == 1 - flip, rare))
    assert found["precision"] == pytest.approx(precision_score(y == 1 - flip, rare))
    assert display.ax_.get_title() == "AdaptiveHybridClassifier"
    common = ThresholdDisplay.from_estimator(model, X, y, pos_label=int(flip))
    assert common.threshold == pytest.approx(0.7)


def test_threshold_of_other_estimators(binary):
    X, y = binary
    inner = LogisticRegression()
    fixed = FixedThresholdClassifier(
        inner, threshold=0.2, response_method="predict_proba"
    ).fit(X, y)
    assert ThresholdDisplay.from_estimator(fixed, X, y).threshold == 0.2
    tuned = TunedThresholdClassifierCV(inner, scoring="f1", cv=3).fit(X, y)
    display = ThresholdDisplay.from_estimator(tuned, X, y)
    assert display.threshold == pytest.approx(tuned.best_threshold_)
    inner.fit(X, y)
    assert ThresholdDisplay.from_estimator(inner, X, y).threshold == 0.5
    none = ThresholdDisplay.from_estimator(inner, X, y, threshold=None)
    assert none.threshold is None
    given = ThresholdDisplay.from_estimator(inner, X, y, threshold=0.25, name="mine")
    assert given.threshold == 0.25 and given.ax_.get_title() == "mine"


def test_no_threshold_where_predict_follows_none(binary):
    class Contrary(LogisticRegression):
        def predict(self, X):
            return self.classes_[(self.predict_proba(X)[:, 1] < 0.5).astype(int)]

    model = Contrary().fit(*binary)
    assert ThresholdDisplay.from_estimator(model, *binary).threshold is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(y_proba=[0.1, 0.2]), "y_true has 3, y_proba has 2"),
        (dict(y_proba=[0.1, 0.2, 1.2]), r"in \[0, 1\]"),
        (dict(y_proba=[0.1, 0.2, np.nan]), r"in \[0, 1\]"),
        (dict(y_proba=np.ones((3, 2))), "1-D"),
        (dict(y_true=[1, 1, 1]), "two classes .* has 1: 1"),
        (dict(y_true=[0, 1, 2]), "two classes .* has 3: 0, 1, 2"),
        (dict(sample_weight=[1, 1, 0]), "two classes .* has 1: 0"),
        (dict(sample_weight=[1, 1, -1]), "non-negative"),
        (dict(sample_weight=[1, 1]), "sample_weight has 2"),
        (dict(threshold=1.5), "got 1.5"),
        (dict(threshold="auto"), "got 'auto'"),
        (dict(pos_label="x"), "pos_label='x' is none of the classes, 0, 1"),
    ],
)
def test_threshold_refuses(arguments, message):
    given = {"y_true": [0, 0, 1], "y_proba": [0.1, 0.2, 0.3], **arguments}
    with pytest.raises(ValueError, match=message):
        ThresholdDisplay.from_predictions(
            given.pop("y_true"), given.pop("y_proba"), **given
        )


def test_threshold_refuses_estimators(binary, multiclass):
    X, y = binary
    with pytest.raises(ValueError, match=r"LinearRegression\(\) is none"):
        ThresholdDisplay.from_estimator(LinearRegression().fit(X, y), X, y)
    with pytest.raises(NotFittedError):
        ThresholdDisplay.from_estimator(LogisticRegression(), X, y)
    with pytest.raises(ValueError, match="two classes .* has 3"):
        model = LogisticRegression().fit(*multiclass)
        ThresholdDisplay.from_estimator(model, *multiclass)
    with pytest.raises(ValueError, match="no predict_proba"):
        ThresholdDisplay.from_estimator(LinearSVC().fit(X, y), X, y)
    wrapped = CalibratedClassifierCV(LinearSVC(), cv=3).fit(X, y)
    with pytest.raises(ValueError, match="got 'tune'"):
        ThresholdDisplay.from_estimator(wrapped, X, y, threshold="tune")
    assert ThresholdDisplay.from_estimator(wrapped, X, y).threshold == 0.5


# ---------------------------------------------------------------- importance and effect


@pytest.fixture(scope="module")
def explained():
    """An explanation of a classifier of one number, one category and one constant."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "amount": rng.normal(size=300),
            "color": rng.choice(["red", "green"], 300),
            "same": 1.0,
        }
    )
    y = (frame["amount"] + (frame["color"] == "red") > 1).to_numpy().astype(int)
    frame.loc[::10, ["amount", "color"]] = None
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["color"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, HistGradientBoostingClassifier(max_iter=20))
    return explain(model.fit(frame, y), frame, y, random_state=0)


def test_importance_draws_the_intervals_in_their_order(explained):
    display = ImportanceDisplay.from_explanation(explained, name="trees")
    table = explained.importances_
    points, _, (bars,) = display.errorbar_
    x, y = line_data(points)
    np.testing.assert_array_equal(x, table["importance"][::-1])
    np.testing.assert_array_equal(y, range(3))
    ends = np.array([segment[:, 0] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, table[["low", "high"]].to_numpy()[::-1])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == table.index[::-1].tolist()
    assert display.ax_.get_title() == "trees"
    assert "average_precision" in display.ax_.get_xlabel()


def test_importance_of_the_most_important_groups_alone(explained):
    display = ImportanceDisplay.from_explanation(explained, max_groups=2)
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == explained.importances_.index[:2][::-1].tolist()
    assert "1 less important not shown" in display.ax_.get_xlabel()


def test_importance_of_an_estimator(binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    _, ax = plt.subplots()
    display = ImportanceDisplay.from_estimator(
        model, X, y, scoring="roc_auc", random_state=0, ax=ax
    )
    assert display.ax_ is ax and display.score_name == "roc_auc"
    assert ax.get_title() == "LogisticRegression"
    with pytest.raises(ValueError, match="without labels: pass y"):
        ImportanceDisplay.from_explanation(explain(model, X))


def test_effect_of_a_number_with_its_distribution(explained):
    display = EffectDisplay.from_explanation(explained, "amount", name="trees")
    table = display.effect.table
    x, y = line_data(display.line_)
    np.testing.assert_array_equal(x, table["value"][:-1])
    np.testing.assert_array_equal(y, table["probability"][:-1])
    assert set(display.missing_line_.get_ydata()) == {table["probability"].iloc[-1]}
    assert "10.0% of the rows" in display.missing_line_.get_label()
    heights = [bar.get_height() for bar in display.distribution_ax_.patches]
    inside = (display.effect.sample >= x.min()) & (display.effect.sample <= x.max())
    assert sum(heights) == inside.sum()
    # The distribution stays below the axis of the probability.
    assert display.ax_.get_ylim()[0] < 0 and min(display.ax_.get_yticks()) == 0
    assert max(heights) <= 0.21 * display.distribution_ax_.get_ylim()[1]


def test_effect_of_a_category_with_the_missing_one(explained):
    display = EffectDisplay.from_explanation(explained, "color")
    assert display.missing_line_ is None
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert sorted(labels) == ["green", "missing", "red"]
    shares = [bar.get_height() for bar in display.distribution_ax_.patches]
    np.testing.assert_allclose(shares, display.effect.table["share"])


def test_effect_of_an_estimator(binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    display = EffectDisplay.from_estimator(model, X, 2, pos_label=0)
    assert display.effect.feature == "x2" and display.ax_.get_xlabel() == "x2"
    assert "probability of 0" in display.ax_.get_ylabel()
    assert EffectDisplay.from_explanation(explain(model, X), "x1").line_ is not None


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_effect_of_dates(zone):
    days = pd.date_range("2020-01-01", periods=200)
    frame = pd.DataFrame({"opened": days.tz_localize(zone)})
    number = FunctionTransformer(lambda X: X.apply(lambda dates: dates.dt.day_of_year))
    model = make_pipeline(number, LogisticRegression()).fit(frame, days.month > 5)
    display = EffectDisplay.from_estimator(model, frame, "opened")
    x = pd.DatetimeIndex(display.line_.get_xdata())
    assert x.isin(days).all() and len(x) == 20
    assert (np.diff(display.line_.get_ydata()) >= 0).all()
    heights = [bar.get_height() for bar in display.distribution_ax_.patches]
    assert sum(heights) == days.isin(pd.date_range(x[0], x[-1])).sum()


def test_effect_of_a_constant(explained):
    display = EffectDisplay.from_explanation(explained, "same")
    assert len(line_data(display.line_)[0]) == 1
