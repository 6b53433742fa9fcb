"""Changes since training: in the class shares (priors) and in the features.

New rows have no labels. :func:`prior_shift` estimates the class shares among them from
their probabilities alone, :func:`adjust_to_prior` adjusts the probabilities to these
shares, and :func:`population_stability` reports which features have changed::

    share = prior_shift(model.oof_proba_[:, 1], model.predict_proba(X_new)[:, 1])

Probabilities have the shape (n_samples,), for the rare class, or (n_samples,
n_classes), as ``predict_proba`` returns them. They have to be calibrated, as those of
:class:`skadaptive.AdaptiveHybridClassifier` are by default.
"""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from ._messages import shown
from ._typing import ArrayLike, FloatArray, IntArray, Table
from ._warnings import warn

__all__ = ["adjust_to_prior", "population_stability", "prior_shift"]

# Largest deviation of the sum of probabilities or shares from 1: a file may hold them
# rounded to a few digits.
_SUM_TOLERANCE = 1e-3
# Least old share of a class: probabilities are divided by it.
_LEAST_SHARE = 1e-300

# ----------------------------------------------------------------------- class shares


def prior_shift(
    proba_reference: ArrayLike,
    proba_new: ArrayLike,
    *,
    tol: float = 1e-10,
    max_iter: int = 1000,
) -> Any:
    """Estimate the class shares among new rows from their probabilities alone.

    The result maximises the likelihood of the new probabilities under the assumption of
    label shift: only the class shares have changed, and the features within each class
    have not. Probabilities alone cannot show whether this holds; check the features
    with :func:`population_stability`.

    Parameters
    ----------
    proba_reference : array-like of shape (n_reference,) or (n_reference, n_classes)
        Probabilities, at the old natural class shares, of rows that were not trained
        on, such as ``oof_proba_``. Rows with NaN, which were never held out, are left
        out.
    proba_new : array-like of shape (n_new,) or (n_new, n_classes)
        Probabilities of the new rows.
    tol : float, default=1e-10
        The iteration stops when no other shares can have a mean log-likelihood that is
        greater by more than this, in nats per row.
    max_iter : int, default=1000
        Largest number of iterations.

    Returns
    -------
    float or ndarray of shape (n_classes,)
        The new share of the rare class for probabilities of shape (n_samples,);
        otherwise the new shares of all classes, which sum to 1.

    Raises
    ------
    ValueError
        If the arguments are not probabilities, if their shapes do not match, if no
        reference row is left, or if a class has probability 0 in every reference row.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` is reached.

    See Also
    --------
    adjust_to_prior : Adjusts probabilities to the new shares.
    population_stability : Reports which features have changed.

    Notes
    -----
    The method is expectation-maximisation (Saerens, Latinne & Decaestecker, 2002,
    "Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure", Neural Computation 14, equation 2.9). The old shares are the means of
    ``proba_reference``, so that they are a fixed point if nothing has changed
    (Alexandari, Kundaje & Shrikumar, 2020, "Maximum likelihood with bias-corrected
    calibration is hard-to-beat at label shift adaptation"). The log-likelihood is
    concave, so the maximum is the global one.

    Examples
    --------
    One row in ten was rare, and 10 rows of 100 had a probability of 0.91. Now 28 have:

    >>> round(prior_shift([0.01] * 90 + [0.91] * 10, [0.01] * 72 + [0.91] * 28), 2)
    0.3
    """
    reference, new = _check_pair(proba_reference, proba_new)
    old = reference.mean(axis=0)
    absent = np.flatnonzero(old < _LEAST_SHARE)
    if absent.size:
        raise ValueError(
            "proba_reference gives probability 0 to the class of column "
            f"{', '.join(map(str, absent))} in every row, or less than {_LEAST_SHARE}, "
            "so its new share cannot be estimated. Leave the class out, or pass more "
            "rows."
        )
    shares = _most_likely_shares(new / old, old, tol, max_iter)
    return float(shares[1]) if np.ndim(proba_new) == 1 else shares


def adjust_to_prior(proba: ArrayLike, old: ArrayLike, new: ArrayLike) -> FloatArray:
    """Adjust probabilities to other class shares.

    Each probability is multiplied by the ratio of the new to the old share of its
    class, and each row is divided by its sum. This is Bayes' rule (Saerens et al.,
    2002, equation 2.4; Elkan, 2001, "The foundations of cost-sensitive learning",
    theorem 2). With two classes the ranking of the rows does not change.

    Parameters
    ----------
    proba : array-like of shape (n_samples,) or (n_samples, n_classes)
        Probabilities at the old shares. Rows with NaN, as in ``oof_proba_``, keep it.
    old, new : float or array-like of shape (n_classes,)
        Class shares. An array has one share per class, and they sum to 1. With two
        classes a float is the share of the class of a 1-D ``proba``, or of the class of
        column 1. The old shares must be at least 1e-300.

    Returns
    -------
    ndarray of the shape of ``proba``, float64
        The adjusted probabilities.

    Raises
    ------
    ValueError
        If the arguments are not probabilities and shares, if their shapes do not match,
        or if a row has probability 1 of a class whose new share is 0.

    See Also
    --------
    prior_shift : Estimates the new shares from the probabilities of new rows.

    Examples
    --------
    A probability of 0.5 at a prevalence of 1 % is one of 0.99 at 50 %:

    >>> adjust_to_prior([0.5], old=0.01, new=0.5)
    array([0.99])
    """
    columns = _check_proba("proba", proba)
    old = _check_prior("old", old, columns.shape[1])
    new = _check_prior("new", new, columns.shape[1])
    if (old < _LEAST_SHARE).any():
        raise ValueError(
            f"old must be positive for every class, at least {_LEAST_SHARE}; got "
            f"{shown(old)}."
        )
    weighted = columns * (new / old)
    total = weighted.sum(axis=1, keepdims=True)
    if (total == 0).any():
        raise ValueError(
            f"Row {np.argmax(total == 0)} of proba is certain of a class whose share "
            "in new is 0: the two contradict each other. Give that class a positive "
            "share, however small."
        )
    adjusted = weighted / total
    return adjusted[:, 1] if np.ndim(proba) == 1 else adjusted


def _most_likely_shares(
    ratios: FloatArray, start: FloatArray, tol: float, max_iter: int
) -> FloatArray:
    """Weights of a mixture of known densities, by accelerated EM.

    If classes overlap, EM alone needs thousands of steps. On four Gaussians that
    overlap widely it takes 10,651, against 71 of the accelerated steps, which
    extrapolate from two EM steps (scheme S3 of SQUAREM; Varadhan & Roland, 2008,
    "Simple and globally convergent methods for accelerating the convergence of any EM
    algorithm", Scandinavian Journal of Statistics 35).

    ``ratios`` (n_samples, n_classes) are the densities of each row up to a factor.
    """

    def gradient(shares: FloatArray) -> FloatArray:
        """Gradient of the mean log-likelihood; EM multiplies the shares by it."""
        return (ratios / (ratios @ shares)[:, None]).mean(axis=0)

    shares = start / start.sum()
    for _ in range(max_iter):
        slope = gradient(shares)
        # The log-likelihood is concave, so its slope towards the best single class
        # bounds how much it can still rise.
        if slope.max() - 1 <= tol:
            return shares
        once = shares * slope
        twice = once * gradient(once)
        first, second = once - shares, twice - 2 * once + shares
        length = float(np.linalg.norm(first) / (np.linalg.norm(second) + 1e-300))
        length = min(length, 1e6)
        extrapolated = shares + 2 * length * first + length**2 * second
        # A share of 0 would stay 0.
        extrapolated = np.maximum(extrapolated, 0.01 * twice)
        extrapolated /= extrapolated.sum()
        gain = np.log(ratios @ extrapolated).mean() - np.log(ratios @ twice).mean()
        shares = extrapolated if gain > 0 else twice
    warn(
        f"The shares have not converged in {max_iter} iterations and may be "
        "inaccurate; raise max_iter or tol.",
        ConvergenceWarning,
    )
    return shares


# --------------------------------------------------------- stability of the population

# Customary limits of credit scoring; see the notes of population_stability.
_SOMEWHAT, _MUCH = 0.1, 0.25
# Fewest expected rows, in the smaller table, of a category that is not pooled.
_MIN_EXPECTED = 5


def population_stability(
    X_reference: Table,
    X_new: Table,
    *,
    proba_reference: ArrayLike | None = None,
    proba_new: ArrayLike | None = None,
    n_bins: int = 10,
) -> pd.DataFrame:
    """Population stability index (PSI) of every feature, with a verdict.

    The index is the sum over bins of (q - p) ln(q / p), where p and q are the shares of
    the reference rows and of the new rows in a bin. Numeric features are cut at
    quantiles of the reference; a value so frequent that two quantiles fall on it has a
    bin of its own. Each value of a string or categorical feature is a bin. Missing
    values have a bin of their own.

    Parameters
    ----------
    X_reference : array-like or DataFrame of shape (n_reference, n_features)
        Features of the training rows: numbers, categories or both.
    X_new : array-like or DataFrame of shape (n_new, n_features)
        The same features of new rows, in the same order.
    proba_reference : array-like of shape (n_reference,) or (n_reference, n_classes), \
default=None
        Probabilities of the reference rows, such as ``oof_proba_``. Rows with NaN are
        left out.
    proba_new : array-like of shape (n_new,) or (n_new, n_classes), default=None
        Probabilities of the new rows. Their stability is reported after the features.
    n_bins : int, default=10
        Number of quantile bins of a numeric feature. Ties can make them fewer or more.

    Returns
    -------
    DataFrame
        One row per feature, in their order. If probabilities are given, they follow:
        with two classes one row ``predict_proba``, for a 1-D array or for column 1,
        with more classes the rows ``predict_proba_0`` and so on. The columns are

        ``psi``
            The index, in nats; 0 if the shares of the bins are equal.
        ``psi_by_chance``
            The 95 % quantile of the index, at these numbers of rows, of a feature that
            has not changed. One such feature in 20 exceeds it by chance.
        ``n_bins``
            Number of bins that hold any row.
        ``missing_reference``, ``missing_new``
            Shares of missing values.
        ``verdict``
            If the index does not exceed ``psi_by_chance``: "stable" below 0.1,
            otherwise "no more than chance". If it does: "has moved a little" below 0.1,
            "has moved somewhat: look at it" below 0.25, and otherwise "has moved: check
            the data, consider training anew".

    Raises
    ------
    ValueError
        If the columns differ in name, number, order or kind, if there are no rows, if a
        column holds dates, or if :func:`prior_shift` would refuse the probabilities.

    See Also
    --------
    prior_shift : Estimates how the class shares have changed.

    Notes
    -----
    The limits 0.1 and 0.25 are customary in credit scoring for any number of rows
    (Siddiqi, 2006, "Credit Risk Scorecards"). If nothing has changed, the index is
    about (1 / n_reference + 1 / n_new) times a chi-squared variable with ``n_bins - 1``
    degrees of freedom (Yurdakul & Naranjo, 2020, "Statistical properties of the
    population stability index", Journal of Risk Model Validation 14), and
    ``psi_by_chance`` is its 95 % quantile.

    Half a row is added to every bin, which keeps the logarithm of an empty bin finite
    and its bias small (Haldane, 1956, "The estimation and significance of the logarithm
    of a ratio of frequencies").

    The chi-squared distribution requires some rows in each bin. Categories of which
    fewer than 5 rows are expected in the smaller table, given their share of both
    tables (Cochran, 1954, "Some methods for strengthening the common chi-squared
    tests"), are therefore pooled into one bin, whether or not they occur in the
    reference. A frequent category that the reference lacks has its own bin. In tables
    of 500 rows, 7 % of unchanged features with 300 categories then exceed
    ``psi_by_chance``; nearly all would if only the unseen categories were pooled.

    Examples
    --------
    >>> import numpy as np
    >>> old = np.random.default_rng(0).normal(size=(2000, 2))
    >>> population_stability(old, old[::-1] + [0, 1])[["psi", "verdict"]].round(2)
         psi                                            verdict
    x0  0.00                                             stable
    x1  0.96  has moved: check the data, consider training anew
    """
    if not isinstance(n_bins, Integral) or n_bins < 2:
        raise ValueError(
            f"n_bins must be an integer of at least 2; got {shown(n_bins)}."
        )
    reference, new = _check_tables(X_reference, X_new)
    pairs = [
        (name, reference.iloc[:, i], new.iloc[:, i]) for i, name in enumerate(reference)
    ]
    if proba_reference is not None or proba_new is not None:
        if proba_reference is None or proba_new is None:
            raise ValueError(
                "proba_reference and proba_new need each other; pass both."
            )
        pairs += _score_pairs(*_check_pair(proba_reference, proba_new))
    return pd.DataFrame(
        [_stability(*pair, n_bins) for pair in pairs],
        index=[name for name, _, _ in pairs],
    )


def _score_pairs(
    reference: FloatArray, new: FloatArray
) -> list[tuple[Hashable, pd.Series, pd.Series]]:
    """Name and both samples of each column of probabilities; one of two classes."""
    names = [f"predict_proba_{k}" for k in range(reference.shape[1])]
    if len(names) == 2:
        names, reference, new = ["predict_proba"], reference[:, 1:], new[:, 1:]
    columns = zip(names, reference.T, new.T, strict=True)
    return [(name, pd.Series(old), pd.Series(now)) for name, old, now in columns]


def _stability(
    name: Hashable, reference: pd.Series, new: pd.Series, n_bins: int
) -> dict[str, Any]:
    """Row of the report for one feature."""
    missing = [column.isna() for column in (reference, new)]
    reference, new = (
        column[~is_missing].infer_objects()
        for column, is_missing in zip((reference, new), missing, strict=True)
    )
    if _is_numeric(name, reference, new):
        counts = _quantile_counts(reference, new, n_bins)
    else:
        counts = _category_counts(reference, new)
    counts = np.column_stack([counts, [is_missing.sum() for is_missing in missing]])
    psi, by_chance, n_occupied = stability_of_counts(counts)
    return {
        "psi": psi,
        "psi_by_chance": by_chance,
        "n_bins": n_occupied,
        "missing_reference": missing[0].mean(),
        "missing_new": missing[1].mean(),
        "verdict": _verdict(psi, by_chance),
    }


def stability_of_counts(counts: IntArray) -> tuple[float, float, int]:
    """Population stability index of counts in bins.

    Parameters
    ----------
    counts : ndarray of shape (2, n_bins)
        Rows of the reference and new rows in each bin; neither without any row.

    Returns
    -------
    psi : float
    psi_by_chance : float
        See :func:`population_stability`.
    n_occupied : int
        Number of bins that hold any row.
    """
    counts = counts[:, counts.any(axis=0)]
    n_rows, n_occupied = counts.sum(axis=1), counts.shape[1]
    p, q = (counts + 0.5) / (n_rows + 0.5 * n_occupied)[:, None]
    psi = float(np.sum((q - p) * np.log(q / p)))
    by_chance = 0.0
    if n_occupied > 1:
        by_chance = float(chi2.ppf(0.95, n_occupied - 1) * np.sum(1.0 / n_rows))
    return psi, by_chance, n_occupied


def pooled_categories(counts: IntArray) -> IntArray:
    """Counts of categories with those together of which too few rows are expected.

    Parameters
    ----------
    counts : ndarray of shape (2, n_categories)

    Returns
    -------
    ndarray of shape (2, n_bins)
        The pooled ones come last.
    """
    sizes = counts.sum(axis=1)
    # Both tables decide: the rarest categories of one table are rarer there by chance.
    rare = counts.sum(axis=0) * sizes.min() < _MIN_EXPECTED * sizes.sum()
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


def _verdict(psi: float, by_chance: float) -> str:
    if psi <= by_chance:
        return "stable" if psi < _SOMEWHAT else "no more than chance"
    if psi < _SOMEWHAT:
        return "has moved a little"
    if psi < _MUCH:
        return "has moved somewhat: look at it"
    return "has moved: check the data, consider training anew"


def _quantile_counts(reference: pd.Series, new: pd.Series, n_bins: int) -> IntArray:
    """Counts, (2, about n_bins), of both samples between quantiles of the reference."""
    samples = [values.to_numpy(dtype=float) for values in (reference, new)]
    edges = quantile_edges(samples[0], n_bins)
    bins = (np.searchsorted(edges, values) for values in samples)
    return np.stack([np.bincount(b, minlength=len(edges) + 1) for b in bins])


def quantile_edges(values: FloatArray, n_bins: int) -> FloatArray:
    """Upper edges of all bins but the last, between quantiles of a reference.

    Parameters
    ----------
    values : ndarray of shape (n_reference,)
        At least one, none missing.
    n_bins : int
        Number of bins; ties can make them fewer or more.

    Returns
    -------
    ndarray of shape (n_edges,)
        Increasing. Each edge belongs to the bin below it.
    """
    # Quantiles are not interpolated, so a monotone transformation changes nothing.
    ranks = (np.arange(1, n_bins) * len(values) - 1) // n_bins
    levels, repeats = np.unique(np.sort(values)[ranks], return_counts=True)
    # The second edge just below a frequent value gives that value a bin of its own.
    return np.union1d(levels, np.nextafter(levels[repeats > 1], -np.inf))


def _category_counts(reference: pd.Series, new: pd.Series) -> IntArray:
    """Counts, (2, n_bins), of each category in both samples; pooled ones come last."""
    both = pd.concat([reference.astype(object), new.astype(object)])
    codes, categories = pd.factorize(both)
    parts = codes[: len(reference)], codes[len(reference) :]
    return pooled_categories(
        np.stack([np.bincount(part, minlength=len(categories)) for part in parts])
    )


# ----------------------------------------------------------------------------- checks


def _check_pair(
    proba_reference: ArrayLike, proba_new: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Both as arrays with a column per class, without the reference rows with NaN."""
    reference = _check_proba("proba_reference", proba_reference)
    new = _check_proba("proba_new", proba_new)
    n_dims = np.ndim(proba_reference), np.ndim(proba_new)
    if n_dims[0] != n_dims[1]:
        raise ValueError(
            f"proba_reference is {n_dims[0]}-D and proba_new is {n_dims[1]}-D. Pass "
            "both as predict_proba returns them, or the rare class of both."
        )
    if reference.shape[1] != new.shape[1]:
        raise ValueError(
            f"proba_reference has {reference.shape[1]} columns and proba_new has "
            f"{new.shape[1]}; both need one per class, in the same order."
        )
    n_missing = np.isnan(new).any(axis=1).sum()
    if n_missing:
        raise ValueError(
            f"proba_new has NaN in {n_missing} of {len(new)} rows; leave them out."
        )
    reference = reference[~np.isnan(reference).any(axis=1)]
    if not len(reference):
        raise ValueError(
            "proba_reference has NaN in every row, as oof_proba_ has if no row of X "
            "was held out. Pass predict_proba of rows that were not trained on."
        )
    return reference, new


def _check_proba(name: str, proba: ArrayLike) -> FloatArray:
    """Probabilities as (n_samples, n_classes), rows summing to 1 or with NaN."""
    values = check_array(
        proba,
        dtype=float,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name=name,
    )
    # Values rounded to float32 can be outside the range by less than this.
    if (values < -1e-6).any() or (values > 1 + 1e-6).any():
        raise ValueError(
            f"{name} must be probabilities in [0, 1]; got values from "
            f"{np.nanmin(values):g} to {np.nanmax(values):g}. Pass predict_proba, not "
            "decision_function."
        )
    values = np.clip(values, 0, 1)
    if values.ndim == 1:
        return np.column_stack([1 - values, values])
    if values.shape[1] < 2:
        raise ValueError(
            f"{name} has 1 column; pass one per class, or a 1-D array of the "
            "probabilities of the rare class."
        )
    total = values.sum(axis=1)
    wrong = np.flatnonzero(np.abs(total - 1) > _SUM_TOLERANCE)
    if wrong.size:
        raise ValueError(
            f"The rows of {name} must sum to 1; row {wrong[0]} sums to "
            f"{total[wrong[0]]:g}."
        )
    return values


def _check_prior(name: str, prior: ArrayLike, n_classes: int) -> FloatArray:
    """Class shares as an array of shape (n_classes,)."""
    shares = np.asarray(prior, dtype=float)
    if shares.ndim == 0 and n_classes == 2:
        shares = np.stack([1 - shares, shares])
    if shares.shape != (n_classes,):
        allowed = "a number or 2 shares" if n_classes == 2 else f"{n_classes} shares"
        raise ValueError(
            f"{name} must be {allowed}, as proba has {n_classes} classes; got "
            f"{shown(prior)}."
        )
    if not (shares >= 0).all() or not abs(shares.sum() - 1) <= _SUM_TOLERANCE:
        raise ValueError(
            f"{name} must be shares of classes, in [0, 1] and summing to 1; got "
            f"{shown(prior)}."
        )
    return shares


def _check_tables(X_reference: Any, X_new: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both as DataFrames with the same columns."""
    reference = _as_frame("X_reference", X_reference)
    new = _as_frame("X_new", X_new)
    named = hasattr(X_reference, "columns"), hasattr(X_new, "columns")
    if all(named):
        missing = [name for name in reference if name not in new]
        added = [name for name in new if name not in reference]
        if missing or added:
            raise ValueError(
                "X_reference and X_new must have the same columns. Only X_reference "
                f"has {missing}, and only X_new has {added}."
            )
        if list(reference) != list(new):
            raise ValueError(
                "The columns of X_new are those of X_reference in another order; pass "
                "X_new[X_reference.columns]."
            )
    elif reference.shape[1] != new.shape[1]:
        raise ValueError(
            f"X_reference has {reference.shape[1]} columns and X_new has "
            f"{new.shape[1]}; they must be the same features."
        )
    elif named[1]:
        reference = reference.set_axis(new.columns, axis=1)
    return reference, new


def _as_frame(name: str, X: Any) -> pd.DataFrame:
    if not hasattr(X, "columns"):
        X = check_array(X, dtype=None, ensure_all_finite=False, input_name=name)
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    if not isinstance(X, pd.DataFrame):
        X = pd.DataFrame({column: np.asarray(X[column]) for column in X.columns})
    if not X.size:
        raise ValueError(f"{name} is empty: its shape is {X.shape}.")
    return X


def _is_numeric(name: Hashable, reference: pd.Series, new: pd.Series) -> bool:
    """Whether both samples are numbers; a sample without values goes with any kind."""
    kinds = [column.dtype.kind for column in (reference, new) if len(column)]
    if any(kind in "mM" for kind in kinds):
        raise ValueError(
            f"Column {name!r} holds dates, which differ between any two periods. Leave "
            "it out, or convert it to a number such as an age."
        )
    numeric = [kind in "biuf" for kind in kinds]
    if any(numeric) and not all(numeric):
        raise ValueError(
            f"Column {name!r} is {reference.dtype} in X_reference and {new.dtype} in "
            "X_new; one is numeric and the other is not."
        )
    return len(reference) > 0 and all(numeric)
