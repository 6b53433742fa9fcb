"""Pictures that scikit-learn does not draw, in the manner of its Display classes.

They show how the loss weights followed the score, which scores each threshold leads
to, and what :func:`skadaptive.explain` finds out. Scikit-learn itself draws the rest,
such as precision-recall curves. Matplotlib is imported when something is drawn.
"""

from numbers import Real
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve
from sklearn.utils.validation import check_is_fitted

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
    unwrap,
)
from ._messages import shortened
from ._sklearn_compat import check_matplotlib_support
from ._typing import ArrayLike, Estimator, FloatArray, Label, Table
from .adaptation import TERM_TITLES
from .classifier import AdaptiveHybridClassifier
from .explanation import Effect, Explanation, explain
from .thresholds import safe_ratio

# Okabe & Ito's palette, which colour-blind people tell apart; the line styles and the
# lightness tell the lines apart in black and white.
_STYLES = [
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#D55E00", "linestyle": "--"},
    {"color": "#009E73", "linestyle": "-."},
]

# The axis of scores up to 1 ends here, because the legend needs the room above 1.
_ROOM = 1.3


class AdaptationDisplay:
    """The mix of losses and the score, epoch by epoch.

    Use :meth:`from_estimator` to make one. The parameters are kept as attributes.

    Parameters
    ----------
    history : dict of list
        ``history_`` of an :class:`AdaptiveHybridClassifier`.
    best_epoch : int, default=None
        The epoch whose weights are kept, counted from 1. None marks none.
    score_name : str, default="score"
        The name of the score.
    name : str, default=None
        The estimator's name, which becomes the title. None draws no title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        These axes show the loss weights. They also show the score if it lies in
        [0, 1], as the loss weights do.
    score_ax_ : matplotlib Axes
        These axes show the score. They are ``ax_``, or axes with a scale of their
        own on the right.
    figure_ : matplotlib Figure
        The figure that holds ``ax_``.
    lines_ : list of matplotlib Line2D
        The lines show the loss weights of cross-entropy, focal loss and Dice.
    score_line_ : matplotlib Line2D or None
        The line shows the score. It is None if no rows were held out, because there
        is no score then.
    best_line_ : matplotlib Line2D or None
        The line marks ``best_epoch``. It is None if ``best_epoch`` is None.

    Examples
    --------
    >>> from skadaptive import AdaptationDisplay, AdaptiveHybridClassifier
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> classifier = AdaptiveHybridClassifier(max_epochs=4, random_state=0).fit(X, y)
    >>> display = AdaptationDisplay.from_estimator(classifier)
    >>> display.best_epoch == classifier.best_epoch_
    True
    """

    def __init__(
        self,
        *,
        history: dict[str, list],
        best_epoch: int | None = None,
        score_name: str = "score",
        name: str | None = None,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.score_name = score_name
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, *, ax: Any = None, name: str | None = None
    ) -> Self:
        """Draw the score and the loss weights of a fitted estimator by epoch.

        Parameters
        ----------
        estimator : AdaptiveHybridClassifier, or Pipeline or search that ends in one
            The estimator must be fitted.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None draws no title.

        Returns
        -------
        AdaptationDisplay
            The display after drawing.

        Raises
        ------
        TypeError
            If there is no AdaptiveHybridClassifier at the end.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        *_, last = unwrap(estimator)
        if not isinstance(last, AdaptiveHybridClassifier):
            if hasattr(last, "estimator") and not isinstance(last, type):
                check_is_fitted(last)  # an unfitted wrapper does not show its end
            raise TypeError(
                "Only an AdaptiveHybridClassifier, or what ends in one, has a mix that "
                f"adapts; got {estimator!r}."
            )
        check_is_fitted(last)
        scoring = last.scoring
        if not isinstance(scoring, str):
            scoring = getattr(scoring, "__name__", "score")
        display = cls(
            history=last.history_,
            best_epoch=last.best_epoch_,
            score_name=scoring,
            name=name,
        )
        return display.plot(ax=ax)

    def plot(self, ax: Any = None, *, name: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes ``name`` of the display.

        Returns
        -------
        self
            The display holds what was drawn as attributes.
        """
        self.ax_, self.figure_ = _axes(self, ax)
        epoch, score = self.history["epoch"], np.asarray(self.history["score"])
        self.lines_ = []
        for (term, title), style in zip(TERM_TITLES.items(), _STYLES, strict=True):
            share = self.history[f"weight_{term}"]
            self.lines_ += self.ax_.plot(epoch, share, label=title, **style)
        finite = score[np.isfinite(score)]
        scored = finite.size > 0
        alone = scored and (finite.min() < 0 or finite.max() > 1)
        self.score_ax_ = self.ax_.twinx() if alone else self.ax_
        label = f"{self.score_name} of rows held out"
        self.score_line_ = None
        if scored:
            (self.score_line_,) = self.score_ax_.plot(
                epoch, score, color="black", marker=".", linewidth=1, label=label
            )
        self.best_line_ = None
        if self.best_epoch is not None:
            self.best_line_ = self.ax_.axvline(
                self.best_epoch,
                ymax=1 / _ROOM,
                color="0.4",
                linestyle=":",
                label=f"best epoch, {self.best_epoch}",
            )
        together = "share of the loss, score" if scored else "share of the loss"
        self.ax_.set(
            xlabel="epoch",
            ylabel="share of the loss" if alone else together,
        )
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        if alone:
            self.score_ax_.set_ylabel(label)
            low, high = finite.min(), finite.max()
            room = max(high - low, 1e-3 * abs(low))
            self.score_ax_.set_ylim(low - 0.02 * room, high + (_ROOM - 1) * room)
        handles = [*self.lines_, self.score_line_, self.best_line_]
        name = self.name if name is None else name
        _finish(self.ax_, self.score_ax_, handles, name)
        return self


class ThresholdDisplay:
    """Precision, recall and F1 of the rare class, by the threshold.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. The parameters
    are kept as attributes.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        The probabilities, in increasing order. The scores do not change between one
        and the next.
    precision, recall, f1 : ndarray of shape (n_thresholds,)
        The scores if the rows with at least that probability are predicted rare.
    threshold : float, default=None
        The decision threshold in use. None marks none.
    pos_label : int, float, bool or str, default=None
        The rare class, for the label of the axis.
    name : str, default=None
        The estimator's name, which becomes the title. None draws no title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure that holds ``ax_``.
    lines_ : list of matplotlib Line2D
        The lines show precision, recall and F1.
    threshold_line_ : matplotlib Line2D or None
        The line marks ``threshold``. It is None if ``threshold`` is None.

    See Also
    --------
    sklearn.metrics.PrecisionRecallDisplay : Precision against recall.

    Examples
    --------
    >>> from skadaptive import ThresholdDisplay
    >>> y, proba = [0, 0, 0, 1, 1], [0.1, 0.2, 0.6, 0.4, 0.9]
    >>> display = ThresholdDisplay.from_predictions(y, proba, threshold=0.3)
    >>> display.recall.tolist()
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self,
        *,
        thresholds: FloatArray,
        precision: FloatArray,
        recall: FloatArray,
        f1: FloatArray,
        threshold: float | None = None,
        pos_label: Label | None = None,
        name: str | None = None,
    ) -> None:
        self.thresholds = thresholds
        self.precision = precision
        self.recall = recall
        self.f1 = f1
        self.threshold = threshold
        self.pos_label = pos_label
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: Table,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        threshold: float | str | None = "auto",
        pos_label: Label | None = None,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the scores that each threshold has on these rows.

        Rows that the estimator was fitted to make every threshold look too good.

        Parameters
        ----------
        estimator : fitted binary classifier with ``predict_proba``
            The estimator may be any classifier that follows scikit-learn's API.
        X : array-like of shape (n_samples, n_features)
            The rows should be ones that the estimator was not fitted to.
        y : array-like of shape (n_samples,)
            Labels of the rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        threshold : "auto", float or None, default="auto"
            The threshold to mark. "auto" marks the estimator's own, if its
            predictions follow one. None marks none.
        pos_label : int, float, bool or str, default=None
            The positive class. None takes the rare class; see :func:`evaluate`.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes the class name of the estimator,
            or of a pipeline's last step.

        Returns
        -------
        ThresholdDisplay
            The display after drawing.

        Raises
        ------
        ValueError
            If the estimator is no binary classifier or has no probabilities, or if the
            rows are not of both its classes.
        NotFittedError
            If it is not fitted.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        classes = binary_classes(estimator)
        check_lengths(X=X, y=y, sample_weight=sample_weight)
        second = check_labels(y, classes)
        weight = check_weights(sample_weight, len(second))
        shares = np.bincount(second, weight, 2)
        index = positive_index(pos_label, classes, shares, estimator)
        proba, is_probability = response(estimator, X, index)
        if not is_probability:
            raise ValueError(
                f"{type(estimator).__name__} has no predict_proba, and the threshold "
                "is one of probabilities. Wrap it in "
                "sklearn.calibration.CalibratedClassifierCV."
            )
        if isinstance(threshold, str):
            if threshold != "auto":
                raise ValueError(_WRONG_THRESHOLD.format(threshold))
            labels = predicted(estimator, X, classes, index)
            mark = find_threshold(estimator, index, proba, labels)
        else:
            mark = threshold
        return cls.from_predictions(
            classes[second],
            proba,
            sample_weight=sample_weight,
            pos_label=classes[index],
            threshold=mark,
            ax=ax,
            name=estimator_name(estimator) if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        pos_label: Label | None = None,
        threshold: float | None = None,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the scores that each threshold on these probabilities has.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels of two classes.
        y_proba : array-like of shape (n_samples,)
            Probabilities of ``pos_label``.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows.
        pos_label : int, float, bool or str, default=None
            The positive class. None takes the second of the two in sorted order,
            unless the first has less than half of its weight.
        threshold : float, default=None
            The threshold to mark, in [0, 1]. None marks none.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None draws no title.

        Returns
        -------
        ThresholdDisplay
            The display after drawing.

        Raises
        ------
        ValueError
            If the number of classes with weight is not two, or if the probabilities or
            the threshold are not in [0, 1].
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        check_lengths(y_true=y_true, y_proba=y_proba, sample_weight=sample_weight)
        proba = np.asarray(y_proba, dtype=float)
        if proba.ndim != 1 or not np.all((proba >= 0) & (proba <= 1)):
            raise ValueError(
                "y_proba must be 1-D, the probability in [0, 1] of the positive class "
                "for each row: a column of predict_proba."
            )
        if threshold is not None and (
            not isinstance(threshold, Real) or not 0 <= threshold <= 1
        ):
            raise ValueError(_WRONG_THRESHOLD.format(threshold))
        weight = check_weights(sample_weight, len(proba))
        kept = weight > 0
        classes = np.unique(np.asarray(y_true)[kept])
        if len(classes) != 2:
            raise ValueError(
                "y_true must have two classes whose rows have weight; it has "
                f"{len(classes)}: {', '.join(map(repr, classes.tolist()[:5]))}."
            )
        second = check_labels(np.asarray(y_true)[kept], classes, "y_true")
        shares = np.bincount(second, weight[kept], 2)
        index = positive_index(pos_label, classes, shares)
        precision, recall, thresholds = precision_recall_curve(
            second == index, proba[kept], sample_weight=weight[kept]
        )
        # The last point of a precision-recall curve is one without a threshold.
        precision, recall = precision[:-1], recall[:-1]
        display = cls(
            thresholds=thresholds,
            precision=precision,
            recall=recall,
            f1=safe_ratio(2 * precision * recall, precision + recall),
            threshold=None if threshold is None else float(threshold),
            pos_label=classes[index],
            name=name,
        )
        return display.plot(ax=ax)

    def at(self, threshold: float) -> dict[str, float]:
        """Precision, recall and F1 if rows above this probability are predicted rare.

        Parameters
        ----------
        threshold : float
            The decision threshold, a probability.

        Returns
        -------
        dict of float
            The scores are all 0 where no row lies above the threshold.
        """
        # The least probability above it is where the rows predicted rare begin.
        first = np.searchsorted(self.thresholds, threshold, side="right")
        names = ("precision", "recall", "f1")
        if first == len(self.thresholds):
            return dict.fromkeys(names, 0.0)
        return {name: float(getattr(self, name)[first]) for name in names}

    def plot(self, ax: Any = None, *, name: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes ``name`` of the display.

        Returns
        -------
        self
            The display holds what was drawn as attributes.
        """
        self.ax_, self.figure_ = _axes(self, ax)
        labels = {"precision": "precision", "recall": "recall", "f1": "F1"}
        marked = {} if self.threshold is None else self.at(self.threshold)
        # Every row is predicted rare at the least probability, and below it too.
        thresholds = np.r_[min(0.0, self.thresholds[0]), self.thresholds]
        self.lines_ = []
        for (key, label), style in zip(labels.items(), _STYLES, strict=True):
            values = getattr(self, key)
            values = np.r_[values[0], values]
            if marked:
                label = f"{label}, {marked[key]:.2f} at the threshold"
            line = self.ax_.plot(
                thresholds, values, drawstyle="steps-pre", label=label, **style
            )
            self.lines_ += line
        self.threshold_line_ = None
        if marked:
            self.threshold_line_ = self.ax_.axvline(
                self.threshold,
                ymax=1 / _ROOM,
                color="0.4",
                linestyle=":",
                label=f"threshold, {self.threshold:.3g}",
                zorder=1,
            )
            for key, style in zip(labels, _STYLES, strict=True):
                self.ax_.plot(self.threshold, marked[key], "o", color=style["color"])
        which = "" if self.pos_label is None else f" (positive label: {self.pos_label})"
        self.ax_.set(
            xlabel=f"threshold of the probability{which}",
            ylabel="score",
            xlim=(-0.01, 1.01),
        )
        handles = [*self.lines_, self.threshold_line_]
        _finish(self.ax_, self.ax_, handles, self.name if name is None else name)
        return self


class ImportanceDisplay:
    """Permutation importance of the features, with 95 % intervals.

    Use :meth:`from_estimator` or :meth:`from_explanation` to make one. The parameters
    are kept as attributes.

    Parameters
    ----------
    importances : DataFrame
        ``importances_`` of an :class:`Explanation`.
    score_name : str, default="score"
        The name of the score that the importance is a loss of.
    name : str, default=None
        The estimator's name, which becomes the title. None draws no title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        The figure that holds ``ax_``.
    errorbar_ : matplotlib ErrorbarContainer
        The points and their intervals, the most important group at the top.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import ImportanceDisplay, explain
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> model = LogisticRegression(max_iter=10_000).fit(X[::2, :3], y[::2])
    >>> explanation = explain(model, X[1::2, :3], y[1::2], random_state=0)
    >>> display = ImportanceDisplay.from_explanation(explanation)
    >>> display.score_name
    'average_precision'
    """

    def __init__(
        self,
        *,
        importances: pd.DataFrame,
        score_name: str = "score",
        name: str | None = None,
    ) -> None:
        self.importances = importances
        self.score_name = score_name
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: Table,
        y: ArrayLike,
        *,
        max_groups: int = 20,
        ax: Any = None,
        name: str | None = None,
        **parameters: Any,
    ) -> Self:
        """Draw the importance of the features on these rows.

        Parameters
        ----------
        estimator : fitted classifier
            See :func:`explain`.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows that did not train the estimator, or those of its ``fit``; see
            :func:`explain`.
        y : array-like of shape (n_samples,)
            Labels of the rows.
        max_groups : int, default=20
            Most groups of features to draw.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes the class name of the estimator,
            or of a pipeline's last step.
        **parameters : dict
            Further parameters of :func:`explain`, such as ``scoring``.

        Returns
        -------
        ImportanceDisplay
            The display after drawing.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        explanation = explain(estimator, X, y, **parameters)
        name = explanation.name_ if name is None else name
        return cls.from_explanation(
            explanation, max_groups=max_groups, ax=ax, name=name
        )

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        *,
        max_groups: int = 20,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the importance that an explanation has found.

        Parameters
        ----------
        explanation : Explanation
            Result of :func:`explain` with ``y``.
        max_groups : int, default=20
            Most groups of features to draw.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None draws no title.

        Returns
        -------
        ImportanceDisplay
            The display after drawing.

        Raises
        ------
        ValueError
            If the explanation was made without ``y``.
        """
        check_matplotlib_support(f"{cls.__name__}.from_explanation")
        if not hasattr(explanation, "importances_"):
            raise ValueError(
                "This explanation has no importances, because it was made without "
                "labels: pass y to explain."
            )
        display = cls(
            importances=explanation.importances_,
            score_name=explanation.scoring_,
            name=name,
        )
        return display.plot(ax=ax, max_groups=max_groups)

    def plot(
        self, ax: Any = None, *, max_groups: int = 20, name: str | None = None
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        max_groups : int, default=20
            Most groups of features to draw, the most important ones.
        name : str, default=None
            The name becomes the title. None takes ``name`` of the display.

        Returns
        -------
        self
            The display holds what was drawn as attributes.
        """
        shown = self.importances[:max_groups][::-1]
        size = (6.4, 1.2 + 0.3 * len(shown))
        self.ax_, self.figure_ = _axes(self, ax, figsize=size)
        places = np.arange(len(shown))
        mean, low, high = shown[["importance", "low", "high"]].to_numpy(dtype=float).T
        self.ax_.axvline(0, color="0.4", linewidth=1, linestyle=":")
        self.errorbar_ = self.ax_.errorbar(
            mean,
            places,
            xerr=[mean - low, high - mean],
            fmt="o",
            color=_STYLES[0]["color"],
            capsize=3,
        )
        left_out = len(self.importances) - len(shown)
        more = f"; {left_out} less important not shown" if left_out else ""
        self.ax_.set_yticks(places, [shortened(label) for label in shown.index])
        self.ax_.set(
            ylim=(-0.7, len(shown) - 0.3),
            xlabel=f"loss of {self.score_name} if permuted,\n95 % interval{more}",
        )
        self.ax_.grid(axis="x", alpha=0.3)
        name = self.name if name is None else name
        if name is not None:
            self.ax_.set_title(name)
        return self


class EffectDisplay:
    """Partial dependence of the probability on a feature, and its distribution.

    Use :meth:`from_estimator` or :meth:`from_explanation` to make one. The parameters
    are kept as attributes.

    Parameters
    ----------
    effect : Effect
        Result of :meth:`Explanation.effect`.
    name : str, default=None
        The estimator's name, which becomes the title. None draws no title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        These axes show the probability.
    distribution_ax_ : matplotlib Axes
        These axes, in the lowest fifth, show how many rows have which value.
    figure_ : matplotlib Figure
        The figure that holds ``ax_``.
    line_ : matplotlib Line2D
        The mean probability by value.
    missing_line_ : matplotlib Line2D or None
        The probability of a missing number or date. None if none is missing, and for
        categories, of which "missing" is one.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import EffectDisplay
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> model = LogisticRegression(max_iter=10_000).fit(X[:, :3], y)
    >>> display = EffectDisplay.from_estimator(model, X[:, :3], 0)
    >>> display.effect.feature
    'x0'
    """

    def __init__(self, *, effect: Effect, name: str | None = None) -> None:
        self.effect = effect
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: Table,
        feature: str | int,
        *,
        ax: Any = None,
        name: str | None = None,
        **parameters: Any,
    ) -> Self:
        """Draw the effect of a feature on the probability of a class.

        It is the rare class of an :class:`AdaptiveHybridClassifier`, and the second one
        of other estimators of two classes, because no labels tell which is rare.
        ``pos_label`` names another one.

        Parameters
        ----------
        estimator : fitted classifier with ``predict_proba``
            See :func:`explain`.
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows over which the probability is averaged.
        feature : str or int
            Name or number of a column.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes the class name of the estimator,
            or of a pipeline's last step.
        **parameters : dict
            Further parameters of :func:`explain`, such as ``pos_label``.

        Returns
        -------
        EffectDisplay
            The display after drawing.
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        explanation = explain(estimator, X, **parameters)
        name = explanation.name_ if name is None else name
        return cls.from_explanation(explanation, feature, ax=ax, name=name)

    @classmethod
    def from_explanation(
        cls,
        explanation: Explanation,
        feature: str | int,
        *,
        ax: Any = None,
        name: str | None = None,
    ) -> Self:
        """Draw the effect of a feature in an explanation.

        Parameters
        ----------
        explanation : Explanation
            Result of :func:`explain`.
        feature : str or int
            Name or number of a column.
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None draws no title.

        Returns
        -------
        EffectDisplay
            The display after drawing.
        """
        check_matplotlib_support(f"{cls.__name__}.from_explanation")
        return cls(effect=explanation.effect(feature), name=name).plot(ax=ax)

    def plot(self, ax: Any = None, *, name: str | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The axes to draw on. None makes a new figure.
        name : str, default=None
            The name becomes the title. None takes ``name`` of the display.

        Returns
        -------
        self
            The display holds what was drawn as attributes.
        """
        self.ax_, self.figure_ = _axes(self, ax)
        # The room below is for the distribution.
        greatest = self.effect.table["probability"].max() or 1.0
        self.ax_.set_ylim(-0.28 * greatest, 1.08 * greatest)
        self.distribution_ax_ = self.ax_.twinx()
        self.distribution_ax_.set_yticks([])
        self.missing_line_ = None
        if self.effect.is_ordered:
            self._plot_numbers()
        else:
            self._plot_categories()
        self.ax_.set_yticks([tick for tick in self.ax_.get_yticks() if tick >= 0])
        self.ax_.set_ylim(-0.28 * greatest, 1.08 * greatest)
        self.ax_.axhline(0, color="0.4", linewidth=0.8)
        self.ax_.set(
            xlabel=shortened(self.effect.feature),
            ylabel=f"mean probability of {self.effect.pos_label}",
        )
        # The line stays in front of the bars.
        self.ax_.set_zorder(self.distribution_ax_.get_zorder() + 1)
        self.ax_.patch.set_visible(False)
        name = self.name if name is None else name
        if name is not None:
            self.ax_.set_title(name)
        return self

    def _plot_numbers(self) -> None:
        effect, missing = self.effect, self.effect.is_missing
        table = effect.table[~missing]
        x = _positions(table["value"])
        (self.line_,) = self.ax_.plot(
            x, table["probability"], marker=".", label="mean probability", **_STYLES[0]
        )
        sample = _positions(pd.Series(effect.sample))
        if len(x):
            inside = sample[(sample >= x.min()) & (sample <= x.max())]
            counts, *_ = self.distribution_ax_.hist(inside, bins=30, color="#b0b0b0")
            self.distribution_ax_.set_ylim(0, 5 * max(1, counts.max()))
        if missing.any():
            row = effect.table[missing].iloc[0]
            self.missing_line_ = self.ax_.axhline(
                row["probability"],
                label=f"missing, {row['share']:.1%} of the rows",
                **_STYLES[1],
            )
            self.ax_.legend(loc="upper left", fontsize="small")

    def _plot_categories(self) -> None:
        table = self.effect.table
        places = np.arange(len(table))
        (self.line_,) = self.ax_.plot(
            places, table["probability"], "o", color=_STYLES[0]["color"]
        )
        self.distribution_ax_.bar(places, table["share"], color="#b0b0b0")
        self.distribution_ax_.set_ylim(0, 5 * table["share"].max())
        labels = [
            "missing" if is_missing else shortened(str(value), 20)
            for value, is_missing in zip(
                table["value"], self.effect.is_missing, strict=True
            )
        ]
        many = len(labels) > 5
        turn = (
            {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if many else {}
        )
        self.ax_.set_xticks(places, labels, **turn)


_WRONG_THRESHOLD = (
    'threshold must be a probability in [0, 1], None, or with an estimator "auto"; '
    "got {!r}."
)


def _axes(display: Any, ax: Any, **figure: Any) -> tuple[Any, Any]:
    """Return the axes to draw on, and their figure."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained", **figure)
    return ax, ax.figure


def _positions(values: pd.Series) -> np.ndarray:
    """Numbers or dates for an axis; dates with a time zone have their local time."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_localize(None)
    return values.to_numpy(None if values.dtype.kind == "M" else float)


def _finish(ax: Any, top: Any, handles: list, name: str | None) -> None:
    """Set a scale of shares, and a legend above it that no line can run through.

    Matplotlib's search for the best place takes long with many rows, and there may be
    none. ``top`` are the axes that are drawn last.
    """
    ax.set(ylim=(-0.02, _ROOM), yticks=np.linspace(0, 1, 6))
    handles = [line for line in handles if line is not None]
    top.legend(handles=handles, loc="upper center", ncols=2, fontsize="small")
    if name is not None:
        ax.set_title(name)
