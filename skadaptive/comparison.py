"""Compare classifiers on one table by cross-validation."""

from __future__ import annotations

import html
import pickle
import time
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.model_selection import TimeSeriesSplit

from ._assessment.cross_validation import (
    COUNTS,
    LabelledRows,
    Outcome,
    Protocol,
    collected_warnings,
    fit_and_tune,
    run_all,
    unlike,
)
from ._assessment.measures import (
    COLUMNS,
    LABEL_MEASURES,
    is_loss,
    is_near_perfect,
    measure_title,
)
from ._assessment.preparation import (
    check_data,
    check_scoring,
    findings_in,
    outer_folds,
    seed_of,
)
from ._assessment.response import decision_threshold
from ._assessment.statistics import corrected_t_test, half_width, holm
from ._committee.folds import pool
from ._interrupts import settings_kept
from ._io.findings import Finding
from ._messages import shortened, shown
from ._report.formatting import join_names, shown_decimals
from ._sklearn_compat import safe_indexing
from ._typing import (
    ArrayLike,
    Estimator,
    FilePath,
    FloatArray,
    Fold,
    IntArray,
    Label,
    RandomState,
    Table,
)
from ._warnings import warn
from .contenders import OURS, default_contenders, tuned_contenders
from .explanation import Explanation, explain

# Rare rows are few: of three folds each still has some to score.
_N_INNER_FOLDS = 3


def compare(  # noqa: PLR0913 - as scikit-learn's cross_validate
    X: Table,
    y: ArrayLike,
    *,
    contenders: str | dict[str, Estimator] = "default",
    scoring: str | Callable = "average_precision",
    cv: Any = 5,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    pos_label: Label | None = None,
    tuned: int | None = None,
    time_limit: float | None = None,
    n_jobs: int | None = None,
    scheduler: Any = None,
    random_state: RandomState = None,
    cache_dir: FilePath | None = None,
    verbose: int = 1,
) -> Comparison:
    """Compare classifiers on one table, on the same folds, without leaking.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        The table without any preparation: numbers, with NaN for missing values. A
        DataFrame may also have columns of strings, categories and dates. Strings are
        free text where they have several words and differ in nearly every row, and
        categories elsewhere.
    y : array-like of shape (n_samples,)
        Labels of two classes.
    contenders : {"default", "quick"} or dict of str to classifier, default="default"
        :func:`skadaptive.contenders.default_contenders` describes "default" and
        "quick". The classifiers of a dict get X unchanged; put
        :func:`~skadaptive.contenders.table_pipeline` around one that needs numbers.
    scoring : str or callable, default="average_precision"
        The score that ranks the contenders: a measure of the table, the name of a
        scikit-learn scorer, or a scorer. "f1", "precision", "recall" and "accuracy"
        are taken at the tuned threshold.
    cv : int, splitter or iterable of (train, test), default=5
        An int makes that many stratified, shuffled folds, which keep groups together.
        Rows of weight 0 are in none of them.
    groups : array-like of shape (n_samples,), default=None
        The rows of one group are tested in the same fold.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights are used in training, in tuning the threshold and in every measure.
        A contender that does not take weights is reported as failed.
    pos_label : label, default=None
        The positive class. None takes the rare class by the rule of
        :class:`AdaptiveHybridClassifier` and :func:`evaluate`: the second of the two in
        sorted order, unless the first has less than half of its weight.
    tuned : int, default=None
        An int adds boosted trees whose parameters are tuned on inner folds, with that
        many settings each: :func:`skadaptive.contenders.tuned_contenders`. They are
        tuned for ``scoring`` if it is a measure of probabilities, and for average
        precision otherwise. The inner folds keep groups together; with a
        ``TimeSeriesSplit`` for ``cv`` they are ordered in time, too.
    time_limit : float, default=None
        Seconds from the call after which no further fold is begun. Only contenders that
        have finished all folds are compared; ``unfinished_`` has the others. Which
        these are depends on the machine, so a comparison that its limit ended is not
        repeatable. Folds that have begun are finished, and the best contender is still
        fitted on all data.
    n_jobs : int, default=None
        Number of fits that run at a time, as in joblib.
    scheduler : str or distributed.Client, default=None
        Address of a Dask cluster, or a client of it, that runs the folds instead of
        ``n_jobs`` processes. A fold whose worker is lost is run again by another one.
        The best contender is fitted on all data in this process.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of the contenders. As ``random_state`` it repeats them.
    cache_dir : str or path-like, default=None
        The folder keeps finished folds. The same comparison with the same seed
        continues where it stopped. The workers of a cluster must see it, too.
    verbose : int, default=1
        1 shows a progress bar with the time left, on standard error.

    Returns
    -------
    Comparison
        The result holds the table, the tests, the out-of-fold probabilities and the
        best contender.

    Raises
    ------
    ValueError
        If the data or a parameter is invalid, if every contender failed, or if none
        finished within ``time_limit``.
    ChildProcessError
        If one of the ``n_jobs`` processes was killed, as when memory runs out.

    Warns
    -----
    UserWarning
        If a contender failed, or ``time_limit`` ended the comparison. If the comparison
        was interrupted, or the best contender cannot be fitted on all data: the result
        then has no ``best_``.

    Notes
    -----
    The threshold of each contender is tuned for F1 inside the training part, by the
    rule of :class:`~skadaptive.AdaptiveHybridClassifier`. This classifier tunes it on
    the out-of-fold probabilities of its one fit. Any other is fitted on four fifths of
    the training part, tuned on the last fifth, and fitted again on the whole part; the
    fit time includes both fits. A contender that searches its parameters, such as
    ``GridSearchCV``, does so once: the fit to four fifths has the parameters that were
    found on the whole part. An ``AdaptiveHybridClassifier`` with a number or a
    criterion for its ``threshold`` keeps it. The fifth is a random sample of the
    training part, also with a time-ordered ``cv``.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skadaptive import compare
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> contenders = {
    ...     "always": DummyClassifier(),
    ...     "logistic": LogisticRegression(max_iter=10_000),
    ... }
    >>> comparison = compare(X, y, contenders=contenders, random_state=0, verbose=0)
    >>> comparison.best_name_
    'logistic'
    >>> comparison.table.index.tolist()
    ['logistic', 'always']
    """
    started = time.monotonic()
    _check_time_limit(time_limit)
    if scheduler is not None and n_jobs is not None:
        raise ValueError(
            f"n_jobs={n_jobs} and a scheduler exclude each other: the cluster has as "
            "many jobs as its workers have threads. Leave n_jobs out."
        )
    rows = LabelledRows(*check_data(X, y, sample_weight, groups), pos_label)
    X, seed = rows.X, seed_of(random_state)
    contenders = _check_contenders(contenders, X, seed)
    scoring = check_scoring(scoring)
    if tuned is not None:
        added = tuned_contenders(
            X,
            tuned,
            scoring=scoring if isinstance(scoring, str) else "average_precision",
            cv=_inner_cv(cv),
            pos_label=rows.classes[rows.rare],
            random_state=seed,
        )
        taken = sorted(contenders.keys() & added)
        if taken:
            raise ValueError(
                f"tuned adds contenders of names that are taken: {join_names(taken)}. "
                "Rename yours, or leave tuned out."
            )
        contenders |= added
    if cache_dir is not None:
        _check_cacheable(contenders, scoring)
    folds = outer_folds(cv, rows, seed)
    findings = findings_in(rows, folds)
    protocol = Protocol(rows, folds, scoring, seed)
    deadline = np.inf if time_limit is None else started + time_limit
    outcome = run_all(
        contenders, protocol, n_jobs, cache_dir, verbose, deadline, scheduler
    )
    for name, reason in outcome.failures.items():
        warn(f"{name} failed and is left out: {reason}")
    finished = {n: r for n, r in outcome.results.items() if len(r) == len(folds)}
    unfinished = {
        name: len(outcome.results.get(name, {}))
        for name in contenders
        if name not in finished and name not in outcome.failures
    }
    if outcome.interrupted and not finished:
        raise KeyboardInterrupt
    if not finished:
        raise ValueError(_why_nothing_finished(outcome, len(folds), time_limit))
    counts = f"contenders compared: {len(finished)}; not finished: {len(unfinished)}."
    if outcome.interrupted:
        warn(f"Interrupted: {counts} No contender was fitted on all rows.")
    elif outcome.out_of_time:
        warn(f"The time limit of {time_limit:g} s was reached: {counts}")
    comparison = Comparison(
        protocol,
        finished,
        findings,
        outcome.failures,
        outcome.messages,
        unfinished,
        time_limit if outcome.out_of_time and not outcome.interrupted else None,
    )
    comparison._is_interrupted = outcome.interrupted
    if not outcome.interrupted:
        best = comparison.best_name_
        try:
            with settings_kept():
                comparison._fit_best(contenders[best], rows, folds[-1])
        except (Exception, KeyboardInterrupt) as error:
            # The folds are done, and may have taken hours.
            reason = str(error) or "interrupted"
            comparison._is_interrupted = isinstance(error, KeyboardInterrupt)
            warn(
                f"{best} could not be fitted on all rows, so that it cannot be used or "
                f"saved: {reason}",
            )
    return comparison


class Comparison:
    """Result of :func:`skadaptive.compare`.

    Parameters
    ----------
    protocol, results, findings, failures, messages, unfinished, time_limit : object
        Made by :func:`compare`.

    Attributes
    ----------
    table : DataFrame
        The table has a row per contender, the best by ``scoring`` first. Its columns
        are the mean and the standard deviation of each measure over the folds
        (``mean_f1``, ``std_f1``): average precision, ROC AUC and Brier score of the
        probabilities; F1, precision, recall and accuracy at the tuned threshold, and
        at 0.5 (``mean_f1_at_0.5``). Further columns are ``mean_rank`` among the
        contenders, and ``mean_fit_time`` and ``mean_predict_time`` in seconds.
    tests_ : DataFrame
        The tests compare the best with each other contender. The columns are the
        ``difference`` of the means, its 95 % interval (``low``, ``high``), ``p_value``
        of the corrected resampled t-test [1]_, ``p_holm``, which is corrected for the
        number of contenders [2]_, and a ``verdict``. The verdict is "ahead" if
        ``p_holm`` is below 0.05, "perhaps ahead" if only ``p_value`` is, and "could be
        luck" otherwise, and whenever the means are equal in the digits that are shown
        or differ by less than half a unit of the last of them: a difference that small
        may be significant, but is of no use. With a single fold the interval and the
        p-values are NaN, and the verdict is "could be luck".
    best_ : estimator
        The best contender, fitted on all data. Its ``predict`` uses a threshold that
        was tuned as in the folds. The attribute does not exist if the comparison was
        interrupted or this fit failed.
    best_name_ : str
        Name of the best contender.
    out_of_fold_ : DataFrame of shape (n_samples, n_contenders)
        Probability of the rare class from the folds that test the row. It is the mean
        over several such folds, and NaN if there is none.
    folds_ : DataFrame
        The table has a row per contender and fold: the measures, ``threshold``, the
        cells of the confusion matrix (``tn``, ``fp``, ``fn``, ``tp``, also at 0.5), the
        times in seconds and the numbers of rows.
    failures_ : dict of str to str
        Reason of the failure, for each contender that failed.
    unfinished_ : dict of str to int
        Number of finished folds, for each contender that a time limit or an interrupt
        has kept from finishing all. These contenders are in no table.
    time_limit_ : float or None
        The time limit in seconds, if it ended the comparison. The result is then not
        repeatable.
    warnings_ : dict of str to list of str
        Messages of the warnings, for each contender that raised some.
    test_folds_ : list of ndarray
        Test rows of each fold.
    seed_ : int
        Seed of the folds and of the contenders. As ``random_state`` it repeats them,
        but for which contenders a time limit leaves out.
    findings_ : list of skadaptive.comparison.Finding
        Properties of the table that can spoil a comparison.
    scoring_ : str
        Column of the score that ranks the contenders.
    pos_label_ : label
        The rare class.
    classes_ : ndarray of shape (2,)
    y_ : ndarray of shape (n_samples,)
        1 for the rare class, else 0.
    sample_weight_ : ndarray of shape (n_samples,) or None
    n_features_in_ : int

    Notes
    -----
    Folds share training rows, so that their scores vary less than the scores of new
    data would. The corrected test and the intervals allow for this by a variance factor
    of (1/n + n_test/n_train) instead of 1/n. They do not allow for the choice of the
    best contender by the same folds: among many contenders the first owes its place
    partly to luck, and its mean and its leads are larger than on new data. Use
    :func:`skadaptive.evaluate` on rows that were kept aside for an unbiased score.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the Generalization Error", Machine
       Learning 52, 2003.
    .. [2] S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
       Scandinavian Journal of Statistics 6, 1979.
    """

    def __init__(
        self,
        protocol: Protocol,
        results: dict,
        findings: list[Finding],
        failures: dict[str, str],
        messages: dict[str, list[str]],
        unfinished: dict[str, int],
        time_limit: float | None,
    ) -> None:
        data, folds = protocol.data, protocol.folds
        self.scoring_ = protocol.column
        self.pos_label_ = data.classes[data.rare]
        self.classes_ = data.classes
        self.y_ = data.rare_rows
        self.sample_weight_ = data.sample_weight
        self.n_features_in_ = data.X.shape[1]
        self.seed_ = protocol.seed
        self.test_folds_ = [test for _, test in folds]
        # As those of TimeSeriesSplit: every row is tested after the training ended.
        self._is_ordered = all(train.max() < test.min() for train, test in folds)
        self.findings_ = findings
        self.failures_ = failures
        self.unfinished_ = unfinished
        self.time_limit_ = time_limit
        self.warnings_ = messages
        self._is_interrupted = False
        self._decides_at: float | None = None
        rows = [
            {"contender": name, "fold": fold, **row}
            for name, by_fold in results.items()
            for fold, (row, _) in sorted(by_fold.items())
        ]
        self.folds_ = pd.DataFrame(rows)
        self._ratio = (self.folds_["n_test"] / self.folds_["n_train"]).mean()
        self.table = self._make_table()
        self.best_name_ = self.table.index[0]
        self.tests_ = self._make_tests()
        self.out_of_fold_ = pd.DataFrame(
            {
                name: _pooled(len(self.y_), folds, results[name])
                for name in self.table.index
            }
        )

    # ----------------------------------------------------------------------- the scores

    def scores(self, measure: str | None = None) -> pd.DataFrame:
        """Return the scores by fold.

        Parameters
        ----------
        measure : str, default=None
            A column of ``folds_``. None takes ``scoring_``.

        Returns
        -------
        DataFrame of shape (n_folds, n_contenders)
            The contenders are in the order of the ranking.
        """
        table = self.folds_.pivot(
            index="fold", columns="contender", values=measure or self.scoring_
        )
        order = getattr(self, "table", None)
        return table if order is None else table[order.index]

    def intervals(
        self, measure: str | None = None, confidence_level: float = 0.95
    ) -> pd.DataFrame:
        """Compute means with intervals, by the corrected variance of Nadeau and Bengio.

        Parameters
        ----------
        measure : str, default=None
            A column of ``folds_``. None takes ``scoring_``.
        confidence_level : float, default=0.95
            Confidence level of the intervals, in (0, 1).

        Returns
        -------
        DataFrame
            ``mean``, ``low`` and ``high`` by contender, in the order of the ranking.
            The intervals of measures of the table are cut at 0 and 1. With a single
            fold they are NaN.
        """
        scores = self.scores(measure)
        half = [
            half_width(scores[name], self._ratio, confidence_level) for name in scores
        ]
        mean = scores.mean()
        table = pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half})
        if (measure or self.scoring_).removesuffix("_at_0.5") in COLUMNS:
            table = table.clip(0, 1)
        return table

    def confusion(
        self, name: str | None = None, threshold: str | float = "tuned"
    ) -> np.ndarray:
        """Confusion matrix over all test rows.

        Parameters
        ----------
        name : str, default=None
            Name of a contender. None takes the best.
        threshold : {"tuned", 0.5}, default="tuned"
            "tuned" takes in each fold the threshold that was tuned in its training
            part.

        Returns
        -------
        ndarray of shape (2, 2)
            Weighted rows by true class and columns by predicted class, the rare class
            second.
        """
        if threshold not in ("tuned", 0.5):
            raise ValueError(
                f'threshold must be "tuned" or 0.5; got {shown(threshold)}.'
            )
        suffix = "" if threshold == "tuned" else "_at_0.5"
        rows = self.folds_[self.folds_["contender"] == (name or self.best_name_)]
        counts = rows[[f"{count}{suffix}" for count in COUNTS]].sum()
        return counts.to_numpy().reshape(2, 2)

    def _make_table(self) -> pd.DataFrame:
        lower = is_loss(self.scoring_)
        ranks = self.scores().rank(axis=1, ascending=lower)
        names = [f"{name}_at_0.5" for name in LABEL_MEASURES]
        columns = list(dict.fromkeys([self.scoring_, *COLUMNS, *names]))
        grouped = self.folds_.groupby("contender", sort=False)
        table = pd.DataFrame({"mean_rank": ranks.mean()}).rename_axis("contender")
        for column in columns:
            table[f"mean_{column}"] = grouped[column].mean()
            table[f"std_{column}"] = grouped[column].std(ddof=0)
        for seconds in ("fit_time", "predict_time"):
            table[f"mean_{seconds}"] = grouped[seconds].mean()
        # Contenders without a score come last; the mean rank breaks ties.
        by = [f"mean_{self.scoring_}", "mean_rank"]
        return table.sort_values(by, ascending=[lower, True])

    def _make_tests(self) -> pd.DataFrame:
        scores = self.scores()
        rows = {}
        for name in self.table.index[1:]:
            difference = scores[self.best_name_] - scores[name]
            mean, half = difference.mean(), half_width(difference, self._ratio)
            p_value = corrected_t_test(difference, self._ratio)
            rows[name] = (mean, mean - half, mean + half, p_value)
        columns = ["difference", "low", "high", "p_value"]
        tests = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        tests = tests.rename_axis("contender").astype(float)
        tests["p_holm"] = holm(tests["p_value"].to_numpy())
        shown = self._shown_means()
        is_equal = (shown.iloc[1:] == shown.iloc[0]).to_numpy()
        # Means on either side of a rounding are shown as a whole unit apart.
        half_unit = 0.5 * 10.0 ** -self._shown_decimals()
        is_equal = is_equal | (tests["difference"].abs() < half_unit).to_numpy()
        tests["verdict"] = np.select(
            [is_equal, tests["p_holm"] < 0.05, tests["p_value"] < 0.05],
            ["could be luck", "ahead", "perhaps ahead"],
            "could be luck",
        )
        return tests

    def _shown_means(self) -> pd.Series:
        """Mean score of each contender, as text with the digits that are shown."""
        means = self.table[f"mean_{self.scoring_}"]
        return means.map(f"{{:.{self._shown_decimals()}f}}".format)

    def _shown_decimals(self) -> int:
        return shown_decimals(self.table[f"mean_{self.scoring_}"])

    def _fit_best(self, model: Estimator, data: LabelledRows, fold: Fold) -> None:
        rows = np.arange(len(self.y_))
        # For explanations, on rows that did not train the contender.
        self._contender, self._data, self._fold = model, data, fold
        with collected_warnings() as messages:
            self.best_, _ = fit_and_tune(model, data, rows, self.seed_)
            self._decides_at = decision_threshold(self.best_, data.X, self.pos_label_)
        if messages:
            known = self.warnings_.get(self.best_name_, [])
            self.warnings_[self.best_name_] = known + unlike(messages, known)

    # ------------------------------------------------------------- what drives the best

    def explain(self, **parameters: Any) -> Explanation:
        """Explain the best contender on rows that did not train it.

        An :class:`AdaptiveHybridClassifier` is ``best_``, explained on the whole table:
        each row goes through the members that did not train on it. Any other contender
        is fitted once more, to the training rows of the last fold, and explained on its
        test rows.

        Parameters
        ----------
        **parameters : dict
            Parameters of :func:`skadaptive.explain`, such as ``scoring`` or
            ``feature_groups``. The seed is that of the comparison, unless
            ``random_state`` is given.

        Returns
        -------
        Explanation
            The importances, and methods for effects and contributions.

        Raises
        ------
        ValueError
            If the best contender was not fitted on all rows, as after an interrupt.
        """
        return self._explain(**parameters)[0]

    def _explain(self, **parameters: Any) -> tuple[Explanation, IntArray]:
        """Explain the best contender; the numbers of the explained rows, as well."""
        if not hasattr(self, "best_"):
            raise ValueError(
                f"{self.best_name_} was not fitted on all rows, because the comparison "
                "was interrupted or the fit failed. Compare again to explain it."
            )
        data, model = self._data, self.best_
        rows: IntArray = np.arange(len(self.y_))
        known = explain(
            model, data.X, pos_label=self.pos_label_, random_state=self.seed_
        )
        if known.rows_ != "out of fold":
            train, rows = self._fold
            with collected_warnings():  # those of the folds are known
                model, _ = fit_and_tune(self._contender, data, train, self.seed_)
        explanation = explain(
            model,
            safe_indexing(data.X, rows),
            data.y[rows],
            sample_weight=data.weights(rows),
            pos_label=self.pos_label_,
            **{"random_state": self.seed_, **parameters},
        )
        return explanation, rows

    # --------------------------------------------------------------------- how it looks

    def summary(self) -> list[str]:
        """Summarize the result in sentences.

        Returns
        -------
        list of str
            Each item is a sentence or two.
        """
        best, scoring = self.best_name_, self.scoring_
        means = self._shown_means()
        share = np.average(self.y_, weights=self.sample_weight_)
        weighted = "" if self.sample_weight_ is None else " by weight"
        lines = [
            f"{len(self.y_):,} rows, {self.y_.sum():,} of them {self.pos_label_}, the "
            f"rare class ({share:.2%}{weighted}).",
            f"First by {measure_title(scoring)}: {best}, {means[best]}.",
        ]
        if self._is_ordered:
            n_tested = len(np.unique(np.concatenate(self.test_folds_)))
            lines.insert(
                1,
                "Each contender was trained on earlier rows and tested on later ones, "
                f"{n_tested:,} of the {len(self.y_):,} in all.",
            )
        words = {
            "ahead": "It is ahead of {} by more than luck",
            "perhaps ahead": "Perhaps it is ahead of {}: by more than luck if that "
            "were the only other contender, but not among so many",
            "could be luck": "Its lead over {} could be luck",
        }
        for verdict, sentence in words.items():
            names = self.tests_.index[self.tests_["verdict"] == verdict]
            if len(names):
                lines.append(sentence.format(join_names(names)) + ".")
        if len(self.test_folds_) == 1:
            lines.append(
                "One fold cannot tell a lead from luck, so that intervals and p-values "
                "are undefined. Take several, such as cv=5."
            )
        if OURS in self.table.index and best != OURS:
            place = self.table.index.get_loc(OURS) + 1
            lines.append(
                f"{OURS} comes {_ordinal(place)} of {len(self.table)}, {means[OURS]}."
            )
        if is_near_perfect(self.table.loc[best]):
            lines.append(
                "Scores this near perfect are seldom real: look for a column that is "
                "known only after the outcome is."
            )
        if self.unfinished_:
            lines.append(self._ended_early())
        lines += [f"{name} failed: {why}" for name, why in self.failures_.items()]
        return lines + [finding.message for finding in self.findings_]

    def _ended_early(self) -> str:
        """Which contenders are missing, why, and what that means for the result."""
        n_folds = len(self.test_folds_)
        names = [
            f"{name} ({done} of {n_folds} folds)" if done else name
            for name, done in self.unfinished_.items()
        ]
        left = f"{join_names(names)} did not finish and cannot be ranked."
        if self.time_limit_ is None:
            return f"An interrupt ended the comparison. {left}"
        return (
            f"The time limit of {self.time_limit_:g} s ended the comparison. {left} "
            "Which contenders finish depends on the machine, so this result is not "
            "repeatable."
        )

    def _shown(self) -> pd.DataFrame:
        columns = list(dict.fromkeys([self.scoring_, *COLUMNS]))
        table = self.table[["mean_rank", *(f"mean_{name}" for name in columns)]]
        table = table.assign(fit=self.table["mean_fit_time"])
        names = {"fit": "fit seconds", "mean_rank": "rank"}
        return table.rename(columns=names).rename(
            columns=lambda name: measure_title(name.removeprefix("mean_"))
        )

    def _formatters(self) -> dict[str, Callable[[float], str]]:
        """Formatting of the score that ranks, with the digits of the summary."""
        shown = f"{{:.{self._shown_decimals()}f}}"
        return {measure_title(self.scoring_): shown.format}

    def __repr__(self) -> str:
        with pd.option_context("display.width", 200, "display.max_columns", 20):
            table = self._shown().to_string(
                float_format="{:.3f}".format, formatters=self._formatters()
            )
        return "\n".join([table, "", *self.summary()])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.summary())
        shown = self._shown()
        table = shown.to_html(
            float_format="{:.3f}".format, formatters=self._formatters(), border=0
        )
        return f"{table}<ul>{lines}</ul>"

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
        from ._report.pages import comparison_report

        return Path(comparison_report(self, path, title=title, cost_matrix=cost_matrix))

    def plot(self, ax: Any = None) -> Any:
        """Draw the ranking: mean score of each contender and its 95 % interval.

        Parameters
        ----------
        ax : matplotlib axes, default=None
            The axes to draw on. None makes a new figure.

        Returns
        -------
        matplotlib axes
            The axes with the drawing.
        """
        import matplotlib.pyplot as plt

        table = self.intervals()[::-1]
        if ax is None:
            height = 1 + 0.3 * len(table)
            _, ax = plt.subplots(figsize=(7, height), layout="constrained")
        places = np.arange(len(table))
        mean, low, high = table[["mean", "low", "high"]].to_numpy().T
        ours = table.index == OURS
        for chosen, colour in ((~ours, "#56708a"), (ours, "#c1440e")):
            if chosen.any():
                ax.errorbar(
                    mean[chosen],
                    places[chosen],
                    xerr=[(mean - low)[chosen], (high - mean)[chosen]],
                    fmt="o",
                    color=colour,
                    capsize=3,
                )
        ax.set_yticks(places, [shortened(name, 48) for name in table.index])
        ax.set_xlabel(f"{measure_title(self.scoring_)}, mean and 95 % interval")
        ax.grid(axis="x", alpha=0.3)
        return ax


# ----------------------------------------------------------------------------- checks


def _pooled(n_rows: int, folds: list[Fold], results: dict) -> FloatArray:
    """Mean out-of-fold probability of each row, NaN where there is none."""
    numbers = sorted(results)
    probabilities = [results[number][1][:, None] for number in numbers]
    return pool(n_rows, [folds[number] for number in numbers], probabilities)[:, 0]


def _check_contenders(contenders: Any, X: Any, seed: int) -> dict[str, Estimator]:
    if isinstance(contenders, str) and contenders in ("default", "quick"):
        quick = contenders == "quick"
        return default_contenders(X, quick=quick, random_state=seed)
    if not isinstance(contenders, dict) or not contenders:
        raise ValueError(
            'contenders must be "default", "quick" or a dict of names and classifiers; '
            f"got {contenders!r}."
        )
    for name, model in contenders.items():
        if not is_classifier(model):
            raise ValueError(f"contenders[{name!r}] is not a classifier: {model!r}.")
        if not hasattr(model, "predict_proba"):
            raise ValueError(
                f"contenders[{name!r}] has no predict_proba, which the ranking and the "
                "threshold need. Put CalibratedClassifierCV around it."
            )
    return {str(name): model for name, model in contenders.items()}


def _inner_cv(cv: Any) -> Any:
    """Inner folds that respect the order of rows, if the outer ones do."""
    if not isinstance(cv, TimeSeriesSplit):
        return _N_INNER_FOLDS
    return TimeSeriesSplit(_N_INNER_FOLDS, gap=cv.gap)


def _check_time_limit(time_limit: Any) -> None:
    is_number = isinstance(time_limit, Real) and not isinstance(time_limit, bool)
    if time_limit is not None and not (is_number and time_limit > 0):
        raise ValueError(
            f"time_limit must be a positive number of seconds, or None for no limit; "
            f"got {shown(time_limit)}."
        )


def _why_nothing_finished(
    outcome: Outcome, n_folds: int, time_limit: float | None
) -> str:
    reasons = "; ".join(f"{name}: {why}" for name, why in outcome.failures.items())
    if not outcome.out_of_time:
        return f"Every contender failed: {reasons}"
    failed = f" These failed: {reasons}." if reasons else ""
    return (
        f"No contender finished its {n_folds} folds within the time limit of "
        f"{time_limit:g} s.{failed} Allow more time, ask for fewer folds, or compare "
        "quicker contenders. A cache keeps finished folds for the next run."
    )


def _check_cacheable(contenders: dict[str, Estimator], scoring: Any) -> None:
    try:
        pickle.dumps((contenders, scoring))
    except Exception as error:
        raise ValueError(
            f"cache_dir needs contenders and scoring that can be pickled: {error}"
        ) from error


def _ordinal(number: int) -> str:
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
    return words[number - 1] if number <= len(words) else f"{number}th"
