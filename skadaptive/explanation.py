"""What drives the predictions of a fitted classifier, overall and row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils.validation import column_or_1d

from ._assessment.response import check_lengths, check_weights, estimator_name
from ._explanation.effects import grid_rows, partial_dependence
from ._explanation.groups import correlated_groups, make_units
from ._explanation.importance import ScoredTable, draw_rows, permutation_importance
from ._explanation.models import ExplainedModel
from ._explanation.shapley import MOST_BACKGROUND, shapley_values
from ._explanation.tables import MixableTable
from ._explanation.wording import described, reason
from ._messages import shown
from ._typing import (
    ArrayLike,
    BoolArray,
    Estimator,
    FloatArray,
    IntArray,
    Label,
    RandomState,
    Table,
)
from ._warnings import warn

__all__ = ["Contributions", "Effect", "Explanation", "explain"]


def explain(  # noqa: PLR0913 - as scikit-learn's permutation_importance
    estimator: Estimator,
    X: Table,
    y: ArrayLike | None = None,
    *,
    scoring: str | Callable = "average_precision",
    sample_weight: ArrayLike | None = None,
    pos_label: Label | None = None,
    feature_groups: Mapping[str, Sequence[Any]] | None = None,
    max_correlation: float | None = 0.8,
    n_repeats: int = 5,
    max_samples: int = 5_000,
    random_state: RandomState = None,
) -> Explanation:
    """Explain what drives the predictions of a fitted classifier.

    With ``y`` the result has the importance of every feature. Partial dependence and
    the contributions of features to single predictions are computed when they are
    asked for, by :meth:`Explanation.effect` and :meth:`Explanation.contributions`.

    Pass rows that did not train the classifier. For an
    :class:`AdaptiveHybridClassifier`, the table of its ``fit`` is good as well: every
    row then goes through the committee members that did not train on it. This holds
    inside of a pipeline, a search, and a wrapper that changes the threshold, if each
    row of X is the same as in ``fit``, in the same order.

    Parameters
    ----------
    estimator : fitted classifier
        Any classifier or pipeline that follows scikit-learn's API, with
        ``predict_proba``. A ``decision_function`` alone allows the importance only.
    X : array-like or DataFrame of shape (n_samples, n_features)
        The rows, as the estimator takes them: a pipeline gets the raw columns, so that
        a category is one feature. Sparse tables are refused.
    y : array-like of shape (n_samples,), default=None
        Their labels. None leaves the importance out.
    scoring : str or callable, default="average_precision"
        The score of which the importance is a loss: the name of a scikit-learn scorer,
        or ``scorer(estimator, X, y)``. A name scores ``pos_label`` against all other
        classes.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights of the rows, for the importance.
    pos_label : label, default=None
        The class whose odds are explained. None takes the rare class by the rule of
        :func:`evaluate`; of more than two classes, the one that an
        :class:`AdaptiveHybridClassifier` holds for rare, or the rarest in ``y``.
    feature_groups : dict of str to list of column names or numbers, default=None
        Features that belong together, beside those that are found: they are permuted
        together, and have one contribution. Say so for features that make sense only
        together, such as latitude and longitude.
    max_correlation : float or None, default=0.8
        Features whose absolute Spearman correlation with each other exceeds this are
        permuted together. Alone, each would seem to matter little, because the others
        stand in for it, and its permuted values would go with no real row. None
        permutes every feature alone.
    n_repeats : int, default=5
        Permutations of each group. More make the intervals a little narrower: the
        choice of the rows is the greater part of their width.
    max_samples : int, default=5000
        Most rows that are scored. Of more rows those of the rare class are kept as far
        as possible, and the others weigh more.
    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn. An int repeats the result.

    Returns
    -------
    Explanation
        The importances, and methods for effects and contributions.

    Raises
    ------
    ValueError
        If the estimator is no classifier, or the data or a parameter is invalid.
    NotFittedError
        If the estimator is not fitted.

    Warns
    -----
    UserWarning
        If X is the table of the estimator's ``fit``, which held no rows out.

    See Also
    --------
    sklearn.inspection.permutation_importance : Single features, without intervals.
    ImportanceDisplay : Draws the importances.
    EffectDisplay : Draws an effect.

    Notes
    -----
    *Importance.* It is the score less the mean score after the values of a group were
    permuted. One-hot columns of a category are one feature: neighbouring columns of 0
    and 1 of which exactly one is 1 in every row, or at most one if their names agree up
    to the last underscore or equals sign. The 95 % interval is a jackknife over 20
    blocks of rows, or 10 for other scores than average precision. Every row has
    permuted values of its own, so that the interval allows for the choice of the rows
    and the permutations. Where the rows are those of ``fit``, the variance over the
    permutations is added, because every row has trained the members that predict
    others. It takes the classifier as given: another fit may use other features. It
    assumes that rows are independent. An importance below 0 is chance: the permuted
    values fit better.

    *Whether the classifier has seen the rows* is told from a fingerprint of the whole
    table, as the classifier got it. Part of the rows of ``fit``, rows of
    ``partial_fit``, other estimators, and estimators from a model file are taken as if
    they had not seen them, and features that the classifier has learnt by heart then
    look important. So are all rows if a step of the pipeline gives them other values in
    ``fit_transform`` than in ``transform``, as ``TargetEncoder`` does, and some
    solvers of ``PCA`` in the last digit; look at ``rows_``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import train_test_split
    >>> from skadaptive import explain
    >>> from skadaptive.datasets import load_rare
    >>> bunch = load_rare("breast_cancer", as_frame=True)
    >>> X = bunch.data[["mean radius", "mean texture", "mean symmetry"]]
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, bunch.target, stratify=bunch.target, random_state=0
    ... )
    >>> model = LogisticRegression(max_iter=1000).fit(X_train, y_train)
    >>> explanation = explain(model, X_test, y_test, random_state=0)
    >>> explanation.importances_.index[0]
    'mean radius'
    >>> reasons = explanation.contributions([0]).reasons(1)
    >>> reasons.columns.tolist()
    ['reason_1']
    """
    table = MixableTable(X)
    _check_counts(n_repeats=n_repeats, max_samples=max_samples)
    if max_correlation is not None and not (
        isinstance(max_correlation, Real) and 0 < max_correlation <= 1
    ):
        raise ValueError(
            "max_correlation must be a number in (0, 1], or None to permute every "
            f"feature alone; got {shown(max_correlation)}."
        )
    labels = None
    if y is not None:
        check_lengths(X=table.X, y=y, sample_weight=sample_weight)
        labels = _checked_labels(y)
    elif sample_weight is not None:
        raise ValueError("sample_weight weighs the rows of the importance, needs y.")
    weight = check_weights(sample_weight, len(table))
    if not callable(scoring) and scoring not in get_scorer_names():
        raise ValueError(
            "scoring must be the name of a scikit-learn scorer, such as "
            f'"average_precision", or a callable; got {scoring!r}.'
        )
    random = check_random_state(random_state)
    model = ExplainedModel(estimator, table.X, labels, pos_label)
    units = make_units(table, feature_groups)
    explanation = Explanation(
        table, model, units, int(random.randint(2**31 - 1)), estimator_name(estimator)
    )
    if labels is not None:
        rng = np.random.default_rng(explanation._seed)
        held_out, is_class = _held_out(model, labels, weight), labels == model.label
        rows, drawn = draw_rows(is_class, weight, held_out, max_samples, scoring, rng)
        _check_both_classes(is_class[rows], model.label)
        scored = ScoredTable(model, table, rows, labels[rows], drawn, scoring)
        groups = correlated_groups(table, units, max_correlation)
        explanation._set_importances(scored, groups, n_repeats, rng)
    return explanation


class Explanation:
    """Result of :func:`skadaptive.explain`.

    Parameters
    ----------
    table, model, units, seed, name : object
        Made by :func:`explain`.

    Attributes
    ----------
    importances_ : DataFrame
        A row per group of features, the greatest ``importance`` first: the mean loss
        of score over the permutations. ``low`` and ``high`` are its 95 % interval,
        ``std`` the standard deviation over the permutations, and ``features`` the list
        of the columns. The attribute does not exist without ``y``.
    score_ : float
        Score of the rows before any was permuted. The attribute does not exist without
        ``y``.
    scoring_ : str
        Name of the score. The attribute does not exist without ``y``.
    n_scored_ : int
        Number of rows that were scored. The attribute does not exist without ``y``.
    units_ : dict of str to list of str
        The features that have one contribution each, and their columns.
    rows_ : {"out of fold", "taken as new", "trained on"}
        "out of fold" if each row goes through the members that did not train on it,
        where there are some; "taken as new" if X is not the table of a known fit; and
        "trained on" if it is, and no rows were held out.
    pos_label_ : label
        The class whose odds are explained.
    name_ : str
        Class name of the estimator, or of a pipeline's last step.
    proba_ : ndarray of shape (n_samples,)
        Probability of the class, by the members that the rows go through.
    """

    def __init__(
        self,
        table: MixableTable,
        model: ExplainedModel,
        units: dict[str, list[int]],
        seed: int,
        name: str,
    ) -> None:
        self._table, self._model, self._units, self._seed = table, model, units, seed
        self.units_ = {
            unit: [table.names[index] for index in columns]
            for unit, columns in units.items()
        }
        self.pos_label_ = model.label
        self.name_ = name
        held_out = model.held_out
        if held_out is None:
            self.rows_ = "taken as new"
        else:
            self.rows_ = "out of fold" if held_out.any() else "trained on"

    def _set_importances(
        self, scored: ScoredTable, groups: dict, n_repeats: int, rng: Any
    ) -> None:
        self.score_, drops, half = permutation_importance(
            scored, list(groups.values()), n_repeats, rng
        )
        names = self._table.names
        features = [[names[i] for i in columns] for columns in groups.values()]
        mean = drops.mean(axis=1)
        table = pd.DataFrame(
            {
                "importance": mean,
                "low": mean - half,
                "high": mean + half,
                "std": drops.std(axis=1),
                "features": features,
            },
            index=pd.Index(map(_group_name, groups), name="group"),
        )
        order = np.argsort(-mean, kind="stable")
        self.importances_ = table.iloc[order]
        scoring = scored.scoring
        if callable(scoring):
            scoring = getattr(scoring, "__name__", "score")
        self.scoring_ = scoring
        self.n_scored_ = len(scored.rows)

    @cached_property
    def proba_(self) -> FloatArray:  # noqa: D102 - an attribute of the class
        self._needs_probabilities("A probability")
        model = self._model
        return model.proba(self._table.X, model.members)[:, model.index]

    def effect(self, feature: str | int) -> Effect:
        """Partial dependence of the probability on a feature.

        It is the mean probability of up to 500 rows if all had the same value of the
        feature. Where the feature is correlated with others, some of these rows do not
        exist in reality, and the effect may say little.

        Parameters
        ----------
        feature : str or int
            Name or number of a column, or the name of a unit of one-hot columns.

        Returns
        -------
        Effect
            The probabilities, and the distribution of the feature.

        Raises
        ------
        ValueError
            If there is no such feature, or the estimator has no probabilities.
        """
        self._needs_probabilities("A partial dependence")
        name, columns = self._find(feature)
        table = self._table
        grid, share, is_ordered = grid_rows(table, columns)
        rng = np.random.default_rng(self._seed)
        proba = partial_dependence(self._model, table, columns, grid, rng)
        column = table.column(columns[0])
        if len(columns) == 1:
            values = column.iloc[grid].reset_index(drop=True)
        else:
            values = pd.Series([described(table, name, columns, row) for row in grid])
        frame = pd.DataFrame({"value": values, "probability": proba, "share": share})
        sample = column[column.notna()] if is_ordered else column[:0]
        return Effect(name, frame, is_ordered, sample.to_numpy(), self.pos_label_)

    def contributions(
        self,
        rows: ArrayLike | None = None,
        *,
        background: Table | None = None,
    ) -> Contributions:
        """Compute contributions of the features to the log-odds of single rows.

        They are Shapley values by sampling: they say how the row differs from the
        background, feature by feature, and add up to its log-odds less the mean
        log-odds of the background. Every walk from a background row to the row takes
        as many predictions as there are features, and there are 200 walks a row.

        Parameters
        ----------
        rows : array-like of int, shape (n_rows,), or mask, default=None
            Numbers of the rows of X to explain. None explains all.
        background : table of shape (n_background, n_features), default=None
            Rows to compare with, of which up to 200 are drawn. None draws them from X.

        Returns
        -------
        Contributions
            The contributions, and the method ``reasons``, which says them in words.

        Raises
        ------
        ValueError
            If there are no such rows, the background has other columns, or the
            estimator has no probabilities.
        """
        self._needs_probabilities("A contribution to the log-odds")
        numbers = _row_numbers(rows, len(self._table))
        rng = np.random.default_rng(self._seed)
        explained = self._table.mixed(numbers)
        source = self._table if background is None else MixableTable(background)
        drawn = np.arange(len(source))
        if len(drawn) > MOST_BACKGROUND:
            drawn = np.sort(rng.choice(drawn, MOST_BACKGROUND, replace=False))
        table = MixableTable(explained).with_rows_of(source.mixed(drawn))
        members = self._model.members
        values, base, log_odds = shapley_values(
            self._model,
            table,
            None if members is None else members[numbers],
            len(numbers),
            list(self._units.values()),
            rng,
        )
        if isinstance(self._table.X, pd.DataFrame):
            index = self._table.X.index[numbers]
        else:
            index = pd.Index(numbers)
        names = [
            [
                described(table, unit, columns, row)
                for unit, columns in self._units.items()
            ]
            for row in range(len(numbers))
        ]
        return Contributions(
            pd.DataFrame(values, index=index, columns=list(self._units)),
            pd.Series(base, index=index),
            pd.Series(log_odds, index=index),
            names,
        )

    def _find(self, feature: Any) -> tuple[str, list[int]]:
        """Name and columns of a feature."""
        if isinstance(feature, str) and feature in self._units:
            return feature, self._units[feature]
        index = self._table.index_of(feature)
        return self._table.names[index], [index]

    def _needs_probabilities(self, what: str) -> None:
        if not self._model.has_probabilities:
            raise ValueError(
                f"{what} needs predict_proba, which {self.name_} does not have. Wrap "
                "it in sklearn.calibration.CalibratedClassifierCV."
            )

    def __repr__(self) -> str:
        lines = [f"Explanation of {self.name_}, class {shown(self.pos_label_)}."]
        if not hasattr(self, "importances_"):
            lines.append("Without y there are effects and contributions alone.")
            return "\n".join(lines)
        lines.append(
            f"Loss of {self.scoring_} ({self.score_:.3f} on {self.n_scored_:,} rows, "
            f"{self.rows_}) if the group is permuted, with 95 % intervals:"
        )
        table = self.importances_[["importance", "low", "high"]]
        return "\n".join([*lines, table.to_string(float_format="{:.4f}".format)])


@dataclass(frozen=True)
class Effect:
    """Partial dependence of the probability on a feature.

    Parameters
    ----------
    feature : str
        Name of the feature.
    table : DataFrame
        A row per value: ``value``, ``probability`` and ``share``, which is the share
        of rows with exactly this value. The last value is missing (NaN) if some are.
    is_ordered : bool
        Whether the values are numbers or dates. The others are categories.
    sample : ndarray of shape (n_present,)
        The values of all rows that have one, for numbers and dates; else empty.
    pos_label : label
        The class of the probability.
    """

    feature: str
    table: pd.DataFrame
    is_ordered: bool
    sample: np.ndarray = field(repr=False)
    pos_label: Label = None

    @property
    def is_missing(self) -> BoolArray:
        """Mask of the values that stand for missing ones, (n_values,)."""
        return self.table["value"].isna().to_numpy()


class Contributions:
    """Contributions of the features to the log-odds of single rows.

    Parameters
    ----------
    values, base, log_odds, described : object
        Made by :meth:`skadaptive.Explanation.contributions`.

    Attributes
    ----------
    values_ : DataFrame of shape (n_rows, n_units)
        Contributions to the log-odds. They add up to ``log_odds_`` less ``base_``.
    base_ : Series of shape (n_rows,)
        Mean log-odds of the background, by the members that predict the row.
    log_odds_ : Series of shape (n_rows,)
        Log-odds of the rows. For other estimators than an
        ``AdaptiveHybridClassifier``, probabilities are clipped to 1e-6 and
        1 - 1e-6 before.
    """

    def __init__(
        self,
        values: pd.DataFrame,
        base: pd.Series,
        log_odds: pd.Series,
        described: list[list[str]],
    ) -> None:
        self.values_, self.base_, self.log_odds_ = values, base, log_odds
        self._described = described

    def reasons(self, n_reasons: int = 3) -> pd.DataFrame:
        """The greatest contributions in words.

        Parameters
        ----------
        n_reasons : int, default=3
            Number of reasons for each row.

        Returns
        -------
        DataFrame of shape (n_rows, n_reasons)
            Texts such as "amount 4,812 raises the odds 3.1 times", the greatest change
            first, in the columns ``reason_1``, ``reason_2`` and so on. A feature that
            changes the odds by less than 5 % is no reason: the text is empty then.
        """
        _check_counts(n_reasons=n_reasons)
        values = self.values_.to_numpy()
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :n_reasons]
        texts = np.full((len(values), n_reasons), "", dtype=object)
        for row, units in enumerate(order):
            for place, unit in enumerate(units):
                text = reason(self._described[row][unit], values[row, unit])
                texts[row, place] = text
        columns = [f"reason_{number}" for number in range(1, n_reasons + 1)]
        return pd.DataFrame(texts, index=self.values_.index, columns=columns)

    def __repr__(self) -> str:
        table = self.values_.to_string(
            max_rows=10, max_cols=8, float_format="{:+.3f}".format
        )
        return f"Contributions to the log-odds of {len(self.values_):,} rows:\n{table}"


# ----------------------------------------------------------------------------- checks


def _check_counts(**counts: Any) -> None:
    for name, value in counts.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(
                f"{name} must be a whole number from 1 on; got {shown(value)}."
            )


def _checked_labels(y: ArrayLike) -> np.ndarray:
    if isinstance(y, pd.Series):
        y = y.to_numpy()
    labels = np.asarray(column_or_1d(y))
    missing = np.asarray(pd.isna(labels))
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(labels)} values of y are missing. Leave those "
            "rows out."
        )
    return labels


def _held_out(model: ExplainedModel, y: np.ndarray, weight: FloatArray) -> IntArray:
    """Rows to score: those with weight that did not train the model, if it has some."""
    unknown = ~np.isin(y, model.classes)
    if unknown.any():
        raise ValueError(
            f"y holds labels that are not known: {shown(pd.unique(y[unknown]))}. "
            f"The classes are {shown(model.classes)}."
        )
    rows = weight > 0
    held_out = model.held_out
    if held_out is not None and held_out.any():
        rows &= held_out
    elif held_out is not None:
        warn(
            "These rows trained the classifier, and none of them were held out "
            "(cv=None, validation data, or a warm start from other folds): features "
            "that it has learnt by heart look important. Pass rows that it has not "
            "seen."
        )
    return np.flatnonzero(rows)


def _check_both_classes(is_class: BoolArray, label: Label) -> None:
    """Every block of the jackknife leaves rows of both classes."""
    n_rows = int(is_class.sum())
    if min(n_rows, len(is_class) - n_rows) < 2:
        raise ValueError(
            f"An importance needs two rows of {shown(label)} and two of other classes; "
            f"{n_rows} and {len(is_class) - n_rows} are to be scored. Pass more rows, "
            "raise max_samples, or leave y out: effects and contributions need none."
        )


def _row_numbers(rows: ArrayLike | None, n_rows: int) -> IntArray:
    if rows is None:
        return np.arange(n_rows)
    numbers = np.asarray(rows)
    if numbers.dtype == bool and numbers.shape == (n_rows,):
        numbers = np.flatnonzero(numbers)
    if (
        numbers.ndim != 1
        or not numbers.size
        or numbers.dtype.kind not in "iu"
        or not 0 <= numbers.min() <= numbers.max() < n_rows
    ):
        raise ValueError(
            f"rows must be row numbers from 0 to {n_rows - 1}, or a mask of {n_rows} "
            f"values, and name at least one row; got {shown(rows)}."
        )
    return numbers


def _group_name(units: tuple[str, ...]) -> str:
    """Name of a group: of one unit its own, or up to three, and how many more."""
    if len(units) <= 3:
        return " + ".join(units)
    return f"{' + '.join(units[:2])} + {len(units) - 2} more"
