"""How much each feature alone tells of the class, and how fast its inputs may move.

A tree splits on the features that tell most. A network begins with all of them alike,
and from few rows it does not unlearn those that tell nothing (Grinsztajn, Oyallon &
Varoquaux, 2022, "Why do tree-based models still outperform deep learning on typical
tabular data?", arXiv:2207.08815, section 5.3). So the learnable factors of a feature's
inputs move faster the more of the class it explains. They start alike: what only tells
together with another feature is slower to be learnt, not left out.

Measured in docs/benchmark.md, with what else such a relevance could act on.
"""

import numpy as np

# Intervals of a feature, besides that of its missing values.
_N_INTERVALS = 16

# Of a feature that tells nothing, in units of the mean relevance. It bounds steps from
# below, at 0.3 of the mean; the other bound is for one feature that tells among many.
_FLOOR = 0.1
_FASTEST = 5.0


def intervals(X, sample_weight):
    """Interval of each value among those of its feature.

    Intervals are of equal weight as far as ties allow: a value falls in that of its
    mid-rank, half of what is tied with it being below. So a flag has two, however rare
    it is. Values that are missing have an interval of their own.

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
    found = np.zeros(X.shape, np.int8, order="F")
    counted = sample_weight > 0
    sample_weight = sample_weight[counted]
    equal = (sample_weight == sample_weight[:1]).all()
    for feature, column in enumerate(X.T):
        column = np.ascontiguousarray(column)
        there = column[counted]
        if equal:
            values, weight = np.unique(there, return_counts=True)  # NaN last, and once
        else:
            values, of = np.unique(there, return_inverse=True)
            weight = np.bincount(of, sample_weight)
        known = ~np.isnan(values)
        values, weight = values[known], weight[known]
        below = (np.cumsum(weight) - weight / 2) / (weight.sum() or 1.0)
        # The unit of the weights, or their rounding, must not decide.
        code = np.floor(_N_INTERVALS * below + 1e-9).astype(np.int8)
        code = np.minimum(code, _N_INTERVALS - 1)
        # So few comparisons with all rows take a tenth of the time of a search.
        rise = np.diff(code, prepend=np.int8(0))
        for first in np.flatnonzero(rise):
            found[:, feature] += (column >= values[first]) * rise[first]
        found[np.isnan(column), feature] = _N_INTERVALS
    return found


def relevance(codes, y, sample_weight):
    """Share of the variance of the class that each feature's intervals explain.

    Of 0/1 indicators of the classes, whose variances are added up: the squared
    correlation ratio of two classes, Goodman and Kruskal's tau of more (1954, "Measures
    of Association for Cross Classifications"). It is adjusted for the number of
    intervals as R² is, to epsilon squared (Kelley, 1935, "An unbiased correlation ratio
    measure"), without which features that tell nothing differ from 0 in small samples.

    Parameters
    ----------
    codes : ndarray of shape (n_samples, n_features)
        From :func:`intervals`.
    y : ndarray of shape (n_samples,)
        Class indices.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights. The adjustment counts them in units of the least, so that a
        row of weight 2 is the row twice.

    Returns
    -------
    ndarray of shape (n_features,), float64
        In [0, 1]; 0 where nothing is explained, or nothing can be said.
    """
    found = np.zeros(codes.shape[1])
    total = np.bincount(y, sample_weight)
    n_rows = total.sum() / sample_weight.min()
    shape = _N_INTERVALS + 1, len(total)
    # Gini impurity, the summed variance of the indicators, times the weight.
    impurity = total.sum() - (total**2).sum() / total.sum()
    for feature, code in enumerate(codes.T):
        cell = np.bincount(
            shape[1] * code.astype(int) + y, sample_weight, np.prod(shape)
        )
        cell = cell.reshape(shape)
        weight = cell.sum(axis=1)
        weight, cell = weight[weight > 0], cell[weight > 0]
        spare = n_rows - len(weight)
        if impurity <= 0 or spare <= 0:
            continue
        left = (weight - (cell**2).sum(axis=1) / weight).sum() / impurity
        found[feature] = max(0.0, 1.0 - left * (n_rows - 1) / spare)
    return found


def relative_learning_rates(relevance):
    """How fast the factors of a feature's inputs move, compared with all features.

    The root of the relevance in units of its mean, raised by 0.1; its mean square over
    the features is 1, or less where a step is cut off at 5.

    Parameters
    ----------
    relevance : ndarray of shape (n_features,)

    Returns
    -------
    ndarray of shape (n_features,), float64
        1 for all if no feature tells anything.
    """
    if not relevance.any():
        return np.ones(len(relevance))
    share = relevance / relevance.mean()
    return np.minimum(np.sqrt((share + _FLOOR) / (1.0 + _FLOOR)), _FASTEST)
