"""Who trains on what, and who judges: the folds of the committee.

One committee member per fold: it trains on the fold's training rows and judges
the rows held out. ``cv`` says how, in scikit-learn's words.

A fold is a pair (train, test) of integer index arrays into the rows given to
``fit``. The pooled out-of-fold prediction of a row is the average over the members
that held it out.
"""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)


def make_folds(cv, X, y, sample_weight, groups, seed):
    """Split the rows among the committee members.

    Parameters
    ----------
    cv : int, float, splitter, iterable of (train, test) or None
        See :class:`~skadaptive.AdaptiveHybridClassifier`.
    X : array-like of shape (n_samples, n_features)
        Handed to a splitter.
    y : ndarray of shape (n_samples,)
        Class indices.
    sample_weight : ndarray of shape (n_samples,)
        Rows of weight 0 are in no fold.
    groups : array-like of shape (n_samples,) or None
        Rows of one group are held out together.
    seed : int
        Seed of the shuffle before an integer or float ``cv``.

    Returns
    -------
    list of (ndarray, ndarray)
        One (train, test) pair per member; ``test`` may be empty.

    Raises
    ------
    ValueError
        If no split leaves at least two classes to train on.

    Warns
    -----
    UserWarning
        If there are fewer folds than asked for, or nothing can be held out.
    """
    kept = np.flatnonzero(sample_weight > 0)
    if cv is None:
        return [(kept, kept[:0])]
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != y.shape:
            raise ValueError(
                f"groups must have shape {y.shape}, one value per row of X; got "
                f"{groups.shape}."
            )
    if isinstance(cv, Integral | Real):
        own = None if groups is None else groups[kept]
        splitter = _splitter(cv, y[kept], own, seed)
        if splitter is None:
            return [(kept, kept[:0])]
        try:
            splits = list(splitter.split(kept, y[kept], own))
        except ValueError as error:  # say, a held-out share of less than one row
            _warn_nothing_held_out(str(error).rstrip("."))
            return [(kept, kept[:0])]
        folds = [(kept[train], kept[test]) for train, test in splits]
    else:
        splits = cv.split(X, y, groups) if hasattr(cv, "split") else cv
        folds = [
            # A bootstrap trains on some rows twice; judging them twice tells no more.
            (
                _kept_rows(train, sample_weight),
                np.unique(_kept_rows(test, sample_weight)),
            )
            for train, test in splits
        ]
    usable = [(train, test) for train, test in folds if np.unique(y[train]).size > 1]
    if not usable:
        raise ValueError(
            "Every split of cv leaves a single class to train on. Use a stratified "
            "splitter, or cv=None to hold nothing out."
        )
    if len(usable) < len(folds):
        warnings.warn(
            f"{len(folds) - len(usable)} of {len(folds)} splits leave a single class "
            "to train on; they are left out of the committee.",
            UserWarning,
            stacklevel=4,
        )
    return usable


def pool(n_samples, folds, predictions):
    """Average held-out predictions over the members that made them.

    Parameters
    ----------
    n_samples : int
    folds : list of (train, test)
    predictions : sequence of ndarray of shape (n_test, n_outputs)
        One array per fold, in the order of its ``test``.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        NaN for rows that no member held out.
    """
    total = np.zeros((n_samples, predictions[0].shape[1]))
    count = np.zeros((n_samples, 1))
    for (_, test), prediction in zip(folds, predictions, strict=True):
        total[test] += prediction
        count[test] += 1
    with np.errstate(invalid="ignore"):
        return total / count


def _splitter(cv, y, groups, seed):
    """Shuffled and stratified: rows often come ordered, and samplers append theirs."""
    counts = np.unique(y, return_counts=True)[1]
    if groups is not None:
        fewest = min(np.unique(groups[y == label]).size for label in np.unique(y))
        units = "groups that hold it"
    else:
        fewest = counts.min()
        units = "rows"
    if fewest < 2:
        _warn_nothing_held_out(f"The rarest class has {fewest} {units}")
        return None
    if not isinstance(cv, Integral):
        if groups is not None:
            return GroupShuffleSplit(n_splits=1, test_size=cv, random_state=seed)
        return StratifiedShuffleSplit(n_splits=1, test_size=cv, random_state=seed)
    if fewest < cv:
        warnings.warn(
            f"The rarest class has only {fewest} {units}: using {fewest} folds instead "
            f"of cv={cv}.",
            UserWarning,
            stacklevel=5,
        )
        cv = int(fewest)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return kind(cv, shuffle=True, random_state=seed)


def _kept_rows(indices, sample_weight):
    """Row numbers of a user's split (integers or a mask) that have weight."""
    indices = np.asarray(indices)
    if indices.dtype == bool:
        indices = np.flatnonzero(indices)
    return indices[sample_weight[indices] > 0]


def _warn_nothing_held_out(reason):
    warnings.warn(
        f"{reason}: nothing is held out, so there is no score to adapt to, no early "
        "stopping, no tuned threshold and no calibration; training runs for "
        "max_epochs.",
        UserWarning,
        stacklevel=5,
    )


def n_members(cv, X, y, groups):
    """How many members ``cv`` asks for, where validation data are given."""
    if cv is None or isinstance(cv, Real) and not isinstance(cv, Integral):
        return 1
    if isinstance(cv, Integral):
        return int(cv)
    return cv.get_n_splits(X, y, groups) if hasattr(cv, "split") else len(list(cv))
