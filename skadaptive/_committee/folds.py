"""The folds of the committee: the training rows and the held-out rows of each member.

There is one committee member per fold. It trains on the fold's training rows and is
validated on the rows held out. ``cv`` says how rows are split, as in scikit-learn.

A fold is a pair (train, test) of integer index arrays into the rows given to
``fit``. The pooled out-of-fold prediction of a row is the average over the members
that held it out.
"""

from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.model_selection import (
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from .._features.sparse import row_hashes
from .._messages import shown
from .._sklearn_compat import wants_groups
from .._warnings import warn

# Rows up to which "auto" makes ten folds; above there are five. On small tables it is
# worth the time to have twice as many members, each trained on nine tenths of the rows
# (docs/research/036).
_FEW_ROWS = 4000


class NothingHeldOut(ValueError):
    """Error for rows that cannot be split; its message has no full stop."""


def make_folds(cv, X, y, sample_weight, groups, seed):
    """Split the rows among the committee members.

    Parameters
    ----------
    cv : int, float, splitter, iterable of (train, test), "auto" or None
        See :class:`~skadaptive.AdaptiveHybridClassifier`.
    X : array-like of shape (n_samples, n_features)
        Passed to a splitter.
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
    NothingHeldOut
        If a number of folds or a share cannot be held out of these rows.
    ValueError
        If a split is invalid, or no split has rows of every class to train on.

    Warns
    -----
    UserWarning
        If there are fewer folds than asked for.
    """
    kept = np.flatnonzero(sample_weight > 0)
    if len(y) < 2**31:  # every member has its own row numbers, so they are kept small
        kept = kept.astype(np.int32)
    if cv is None:
        return [(kept, kept[:0])]
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != y.shape:
            raise ValueError(
                f"groups must have shape {y.shape}, one value per row of X; got "
                f"{groups.shape}."
            )
        groups = _sortable(groups)
    if isinstance(cv, str | Real):
        own = None if groups is None else groups[kept]
        try:
            splits = _stratified_splits(cv, y[kept], own, seed)
        except ValueError as error:  # say, a held-out share of less than one row
            raise NothingHeldOut(str(error).rstrip(".")) from error
        folds = [(kept[train], kept[test]) for train, test in splits]
    else:
        if groups is None and wants_groups(cv):
            raise ValueError(
                f"cv={cv!r} keeps groups together: pass them to fit, as "
                "fit(X, y, groups=groups), or take a splitter without groups."
            )
        splits = cv.split(X, y, groups) if hasattr(cv, "split") else cv
        if not isinstance(splits, Iterable):
            raise ValueError(
                f"cv={cv!r} must give pairs (train, test) of row numbers; its split "
                f"returned {shown(splits)}."
            )
        folds = [_checked_split(split, sample_weight) for split in splits]
        if not folds:
            raise ValueError(
                "cv holds no split. If it is a generator it has been used up: pass "
                "list(...) of it."
            )
        if not any(test.size for _, test in folds):
            raise ValueError(
                "No split of cv holds a row out: its test rows are empty, or of weight "
                "0. Say cv=None to hold nothing out."
            )
    n_classes = np.unique(y[kept]).size
    usable = [fold for fold in folds if np.unique(y[fold[0]]).size == n_classes]
    if not usable and isinstance(cv, str | Real):
        raise NothingHeldOut("No part would have rows of every class to train on")
    if not usable:
        raise ValueError(
            "Every split of cv lacks a class in the rows to train on. Use a stratified "
            "splitter, or cv=None to hold nothing out."
        )
    if len(usable) < len(folds):
        warn(
            f"{len(folds) - len(usable)} of {len(folds)} splits of cv lack a class in "
            "the rows to train on; they are left out."
        )
    return usable


def auto_folds(n_rows):
    """Number of folds of ``cv="auto"``, if the rarest class has as many rows."""
    return 10 if n_rows <= _FEW_ROWS else 5


def chunk_folds(cv, X, sample_weight):
    """Split a chunk of a stream among the committee members.

    A row is assigned by a hash of its content: in whatever chunk and order it comes
    again, it is held out from the same member. A chunk may be of any size and may lack
    a class.

    Parameters
    ----------
    cv : int, float, "auto" or None
        An int: the number of members. "auto": five members. A float: one member and
        the share of rows that it holds out. None: one member that holds nothing out.
    X : ndarray or CSR table of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,)
        Rows of weight 0 are in no fold.

    Returns
    -------
    list of (ndarray, ndarray)
        One (train, test) pair per member, either may be empty.

    Raises
    ------
    ValueError
        If ``cv`` is a splitter or an iterable, which cannot split a stream.
    """
    kept = np.flatnonzero(sample_weight > 0)
    if cv is None:
        return [(kept, kept[:0])]
    if isinstance(cv, str):
        cv = 5  # the number of rows to come is not known
    if not isinstance(cv, Real):
        raise ValueError(
            "partial_fit holds rows out of each chunk itself: cv must be an int, a "
            f"float or None; got {shown(cv)}."
        )
    if isinstance(cv, Integral) and cv < 2:
        raise ValueError(f"cv must be at least 2 if it is an int; got {shown(cv)}.")
    if issparse(X):
        hashes = row_hashes(X[kept])
    else:
        # Rows hash alike as float32 and float64; adding 0 turns -0.0 into 0.0.
        with np.errstate(over="ignore"):
            rows = pd.DataFrame(X[kept].astype(np.float32) + np.float32(0.0))
        hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    if isinstance(cv, Integral):
        held_out = [hashes % cv == member for member in range(cv)]
    else:
        held_out = [hashes < cv * 2.0**64]
    return [(kept[~out], kept[out]) for out in held_out]


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


def _sortable(groups):
    """Groups that NumPy can sort, as splitters do; refuses missing ones."""
    n_missing = np.count_nonzero(pd.isna(groups))
    if n_missing:
        raise ValueError(
            f"groups has {n_missing} missing values: which rows belong together must "
            "be known of all."
        )
    if groups.dtype != object:
        return groups
    try:
        np.unique(groups)
    except TypeError:  # texts beside numbers
        return pd.factorize(groups)[0]
    return groups


def _stratified_splits(cv, y, groups, seed):
    """Splits that are stratified and shuffled, since rows often come ordered."""
    if groups is None:
        fewest, units = np.unique(y, return_counts=True)[1].min(), "rows"
    else:
        fewest = min(np.unique(groups[y == label]).size for label in np.unique(y))
        units = "groups that hold it"
    if fewest < 2:
        unit = units.removesuffix("s") if fewest == 1 and groups is None else units
        raise ValueError(f"The rarest class has {fewest} {unit}")
    if isinstance(cv, str):
        cv = int(np.clip(fewest, 5, auto_folds(len(y))))
    share = None if isinstance(cv, Integral) else cv
    if share is not None and groups is None:
        splitter = StratifiedShuffleSplit(1, test_size=share, random_state=seed)
        return list(splitter.split(y, y))
    if share is not None:
        # The first of several folds, since a shuffle split by groups cannot stratify.
        cv = int(np.clip(round(1 / share), 2, fewest))
    elif fewest < cv:
        warn(
            f"The rarest class has only {fewest} {units}: using {fewest} folds instead "
            f"of cv={cv}."
        )
        cv = int(fewest)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splits = list(kind(cv, shuffle=True, random_state=seed).split(y, y, groups))
    return splits if share is None else splits[:1]


def _checked_split(split, sample_weight):
    """Row numbers of a user's (train, test), integers or masks, without weight 0."""
    n_samples, parts = len(sample_weight), []
    try:
        train, test = split
    except (TypeError, ValueError):
        raise ValueError(
            f"cv must give pairs (train, test) of row numbers; got {shown(split)}."
        ) from None
    for name, part in (("train", train), ("test", test)):
        rows = np.asarray(part)
        if rows.shape == (n_samples,) and rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = rows if rows.size else np.empty(0, dtype=int)
        if (
            rows.ndim != 1
            or rows.dtype.kind not in "iu"
            or (rows.size and not 0 <= rows.min() <= rows.max() < n_samples)
        ):
            raise ValueError(
                f"The {name} rows of a split of cv must be row numbers from 0 to "
                f"{n_samples - 1}, or a mask of {n_samples} values; got {shown(part)}."
            )
        parts.append(rows[sample_weight[rows] > 0])
    train, test = parts[0], np.unique(parts[1])
    if np.intersect1d(train, test).size:
        raise ValueError(
            "A split of cv holds rows out that it also trains on, so they cannot "
            "validate the member. Its train and test rows must not overlap."
        )
    # A bootstrap may train on a row twice, but a held-out row counts once.
    return train, test


def n_members(cv, X, y, sample_weight, groups):
    """Number of members that ``cv`` asks for, where validation data are given."""
    if isinstance(cv, str):
        return auto_folds(np.count_nonzero(sample_weight))
    if cv is None or isinstance(cv, Real) and not isinstance(cv, Integral):
        return 1
    if isinstance(cv, Integral):
        return int(cv)
    return cv.get_n_splits(X, y, groups) if hasattr(cv, "split") else len(list(cv))
