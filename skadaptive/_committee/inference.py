"""Prediction in NumPy, without Keras.

A fitted estimator predicts with this module alone, and its pickle holds plain arrays.

The networks run in the precision in which they were trained, float32 but for small full
batches; scaling, encoding and everything after the networks' logits run in float64. So
do the networks before an isotonic calibration.

Rows go through the matrix products in blocks of one fixed shape, padded where needed:
BLAS picks its kernel by shape, and a row alone would otherwise differ in the last bits
from the same row in a table. For the same reason no product is so large that BLAS would
divide it among threads. Many rows are divided among threads here.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax, ndtr, softmax

from .._features.scaling import BOUND
from .._features.transform import InputTransform
from .._threads import for_each
from .calibration import Calibration, IsotonicCalibration

# Rows per matrix product. A product of 8 rows with a kernel of 510 x 64 or 64 x 64 is
# as quick per row as one of 128, and one row then costs little.
BLOCK = 8
# Blocks per pass: inputs and activations of all members then stay in the cache. With
# twice as many the encoding alone takes eight times as long per row in some processes,
# because its arrays are given back to the system and asked for again at each pass.
_BLOCKS_PER_PASS = 16
# Passes from which on a second thread is worth its start.
_PASSES_PER_THREAD = 4
# Multiplications per product. OpenBLAS divides larger ones among threads, which costs
# more than it saves for products of so few rows.
_MAX_PRODUCT = 2**18
# No activation is farther from 0 than this many times its argument: the slope of selu
# at 0 from below, scale * alpha.
_STEEPEST = 1.76
# Sums of probabilities below which they are computed as logarithms.
_CERTAIN = 1e-200


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

    The logits of each member are calibrated, and the committee's probabilities are the
    mean of its members' calibrated probabilities.

    Attributes
    ----------
    transform : InputTransform
        From the features to the inputs of the networks.
    activation : str
        Key of :data:`ACTIVATIONS`.
    kernels : list of ndarray of shape (n_members, n_inputs, n_units)
        One per layer, the output layer last; float32, or float64 if the members were
        trained so.
    biases : list of ndarray of shape (n_members, n_units)
    calibration : Calibration or None
        Applied to the logits of each member; see ``_committee.calibration``.
    """

    transform: InputTransform
    activation: str
    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    calibration: Calibration | None = None

    @property
    def n_members(self):
        return len(self.kernels[0])

    @property
    def n_outputs(self):
        return self.kernels[-1].shape[-1]

    @property
    def dtype(self):
        """Precision of the training."""
        return self.kernels[0].dtype

    @property
    def precision(self):
        """Precision of the products of all members together.

        A step of an isotonic calibration magnifies the rounding of the logits, which
        depends on BLAS: in float32 the probabilities of NumPy and onnxruntime differed
        by up to 8e-5, and in float64 by 6e-7 (50 fits of
        ``benchmarks/onnx_export.py``).
        """
        is_steep = isinstance(self.calibration, IsotonicCalibration)
        return np.dtype(float) if is_steep else self.dtype

    def can_overflow(self):
        """Whether some row could have a member's logit that float32 cannot hold.

        Every input of the networks is within plus and minus 3, whatever the features
        are, so that the absolute values of the kernels bound every sum on the way.

        Returns
        -------
        bool
        """
        bound = np.full((self.n_members, 1, self.kernels[0].shape[1]), BOUND)
        with np.errstate(over="ignore", invalid="ignore"):
            for kernel, bias in zip(self.kernels, self.biases, strict=True):
                bound = np.matmul(bound, np.abs(kernel, dtype=float))
                bound = _STEEPEST * (bound + np.abs(bias[:, None], dtype=float))
        return not (bound < np.finfo(np.float32).max).all()

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
        part = slice(None) if member is None else slice(member, member + 1)
        dtype = self.precision if member is None else self.dtype
        # (n_members, 1, n_inputs, n_units): every block meets every member.
        layers = [
            (
                kernel[part, None].astype(dtype, copy=False),
                bias[part, None, None].astype(dtype, copy=False),
            )
            for kernel, bias in zip(self.kernels, self.biases, strict=True)
        ]
        out = np.empty((len(X), self.n_outputs))

        def predict(start):
            rows = slice(start, start + BLOCK * _BLOCKS_PER_PASS)
            logits = self._member_logits(X[rows], layers)
            logits = self._pooled(logits) if member is None else logits[0]
            out[rows] = logits[: len(out[rows])]

        starts = range(0, len(X), BLOCK * _BLOCKS_PER_PASS)
        for_each(predict, starts, _PASSES_PER_THREAD)
        return out

    def _member_logits(self, X, layers):
        """Logits of each member, (n_members, n_rows, n_outputs), float64.

        The rows are filled up to whole blocks with rows of no meaning.
        """
        n_inputs = layers[0][0].shape[-2]
        n_blocks = -(-len(X) // BLOCK)
        x = np.zeros((n_blocks, BLOCK, n_inputs), layers[0][0].dtype)
        self.transform(X, out=x.reshape(-1, n_inputs)[: len(X)])
        for index, (kernel, bias) in enumerate(layers):
            if index:
                x = ACTIVATIONS[self.activation](x)
            x = _product(x, kernel)
            x += bias
        return x.reshape(len(x), -1, self.n_outputs).astype(float)

    def _pooled(self, logits):
        """Logits of the mean probabilities, from (n_members, n_rows, n_outputs)."""
        shape = logits.shape
        logits = logits.reshape(-1, self.n_outputs)
        if self.calibration is not None:
            logits = self.calibration(logits)
        if shape[0] == 1:
            return logits
        if self.n_outputs == 1:
            return _logit_of_mean(logits.reshape(shape))
        log_proba = log_probabilities(logits).reshape(shape)
        return np.logaddexp.reduce(log_proba, axis=0) - np.log(len(log_proba))


def _product(x, kernel):
    """Matrix product, in parts that BLAS does not divide among threads."""
    n_inputs, n_units = kernel.shape[-2:]
    width = max(1, _MAX_PRODUCT // (BLOCK * n_units))
    total = np.matmul(x[..., :width], kernel[..., :width, :])
    for start in range(width, n_inputs, width):
        part = slice(start, start + width)
        total += np.matmul(x[..., part], kernel[..., part, :])
    return total


def _logit_of_mean(logits):
    """Logit of the mean of the probabilities, from the logits along the first axis."""
    first, second = expit(-logits).sum(axis=0), expit(logits).sum(axis=0)
    certain = np.minimum(first, second) < _CERTAIN
    if not certain.any():
        return np.log(second) - np.log(first)
    # Logarithms do not underflow, so rows of which all members are certain keep their
    # order. They take several times as long.
    second[certain], first[certain] = 1.0, 1.0
    mean = np.log(second) - np.log(first)
    logs = (-np.logaddexp(0.0, sign * logits[:, certain]) for sign in (-1.0, 1.0))
    log_second, log_first = (np.logaddexp.reduce(log, axis=0) for log in logs)
    mean[certain] = log_second - log_first
    return mean


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
