"""From out-of-fold logits to the score that drives the training.

Any scikit-learn scorer judges a stand-in that answers with predictions already
made: nothing is predicted twice, and every scorer means what it means elsewhere.
"""

import inspect
import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import average_precision_score, get_scorer

from .inference import log_probabilities, probabilities

# Names made for two classes, and what stands for them with more.
_MULTICLASS = {
    "f1": "f1_macro",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "jaccard": "jaccard_macro",
    "roc_auc": "roc_auc_ovr",
}


class _Predicted(ClassifierMixin, BaseEstimator):
    """A classifier whose predictions for the rows to be judged are known."""

    def __init__(self, logits, classes):
        self.logits = logits
        self.classes_ = classes

    def predict(self, X):
        return self.classes_[labels(self.logits)]

    def predict_proba(self, X):
        return probabilities(self.logits)

    def decision_function(self, X):
        return self.logits[:, 0] if self.logits.shape[1] == 1 else self.logits


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


def make_judge(scoring, X, y, classes, rare, sample_weight=None):
    """A function from out-of-fold logits to a score.

    Parameters
    ----------
    scoring : str or callable
        Name of a scorer, or ``scorer(estimator, X, y)``. A name judges the rare class
        as the positive one, whatever the labels are called; with more than two
        classes "f1" and its like are macro averages. A callable gets the user's own
        labels, and columns in the order of ``classes``.
    X : array-like of shape (n_samples, n_features)
        The rows to be judged, for callables that look at them; a name needs none.
    y : ndarray of shape (n_samples,)
        Class indices, into ``classes``.
    classes : ndarray of shape (n_classes,)
    rare : int
        Index of the rare class.
    sample_weight : ndarray of shape (n_samples,), default=None
        Handed on to scorers that take it.

    Returns
    -------
    callable
        ``judge(logits) -> (score, average precision, -log loss)``, the greater the
        better, for logits of shape (n_samples, n_outputs); a single output is the
        rare class's. The latter two break ties. F1 is 0 for as long as no row passes
        the threshold, which with a very rare class takes many epochs; and on rows that
        are easy to tell apart, such as synthetic ones, it is soon 1 for good, while
        the network still learns.
    """
    binary = len(classes) == 2
    sign = 1.0
    # What the network was trained on: index 1 of two is the rare class.
    index = (y == rare).astype(int) if binary else y
    if callable(scoring):
        scorer, target, names = scoring, classes[y], classes
        sign = -1.0 if binary and rare == 0 else 1.0
    else:
        scorer = get_scorer(scoring if binary else _MULTICLASS.get(scoring, scoring))
        target = index
        names = np.arange(len(classes))
        X = np.empty((len(y), 0))
    metric = getattr(scorer, "_score_func", scorer)
    keywords = {}
    if sample_weight is not None:
        if "sample_weight" in inspect.signature(metric).parameters:
            keywords["sample_weight"] = sample_weight
    truth = index if binary else np.eye(len(classes), dtype=int)[y]

    def judge(logits):
        predicted = _Predicted(sign * logits, names)
        with warnings.catch_warnings():
            # Early in training no row may be predicted rare: a score of 0, not news.
            warnings.simplefilter("ignore")
            score = float(scorer(predicted, X, target, **keywords))
            # In float32, copies of one row rank alike whatever their rounding.
            ranking = logits.astype(np.float32)
            ranked = average_precision_score(
                truth,
                ranking[:, 0] if binary else ranking,
                sample_weight=sample_weight,
            )
        if not np.isfinite(score):
            raise ValueError(
                f"scoring={scoring!r} returned {score} for {len(y)} out-of-fold rows; "
                "it must return a finite number. Choose a scorer that is defined for "
                "these classes."
            )
        log_loss = np.average(
            -log_probabilities(logits)[np.arange(len(y)), index], weights=sample_weight
        )
        return score, float(ranked), -float(log_loss)

    return judge
