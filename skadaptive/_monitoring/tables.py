"""New rows compared with the training, period by period, as tables."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .._assessment.threshold_counts import ScoredRows
from .._io.columns import rows_text
from .._saving.model_files import SavedModel
from .._saving.seen_values import SeenValues, UnseenCounts
from .._typing import BoolArray, FloatArray, IntArray
from .bins import ReferenceBins
from .breaches import (
    LABELS_TELL,
    SCORE,
    Breach,
    Moved,
    causes_first,
    correct,
    feature_breaches,
    listed_periods,
    mark_features,
    mark_measures,
    mark_measures_that_vary,
    mark_varying,
    measure_breaches,
    varying_measures_note,
)
from .measures import (
    MIN_ROWS,
    Compared,
    DecidedRows,
    LabelledComparison,
    Z,
    compare_shares,
)
from .periods import Periods
from .shares import ShareEstimator
from .stability import made_up_for, stability_of, what_moved

# Fewest rows from whose scores the share of the rare class is estimated.
_MIN_ESTIMATED = 50
# New categories that are listed for a feature and period.
_MOST_NEW = 20


def check_reference(saved: SavedModel, name: str) -> None:
    """Refuse a model whose file holds nothing to compare new rows with.

    Parameters
    ----------
    saved : SavedModel
    name : str
        What the file is called in messages.
    """
    missing = []
    if not saved.reference.get("features"):
        missing.append("the distributions of its features")
    known = saved.out_of_fold
    if known is None or not saved.reference.get("scores"):
        missing.append("out-of-fold probabilities")
    if known is None or missing:
        raise ValueError(
            f"{name} holds nothing of the training to compare new rows with: "
            f"{' and '.join(missing)} are missing. Write it again with 'skadaptive "
            "compare --save'. Probabilities of rows that the model was trained on are "
            "no substitute."
        )
    if len(np.unique(known.y)) < 2:
        raise ValueError(
            f"The out-of-fold rows of {name} are of one class, so that there is "
            "nothing to compare with. Compare again with other folds or more rows."
        )


@dataclass(frozen=True)
class NewRows:
    """New rows, scored.

    Attributes
    ----------
    X : DataFrame of shape (n_rows, n_features)
    proba, weight : ndarray of shape (n_rows,)
    labels : ndarray of shape (n_rows,)
        1 for the rare class, 0 for the other, -1 where there is none.
    periods : Periods
    """

    X: pd.DataFrame
    proba: FloatArray
    labels: IntArray
    weight: FloatArray
    periods: Periods


@dataclass(frozen=True)
class Tables:
    """What a comparison finds; see :class:`skadaptive.Monitoring`.

    Attributes
    ----------
    breaches : tuple of Breach
    features, measures, since, periods, new_categories : DataFrame
    notes : tuple of str
    n_tests : int
    """

    breaches: tuple[Breach, ...]
    features: pd.DataFrame
    measures: pd.DataFrame
    since: pd.DataFrame
    periods: pd.DataFrame
    new_categories: pd.DataFrame
    notes: tuple[str, ...]
    n_tests: int


class Training:
    """What a model file knows of the training, to compare new rows with.

    Parameters
    ----------
    saved : SavedModel
        With out-of-fold rows of both classes, and a reference.
    threshold : float
        A row is an alarm if its probability is above it.
    """

    def __init__(self, saved: SavedModel, threshold: float) -> None:
        known = saved.out_of_fold
        if known is None:
            raise ValueError("The model file has no out-of-fold rows.")
        self._reference = ScoredRows(known.y, known.probability, known.sample_weight)
        self._estimator = ShareEstimator(self._reference)
        self._saved, self._threshold = saved, threshold
        self._bins = ReferenceBins(saved)
        self._labelled = LabelledComparison(DecidedRows(self._reference, threshold), Z)
        of = saved.reference["features"]
        # Dates and free texts, of which only missing values are compared.
        self._others = [name for name in of if name not in self._bins.names]

    def compare(self, rows: NewRows, alpha: float) -> Tables:
        """Compare new rows with the training.

        Parameters
        ----------
        rows : NewRows
        alpha : float
            Level of all tests together.

        Returns
        -------
        Tables
        """
        codes = self._bins.codes(rows.X, rows.proba, rows.proba > self._threshold)
        missing = rows.X[self._others].isna().to_numpy()
        names, place = rows.periods.names, rows.periods.codes
        features: list[dict[str, Any]] = []
        measures: list[dict[str, Any]] = []
        since: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        for k, name in enumerate(names):
            inside = place == k
            features += self._features(name, codes[inside], missing[inside])
            measures += self._measures(name, rows, inside)
            # All rows from here on show small changes that stay; the last period alone
            # is among the measures.
            if k < len(names) - 1:
                since += self._measures(name, rows, place >= k)
            new += self._new_categories(name, rows.X, codes, inside)
        by_feature, by_measure = pd.DataFrame(features), pd.DataFrame(measures)
        later = pd.DataFrame(since, columns=by_measure.columns)
        n_tests = correct(by_feature, by_measure, later)
        mark_features(by_feature, alpha)
        moved = self._moved(by_feature, codes, missing, rows)
        sizes = pd.Series(
            np.bincount(place[place >= 0], minlength=len(names)), index=names
        )
        notes = self._first_notes(rows) + _few_notes(by_measure, later, names)
        notes += mark_varying(by_feature, moved, sizes, alpha)
        varying, changed = _where_features_vary(by_feature, alpha)
        doubts = _doubts(varying | changed, by_measure, None)
        notes += mark_measures(by_measure, alpha, doubts)
        # What is said of single periods is not said again of all later ones.
        mark_measures(later, alpha, _doubts(varying | changed, later, names))
        notes += _measures_that_vary(varying, changed, by_measure, later, sizes)
        breaches = feature_breaches(by_feature, moved, names)
        breaches += measure_breaches(by_measure, later, names)
        return Tables(
            causes_first(breaches),
            by_feature,
            by_measure.drop(columns="fits"),
            later.drop(columns="fits"),
            pd.DataFrame([self._size(rows, k) for k in range(len(names))]),
            pd.DataFrame(new, columns=["period", "feature", "value", "rows"]),
            tuple(notes),
            n_tests,
        )

    def _features(
        self, period: str, codes: IntArray, missing: BoolArray
    ) -> list[dict[str, Any]]:
        found = [
            _stability_row(name, of["kind"], self._bins.counts(i, codes))
            for i, (name, of) in enumerate(
                zip(self._bins.names, self._bins.distributions, strict=True)
            )
        ]
        for i, name in enumerate(self._others):
            found.append(_stability_row(name, *self._other_counts(i, missing)))
        order = {name: place for place, name in enumerate(self._saved.columns)}
        found.sort(key=lambda row: order[row["feature"]])
        found.append(_stability_row(SCORE, "score", self._bins.counts(-1, codes)))
        return [{"period": period} | row for row in found]

    def _other_counts(self, i: int, missing: BoolArray) -> tuple[str, IntArray]:
        """Kind, and present and missing values, of a date or free text."""
        of = self._saved.reference["features"][self._others[i]]
        n_old, n_missing = self._saved.reference["n_rows"], int(missing[:, i].sum())
        old = [n_old - of["missing"], of["missing"]]
        return of["kind"], np.array([old, [len(missing) - n_missing, n_missing]])

    def _measures(
        self, period: str, rows: NewRows, inside: BoolArray
    ) -> list[dict[str, Any]]:
        weighted = inside & (rows.weight > 0)
        if not weighted.any():
            return []
        proba, weight = rows.proba[weighted], rows.weight[weighted]
        old, fits = self._reference, True
        found: dict[str, Compared] = {
            "alarms": compare_shares(
                (proba > self._threshold, weight),
                (old.proba > self._threshold, old.weight),
                Z,
            )
        }
        if len(proba) >= _MIN_ESTIMATED:
            estimate = self._estimator.estimate(proba, weight, Z)
            found["estimated_share"], fits = estimate.compared, estimate.fits
        has_label = weighted & (rows.labels >= 0)
        if has_label.any():
            labelled = ScoredRows(
                rows.labels[has_label], rows.proba[has_label], rows.weight[has_label]
            )
            found |= self._labelled.measures(DecidedRows(labelled, self._threshold))
        return [
            {"period": period, "measure": name}
            | vars(compared)
            | {"fits": name != "estimated_share" or fits}
            for name, compared in found.items()
        ]

    @staticmethod
    def _size(rows: NewRows, k: int) -> dict[str, Any]:
        labels = rows.labels[rows.periods.codes == k]
        return {
            "period": rows.periods.names[k],
            "rows": len(labels),
            "labelled": int((labels >= 0).sum()),
            "rare": int((labels == 1).sum()),
        }

    def _new_categories(
        self, period: str, X: pd.DataFrame, codes: IntArray, inside: BoolArray
    ) -> list[dict[str, Any]]:
        """Values that no row of the training had, the most frequent first."""
        found = []
        for i, of in enumerate(self._bins.distributions):
            if of["kind"] != "category" or of["others"]:
                continue
            counts = self._unlisted(i, X, codes, inside)
            found += [
                {
                    "period": period,
                    "feature": self._bins.names[i],
                    "value": value,
                    "rows": int(count),
                }
                for value, count in counts.iloc[:_MOST_NEW].items()
            ]
        return found

    def _unlisted(
        self, i: int, X: pd.DataFrame, codes: IntArray, inside: BoolArray
    ) -> pd.Series:
        """Counts of the values that the model file does not list."""
        n_listed = len(self._bins.distributions[i]["values"])
        is_unlisted = inside & (codes[:, i] == n_listed)
        return X.loc[is_unlisted, self._bins.names[i]].astype(str).value_counts()

    def _moved(
        self,
        features: pd.DataFrame,
        codes: IntArray,
        missing: BoolArray,
        rows: NewRows,
    ) -> dict[str, Moved]:
        """What has moved most, of each feature in breach.

        Periods together may show no change at all, where one makes up for another.
        """
        found = {}
        names, place = rows.periods.names, rows.periods.codes
        for name, moved in features[features["breach"]].groupby("feature"):
            period = str(moved.loc[moved["psi"].idxmax(), "period"])
            worst = names.index(period)
            of, counts = self._by_period(str(name), codes, missing, place)
            unlisted: list[str] = []
            if of["kind"] == "category":
                i = self._bins.names.index(str(name))
                unlisted = [*self._unlisted(i, rows.X, codes, place == worst).index]
            old, new = counts[0], counts[1:]
            everything = np.stack([old, new.sum(axis=0)])
            found[str(name)] = Moved(
                period,
                what_moved(of, np.stack([old, new[worst]]), unlisted),
                stability_of(everything, of["kind"]).psi,
                made_up_for(old, new),
            )
        return found

    def _by_period(
        self, name: str, codes: IntArray, missing: BoolArray, place: IntArray
    ) -> tuple[dict[str, Any], IntArray]:
        """Distribution of a feature or the score, and its counts in training and then.

        The counts are of shape (1 + n_periods, n_bins).
        """
        parts = [place == k for k in range(place.max() + 1)]
        if name == SCORE:
            i, of = -1, self._bins.scores or {}
        elif name in self._bins.names:
            i = self._bins.names.index(name)
            of = self._bins.distributions[i]
        else:
            i = self._others.index(name)
            pairs = [self._other_counts(i, missing[part]) for part in parts]
            of = {"kind": pairs[0][0], "edges": []}
            return of, np.stack([pairs[0][1][0], *(counts[1] for _, counts in pairs)])
        counts = [self._bins.counts(i, codes[part]) for part in parts]
        return of, np.stack([counts[0][0], *(new for _, new in counts)])

    def _first_notes(self, rows: NewRows) -> list[str]:
        notes = []
        n_without = int((rows.periods.codes < 0).sum())
        if n_without:
            notes.append(f"{rows_text(n_without)} without a time are left out.")
        if self._others:
            shown = ", ".join(self._others[:5])
            more = f" and {len(self._others) - 5} more" if len(self._others) > 5 else ""
            notes.append(
                "Dates and free texts differ between any two periods; only their "
                f"missing values are compared: {shown}{more}."
            )
        later = UnseenCounts()
        for found in SeenValues(self._saved).beyond(rows.X):
            if found.kind == "later":
                later.add(found)
        notes += later.lines()
        if self._reference.weighted:
            notes.append(
                "The model was trained with sample weights. Measures and shares count "
                "them; the distributions of features and scores do not."
            )
        return notes


def _where_features_vary(
    features: pd.DataFrame, alpha: float
) -> tuple[set[str], set[str]]:
    """Periods in which features that vary differ from training, and those of breaches.

    A feature that varies also differs in periods that are no breach by themselves.
    """
    features = features[features["feature"] != SCORE]
    varies = features["feature"].isin(features.loc[features["varies"], "feature"])
    differs = varies & (features["p_holm"] <= alpha)
    where, changed = features.loc[differs], features.loc[features["breach"]]
    return set(where["period"]), set(changed["period"])


def _measures_that_vary(
    varying: set[str],
    changed: set[str],
    measures: pd.DataFrame,
    later: pd.DataFrame,
    sizes: pd.Series,
) -> list[str]:
    """Take measures that only vary from breach, by period and from a period on."""
    if not varying - changed:
        return []
    names, total = list(sizes.index), sizes.sum()
    of_all = later[later["period"] == names[0]]
    alone = mark_measures_that_vary(
        measures, of_all, dict(sizes / total), varying - changed
    )
    since = dict(sizes[::-1].cumsum() / total)
    # Rows from a period on hold all later ones.
    last = max(map(names.index, varying))
    after_changes = max(map(names.index, changed), default=-1) + 1
    among = set(names[after_changes : last + 1])
    together = mark_measures_that_vary(later, of_all, since, among)
    return varying_measures_note(alone | together)


def _few_notes(
    measures: pd.DataFrame, later: pd.DataFrame, periods: list[str]
) -> list[str]:
    """Which labelled periods have too few rows for measures of the rare class.

    ``later`` has the measures of all rows from a period on, which may have enough.
    """
    labelled, measured = (
        set(measures.loc[measures["measure"] == name, "period"])
        for name in ("share", "recall")
    )
    few = [name for name in periods if name in labelled - measured]
    if not few:
        return []
    together = ""
    if len(periods) > 1:
        of_all = (later["measure"] == "recall") & (later["period"] == periods[0])
        all_rows = "over all labelled rows together"
        together = f"; {all_rows} they are" if of_all.any() else f", nor {all_rows}"
    return [
        "Average precision, recall, precision and the Brier score need "
        f"{MIN_ROWS} rows of each class with a label, in the training as well. They "
        f"are not compared in {listed_periods(few)}{together}."
    ]


def _doubts(
    moved: set[str], measures: pd.DataFrame, periods: list[str] | None
) -> dict[str, set[str]]:
    """Why an estimate of the share of the rare class is no breach, and where.

    In periods of ``moved`` a feature has moved. With ``periods``, all of them, measures
    are of all rows from a period on.
    """
    if periods is not None and moved:
        last = max(i for i, name in enumerate(periods) if name in moved)
        moved = set(periods[: last + 1])
    return {
        LABELS_TELL: _told_by_labels(measures),
        "features have moved as well, so that not only the share has changed": moved,
        "another share alone does not explain the scores": set(
            measures.loc[~measures["fits"].astype(bool), "period"]
        ),
    }


def _told_by_labels(measures: pd.DataFrame) -> set[str]:
    """Where labels tell the share of the rare class at least as well as scores.

    A few labels of a period, the others of which are not known yet, do not.
    """
    width = measures["expected_high"] - measures["expected_low"]
    observed, estimated = (
        pd.Series(width[rows].to_numpy(), measures.loc[rows, "period"])
        for rows in (
            measures["measure"] == name for name in ("share", "estimated_share")
        )
    )
    return {
        period
        for period, of_labels in observed.items()
        if of_labels <= estimated.get(period, np.inf)
    }


def _stability_row(name: str, kind: str, counts: IntArray) -> dict[str, Any]:
    found = stability_of(counts, kind)
    return {"feature": name, "kind": kind} | vars(found)
