"""Learning rate schedules: the share of the learning rate at each step."""

import numpy as np


def flat_then_cosine(progress):
    """Share of the learning rate after this share of the training, both in [0, 1].

    It is 1 for the first half and then falls to 0 along half a cosine. In half the
    epochs it is as good as the four cosine cycles of RealMLP (docs/research/017), whose
    own schedule of dropout and weight decay this is (Holzmüller et al., 2024,
    arXiv:2407.04491).
    """
    return 0.5 * (1 + np.cos(np.pi * np.maximum(0.0, 2 * progress - 1)))


def inverse_square_root(n_done, n_steps, progress):
    """Share of the learning rate in a stream, whose length is not known.

    It is 1 / sqrt(1 + steps / 100), but at least a quarter. The first chunks are learnt
    fast, and later the rate is low enough for a network that predicts well after every
    chunk. docs/research/005 compares it with a constant share and with cycles over each
    chunk.

    Parameters
    ----------
    n_done : int
        Steps before this chunk.
    n_steps : int
        Steps in this chunk.
    progress : ndarray
        Share of the steps of this chunk that is done.
    """
    step = n_done + n_steps * progress
    return np.maximum(0.25, 1.0 / np.sqrt(1.0 + step / 100.0))
