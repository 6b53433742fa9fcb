"""Resampling of the training rows, and of nothing else.

A sampler in front of a classifier resamples before the classifier splits. The held-out
rows are then synthetic, or neighbours of synthetic ones. Here every committee member
has its own sampler, which sees the training rows of that member alone. Held-out rows
keep their natural class shares.
"""

import numpy as np
import pandas as pd
from sklearn.base import clone

from .._features.sparse import missing_columns, same_values
from .._features.values import as_pandas, is_polars, needs_conversion
from .._messages import shown
from .._sklearn_compat import safe_indexing


def resample(sampler, X, rows, classes, seed, as_numbers):
    """Resample the training rows of each fold.

    Parameters
    ----------
    sampler : imbalanced-learn sampler
        Cloned for every fold, with seeds of its own: for itself and for every sampler
        and estimator inside.
    X : array-like or DataFrame of shape (n_samples, n_features)
        The rows as the user gave them, for the sampler.
    rows : TrainingRows
        The same rows as numbers; validation rows may follow. Training rows that are all
        of one class, as in a chunk of a stream, are not resampled.
    classes : ndarray of shape (n_classes,)
        The labels themselves, which a sampler may know.
    seed : int
    as_numbers : callable
        Turns rows like those of X into numbers.

    Returns
    -------
    synthetic : list of (ndarray, ndarray)
        Rows to append, in this order, and their class indices.
    folds : list of (train, test)
        ``train`` may name appended rows, and rows more than once.

    Raises
    ------
    ValueError
        If the sampler leaves a class out, or returns something other than rows with the
        columns of X and their labels. An error that it raises keeps its type.
    """
    if is_polars(X):  # which imbalanced-learn does not know
        X = as_pandas(X)
    rng = np.random.RandomState(seed)
    synthetic, folds, n_rows = [], [], len(rows)
    for train, test in rows.folds:
        n_classes = len(np.unique(rows.y[train]))
        if n_classes < 2:
            folds.append((train, test))
            continue
        clone_ = clone(sampler)
        _set_seeds(clone_, rng)
        new_X, new_y = _resampled(
            clone_,
            safe_indexing(X, train),
            rows.X[train],
            classes[rows.y[train]],
            classes,
        )
        n_left = len(np.unique(new_y))
        if n_left < n_classes:
            raise ValueError(
                f"sampler={sampler!r} leaves {n_left} of {n_classes} classes to train "
                "on. Choose another sampling_strategy, or sampler=None."
            )
        new_X = _numbers(sampler, new_X, as_numbers, rows.X[train])
        picked = getattr(clone_, "sample_indices_", None)
        # Smoothed over-sampling reports the rows that it started from, but moves them.
        if picked is not None and same_values(new_X, rows.X[train[picked]]):
            folds.append((train[picked], test))
        else:
            synthetic.append((new_X, new_y))
            folds.append((np.arange(n_rows, n_rows + len(new_y)), test))
            n_rows += len(new_y)
    return synthetic, folds


def _resampled(sampler, X, numbers, y, classes):
    """What the sampler makes of rows, the labels as class indices.

    ``numbers`` are the rows as numbers.
    """
    try:
        resampled = sampler.fit_resample(X, y)
    except (TypeError, ValueError) as error:
        words = f"does not take the {len(y)} training rows of a member"
        _say_first(f"sampler={sampler!r} {words}", error)
        if needs_conversion(X) or missing_columns(numbers).any():
            _say_last(
                "Categories and missing values are for few samplers, such as SMOTENC "
                "and those that pick rows: encode first, with "
                "skadaptive.contenders.table_pipeline(classifier) around the "
                "classifier that has the sampler",
                error,
            )
        raise
    must = f"sampler={sampler!r} must return a pair, rows and a label for each"
    if not isinstance(resampled, tuple | list) or len(resampled) != 2:
        raise ValueError(f"{must}; got {type(resampled).__name__}.")
    new_X, new_y = resampled[0], np.asarray(resampled[1])
    shape = np.shape(new_X)
    if len(shape) != 2 or shape[1] != np.shape(X)[1] or new_y.shape != shape[:1]:
        raise ValueError(
            f"{must}, with the {np.shape(X)[1]} columns of X; got shapes {shape} and "
            f"{new_y.shape}."
        )
    known = pd.Series(new_y).isin(classes).to_numpy()
    if not known.all():
        raise ValueError(
            f"{must}, one of {shown(classes)}; got {shown(pd.unique(new_y[~known]))}."
        )
    return new_X, np.searchsorted(classes, new_y.astype(classes.dtype))


def _numbers(sampler, new_X, as_numbers, X):
    """The new rows as numbers, which may be missing where those of X are."""
    try:
        table = as_numbers(new_X)
    except (TypeError, ValueError) as error:
        _say_first(f"sampler={sampler!r} makes rows that cannot be used", error)
        raise
    new = missing_columns(table) & ~missing_columns(X)
    if new.any():
        raise ValueError(
            f"sampler={sampler!r} makes missing values (NaN), in {new.sum()} columns "
            "that have none in the rows it was given. It must return numbers there."
        )
    return table


def _say_first(words, error):
    """Let the message of an error begin with some words, whatever its type is."""
    first, *others = error.args or ("",)
    error.args = (f"{words}: {first}", *others)


def _say_last(words, error):
    """Let the message of an error end with some words, whatever its type is."""
    first, *others = error.args or ("",)
    error.args = (f"{str(first).rstrip('. ')}. {words}.", *others)


def _set_seeds(sampler, rng):
    """Set every ``random_state`` of a clone, at whatever depth, in place."""
    values = sampler.get_params(deep=True)
    names = [name for name in values if name.split("__")[-1] == "random_state"]
    # The sampler's own seed is drawn first, and the others whatever their order is.
    for name in sorted(names, key=lambda name: (name.count("__"), name)):
        sampler.set_params(**{name: rng.randint(2**31 - 1)})
    # Splitters have no parameters by name. Those of a clone are copies.
    for value in values.values():
        if hasattr(value, "random_state") and not hasattr(value, "get_params"):
            value.random_state = rng.randint(2**31 - 1)
