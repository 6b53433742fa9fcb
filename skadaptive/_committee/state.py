"""What a fitted estimator remembers in order to go on training, as plain arrays.

``warm_start`` and ``partial_fit`` begin where the last call ended: with its weights,
the optimizer's state, the seeds that say which row is held out from whom, and the
latest out-of-fold logits, from which calibration and threshold are learnt.
"""

from dataclasses import dataclass

import numpy as np

# Out-of-fold rows remembered at most.
_N_RECENT = 100_000


@dataclass(frozen=True)
class TrainingState:
    """Weights of a committee, and its optimizer's.

    Attributes
    ----------
    network : tuple
        Numbers of columns, of encoded ones and their bins, and of outputs, sizes of the
        hidden layers, number of members, activation: what the weights fit.
    weights : ndarray of shape (n_members * n_weights,)
        As ``_training.network.unflatten`` takes them.
    averages : list of ndarray of shape (n_members * n_weights,), float64
        What predicts: their running average over the epochs up to this one, and those
        at epochs before and after.
    factors : ndarray of shape (n_members * n_weights,), float64
        How far a unit step of the optimizer moves each weight.
    optimizer : str
        Its configuration, as JSON.
    slots : list of ndarray
        Its variables.
    batch_size : int
        Rows per step, for the chunks to come.
    """

    network: tuple
    weights: np.ndarray
    averages: list
    factors: np.ndarray
    optimizer: str
    slots: list
    batch_size: int


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Attributes
    ----------
    state : TrainingState or None
        None before training.
    initial_weights : ndarray of shape (3,)
        Mix to which the rule relaxes.
    loss_weights : ndarray of shape (3,)
        Mix of the next epoch.
    seeds : ndarray of shape (4,)
        Of folds, initial weights, batches and dropout, and the sampler.
    rare : int
        Index of the rare class.
    unit : float
        Sample weight that counts as 1.
    totals : ndarray of shape (n_classes,)
        Weight of each class so far, in units.
    recent : list of (logits, y, weight, n_rows)
        Uncalibrated out-of-fold logits, what they should have been, the natural weights
        and of how many rows these are left, for each call.
    n_seen : int
        Out-of-fold rows so far, those that are forgotten included.
    """

    state: TrainingState
    initial_weights: np.ndarray
    loss_weights: np.ndarray
    seeds: np.ndarray
    rare: int
    unit: float
    totals: np.ndarray
    recent: list
    n_seen: int


def remember(recent, n_seen, logits, y, weight):
    """Add out-of-fold rows, and forget early ones, which an earlier network judged.

    The latest half of all rows seen is kept. A call is forgotten as a whole, but never
    the last, nor one that alone has rows of a class.

    Parameters
    ----------
    recent : list of (logits, y, weight, n_rows)
    n_seen : int
        Rows seen before.
    logits : ndarray of shape (n_samples, n_outputs)
    y, weight : ndarray of shape (n_samples,)

    Returns
    -------
    list of (logits, y, weight, n_rows)
    """
    recent = [*recent, (logits, y, weight, len(y))]
    n_seen = n_seen + len(y)
    while len(recent) > 1:
        later = np.concatenate([call[1] for call in recent[1:]])
        n_later = sum(n_rows for *_, n_rows in recent[1:])
        if 2 * n_later < n_seen or np.setdiff1d(recent[0][1], later).size:
            break
        recent = recent[1:]
    return recent


def shortened(recent):
    """At most 100,000 rows, each call's share drawn at random.

    Parameters
    ----------
    recent : list of (logits, y, weight, n_rows)

    Returns
    -------
    list of (logits, y, weight, n_rows)
        Where rows are left out the weights of the others are raised.
    """
    share = _N_RECENT / max(1, sum(len(call[1]) for call in recent))
    if share >= 1:
        return recent
    rng = np.random.default_rng(0)
    kept = []
    for logits, y, weight, n_rows in recent:
        drawn = rng.choice(len(y), int(share * len(y)), replace=False)
        kept.append((logits[drawn], y[drawn], weight[drawn] / share, n_rows))
    return kept
