"""What each epoch's out-of-fold score decides."""

import numpy as np
import pytest

from skadaptive._committee.monitor import Adaptation, EarlierEpochs, Monitor
from skadaptive._committee.rows import TrainingRows
from skadaptive._committee.scoring import OutOfFoldScorer
from skadaptive.adaptation import TERMS, HeldOut, next_weights


class Told:
    """A scorer that knows score and tie breaker of each epoch, its logits."""

    def __init__(self, verdicts):
        self.verdicts = verdicts

    def score(self, logits):
        return self.verdicts[int(logits[0, 0])][0]

    def tie_breakers(self, logits):
        return self.verdicts[int(logits[0, 0])][1:]


def monitored(verdicts, patience=None):
    """A monitor that has seen these (score, tie breaker) pairs."""
    folds = [(np.arange(2), np.arange(2, 4))]
    rows = TrainingRows(np.zeros((4, 1)), np.zeros(4), np.ones(4), folds)
    monitor = Monitor(rows, Told(verdicts), Adaptation(np.full(3, 1 / 3)), patience)
    better = []
    for epoch in range(len(verdicts)):
        better.append(monitor.observe(1.0, [np.full((2, 1), epoch)]))
        if monitor.stop:
            break
    return monitor, better


def test_a_single_lucky_epoch_is_not_the_best():
    scores = [0.5, 0.6, 0.99, 0.6, 0.6, 0.7, 0.7, 0.7, 0.1]
    monitor, _ = monitored([(score, 0.5) for score in scores])
    assert monitor.best_epoch == 7


def test_ties_of_the_score_are_broken_by_rank():
    monitor, better = monitored([(0.0, 0.1), (0.0, 0.3), (0.0, 0.2), (0.0, 0.3)])
    assert better == [True, True, False, False]
    assert monitor.best_epoch == 2


def test_patience_counts_from_the_best_epoch():
    scores = [(0.5, 0.5), (0.7, 0.5), (0.4, 0.5), (0.4, 0.5), (0.4, 0.5), (0.4, 0.5)]
    monitor, _ = monitored(scores, patience=3)
    assert monitor.best_epoch == 2
    assert len(monitor.history["epoch"]) == 5


def test_warm_start_is_judged_on_the_rows_at_hand():
    """Scores of earlier calls, of other rows or by another scorer, do not count."""

    class Judge:
        scores = iter([0.5, 0.4, 0.6, 0.7])

        def score(self, logits):
            return next(self.scores)

        def tie_breakers(self, logits):
            return 0.0, 0.0

    keys = ("epoch", "loss", "score")
    mix = ("weight_cross_entropy", "weight_focal", "weight_dice")
    logits, fold = [np.zeros((2, 1))], (np.arange(2), np.arange(2, 4))
    history = {key: [0.9, 0.9] for key in (*keys, *mix)}
    monitor = Monitor(
        TrainingRows(np.zeros((4, 1)), np.zeros(4), np.ones(4), [fold]),
        Judge(),
        Adaptation(np.array([0.4, 0.4, 0.2])),
        earlier=EarlierEpochs(history, best_epoch=2),
    )
    monitor.begin(logits)
    assert monitor.best_score == 0.5
    # Smoothed: 0.45 of (0.5, 0.4), 0.5 of three, 0.6 of the last three.
    assert [monitor.observe(1.0, logits) for _ in range(3)] == [False, False, True]
    assert monitor.best_epoch == 5 and monitor.best_score == 0.7


def test_a_rule_that_takes_it_sees_what_held_out_rows_say():
    seen = []

    def rule(scores, weights, initial_weights, rate, held_out):
        seen.append([list(values) for values in held_out])
        return weights

    y = np.array([0, 0, 1, 1, 0, 1])
    folds = [(np.arange(3), np.arange(3, 6)), (np.arange(3, 6), np.arange(3))]
    rows = TrainingRows(np.zeros((6, 1)), y, np.ones(6), folds)
    scorer = OutOfFoldScorer("f1", None, y, np.array([0, 1]), 1)
    mix = np.array([0.4, 0.4, 0.2])
    monitor = Monitor(rows, scorer, Adaptation(mix, rule))
    # Everything is ranked right, and too low: no row is predicted rare at first.
    logits = np.array([-9.0, -8.0, -2.0, -2.5, -8.5, -3.0])[:, None]
    for shift in (0.0, 2.7):
        monitor.observe(1.0, [logits[3:] + shift, logits[:3] + shift])
    history = monitor.history
    assert [history[k] for k in ("tp", "fp", "fn", "tn")] == [
        [0, 2],
        [0, 0],
        [3, 1],
        [3, 3],
    ]
    first, second = history["best_threshold"]
    assert -8 < np.log(first / (1 - first)) < -3
    # The threshold moves with the logits.
    assert np.log(second / (1 - second)) - np.log(first / (1 - first)) == (
        pytest.approx(2.7, abs=0.05)
    )
    assert [len(values[0]) for values in seen] == [1, 2]
    assert seen[-1] == [history[k] for k in HeldOut._fields]


def test_rules_of_the_score_alone_cost_nothing_more():
    monitor, _ = monitored([(0.5, 0.5), (0.6, 0.5)])
    assert not set(HeldOut._fields) & set(monitor.history)


def test_the_history_has_the_weights_that_each_epoch_trained_with():
    scores = [0.2, 0.5, 0.3, 0.6]
    monitor, _ = monitored([(score, 0.5) for score in scores])
    start = weights = np.full(3, 1 / 3)
    for epoch in range(4):
        used = [monitor.history[f"weight_{term}"][epoch] for term in TERMS]
        assert used == pytest.approx(list(weights))
        weights = next_weights(
            "performance", scores[: epoch + 1], weights, start, rate=0.1
        )
    assert monitor.loss_weights == pytest.approx(weights)
    assert monitor.history["epoch"] == [1, 2, 3, 4]
    assert monitor.history["score"] == scores and monitor.history["loss"] == [1.0] * 4


def test_without_held_out_rows_the_last_epoch_is_the_best():
    rows = TrainingRows(np.zeros((4, 1)), np.zeros(4), np.ones(4), [(np.arange(4), [])])
    adaptation = Adaptation(np.array([0.4, 0.4, 0.2]), "threshold")
    monitor = Monitor(rows, None, adaptation, patience=1)
    assert monitor.best_epoch == 0 and not monitor.stop
    for epoch in (1, 2, 3):
        assert monitor.observe(0.5, None) is True
        assert monitor.best_epoch == epoch and not monitor.stop
    assert np.isnan(monitor.best_score)
    for key in ("score", *HeldOut._fields):
        assert np.isnan(monitor.history[key]).all() and len(monitor.history[key]) == 3
    assert monitor.history["weight_dice"] == [0.2] * 3
