"""Prediction in NumPy, without Keras.

A fitted estimator predicts with this module alone, and its pickle holds plain arrays.

Sums run in float64. Rows go through the matrix products in blocks of one fixed
shape, padded where needed: BLAS picks its kernel by shape, and a row alone would
otherwise differ in the last bits from the same row in a table.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax, ndtr, softmax

from .._features.transform import InputTransform
from .calibration import Calibration

# Rows per matrix product. For 57,000 x 29 rows, 128-64-32, 8, 32 and 128 take 76, 74
# and 72 ms; for one row 39, 53 and 117 us.
BLOCK = 8
# Blocks per pass: the activations of a committee's networks then stay in the cache.
_BLOCKS_PER_PASS = 32


def _relu(x):
    return np.maximum(x, 0.0, out=x)


def _selu(x):
    # Constants of Klambauer et al., 2017, "Self-Normalizing Neural Networks".
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))


def _silu(x):
    # Working in place takes a quarter of the time of x * expit(x).
    denominator = np.negative(x)
    with np.errstate(over="ignore"):
        np.exp(denominator, out=denominator)
    denominator += 1.0
    return np.divide(x, denominator, out=x)


def _gelu(x):
    # The exact form, Keras's default (Hendrycks & Gimpel, 2016).
    return np.multiply(x, ndtr(x), out=x)


def _tanh(x):
    return np.tanh(x, out=x)


#: Hidden activations by their Keras name.
ACTIVATIONS = {
    "relu": _relu,
    "selu": _selu,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "tanh": _tanh,
}


@dataclass(frozen=True)
class Committee:
    """A trained committee of MLPs.

    A member is an ensemble of one to three networks, snapshots of its training, whose
    logits are averaged. The logits of each member are calibrated, and the committee's
    probabilities are the mean of its members' calibrated probabilities.

    Attributes
    ----------
    transform : InputTransform
        From the features to the inputs of the networks.
    activation : str
        Key of :data:`ACTIVATIONS`.
    kernels : list of ndarray of shape (n_networks, n_inputs, n_units), float64
        One per layer, the output layer last. The networks of a member are neighbours.
    biases : list of ndarray of shape (n_networks, n_units), float64
    n_members : int
    calibration : Calibration or None
        Applied to the logits of each member; see ``_committee.calibration``.
    """

    transform: InputTransform
    activation: str
    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    n_members: int
    calibration: Calibration | None = None

    @property
    def n_outputs(self):
        return self.kernels[-1].shape[-1]

    def logits(self, X, member=None):
        """Logits of the committee, or of one member.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Unscaled features.
        member : int, default=None
            The uncalibrated logits of this member. None: the logits of the mean of all
            members' calibrated probabilities.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), float64
        """
        n_each = len(self.kernels[0]) // self.n_members
        part = slice(None)
        if member is not None:
            part = slice(member * n_each, (member + 1) * n_each)
        # (n_networks, 1, n_inputs, n_units): every block meets every network.
        layers = [
            (kernel[part, None], bias[part, None, None])
            for kernel, bias in zip(self.kernels, self.biases, strict=True)
        ]
        out = np.empty((len(X), self.n_outputs))
        for start in range(0, len(X), BLOCK * _BLOCKS_PER_PASS):
            rows = X[start : start + BLOCK * _BLOCKS_PER_PASS]
            x = _blocks(self.transform(rows))
            for index, (kernel, bias) in enumerate(layers):
                if index:
                    x = ACTIVATIONS[self.activation](x)
                x = np.matmul(x, kernel)
                x += bias
            x = x.reshape(-1, n_each, x[0].size // self.n_outputs, self.n_outputs)
            # The mean over one network takes as long as a layer does for one row.
            x = x.mean(axis=1) if n_each > 1 else x[:, 0]
            x = x[0] if member is not None else self._pooled(x)
            out[start : start + len(rows)] = x[: len(rows)]
        return out

    def _pooled(self, logits):
        """Logits of the mean probabilities, from (n_members, n_rows, n_outputs)."""
        shape = logits.shape
        logits = logits.reshape(-1, self.n_outputs)
        if self.calibration is not None:
            logits = self.calibration(logits)
        if shape[0] == 1:
            return logits
        # Logarithms keep the order where all members are certain.
        log_proba = log_probabilities(logits).reshape(*shape[:2], -1)
        mean = np.logaddexp.reduce(log_proba, axis=0) - np.log(len(log_proba))
        return mean[:, 1:] - mean[:, :1] if self.n_outputs == 1 else mean


def probabilities(logits):
    """Class probabilities from logits.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs)
        One output: the logit of the second class.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    if logits.shape[1] > 1:
        return softmax(logits, axis=1)
    return expit(logits * [-1.0, 1.0])


def log_probabilities(logits):
    """Logarithms of the class probabilities, without underflow.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs)

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    if logits.shape[1] > 1:
        return log_softmax(logits, axis=1)
    return -np.logaddexp(0.0, logits * [1.0, -1.0])


def _blocks(X):
    """Rows in blocks of BLOCK, the last one filled up with zeros."""
    n_blocks = -(-len(X) // BLOCK)
    if len(X) < n_blocks * BLOCK:
        padded = np.zeros((n_blocks * BLOCK, X.shape[1]))
        padded[: len(X)] = X
        X = padded
    return X.reshape(n_blocks, BLOCK, -1)
