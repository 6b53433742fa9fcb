"""Monitoring of a saved model: what has changed since its training.

:func:`monitor` compares new rows, period by period, with what ``compare --save`` stored
of the training: the distribution of each feature, and the out-of-fold probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ._assessment.response import (
    check_lengths,
    check_weights,
    decision_threshold,
    response,
)
from ._io.columns import (
    ColumnFormat,
    Notes,
    ReadingOptions,
    infer_column,
    is_text,
    plain_types,
    rows_text,
)
from ._io.json_values import json_values
from ._io.target import label_of, labels_with_rows
from ._messages import shown
from ._monitoring.breaches import LEAST_INDEX, Breach, measure_text
from ._monitoring.periods import UNITS, cut_periods
from ._monitoring.tables import NewRows, Training, check_reference
from ._saving.model_files import ModelFacts, SavedModel, load_model
from ._saving.reference import OutOfFold, reference_distributions
from ._sklearn_compat import Interval, StrOptions, validate_params
from ._typing import ArrayLike, FilePath, IntArray, Label, Table
from .comparison import Comparison

__all__ = ["Breach", "Monitoring", "monitor"]


@validate_params(
    {
        "period": [
            StrOptions({"auto", *UNITS}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "threshold": [Interval(Real, 0, 1, closed="both"), None],
        "alpha": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def monitor(
    model: FilePath | Comparison | SavedModel,
    X: Table,
    y: ArrayLike | None = None,
    *,
    time: ArrayLike | None = None,
    period: str | int = "auto",
    threshold: float | None = None,
    sample_weight: ArrayLike | None = None,
    alpha: float = 0.01,
) -> Monitoring:
    """Find what has changed between the training of a model and new rows.

    Parameters
    ----------
    model : str, path-like or Comparison
        File of ``skadaptive compare --save``, or a result of
        :func:`skadaptive.compare`, whose best model is monitored.
    X : DataFrame or array-like of shape (n_samples, n_features)
        New rows, with the features of the training. No row should have been trained on.
    y : array-like of shape (n_samples,), default=None
        Their labels, as far as they are known: None and NaN stand for a label that is
        not known yet.
    time : array-like of shape (n_samples,), default=None
        Dates, numbers or texts that order the rows; texts may be dates. "batch 9" comes
        before "batch 10", and ordered categories are in their order. Rows without one
        are left out. None: all rows are one period.
    period : {"auto", "hour", "day", "week", "month", "quarter", "year"} or int, \
default="auto"
        How to cut the time: by a calendar unit, or into so many periods with about as
        many rows each. "auto" takes the shortest unit that makes at most 15 periods; up
        to 15 different numbers, and texts, one by one; and ten parts of other numbers.
    threshold : float, default=None
        A row is an alarm if its probability is above it. None: the threshold of the
        model.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights for the measures and shares. Features are counted without.
    alpha : float, default=0.01
        Probability that a call in which nothing has changed finds a breach, at most.

    Returns
    -------
    Monitoring
        Breaches, and data frames of all comparisons.

    Raises
    ------
    ValueError
        If the model file holds nothing to compare with, if columns are missing or
        unknown, if a label is neither class, or if the arguments do not fit each other.

    See Also
    --------
    skadaptive.evaluate : Measures with bootstrap intervals, for all rows together.
    skadaptive.drift.population_stability : The index, for any two tables.

    Notes
    -----
    Probabilities of rows that a model was trained on are better than those of new rows.
    The reference are therefore the out-of-fold probabilities of the comparison.

    **Tests.** Features and scores are compared by a chi-squared test of counts in bins,
    measures by the difference from the out-of-fold rows over its standard error; counts
    and measures of the training count as sampled, too. Measures are compared in each
    period, and over all rows from each period on. All p-values are corrected together
    [1]_, so that ``alpha`` holds for the call. A breach needs more than a small p-value
    so corrected: an index of stability above 0.1, or a measure outside the interval
    that is expected of a period of this size, and to the worse where there is a worse.
    A feature that differs between periods, and over all rows together does not, is a
    note: it may vary with time in the training, too.
    The bins of the score are the deciles of the rare rows from their median on, since
    the model and those of the folds differ among low scores without any change.

    **Measures with labels.** Average precision, precision and the Brier score depend on
    the share of the rare class. They are compared with what the out-of-fold rows give
    at the share of the period, and the share is compared by itself.

    **The share without labels** is estimated from the scores [2]_ [3]_. It assumes that
    only the share has changed, not how the rare class looks. It is no breach where
    features have moved by more than an index of 0.1, where no share explains the
    scores, or where labels tell the share.

    Rows count as independent of each other: tests find too much if many rows belong to
    one customer or one day.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure",
       Scandinavian Journal of Statistics 6, 1979.
    .. [2] M. Saerens, P. Latinne & C. Decaestecker, "Adjusting the outputs of a
       classifier to new a priori probabilities", Neural Computation 14, 2002.
    .. [3] S. Garg, Y. Wu, S. Balakrishnan & Z. Lipton, "A unified view of label shift
       estimation", NeurIPS 2020.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import compare, monitor
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True, as_frame=True)
    >>> X = X[["mean radius", "mean texture"]]
    >>> models = {"logistic": LogisticRegression()}
    >>> comparison = compare(
    ...     X[:300], y[:300], contenders=models, random_state=0, verbose=0
    ... )
    >>> found = monitor(comparison, X[300:] + [0, 10])
    >>> [breach.name for breach in found.breaches]
    ['mean texture']
    """
    saved = _saved(model)
    is_path = isinstance(model, str | PathLike)
    check_reference(saved, str(model) if is_path else "The model")
    frame = _features_of(X, saved)
    check_lengths(X=frame, y=y, time=time, sample_weight=sample_weight)
    weight = check_weights(sample_weight, len(frame))
    periods = cut_periods(_time(time), period, len(frame))
    if not (weight[periods.codes >= 0] > 0).any():
        raise ValueError(
            "sample_weight is 0 in all rows that have a time, so that there is nothing "
            "to compare."
        )
    labels = _labels(y, saved, len(frame))
    classes = list(saved.model.classes_)
    index = classes.index(label_of(classes, saved.facts.positive))
    # As the model was fitted: rows without names of columns stay so.
    named = not isinstance(model, Comparison) or hasattr(model._data.X, "columns")
    rows = frame if named else frame.to_numpy()
    proba, is_probability = response(saved.model, rows, index)
    if not is_probability:
        raise ValueError(
            f"{saved.facts.name} has no predict_proba, and only models with "
            "probabilities can be monitored. Wrap it, for example in "
            "sklearn.calibration.CalibratedClassifierCV."
        )
    if threshold is None:
        threshold = _threshold(saved, rows, classes[index])
    tables = Training(saved, threshold).compare(
        NewRows(frame, proba, labels, weight, periods), alpha
    )
    return Monitoring(
        **vars(tables),
        name=saved.facts.name,
        positive=saved.facts.positive,
        threshold=threshold,
        alpha=alpha,
        n_reference=int(saved.reference["n_rows"]),
    )


# --------------------------------------------------------------------------- arguments


def _saved(model: Any) -> SavedModel:
    if isinstance(model, SavedModel):
        return model
    if isinstance(model, str | PathLike):
        return load_model(model)
    if not isinstance(model, Comparison):
        raise ValueError(
            "model must be a file of 'skadaptive compare --save' or a result of "
            f"compare, which know the training; got {type(model).__name__}."
        )
    if not hasattr(model, "best_"):
        raise ValueError(
            "The comparison was interrupted, so that its best model was not fitted on "
            "all rows. Run it again."
        )
    X = _as_frame(model._data.X)
    out_of_fold = OutOfFold.of_contender(model, model.best_name_)
    return SavedModel(
        model.best_,
        {str(name): ColumnFormat("number") for name in X},
        ModelFacts(model.best_name_, "y", model.pos_label_, False, []),
        out_of_fold=out_of_fold,
        reference=reference_distributions(X, out_of_fold),
    )


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X.reset_index(drop=True)
    if hasattr(X, "columns"):
        return pd.DataFrame({name: np.asarray(X[name]) for name in X.columns})
    if hasattr(X, "toarray"):
        raise ValueError(
            "Sparse tables cannot be monitored. Pass X.toarray(), for models that were "
            "trained on such rows."
        )
    values = np.asarray(X)
    if values.ndim != 2:
        raise ValueError(f"X must have rows and columns; its shape is {values.shape}.")
    return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])


def _features_of(X: Any, saved: SavedModel) -> pd.DataFrame:
    frame, names = _as_frame(X), list(saved.columns)
    if not len(frame):
        raise ValueError("X has no rows.")
    if not hasattr(X, "columns"):
        if frame.shape[1] != len(names):
            raise ValueError(
                f"X has {frame.shape[1]} columns, and the model was trained on "
                f"{len(names)}: {', '.join(names[:10])}."
            )
        return frame.set_axis(names, axis=1)
    frame = frame.rename(columns=str)
    missing = [name for name in names if name not in frame]
    extra = [name for name in frame if name not in saved.columns]
    if missing or extra:
        what = [
            f"{problem} {', '.join(found[:10])}"
            for problem, found in (("lacks", missing), ("has, not trained on,", extra))
            if found
        ]
        raise ValueError(
            f"X must have the columns of the training; it {' and '.join(what)}."
        )
    return frame[names]


def _time(time: ArrayLike | None) -> pd.Series | None:
    if time is None:
        return None
    name = getattr(time, "name", None) or "time"
    column = pd.Series(time, name=name).reset_index(drop=True)
    column = plain_types(column, str(name))
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        return column
    if is_text(column):  # which may be dates
        column, _ = infer_column(column, str(name), ReadingOptions(), Notes())
    return column


def _labels(y: ArrayLike | None, saved: SavedModel, n_rows: int) -> IntArray:
    """1 for the rare class, 0 for the other, -1 where there is no label."""
    if y is None:
        return np.full(n_rows, -1)
    labels = pd.Series(np.asarray(y).ravel() if not isinstance(y, pd.Series) else y)
    labels = labels.reset_index(drop=True)
    known = labels.notna().to_numpy()
    # Each kind of missing value as None, which compares with anything.
    values = labels.astype(object).where(known, None).to_numpy()
    classes, positive = list(saved.model.classes_), saved.facts.positive
    rare = {positive, label_of(classes, positive)}
    is_rare = np.array([value in rare for value in values])
    if not saved.facts.others_together:
        unknown = known & ~is_rare & ~np.isin(values, np.array(classes, dtype=object))
        if unknown.any():
            found = labels_with_rows(values[unknown], np.flatnonzero(unknown))
            name = getattr(y, "name", None)
            what = "y" if name is None else f"Column {name}"
            raise ValueError(
                f"{what} holds labels that are not known: {found}. The classes are "
                f"{', '.join(map(shown, classes))}; a label that is not known yet is "
                "None."
            )
    return np.where(known, is_rare, -1).astype(int)


def _threshold(saved: SavedModel, X: Table, label: Label) -> float:
    found = decision_threshold(saved.model, X, label)
    if found is None:
        raise ValueError(
            f"The decisions of {saved.facts.name} do not follow from a threshold that "
            "is known. Pass threshold (--threshold P)."
        )
    return found


# -------------------------------------------------------------------------- the result


@dataclass(frozen=True, repr=False, eq=False)
class Monitoring:
    """Result of :func:`monitor`.

    Parameters
    ----------
    breaches, features, measures, since, periods, new_categories, notes : object
        Made by :func:`monitor`.
    n_tests, name, positive, threshold, alpha, n_reference : object
        Made by :func:`monitor`.

    Attributes
    ----------
    breaches : tuple of Breach
        What has changed; causes come before what follows from them.
    features : DataFrame
        A row for each period and feature, and for the score, which is called
        ``predict_proba``. The columns are ``period``, ``feature``, ``kind``, ``psi``
        and ``psi_by_chance`` (see :func:`skadaptive.drift.population_stability`),
        ``p_value``, the shares ``missing``, ``missing_reference`` and ``unlisted`` (of
        values that the model file does not list), ``p_holm``, which is corrected for
        all tests of the call, ``breach``, and ``varies``: it would be a breach, but
        other periods make up for it.
    measures : DataFrame
        A row for each period and measure. The measures are ``alarms``,
        ``estimated_share``, and with labels ``share``, ``average_precision``,
        ``recall``, ``precision``, ``brier_score`` and ``calibration``, the observed
        over the predicted share. The columns are ``period``, ``measure``, ``value``
        with its 95 % interval ``low`` and ``high``, ``expected`` of a period like this
        with the 95 % interval ``expected_low`` and ``expected_high`` of periods in
        which nothing has changed, ``statistic``, the standard errors between the two,
        ``p_value``, ``p_holm``, ``breach`` and ``varies``, as of features.
    since : DataFrame
        The same measures over all rows from a period to the last one, which show small
        changes that stay.
    periods : DataFrame
        Numbers of ``rows``, ``labelled`` rows and ``rare`` ones of them, by ``period``.
    new_categories : DataFrame
        Values that no row of the training had, with numbers of ``rows`` by ``period``
        and ``feature``.
    notes : tuple of str
        What was left out and what is no breach, and why.
    n_tests : int
        Number of tests that p-values are corrected for.
    name : str
        Name of the model.
    positive : label
        The rare class.
    threshold : float
        A row is an alarm if its probability is above it.
    alpha : float
    n_reference : int
        Number of rows of the training.
    """

    breaches: tuple[Breach, ...]
    features: pd.DataFrame
    measures: pd.DataFrame
    since: pd.DataFrame
    periods: pd.DataFrame
    new_categories: pd.DataFrame
    notes: tuple[str, ...]
    n_tests: int
    name: str
    positive: object
    threshold: float
    alpha: float
    n_reference: int

    @property
    def has_changed(self) -> bool:
        """Whether there is any breach."""
        return bool(self.breaches)

    def summary(self) -> list[str]:
        """What has changed, or that nothing has, in sentences.

        Returns
        -------
        list of str
            A sentence about the rows, and one for each breach.
        """
        rows, n_periods = int(self.periods["rows"].sum()), len(self.periods)
        of = "one period" if n_periods == 1 else f"{n_periods} periods"
        first = (
            f"{self.name} on {rows_text(rows)} in {of}, against {self.n_reference:,}"
        )
        n = len(self.breaches)
        found = f"{n} {'breach' if n == 1 else 'breaches'}" if n else "no breach"
        level = f"{100 * self.alpha:g} %"
        lines = [f"{first} of the training: {found} at the level of {level}."]
        return lines + [breach.message for breach in self.breaches]

    def table(self) -> pd.DataFrame:
        """The measures by period, as text, and the feature that has moved most.

        Returns
        -------
        DataFrame of shape (n_periods, n_columns)
            What is in breach ends in an asterisk.
        """
        names = list(dict.fromkeys(self.measures["measure"]))
        found = pd.DataFrame({"rows": self.periods["rows"].map("{:,}".format)})
        found.index = pd.Index(self.periods["period"], name="period")
        for name in names:
            of = self.measures[self.measures["measure"] == name].set_index("period")
            found[name] = [
                measure_text(name, of["value"].get(period, np.nan))
                + ("*" if of["breach"].get(period, False) else "")
                for period in found.index
            ]
        moved = self.features.loc[self.features.groupby("period")["psi"].idxmax()]
        moved = moved.set_index("period").loc[found.index]
        found["greatest index"] = [
            f"{row.psi:.2f}{'*' if row.breach else ''} {row.feature}"
            for row in moved.itertuples()
        ]
        return found

    def __repr__(self) -> str:
        first, *others = self.summary()
        lines = [first, *(f"- {line}" for line in others)]
        table = self.table().rename_axis(None).to_string()
        if self.has_changed:
            table += "\n* in breach"
        notes = [f"note: {note}" for note in self.notes]
        return "\n\n".join(filter(None, ["\n".join(lines), table, "\n".join(notes)]))

    def _repr_html_(self) -> str:
        first, *others = map(escape, self.summary())
        items = "".join(f"<li>{line}</li>" for line in others)
        table = self.table().rename_axis(None).to_html(border=0)
        return f"<div><p>{first}</p><ul>{items}</ul>{table}</div>"

    def to_json(self) -> dict[str, Any]:
        """Everything, as nested dicts and lists that JSON can hold.

        Returns
        -------
        dict
            Numbers that are not finite are None.
        """
        return json_values(
            {
                "model": self.name,
                "positive": self.positive,
                "threshold": self.threshold,
                "alpha": self.alpha,
                "tests": self.n_tests,
                "least_index": LEAST_INDEX,
                "rows_of_training": self.n_reference,
                "breach": self.has_changed,
                "breaches": [
                    {**vars(breach), "periods": list(breach.periods)}
                    | {"since": breach.since}
                    for breach in self.breaches
                ],
                "periods": self.periods.to_dict("records"),
                "measures": self.measures.to_dict("records"),
                "since": self.since.to_dict("records"),
                "features": self.features.to_dict("records"),
                "new_categories": self.new_categories.to_dict("records"),
                "notes": list(self.notes),
            }
        )

    def to_html(self, path: FilePath, *, title: str | None = None) -> Path:
        """Write a report, one self-contained HTML file.

        Parameters
        ----------
        path : str or path-like
            The file to write. An existing file is replaced.
        title : str, default=None
            Heading of the page.

        Returns
        -------
        pathlib.Path
            The path of the file.
        """
        from ._report.monitoring import monitoring_report

        return Path(monitoring_report(self, path, title=title))
