"""Paired tests and intervals over the folds of a cross-validation, and of shares."""

import numpy as np
from scipy import stats


def corrected_t_test(differences, test_over_train):
    """Corrected resampled t-test of paired differences.

    The variance of the mean of n folds is (1/n + n_test/n_train) times that of a fold
    (Nadeau and Bengio, 2003, "Inference for the Generalization Error").

    Parameters
    ----------
    differences : array-like of shape (n_folds,)
        Differences of the scores of two classifiers on the same folds.
    test_over_train : float
        Number of test rows of a fold divided by its number of training rows.

    Returns
    -------
    float
        Two-sided p-value; NaN for a single fold.
    """
    differences = np.asarray(differences, dtype=float)
    n_folds = len(differences)
    if n_folds < 2:
        return np.nan
    error = _standard_error(differences, test_over_train)
    mean = differences.mean()
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, n_folds - 1))


def _standard_error(values, test_over_train):
    return np.sqrt(np.var(values, ddof=1) * (1 / len(values) + test_over_train))


def half_width(values, test_over_train, confidence_level=0.95):
    """Half the width of the confidence interval of a mean over folds.

    The variance is the one of :func:`corrected_t_test`.

    Parameters
    ----------
    values : array-like of shape (n_folds,)
    test_over_train : float
        Number of test rows of a fold divided by its number of training rows.
    confidence_level : float, default=0.95

    Returns
    -------
    float
        NaN for a single fold.
    """
    if len(values) < 2:
        return np.nan
    quantile = stats.t.ppf((1 + confidence_level) / 2, len(values) - 1)
    return quantile * _standard_error(values, test_over_train)


def holm(p_values):
    """Adjust p-values for the number of tests.

    The method is from Holm, 1979, "A Simple Sequentially Rejective Multiple Test
    Procedure".

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)

    Returns
    -------
    ndarray of shape (n_tests,)
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.maximum.accumulate(p_values[order] * factors)
    result = np.empty_like(p_values)
    result[order] = np.minimum(adjusted, 1)
    return result


def effective_size(weight):
    """Number of rows of equal weight that tell as much (Kish, 1965).

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)

    Returns
    -------
    float
        0 if there is no weight.
    """
    total = float(weight.sum())
    return total**2 / float((weight**2).sum()) if total else 0.0


def least_share_of_all(n_rows, confidence_level=0.95):
    """Lower end of the exact interval of a share that is 1 in the rows at hand.

    One minus it is the upper end for a share of 0 (Clopper and Pearson, 1934, "The Use
    of Confidence or Fiducial Limits Illustrated in the Case of the Binomial"). The
    interval is two-sided, as that of any other share.

    Parameters
    ----------
    n_rows : float
        Need not be a whole number.
    confidence_level : float, default=0.95

    Returns
    -------
    float
        0 without rows.
    """
    if n_rows <= 0:
        return 0.0
    return float(((1 - confidence_level) / 2) ** (1 / n_rows))
