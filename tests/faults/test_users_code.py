"""Code of the user's that raises, or returns what makes no sense, inside of a fit."""

from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression

from skadaptive import adaptation, compare, evaluate, explain
from skadaptive._committee.scoring import OutOfFoldScorer
from skadaptive.thresholds import f1


class Mine(Exception):
    """Known to nobody else."""


class MineOfValue(ValueError):
    """Known to nobody else, but a ValueError."""


ERRORS = (Mine, MineOfValue, ValueError, TypeError, KeyError, MemoryError, SystemExit)

#: What is no number, no weights, no scores, no rows, and no splits.
NONSENSE = {
    "None": None,
    "NaN": np.nan,
    "infinity": np.inf,
    "a text": "0.5",
    "a list of one": [0.5],
    "an array": np.array([1.0, 2.0]),
    "a dict": {},
    "complex": 1j,
    "an object": object(),
    "too deep": [[1.0], [1.0, 2.0]],
}


class Sampler(BaseEstimator):
    """Returns what a function makes of the rows."""

    def __init__(self, make):
        self.make = make

    def fit_resample(self, X, y):
        return self.make(X, y)


class Splitter:
    """Returns what a function makes of the rows."""

    def __init__(self, make):
        self.make = make

    def get_n_splits(self, *args):
        return 2

    def split(self, X, y, groups=None):
        return self.make(X, y)


#: How a function becomes a value of each parameter that takes the user's code.
AS_PARAMETER = {
    "scoring": lambda function: function,
    "adaptation": lambda function: function,
    "threshold": lambda function: function,
    "sampler": Sampler,
    "cv": Splitter,
}


# Code that runs between epochs. Its error drops the compiled program, and the next fit
# takes a second to compile; so most of these tests call what calls the code.
WHILE_TRAINING = {"scoring", "adaptation"}


@contextmanager
def left_as_it_was(model, X):
    """Check that an estimator is the same after the block."""
    before, expected = dict(vars(model)), model.predict_proba(X)
    yield
    after = vars(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert_array_equal(model.predict_proba(X), expected)


@pytest.fixture
def model(quick, binary):
    return quick(max_epochs=1).fit(*binary)


@pytest.mark.parametrize("parameter", AS_PARAMETER)
def test_errors_of_the_user_come_through(model, binary, parameter):
    X, y = binary
    for kind in ERRORS if parameter not in WHILE_TRAINING else (MineOfValue, TypeError):
        told = kind("my own words")

        def fails(*args, error=told):
            raise error

        model.set_params(**{parameter: AS_PARAMETER[parameter](fails)})
        with left_as_it_was(model, X), pytest.raises(kind) as caught:
            model.fit(X, y)
        assert caught.value is told and "my own words" in str(told)


@pytest.mark.parametrize("parameter", AS_PARAMETER)
def test_nonsense_is_an_error_that_names_who_returned_it(model, binary, parameter):
    X, y = binary
    names = NONSENSE if parameter not in WHILE_TRAINING else ["None"]
    for value in map(NONSENSE.get, names):
        code = AS_PARAMETER[parameter](lambda *args, value=value: value)
        model.set_params(**{parameter: code})
        with left_as_it_was(model, X), pytest.raises(ValueError) as caught:
            model.fit(X, y)
        # Splits that are there, but are none, are named by the parameter alone.
        assert (
            parameter in str(caught.value)
            and "must" in str(caught.value)
            or (parameter == "cv" and "cv holds no split" in str(caught.value))
        )


@pytest.mark.parametrize("name", NONSENSE)
def test_no_score_and_no_weights(name):
    def returns(*args):
        return NONSENSE[name]

    y, start = np.array([0, 0, 1]), np.array([0.4, 0.4, 0.2])
    scorer = OutOfFoldScorer(returns, np.zeros((3, 1)), y, np.array([0, 1]), 1)
    with pytest.raises(ValueError, match="scoring=.*returned .* for 3 out-of-fold"):
        scorer.score(np.zeros((3, 1)))
    with pytest.raises(ValueError, match="must return three.*adaptation=.* returned"):
        adaptation.next_weights(returns, [0.5], start, start, 0.1)


def labels(change):
    """A sampler that changes the labels alone."""
    return lambda X, y: (X, change(y))


SAMPLERS = {
    "drops a class": (lambda X, y: (X[y == 0], y[y == 0]), "leaves 1 of 2 classes"),
    "one row": (lambda X, y: (X[:1], y[:1]), "leaves 1 of 2 classes"),
    "no row": (lambda X, y: (X[:0], y[:0]), "leaves 0 of 2 classes"),
    "three values": (lambda X, y: (X, y, y), "must return a pair"),
    "swapped": (lambda X, y: (y, X), " the 6 columns of X; got shapes"),
    "new columns": (lambda X, y: (np.c_[X, X], y), r"got shapes \(266, 12\)"),
    "fewer columns": (lambda X, y: (X[:, :2], y), r"got shapes \(266, 2\)"),
    "fewer labels": (lambda X, y: (X, y[:-3]), r"got shapes \(266, 6\) and \(263,\)"),
    "fewer rows": (lambda X, y: (X[:-3], y), r"got shapes \(263, 6\) and \(266,\)"),
    "columns of labels": (labels(lambda y: np.c_[y, y]), "got shapes"),
    "unknown labels": (labels(lambda y: y + 5), r"one of \[0, 1\]; got \[5, 6\]"),
    "halved labels": (labels(lambda y: y / 2), r"one of \[0, 1\]; got \[0.5\]"),
    "text labels": (labels(lambda y: y.astype(str)), r"got \['0', '1'\]"),
    "missing labels": (labels(lambda y: np.where(y, np.nan, y)), r"got \[nan\]"),
    "no labels": (labels(lambda y: [None] * len(y)), r"got \[None\]"),
    "missing values": (lambda X, y: (X * np.nan, y), "NaN.*6 columns"),
    "infinite values": (lambda X, y: (X * np.inf, y), "cannot be used.*infinity"),
    "texts": (lambda X, y: (np.full(X.shape, "a"), y), "cannot be used.*numbers"),
}


@pytest.mark.parametrize("case", SAMPLERS)
def test_samplers_that_make_no_rows(model, binary, case):
    X, y = binary
    make, words = SAMPLERS[case]
    model.set_params(sampler=Sampler(make))
    with (
        left_as_it_was(model, X),
        pytest.raises(ValueError, match=f"(?s)sampler=Sampler.*{words}"),
    ):
        model.fit(X, y)


def test_a_sampler_may_keep_missing_values_and_write_labels_in_another_type(
    quick, binary
):
    X, y = binary
    X = np.where(np.arange(len(X))[:, None] % 7 == 0, np.nan, X)
    X[:, 1:] = binary[0][:, 1:]
    same = quick(max_epochs=1, sampler=Sampler(lambda X, y: (X, y)))
    other = clone(same).set_params(sampler=Sampler(labels(lambda y: y.astype(float))))
    assert_array_equal(
        same.fit(X, y).predict_proba(X), other.fit(X, y).predict_proba(X)
    )


CRITERIA = {
    "too few": lambda tp, *rest: tp[..., :3],
    "too many": lambda tp, *rest: np.concatenate([tp, tp], axis=-1),
    "one number": lambda tp, *rest: tp.sum(),
    "NaN": lambda tp, *rest: np.where(tp < tp.max(), np.nan, tp),
    "infinite": lambda tp, *rest: np.where(tp < tp.max(), np.inf, tp),
    "nothing allowed": lambda tp, *rest: np.full(tp.shape, -np.inf),
    "texts": lambda tp, *rest: tp.astype(str),
    "complex": lambda tp, *rest: tp * 1j,
    "always four": lambda tp, *rest: np.arange(4.0),
}


@pytest.mark.parametrize("calibration", ["sigmoid", None])
@pytest.mark.parametrize("case", CRITERIA)
def test_criteria_that_give_no_scores(model, binary, case, calibration):
    X, y = binary
    model.set_params(threshold=CRITERIA[case], calibration=calibration)
    with (
        left_as_it_was(model, X),
        pytest.raises(ValueError, match="threshold=.*(for each of|of their shape)"),
    ):
        model.fit(X, y)


@pytest.mark.parametrize("calibration", ["sigmoid", None])
def test_a_criterion_may_forbid_thresholds(quick, binary, calibration):
    """By -inf, as NumPy users write a constraint."""

    def recall_first(tp, fp, fn, tn):
        return np.where(tp >= 0.9 * (tp + fn), -fp, -np.inf)

    X, y = binary
    chosen = {}
    for name, criterion in {"f1": f1, "recall": recall_first}.items():
        model = quick(threshold=criterion, calibration=calibration).fit(X, y)
        is_rare = model.oof_proba_[:, 1] > model.threshold_
        chosen[name] = is_rare[y == 1].mean()
    assert chosen["recall"] > chosen["f1"] and chosen["recall"] >= 0.75


def test_weights_of_any_size_make_a_rule():
    """Their sum is beyond float64; a warning would be an error here."""
    start = np.array([0.4, 0.4, 0.2])
    shares = np.array([1, 1 / 3, 2 / 3])
    found = [
        adaptation.next_weights(lambda *args, w=w: w, [0.5], start, start, 0.1)
        for w in (1.5e308 * shares, shares)
    ]
    assert_allclose(*found)
    assert found[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("parts", [([], []), (slice(None), [])])
def test_splits_that_hold_nothing_out(model, binary, parts):
    X, y = binary
    rows = np.arange(len(y))
    folds = [tuple(rows[part] for part in parts)]
    model.set_params(cv=folds)
    with left_as_it_was(model, X), pytest.raises(ValueError, match="split.* of cv"):
        model.fit(X, y)


# -------------------------------------------------------------- other uses of a model


class Odd(ClassifierMixin, BaseEstimator):
    """Returns what functions make of sound probabilities and labels."""

    def __init__(self, proba=None, labels=None):
        self.proba = proba
        self.labels = labels

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        proba = np.tile([0.8, 0.2], (len(X), 1))
        return self.proba(proba) if self.proba else proba

    def predict(self, X):
        labels = np.zeros(len(X), int)
        return self.labels(labels) if self.labels else labels


PROBABILITIES = {
    "None": lambda proba: None,
    "one column": lambda proba: proba[:, 1],
    "three columns": lambda proba: np.c_[proba, proba[:, :1]],
    "fewer rows": lambda proba: proba[:-3],
    "texts": lambda proba: proba.astype(str),
    "beyond 1": lambda proba: proba * 5,
    "below 0": lambda proba: -proba,
    "NaN": lambda proba: np.where(np.arange(len(proba))[:, None] % 9, proba, np.nan),
    "infinity": lambda proba: proba * np.inf,
}


@pytest.mark.parametrize("case", PROBABILITIES)
def test_what_predict_proba_cannot_be_is_refused(binary, case):
    X, y = binary
    odd = Odd(PROBABILITIES[case])
    words = "not finite" if case in ("NaN", "infinity") else "predict_proba of Odd must"
    for use in (evaluate, explain):
        with pytest.raises(ValueError, match=words):
            use(odd.fit(X, y), X, y, random_state=0)
    contenders = {"odd": odd, "sound": LogisticRegression()}
    with pytest.warns(UserWarning, match=f"odd failed.*{words}"):
        found = compare(X, y, contenders=contenders, cv=2, random_state=0, verbose=0)
    assert found.table.index.tolist() == ["sound"]


@pytest.mark.parametrize("labels", [lambda y: None, lambda y: y[:-3], lambda y: [y, y]])
def test_what_predict_cannot_be_is_refused(binary, labels):
    X, y = binary
    with pytest.raises(ValueError, match="predict of Odd must return a label for each"):
        evaluate(Odd(labels=labels).fit(X, y), X, y, random_state=0)


@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_score_names_the_scorer(binary, name):
    def scorer(*args):
        return NONSENSE[name]

    X, y = binary
    model = LogisticRegression().fit(X, y)
    with pytest.raises(
        ValueError, match="scoring=.*scorer.* returned .* rows; it must"
    ):
        explain(model, X, y, scoring=scorer, random_state=0)
    with (
        pytest.warns(UserWarning, match="it failed"),
        pytest.raises(
            ValueError, match="scoring=.*scorer.* returned .* rows of a fold"
        ),
    ):
        compare(X, y, contenders={"it": model}, scoring=scorer, cv=2, verbose=0)


def test_errors_of_a_scorer_come_through_an_explanation(binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    for kind in ERRORS:
        told = kind("my own words")

        def fails(*args, error=told):
            raise error

        with pytest.raises(kind) as caught:
            explain(model, X, y, scoring=fails, random_state=0)
        assert caught.value is told
