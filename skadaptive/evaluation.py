"""How well a fitted classifier does on rows that it has not seen, and how sure that is.

:func:`measures` gives the scores of one set of predictions; :func:`evaluate` adds
bootstrap intervals, the confusion matrix and files.

Inside, y and labels are 1 for the class to be found and 0 for the other.
"""

import json
from dataclasses import dataclass
from html import escape
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import precision_recall_curve
from sklearn.utils import check_random_state

from ._assessment.measures import bootstrap_measures, measures
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
) -> "Evaluation":
    """Judge a fitted binary classifier on rows that it has not seen.

    Parameters
    ----------
    estimator : fitted binary classifier
        Any of scikit-learn's kind. Its ``predict`` decides the labels; its
        ``predict_proba``, or else its ``decision_function``, ranks the rows.
    X : array-like of shape (n_samples, n_features)
        Rows that it was not fitted to.
    y : array-like of shape (n_samples,)
        Their labels.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights. A row of weight 0 counts as absent.
    pos_label : int, float, bool or str, default=None
        The class to be found. None: the rare one. An
        :class:`AdaptiveHybridClassifier`, also as the last step of a pipeline, knows
        which that was when it was fitted, a ``FixedThresholdClassifier`` with a
        ``pos_label`` is for that; with any other estimator it is the class with
        the least weight in ``y``, ``classes_[1]`` unless the first has less than half
        of its weight.
    n_bootstraps : int, default=1000
        Number of resamples.
    confidence_level : float, default=0.95
        Of the intervals, in (0, 1).
    random_state : int, RandomState instance or None, default=None
        Seed of the resamples.

    Returns
    -------
    Evaluation
        Measures with intervals, the confusion matrix, and methods to keep them.

    Raises
    ------
    ValueError
        If the estimator is no binary classifier or does not rank; if X, y and weights
        have different numbers of rows; if y has labels that the estimator does not
        know, or missing ones.
    NotFittedError
        If the estimator is not fitted.

    Warns
    -----
    UndefinedMetricWarning
        If y holds one class only, so that some measures are NaN, or if the Brier score
        is, for want of probabilities.

    Notes
    -----
    The intervals are percentile intervals of the bootstrap ([1]_, chapter 13). Rows are
    drawn with replacement within each class, so that a resample has as many rare rows
    as there are ([2]_, section 3.2; as [3]_ does for ROC curves): with few of them,
    others would have none and leave most measures undefined. The intervals therefore
    hold at the share of the rare class that the rows have, and do not say how that may
    vary.

    Rows count as independent of each other: if several are of one customer or of one
    day, the intervals are too narrow. A row that stands for several by its weight is
    still one row drawn. Where no mistake was made the interval has no width, which is
    no proof: with n rows and no mistake the share of mistakes may still be 3 / n. With
    few rare rows the intervals of the ranking measures are a little narrow: of
    simulated ones at 95 %, 86 % held the true ROC AUC and 91 % the average precision
    with 20 rare rows of 420, 90 % and 94 % with 50 of 2,050; of F1, precision and
    recall 95 % did.

    References
    ----------
    .. [1] B. Efron & R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall,
       1993.
    .. [2] A. Davison & D. Hinkley, "Bootstrap Methods and their Application", Cambridge
       University Press, 1997.
    .. [3] X. Robin et al., "pROC: an open-source package for R and S+ to analyze and
       compare ROC curves", BMC Bioinformatics 12, 2011.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import evaluate
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("digits", return_X_y=True)
    >>> model = LogisticRegression(max_iter=2000).fit(X[::2], y[::2])
    >>> found = evaluate(model, X[1::2], y[1::2], random_state=0)
    >>> row = found.table.loc["recall"]
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

    found = table(list(value.values()), drawn, pd.Index(value, name="measure"))
    found[found["value"].isna()] = np.nan
    # In scikit-learn's order: the true classes as they are sorted, then the predicted.
    of_cell = [(index == i, index == j) for i in (0, 1) for j in (0, 1)]
    order = [2 * rare + called for rare, called in of_cell]
    matrix = np.bincount(2 * rows[0] + rows[2], rows[3], 4)
    return Evaluation(
        table=found,
        confusion_matrix_=table(
            matrix[order],
            cells[:, order],
            pd.MultiIndex.from_product([classes, classes], names=["true", "predicted"]),
        ),
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


def _warn_of_undefined(value: dict[str, float], rare: Label, other: Label) -> None:
    missing = [name for name, v in value.items() if np.isnan(v)]
    if not missing:
        return
    brier = missing == ["brier_score"]
    why = (
        "there are scores, but no probabilities: the estimator has no predict_proba"
        if brier
        else f"rows of both classes are needed, {rare!s} and {other!s}"
    )
    warn(
        f"Not defined here, and NaN: {', '.join(missing)}. For want of it: {why}.",
        UndefinedMetricWarning,
    )


@dataclass(repr=False, eq=False)
class Evaluation:
    """What :func:`evaluate` found.

    Attributes
    ----------
    table : DataFrame of shape (7, 3)
        ``value``, ``low`` and ``high``, the ends of the interval, of each measure:
        ``average_precision``, ``roc_auc``, ``brier_score``, ``f1``, ``precision``,
        ``recall``, ``accuracy``.
    confusion_matrix_ : DataFrame of shape (4, 3)
        The same of the number of rows, or their weight, by true and predicted class.
        ``confusion_matrix_["value"].unstack()`` is the matrix.
    pos_label_ : label
        The class to be found, which the measures are about.
    classes_ : ndarray of shape (2,)
    y_ : ndarray of shape (n_samples,)
        True labels.
    predictions_ : ndarray of shape (n_samples,)
        Predicted labels.
    probabilities_ : ndarray of shape (n_samples,) or None
        Probabilities of ``pos_label_``; None if the estimator has none.
    scores_ : ndarray of shape (n_samples,)
        What ranks the rows: the probabilities, or the decision function.
    sample_weight_ : ndarray of shape (n_samples,) or None
    threshold_ : float or None
        Probability above which ``pos_label_`` is predicted; None if the estimator does
        not follow one, or not one that is known.
    name : str
        Of the estimator's class, of a pipeline that of its last step.
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

    # ------------------------------------------------------------------------- to read

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
        shown += f"{self.pos_label_}, the class to be found"
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

    # ------------------------------------------------------------------------- to keep

    def save(self, folder: FilePath) -> list[Path]:
        """Write the measures and the plots.

        Parameters
        ----------
        folder : str or path-like
            Made if there is none; files of the same names in it are replaced.

        Returns
        -------
        list of Path
            What was written: ``metrics.json``, and as PNG ``confusion_matrix``,
            ``precision_recall``, ``roc``, ``calibration`` and ``threshold``, less those
            that need both classes, or the last two probabilities, where these lack.

        Raises
        ------
        ImportError
            If matplotlib is not installed. Nothing is written then.
        """
        check_matplotlib_support("Evaluation.save")
        figures = self._figures()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "metrics.json"]
        text = json.dumps(self._as_dict(), indent=2, allow_nan=False)
        written[0].write_text(text + "\n", encoding="utf-8")
        for name, figure in figures.items():
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], dpi=120)
        return written

    def to_html(
        self,
        path: FilePath,
        *,
        title: str | None = None,
        cost_matrix: ArrayLike | None = None,
    ) -> Path:
        """Write a report: one HTML file, which needs nothing else.

        Parameters
        ----------
        path : str or path-like
            File to write. A file of that name is replaced.
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
        """What ``metrics.json`` holds: numbers, text and None where undefined."""
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
        """Figures by name; those that the rows leave undefined are left out."""
        # Not pyplot's: it would keep them open, and show them in a notebook.
        from matplotlib.figure import Figure
        from sklearn.calibration import CalibrationDisplay
        from sklearn.metrics import (
            ConfusionMatrixDisplay,
            PrecisionRecallDisplay,
            RocCurveDisplay,
        )

        kept = slice(None) if self.sample_weight_ is None else self.sample_weight_ > 0
        y, scores = self.y_[kept], self.scores_[kept]
        weight = np.ones(len(y)) if self.sample_weight_ is None else self.sample_weight_
        weight, rare, label = weight[kept], y == self.pos_label_, self.pos_label_
        figures = {}

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
