"""Snapshots: the mean parameters of a few epochs around the best one predict.

Huang et al., 2017, "Snapshot Ensembles: Train 1, Get M for Free", ICLR, average what
networks of several epochs predict. The mean of their parameters predicts as well, in a
third of the time and memory (docs/research/049). A snapshot is the exponential moving
average of the parameters after an epoch.
"""

from collections import deque

import numpy as np

# Epochs between snapshots: about as many as the moving average spans, so that two
# snapshots share little of it.
DISTANCE = 3

# Below 12 epochs no snapshot ensemble is built; consecutive snapshots still differ too
# much (docs/research/031). ``max_epochs="auto"`` is below 12 if a member has more than
# 8,727 training rows.
_MIN_EPOCHS = 4 * DISTANCE

# The moving average takes in at least this share of each epoch's parameters. With 0.3,
# 0.5 and 0.15 average precision was the same within .003 (docs/research/011).
_AVERAGE_SHARE = 0.3


class SnapshotEnsemble:
    """The averages at the best epoch, and ``DISTANCE`` epochs before and after it.

    Parameters
    ----------
    averages : list of ndarray
        Snapshots of an earlier training, the one to continue from first; empty before
        the first training.
    max_epochs : int
        Epochs of this training.

    Attributes
    ----------
    averages : list of ndarray
        One to three snapshots, that of the best epoch first.
    """

    def __init__(self, averages, max_epochs):
        self.averages = averages
        self._recent = deque(averages[:1], maxlen=DISTANCE + 1)
        self._has_several = max_epochs >= _MIN_EPOCHS
        self._best_epoch = None

    def offer(self, epoch, average, is_best):
        """Keep the average after an epoch if it is one of the snapshots.

        Parameters
        ----------
        epoch : int
            Counted from 1 within this training.
        average : ndarray
        is_best : bool
            Whether it is the best epoch so far.
        """
        self._recent.append(average)
        if is_best:
            reaches_back = self._has_several and len(self._recent) > DISTANCE
            self.averages = [average, *([self._recent[0]] if reaches_back else [])]
            self._best_epoch = epoch
        elif (
            self._has_several
            and self._best_epoch is not None
            and epoch == self._best_epoch + DISTANCE
        ):
            self.averages = [*self.averages, average]


def moving_average(average, parameters, epoch):
    """Exponential moving average of the parameters after one more epoch.

    It spans about three epochs, fewer at the start, where training goes fast. It
    predicts better than the parameters themselves, as the mean of several networks
    would (Izmailov et al., 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization", arXiv:1803.05407), and its score is less noisy.

    Parameters
    ----------
    average : ndarray or None
        None before the first epoch.
    parameters : ndarray
    epoch : int
        Counted from 1, over all trainings of a network.

    Returns
    -------
    ndarray, float64
    """
    if average is None:
        return parameters.astype(np.float64)
    # TensorFlow's ExponentialMovingAverage has the same ramp, decay (1 + n) / (10 + n).
    share = max(_AVERAGE_SHARE, 9 / (10 + epoch))
    return average + share * (parameters - average)
