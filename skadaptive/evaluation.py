"""Evaluation of a fitted classifier on rows that it was not fitted to.

:func:`measures` returns the scores of one set of predictions. :func:`evaluate` adds
bootstrap intervals, the confusion matrix and files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import precision_recall_curve
from sklearn.utils import check_random_state

from ._assessment.measures import (
    bootstrap_measures,
    intervals_without_spread,
    measures,
)
from ._assessment.response import (
    binary_classes,
    check_labels,
    check_lengths,
    check_weights,
    estimator_name,
    find_threshold,
    positive_index,
    predicted,
    response,
)
from ._assessment.threshold_counts import ScoredRows, calibration_bins
from ._io.atomic import replace_atomically
from ._io.json_values import json_values
from ._sklearn_compat import Interval, check_matplotlib_support, validate_params
from ._typing import (
    ArrayLike,
    Estimator,
    FilePath,
    FloatArray,
    Label,
    RandomState,
    Table,
)
from ._warnings import warn
from .display import ThresholdDisplay

# -------------------------------------------------------------------------- evaluation


@validate_params(
    {
        "n_bootstraps": [Interval(Integral, 1, None, closed="left")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def evaluate(
    estimator: Estimator,
    X: Table,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    pos_label: Label | None = None,
    n_bootstraps: int = 1000,
    confidence_level: float = 0.95,
    random_state: RandomState = None,
) -> Evaluation:
    """Evaluate a fitted binary classifier on rows that it was not fitted to.

    Parameters
    ----------
    estimator : fitted binary classifier
        The estimator may be any classifier that follows scikit-learn's API. Its
        ``predict`` gives the labels; its ``predict_proba``, or else its
        ``decision_function``, ranks the rows.
    X : array-like of shape (n_samples, n_features)
        The rows should be ones that the estimator was not fitted to.
    y : array-like of shape (n_samples,)
        Labels of the rows.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights. A row of weight 0 counts as absent.
    pos_label : int, float, bool or str, default=None
        The positive class. None takes the class that an
        :class:`AdaptiveHybridClassifier` was fitted to as the rare one, or the
        ``pos_label`` of a ``FixedThresholdClassifier``, also inside a pipeline, a
        search or a wrapper. For any other estimator, None takes ``classes_[1]``, unless
        ``classes_[0]`` has less than half of its weight in ``y``.
    n_bootstraps : int, default=1000
        Number of resamples.
    confidence_level : float, default=0.95
        Confidence level of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Seed of the resamples.

    Returns
    -------
    Evaluation
        The result holds the measures with intervals and the confusion matrix, and
        writes them to files.

    Raises
    ------
    ValueError
        If the estimator is no binary classifier or has no scores; if X, y and weights
        have different numbers of rows; if y has missing labels, or labels that the
        estimator does not know.
    NotFittedError
        If the estimator is not fitted.

    Warns
    -----
    UndefinedMetricWarning
        If y holds one class only, so that some measures are NaN, or if the Brier score
        is NaN because there are no probabilities.

    Notes
    -----
    The intervals are percentile intervals of the bootstrap ([1]_, chapter 13). Rows are
    drawn with replacement within each class, so that every resample has the same number
    of rare rows as the data ([2]_, section 3.2; [3]_ does so for ROC curves). Otherwise
    resamples of data with few rare rows might have none, and most measures would be
    undefined. The intervals hold for the share of the rare class in the data, and do
    not include its variation.

    Rows count as independent of each other: the intervals are too narrow if several
    rows belong to one customer or one day. A row with a great weight is still drawn as
    one row.

    A share that is 0 or 1 is so in every resample. Precision, recall, accuracy and the
    cells of the confusion matrix then have the exact interval of Clopper and Pearson
    ([4]_), with the effective number of rows where there are weights: 37 of 37 alarms
    that are right are a precision of 0.905 to 1. That of F1 follows from the share of
    the right alarms among the rows that are rare or predicted rare. A ranking without
    any mistake still has intervals of no width.

    With few rare rows the intervals of the
    ranking measures are a little narrow: of simulated 95 % intervals, 86 % held the
    true ROC AUC and 91 % the true average precision with 20 rare rows of 420, and 90 %
    and 94 % with 50 of 2,050. For F1, precision and recall it was 95 %.

    References
    ----------
    .. [1] B. Efron & R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall,
       1993.
    .. [2] A. Davison & D. Hinkley, "Bootstrap Methods and their Application", Cambridge
       University Press, 1997.
    .. [3] X. Robin et al., "pROC: an open-source package for R and S+ to analyze and
       compare ROC curves", BMC Bioinformatics 12, 2011.
    .. [4] C. Clopper & E. Pearson, "The use of confidence or fiducial limits
       illustrated in the case of the binomial", Biometrika 26, 1934.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import evaluate
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("digits", return_X_y=True)
    >>> model = LogisticRegression(max_iter=2000).fit(X[::2], y[::2])
    >>> evaluation = evaluate(model, X[1::2], y[1::2], random_state=0)
    >>> row = evaluation.table.loc["recall"]
    >>> bool(row["low"] <= row["value"] <= row["high"])
    True
    """
    classes = binary_classes(estimator)
    check_lengths(X=X, y=y, sample_weight=sample_weight)
    second = check_labels(y, classes)
    weight = check_weights(sample_weight, len(second))
    shares = np.bincount(second, weight, 2)
    index = positive_index(pos_label, classes, shares, estimator)
    scores, is_probability = response(estimator, X, index)
    labels = predicted(estimator, X, classes, index)

    truth = (second == index).astype(int)
    kept = weight > 0
    rows = truth[kept], scores[kept], labels[kept], weight[kept]
    value = measures(*rows)
    if not is_probability:
        value["brier_score"] = np.nan
    _warn_of_undefined(value, classes[index], classes[1 - index])
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    drawn, cells = bootstrap_measures(*rows, n_bootstraps, rng)
    tails = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]

    def table(value: Any, drawn: FloatArray, index: pd.Index) -> pd.DataFrame:
        low, high = np.quantile(drawn, tails, axis=0)
        columns = {"value": np.asarray(value, dtype=float), "low": low, "high": high}
        return pd.DataFrame(columns, index=index)

    measured = table(list(value.values()), drawn, pd.Index(value, name="measure"))
    measured[measured["value"].isna()] = np.nan
    exact, exact_cells = intervals_without_spread(
        rows[0], rows[2], rows[3], confidence_level
    )
    for name, ends in exact.items():
        measured.loc[name, ["low", "high"]] = ends
    # Cells in scikit-learn's order: by true class as sorted, then by predicted class.
    order = [
        2 * (index == true) + (index == said) for true in (0, 1) for said in (0, 1)
    ]
    counts = np.bincount(2 * rows[0] + rows[2], rows[3], 4)
    matrix = table(
        counts[order],
        cells[:, order],
        pd.MultiIndex.from_product([classes, classes], names=["true", "predicted"]),
    )
    for place, cell in enumerate(order):
        if cell in exact_cells:
            matrix.iloc[place, 1:] = exact_cells[cell]
    evaluation = Evaluation(
        table=measured,
        confusion_matrix_=matrix,
        pos_label_=classes[index],
        classes_=classes,
        y_=classes[second],
        predictions_=classes[np.where(labels == 1, index, 1 - index)],
        probabilities_=scores if is_probability else None,
        scores_=scores,
        sample_weight_=None if sample_weight is None else weight,
        threshold_=(
            find_threshold(estimator, index, scores, labels) if is_probability else None
        ),
        name=estimator_name(estimator),
        confidence_level=confidence_level,
        n_bootstraps=n_bootstraps,
    )
    evaluation._drawn_cells = cells[:, order]
    return evaluation


def _warn_of_undefined(value: dict[str, float], rare: Label, other: Label) -> None:
    missing = [name for name, v in value.items() if np.isnan(v)]
    if not missing:
        return
    why = f"rows of both classes are needed, {rare!s} and {other!s}"
    if missing == ["brier_score"]:
        why = "the estimator has scores, but no predict_proba"
    warn(
        f"These measures are undefined, and NaN: {', '.join(missing)}; {why}.",
        UndefinedMetricWarning,
    )


@dataclass(repr=False, eq=False)
class Evaluation:
    """Result of :func:`evaluate`.

    Parameters
    ----------
    table, confusion_matrix_, pos_label_, classes_, y_, predictions_ : object
        Made by :func:`evaluate`.
    probabilities_, scores_, sample_weight_, threshold_, name : object
        Made by :func:`evaluate`.
    confidence_level, n_bootstraps : object
        Made by :func:`evaluate`.

    Attributes
    ----------
    table : DataFrame of shape (7, 3)
        The table has the ``value`` of each measure and the ends of its interval,
        ``low`` and ``high``. The measures are ``average_precision``, ``roc_auc``,
        ``brier_score``, ``f1``, ``precision``, ``recall``, ``accuracy``.
    confusion_matrix_ : DataFrame of shape (4, 3)
        The table has the number of rows, or their weight, by true and predicted class,
        with intervals. ``confusion_matrix_["value"].unstack()`` is the matrix.
    pos_label_ : label
        The positive class of the measures.
    classes_ : ndarray of shape (2,)
    y_ : ndarray of shape (n_samples,)
        True labels.
    predictions_ : ndarray of shape (n_samples,)
        Predicted labels.
    probabilities_ : ndarray of shape (n_samples,) or None
        Probabilities of ``pos_label_``. None if the estimator has none.
    scores_ : ndarray of shape (n_samples,)
        The probabilities, or else the values of the decision function.
    sample_weight_ : ndarray of shape (n_samples,) or None
    threshold_ : float or None
        Probability above which ``pos_label_`` is predicted. None if the predictions do
        not follow a threshold that is known.
    name : str
        Class name of the estimator, or of the one inside a pipeline or a wrapper.
    confidence_level : float
    n_bootstraps : int
    """

    table: pd.DataFrame
    confusion_matrix_: pd.DataFrame
    pos_label_: object
    classes_: np.ndarray
    y_: np.ndarray
    predictions_: np.ndarray
    probabilities_: np.ndarray | None
    scores_: np.ndarray
    sample_weight_: np.ndarray | None
    threshold_: float | None
    name: str
    confidence_level: float
    n_bootstraps: int

    # Confusion matrices of the resamples, (n_bootstraps, 4).
    _drawn_cells: FloatArray = field(init=False)

    # ------------------------------------------------------------------------- as text

    def __repr__(self) -> str:
        return "\n\n".join(
            [
                self._summary(),
                self.table.rename_axis(None).to_string(
                    float_format="{:.4f}".format, na_rep="-"
                ),
                "Confusion matrix, [interval]:\n" + self._matrix().to_string(),
            ]
        )

    def _repr_html_(self) -> str:
        measured = self.table.to_html(
            float_format="{:.4f}".format, na_rep="–", border=0, index_names=False
        )
        matrix = self._matrix().to_html(border=0)
        return (
            f"<div><p>{escape(self._summary())}</p>{measured}"
            f"<p>Confusion matrix, [interval]</p>{matrix}</div>"
        )

    def _summary(self) -> str:
        rare = self.y_ == self.pos_label_
        shown = f"{self.name} on {len(rare):,} rows, {np.sum(rare):,} of them "
        shown += f"{self.pos_label_}, the positive class"
        if self.sample_weight_ is not None:
            share = np.average(rare, weights=self.sample_weight_)
            shown += f" ({share:.2%} by weight)"
        if self.threshold_ is not None:
            shown += f", threshold {self.threshold_:.3g}"
        level = f"{100 * self.confidence_level:g} %"
        return f"{shown}. {level} intervals from {self.n_bootstraps:,} resamples."

    def _matrix(self) -> pd.DataFrame:
        """The confusion matrix as text, with intervals."""
        cells = [
            f"{value:,.0f} [{low:,.0f}, {high:,.0f}]"
            for value, low, high in self.confusion_matrix_.to_numpy()
        ]
        true, called = (
            [f"{word} {label}" for label in self.classes_]
            for word in ("true", "predicted")
        )
        return pd.DataFrame(np.reshape(cells, (2, 2)), index=true, columns=called)

    # ------------------------------------------------------------------------ as files

    def save(self, folder: FilePath) -> list[Path]:
        """Write the measures and the plots.

        Parameters
        ----------
        folder : str or path-like
            The folder is made if it does not exist. Files of the same names in it are
            replaced.

        Returns
        -------
        list of Path
            The files: ``metrics.json``, and as PNG ``confusion_matrix``,
            ``precision_recall``, ``roc``, ``calibration`` and ``threshold``. Plots
            without the classes or the probabilities that they need are left out.

        Raises
        ------
        ImportError
            If Matplotlib is not installed. Nothing is written then.
        OSError
            If a file cannot be written; a file of its name is then as it was.
        """
        check_matplotlib_support("Evaluation.save")
        figures = self._figures()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "metrics.json"]
        text = json.dumps(self._as_dict(), indent=2, allow_nan=False)
        with replace_atomically(written[0]) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        for name, figure in figures.items():
            written.append(folder / f"{name}.png")
            with replace_atomically(written[-1]) as temporary:
                figure.savefig(temporary, dpi=120, format="png")
        return written

    def to_html(
        self,
        path: FilePath,
        *,
        title: str | None = None,
        cost_matrix: ArrayLike | None = None,
    ) -> Path:
        """Write a report, one self-contained HTML file.

        Parameters
        ----------
        path : str or path-like
            The file to write. An existing file is replaced.
        title : str, default=None
            Heading of the page.
        cost_matrix : array-like of shape (2, 2), default=None
            ``cost_matrix[i][j]`` is the cost of predicting class j for a row of class
            i, where 1 is the rare class. The page begins with these costs, and its
            reader can change them. None: a miss costs as much as 10 false alarms.

        Returns
        -------
        pathlib.Path
            The path of the file.
        """
        from ._report.pages import evaluation_report

        return Path(evaluation_report(self, path, title=title, cost_matrix=cost_matrix))

    def _as_dict(self) -> dict[str, Any]:
        """Content of ``metrics.json``: numbers and text, None for undefined values."""
        matrix = self.confusion_matrix_
        cells = [
            {"true": true, "predicted": called, **row}
            for (true, called), row in zip(
                matrix.index, matrix.to_dict("records"), strict=True
            )
        ]
        content = {
            "estimator": self.name,
            "n_samples": len(self.y_),
            "n_positive": int(np.sum(self.y_ == self.pos_label_)),
            "pos_label": self.pos_label_,
            "weighted": self.sample_weight_ is not None,
            "threshold": self.threshold_,
            "confidence_level": self.confidence_level,
            "n_bootstraps": self.n_bootstraps,
            "measures": self.table.to_dict("index"),
            "confusion_matrix": cells,
        }
        return json_values(content)

    def _figures(self) -> dict[str, Any]:
        """Figures by name, without those that are undefined for these rows."""
        # Figures of pyplot would stay open and show up in a notebook.
        from matplotlib.figure import Figure
        from sklearn.calibration import CalibrationDisplay
        from sklearn.metrics import (
            ConfusionMatrixDisplay,
            PrecisionRecallDisplay,
            RocCurveDisplay,
        )

        weight = check_weights(self.sample_weight_, len(self.y_))
        kept, label, figures = weight > 0, self.pos_label_, {}
        y, scores, weight = self.y_[kept], self.scores_[kept], weight[kept]
        rare = y == label

        def axes(name: str) -> Any:
            figures[name] = Figure(figsize=(5.5, 5), layout="constrained")
            return figures[name].add_subplot()

        ConfusionMatrixDisplay(
            self.confusion_matrix_["value"].to_numpy().reshape(2, 2),
            display_labels=self.classes_,
        ).plot(
            ax=axes("confusion_matrix"),
            cmap="Blues",
            values_format=",.0f",
            colorbar=False,
        )
        if rare.any() and not rare.all():
            precision, recall, _ = precision_recall_curve(
                rare, scores, sample_weight=weight
            )
            PrecisionRecallDisplay(
                precision,
                recall,
                average_precision=self.table.loc["average_precision", "value"],
                pos_label=label,
                # scikit-learn would count rows here, not weights.
                prevalence_pos_label=np.average(rare, weights=weight),
            ).plot(ax=axes("precision_recall"), name=self.name, plot_chance_level=True)
            RocCurveDisplay.from_predictions(
                y,
                scores,
                sample_weight=weight,
                pos_label=label,
                name=self.name,
                ax=axes("roc"),
                plot_chance_level=True,
            )
        if self.probabilities_ is not None:
            bins = calibration_bins(ScoredRows(rare, scores, weight))
            CalibrationDisplay(
                bins["observed"], bins["predicted"], scores, pos_label=label
            ).plot(ax=axes("calibration"), name=self.name)
            if "roc" in figures:
                ThresholdDisplay.from_predictions(
                    y,
                    scores,
                    sample_weight=weight,
                    pos_label=label,
                    threshold=self.threshold_,
                    name=self.name,
                    ax=axes("threshold"),
                )
        return figures
