"""The only module that reaches into scikit-learn's private modules.

scikit-learn gives no public way to validate constructor parameters or to index any
container by row, so those names are imported here, once, and a test keeps every other
module away from names with an underscore. What takes a few lines is our own. When a
release of scikit-learn moves something, this is the file to mend.
"""

import inspect
from importlib.util import find_spec
from numbers import Real

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils import check_array
from sklearn.utils._openmp_helpers import (
    _openmp_effective_n_threads as effective_n_threads,
)
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)

from ._messages import shown

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing: callbacks came with scikit-learn 1.9."""


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "callback_context",
    "check_matplotlib_support",
    "check_partial_fit_first_call",
    "check_sample_weight",
    "classification_scorers",
    "effective_n_threads",
    "fit_context",
    "n_features_of",
    "n_samples_of",
    "safe_indexing",
    "takes_sample_weight",
    "tuned_class",
    "validate_parameter_constraints",
    "validate_params",
    "wants_groups",
]

# Modules of the metrics that are not for classifiers.
_OTHERS = {"_regression", "_supervised", "_unsupervised"}


def n_samples_of(X):
    """Number of rows of any container."""
    shape = getattr(X, "shape", None)
    if shape is None:
        return len(X)
    if not shape:
        raise TypeError(f"Expected an array or a sequence, got a single value: {X!r}.")
    return shape[0]


def n_features_of(X):
    """Number of columns of a table: an array, a frame or a list of rows."""
    shape = getattr(X, "shape", None)
    if shape is None:
        shape = np.shape(X)
    if len(shape) < 2:
        raise ValueError(
            f"X must have two dimensions, rows and features; got shape {tuple(shape)}."
        )
    return shape[1]


def check_sample_weight(sample_weight, X):
    """Sample weights as float64, one per row of X; 1 where none are given.

    Parameters
    ----------
    sample_weight : float, array-like of shape (n_samples,) or None
    X : array-like of shape (n_samples, ...)

    Returns
    -------
    ndarray of shape (n_samples,), float64

    Raises
    ------
    ValueError
        If they are not finite, non-negative numbers, one per row.
    """
    n_samples = n_samples_of(X)
    if sample_weight is None or isinstance(sample_weight, Real):
        value = 1.0 if sample_weight is None else sample_weight
        weight = np.full(n_samples, value, dtype=np.float64)
    else:
        weight = check_array(
            sample_weight,
            accept_sparse=False,
            ensure_2d=False,
            dtype=np.float64,
            order="C",
            input_name="sample_weight",
        )
    if weight.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {weight.ndim}D array."
        )
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight.shape == {weight.shape}, expected {(n_samples,)}!"
        )
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    return weight


def check_partial_fit_first_call(estimator, classes):
    """Set ``classes_`` at the first ``partial_fit`` and say whether this is it.

    Parameters
    ----------
    estimator : estimator
    classes : array-like of shape (n_classes,) or None

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If the first call lacks classes, or a later one names others.
    """
    known = getattr(estimator, "classes_", None)
    if known is None:
        if classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        estimator.classes_ = np.unique(np.asarray(classes))
        return True
    if classes is not None and not np.array_equal(known, np.unique(classes)):
        raise ValueError(
            f"`classes={shown(classes)}` is not the same as on last call to "
            f"partial_fit, was: {shown(known)}"
        )
    return False


def callback_context(estimator):
    """Begin to follow a fit for the callbacks of an estimator.

    ``fit_context`` tears the callbacks down when the fit ends, also by an error, as
    long as the estimator keeps its attributes.

    Parameters
    ----------
    estimator : estimator
        With :class:`CallbackSupportMixin` and ``fit_context``.

    Returns
    -------
    sklearn.callback.CallbackContext or None
        None without callbacks, and before scikit-learn 1.9.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        return None
    return estimator._init_callback_context(max_subtasks=None)


def check_matplotlib_support(caller):
    """Raise an ImportError that names the caller if Matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{caller} requires matplotlib. You can install matplotlib with "
            "`pip install matplotlib`"
        )


def classification_scorers():
    """Names of scikit-learn's scorers for classifiers with one label a row, in order.

    Only the module of its metric tells what a scorer is for: measures of regression and
    of clusters compute a number from class labels, too.

    Returns
    -------
    list of str
    """
    return [
        name
        for name in sorted(get_scorer_names())
        if get_scorer(name)._score_func.__module__.rpartition(".")[2] not in _OTHERS
        and not name.endswith("_samples")  # for several labels a row
    ]


def wants_groups(splitter):
    """Whether a splitter keeps groups together, and so needs them.

    Parameters
    ----------
    splitter : object with ``split``

    Returns
    -------
    bool
    """
    if not hasattr(splitter, "get_metadata_routing"):
        return False
    return splitter.get_metadata_routing().split.requests.get("groups") is True


def takes_sample_weight(scorer):
    """Whether the metric behind a scorer takes sample weights.

    Every scorer of scikit-learn accepts the keyword and hands it on, so only its metric
    tells.

    Parameters
    ----------
    scorer : callable
        ``scorer(estimator, X, y)``.

    Returns
    -------
    bool
    """
    metric = getattr(scorer, "_score_func", scorer)
    return "sample_weight" in inspect.signature(metric).parameters


def tuned_class(classifier):
    """The class whose threshold a fitted ``TunedThresholdClassifierCV`` has chosen.

    Its scorer says it, and no public attribute does.

    Parameters
    ----------
    classifier : TunedThresholdClassifierCV

    Returns
    -------
    label or None
        None stands for the second class.
    """
    return classifier._curve_scorer._get_pos_label()
