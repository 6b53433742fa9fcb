"""Resampling of what is trained on, and of nothing else.

A sampler in front of a classifier resamples before the classifier splits, so the
rows that judge it are synthetic, or neighbours of synthetic ones. Here every
committee member gets its own sampler, which sees that member's training rows alone;
the rows held out keep their natural shares.
"""

import numpy as np
from sklearn.base import clone

from .._sklearn_compat import safe_indexing


def resample(sampler, X, table, y, classes, folds, seed, as_numbers):
    """Resample the training rows of each fold.

    Parameters
    ----------
    sampler : imbalanced-learn sampler
        Cloned for every fold, with a seed of its own.
    X : array-like or DataFrame of shape (n_samples, n_features)
        The rows as the user gave them, for the sampler.
    table : ndarray of shape (n_rows, n_features)
        The same as numbers; validation rows may follow.
    y : ndarray of shape (n_rows,)
        Class indices.
    classes : ndarray of shape (n_classes,)
        The labels themselves, which a sampler may know.
    folds : list of (train, test)
        A part that is all of one class, as in a chunk of a stream, stays as it is.
    seed : int
    as_numbers : callable
        Turns rows like those of X into rows of the table.

    Returns
    -------
    made : list of (ndarray, ndarray)
        Rows, and their classes, that are not rows of the table but to be appended to
        it, in this order.
    folds : list of (train, test)
        ``train`` may name rows appended, and rows more than once.

    Raises
    ------
    ValueError
        If the sampler leaves a class out or makes something that is not finite.
    """
    rng = np.random.RandomState(seed)
    made, resampled, n_rows = [], [], len(table)
    for train, test in folds:
        if len(np.unique(y[train])) < 2:
            resampled.append((train, test))
            continue
        own = clone(sampler)
        if "random_state" in own.get_params():
            own.set_params(random_state=rng.randint(2**31 - 1))
        part = safe_indexing(X, train), classes[y[train]]
        part_X, part_y = own.fit_resample(*part)
        part_y = np.searchsorted(classes, part_y)
        if len(np.unique(part_y)) < len(np.unique(y[train])):
            raise ValueError(
                f"sampler={sampler!r} leaves {np.unique(part_y).size} of "
                f"{np.unique(y[train]).size} classes to train on. Choose another "
                "sampling_strategy, or sampler=None."
            )
        part_X = as_numbers(part_X)
        picked = getattr(own, "sample_indices_", None)
        # Smoothed over-sampling tells which rows it started from, but moves them.
        if picked is not None and np.array_equal(
            part_X, table[train[picked]], equal_nan=True
        ):
            resampled.append((train[picked], test))
        else:
            made.append((part_X, part_y))
            resampled.append((np.arange(n_rows, n_rows + len(part_y)), test))
            n_rows += len(part_y)
    return made, resampled
