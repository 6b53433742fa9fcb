"""The monitor of a training: from the score of each epoch to what happens next.

The out-of-fold score sets the loss weights, the best epoch and the end of the training.

Early stopping and the choice of the best epoch follow the score, never the loss,
which changes its meaning as the loss weights move.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..adaptation import TERMS, HeldOut, next_weights, smooth, takes_held_out
from .folds import pool

_KEYS = ("epoch", "loss", "score", *(f"weight_{term}" for term in TERMS))


@dataclass(frozen=True)
class Adaptation:
    """The parameters of the adaptation of the loss weights.

    Attributes
    ----------
    initial_weights : ndarray of shape (3,)
        Loss weights at the start, to which a rule relaxes.
    rule : str or callable
        See :func:`skadaptive.adaptation.next_weights`.
    rate : float
        Step size in [0, 1].
    """

    initial_weights: np.ndarray
    rule: str | Callable = "performance"
    rate: float = 0.1


@dataclass(frozen=True)
class EarlierEpochs:
    """Results of the epochs of earlier calls, for a training that continues.

    Attributes
    ----------
    history : dict of list
    loss_weights : ndarray of shape (3,) or None
        Loss weights to continue with; None begins with the initial ones.
    best_epoch : int
    """

    history: dict[str, list] = field(default_factory=dict)
    loss_weights: np.ndarray | None = None
    best_epoch: int = 0


class Monitor:
    """Score the epochs of one training, and decide what follows from the scores.

    Parameters
    ----------
    rows : TrainingRows
        Only its length and the held-out rows of its folds are used.
    scorer : OutOfFoldScorer or None
        Scores the rows held out; None if there are none.
    adaptation : Adaptation
    patience : int or None
        Epochs without a rise of the smoothed score before training stops; None never
        stops.
    earlier : EarlierEpochs, default=EarlierEpochs()

    Attributes
    ----------
    folds : list of (train, test)
        Those of ``rows``.
    loss_weights : ndarray of shape (3,)
        Loss weights of the next epoch.
    history : dict of list
        ``epoch`` (from 1), ``loss``, ``score``, ``weight_cross_entropy``,
        ``weight_focal``, ``weight_dice``: the loss weights that the epoch trained with.
        ``score`` is NaN where nothing is held out. If the rule takes it, the fields of
        :class:`skadaptive.adaptation.HeldOut`.
    best_epoch : int
        The last epoch if nothing is held out.
    best_score : float
        Its score; NaN if nothing is held out.
    stop : bool
    """

    def __init__(
        self, rows, scorer, adaptation, patience=None, earlier=EarlierEpochs()
    ):
        self.scorer = scorer
        self.loss_weights = adaptation.initial_weights
        if earlier.loss_weights is not None:
            self.loss_weights = earlier.loss_weights
        self.best_epoch, self.best_score = earlier.best_epoch, np.nan
        self.stop = False
        takes_more = adaptation.rate > 0 and takes_held_out(adaptation.rule)
        self._feedback = HeldOut._fields if takes_more else ()
        n_before = len(earlier.history.get("epoch", []))
        self.history = {
            key: list(earlier.history.get(key, [np.nan] * n_before))
            for key in (*_KEYS, *self._feedback)
        }
        self.folds, self._n_rows = rows.folds, len(rows)
        self._held_out = rows.held_out
        self._adaptation, self._patience = adaptation, patience
        self._best_smoothed, self._best_logits = -np.inf, None
        # A chunk of a stream that could not be scored has NaN, which does not count.
        self._scores = [score for score in self.history["score"] if np.isfinite(score)]
        self._last_rise = len(self.history["epoch"])

    def begin(self, logits):
        """Score the network to continue from, which is the best one so far.

        Parameters
        ----------
        logits : list of ndarray of shape (n_test, n_outputs)
            Each member's predictions for the rows it holds out.
        """
        self._best_logits = self._pooled(logits)
        self.best_score = self._best_smoothed = self.scorer.score(self._best_logits)
        # Scores of earlier calls may be of other rows, or by another scorer.
        self._scores = [self.best_score]

    def observe(self, loss, logits):
        """Score an epoch that has just been trained, and update the attributes.

        Parameters
        ----------
        loss : float
            Mean loss over the epoch.
        logits : list of ndarray of shape (n_test, n_outputs), or None
            Each member's predictions for the rows it holds out.

        Returns
        -------
        bool
            Whether this is the best epoch so far.
        """
        epoch = len(self.history["epoch"]) + 1
        self.history["epoch"].append(epoch)
        self.history["loss"].append(loss)
        for term, weight in zip(TERMS, self.loss_weights, strict=True):
            self.history[f"weight_{term}"].append(float(weight))
        if self.scorer is None:
            for key in ("score", *self._feedback):
                self.history[key].append(np.nan)
            self.best_epoch = epoch
            return True
        pooled = self._pooled(logits)
        self.history["score"].append(self.scorer.score(pooled))
        self._scores.append(self.history["score"][-1])
        held_out = None
        if self._feedback:
            for key, value in self.scorer.at_thresholds(pooled).items():
                self.history[key].append(value)
            held_out = HeldOut.from_history(self.history)
        self.loss_weights = next_weights(
            self._adaptation.rule,
            self._scores,
            self.loss_weights,
            self._adaptation.initial_weights,
            self._adaptation.rate,
            held_out,
        )
        # The smoothed score depends less on chance.
        score = smooth(self._scores)[-1]
        if score == self._best_smoothed:
            ties = self.scorer.tie_breakers
            is_best = ties(pooled) > ties(self._best_logits)
        else:
            is_best = score > self._best_smoothed
            self._last_rise = epoch if is_best else self._last_rise
        if is_best:
            self._best_smoothed, self._best_logits = score, pooled
            self.best_epoch, self.best_score = epoch, self._scores[-1]
        if self._patience is not None:
            self.stop = epoch - self._last_rise >= self._patience
        return is_best

    def _pooled(self, logits):
        return pool(self._n_rows, self.folds, logits)[self._held_out]
