"""Cross-validation of contenders: they are fitted, tuned, timed, scored and cached."""

import contextlib
import re
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import partial

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.metrics import confusion_matrix, get_scorer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .._cluster import connected, run_tasks
from .._committee.folds import NothingHeldOut, make_folds
from .._committee.scoring import KnownPredictions, checked_score
from .._committee.threshold_tuning import tune_threshold
from .._interrupts import settings_kept
from .._messages import reason, visible
from .._packages import require
from .._parameters import scaled_weights
from .._sklearn_compat import safe_indexing
from .._typing import Fold
from .._version import __version__
from .._warnings import warn
from ..classifier import AdaptiveHybridClassifier
from ..thresholds import OF_SCORER, f1
from .measures import LABEL_MEASURES, measures
from .response import class_probabilities, deciding_at, positive_index

#: Cells of the confusion matrix of a fold, in scikit-learn's order.
COUNTS = ("tn", "fp", "fn", "tp")
# Share of a training part that is held out to tune the threshold of a contender that
# does not tune its own.
_TUNING_SHARE = 0.2


class LabelledRows:
    """A table with the labels, weights and groups of its rows.

    Attributes
    ----------
    X, y, sample_weight, groups
        The data of :func:`skadaptive.compare` after the checks.
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


@dataclass(frozen=True)
class Protocol:
    """The conditions of a comparison, which are the same for every contender.

    ``scoring`` ranks the contenders, and ``seed`` draws the rows that are held out to
    tune a threshold.
    """

    data: LabelledRows
    folds: list[Fold]
    scoring: str | Callable
    seed: int

    @property
    def column(self) -> str:
        """Column of the results with the score that ranks the contenders."""
        return self.scoring if isinstance(self.scoring, str) else "score"

    @property
    def key(self) -> str:
        """Hash of everything except the contender, for the cache."""
        data = self.data
        rows = (data.X, data.y, data.sample_weight, data.groups, data.rare)
        return joblib.hash((rows, self.folds, self.scoring, self.seed, __version__))


@dataclass
class Outcome:
    """What the fits of a comparison have given so far.

    Attributes
    ----------
    results : dict of dict
        Results of ``run_fold`` by contender and number of the fold.
    failures : dict of str
        Reason of each contender's first failure.
    messages : dict of list of str
        Warnings of each contender.
    interrupted : bool
        Whether the user interrupted the comparison.
    out_of_time : bool
        Whether fits were left out, because the time was up.
    """

    results: dict[str, dict[int, tuple]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    messages: dict[str, list[str]] = field(default_factory=dict)
    interrupted: bool = False
    out_of_time: bool = False


def run_all(
    contenders,
    protocol,
    n_jobs=None,
    cache_dir=None,
    verbose=0,
    deadline=np.inf,
    scheduler=None,
):
    """Fit and measure every contender on every fold.

    Parameters
    ----------
    contenders : dict of str to classifier
    protocol : Protocol
    n_jobs : int, default=None
    cache_dir : str or path-like, default=None
    verbose : int, default=0
    deadline : float, default=inf
        Value of ``time.monotonic`` from which on no fold is begun. Those that have
        begun are finished.
    scheduler : str or distributed.Client, default=None
        A Dask cluster that runs the folds instead of ``n_jobs`` processes.

    Returns
    -------
    Outcome

    Raises
    ------
    ChildProcessError
        If a process was killed.
    """
    run, key = run_fold, None
    if cache_dir is not None:
        memory = joblib.Memory(cache_dir, verbose=0)
        # The key stands for the protocol, and is computed once instead of in each task.
        run, key = memory.cache(run_fold, ignore=["protocol"]), protocol.key
    n_folds = len(protocol.folds)
    outcome = Outcome()
    with (
        progress_bar(len(contenders) * n_folds, verbose) as show,
        _runner(
            partial(_attempt, run=run, key=key), protocol, n_jobs, scheduler
        ) as results,
    ):

        def tasks():
            for name, model in contenders.items():
                for fold in range(n_folds):
                    if time.monotonic() >= deadline:
                        outcome.out_of_time = True
                        return
                    show(f"{name}, fold {fold + 1}/{n_folds}")
                    yield name, model, fold

        try:
            with settings_kept():
                # With a deadline, a task is taken only when a process is free for it.
                for name, fold, result, warned, failure in results(
                    tasks(), 2 if deadline == np.inf else 1
                ):
                    if failure:
                        outcome.failures.setdefault(name, f"{failure} (fold {fold})")
                    else:
                        outcome.results.setdefault(name, {})[fold] = result
                    known = outcome.messages.get(name, [])
                    if known or warned:
                        outcome.messages[name] = known + unlike(warned, known)
                    show(done=1)
        except KeyboardInterrupt:
            outcome.interrupted = True
        except BrokenExecutor as error:
            raise ChildProcessError(
                "A process that fitted folds was killed, most often because memory "
                "ran out. Take fewer jobs (n_jobs, --jobs), or fewer rows. A cache "
                "(cache_dir, --cache) keeps finished folds for the next run."
            ) from error
    return outcome


@contextlib.contextmanager
def _runner(attempt, protocol, n_jobs, scheduler):
    """Yield a function of tasks, and of how many of them each process has in hand.

    It gives what ``_attempt`` returns, in the order in which the tasks end.
    """
    if scheduler is None:

        def results(tasks, ahead):
            chosen = {"n_jobs": n_jobs, "pre_dispatch": f"{ahead} * n_jobs"}
            try:
                parallel = joblib.Parallel(return_as="generator_unordered", **chosen)
            except ValueError:  # a backend such as Ray's, which gives all at the end
                parallel = joblib.Parallel(**chosen)
            return parallel(joblib.delayed(attempt)(task, protocol) for task in tasks)

        yield results
        return
    with connected(scheduler) as client:

        def results(tasks, ahead):
            for done in run_tasks(client, attempt, tasks, protocol, ahead):
                name, _, fold = done.task
                failed = (name, fold, None, [], done.error and _reason(done.error))
                yield failed if done.error else done.result

        yield results


def _attempt(task, protocol, run, key):
    """Run one fold of one contender; a failure is returned, and is not cached."""
    name, model, fold = task
    try:
        try:
            result, warned = run(model, protocol, fold, key)
        except OSError as error:
            if run is run_fold:
                raise
            # The disk of the cache may be full, which is not the contender's fault.
            result, warned = run_fold(model, protocol, fold, key)
            warned = [*warned, f"A fold could not be cached: {reason(error)}"]
    except Exception as error:
        return name, fold, None, [], _reason(error)
    return name, fold, result, warned, None


def _reason(error):
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def run_fold(model, protocol, fold, key):
    """Measures and probabilities of one contender on one fold, and its warnings."""
    data, (train, test) = protocol.data, protocol.folds[fold]
    with collected_warnings() as messages:
        start = time.perf_counter()
        fitted, threshold = fit_and_tune(model, data, train, protocol.seed)
        fit_time = time.perf_counter() - start
        X, y = safe_indexing(data.X, test), data.rare_rows[test]
        weight = data.weights(test)
        start = time.perf_counter()
        proba = _probability(fitted, X, data)
        predict_time = time.perf_counter() - start
        labels = (fitted.predict(X) == data.classes[data.rare]).astype(int)
        labels_at_half = (proba > 0.5).astype(int)
        row = measures(y, proba, labels, weight)
        at_half = measures(y, proba, labels_at_half, weight)
        row |= {f"{name}_at_0.5": at_half[name] for name in LABEL_MEASURES}
        for suffix, predicted in (("", labels), ("_at_0.5", labels_at_half)):
            counts = confusion_matrix(
                y, predicted, labels=[0, 1], sample_weight=weight
            ).ravel()
            row |= {f"{n}{suffix}": c for n, c in zip(COUNTS, counts, strict=True)}
        if protocol.column not in row:
            row[protocol.column] = _score(protocol, test, fitted, X, proba, labels)
        row |= {
            "threshold": threshold,
            "fit_time": fit_time,
            "predict_time": predict_time,
            "n_train": len(train),
            "n_test": len(test),
        }
    return (row, proba), messages


@contextlib.contextmanager
def collected_warnings():
    """Collect the messages of all warnings in the block, each once, in a list."""
    messages = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += dict.fromkeys(" ".join(str(w.message).split()) for w in caught)


# A count or a share in a message. The number of a column says which one is meant.
_AMOUNT = re.compile(r"(?<![\w.])(?<![Cc]olumn )\.?\d[\d.,]*")


def unlike(messages: list[str], known: list[str]) -> list[str]:
    """The messages that say something else than the known ones, not just other amounts.

    Each fit has its own rows, and so its own counts; the first message is kept.

    Parameters
    ----------
    messages, known : list of str

    Returns
    -------
    list of str
    """
    gists = {_AMOUNT.sub("#", message) for message in known}
    found = []
    for message in messages:
        gist = _AMOUNT.sub("#", message)
        if gist not in gists:
            gists.add(gist)
            found.append(message)
    return found


def _score(protocol, test, fitted, X, proba, labels):
    """Score by a scorer: one of scikit-learn's by name, or the user's own."""
    data, scoring = protocol.data, protocol.scoring
    y = data.y[test]
    if isinstance(scoring, str):
        # Scorers by name take 1 for the positive class.
        scoring, y = get_scorer(scoring), data.rare_rows[test]
        both = np.column_stack([1 - proba, proba])
        fitted = KnownPredictions(np.array([0, 1]), labels, both, proba)
    weight = data.weights(test)
    keywords = {} if weight is None else {"sample_weight": weight}
    score = scoring(fitted, X, y, **keywords)
    return checked_score(score, protocol.scoring, f"the {len(y)} rows of a fold")


def fit_and_tune(model, data, rows, seed):
    """Fit a contender on some rows and tune its threshold for F1 on them.

    Parameters
    ----------
    model : classifier
    data : LabelledRows
    rows : ndarray of int
    seed : int
        Seed of the rows that are held out to tune the threshold.

    Returns
    -------
    fitted : classifier
        The contender; its ``predict`` follows the threshold.
    threshold : float
        Probability of the rare class above which a row is predicted rare.
    """
    fitted = fit_on(model, data, rows)
    last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    y = data.rare_rows[rows]
    weight = np.ones(len(rows)) if data.sample_weight is None else data.weights(rows)
    threshold = None
    if isinstance(last, AdaptiveHybridClassifier) and last._rare == data.rare:
        if last.threshold not in ("tune", None) or _tunes_f1(last):
            return fitted, float(last.threshold_)
        if last.threshold == "tune" and len(last.oof_proba_) == len(rows):
            # Its own threshold serves another criterion, that of ``scoring``.
            proba = last.oof_proba_[:, data.rare]
            tested = np.isfinite(proba)
            threshold = _best_threshold(y[tested], proba[tested], weight[tested])
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
            first = fit_on(_without_search(model, fitted), data, rows[train])
            proba = _probability(first, safe_indexing(data.X, rows[test]), data)
            threshold = _best_threshold(y[test], proba, weight[test])
    threshold = 0.5 if threshold is None else threshold
    return deciding_at(fitted, threshold, data.classes[data.rare]), threshold


def _without_search(model, fitted):
    """The contender with the parameters that its search has found, if it has one."""
    last = fitted[-1] if isinstance(fitted, Pipeline) else fitted
    found = getattr(last, "best_estimator_", None)
    if found is None:
        return model
    if isinstance(model, Pipeline):
        return clone(model).set_params(**{model.steps[-1][0]: clone(found)})
    return found


def _tunes_f1(classifier):
    """Whether an AdaptiveHybridClassifier tunes its threshold for F1 itself."""
    if classifier.threshold != "tune":
        return False
    scoring = classifier.scoring
    return isinstance(scoring, str) and OF_SCORER.get(scoring, f1) is f1


def _best_threshold(y, proba, weight):
    """Best threshold for F1, or None if there are rows of one class only."""
    if not y.any() or y.all():
        return None
    return tune_threshold(f1, y, proba, scaled_weights(weight)[0])


def fit_on(model, data, rows):
    """Fit a copy of a contender to some rows, with their weights and groups."""
    parameters = {}
    last = model.steps[-1] if isinstance(model, Pipeline) else (None, model)
    prefix = "" if last[0] is None else f"{last[0]}__"
    if data.sample_weight is not None:
        parameters[f"{prefix}sample_weight"] = data.weights(rows)
    if data.groups is not None and has_fit_parameter(last[1], "groups"):
        parameters[f"{prefix}groups"] = data.groups[rows]
    return clone(model).fit(safe_indexing(data.X, rows), data.y[rows], **parameters)


def _probability(fitted, X, data):
    """Probability of the rare class."""
    return class_probabilities(fitted, X)[:, data.rare]


class _LoggedProgress:
    """Writes a line to standard error at each tenth of the work."""

    def __init__(self, total):
        self._total, self._done, self._start = total, 0, time.monotonic()
        self._last = ""

    def __call__(self, begun=None, done=0):
        if begun:
            self._last = f"; last {visible(begun)}"
        tenths = self._done * 10 // self._total
        self._done += done
        if self._done * 10 // self._total > tenths:
            passed = time.monotonic() - self._start
            print(
                f"{self._done} of {self._total} done after {passed:.0f} s{self._last}",
                file=sys.stderr,
                flush=True,
            )


@contextlib.contextmanager
def progress_bar(total, verbose):
    """Show a progress bar with the time left, or a line now and then in a log.

    It yields a function of what has begun, as text, and of how much is done.
    """
    if not verbose:
        yield lambda begun=None, done=0: None
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

    columns = [BarColumn(10), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TextColumn("left"), TimeRemainingColumn()]
    # A name of a contender may hold brackets, which are no markup.
    columns += [TextColumn("{task.description}", markup=False)]
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        # There the bar would show once, at the end.
        yield _LoggedProgress(total)
        return
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=total)

        def show(begun=None, done=0):
            progress.update(task, advance=done, description=begun and visible(begun))

        yield show
