"""Resampling of the training rows, and of nothing else.

A sampler in front of a classifier resamples before the classifier splits. The held-out
rows are then synthetic, or neighbours of synthetic ones. Here every committee member
has its own sampler, which sees the training rows of that member alone. Held-out rows
keep their natural class shares.
"""

import numpy as np
from sklearn.base import clone

from .._features.sparse import same_values
from .._features.values import as_pandas, is_polars
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
        If the sampler refuses the rows, leaves a class out or makes something that is
        not finite. A TypeError of the sampler stays one.
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
            clone_, safe_indexing(X, train), classes[rows.y[train]]
        )
        new_y = np.searchsorted(classes, new_y)
        n_left = len(np.unique(new_y))
        if n_left < n_classes:
            raise ValueError(
                f"sampler={sampler!r} leaves {n_left} of {n_classes} classes to train "
                "on. Choose another sampling_strategy, or sampler=None."
            )
        new_X = as_numbers(new_X)
        picked = getattr(clone_, "sample_indices_", None)
        # Smoothed over-sampling reports the rows that it started from, but moves them.
        if picked is not None and same_values(new_X, rows.X[train[picked]]):
            folds.append((train[picked], test))
        else:
            synthetic.append((new_X, new_y))
            folds.append((np.arange(n_rows, n_rows + len(new_y)), test))
            n_rows += len(new_y)
    return synthetic, folds


def _resampled(sampler, X, y):
    """What the sampler makes of rows; its errors, which may name nothing, name it."""
    try:
        return sampler.fit_resample(X, y)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"sampler={sampler!r} does not take the {len(y)} training rows of a "
            f"member: {error}"
        ) from error


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
