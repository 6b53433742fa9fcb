"""The score of out-of-fold logits, which drives the training.

A scikit-learn scorer gets a stand-in classifier that returns predictions already made:
nothing is predicted twice, and every scorer means what it means elsewhere.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import average_precision_score, get_scorer

from .._messages import shown
from .._sklearn_compat import classification_scorers, takes_sample_weight
from ..adaptation import HeldOut
from ..thresholds import OF_SCORER, f1
from .inference import log_probabilities, probabilities
from .threshold_tuning import at_thresholds, best_score

# Scorers for two classes, and their counterparts for more.
_MULTICLASS = {
    "f1": "f1_macro",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "jaccard": "jaccard_macro",
    "roc_auc": "roc_auc_ovr",
}
# Usual abbreviations that are no names of scorers.
_ABBREVIATIONS = {
    "ap": "average_precision",
    "auprc": "average_precision",
    "pr_auc": "average_precision",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "mcc": "matthews_corrcoef",
    "brier": "neg_brier_score",
}


def check_scoring(scoring: str | Callable) -> None:
    """Refuse a name that is no scorer for classifiers.

    Parameters
    ----------
    scoring : str or callable

    Raises
    ------
    ValueError
        With the name that was meant, if one is like it.
    """
    if callable(scoring):
        return
    names = classification_scorers()
    if scoring in names:
        return
    raise ValueError(
        f"scoring must be a scorer of scikit-learn for classifiers, or a function "
        f"scorer(estimator, X, y); got {shown(scoring)}.{name_meant(scoring, names)} "
        f"The names are {', '.join(names)}."
    )


def name_meant(given: object, names: Sequence[str]) -> str:
    """A question after the name that was meant, if one is like what was given.

    Parameters
    ----------
    given : object
        No name of a score.
    names : sequence of str
        The names that are allowed.

    Returns
    -------
    str
        With a space before it, to follow a sentence; empty if nothing is alike.
    """
    if not isinstance(given, str):
        return ""
    plain = given.lower().replace(" ", "_").replace("-", "_")
    plain = plain.removesuffix("score").rstrip("_")
    meant = [_ABBREVIATIONS[plain]] if plain in _ABBREVIATIONS else []
    meant = [*meant, *([plain] if plain in names else get_close_matches(plain, names))]
    return f" Is it {meant[0]!r}?" if meant else ""


@dataclass(eq=False, repr=False)
class KnownPredictions(ClassifierMixin, BaseEstimator):
    """A classifier whose predictions for the rows to be scored are known.

    ``scores`` are values of the decision function, 1-D for two classes.
    """

    classes_: np.ndarray
    labels: np.ndarray
    proba: np.ndarray
    scores: np.ndarray

    def predict(self, X):
        return self.labels

    def predict_proba(self, X):
        return self.proba

    def decision_function(self, X):
        return self.scores


def labels(logits):
    """Most probable class of each row.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs)
        One output: the logit of the second class.

    Returns
    -------
    ndarray of shape (n_samples,)
        Class indices.
    """
    if logits.shape[1] == 1:
        return (logits[:, 0] > 0).astype(int)
    return logits.argmax(axis=1)


def can_be_weighted(scoring):
    """Whether ``scoring`` is the name of a scorer that takes sample weights."""
    return isinstance(scoring, str) and takes_sample_weight(get_scorer(scoring))


def checked_score(score, scoring, rows):
    """The number that a scorer has returned.

    Parameters
    ----------
    score : object
        As returned.
    scoring : str or callable
        The scorer, for the message.
    rows : str
        Which rows were scored, for the message.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is no finite number.
    """
    is_text = isinstance(score, str | bytes)  # of which float would make a number
    try:
        number = np.nan if is_text or np.ndim(score) else float(score)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(
            f"scoring={scoring!r} returned {shown(score)} for {rows}; it must "
            "return a finite number, the greater the better. Choose a scorer that is "
            "defined for these classes."
        )
    return number


class OutOfFoldScorer:
    """Compute the score of pooled out-of-fold logits, the greater the better.

    Parameters
    ----------
    scoring : str or callable
        Name of a scorer, or ``scorer(estimator, X, y)``. A name takes the rare class as
        the positive class, whatever the labels are called; with more than two classes
        "f1", "precision", "recall" and "jaccard" are macro averages, and "roc_auc" is
        the mean over each class against the rest. A callable gets the user's own
        labels, and columns in the order of ``classes``.
    X : array-like of shape (n_samples, n_features)
        The held-out rows, for callables that use them; a name needs none.
    y : ndarray of shape (n_samples,)
        Class indices, into ``classes``.
    classes : ndarray of shape (n_classes,)
    rare : int
        Index of the rare class. A single output of the network is its logit.
    sample_weight : ndarray of shape (n_samples,), default=None
        Passed to scorers that take it.
    tuned : bool, default=False
        Whether the threshold is tuned once training is over. If so, with two classes,
        a score named in :data:`skadaptive.thresholds.OF_SCORER`, such as "f1", is
        computed at the best threshold for these logits. At 0.5 it would be 0 until a
        row reaches that, and jump with every row that does. Any other score of
        predicted labels, such as "precision" or a callable, is computed at 0.5.
    """

    def __init__(self, scoring, X, y, classes, rare, sample_weight=None, tuned=False):
        binary = len(classes) == 2
        # As in training, index 1 of two is the rare class.
        self._index = (y == rare).astype(int) if binary else y
        self._sample_weight = sample_weight
        self._scoring = scoring
        self._sign = 1.0
        if callable(scoring):
            self._scorer, self._target, self._classes = scoring, classes[y], classes
            self._X = X
            self._sign = -1.0 if binary and rare == 0 else 1.0
        else:
            name = scoring if binary else _MULTICLASS.get(scoring, scoring)
            self._scorer, self._target = get_scorer(name), self._index
            self._classes = np.arange(len(classes))
            self._X = np.empty((len(y), 0))
        # Five scores are computed from the counts of the confusion matrix, in a
        # hundredth of the scorer's time. The checks of a scorer take 2 ms an epoch, a
        # fifth of a fit of 2,000 rows.
        self._criterion = None
        if binary and not callable(scoring):
            self._criterion = OF_SCORER.get(scoring)
        self._tuned = tuned
        self._keywords = {}
        if sample_weight is not None and takes_sample_weight(self._scorer):
            self._keywords["sample_weight"] = sample_weight

    def score(self, logits):
        """Score the held-out rows.

        Parameters
        ----------
        logits : ndarray of shape (n_samples, n_outputs)

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the score is not a finite number, or a scorer named cannot score these
            rows. Any error of a callable comes through as it is.
        """
        if self._criterion is not None:
            weight = self._sample_weight
            weight = np.ones(len(logits)) if weight is None else weight
            if self._tuned:
                proba = expit(logits[:, 0].astype(float))
                return best_score(self._criterion, self._index, proba, weight)
            cell = 2 * self._index + labels(logits)
            tn, fp, fn, tp = np.bincount(cell, weight, minlength=4)
            return float(self._criterion(tp, fp, fn, tn))
        logits = self._sign * logits
        predicted = KnownPredictions(
            self._classes,
            labels=self._classes[labels(logits)],
            proba=probabilities(logits),
            scores=logits[:, 0] if logits.shape[1] == 1 else logits,
        )
        with warnings.catch_warnings():
            # Early in training no row may be predicted rare, which is a score of 0.
            warnings.simplefilter("ignore")
            try:
                score = self._scorer(predicted, self._X, self._target, **self._keywords)
            except (TypeError, ValueError) as error:
                if callable(self._scoring):  # the error is the user's own
                    raise
                raise ValueError(
                    f"scoring={self._scoring!r} could not score the {len(logits)} rows "
                    "held out. It must be the name of a scorer that is defined for "
                    "their classes, or a function scorer(estimator, X, y) that returns "
                    f"a number. {type(error).__name__}: {error}"
                ) from error
        return checked_score(score, self._scoring, f"{len(logits)} out-of-fold rows")

    def at_thresholds(self, logits):
        """Best threshold, and the confusion matrix at 0.5, for rules that use them.

        Parameters
        ----------
        logits : ndarray of shape (n_samples, n_outputs)

        Returns
        -------
        dict of str to float
            The fields of :class:`skadaptive.adaptation.HeldOut`, all NaN with more than
            two classes. The threshold is the best one for ``scoring`` if that has a
            criterion, and else for F1.
        """
        if logits.shape[1] > 1:
            return dict.fromkeys(HeldOut._fields, np.nan)
        criterion, weight = self._criterion or f1, self._sample_weight
        return at_thresholds(criterion, self._index, logits[:, 0], weight)

    def tie_breakers(self, logits):
        """Further scores, which decide between epochs of equal score.

        With a very rare class F1 at 0.5 is 0 for many epochs, until a row passes the
        threshold. On rows that are easy to classify, such as synthetic ones, it is soon
        1 for good, while the network still learns.

        Parameters
        ----------
        logits : ndarray of shape (n_samples, n_outputs)

        Returns
        -------
        (float, float)
            Average precision, of the rare class or the mean over the classes, and
            the negative log loss.
        """
        # In float32, copies of one row have equal rank whatever their rounding.
        ranking = logits.astype(np.float32)
        if logits.shape[1] == 1:
            truth, ranking = self._index, ranking[:, 0]
        else:
            present = np.unique(self._index)
            truth = (self._index[:, None] == present).astype(int)
            ranking = ranking[:, present]
        average_precision = average_precision_score(
            truth, ranking, sample_weight=self._sample_weight
        )
        of_truth = log_probabilities(logits)[np.arange(len(logits)), self._index]
        log_likelihood = np.average(of_truth, weights=self._sample_weight)
        return float(average_precision), float(log_likelihood)
