"""Pictures that scikit-learn does not draw, in the manner of its Display classes.

How the mix of losses followed the score, and what each threshold would lead to. The
rest, such as precision-recall curves, scikit-learn draws itself. Matplotlib is
imported when something is drawn.
"""

from numbers import Real

import numpy as np
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
from ._sklearn_compat import check_matplotlib_support
from .adaptation import TERM_TITLES
from .classifier import AdaptiveHybridClassifier

# Okabe & Ito's palette, which colour-blind people tell apart; the line styles and the
# lightness tell the lines apart in black and white.
_STYLES = [
    {"color": "#0072B2", "linestyle": "-"},
    {"color": "#D55E00", "linestyle": "--"},
    {"color": "#009E73", "linestyle": "-."},
]

# Upper end of the axis of scores up to 1: the legend needs what lies above.
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
        What was scored.
    name : str, default=None
        Name of the estimator, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the mix; and with the score, if it lies in [0, 1] as the mix does.
    score_ax_ : matplotlib Axes
        With the score: ``ax_``, or one with a scale of its own on the right.
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Of cross-entropy, focal loss and Dice.
    score_line_ : matplotlib Line2D or None
        None if nothing was held out, so that there is no score.
    best_line_ : matplotlib Line2D or None

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

    def __init__(self, *, history, best_epoch=None, score_name="score", name=None):
        self.history = history
        self.best_epoch = best_epoch
        self.score_name = score_name
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, name=None):
        """Draw how the mix of a fitted estimator moved.

        Parameters
        ----------
        estimator : AdaptiveHybridClassifier, or Pipeline or search that ends in one
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            For the title.

        Returns
        -------
        AdaptationDisplay

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
                check_is_fitted(last)  # what is not fitted hides what it ends in
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

    def plot(self, ax=None, *, name=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            For the title; None takes ``name`` of the display.

        Returns
        -------
        self
        """
        self.ax_, self.figure_ = _axes(self, ax)
        epoch, score = self.history["epoch"], np.asarray(self.history["score"])
        self.lines_ = []
        for (term, title), style in zip(TERM_TITLES.items(), _STYLES, strict=True):
            share = self.history[f"weight_{term}"]
            self.lines_ += self.ax_.plot(epoch, share, label=title, **style)
        judged = score[np.isfinite(score)]
        scored = judged.size > 0
        alone = scored and (judged.min() < 0 or judged.max() > 1)
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
            low, high = judged.min(), judged.max()
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
        Probabilities, increasing. Between one and the next the scores do not change.
    precision, recall, f1 : ndarray of shape (n_thresholds,)
        If the rows with at least that probability are predicted rare.
    threshold : float, default=None
        The one that is used. None marks none.
    pos_label : int, float, bool or str, default=None
        The rare class, for the label of the axis.
    name : str, default=None
        Name of the estimator, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Of precision, recall and F1.
    threshold_line_ : matplotlib Line2D or None

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
        thresholds,
        precision,
        recall,
        f1,
        threshold=None,
        pos_label=None,
        name=None,
    ):
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
        estimator,
        X,
        y,
        *,
        sample_weight=None,
        threshold="auto",
        pos_label=None,
        ax=None,
        name=None,
    ):
        """Draw what each threshold would lead to on these rows.

        Rows that the estimator was fitted to make every threshold look too good.

        Parameters
        ----------
        estimator : fitted binary classifier with ``predict_proba``
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
        threshold : "auto", float or None, default="auto"
            The one to mark. "auto": that of the estimator, if what it predicts follows
            one. None: none.
        pos_label : int, float, bool or str, default=None
            The class to be found. None: the rare one; see :func:`evaluate`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            For the title; None takes the name of the estimator's class, of a
            pipeline that of its last step.

        Returns
        -------
        ThresholdDisplay

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
            threshold = find_threshold(estimator, index, proba, labels)
        return cls.from_predictions(
            classes[second],
            proba,
            sample_weight=sample_weight,
            pos_label=classes[index],
            threshold=threshold,
            ax=ax,
            name=estimator_name(estimator) if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_proba,
        *,
        sample_weight=None,
        pos_label=None,
        threshold=None,
        ax=None,
        name=None,
    ):
        """Draw what each threshold on these probabilities would lead to.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels of two classes.
        y_proba : array-like of shape (n_samples,)
            Probabilities of ``pos_label``.
        sample_weight : array-like of shape (n_samples,), default=None
        pos_label : int, float, bool or str, default=None
            The class to be found. None: the one with the least weight, the second of
            the two in sorted order unless the first has less than half of its weight.
        threshold : float, default=None
            The one to mark, in [0, 1]. None: none.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            For the title.

        Returns
        -------
        ThresholdDisplay

        Raises
        ------
        ValueError
            If there are other than two classes with weight, or if the probabilities or
            the threshold are none.
        """
        check_matplotlib_support(f"{cls.__name__}.from_predictions")
        check_lengths(y_true=y_true, y_proba=y_proba, sample_weight=sample_weight)
        proba = np.asarray(y_proba, dtype=float)
        if proba.ndim != 1 or not np.all((proba >= 0) & (proba <= 1)):
            raise ValueError(
                "y_proba must be 1-D, the probability in [0, 1] of the class to be "
                "found for each row: a column of predict_proba."
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
        total = precision + recall
        f1 = np.divide(
            2 * precision * recall, total, out=np.zeros_like(total), where=total > 0
        )
        display = cls(
            thresholds=thresholds,
            precision=precision,
            recall=recall,
            f1=f1,
            threshold=None if threshold is None else float(threshold),
            pos_label=classes[index],
            name=name,
        )
        return display.plot(ax=ax)

    def at(self, threshold):
        """Precision, recall and F1 if rows above this probability are predicted rare.

        Parameters
        ----------
        threshold : float

        Returns
        -------
        dict of float
            All 0 where no row lies above.
        """
        # The least probability above it is where the rows predicted rare begin.
        first = np.searchsorted(self.thresholds, threshold, side="right")
        names = ("precision", "recall", "f1")
        if first == len(self.thresholds):
            return dict.fromkeys(names, 0.0)
        return {name: float(getattr(self, name)[first]) for name in names}

    def plot(self, ax=None, *, name=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            For the title; None takes ``name`` of the display.

        Returns
        -------
        self
        """
        self.ax_, self.figure_ = _axes(self, ax)
        labels = {"precision": "precision", "recall": "recall", "f1": "F1"}
        marked = {} if self.threshold is None else self.at(self.threshold)
        # Below the least probability every row is predicted rare, as at it.
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


_WRONG_THRESHOLD = (
    'threshold must be a probability in [0, 1], None, or with an estimator "auto"; '
    "got {!r}."
)


def _axes(display, ax):
    """The axes to draw on, and their figure."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(layout="constrained")
    return ax, ax.figure


def _finish(ax, top, handles, name):
    """Scale of shares, and a legend above it, which no line can run through.

    Where it is best would take long to find with many rows, and there may be no place.
    ``top`` are the axes that are drawn last.
    """
    ax.set(ylim=(-0.02, _ROOM), yticks=np.linspace(0, 1, 6))
    handles = [line for line in handles if line is not None]
    top.legend(handles=handles, loc="upper center", ncols=2, fontsize="small")
    if name is not None:
        ax.set_title(name)
