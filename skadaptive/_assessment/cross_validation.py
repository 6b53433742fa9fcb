"""Contenders on folds: fitted, tuned, timed, measured, cached."""

import contextlib
import time
import warnings

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import confusion_matrix, get_scorer
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from .._committee.folds import NothingHeldOut, make_folds
from .._committee.scoring import KnownPredictions
from .._committee.threshold_tuning import tune_threshold
from .._packages import require
from .._sklearn_compat import safe_indexing
from .._version import __version__
from .._warnings import warn
from ..classifier import AdaptiveHybridClassifier
from ..thresholds import OF_SCORER, f1
from .measures import LABEL_MEASURES, measures
from .response import positive_index

#: Counts of the confusion matrix of a fold, in scikit-learn's order.
COUNTS = ("tn", "fp", "fn", "tp")
# Share of a training part that tunes the threshold of a contender without one.
_TUNING_SHARE = 0.2


class LabelledRows:
    """A table and what belongs to its rows.

    Attributes
    ----------
    X, y, sample_weight, groups
        As of :func:`skadaptive.compare`, checked.
    classes : ndarray of shape (2,)
    rare : int
        Index of the rare class.
    rare_rows : ndarray of shape (n_samples,)
        1 for the rare class, else 0.
    """

    def __init__(self, X, y, sample_weight, groups, pos_label=None):
        self.X, self.y = X, y
        self.sample_weight, self.groups = sample_weight, groups
        self.classes, codes = np.unique(y, return_inverse=True)
        totals = np.bincount(codes, sample_weight, len(self.classes))
        self.rare = positive_index(pos_label, self.classes, totals)
        self.rare_rows = (codes == self.rare).astype(int)

    def weights(self, rows):
        """Weights of some rows, or None."""
        return None if self.sample_weight is None else self.sample_weight[rows]


def column_of(scoring):
    """The column of results that a scoring is in."""
    return scoring if isinstance(scoring, str) else "score"


def run_all(contenders, data, folds, scoring, seed, n_jobs, cache_dir, verbose):
    """Results, failures and warnings by contender, and whether it was interrupted."""
    run = _run_fold
    key = None
    if cache_dir is not None:
        memory = joblib.Memory(cache_dir, verbose=0)
        run = memory.cache(_run_fold, ignore=["data", "train", "test"])
        rows = (data.X, data.y, data.sample_weight, data.groups)
        parts = (rows, data.rare, folds, __version__)
        key = joblib.hash(parts)
    tasks = (
        joblib.delayed(_attempt)(
            name, number, run, (model, data, train, test, scoring, seed, number, key)
        )
        for name, model in contenders.items()
        for number, (train, test) in enumerate(folds)
    )
    results, failures, noted = {}, {}, {}
    with _progress(len(contenders) * len(folds), verbose) as advance:
        parallel = joblib.Parallel(n_jobs, return_as="generator_unordered")
        try:
            for name, number, found, warned, failure in parallel(tasks):
                if failure:
                    failures.setdefault(name, f"{failure} (fold {number})")
                else:
                    results.setdefault(name, {})[number] = found
                seen = noted.setdefault(name, [])
                seen += [message for message in warned if message not in seen]
                advance(f"{name}, fold {number + 1}/{len(folds)}")
        except KeyboardInterrupt:
            noted = {name: found for name, found in noted.items() if found}
            return results, failures, noted, True
    noted = {name: found for name, found in noted.items() if found}
    return results, failures, noted, False


def _attempt(name, number, run, arguments):
    """Run one fold of one contender; a failure is returned, and is not cached."""
    try:
        found, warned = run(*arguments)
    except Exception as error:
        reason = " ".join(str(error).split()) or "no message"
        return name, number, None, [], f"{type(error).__name__}: {reason}"
    return name, number, found, warned, None


def _run_fold(model, data, train, test, scoring, seed, number, key):
    """Measures and probabilities of one contender on one fold, and its warnings."""
    with noted_warnings() as messages:
        start = time.perf_counter()
        fitted, threshold = fit_and_tune(model, data, train, seed)
        fit_time = time.perf_counter() - start
        X, y = safe_indexing(data.X, test), data.rare_rows[test]
        weight = data.weights(test)
        start = time.perf_counter()
        proba = _probability(fitted, X, data)
        predict_time = time.perf_counter() - start
        labels = (fitted.predict(X) == data.classes[data.rare]).astype(int)
        halves = (proba > 0.5).astype(int)
        row = measures(y, proba, labels, weight)
        at_half = measures(y, proba, halves, weight)
        row |= {f"{name}_at_0.5": at_half[name] for name in LABEL_MEASURES}
        for suffix, predicted in (("", labels), ("_at_0.5", halves)):
            counts = confusion_matrix(
                y, predicted, labels=[0, 1], sample_weight=weight
            ).ravel()
            row |= {f"{n}{suffix}": c for n, c in zip(COUNTS, counts, strict=True)}
        if column_of(scoring) not in row:
            row[column_of(scoring)] = _scored(
                scoring, fitted, X, data, test, proba, labels
            )
        row |= {
            "threshold": threshold,
            "fit_time": fit_time,
            "predict_time": predict_time,
            "n_train": len(train),
            "n_test": len(test),
        }
    return (row, proba), messages


@contextlib.contextmanager
def noted_warnings():
    """Keep to a list, each once, what is warned of inside."""
    messages = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += dict.fromkeys(" ".join(str(w.message).split()) for w in caught)


def _scored(scoring, fitted, X, data, test, proba, labels):
    """By the name of a scorer, or by one of the user's own."""
    y = data.y[test]
    if isinstance(scoring, str):
        scoring, y = get_scorer(scoring), data.rare_rows[test]
        both = np.column_stack([1 - proba, proba])
        fitted = KnownPredictions(np.array([0, 1]), labels, both, proba)
    weight = data.weights(test)
    if weight is None:
        return float(scoring(fitted, X, y))
    return float(scoring(fitted, X, y, sample_weight=weight))


def fit_and_tune(model, data, rows, seed):
    """A contender fitted on some rows, deciding at a threshold tuned on them for F1.

    Parameters
    ----------
    model : classifier
    data : LabelledRows
    rows : ndarray of int
    seed : int
        Of the part held out.

    Returns
    -------
    fitted : classifier
    threshold : float
        Probability of the rare class above which a row is predicted rare.
    """
    fitted = _fit_on(model, data, rows)
    last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    y = data.rare_rows[rows]
    weight = np.ones(len(rows)) if data.sample_weight is None else data.weights(rows)
    threshold = None
    if isinstance(last, AdaptiveHybridClassifier) and last._state.rare == data.rare:
        if last.threshold not in ("tune", None) or _tunes_f1(last):
            return fitted, float(last.threshold_)
        if last.threshold == "tune" and len(last.oof_proba_) == len(rows):
            # For other criteria, such as the costs that class weights stand for.
            proba = last.oof_proba_[:, data.rare]
            held = np.isfinite(proba)
            threshold = _best_threshold(y[held], proba[held], weight[held])
    if threshold is None:
        groups = None if data.groups is None else data.groups[rows]
        try:
            ((train, test),) = make_folds(_TUNING_SHARE, None, y, weight, groups, seed)
        except NothingHeldOut as reason:
            warn(
                f"{reason}: no rows can be held out to tune the threshold of this "
                "contender, which stays at 0.5."
            )
            test = rows[:0]
        if y[test].any() and not y[test].all():
            first = _fit_on(model, data, rows[train])
            proba = _probability(first, safe_indexing(data.X, rows[test]), data)
            threshold = _best_threshold(y[test], proba, weight[test])
    threshold = 0.5 if threshold is None else threshold
    decided = FixedThresholdClassifier(
        FrozenEstimator(fitted),
        # It compares by >=, and everything else here by >.
        threshold=float(np.nextafter(threshold, 1)),
        pos_label=data.classes[data.rare],
        response_method="predict_proba",
    )
    return decided.fit(safe_indexing(data.X, rows[:2]), data.y[rows[:2]]), threshold


def _tunes_f1(classifier):
    if classifier.threshold != "tune" or classifier.class_weight is not None:
        return False
    scoring = classifier.scoring
    return isinstance(scoring, str) and OF_SCORER.get(scoring, f1) is f1


def _best_threshold(y, proba, weight):
    if not y.any() or y.all():
        return None
    return tune_threshold(f1, y, proba, weight)


def _fit_on(model, data, rows):
    parameters = {}
    last = model.steps[-1] if isinstance(model, Pipeline) else (None, model)
    prefix = "" if last[0] is None else f"{last[0]}__"
    if data.sample_weight is not None:
        parameters[f"{prefix}sample_weight"] = data.weights(rows)
    if data.groups is not None and isinstance(last[1], AdaptiveHybridClassifier):
        parameters[f"{prefix}groups"] = data.groups[rows]
    return clone(model).fit(safe_indexing(data.X, rows), data.y[rows], **parameters)


def _probability(fitted, X, data):
    """Probability of the rare class."""
    proba = fitted.predict_proba(X)[:, data.rare]
    if not np.isfinite(proba).all():
        raise ValueError("predict_proba gave values that are not finite")
    return np.asarray(proba, dtype=float)


@contextlib.contextmanager
def _progress(total, verbose):
    """A bar of the fits, with the time left; gives a function to be told of each."""
    if not verbose:
        yield lambda what: None
        return
    require("rich", purpose="The progress bar", alternative="pass verbose=0")
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(10),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=total)
        yield lambda what: progress.update(task, advance=1, description=what)
