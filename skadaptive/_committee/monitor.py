"""What each epoch's out-of-fold predictions decide: mix, best epoch, stop.

Early stopping and the choice of the best epoch follow the score, never the loss,
which changes its meaning as the mix moves.
"""

import numpy as np

from ..adaptation import TERMS, next_weights, smooth
from .folds import pool


class Monitor:
    """Judge the epochs of one training.

    Parameters
    ----------
    folds : list of (train, test)
    judge : Judge or None
        Scores the rows held out; None if there are none.
    n_samples : int
        Rows that the folds number.
    loss_weights : ndarray of shape (3,)
        Initial mix, to which a rule relaxes.
    rule : str or callable
        See :func:`skadaptive.adaptation.next_weights`.
    rate : float
        Adaptation rate.
    patience : int or None
        Epochs without a rise of the smoothed score before training stops; None never
        stops.
    history : dict of list, default=None
        Epochs of earlier calls, where training goes on.
    mix : ndarray of shape (3,), default=None
        Mix to go on with; None begins with the initial one.
    best_epoch : int, default=0
        Of the earlier epochs.

    Attributes
    ----------
    loss_weights : ndarray of shape (3,)
        Mix of the next epoch.
    history : dict of list
        ``epoch`` (from 1), ``loss``, ``score``, ``weight_cross_entropy``,
        ``weight_focal``, ``weight_dice``: the weights that the epoch trained with.
        ``score`` is NaN where nothing is held out.
    best_epoch : int
        The last epoch if nothing is held out.
    best_score : float
        Its score; NaN if nothing is held out.
    stop : bool
    """

    def __init__(
        self,
        folds,
        judge,
        n_samples,
        loss_weights,
        rule,
        rate,
        patience,
        history=None,
        mix=None,
        best_epoch=0,
    ):
        self.judge = judge
        self.loss_weights = loss_weights if mix is None else mix
        self.best_epoch = best_epoch
        self.stop = False
        weights = [f"weight_{term}" for term in TERMS]
        keys = ("epoch", "loss", "score", *weights)
        self.history = {key: list(history[key]) if history else [] for key in keys}
        self._folds = folds
        self._n_samples = n_samples
        self._initial = loss_weights
        self._rule = rule
        self._rate = rate
        self._patience = patience
        self.best_score = np.nan
        self._best_smoothed, self._best_logits = -np.inf, None
        # Scores that can be compared: chunks of a stream without one say nothing.
        self._scores = [score for score in self.history["score"] if np.isfinite(score)]
        self._last_rise = len(self.history["epoch"])

    def begin(self, logits):
        """Judge the network to go on from, the best so far.

        Parameters
        ----------
        logits : list of ndarray of shape (n_test, n_outputs)
            Each member's predictions for the rows it holds out.
        """
        self._best_logits = self._pooled(logits)
        self.best_score = self._best_smoothed = self.judge.score(self._best_logits)
        # Those of earlier calls may be of other rows, or by another scorer.
        self._scores = [self.best_score]

    def observe(self, loss, logits):
        """Take in an epoch that has just been trained.

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
        if self.judge is None:
            self.history["score"].append(np.nan)
            self.best_epoch = epoch
            return True
        pooled = self._pooled(logits)
        self.history["score"].append(self.judge.score(pooled))
        self._scores.append(self.history["score"][-1])
        self.loss_weights = next_weights(
            self._rule,
            self._scores,
            self.loss_weights,
            self._initial,
            self._rate,
        )
        # The smoothed score is less of a lucky draw.
        score = smooth(self._scores)[-1]
        if score == self._best_smoothed:
            ties = self.judge.tie_breakers
            better = ties(pooled) > ties(self._best_logits)
        else:
            better = score > self._best_smoothed
            self._last_rise = epoch if better else self._last_rise
        if better:
            self._best_smoothed, self._best_logits = score, pooled
            self.best_epoch, self.best_score = epoch, self._scores[-1]
        if self._patience is not None:
            self.stop = epoch - self._last_rise >= self._patience
        return better

    def _pooled(self, logits):
        pooled = pool(self._n_samples, self._folds, logits)
        return pooled[~np.isnan(pooled[:, 0])]
