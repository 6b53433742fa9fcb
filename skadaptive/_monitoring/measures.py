"""Measures of labelled rows in a period, against the out-of-fold rows of the training.

Average precision, precision and the Brier score depend on the share of the rare class,
so that a period is compared with what the training's rows give at the share of the
period. A change of the share alone then changes none of them, and the share itself is
compared as well.

All tests are of the difference of two independent samples, each with its error. Errors
have closed forms, so that nothing is drawn at random: the same rows give the same
numbers. Tests and intervals are computed on a scale on which the error depends little
on the value: the angle ``arcsin(sqrt(share))`` of shares and of average precision
(Fisher, 1922, "On the dominance ratio"), the square root of the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact, norm

from .._assessment.statistics import effective_size
from .._assessment.threshold_counts import ScoredRows
from .._typing import BoolArray, FloatArray

#: Fewest rows of each class, in the period and in the training, to compare how well the
#: rare class is found.
MIN_ROWS = 10
#: Half the width of the intervals of 95 %, in standard errors.
Z = float(norm.ppf(0.975))

# Fewest expected rows of either kind for the normal distribution; below, the test of
# shares is Fisher's exact one.
_MANY = 20
# Average precision nearer to 0 or 1 counts as this near.
_EDGE = 1e-3

#: Names in tables and in texts, and whether "less" or "more" is worse, or either.
SHARES = {
    "alarms": ("share of alarms", "either"),
    "estimated_share": ("estimated share of the rare class", "either"),
}
LABELLED = {
    "share": ("share of the rare class", "either"),
    "average_precision": ("average precision", "less"),
    "recall": ("recall", "less"),
    "precision": ("precision", "less"),
    "brier_score": ("Brier score", "more"),
    "calibration": ("observed over predicted share", "either"),
}
TITLES = {name: title for name, (title, _) in (SHARES | LABELLED).items()}
WORSE = {name: worse for name, (_, worse) in (SHARES | LABELLED).items()}


@dataclass(frozen=True)
class Compared:
    """A measure in a period, and what the training leads to expect of one like it.

    Attributes
    ----------
    value, low, high : float
        The measure and its confidence interval.
    expected, expected_low, expected_high : float
        The measure of the training, at this share of the rare class, and the interval
        around it of periods of this size if nothing has changed.
    statistic : float
        Standard errors between the value and the expected one, on the scale of the
        test.
    p_value : float
        Of the two-sided test that nothing has changed.
    """

    value: float
    low: float
    high: float
    expected: float
    expected_low: float
    expected_high: float
    statistic: float
    p_value: float


@dataclass(frozen=True)
class DecidedRows:
    """Rows with labels, scores and decisions, of one class after the other.

    Attributes
    ----------
    rows : ScoredRows
    threshold : float
        A row is predicted rare if its probability is above it.
    """

    rows: ScoredRows
    threshold: float

    def of_class(self, label: int) -> "OneClass":
        """The rows of one class: 1 is the rare one."""
        is_label = self.rows.y == label
        proba = self.rows.proba[is_label]
        return OneClass(
            proba, self.rows.weight[is_label], proba > self.threshold, label
        )


@dataclass(frozen=True)
class OneClass:
    """Rows of one class.

    Attributes
    ----------
    proba, weight : ndarray of shape (n_rows,)
    is_alarm : ndarray of bool of shape (n_rows,)
    label : int
    """

    proba: FloatArray
    weight: FloatArray
    is_alarm: BoolArray
    label: int

    @property
    def size(self) -> float:
        """Number of rows of equal weight that tell as much."""
        return effective_size(self.weight)

    def mean(self, values: np.ndarray) -> float:
        """Weighted mean."""
        return float(np.average(values, weights=self.weight))

    def variance(self, values: np.ndarray) -> float:
        """Weighted variance."""
        return self.mean((values - self.mean(values)) ** 2)

    @property
    def loss(self) -> FloatArray:
        """Terms of the Brier score."""
        return (self.proba - self.label) ** 2


class LabelledComparison:
    """Compares labelled rows of periods with those of the training.

    Parameters
    ----------
    reference : DecidedRows
    z : float
        Half the width of intervals, in standard errors.
    """

    def __init__(self, reference: DecidedRows, z: float) -> None:
        self._reference, self._z = reference, z

    def measures(self, new: DecidedRows) -> dict[str, Compared]:
        """All measures that these rows suffice for.

        Parameters
        ----------
        new : DecidedRows
            At least one row.

        Returns
        -------
        dict of str to Compared
        """
        old = self._reference
        found = {
            "share": compare_shares(
                (new.rows.y, new.rows.weight), (old.rows.y, old.rows.weight), self._z
            )
        }
        now, before = ([rows.of_class(k) for k in (0, 1)] for rows in (new, old))
        if min(len(one.proba) for one in (*now, *before)) >= MIN_ROWS:
            pi = new.rows.share
            found["average_precision"] = self._average_precision(now, before, pi)
            found["recall"] = compare_shares(
                (now[1].is_alarm, now[1].weight),
                (before[1].is_alarm, before[1].weight),
                self._z,
            )
            precision = self._precision(now, before, pi)
            if precision is not None:
                found["precision"] = precision
            found["brier_score"] = self._brier_score(now, before, pi)
        calibration = self._calibration(new.rows)
        if calibration is not None:
            found["calibration"] = calibration
        return found

    def _average_precision(
        self, new: list[OneClass], old: list[OneClass], pi: float
    ) -> Compared:
        value, spread = average_precision(new, pi)
        expected, variances = average_precision(
            old, pi, n_rows=[one.size for one in new]
        )
        error = np.hypot(_error(variances, new), _error(variances, old))
        return _on_angles(value, _error(spread, new), expected, error, self._z)

    def _precision(
        self, new: list[OneClass], old: list[OneClass], pi: float
    ) -> Compared | None:
        """Precision; given how many alarms there are, it is a share of them."""
        alarms = [one.is_alarm * one.weight for one in new]
        n_alarms = effective_size(np.concatenate(alarms))
        if not n_alarms:
            return None
        # Half a row more of each kind keeps rates from 0.
        false_rate, recall = (
            (one.mean(one.is_alarm) * one.size + 0.5) / (one.size + 1) for one in old
        )
        expected = pi * recall / (pi * recall + (1 - pi) * false_rate)
        # The variance of the training's log-odds, from both rates.
        log_odds = (1 - false_rate) / false_rate / old[0].size
        log_odds += (1 - recall) / recall / old[1].size
        value = float(alarms[1].sum() / (alarms[0].sum() + alarms[1].sum()))
        # As many alarms of the training would tell as much.
        n_old = 1 / (expected * (1 - expected) * log_odds)
        return _on_shares((value, n_alarms), (expected, n_old), self._z)

    def _brier_score(
        self, new: list[OneClass], old: list[OneClass], pi: float
    ) -> Compared:
        shares = np.array([1 - pi, pi])

        def score(pair: list[OneClass]) -> float:
            return float(shares @ [one.mean(one.loss) for one in pair])

        def variances(pair: list[OneClass]) -> FloatArray:
            return shares**2 * [one.variance(one.loss) for one in pair]

        known = variances(old)
        error = np.hypot(_error(known, new), _error(known, old))
        own = _error(variances(new), new)
        return _on_roots(score(new), own, score(old), error, self._z)

    def _calibration(self, new: ScoredRows) -> Compared | None:
        """The observed share over the mean probability.

        The probabilities of some classifiers are not calibrated, and the out-of-fold
        rows show by what factor.
        """
        old = self._reference.rows
        means = [
            float(np.average(rows.proba, weights=rows.weight)) for rows in (new, old)
        ]
        if not len(new.y) * means[0] >= _MANY or not old.share > 0:
            return None
        value, expected = new.share / means[0], old.share / means[1]
        residual = old.y - expected * old.proba
        variance = np.average(residual**2, weights=old.weight)
        n, n_old = effective_size(new.weight), effective_size(old.weight)
        spread = np.sqrt(variance * (1 / n + 1 / n_old)) / means[0]
        own = np.average((new.y - value * new.proba) ** 2, weights=new.weight)
        return _on_roots(value, np.sqrt(own / n) / means[0], expected, spread, self._z)


def _error(variances: Sequence[float] | FloatArray, classes: list[OneClass]) -> float:
    """Standard error of a sum over classes, from the variance by row of each."""
    terms = (v / one.size for v, one in zip(variances, classes, strict=True))
    return float(np.sqrt(sum(terms)))


def average_precision(
    classes: list[OneClass], pi: float, n_rows: list[float] | None = None
) -> tuple[float, list[float]]:
    """Average precision at a share of the rare class, and its variance by row.

    Parameters
    ----------
    classes : list of OneClass
        The other rows, and the rare ones.
    pi : float
        Share of the rare class, to which the classes are weighted.
    n_rows : list of two floats, default=None
        Numbers of rows of a sample of which this is the expected value: a row counts
        among those above itself, so that a small sample has a greater one. None: the
        average precision of the rows themselves.

    Returns
    -------
    value : float
    variances : list of two floats
        For each class, the variance of the influence of one row. Divided by the number
        of rows and summed, they are the variance of average precision within classes of
        fixed sizes (Davison & Hinkley, 1997, "Bootstrap Methods and their
        Application", section 2.7; the bootstrap within classes agrees).
    """
    other, rare = classes
    levels, level = np.unique(rare.proba, return_inverse=True)
    share = np.bincount(level, rare.weight) / rare.weight.sum()
    place = np.searchsorted(levels, other.proba, "right")
    counts = np.bincount(place, other.weight, len(levels) + 1) / other.weight.sum()
    # Shares of both classes at or above each level.
    above = share[::-1].cumsum()[::-1]
    above_other = counts[::-1].cumsum()[::-1][1:]
    total = pi * above + (1 - pi) * above_other
    precision = pi * above / total
    value = float(share @ precision)
    # Derivatives of the precision at a level by both shares, summed over levels.
    by_rare = np.cumsum(share * pi * (1 - pi) * above_other / total**2)
    by_other = np.r_[0, np.cumsum(share * pi * (1 - pi) * above / total**2)]
    variances = [
        other.variance(by_other[place]),
        rare.variance((precision + by_rare)[level]),
    ]
    if n_rows is None:
        return value, variances
    n_other, n_rare = n_rows
    tp, fp = 1 + (n_rare - 1) * above, n_other * above_other
    # Second-order terms of the expected ratio.
    curved = tp * fp * (1 - above_other) - fp * (n_rare - 1) * above * (1 - above)
    at_size = np.clip(tp / (tp + fp) + curved / (tp + fp) ** 3, 0, 1)
    return float(share @ at_size), variances


def compare_shares(
    new: tuple[np.ndarray, FloatArray],
    old: tuple[np.ndarray, FloatArray],
    z: float,
) -> Compared:
    """Compare the shares of rows of some kind.

    Parameters
    ----------
    new, old : tuple of ndarrays of shape (n_rows,)
        Whether each row is of the kind, and its weight.
    z : float
        Half the width of intervals, in standard errors.
    """
    now, before = (
        (float(np.average(is_kind, weights=weight)), effective_size(weight))
        for is_kind, weight in (new, old)
    )
    return _on_shares(now, before, z)


def _on_shares(
    new: tuple[float, float], old: tuple[float, float], z: float
) -> Compared:
    """Compare two shares, each of a number of rows."""
    (value, n), (expected, n_old) = new, old
    pooled = (n * value + n_old * expected) / (n + n_old)
    either = 1 / n + 1 / n_old
    if min(n, n_old) * min(pooled, 1 - pooled) >= _MANY:
        statistic = (_angle(value) - _angle(expected)) / np.sqrt(either / 4)
        p_value = two_sided(statistic)
    else:
        cells = [(round(share * size), round(size)) for share, size in (new, old)]
        table = [[count, size - count] for count, size in cells]
        p_value = float(fisher_exact(table).pvalue)
        statistic = np.copysign(norm.isf(p_value / 2), value - expected)
    return Compared(
        value,
        *_wilson(value, n, z),
        expected,
        *_wilson(expected, 1 / either, z),
        float(statistic),
        p_value,
    )


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a share of n rows, which need not be a whole number."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def two_sided(statistic: float) -> float:
    """The p-value of a statistic with the standard normal distribution."""
    return float(2 * norm.sf(abs(statistic)))


def z_of_ratio(value: float, expected: float, spread: float) -> float:
    """Standard errors between two values, on the scale of their square roots."""
    if spread == 0:
        return 0.0 if value == expected else np.inf
    roots = np.sqrt(value) - np.sqrt(expected)
    return float(2 * roots * np.sqrt(expected) / spread)


def _angle(share: float) -> float:
    return float(np.arcsin(np.sqrt(min(max(share, 0.0), 1.0))))


def _on_angles(
    value: float, own: float, expected: float, spread: float, z: float
) -> Compared:
    """Compare values from 0 to 1; ``own`` is the error of the value by its own rows."""

    def error(middle: float, spread: float) -> float:
        inner = min(max(middle, _EDGE), 1 - _EDGE)
        return float(max(spread, _EDGE) / (2 * np.sqrt(inner * (1 - inner))))

    def interval(middle: float, spread: float) -> tuple[float, float]:
        half = z * error(middle, spread)
        low = max(_angle(middle) - half, 0.0)
        high = min(_angle(middle) + half, np.pi / 2)
        return float(np.sin(low) ** 2), float(np.sin(high) ** 2)

    statistic = (_angle(value) - _angle(expected)) / error(expected, spread)
    return Compared(
        value,
        *interval(value, own),
        expected,
        *interval(expected, spread),
        statistic,
        two_sided(statistic),
    )


def _on_roots(
    value: float, own: float, expected: float, spread: float, z: float
) -> Compared:
    """Compare positive values; ``own`` is the error of the value by its own rows."""

    def interval(middle: float, error: float) -> tuple[float, float]:
        if middle <= 0:
            return 0.0, z * error
        half = z * error / (2 * np.sqrt(middle))
        return (
            float(max(np.sqrt(middle) - half, 0) ** 2),
            float((np.sqrt(middle) + half) ** 2),
        )

    statistic = z_of_ratio(value, expected, spread)
    return Compared(
        value,
        *interval(value, own),
        expected,
        *interval(expected, spread),
        statistic,
        two_sided(statistic),
    )
