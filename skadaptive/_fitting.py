"""The steps of ``fit`` and ``partial_fit``.

A step reads the parameters of the estimator, sets nothing on it, and returns its
result. The estimator takes over the result of the last step. Both ways to fit assign
the rows to members, resample, train, calibrate and choose the threshold. They differ in
where the held-out rows come from and in what is kept of earlier calls.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._committee.decision import Decision, DecisionRule, decide, is_tuned
from ._committee.folds import NothingHeldOut, chunk_folds, make_folds, n_members, pool
from ._committee.inference import Committee, probabilities
from ._committee.inputs import Inputs, choose_inputs, sparse_inputs
from ._committee.monitor import Adaptation, EarlierEpochs, Monitor
from ._committee.resampling import resample
from ._committee.rows import TrainingRows
from ._committee.scoring import OutOfFoldScorer, can_be_weighted
from ._committee.seen_rows import SeenRows
from ._committee.state import CommitteeState, TrainingState
from ._features.sparse import stacked
from ._parameters import (
    auto_epochs,
    auto_patience,
    check_alpha,
    check_class_weight,
    check_hidden_layer_sizes,
    check_loss_weights,
    check_optimizer,
)
from ._sklearn_compat import safe_indexing
from ._training.plan import TrainingSettings, plan_chunk, plan_fit
from ._warnings import warn

# Most held-out rows that are scored after each epoch. Calibration, threshold and
# ``oof_proba_`` always come from all of them.
_MOST_SCORED = 50_000


@dataclass(frozen=True)
class GivenRows:
    """Rows as the user gave them and as numbers.

    Attributes
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        As given, for samplers, splitters and scorers of the user's own.
    table : ndarray or CSR table of shape (n_samples, n_features)
        The same as numbers, categories encoded.
    y : ndarray of shape (n_samples,)
        Class indices.
    weight : ndarray of shape (n_samples,)
        Sample weights, 1 on average.
    is_weighted : bool
        Whether the user gave weights.
    """

    X: Any
    table: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    is_weighted: bool


@dataclass(frozen=True)
class FittedCommittee:
    """Result of a call of ``fit`` or ``partial_fit``.

    Attributes
    ----------
    committee : Committee
        Calibrated.
    state : CommitteeState
    monitor : Monitor
        With the history and the best epoch.
    decision : Decision
    oof_proba : ndarray of shape (n_samples, n_classes)
        Calibrated out-of-fold probabilities of the rows given.
    seen : SeenRows or None
        Which members held out which of the rows given. None: members may have trained
        on these rows, or on others, in earlier calls.
    """

    committee: Committee
    state: CommitteeState
    monitor: Monitor
    decision: Decision
    oof_proba: np.ndarray
    seen: SeenRows | None = None


class FitTasks:
    """A fit and its epochs as the tasks that callbacks of scikit-learn follow.

    While they run, the estimator has the epochs so far as ``history_``.

    Parameters
    ----------
    estimator : AdaptiveHybridClassifier
    root : sklearn.callback.CallbackContext
        The task of the whole fit.
    X, y, sample_weight
        The rows of the training as the user gave them.
    """

    def __init__(self, estimator, root, X, y, sample_weight):
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._given = {"estimator": estimator, "X": X, "y": y, "metadata": weights}
        self._root, self._epoch = root, None

    def begin(self, max_epochs, history):
        """Tell that the epochs begin; ``history`` is filled while they run."""
        self._root.max_subtasks = max_epochs
        self._given["estimator"].history_ = history
        self._root.call_on_fit_task_begin(**self._given)

    def begin_epoch(self):
        """Tell that an epoch begins."""
        self._epoch = self._root.subcontext("epoch")
        self._epoch.call_on_fit_task_begin(**self._given)

    def end_epoch(self, fitted):
        """Tell that an epoch has ended.

        Parameters
        ----------
        fitted : callable
            Gives the FittedCommittee of this epoch, if a callback asks for it.

        Returns
        -------
        bool
            Whether a callback asks to stop the training.
        """
        estimator = self._given["estimator"]
        return self._epoch.call_on_fit_task_end(
            **self._given,
            reconstruction_attributes=lambda: estimator._attributes_of(fitted()),
        )

    def end(self):
        """Tell that the estimator is fitted."""
        self._root.call_on_fit_task_end(**self._given, reconstruction_attributes={})


def fit_rows(estimator, given, validation, groups, state, transform, tasks=None):
    """Fit to a whole table.

    Parameters
    ----------
    estimator : AdaptiveHybridClassifier
        Its parameters and ``classes_`` are read, and its history if training continues.
    given : GivenRows
    validation : GivenRows or None
        Validation rows, which take the place of held-out rows.
    groups : array-like of shape (n_samples,) or None
    state : CommitteeState
    transform : InputTransform or None
        None for a sparse table, whose columns are chosen first.
    tasks : FitTasks or None, default=None
        For the callbacks of the estimator, if it has any.

    Returns
    -------
    FittedCommittee
    """
    if validation is None:
        rows = _with_folds(estimator, given, groups, state)
        held_out = _held_out(estimator, rows, given, state)
    else:
        rows = _with_validation(estimator, given, validation, groups, state)
        n_given = len(given.y)
        held_out = _held_out(estimator, rows, validation, state, offset=n_given)
    if held_out.scorer is None and rows.held_out.size:
        warn(
            "The rows held out all belong to one class and cannot be scored: no "
            "adaptation, no early stopping; training runs for max_epochs. A "
            "stratified splitter avoids this."
        )
    seen = SeenRows.of(given.table, rows.folds)
    class_totals = state.class_totals
    if estimator.sampler is not None:
        rows = _resampled(estimator, rows, given, state)
        class_totals = rows.class_totals(len(class_totals))
    factors = _class_factors(estimator, class_totals)
    weight = rows.weight * factors[rows.y]
    weight /= weight[weight > 0].mean()
    weighted = rows.with_weight(weight)
    totals = weighted.class_totals(len(factors))
    inputs, weighted = _inputs(estimator, given, weighted, transform)
    rule = _decision_rule(estimator, factors, state.rare)

    def finish(trained):
        buffer = _buffer(state, rows, trained)
        decision = decide(buffer, rule, held_out.scorer is not None)
        fitted = _result(trained, decision, buffer, state, len(given.y))
        return replace(fitted, seen=seen)

    epochs = None if tasks is None else _Epochs(tasks, finish)
    trained = _train(
        estimator, weighted, totals, inputs, held_out, state, epochs=epochs
    )
    return finish(trained)


def fit_chunk(estimator, given, state, transform):
    """Fit to a chunk of a stream; parameters and result are those of ``fit_rows``.

    Callbacks follow no chunks: a chunk has a single epoch.
    """
    folds = chunk_folds(_cv(estimator, state), given.table, given.weight)
    rows = TrainingRows(given.table, given.y, given.weight, folds)
    class_totals = state.class_totals
    n_classes = len(class_totals)
    held_out = _HeldOut(rows, None)
    if np.unique(rows.y[rows.held_out]).size == n_classes:
        held_out = _held_out(estimator, rows, given, state)
    if estimator.sampler is not None:
        rows = _resampled(estimator, rows, given, state)
        class_totals = rows.class_totals(n_classes)
    # One more row of each class is counted, because a class may not have come yet.
    class_totals = class_totals + 1.0
    factors = _class_factors(estimator, class_totals)
    # The mean weight is 1 over all chunks.
    scale = class_totals.sum() / (class_totals @ factors)
    weighted = rows.with_weight(rows.weight * factors[rows.y] * scale)
    totals = class_totals * factors
    inputs, weighted = _inputs(estimator, given, weighted, transform)
    trained = _train(
        estimator, weighted, totals, inputs, held_out, state, is_chunk=True
    )
    buffer = _buffer(state, rows, trained)
    rule = _decision_rule(estimator, factors, state.rare)
    decision = decide(buffer, rule, np.unique(buffer.y).size == n_classes)
    return _result(trained, decision, buffer, state, len(given.y))


# ----------------------------------------------------------------- rows and their folds


def _cv(estimator, state):
    """The value of ``cv``; a training that continues keeps its number for "auto"."""
    if state.training is not None and isinstance(estimator.cv, str):
        n_before = state.training.layout.n_members
        if n_before > 1:
            return n_before
    return estimator.cv


def _with_folds(estimator, given, groups, state):
    """The rows, some of which each member holds out."""
    cv = _cv(estimator, state)
    try:
        folds = make_folds(
            cv, given.X, given.y, given.weight, groups, state.seeds.folds
        )
    except NothingHeldOut as reason:
        warn(
            f"{reason}: nothing is held out, so there is no score to adapt to, no "
            "early stopping, no tuned threshold and no calibration; training runs for "
            "max_epochs."
        )
        kept = np.flatnonzero(given.weight > 0)
        folds = [(kept, kept[:0])]
    return TrainingRows(given.table, given.y, given.weight, folds)


def _with_validation(estimator, given, validation, groups, state):
    """The rows, on all of which every member trains, and the validation rows."""
    cv = _cv(estimator, state)
    train = np.flatnonzero(given.weight > 0)
    test = len(given.y) + np.flatnonzero(validation.weight > 0)
    folds = [(train, test)] * n_members(cv, given.X, given.y, given.weight, groups)
    parts = ((part.table, part.y, part.weight) for part in (given, validation))
    X, y, weight = zip(*parts, strict=True)
    return TrainingRows(stacked(X), np.concatenate(y), np.concatenate(weight), folds)


@dataclass(frozen=True)
class _HeldOut:
    """The held-out rows that are scored after each epoch, and their scorer.

    ``scorer`` is None if they cannot be scored, since they are of one class.
    """

    rows: TrainingRows
    scorer: OutOfFoldScorer | None


def _held_out(estimator, rows, source, state, offset=0):
    """Held-out rows and scorer; row ``offset + i`` of rows is row i of ``source``."""
    scoring = estimator.scoring
    scored = rows
    if can_be_weighted(scoring):
        scored = rows.scored_sample(_MOST_SCORED, state.seeds.folds)
    held_out = scored.held_out
    if np.unique(scored.y[held_out]).size < 2:
        return _HeldOut(scored, None)
    scorer = OutOfFoldScorer(
        scoring,
        safe_indexing(source.X, held_out - offset) if callable(scoring) else None,
        scored.y[held_out],
        estimator.classes_,
        state.rare,
        scored.weight[held_out] if source.is_weighted or scored is not rows else None,
        tuned=is_tuned(estimator.threshold),
    )
    return _HeldOut(scored, scorer)


def _resampled(estimator, rows, given, state):
    """The rows with those that the sampler made, and the resampled folds."""
    # Every call has a seed of its own.
    n_calls = 0 if state.training is None else len(estimator.history_["epoch"])
    synthetic, folds = resample(
        estimator.sampler,
        given.X,
        rows,
        estimator.classes_,
        (state.seeds.sampler + n_calls) % 2**31,
        estimator._as_numbers,
    )
    if synthetic and given.is_weighted:
        raise ValueError(
            f"sample_weight says nothing about the rows that {estimator.sampler!r} "
            "makes. Leave one of the two out, use class_weight, or take a sampler "
            "that picks rows: RandomUnderSampler, RandomOverSampler."
        )
    if not synthetic:
        return replace(rows, folds=folds)
    tables, labels = zip((rows.X, rows.y), *synthetic, strict=True)
    X, y = stacked(tables), np.concatenate(labels)
    weight = np.r_[rows.weight, np.ones(len(y) - len(rows.weight))]
    return TrainingRows(X, y, weight, folds)


# ------------------------------------------------------------------- train and decide


@dataclass(frozen=True)
class _Trained:
    """An uncalibrated committee, and how its training went.

    ``logits`` are the pooled out-of-fold logits, (n_rows, n_outputs), NaN for rows that
    no member held out.
    """

    committee: Committee
    training: TrainingState
    monitor: Monitor
    logits: np.ndarray
    initial_loss_weights: np.ndarray


def _inputs(estimator, given, rows, transform):
    """The inputs of the networks, and the rows with the features that these take."""
    if transform is None:
        inputs = sparse_inputs(given.table, given.weight, rows, estimator.n_bins)
    else:
        inputs = Inputs(transform)
    return inputs, replace(rows, X=inputs.transform.take(rows.X))


@dataclass(frozen=True)
class _Epochs:
    """Tasks of a fit, and the last steps of it, for a look at an epoch that ended."""

    tasks: FitTasks
    finish: Callable[[_Trained], FittedCommittee]


def _train(
    estimator, rows, class_totals, inputs, held_out, state, is_chunk=False, epochs=None
):
    """Train a committee on weighted rows."""
    check_optimizer(estimator.optimizer)
    initial = check_loss_weights(estimator.loss_weights)
    max_epochs = 1 if is_chunk else estimator.max_epochs
    if max_epochs == "auto":
        max_epochs = auto_epochs(rows.most_trained_on)
    monitor = _monitor(estimator, held_out, state, initial, max_epochs)
    alpha = check_alpha(estimator.alpha, len(class_totals), state.rare)
    # A single output is the logit of the rare class. Where that is the first of two,
    # the classes are swapped until training is over.
    swap_classes = len(class_totals) == 2 and state.rare == 0
    if swap_classes:
        rows = rows.with_classes_swapped()
        alpha, class_totals = alpha[::-1], class_totals[::-1]
    settings = TrainingSettings(
        hidden_layer_sizes=check_hidden_layer_sizes(estimator.hidden_layer_sizes),
        activation=estimator.activation,
        dropout=estimator.dropout,
        gamma=estimator.gamma,
        alpha=alpha,
        optimizer=estimator.optimizer,
        learning_rate=estimator.learning_rate,
        batch_size=estimator.batch_size,
        class_totals=class_totals,
        max_epochs=max_epochs,
        parameter_seed=state.seeds.parameters,
        batch_seed=state.seeds.batches,
        verbose=estimator.verbose,
    )
    make_plan = plan_chunk if is_chunk else plan_fit
    plan = make_plan(rows, settings, state.training)
    from ._training.loop import EpochWatch, diverged, train_committee

    start = state.training
    if start is None:
        inputs = choose_inputs(
            inputs, rows, estimator.n_bins == "auto", plan.uses_relevance
        )

    def trained(networks):
        kernels, biases = networks.kernels, networks.biases
        if swap_classes:
            kernels[-1], biases[-1] = -kernels[-1], -biases[-1]
        committee = Committee(inputs.transform, estimator.activation, kernels, biases)
        if committee.can_overflow():
            raise diverged(
                settings, "into weights so large that predictions would not be finite"
            )
        logits = np.full((len(rows), committee.n_outputs), np.nan)
        if rows.held_out.size:
            by_member = [
                committee.logits(rows.X[test], m)
                for m, (_, test) in enumerate(rows.folds)
            ]
            logits = pool(len(rows), rows.folds, by_member)
        return _Trained(committee, networks.state, monitor, logits, initial)

    watch = None
    if epochs is not None:
        tasks, finish = epochs.tasks, epochs.finish
        tasks.begin(max_epochs, monitor.history)
        watch = EpochWatch(
            tasks.begin_epoch,
            lambda networks: tasks.end_epoch(lambda: finish(trained(networks()))),
        )
    return trained(train_committee(inputs, rows, settings, plan, monitor, start, watch))


def _monitor(estimator, held_out, state, initial, max_epochs):
    """A monitor of the training, which knows the epochs of earlier calls."""
    earlier = EarlierEpochs()
    if state.training is not None:
        is_same_start = np.array_equal(initial, state.initial_loss_weights)
        earlier = EarlierEpochs(
            estimator.history_,
            state.loss_weights if is_same_start else None,
            estimator.best_epoch_,
        )
    patience = None
    if estimator.early_stopping:
        patience = estimator.n_iter_no_change
        if patience == "auto":
            patience = auto_patience(max_epochs)
    adaptation = Adaptation(initial, estimator.adaptation, estimator.adaptation_rate)
    return Monitor(held_out.rows, held_out.scorer, adaptation, patience, earlier)


def _class_factors(estimator, class_totals):
    return check_class_weight(estimator.class_weight, estimator.classes_, class_totals)


def _decision_rule(estimator, factors, rare):
    return DecisionRule(
        estimator.threshold, estimator.calibration, estimator.scoring, factors, rare
    )


def _buffer(state, rows, trained):
    """The held-out rows that are kept, with those of this call."""
    held_out = rows.held_out
    return state.out_of_fold.append(
        trained.logits[held_out], rows.y[held_out], rows.weight[held_out]
    )


def _result(trained, decision, buffer, state, n_given):
    logits = trained.logits[:n_given]
    if decision.calibration is not None:
        logits = decision.calibration(logits)
    return FittedCommittee(
        committee=replace(trained.committee, calibration=decision.calibration),
        state=replace(
            state,
            training=trained.training,
            initial_loss_weights=trained.initial_loss_weights,
            loss_weights=trained.monitor.loss_weights,
            out_of_fold=buffer.subsampled(),
        ),
        monitor=trained.monitor,
        decision=decision,
        oof_proba=probabilities(logits),
    )
