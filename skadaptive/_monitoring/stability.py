"""Whether counts in bins have changed, and which bins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from .._io.columns import quoted
from .._typing import BoolArray, IntArray
from .bins import stability_of_bins, with_rare_pooled

# Fewest expected rows of a bin; Cochran, 1954, "Some methods for strengthening the
# common chi-squared tests".
_MIN_EXPECTED = 5
# Standard errors of a one-sided interval of 95 %.
_ONE_SIDED = 1.645
#: Share of what a period alone changes that all rows together may keep, where the other
#: periods make up for it.
MADE_UP_FOR = 0.5


@dataclass(frozen=True)
class Stability:
    """How the distribution of a feature or of the score has changed in a period.

    Attributes
    ----------
    psi, psi_by_chance : float
        See :func:`skadaptive.drift.population_stability`.
    p_value : float
        See :func:`chi_square`.
    missing, missing_reference : float
        Shares of missing values.
    unlisted : float
        Share of rows with values that the model file does not list.
    """

    psi: float
    psi_by_chance: float
    p_value: float
    missing: float
    missing_reference: float
    unlisted: float


def stability_of(counts: IntArray, kind: str) -> Stability:
    """Stability of counts.

    Parameters
    ----------
    counts : ndarray of shape (2, n_bins)
        As :meth:`~skadaptive._monitoring.bins.ReferenceBins.counts` returns them.
    kind : {"number", "category", "score"}
    """
    psi, by_chance = stability_of_bins(counts, kind == "category")
    missing_reference, missing = counts[:, -1] / counts.sum(axis=1)
    return Stability(
        psi,
        by_chance,
        chi_square(with_rare_pooled(counts) if kind == "category" else counts),
        float(missing),
        float(missing_reference),
        float(counts[1, -2] / counts[1].sum()) if kind == "category" else 0.0,
    )


def chi_square(counts: IntArray) -> float:
    """Test whether two samples are from the same distribution over bins.

    This is Pearson's chi-squared test of the table, so that both samples count as
    drawn. Neighbouring bins are taken together until each expects 5 rows of the smaller
    sample, which its distribution needs.

    Parameters
    ----------
    counts : ndarray of shape (2, n_bins)

    Returns
    -------
    float
        The p-value; 1 if all rows are in one bin.
    """
    sizes = counts.sum(axis=1)
    smaller = sizes.min() / sizes.sum()
    merged: list[np.ndarray] = []
    total = np.zeros(2)
    for column in counts.T:
        total = total + column
        if total.sum() * smaller >= _MIN_EXPECTED:
            merged.append(total)
            total = np.zeros(2)
    if len(merged) < 2:
        return 1.0
    merged[-1] = merged[-1] + total
    table = np.array(merged).T
    expected = np.outer(sizes, table.sum(axis=0)) / sizes.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(chi2.sf(statistic, len(merged) - 1))


def made_up_for(old: IntArray, periods: IntArray) -> BoolArray:
    """Which periods the other periods make up for, by at least half.

    Periods of a feature that varies with time differ from the training, and make up
    for each other where the training covered such periods. Nothing makes up for a
    change that stays, or for one of the last period.

    Parameters
    ----------
    old : ndarray of shape (n_bins,)
        Counts of the training.
    periods : ndarray of shape (n_periods, n_bins)
        Counts of each period, at least one row in each.

    Returns
    -------
    ndarray of bool of shape (n_periods,)
        Whether the change of all rows together, along that of the period, is at most
        half of what the period alone would make, as far as the numbers of rows tell
        (one-sided, 95 %). Changes of shares are in standard deviations of a count, as
        in the chi-squared test.
    """
    expected, sizes = old / old.sum(), periods.sum(axis=1)
    weight = sizes / sizes.sum()
    either = (expected + periods.sum(axis=0) / sizes.sum()) / 2
    used = either > 0
    change = (periods / sizes[:, None] - expected)[:, used] / np.sqrt(either[used])
    length = np.sqrt((change**2).sum(axis=1))
    by_chance = _ONE_SIDED * np.sqrt(1 / sizes.sum() + 1 / old.sum())
    along = change @ (weight @ change)
    return along <= length * (MADE_UP_FOR * weight * length + by_chance)


def what_moved(
    of: dict[str, Any], counts: IntArray, unlisted: Sequence[str] = ()
) -> str:
    """The greatest change of a distribution, in words.

    Parameters
    ----------
    of : dict
        The distribution of the training.
    counts : ndarray of shape (2, n_bins)
    unlisted : sequence of str, default=()
        Values of the new rows that the model file does not list, the most frequent
        first.

    Returns
    -------
    str
        A sentence without its subject, which is the feature, and without a point.
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    change = shares[1] - shares[0]
    changes = {
        "missing": abs(change[-1]),
        "inside": float(np.abs(change[:-1]).max(initial=0)),
    }
    if of["kind"] == "category":
        if change[-2] > 0:
            # A renamed value is gained by what is not listed and lost by itself.
            changes["unlisted"] = 2 * change[-2]
    else:
        below = np.cumsum(shares[:, :-1], axis=1)[:, :-1]
        gaps = below[1] - below[0]
        changes["inside"] = float(np.abs(gaps).max(initial=0))
    what = max(changes, key=lambda name: changes[name])
    if what == "missing":
        return (
            f"is missing in {_percent(shares[1, -1])} of the rows, and was in "
            f"{_percent(shares[0, -1])} in training"
        )
    if what == "unlisted":
        return _of_unlisted(of, shares, unlisted)
    if of["kind"] == "category":
        i = int(np.abs(change[:-1]).argmax())
        value = (
            quoted(of["values"][i]) if i < len(of["values"]) else "any value not listed"
        )
        return (
            f"is {value} in {_percent(shares[1, i])} of the rows, and was in "
            f"{_percent(shares[0, i])} in training"
        )
    i = int(np.abs(gaps).argmax())
    present = shares[:, :-1].sum(axis=1)
    old, new = (
        (present[k] - below[k, i]) / present[k] if present[k] else np.nan
        for k in (0, 1)
    )
    return (
        f"is above {of['edges'][i]:.4g} in {_percent(new)} of the rows, and was in "
        f"{_percent(old)} in training"
    )


def _of_unlisted(
    of: dict[str, Any], shares: np.ndarray, unlisted: Sequence[str]
) -> str:
    change = shares[1] - shares[0]
    known = "which no row of training was"
    if of["others"]:
        known = f"not among the {len(of['values']):,} most frequent values of training"
    shown = " or ".join(map(quoted, unlisted[:2]))
    more = f" or one of {len(unlisted) - 2} others" if len(unlisted) > 2 else ""
    text = f"is {shown}{more} in {_percent(shares[1, -2])} of the rows, {known}"
    lost = int(change[:-2].argmin()) if len(of["values"]) else None
    if lost is None or -change[lost] < 0.3 * change[-2]:
        return text
    return (
        f"{text}, and {quoted(of['values'][lost])} fell from "
        f"{_percent(shares[0, lost])} to {_percent(shares[1, lost])}"
    )


def _percent(share: float) -> str:
    """A share, with a decimal below 10 %."""
    digits = 1 if 0 < share < 0.0995 else 0
    return f"{100 * share:.{digits}f}\u00a0%"
