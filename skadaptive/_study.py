"""Optuna studies of AdaptiveHybridClassifier, each on one set of training rows.

A trial is one fit, and its score is that of its out-of-fold predictions: the folds of
the committee are the inner cross-validation, so that no further fits are needed. After
each epoch the score is reported, by which Optuna prunes the trial.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ._assessment.cross_validation import Protocol, collected_warnings, fit_on
from ._assessment.measures import MEASURES, is_loss
from ._packages import require
from ._typing import Estimator, IntArray
from .classifier import AdaptiveHybridClassifier

# Trials that are never pruned, and epochs in which none is: the moving average of the
# parameters is young until then, and says little about where it will end.
_UNPRUNED_TRIALS, _UNPRUNED_EPOCHS = 5, 4

#: Whether epochs can be followed, and trials pruned: from scikit-learn 1.9 on.
CAN_PRUNE = hasattr(AdaptiveHybridClassifier, "set_callbacks")


@dataclass(frozen=True)
class Found:
    """Result of a study.

    Attributes
    ----------
    parameters : dict
        Those of the best trial; empty if these are the defaults.
    score : float
        Score of the best trial, by which it was chosen.
    default_score : float
        Score of the trial with the default parameters.
    n_pruned : int
        Number of trials that were pruned.
    """

    parameters: dict[str, Any]
    score: float
    default_score: float
    n_pruned: int


@dataclass(frozen=True)
class Search:
    """What the studies of one tuning have in common.

    Attributes
    ----------
    model : estimator
        An AdaptiveHybridClassifier, or a pipeline that ends in one.
    space : dict of str to optuna.distributions.BaseDistribution
        By parameters of the classifier.
    protocol : Protocol
        Its ``scoring`` is the name of a measure.
    n_trials : int
        Trials of each study. The first one has the default parameters.
    storage : optuna.storages.BaseStorage or None
        Where finished trials are found again.
    """

    model: Estimator
    space: dict[str, Any]
    protocol: Protocol
    n_trials: int
    storage: Any

    def run(self, rows: IntArray, title: str, show: Callable) -> Found:
        """Run the trials that the storage does not have yet.

        An interrupted study goes on as if nothing had happened: the sampler of a trial
        depends on the seed and on the trials that have finished, and on nothing else.

        Parameters
        ----------
        rows : ndarray of int
            The training rows.
        title : str
            Which rows they are; part of the name of the study.
        show : callable
            See ``_assessment.cross_validation.progress_bar``.

        Returns
        -------
        Found
        """
        import optuna
        from optuna.trial import TrialState

        with _quiet(optuna), _told(optuna):
            study = optuna.create_study(
                storage=self.storage,
                study_name=f"skadaptive {self.protocol.key[:12]}, {title}",
                load_if_exists=True,
                direction="minimize" if is_loss(self._scoring) else "maximize",
                pruner=optuna.pruners.MedianPruner(_UNPRUNED_TRIALS, _UNPRUNED_EPOCHS),
            )
            for broken in study.get_trials(False, (TrialState.RUNNING,)):
                # Of a process that was killed. Its parameters will be drawn again.
                study.tell(broken.number, state=TrialState.FAIL)
            finished = (TrialState.COMPLETE, TrialState.PRUNED)
            n_before = min(len(study.get_trials(False, finished)), self.n_trials)
            show(done=n_before)
            for number in range(n_before, self.n_trials):
                show(f"{title}, trial {number + 1}/{self.n_trials}")
                self._run_trial(study, number, rows)
                show(done=1)
        trials: list[Any] = study.get_trials(False, finished)[: self.n_trials]
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        sign = 1 if is_loss(self._scoring) else -1
        first, best = trials[0], min(complete, key=lambda trial: sign * trial.value)
        return Found(
            {} if best is first else best.params,
            best.value,
            first.value,
            len(trials) - len(complete),
        )

    def with_parameters(self, parameters: dict[str, Any]) -> Estimator:
        """A copy of the model whose classifier has some parameters."""
        model = clone(self.model)
        _classifier(model).set_params(**parameters)
        return model

    @property
    def _scoring(self) -> str:
        return self.protocol.column

    def _run_trial(self, study: Any, number: int, rows: IntArray) -> None:
        import optuna
        from optuna.trial import TrialState

        entropy = np.random.SeedSequence([self.protocol.seed, number])
        study.sampler = optuna.samplers.TPESampler(
            seed=int(entropy.generate_state(1)[0])
        )
        if number == 0:
            defaults = _classifier(self.model).get_params()
            if not study.get_trials(False, (TrialState.WAITING,)):
                study.enqueue_trial({name: defaults[name] for name in self.space})
        trial = study.ask(self.space)
        try:
            score = self._score(trial, rows)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except ValueError as error:
            if number == 0:
                study.tell(trial, state=TrialState.FAIL)
                raise
            # Training diverged, say. The defaults have shown that the rows are fine.
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.PRUNED)
        except BaseException:
            study.tell(trial, state=TrialState.FAIL)
            raise
        else:
            study.tell(trial, score)

    def _score(self, trial: Any, rows: IntArray) -> float:
        def score(fitted: AdaptiveHybridClassifier) -> float:
            return out_of_fold_score(fitted, self.protocol, rows)

        import optuna

        model = self.with_parameters(trial.params)
        epochs = _ReportedEpochs(trial, score)
        if CAN_PRUNE:
            _classifier(model).set_callbacks(epochs)
        with collected_warnings():  # those of the fit of the best trial will be told
            fitted = fit_on(model, self.protocol.data, rows)
        if epochs.is_pruned:
            raise optuna.TrialPruned
        return score(_classifier(fitted))


class _ReportedEpochs:
    """Callback of scikit-learn: reports each epoch to a trial, which may end the fit.

    It raises no error, after which the next fit would compile its program again.
    """

    def __init__(self, trial: Any, score: Callable) -> None:
        self._trial, self._score = trial, score
        self.is_pruned = False

    def setup(self, estimator: Any, context: Any) -> None: ...
    def teardown(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> bool:
        if context.task_name == "epoch":
            self._trial.report(self._score(fitted_estimator), context.task_id + 1)
            self.is_pruned = self._trial.should_prune()
        return self.is_pruned


def out_of_fold_score(
    fitted: AdaptiveHybridClassifier, protocol: Protocol, rows: IntArray
) -> float:
    """Score of the out-of-fold predictions of a classifier.

    Parameters
    ----------
    fitted : AdaptiveHybridClassifier
    protocol : Protocol
        Its ``scoring`` is the name of a measure.
    rows : ndarray of int
        The rows of the training.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no rows of both classes were held out.
    """
    data, measure = protocol.data, MEASURES[protocol.column]
    is_held_out = np.isfinite(fitted.oof_proba_[:, 0])
    y = data.rare_rows[rows][is_held_out]
    if np.unique(y).size < 2:
        raise ValueError(
            "The classifier could not hold out rows of both classes, so that trials "
            "have no score: tuning needs more rare rows, or fewer folds."
        )
    predicted = fitted.oof_proba_[:, data.rare]
    if not measure.of_probability:
        found = fitted.oof_proba_[:, fitted._rare] > fitted.threshold_
        predicted = (found == (fitted._rare == data.rare)).astype(int)
    weight = data.weights(rows)
    options: dict[str, Any] = {}
    if measure.of_rare_class and not measure.of_probability:
        options["zero_division"] = 0.0
    if weight is not None:
        options["sample_weight"] = weight[is_held_out]
    return float(measure.function(y, predicted[is_held_out], **options))


@contextmanager
def opened_storage(storage: Any) -> Iterator[Any]:
    """The storage that a URL names, which is closed in the end; another one as it is.

    Raises
    ------
    ImportError
        If Optuna is not installed.
    ValueError
        If it cannot be opened.
    """
    require("optuna", purpose="Tuning", extra="tune")
    import optuna

    if not isinstance(storage, str):
        yield storage
        return
    try:
        with _quiet(optuna):
            database = optuna.storages.RDBStorage(storage)
    except Exception as error:  # SQLAlchemy's errors have no base that is of Python
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"The storage {storage} cannot be opened: {reason}. Name the URL of a "
            "database, such as sqlite:///tuning.db for a file in this folder."
        ) from error
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


def _classifier(model: Estimator) -> AdaptiveHybridClassifier:
    return model[-1] if isinstance(model, Pipeline) else model


@contextmanager
def _told(optuna: Any) -> Iterator[None]:
    """An error of the storage, such as a lock or a full disk, as one of the user's."""
    try:
        yield
    except optuna.exceptions.StorageInternalError as error:
        reason = str(error.__cause__ or error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"The storage failed: {reason}. It keeps the trials that have finished; "
            "the same call goes on from them, if no other process uses it."
        ) from error


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without the line of Optuna's log for each trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
