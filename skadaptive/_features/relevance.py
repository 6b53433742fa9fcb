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

from .._typing import FloatArray, IntArray

# Quantile bins of a feature, apart from the bin of its missing values.
_N_BINS = 16

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
    sample_weight = sample_weight[has_weight]
    equal = (sample_weight == sample_weight[:1]).all()
    for feature, column in enumerate(X.T):
        column = np.ascontiguousarray(column)
        weighted = column[has_weight]
        if equal:
            # NaN comes last, and once.
            values, weight = np.unique(weighted, return_counts=True)
        else:
            values, inverse = np.unique(weighted, return_inverse=True)
            weight = np.bincount(inverse, sample_weight)
        known = ~np.isnan(values)
        values, weight = values[known], weight[known]
        mid_rank = (np.cumsum(weight) - weight / 2) / (weight.sum() or 1.0)
        # The small number keeps the unit and the rounding of weights from deciding.
        code = np.floor(_N_BINS * mid_rank + 1e-9).astype(np.int8)
        code = np.minimum(code, _N_BINS - 1)
        # At most 15 comparisons with all rows take a tenth of the time of a search.
        rise = np.diff(code, prepend=np.int8(0))
        for first in np.flatnonzero(rise):
            codes[:, feature] += (column >= values[first]) * rise[first]
        codes[np.isnan(column), feature] = _N_BINS
    return codes


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
    n_rows = total / sample_weight.min()
    shape = _N_BINS + 1, len(class_weight)
    # Gini impurity, which is the class variance, times the total weight.
    impurity = total - (class_weight**2).sum() / total
    for feature, code in enumerate(codes.T):
        cells = np.bincount(
            shape[1] * code.astype(int) + y, sample_weight, np.prod(shape)
        ).reshape(shape)
        weight = cells.sum(axis=1)
        weight, cells = weight[weight > 0], cells[weight > 0]
        degrees_of_freedom = n_rows - len(weight)
        if impurity <= 0 or degrees_of_freedom <= 0:
            continue
        unexplained = (weight - (cells**2).sum(axis=1) / weight).sum() / impurity
        adjusted = unexplained * (n_rows - 1) / degrees_of_freedom
        relevance[feature] = max(0.0, 1.0 - adjusted)
    return relevance


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
