"""Parameters of AdaptiveHybridClassifier that are worth tuning, and nested tuning.

Boosted trees that a comparison tunes are in ``_tuned_trees``.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ._assessment.cross_validation import (
    LabelledRows,
    Protocol,
    fit_and_tune,
    progress_bar,
    run_fold,
)
from ._assessment.measures import COLUMNS, is_loss, measure_title
from ._assessment.preparation import check_data, findings_in, outer_folds, seed_of
from ._messages import shown
from ._packages import require
from ._report.formatting import p_value, shown_decimals, signed
from ._study import CAN_PRUNE, Search, opened_storage
from ._typing import ArrayLike, Estimator, Label, RandomState, Table
from ._warnings import warn
from .classifier import AdaptiveHybridClassifier
from .comparison import Comparison
from .contenders import OURS, raw_pipeline

__all__ = ["Tuning", "search_space", "tune"]

#: Names of the two contenders of a tuning.
DEFAULT, TUNED = "default parameters", "tuned parameters"


@dataclass(frozen=True)
class _Range:
    low: float
    high: float
    log: bool = False


# Each has the default inside. The mix of losses and their adaptation hardly matter
# (docs/research/021, 045), nor do bins and batches of other sizes (019, 028, 037).
_SPACE: dict[str, _Range | list] = {
    "learning_rate": _Range(0.01, 0.1, log=True),
    "gamma": _Range(0.0, 4.0),
    "alpha": _Range(0.25, 0.95),
    "dropout": _Range(0.0, 0.3),
    "n_bins": ["auto", None],
}
# Optuna's distributions hold no tuples.
_LAYERS = [(64, 64, 64), (128, 128, 128), (128, 128), (64, 64), (64,), ()]


def search_space(kind: str) -> dict[str, Any]:
    """The parameters of AdaptiveHybridClassifier that are worth tuning.

    Parameters
    ----------
    kind : {"sklearn", "optuna"}
        "sklearn": distributions of ``scipy.stats``, and lists, for
        ``RandomizedSearchCV`` and ``HalvingRandomSearchCV``. "optuna": distributions of
        Optuna, for ``study.ask`` and ``OptunaSearchCV``. They are the same, except that
        only the first has ``hidden_layer_sizes``: a choice of Optuna is no tuple.

    Returns
    -------
    dict of str to distribution
        By the name of the parameter: ``learning_rate``, ``gamma``, ``alpha``,
        ``dropout``, ``n_bins``. Change or add what you like. For a classifier inside a
        pipeline, put the name of its step and two underscores before each name.

    Raises
    ------
    ValueError
        If ``kind`` is another one.
    ImportError
        If Optuna is not installed, for "optuna".

    Examples
    --------
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from skadaptive import AdaptiveHybridClassifier
    >>> from skadaptive.tuning import search_space
    >>> search = RandomizedSearchCV(
    ...     AdaptiveHybridClassifier(random_state=0),
    ...     search_space("sklearn"),
    ...     n_iter=20,
    ...     scoring="average_precision",
    ...     random_state=0,
    ... )
    >>> sorted(search.param_distributions)[:3]
    ['alpha', 'dropout', 'gamma']
    """
    if kind == "sklearn":
        made = {name: _of_scipy(values) for name, values in _SPACE.items()}
        return made | {"hidden_layer_sizes": list(_LAYERS)}
    if kind == "optuna":
        require("optuna", purpose='search_space("optuna")', extra="tune")
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        return {
            name: FloatDistribution(values.low, values.high, log=values.log)
            if isinstance(values, _Range)
            else CategoricalDistribution(values)
            for name, values in _SPACE.items()
        }
    raise ValueError(f'kind must be "sklearn" or "optuna"; got {kind!r}.')


def _of_scipy(values: _Range | list) -> Any:
    if not isinstance(values, _Range):
        return list(values)
    if values.log:
        return stats.loguniform(values.low, values.high)
    return stats.uniform(values.low, values.high - values.low)


def tune(  # noqa: PLR0913 - as compare
    X: Table,
    y: ArrayLike,
    *,
    n_trials: int = 50,
    scoring: str = "average_precision",
    cv: Any = 5,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    pos_label: Label | None = None,
    keep: str = "recommended",
    storage: Any = None,
    random_state: RandomState = None,
    verbose: int = 1,
) -> Tuning:
    """Tune AdaptiveHybridClassifier with Optuna, and say whether that helps.

    On the training rows of each outer fold, a study of ``n_trials`` trials chooses
    parameters by the out-of-fold predictions of the classifier, one fit a trial. The
    test rows of the fold, which no trial has seen, then judge the best trial beside the
    default parameters. The score that a trial was chosen by is too good, the more so
    the more trials there are; this nested score is honest.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        As for :func:`skadaptive.compare`.
    y : array-like of shape (n_samples,)
        Labels of two classes.
    n_trials : int, default=50
        Trials of each study, from 2 on. The first one has the default parameters, so
        that a study is never worse than these on its own rows.
    scoring : str, default="average_precision"
        The measure that chooses and judges: "average_precision", "roc_auc",
        "brier_score", "f1", "precision", "recall" or "accuracy", the last four at the
        tuned threshold.
    cv : int, splitter or iterable of (train, test), default=5
        The outer folds. An int makes stratified, shuffled ones, which keep groups
        together.
    groups : array-like of shape (n_samples,), default=None
        The rows of one group are held out together, in the trials as well.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights for the training and for every score.
    pos_label : label, default=None
        The rare class. None finds it as ``compare`` does.
    keep : {"recommended", "tuned", "default"}, default="recommended"
        Parameters of ``best_``. "recommended": tuned ones if tuning helped by more than
        luck, and the defaults otherwise. Tuned ones come from one more study, on all
        rows.
    storage : str or optuna.storages.BaseStorage, default=None
        Where the trials are stored, such as "sqlite:///tuning.db". The same call goes
        on where it was interrupted, and with a greater ``n_trials`` adds trials. One
        process at a time may use it.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds, the trials and the classifier. A storage needs an int.
    verbose : int, default=1
        1 shows a progress bar with the time left, on standard error.

    Returns
    -------
    Tuning
        The scores, the verdict and the model.

    Raises
    ------
    ValueError
        If the data or a parameter is invalid, or the storage cannot be opened.
    ImportError
        If Optuna is not installed: the extra ``tune`` has it.

    Warns
    -----
    UserWarning
        If scikit-learn is older than 1.9: trials are not pruned then.

    Examples
    --------
    >>> from skadaptive.datasets import load_rare
    >>> from skadaptive.tuning import tune
    >>> X, y = load_rare("breast_cancer", return_X_y=True)
    >>> tuning = tune(X, y, n_trials=20, random_state=0)  # doctest: +SKIP
    >>> tuning.verdict_  # doctest: +SKIP
    'could be luck'
    """
    _check_choices(n_trials, scoring, keep)
    data = LabelledRows(*check_data(X, y, sample_weight, groups), pos_label)
    if storage is not None and not isinstance(random_state, Integral):
        raise ValueError(
            "storage needs an int for random_state, by which the same trials are found "
            f"again; got {shown(random_state)}."
        )
    seed = seed_of(random_state)
    protocol = Protocol(data, outer_folds(cv, data, seed), scoring, seed)
    if not CAN_PRUNE:
        warn(
            "Trials are not pruned: scikit-learn before 1.9 has no callbacks. The "
            "result is as good, and takes longer."
        )
    model = raw_pipeline(data.X, AdaptiveHybridClassifier(random_state=seed))
    with opened_storage(storage) as opened:
        space = search_space("optuna")
        search = Search(model, space, protocol, int(n_trials), opened)
        return Tuning(search, keep, verbose)


def _check_choices(n_trials: Any, scoring: Any, keep: Any) -> None:
    if isinstance(n_trials, bool) or not isinstance(n_trials, Integral) or n_trials < 2:
        raise ValueError(
            "n_trials must be an int from 2 on, of which the first trial has the "
            f"default parameters; got {shown(n_trials)}."
        )
    if scoring not in COLUMNS:
        raise ValueError(
            f"scoring must be one of {', '.join(COLUMNS)}; got {scoring!r}."
        )
    if keep not in ("recommended", "tuned", "default"):
        raise ValueError(
            f'keep must be "recommended", "tuned" or "default"; got {keep!r}.'
        )


class Tuning:
    """Result of :func:`skadaptive.tuning.tune`.

    Parameters
    ----------
    search, keep, verbose : object
        Made by :func:`tune`.

    Attributes
    ----------
    scores_ : DataFrame
        Mean score over the outer folds of "default parameters" and of "tuned
        parameters". Column ``naive``: by the out-of-fold predictions inside of the
        training rows, which chose the tuned ones. Column ``nested``: on the test rows,
        which chose nothing.
    difference_ : float
        How much better the tuned parameters are, nested. Positive is better for every
        measure.
    interval_ : tuple of float
        95 % interval of the difference.
    p_value_ : float
        Of the corrected resampled t-test of no difference; see
        :class:`skadaptive.comparison.Comparison`.
    verdict_ : {"helped", "could be luck", "did not help"}
        "did not help": the tuned parameters are not ahead, in the digits that are
        shown. "helped": they are ahead with p below .05.
    best_ : estimator
        The classifier with the parameters that were kept, fitted on all rows; in a
        pipeline if the table has dates or free texts.
    best_name_ : {"default parameters", "tuned parameters"}
        Which parameters were kept.
    best_params_ : dict
        Those that differ from the defaults.
    folds_ : DataFrame
        By outer fold: the four scores, the number of pruned trials (``n_pruned``), and
        the parameters of the best trial, NaN where these are the defaults.
    comparison_ : Comparison
        The nested scores in every measure, and out-of-fold probabilities.
    """

    def __init__(self, search: Search, keep: str, verbose: int) -> None:
        self._search, protocol = search, search.protocol
        data, folds = protocol.data, protocol.folds
        results: dict[str, dict] = {DEFAULT: {}, TUNED: {}}
        messages: dict[str, list[str]] = {}
        found = []
        with progress_bar((search.n_trials + 2) * len(folds), verbose) as show:
            for number, (train, _) in enumerate(folds):
                title = f"fold {number + 1} of {len(folds)}"
                found.append(search.run(train, title, show))
                for name, parameters in ((DEFAULT, {}), (TUNED, found[-1].parameters)):
                    show(f"{title}, {name}")
                    if name == TUNED and not parameters:
                        results[name][number] = results[DEFAULT][number]
                    else:
                        model = search.with_parameters(parameters)
                        fitted = run_fold(model, protocol, number, None)
                        results[name][number], warned = fitted
                        messages.setdefault(name, []).extend(warned)
                    show(done=1)
        messages = {name: list(dict.fromkeys(m)) for name, m in messages.items()}
        self.comparison_ = Comparison(
            protocol, results, findings_in(data, folds), {}, messages, {}, None
        )
        self._set_scores(found)
        self.best_name_ = {"tuned": TUNED, "default": DEFAULT}.get(
            keep, TUNED if self.verdict_ == "helped" else DEFAULT
        )
        self.best_params_: dict[str, Any] = {}
        rows = np.arange(len(data.y))
        if self.best_name_ == TUNED:
            with progress_bar(search.n_trials, verbose) as show:
                self.best_params_ = search.run(rows, "all rows", show).parameters
        model = search.with_parameters(self.best_params_)
        self.best_: Estimator = fit_and_tune(model, data, rows, protocol.seed)[0]
        self._results = results
        self._tuned = [study.parameters for study in found]

    def best_in_folds(self, verbose: int = 0) -> Comparison:
        """Fit the parameters of ``best_`` in the outer folds, where no trial had them.

        Each fold of ``comparison_`` has tuned parameters of its own, whose
        probabilities are not distributed as those of ``best_``. A model file needs
        the out-of-fold probabilities of ``best_``, to find the threshold of least cost
        and to monitor new rows.

        Parameters
        ----------
        verbose : int, default=0
            1 shows a progress bar.

        Returns
        -------
        Comparison
            Its only contender is named after the classifier and its parameters. The
            scores of tuned parameters are too good, since all rows chose them; see
            ``scores_`` for honest ones.
        """
        search, kept = self._search, self.best_params_
        protocol, results, messages = search.protocol, {}, []
        with progress_bar(len(protocol.folds), verbose) as show:
            for number, tuned in enumerate(self._tuned):
                show(f"fold {number + 1}, {self.best_name_} of all rows")
                if not kept:
                    results[number] = self._results[DEFAULT][number]
                elif tuned == kept:
                    results[number] = self._results[TUNED][number]
                else:
                    model = search.with_parameters(kept)
                    results[number], warned = run_fold(model, protocol, number, None)
                    messages += warned
                show(done=1)
        name = f"{OURS} ({TUNED if kept else DEFAULT})"
        messages = list(dict.fromkeys(messages))
        found = self.comparison_.findings_
        return Comparison(
            protocol, {name: results}, found, {}, {name: messages}, {}, None
        )

    def _set_scores(self, found: list) -> None:
        comparison = self.comparison_
        nested = comparison.scores()[[DEFAULT, TUNED]]
        self.folds_ = pd.DataFrame(
            {
                "naive_default": [study.default_score for study in found],
                "naive_tuned": [study.score for study in found],
                "nested_default": nested[DEFAULT].to_numpy(),
                "nested_tuned": nested[TUNED].to_numpy(),
                "n_pruned": [study.n_pruned for study in found],
            }
        ).rename_axis("fold")
        for name in self._search.space:
            values = [study.parameters.get(name, np.nan) for study in found]
            self.folds_[name] = values
        means = self.folds_.mean(numeric_only=True)
        columns = {
            kind: [means[f"{kind}_default"], means[f"{kind}_tuned"]]
            for kind in ("naive", "nested")
        }
        self.scores_ = pd.DataFrame(columns, index=[DEFAULT, TUNED])
        # The test is of the first against the second, and ties say nothing.
        test = comparison.tests_.iloc[0]
        sign = -1 if is_loss(comparison.scoring_) else 1
        ends = sign * np.array([test["low"], test["high"]])
        if comparison.best_name_ == DEFAULT:
            ends = -ends
        self.interval_ = (float(ends.min()), float(ends.max()))
        gain = self.scores_.loc[TUNED] - self.scores_.loc[DEFAULT]
        self.difference_ = float(sign * gain["nested"])
        self._naive_gain = float(sign * gain["naive"])
        self.p_value_ = float(test["p_value"])
        if round(self.difference_, self._decimals) <= 0:
            self.verdict_ = "did not help"
        elif self.p_value_ < 0.05:
            self.verdict_ = "helped"
        else:
            self.verdict_ = "could be luck"

    @property
    def _decimals(self) -> int:
        return shown_decimals(self.scores_)

    def summary(self) -> list[str]:
        """Summarize the result in sentences.

        Returns
        -------
        list of str
            Each item is a sentence or two.
        """
        decimals, n_trials = self._decimals, self._search.n_trials
        low, high = (signed(end, decimals) for end in self.interval_)
        nested = (
            f"{signed(self.difference_, decimals)} on rows that no trial has seen "
            f"(95 % interval {low} to {high}, p = {p_value(self.p_value_)})"
        )
        verdict = {
            "helped": f"Tuning helped: {nested}.",
            "could be luck": f"Tuning gained {nested}, which could be luck.",
            "did not help": f"Tuning did not help: {nested}.",
        }[self.verdict_]
        kept = "the default parameters, which nothing was fitted to"
        if self.best_name_ == TUNED:
            values = ", ".join(
                f"{name}={value:.4g}"
                if isinstance(value, float)
                else f"{name}={value!r}"
                for name, value in self.best_params_.items()
            )
            kept = f"the tuned parameters, from a study on all rows: {values}"
            if not values:
                kept = "the default parameters, the best of a study on all rows"
        promised = signed(self._naive_gain, decimals)
        lines = [
            f"{verdict} The trials that chose the parameters promised {promised}.",
            f"Kept: {kept}.",
        ]
        n_pruned = int(self.folds_["n_pruned"].sum())
        lines.append(
            f"{n_trials} trials in each of {len(self.folds_)} outer folds, chosen by "
            f"{measure_title(self.comparison_.scoring_)}; {n_pruned} of "
            f"{n_trials * len(self.folds_)} were pruned."
        )
        return lines + [finding.message for finding in self.comparison_.findings_]

    def __repr__(self) -> str:
        table = self.scores_.rename(
            columns={"naive": "naive (own trials)", "nested": "nested (outer folds)"}
        )
        text = table.to_string(float_format=f"{{:.{self._decimals}f}}".format)
        title = measure_title(self.comparison_.scoring_)
        return "\n".join([title, text, "", *self.summary()])
