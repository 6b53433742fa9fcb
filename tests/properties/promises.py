"""What holds after every call of the estimator, whatever it was given."""

import pickle
import re
import warnings
from collections import Counter

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from strategies import n_rows, take

from skadaptive import AdaptiveHybridClassifier

#: How many fits were made, those among them that ended in an error, and the errors.
fits: Counter = Counter()
errors: Counter = Counter()

# What an error may name beside the parameters of the estimator.
_NAMES = ["X", "y", "sample_weight", "classes", "class", "groups", "Column", "columns"]
_NAMES += ["inconsistent numbers of samples"]  # of X and y, by scikit-learn
_NAMES += [
    "features",
    "X_val",
    "y_val",
    "Sample weights",
    "drop_training_state",
    "labels",
]
_NAMED = re.compile(
    r"\b(" + "|".join([*_NAMES, *AdaptiveHybridClassifier().get_params()]) + r")\b"
)

# One row and many go through other kernels of the linear algebra in float32; the
# rounding of a hidden layer is 1e-7 of its largest value.
_ONE_ROW = 2e-4


def run(n_classes, data, parameters, calls):
    """Make an estimator, call it again and again, and check it after each call.

    Parameters
    ----------
    n_classes : int
    data : Data
    parameters : dict
    calls : list of (str, int)
    """
    estimator = AdaptiveHybridClassifier(**parameters)
    for name, number in calls:
        rng = np.random.default_rng(number)
        estimator = _call(estimator, name, data, rng) or estimator
        check(estimator, data.X)
        assert len(getattr(estimator, "classes_", ())) <= n_classes


def _call(estimator, name, data, rng):
    """Make one call; returns the estimator that takes the place of this one."""
    X, y, weight = data.X, data.y, data.sample_weight
    size = n_rows(X)
    if name in ("fit", "warm_start"):
        estimator.set_params(warm_start=name == "warm_start")
        _fit(estimator, "fit", X, y, weight)
    elif name == "partial_fit":
        part = data.rows(rng.permutation(size)[: rng.integers(1, size + 1)])
        classes = None if hasattr(estimator, "classes_") else np.unique(np.asarray(y))
        _fit(estimator, "partial_fit", part.X, part.y, classes, part.sample_weight)
    elif name == "validation":
        new = data.rows(rng.integers(0, size, 12))
        _fit(estimator, "fit", X, y, weight, X_val=new.X, y_val=new.y)
    elif name == "groups":
        _fit(estimator, "fit", X, y, weight, groups=rng.integers(0, 5, size))
    elif name == "set_params":
        defaults = AdaptiveHybridClassifier().get_params()
        names = [
            "gamma",
            "alpha",
            "loss_weights",
            "threshold",
            "calibration",
            "scoring",
        ]
        some = rng.choice(names, 2, replace=False)
        estimator.set_params(**{name: defaults[name] for name in some})
    elif name == "clone":
        return clone(estimator)
    elif name == "pickle":
        return pickle.loads(pickle.dumps(estimator))
    elif name == "drop" and hasattr(estimator, "_committee"):
        estimator.drop_training_state()
    elif name == "wrong":
        _call_wrongly(estimator, data, rng)
    return None


def _call_wrongly(estimator, data, rng):
    """Fit with a mistake that has to be refused."""
    size = n_rows(data.X)
    wrong_parameters = [
        {"gamma": -1.0},
        {"alpha": [0.5]},
        {"loss_weights": (0, 0, 0)},
        {"learning_rate": 0},
        {"learning_rate": np.inf},
        {"hidden_layer_sizes": (0,)},
        {"batch_size": 0},
        {"threshold": 1.0},
        {"class_weight": {"no such class": 1}},
        {"categorical_features": [99]},
        {"dropout": np.nan},
    ]
    wrong_weights = [np.zeros(size), np.full(size, np.nan), -np.ones(size), np.ones(3)]
    choice = rng.integers(len(wrong_parameters) + len(wrong_weights) + 1)
    if choice < len(wrong_parameters):
        before = estimator.get_params()
        estimator.set_params(**wrong_parameters[choice])
        done = _fit(estimator, "fit", data.X, data.y)
        estimator.set_params(**before)
    elif choice < len(wrong_parameters) + len(wrong_weights):
        weight = wrong_weights[choice - len(wrong_parameters)]
        done = _fit(estimator, "fit", data.X, data.y, weight)
    else:
        done = _fit(estimator, "fit", data.X, take(data.y, range(size - 1)))
    assert not done, f"mistake {choice} was not refused"


def _fit(estimator, method, *args, **kwargs):
    """Fit; an error names what is wrong, and leaves the estimator as it was.

    Returns
    -------
    bool
        Whether the estimator took the rows.
    """
    before = estimator.__dict__.copy()
    fits["all"] += 1
    try:
        with _warnings_of_users_alone():
            if estimator.sampler is not None:  # warns of what it computes itself
                warnings.filterwarnings("ignore", module=r"(imb|sk)learn|numpy")
            getattr(estimator, method)(*args, **kwargs)
    except (ValueError, TypeError) as error:
        message = str(error)
        fits["errors"] += 1
        errors[re.sub(r"[\d.]+(e[+-]?\d+)?", "#", message)[:150]] += 1
        if not _NAMED.search(message):
            raise AssertionError(f"the error names nothing: {message}") from error
        after = estimator.__dict__
        assert after.keys() == before.keys()
        assert all(after[name] is before[name] for name in before)
        return False
    return True


class _warnings_of_users_alone(warnings.catch_warnings):
    """Turns warnings into errors that are not about what the user gave."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)


def check(estimator, X):
    """Check predictions, and attributes of the fit."""
    if not hasattr(estimator, "_committee") and not estimator._gathered.n_rows:
        try:
            estimator.predict(X)
        except NotFittedError:
            return
        raise AssertionError("an unfitted estimator predicts")
    with _warnings_of_users_alone():
        _check_predictions(estimator, X)
        _check_attributes(estimator)


def _check_predictions(estimator, X):
    classes, size = estimator.classes_, n_rows(X)
    proba = estimator.predict_proba(X)
    assert proba.shape == (size, len(classes))
    assert np.isfinite(proba).all()
    assert proba.min() >= 0 and proba.max() <= 1
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert np.isfinite(estimator.predict_log_proba(X)).all()
    decision, labels = estimator.decision_function(X), estimator.predict(X)
    assert labels.dtype == classes.dtype and labels.shape == (size,)
    if len(classes) == 2:
        assert decision.shape == (size,)
        assert not np.isnan(decision).any()
        assert_array_equal(decision > 0, labels == classes[1])
    else:
        assert decision.shape == proba.shape
        assert_array_equal(labels, classes[decision.argmax(axis=1)])
    for row in (0, size - 1):
        assert_allclose(
            estimator.predict_proba(take(X, [row])), proba[[row]], atol=_ONE_ROW
        )
    again = pickle.loads(pickle.dumps(estimator))
    assert_array_equal(again.predict_proba(X), proba)


def _check_attributes(estimator):
    if not hasattr(estimator, "_committee"):
        return
    oof = estimator.oof_proba_
    assert oof.ndim == 2 and oof.shape[1] == len(estimator.classes_)
    known = ~np.isnan(oof[:, 0])
    assert np.isnan(oof[~known]).all()
    assert_allclose(oof[known].sum(axis=1), 1, rtol=1e-6)
    assert 0 <= estimator.threshold_ <= 1
    assert_allclose(estimator.loss_weights_.sum(), 1, rtol=1e-6)
    assert {len(values) for values in estimator.history_.values()} == {
        estimator.n_iter_
    }
    assert 1 <= estimator.best_epoch_ <= estimator.n_iter_
