"""What has changed since training: the share of the rare class, and the features.

New rows come without labels. From their scores alone :func:`prior_shift` tells how
common each class has become, :func:`adjust_to_prior` moves the probabilities to such
shares, and :func:`population_stability` says which features have moved::

    share = prior_shift(model.oof_proba_[:, 1], model.predict_proba(X_new)[:, 1])

Probabilities are (n_samples,), those of the rare class, or (n_samples, n_classes), as
``predict_proba`` returns them. They have to be calibrated, as those of
:class:`skadaptive.AdaptiveHybridClassifier` are by default.
"""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.stats import chi2
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array

from ._warnings import warn

__all__ = ["adjust_to_prior", "population_stability", "prior_shift"]

# By how much rows of probabilities, or priors, may miss a sum of 1: they may have been
# rounded to a few digits on their way through a file.
_SUM_TOLERANCE = 1e-3

# ------------------------------------------------------------------- shares of classes


def prior_shift(proba_reference, proba_new, *, tol=1e-10, max_iter=1000):
    """Shares of the classes among new rows, from their scores alone.

    The shares under which the new scores are most likely, if nothing but the shares
    has changed: the rows of each class must look as they did (label shift). Whether
    they do, no score can tell; see :func:`population_stability` for the features.

    Parameters
    ----------
    proba_reference : array-like of shape (n_reference,) or (n_reference, n_classes)
        Probabilities of rows at the old, natural shares that were not trained on, such
        as ``oof_proba_``. Rows with NaN, which were never held out, are left out.
    proba_new : array-like of shape (n_new,) or (n_new, n_classes)
        Probabilities of the new rows.
    tol : float, default=1e-10
        The shares are found when no others can have a mean log-likelihood, in nats per
        row, that is greater by more than this.
    max_iter : int, default=1000
        Most iterations.

    Returns
    -------
    float, or ndarray of shape (n_classes,)
        The new share of the rare class; or of every class, summing to 1.

    Raises
    ------
    ValueError
        If these are not probabilities, if they do not match, if no reference row is
        left, or if the reference gives a class no probability at all.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` is reached.

    Notes
    -----
    The expectation-maximisation of Saerens, Latinne & Decaestecker, 2002, "Adjusting
    the outputs of a classifier to new a priori probabilities: a simple procedure",
    Neural Computation 14, equation 2.9. Its old priors are the means of
    ``proba_reference``, which makes them a fixed point where nothing has changed
    (Alexandari, Kundaje & Shrikumar, 2020, "Maximum likelihood with bias-corrected
    calibration is hard-to-beat at label shift adaptation"). The likelihood is concave,
    so the maximum is the global one.

    Examples
    --------
    One row in ten was rare. Now there are 28 alarms instead of 10:

    >>> round(prior_shift([0.01] * 90 + [0.91] * 10, [0.01] * 72 + [0.91] * 28), 2)
    0.3
    """
    reference, new = _check_pair(proba_reference, proba_new)
    old = reference.mean(axis=0)
    if (old == 0).any():
        raise ValueError(
            "proba_reference gives probability 0 to the class of column "
            f"{', '.join(map(str, np.flatnonzero(old == 0)))} in every row, which "
            "tells nothing about its scores. Leave the class out, or pass more rows."
        )
    shares = _most_likely_shares(new / old, old, tol, max_iter)
    return float(shares[1]) if np.ndim(proba_new) == 1 else shares


def adjust_to_prior(proba, old, new):
    """Probabilities at other shares of the classes.

    Each probability is multiplied by the new share of its class over the old, and each
    row is divided by its sum: Bayes' rule (Saerens et al., 2002, equation 2.4; Elkan,
    2001, "The foundations of cost-sensitive learning", theorem 2). The ranking of the
    rows by the probability of one of two classes does not change.

    Parameters
    ----------
    proba : array-like of shape (n_samples,) or (n_samples, n_classes)
        Probabilities at the old shares. Rows with NaN, as in ``oof_proba_``, keep it.
    old, new : float or array-like of shape (n_classes,)
        The shares: one per class, summing to 1, or for two classes a float, that of
        the class of a 1-D ``proba`` or of column 1. The old ones must be positive.

    Returns
    -------
    ndarray of the shape of ``proba``, float64

    Raises
    ------
    ValueError
        If these are not probabilities or shares, if they do not match, or if a row is
        certain of a class whose new share is 0.

    Examples
    --------
    An even bet at a prevalence of 1 % is a safe one at 50 %:

    >>> adjust_to_prior([0.5], old=0.01, new=0.5)
    array([0.99])
    """
    columns = _check_proba("proba", proba)
    old = _check_prior("old", old, columns.shape[1])
    new = _check_prior("new", new, columns.shape[1])
    if (old == 0).any():
        raise ValueError(f"old must be positive for every class; got {old}.")
    weighted = columns * (new / old)
    total = weighted.sum(axis=1, keepdims=True)
    if (total == 0).any():
        raise ValueError(
            f"Row {np.argmax(total == 0)} of proba is certain of a class whose share "
            "in new is 0: the two contradict each other. Give that class a share, "
            "however small."
        )
    adjusted = weighted / total
    return adjusted[:, 1] if np.ndim(proba) == 1 else adjusted


def _most_likely_shares(ratios, start, tol, max_iter):
    """Weights of a mixture of known densities, by accelerated EM.

    Where classes overlap EM alone needs thousands of steps: on four Gaussians that
    overlap widely 10,651 against 71 of these, which extrapolate from two (SQUAREM, S3,
    of Varadhan & Roland, 2008, "Simple and globally convergent methods for accelerating
    the convergence of any EM algorithm", Scandinavian Journal of Statistics 35).

    ``ratios`` (n_samples, n_classes) are the densities of each row up to a factor.
    """

    def rise(shares):
        """Derivative of the mean log-likelihood; EM multiplies the shares by it."""
        return (ratios / (ratios @ shares)[:, None]).mean(axis=0)

    shares = start / start.sum()
    for _ in range(max_iter):
        slope = rise(shares)
        # The likelihood is concave, so that its slope towards the best single class
        # bounds what is still to be gained.
        if slope.max() - 1 <= tol:
            return shares
        once = shares * slope
        twice = once * rise(once)
        step, bend = once - shares, twice - 2 * once + shares
        length = np.linalg.norm(step) / (np.linalg.norm(bend) + 1e-300)
        length = min(length, 1e6)
        leap = shares + 2 * length * step + length**2 * bend
        # A share of 0 would stay 0.
        leap = np.maximum(leap, 0.01 * twice)
        leap /= leap.sum()
        gain = np.log(ratios @ leap).mean() - np.log(ratios @ twice).mean()
        shares = leap if gain > 0 else twice
    warn(
        f"The shares have not converged in {max_iter} iterations; raise max_iter or "
        "tol.",
        ConvergenceWarning,
    )
    return shares


# --------------------------------------------------------- stability of the population

# Customary limits, those of credit scoring; see the notes of population_stability.
_SOMEWHAT, _MUCH = 0.1, 0.25
# Rows that a category must be expected to have in the smaller table, or be pooled.
_LEAST_EXPECTED = 5


def population_stability(
    X_reference, X_new, *, proba_reference=None, proba_new=None, n_bins=10
):
    """Population stability index (PSI) of every feature, and what to make of it.

    The index is the sum over bins of (q - p) ln(q / p), where p and q are the shares of
    the reference and of the new rows. Numeric features are cut at quantiles of the
    reference; a value so frequent that two quantiles fall on it has a bin of its own.
    For strings and other categories each is a bin. Missing values are a bin of their
    own.

    Parameters
    ----------
    X_reference : array-like or DataFrame of shape (n_reference, n_features)
        The features that were trained on. Numbers, categories or both.
    X_new : array-like or DataFrame of shape (n_new, n_features)
        The same features of new rows, in the same order.
    proba_reference : array-like of shape (n_reference,) or (n_reference, n_classes), \
default=None
        Probabilities such as ``oof_proba_``. Rows with NaN are left out.
    proba_new : array-like of shape (n_new,) or (n_new, n_classes), default=None
        Probabilities of the new rows. Their stability comes last.
    n_bins : int, default=10
        Quantile bins of a numeric feature; ties can make them fewer or more.

    Returns
    -------
    DataFrame
        A row per feature, in their order, then ``predict_proba`` if probabilities are
        given, of column 1 of two; of more classes ``predict_proba_0`` and so on. The
        columns are

        ``psi``
            The index, in nats; 0 where nothing has moved.
        ``psi_by_chance``
            What it exceeds, by chance alone, in one of 20 features that have not moved
            at these numbers of rows. Among many features some will.
        ``n_bins``
            Bins with any row.
        ``missing_reference``, ``missing_new``
            Shares of missing values.
        ``verdict``
            "stable" below 0.1; "no more than chance" from there on, where
            ``psi_by_chance`` is not exceeded. Where it is: "has moved a little" below
            0.1, "has moved somewhat: look at it" below 0.25, and "has moved: check the
            data, consider training anew".

    Raises
    ------
    ValueError
        If the columns differ in name, number, order or kind, if there are no rows, for
        dates, and for what :func:`prior_shift` does not accept as probabilities.

    Notes
    -----
    That 0.1 is some and 0.25 is much is a custom of credit scoring (Siddiqi, 2006,
    "Credit Risk Scorecards"), whatever the number of rows. If nothing has moved, the
    index is about (1 / n_reference + 1 / n_new) times a chi-squared variable with
    ``n_bins - 1`` degrees of freedom (Yurdakul & Naranjo, 2020, "Statistical properties
    of the population stability index", Journal of Risk Model Validation 14), and
    ``psi_by_chance`` is its 95 % quantile.

    Half a row is added to every bin, which keeps the logarithm of an empty one finite
    and its bias small (Haldane, 1956, "The estimation and significance of the logarithm
    of a ratio of frequencies").

    For the chi-squared law each bin needs some rows, so categories that would have
    fewer than 5 in the smaller table at their share of both (Cochran, 1954, "Some
    methods for strengthening the common chi-squared tests") are pooled into one bin,
    whether the reference has them or not; a frequent one that it has not is a bin like
    any other. Of features of 300 categories that have not moved, in tables of 500 rows,
    7 % then exceed ``psi_by_chance``; if only the unseen ones are pooled, nearly all.

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
        raise ValueError(f"n_bins must be an integer of at least 2; got {n_bins!r}.")
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


def _score_pairs(reference, new):
    names = [f"predict_proba_{k}" for k in range(reference.shape[1])]
    if len(names) == 2:
        names, reference, new = ["predict_proba"], reference[:, 1:], new[:, 1:]
    columns = zip(names, reference.T, new.T, strict=True)
    return [(name, pd.Series(old), pd.Series(now)) for name, old, now in columns]


def _stability(name, reference, new, n_bins):
    """A row of the report."""
    missing = [column.isna() for column in (reference, new)]
    present = [
        column[~gone].infer_objects()
        for column, gone in zip((reference, new), missing, strict=True)
    ]
    count = _in_quantiles if _is_numeric(name, *present) else _in_categories
    counts = count(*present, n_bins)
    counts = np.column_stack([counts, [gone.sum() for gone in missing]])
    counts = counts[:, counts.any(axis=0)]
    n_rows, n_occupied = counts.sum(axis=1), counts.shape[1]
    p, q = (counts + 0.5) / (n_rows + 0.5 * n_occupied)[:, None]
    psi = np.sum((q - p) * np.log(q / p))
    by_chance = 0.0
    if n_occupied > 1:
        by_chance = chi2.ppf(0.95, n_occupied - 1) * np.sum(1.0 / n_rows)
    return {
        "psi": psi,
        "psi_by_chance": by_chance,
        "n_bins": n_occupied,
        "missing_reference": missing[0].mean(),
        "missing_new": missing[1].mean(),
        "verdict": _verdict(psi, by_chance),
    }


def _verdict(psi, by_chance):
    if psi <= by_chance:
        return "stable" if psi < _SOMEWHAT else "no more than chance"
    if psi < _SOMEWHAT:
        return "has moved a little"
    if psi < _MUCH:
        return "has moved somewhat: look at it"
    return "has moved: check the data, consider training anew"


def _in_quantiles(reference, new, n_bins):
    """Rows, (2, n_bins or so), of each between quantiles of the first."""
    reference, new = (values.to_numpy(dtype=float) for values in (reference, new))
    # Not interpolated, so that a monotone transformation changes nothing.
    at = (np.arange(1, n_bins) * len(reference) - 1) // n_bins
    levels, repeats = np.unique(np.sort(reference)[at], return_counts=True)
    # Up to and including each level, but from a frequent one those below are split off.
    edges = np.union1d(levels, np.nextafter(levels[repeats > 1], -np.inf))
    bins = (np.searchsorted(edges, values) for values in (reference, new))
    return np.stack([np.bincount(b, minlength=len(edges) + 1) for b in bins])


def _in_categories(reference, new, n_bins):
    """Rows, (2, n_categories + 1), of each category, the rare ones together at last."""
    both = pd.concat([reference.astype(object), new.astype(object)])
    codes, found = pd.factorize(both)
    parts = codes[: len(reference)], codes[len(reference) :]
    counts = np.stack([np.bincount(part, minlength=len(found)) for part in parts])
    sizes = len(reference), len(new)
    # Judged by both tables: by the reference alone, its rarest are rare by chance.
    rare = counts.sum(axis=0) * min(sizes) < _LEAST_EXPECTED * sum(sizes)
    return np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])


# ----------------------------------------------------------------------------- checks


def _check_pair(proba_reference, proba_new):
    """Both as columns, one per class, the reference without NaN."""
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
    absent = np.isnan(new).any(axis=1)
    if absent.any():
        raise ValueError(
            f"proba_new has NaN in {absent.sum()} of {len(new)} rows; leave them out."
        )
    reference = reference[~np.isnan(reference).any(axis=1)]
    if not len(reference):
        raise ValueError(
            "proba_reference has NaN in every row, as oof_proba_ has where no row of X "
            "was held out. Pass predict_proba of rows that were not trained on."
        )
    return reference, new


def _check_proba(name, proba):
    """Probabilities as (n_samples, n_classes), rows summing to 1 or with NaN."""
    proba = check_array(
        proba,
        dtype=float,
        ensure_2d=False,
        ensure_all_finite="allow-nan",
        input_name=name,
    )
    # Rounding to float32 may leave the range by less than this.
    if (proba < -1e-6).any() or (proba > 1 + 1e-6).any():
        raise ValueError(
            f"{name} must be probabilities in [0, 1]; got values from "
            f"{np.nanmin(proba):g} to {np.nanmax(proba):g}. Pass predict_proba, not "
            "decision_function."
        )
    proba = np.clip(proba, 0, 1)
    if proba.ndim == 1:
        return np.column_stack([1 - proba, proba])
    if proba.shape[1] < 2:
        raise ValueError(
            f"{name} has 1 column; pass one per class, or a 1-D array of the "
            "probabilities of the rare class."
        )
    total = proba.sum(axis=1)
    wrong = np.flatnonzero(np.abs(total - 1) > _SUM_TOLERANCE)
    if wrong.size:
        raise ValueError(
            f"The rows of {name} must sum to 1; row {wrong[0]} sums to "
            f"{total[wrong[0]]:g}."
        )
    return proba


def _check_prior(name, prior, n_classes):
    """Shares as an array of shape (n_classes,)."""
    shares = np.asarray(prior, dtype=float)
    if shares.ndim == 0 and n_classes == 2:
        shares = np.stack([1 - shares, shares])
    if shares.shape != (n_classes,):
        allowed = "a number or 2 shares" if n_classes == 2 else f"{n_classes} shares"
        raise ValueError(
            f"{name} must be {allowed}, as proba has {n_classes} classes; got "
            f"{prior!r}."
        )
    if not (shares >= 0).all() or not abs(shares.sum() - 1) <= _SUM_TOLERANCE:
        raise ValueError(
            f"{name} must be shares of classes, in [0, 1] and summing to 1; got "
            f"{prior!r}."
        )
    return shares


def _check_tables(X_reference, X_new):
    """Both as pandas frames with the same columns."""
    reference = _as_frame("X_reference", X_reference)
    new = _as_frame("X_new", X_new)
    named = hasattr(X_reference, "columns"), hasattr(X_new, "columns")
    if all(named):
        lacking = [name for name in reference if name not in new]
        extra = [name for name in new if name not in reference]
        if lacking or extra:
            raise ValueError(
                "X_reference and X_new must have the same columns. Only X_reference "
                f"has {lacking}, and only X_new has {extra}."
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


def _as_frame(name, X):
    if not hasattr(X, "columns"):
        X = check_array(X, dtype=None, ensure_all_finite=False, input_name=name)
        return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    if not isinstance(X, pd.DataFrame):
        X = pd.DataFrame({column: np.asarray(X[column]) for column in X.columns})
    if not X.size:
        raise ValueError(f"{name} is empty: its shape is {X.shape}.")
    return X


def _is_numeric(name, reference, new):
    """Whether to cut at quantiles; whatever is absent agrees with everything."""
    kinds = [column.dtype.kind for column in (reference, new) if len(column)]
    if any(kind in "mM" for kind in kinds):
        raise ValueError(
            f"Column {name!r} holds dates, which move by themselves. Leave it out, or "
            "turn it into a number such as an age."
        )
    numeric = [kind in "biuf" for kind in kinds]
    if any(numeric) and not all(numeric):
        raise ValueError(
            f"Column {name!r} is {reference.dtype} in X_reference and {new.dtype} in "
            "X_new; one is numeric and the other is not."
        )
    return len(reference) > 0 and all(numeric)
