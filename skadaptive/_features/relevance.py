"""Univariate relevance (epsilon squared) and the learning rates derived from it.

A tree splits on the most relevant features. A network starts with equal weight on all
of them, and on few rows it does not unlearn irrelevant ones (Grinsztajn, Oyallon &
Varoquaux, 2022, "Why do tree-based models still outperform deep learning on typical
tabular data?", arXiv:2207.08815, section 5.3). Each input of the network is multiplied
by a learnable input scale. All input scales start at 1, and the learning rate of each
one grows with the share of the class variance that its feature explains alone. A
feature that is relevant only together with another one is learnt more slowly, but is
not left out.

docs/research/025 measures this and alternatives to it.
"""

import numpy as np
from sklearn.utils import gen_batches

from .._typing import BoolArray, FloatArray, IntArray
from .scaling import for_column_blocks

# Quantile bins of a feature, apart from the bin of its missing values.
_N_BINS = 16

# Rows up to which the columns of a block are ranked together. With more rows, sorting
# one column after the other takes less time, above all if it has many equal values.
_FEW_ROWS = 4096

# Relevance that is added to every feature, in units of the mean relevance. It keeps
# every relative learning rate at 0.3 or above. The value was chosen by judgement; with
# rates in proportion to the relevance, 0.3 instead of 0.1 gained as much
# (docs/research/025).
_ADDED_RELEVANCE = 0.1
# Largest relative learning rate, which a feature reaches if it is the only relevant one
# of 28 or more. The value was chosen by judgement.
_MAX_RATE = 5.0


def quantile_codes(X: FloatArray, sample_weight: FloatArray) -> IntArray:
    """Quantile bin of each value among the values of its feature.

    Bins have equal weight as far as ties allow. A value falls in the bin of its
    mid-rank, for which half of the weight tied with it counts as below it. So the two
    values of a flag have different bins, however rare one of them is. Missing values
    have a bin of their own.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN where missing.
    sample_weight : ndarray of shape (n_samples,)
        Rows of weight 0 do not count.

    Returns
    -------
    ndarray of shape (n_samples, n_features), int8
        From 0 to 15; 16 where missing.
    """
    codes = np.zeros(X.shape, np.int8, order="F")
    has_weight = sample_weight > 0
    equal = (sample_weight == sample_weight[:1]).all()

    def fill(part: slice, columns: FloatArray) -> None:
        block = codes[:, part]
        tied = np.ones(len(columns), bool)
        if equal and has_weight.all() and 1 < len(X) <= _FEW_ROWS:
            # Without ties the bins are those of the ranks, whatever the values.
            order = columns.argsort(axis=1)
            sorted_ = np.take_along_axis(columns, order, axis=1)
            rises = sorted_[:, 1:] > sorted_[:, :-1]  # a difference may overflow
            tied = np.any(~rises, axis=1)  # NaN counts as tied
            ones = np.ones(columns.shape[1], int)
            for feature in np.flatnonzero(~tied):
                block[order[feature], feature] = _codes_of_values(ones)
        for feature in np.flatnonzero(tied):
            block[:, feature] = _codes(columns[feature], sample_weight, has_weight)

    for_column_blocks(X, fill)
    return codes


def _codes(
    column: FloatArray, sample_weight: FloatArray, has_weight: BoolArray
) -> IntArray:
    """Quantile bin of each value of one feature."""
    codes = np.zeros(len(column), np.int8)
    sample_weight, weighted = sample_weight[has_weight], column[has_weight]
    if (sample_weight == sample_weight[:1]).all():
        # NaN comes last, and once.
        values, counts = np.unique(weighted, return_counts=True)
        weight = counts.astype(float)
    else:
        values, inverse = np.unique(weighted, return_inverse=True)
        weight = np.bincount(inverse, sample_weight)
    known = ~np.isnan(values)
    values, code = values[known], _codes_of_values(weight[known])
    # At most 15 comparisons with all rows take a tenth of the time of a search.
    rise = np.diff(code, prepend=np.int8(0))
    for first in np.flatnonzero(rise):
        codes += (column >= values[first]) * rise[first]
    codes[np.isnan(column)] = _N_BINS
    return codes


def _codes_of_values(weight: FloatArray | IntArray) -> IntArray:
    """Quantile bin of each distinct value, from the weight of each in their order."""
    mid_rank = (np.cumsum(weight) - weight / 2) / (weight.sum() or 1.0)
    # The small number keeps the unit and the rounding of weights from deciding.
    code = np.floor(_N_BINS * mid_rank + 1e-9).astype(np.int8)
    return np.minimum(code, _N_BINS - 1)


def univariate_relevance(
    codes: IntArray, y: IntArray, sample_weight: FloatArray
) -> FloatArray:
    """Share of the class variance that the quantile bins of each feature explain.

    The class variance is the sum of the variances of the 0/1 indicators of the classes.
    The explained share is the squared correlation ratio for two classes, and Goodman
    and Kruskal's tau for more (1954, "Measures of Association for Cross
    Classifications"). It is adjusted for the number of bins, as R² is for the number of
    predictors, which gives epsilon squared (Kelley, 1935, "An unbiased correlation
    ratio measure"). Without the adjustment irrelevant features have a positive share in
    small samples.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features)
        From :func:`quantile_codes`.
    y : ndarray of shape (n_samples,)
        Class indices.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights. The adjustment counts them in units of the smallest one, so
        that a row of weight 2 is equivalent to the row twice.

    Returns
    -------
    ndarray of shape (n_features,), float64
        In [0, 1]; 0 also if there is one class only, or no more rows than bins.
    """
    relevance = np.zeros(codes.shape[1])
    class_weight = np.bincount(y, sample_weight)
    total = class_weight.sum()
    # Beyond 1e15 rows the adjustment is 1, and float64 would overflow in the end.
    n_rows = total / max(sample_weight.min(), 1e-15 * total)
    shape = _N_BINS + 1, len(class_weight)
    # Gini impurity, which is the class variance, times the total weight.
    impurity = total - (class_weight**2).sum() / total
    if impurity <= 0:
        return relevance
    n_cells = np.prod(shape)
    for part in gen_batches(codes.shape[1], max(1, 2**16 // max(1, len(codes)))):
        block = codes[:, part].T.astype(int)
        first = n_cells * np.arange(len(block))[:, None]
        cells = np.bincount(
            (first + shape[1] * block + y).ravel(),
            np.tile(sample_weight, len(block)),
            len(block) * n_cells,
        ).reshape(-1, *shape)
        weight = cells.sum(axis=2)
        n_bins = np.count_nonzero(weight > 0, axis=1)
        # Features with as many bins at a time, so that empty bins can be left out.
        for n in np.unique(n_bins):
            if n_rows <= n:
                continue
            chosen = np.flatnonzero(n_bins == n)
            w, c = weight[chosen], cells[chosen]
            filled = w > 0
            w, c = w[filled].reshape(-1, n), c[filled].reshape(-1, n, shape[1])
            unexplained = (w - (c**2).sum(axis=2) / w).sum(axis=1) / impurity
            adjusted = unexplained * (n_rows - 1) / (n_rows - n)
            relevance[part.start + chosen] = np.maximum(0.0, 1.0 - adjusted)
    return relevance


def most_relevant(relevance: FloatArray, n_most: int) -> BoolArray:
    """Choose features for each member, so that all members together have few.

    Every member takes its most relevant features, the same number of them. The number
    is the greatest with which at most ``n_most`` features are taken by any member.
    Features of relevance 0 are not taken.

    Parameters
    ----------
    relevance : ndarray of shape (n_members, n_features)
    n_most : int

    Returns
    -------
    ndarray of shape (n_members, n_features), bool
    """
    order = np.argsort(-relevance, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    rank[relevance <= 0] = relevance.shape[1]
    best = np.sort(rank.min(axis=0))
    limit = relevance.shape[1]
    if len(best) > n_most:
        limit = min(limit, best[n_most])
    return rank < limit


def relative_learning_rates(relevance: FloatArray) -> FloatArray:
    """Learning rates of the input scales of each feature, relative to their mean.

    The rate is the square root of the relevance, which is first divided by its mean and
    raised by 0.1. The mean square of the rates over the features is 1, or less if a
    rate is cut off at 5.

    Parameters
    ----------
    relevance : ndarray of shape (n_features,)
        From :func:`univariate_relevance`.

    Returns
    -------
    ndarray of shape (n_features,), float64
        1 for all features if none is relevant.
    """
    if not relevance.any():
        return np.ones(len(relevance))
    share = relevance / relevance.mean()
    rates = np.sqrt((share + _ADDED_RELEVANCE) / (1.0 + _ADDED_RELEVANCE))
    return np.minimum(rates, _MAX_RATE)
