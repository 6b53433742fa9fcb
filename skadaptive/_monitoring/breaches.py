"""What has changed beyond luck, since when, and by how much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from .._assessment.statistics import holm
from .._typing import BoolArray
from .measures import TITLES, WORSE, Z
from .periods import ALL_ROWS
from .stability import MADE_UP_FOR

#: From this index of stability on, a feature has moved enough to matter: "somewhat" in
#: :func:`skadaptive.drift.population_stability`.
LEAST_INDEX = 0.1

#: Name of the score among the features, as in ``population_stability``.
SCORE = "predict_proba"

# Causes come before what follows from them.
_ORDER = ("feature", "share", "measure", "score", "alarms")
_KINDS = {"share": "share", "estimated_share": "share", "alarms": "alarms"}
#: Why an estimate of the share of the rare class is not needed.
LABELS_TELL = "labels tell the share itself"
_AS_SHARES = ("share", "estimated_share", "alarms")


@dataclass(frozen=True)
class Breach:
    """Something that has changed.

    Attributes
    ----------
    kind : {"feature", "share", "measure", "score", "alarms"}
        "share" is the share of the rare class, "alarms" that of rows predicted rare.
    name : str
        Name of the feature or of the measure.
    periods : tuple of str
        Periods in which it is in breach, in their order.
    message : str
        What has changed, since when and by how much, as a sentence.
    p_value : float
        Smallest corrected p-value of these periods.
    """

    kind: str
    name: str
    periods: tuple[str, ...]
    message: str
    p_value: float

    @property
    def since(self) -> str:
        """The first of the periods."""
        return self.periods[0]


def correct(*frames: pd.DataFrame) -> int:
    """Add ``p_holm``, corrected for all tests of all frames; their number is returned.

    Parameters
    ----------
    *frames : DataFrame
        With ``p_value``, NaN where nothing was tested.
    """
    p_values = np.concatenate([frame["p_value"].to_numpy(float) for frame in frames])
    tested = np.isfinite(p_values)
    adjusted = np.full(len(p_values), np.nan)
    adjusted[tested] = holm(p_values[tested])
    for frame in frames:
        frame["p_holm"], adjusted = adjusted[: len(frame)], adjusted[len(frame) :]
    return int(tested.sum())


@dataclass(frozen=True)
class Moved:
    """What has moved of a feature, in the period in which it moved most.

    Attributes
    ----------
    period : str
    text : str
        A sentence without its subject, which is the feature, and without a point.
    index_of_all : float
        Index of stability of the rows of all periods together.
    made_up_for : ndarray of bool of shape (n_periods,)
        See :func:`~skadaptive._monitoring.stability.made_up_for`.
    """

    period: str
    text: str
    index_of_all: float
    made_up_for: BoolArray


def mark_features(features: pd.DataFrame, alpha: float) -> None:
    """Add ``breach`` to a row for each period and feature, and ``varies``, not yet."""
    features["breach"] = (features["p_holm"] <= alpha) & (features["psi"] > LEAST_INDEX)
    features["varies"] = False


def mark_varying(
    features: pd.DataFrame,
    moved: dict[str, Moved],
    sizes: pd.Series,
    alpha: float,
) -> list[str]:
    """Turn breaches of features that only vary between the periods into notes.

    Parameters
    ----------
    features : DataFrame
        With ``breach`` and ``varies``, which is set instead.
    moved : dict of str to Moved
        Of each feature in breach.
    sizes : Series
        Number of rows by period.
    alpha : float
        Level of the call.

    Returns
    -------
    list of str
    """
    notes = []
    for name, rows in features[features["breach"]].groupby("feature", sort=False):
        of, where = moved[str(name)], features["feature"] == name
        differs = features[where & (features["p_holm"] <= alpha)]["period"]
        made_up = pd.Series(of.made_up_for, index=sizes.index)
        if (
            len(sizes) > 1
            and 2 * sizes[differs].sum() >= sizes.sum()
            and of.index_of_all <= LEAST_INDEX
            and made_up[rows["period"]].all()
        ):
            features.loc[rows.index, ["breach", "varies"]] = [False, True]
            subject = "The score" if name == SCORE else name
            notes.append(
                f"{subject} differs between periods, but not over all of them: in "
                f"{_period(of.period)} it {of.text}. Stability index up to "
                f"{rows['psi'].max():.2f} in a period, {of.index_of_all:.2f} over all "
                "rows. It may vary with time in training, too."
            )
    return notes


# Width of a one-sided interval of 99 %, over that of half an interval of 95 %.
_LUCK = float(norm.ppf(0.99)) / Z


def mark_measures_that_vary(
    measures: pd.DataFrame,
    of_all: pd.DataFrame,
    weights: dict[str, float],
    varying: set[str],
) -> set[str]:
    """Take from breach what only varies between the periods, as features do.

    A measure varies if all rows together keep at most half of what the period alone
    would change, or no more than luck makes of 99 % of trainings. A model may be wrong
    by season and right over the year.

    Parameters
    ----------
    measures : DataFrame
        With ``breach``, and ``varies``, which is set instead.
    of_all : DataFrame
        The same measures of all rows.
    weights : dict of str to float
        Share of all rows that the measures of each period are of.
    varying : set of str
        Periods in which features vary, and no feature is in breach.

    Returns
    -------
    set of str
        Names of these measures.
    """
    names = set()
    known = of_all.set_index("measure")
    for i, row in measures[measures["breach"]].iterrows():
        name, period = row["measure"], row["period"]
        if period not in varying:
            continue
        every = known.loc[name]
        change = row["value"] - row["expected"]
        kept = (every["value"] - every["expected"]) * np.sign(change)
        by_chance = _LUCK * (every["expected_high"] - every["expected_low"]) / 2
        if kept <= max(MADE_UP_FOR * weights[period] * abs(change), by_chance):
            measures.loc[i, ["breach", "varies"]] = [False, True]
            names.add(name)
    return names


def varying_measures_note(names: Iterable[str]) -> list[str]:
    """A note of measures that only vary between the periods."""
    return [
        f"The {TITLES[name]} differs between periods, as features do, but not over all "
        "of them. It may vary with time in training, too."
        for name in sorted(names)
    ]


def mark_measures(
    measures: pd.DataFrame, alpha: float, doubts: dict[str, set[str]]
) -> list[str]:
    """Add ``breach`` to a row for each period and measure.

    Parameters
    ----------
    measures : DataFrame
    alpha : float
        Level of the call.
    doubts : dict of str to set of str
        Why the estimated share of the rare class is not believed, and in which periods.

    Returns
    -------
    list of str
        Notes of what differs and is no breach.
    """
    differs = (measures["p_holm"] <= alpha) & (
        (measures["value"] < measures["expected_low"])
        | (measures["value"] > measures["expected_high"])
    )
    difference = measures["value"] - measures["expected"]
    worse = measures["measure"].map(WORSE)
    is_worse = (
        (worse == "either")
        | ((worse == "less") & (difference < 0))
        | ((worse == "more") & (difference > 0))
    )
    measures["breach"] = differs & is_worse
    measures["varies"] = False
    notes = []
    for reason, periods in doubts.items():
        doubtful = (measures["measure"] == "estimated_share") & measures["period"].isin(
            periods
        )
        withheld = measures["breach"] & doubtful
        measures.loc[withheld, "breach"] = False
        if withheld.any() and reason != LABELS_TELL:
            where = listed_periods(measures[withheld]["period"])
            notes.append(
                "The estimated share of the rare class differs from training in "
                f"{where}, but is no breach there: {reason}."
            )
    for name, found in measures[differs & ~is_worse].groupby("measure", sort=False):
        notes.append(
            f"The {TITLES[name]} is better than expected, beyond luck, in "
            f"{listed_periods(found['period'])}."
        )
    return notes


def feature_breaches(
    features: pd.DataFrame, moved: dict[str, Moved], periods: Sequence[str]
) -> list[Breach]:
    """A breach for each feature that has one, and for the score, the greatest first.

    Parameters
    ----------
    features : DataFrame
        With ``breach``.
    moved : dict of str to Moved
        Of each feature in breach.
    periods : sequence of str
        All periods.
    """
    found = []
    for name, rows in features[features["breach"]].groupby("feature", sort=False):
        kind = "score" if rows["kind"].iloc[0] == "score" else "feature"
        names, index = tuple(rows["period"]), rows["psi"].max()
        of = moved[str(name)]
        most = f", most in {_period(of.period)}" if len(names) > 1 else ""
        message = (
            f"{'The score' if kind == 'score' else name} has changed"
            f"{_when(names, periods)}{most}: it {of.text}. Stability index "
            f"{'up to ' if len(rows) > 1 else ''}{index:.2f}, {_p_text(rows)}."
        )
        breach = Breach(kind, str(name), names, message, float(rows["p_holm"].min()))
        found.append((index, breach))
    return [breach for _, breach in sorted(found, key=lambda entry: -entry[0])]


def measure_breaches(
    measures: pd.DataFrame, since: pd.DataFrame, periods: Sequence[str]
) -> list[Breach]:
    """A breach for each measure that has one, the surest first.

    Parameters
    ----------
    measures : DataFrame
        A row for each period and measure, with ``breach``.
    since : DataFrame
        The same for all rows from a period on.
    periods : sequence of str
        All periods.
    """
    found = []
    # Short periods may hold too few rows for a measure of all of them together.
    for name in dict.fromkeys([*measures["measure"], *since["measure"]]):
        single, later = (
            frame[(frame["measure"] == name) & frame["breach"]]
            for frame in (measures, since)
        )
        surest = [frame["statistic"].abs().max() for frame in (single, later)]
        if len(later) and not (len(single) and surest[0] >= surest[1]):
            # The change is most distinct from where it began.
            rows, frame = later.loc[[later["statistic"].abs().idxmax()]], since
            names = tuple(periods[list(periods).index(rows["period"].iloc[0]) :])
        else:
            rows, frame, names = single, measures, tuple(single["period"])
        if not len(rows):
            continue
        worst = rows.loc[rows["statistic"].abs().idxmax()]
        when = _when(names, periods, together=frame is since)
        message = (
            f"The {TITLES[name]} has "
            f"{'risen' if worst['value'] > worst['expected'] else 'fallen'}"
            f"{when}: it is {_beside(name, worst, len(rows))}, "
            f"{_p_text(rows)}."
        )
        if name == "share":
            message += _unlike_scores(worst, frame)
        breach = Breach(
            _KINDS.get(name, "measure"),
            name,
            names,
            message,
            float(rows["p_holm"].min()),
        )
        found.append((abs(worst["statistic"]), breach))
    return [breach for _, breach in sorted(found, key=lambda entry: -entry[0])]


def _beside(name: str, row: pd.Series, n_rows: int) -> str:
    """A value beside the expected interval; that of the surest of several periods."""
    value, low, high = (
        measure_text(name, row[column])
        for column in ("value", "expected_low", "expected_high")
    )
    where = f" in {_period(row['period'])}" if n_rows > 1 else ""
    return f"{value}{where}, and training leads to expect {low} to {high}"


def _unlike_scores(share: pd.Series, frame: pd.DataFrame) -> str:
    """Whether the scores do not show the share that the labels do."""
    same = (frame["measure"] == "estimated_share") & (
        frame["period"] == share["period"]
    )
    if not same.any():
        return ""
    estimate = frame[same].iloc[0]
    if estimate["low"] <= share["value"] <= estimate["high"]:
        return ""
    value, low, high = (
        measure_text("share", estimate[column]) for column in ("value", "low", "high")
    )
    return (
        f" The scores do not show it: they point to {value} ({low} to {high}). Look at "
        "the labels; otherwise the rare class looks unlike that of training."
    )


def _p_text(rows: pd.DataFrame) -> str:
    p_value = rows["p_holm"].min()
    text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return text.replace(" ", "\u00a0")


def causes_first(breaches: list[Breach]) -> tuple[Breach, ...]:
    """Causes before what follows from them; within a kind the order stays."""
    return tuple(sorted(breaches, key=lambda breach: _ORDER.index(breach.kind)))


def measure_text(name: str, value: float) -> str:
    """A value of a measure as text; shares are in percent."""
    if np.isnan(value):
        return "–"
    if name in _AS_SHARES:
        if 0 < value < 1e-4:
            return "< 0.01\u00a0%"
        digits = ".1f" if value >= 0.00995 or value == 0 else ".2g"
        return f"{100 * value:{digits}}\u00a0%"
    return f"{value:.3g}" if 0 < value < 0.01 else f"{value:.3f}"


def _when(
    names: tuple[str, ...], periods: Sequence[str], *, together: bool = False
) -> str:
    """Periods of a breach in a sentence; ``together`` if only all of them are one."""
    n, n_all = len(names), len(periods)
    if n_all == 1:
        return ""
    if n == n_all:
        return f" over all {n} periods together" if together else f" in all {n} periods"
    if n == 1:
        last = "the last" if names[0] == periods[-1] else "one"
        return f" in {_period(names[0])} ({last} of {n_all} periods)"
    if names == tuple(periods)[-n:]:
        all_as_one = " together" if together else ""
        return (
            f" since {_period(names[0])} (the last {n} of {n_all} periods{all_as_one})"
        )
    return f" in {n} of {n_all} periods, first in {_period(names[0])}"


def _period(name: str) -> str:
    """A period in a sentence."""
    if name == ALL_ROWS:
        return name
    return f"the {name}" if name.startswith("week of ") else f"period {name}"


def listed_periods(periods: Iterable[str]) -> str:
    """Periods in a sentence; of many, the first."""
    names = list(dict.fromkeys(periods))
    if len(names) > 4:
        return f"{len(names)} periods, first in {_period(names[0])}"
    if len(names) == 1:
        return _period(names[0])
    return f"the periods {', '.join(names[:-1])} and {names[-1]}"
