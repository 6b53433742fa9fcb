"""Losses for a rare class: cross-entropy, focal, soft Dice and their hybrid.

Goals
-----
- Work on logits, and stay finite, gradients included, for any logit.
- Give one value per committee member: reductions run over the batch axis only.
- Apply sample weights inside every term. A row of weight 0 does not count; a row of
  weight 2 is equivalent to the row twice.
- Use ``keras.ops`` alone, so that they run on every Keras backend.

Shapes
------
``logits`` is (batch, ..., n_outputs), ``y_true`` and ``sample_weight`` are
(batch, ...), a loss is (...): for a committee "..." is one axis of members, for a
plain Keras model it is empty. With ``n_outputs == 1`` the problem is binary and
``y_true`` is 1 for the rare class; otherwise there is one output per class and
``y_true`` holds class indices.

The losses are plain functions, because they have no state. :class:`HybridLoss` wraps
them for ``keras.Model.compile`` and holds the loss weights in a variable, so that they
can change after compilation.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import keras
import numpy as np
from keras import ops

from ._parameters import FOCAL_CONSTRAINTS, check_alpha, check_loss_weights
from ._sklearn_compat import Interval, validate_parameter_constraints
from ._typing import ArrayLike, Tensor

__all__ = ["HybridLoss", "cross_entropy", "dice", "focal", "hybrid"]

# Replaces the logit of a class that is masked out of a log-sum-exp, by dtype: about the
# least number, so that no logit counts less. With -inf the gradients would be NaN.
_MASKED = {"float16": -65504.0, "float32": -3.4e38, "bfloat16": -3.38e38}
_MASKED["float64"] = -1.79e308


# ------------------------------------------------------------------ the three terms


def cross_entropy(
    y_true: Tensor,
    logits: Tensor,
    sample_weight: Tensor = None,
    *,
    total_weight: Tensor = None,
) -> Tensor:
    """Weighted mean of the cross-entropy.

    The cross-entropy of a row with logits z is softplus(-s z) with s = 2y - 1 in the
    binary case, and -log softmax(z)_y with more classes.

    Parameters
    ----------
    y_true : tensor of shape (batch, ...)
        0 and 1 (rare class), or class indices.
    logits : tensor of shape (batch, ..., n_outputs)
        One output in the binary case, otherwise one per class.
    sample_weight : tensor of shape (batch, ...), default=None
        Non-negative weights; None gives every row the weight 1.
    total_weight : tensor of shape (...), default=None
        Divisor of the weighted sum; None takes the total weight of the batch. Pass the
        average total weight of a batch when training on small batches: with its own
        total weight the heavy rows of one batch count no more than the light rows of
        another.

    Returns
    -------
    tensor of shape (...)
        Loss in nats, 0 where all weights are 0.
    """
    y_true, weight = _aligned(y_true, logits, sample_weight)
    return _mean(_log_losses(y_true, logits)[0], weight, total_weight)


def focal(
    y_true: Tensor,
    logits: Tensor,
    sample_weight: Tensor = None,
    *,
    gamma: Tensor = 2.0,
    alpha: Tensor = 0.75,
    total_weight: Tensor = None,
) -> Tensor:
    """Weighted mean of the focal loss.

    The focal loss of a row is -a_y (1 - p_y)^gamma log p_y, where p_y is the
    probability of the true class and a_y its weight (Lin et al., 2017, "Focal Loss for
    Dense Object Detection", eq. 5).

    Parameters
    ----------
    y_true : tensor of shape (batch, ...)
        0 and 1 (rare class), or class indices.
    logits : tensor of shape (batch, ..., n_outputs)
        See :func:`cross_entropy`.
    sample_weight : tensor of shape (batch, ...), default=None
        Non-negative weights; None gives every row the weight 1.
    gamma : float or scalar tensor, default=2.0
        Focusing parameter; 0 gives the cross-entropy weighted by alpha.
    alpha : float or tensor of shape (n_classes,), default=0.75
        Weight of each class. Two classes, with one output or two: a float is the
        weight of the rare class (``y_true == 1``), and the other class gets ``1 -
        alpha``. More classes: a float is the weight of every class.
    total_weight : tensor of shape (...), default=None
        Divisor of the weighted sums; see :func:`cross_entropy`.

    Returns
    -------
    tensor of shape (...)
        Loss in nats, 0 where all weights are 0.
    """
    y_true, weight = _aligned(y_true, logits, sample_weight)
    log_loss, log_miss = _log_losses(y_true, logits)
    alpha = _class_alpha(alpha, y_true, logits)
    values = alpha * ops.exp(gamma * log_miss) * log_loss
    return _mean(values, weight, total_weight)


def dice(
    y_true: Tensor,
    logits: Tensor,
    sample_weight: Tensor = None,
    *,
    smooth: Tensor = 1.0,
) -> Tensor:
    """Soft Dice loss, with the weights inside the ratio.

    With w, y and p for weight, label and probability of the rare class, the loss is
    1 - (2 sum(w y p) + smooth) / (sum(w y) + sum(w p) + smooth) (Milletari et al.,
    2016, "V-Net", here with the plain sum in the denominator). With two or more outputs
    it is the mean over each class against the rest, taken over the classes that have
    weight in the batch. So two outputs for two classes have another Dice loss than one
    output, which counts the rare class alone.

    Parameters
    ----------
    y_true : tensor of shape (batch, ...)
        0 and 1 (rare class), or class indices.
    logits : tensor of shape (batch, ..., n_outputs)
        See :func:`cross_entropy`.
    sample_weight : tensor of shape (batch, ...), default=None
        Non-negative weights; None gives every row the weight 1.
    smooth : float or scalar tensor, default=1.0
        Term that is added to numerator and denominator, in units of sample weight. It
        should be about the weight of one row: with a much smaller value a batch without
        rare rows has a loss near 1 however small its probabilities are, and its
        gradient is noise.

    Returns
    -------
    tensor of shape (...)
        Loss in [0, 1).
    """
    y_true, weight = _aligned(y_true, logits, sample_weight)
    if logits.shape[-1] == 1:
        probability = ops.sigmoid(logits[..., 0])
        return _dice(y_true, probability, weight, smooth)
    truth = _one_hot(y_true, logits)
    weight = ops.expand_dims(weight, -1)
    per_class = _dice(truth, ops.softmax(logits, axis=-1), weight, smooth)
    present = ops.cast(ops.sum(weight * truth, axis=0) > 0, logits.dtype)
    return ops.divide_no_nan(
        ops.sum(present * per_class, axis=-1), ops.sum(present, axis=-1)
    )


def hybrid(
    y_true: Tensor,
    logits: Tensor,
    sample_weight: Tensor = None,
    *,
    loss_weights: Tensor = (0.4, 0.4, 0.2),
    gamma: Tensor = 2.0,
    alpha: Tensor = 0.75,
    smooth: Tensor = 1.0,
    total_weight: Tensor = None,
) -> Tensor:
    """Weighted sum of cross-entropy, focal loss and soft Dice loss.

    Parameters
    ----------
    y_true : tensor of shape (batch, ...)
        0 and 1 (rare class), or class indices.
    logits : tensor of shape (batch, ..., n_outputs)
        See :func:`cross_entropy`.
    sample_weight : tensor of shape (batch, ...), default=None
        Non-negative weights; None gives every row the weight 1.
    loss_weights : sequence or tensor of shape (3,), default=(0.4, 0.4, 0.2)
        Factors of cross-entropy, focal loss and soft Dice loss.
    gamma : float or scalar tensor, default=2.0
        Focusing parameter of the focal loss.
    alpha : float or tensor of shape (n_classes,), default=0.75
        Weight of each class in the focal loss; see :func:`focal`. A float treats two
        classes alike with one output and with two.
    smooth : float or scalar tensor, default=1.0
        Smoothing term of the soft Dice loss, in units of sample weight.
    total_weight : tensor of shape (...), default=None
        Divisor of the weighted sums of cross-entropy and focal loss; see
        :func:`cross_entropy`.

    Returns
    -------
    tensor of shape (...)
        The weighted sum. For two classes, one output and two have the same
        cross-entropy and focal loss, but not the same Dice loss; see :func:`dice`.
    """
    return (
        loss_weights[0]
        * cross_entropy(y_true, logits, sample_weight, total_weight=total_weight)
        + loss_weights[1]
        * focal(
            y_true,
            logits,
            sample_weight,
            gamma=gamma,
            alpha=alpha,
            total_weight=total_weight,
        )
        + loss_weights[2] * dice(y_true, logits, sample_weight, smooth=smooth)
    )


# ------------------------------------------------------------------ for Keras models

_CONSTRAINTS = {
    **FOCAL_CONSTRAINTS,
    # Without smoothing a batch of weight 0 would have the Dice loss 0 / 0.
    "smooth": [Interval(Real, 0, None, closed="neither")],
    "from_logits": ["boolean"],
}


@keras.saving.register_keras_serializable(package="skadaptive")
class HybridLoss(keras.losses.Loss):
    """Hybrid loss for any Keras model.

    The loss is the weighted sum of cross-entropy, focal loss and soft Dice loss, see
    :func:`hybrid`. Its weights can change while a model trains.

    Parameters
    ----------
    loss_weights : sequence of 3 floats, default=(0.4, 0.4, 0.2)
        Weights of cross-entropy, focal loss and soft Dice loss. The attribute
        ``loss_weights`` is a Keras variable: ``loss.loss_weights.assign(...)`` takes
        effect in the next training step, also in a compiled model.
    gamma : float, default=2.0
        Focusing parameter of the focal loss, in [0, 100].
    alpha : float or array-like of shape (n_classes,), default=0.75
        Class weights of the focal loss. A float in [0, 1] is the weight of the rare
        class (label 1), and the other class gets ``1 - alpha``, with a sigmoid and with
        a softmax of two outputs. With more than two classes a float is the weight of
        every class. An array has one non-negative weight per class.
    smooth : float, default=1.0
        Smoothing term of the soft Dice loss, greater than 0, in units of sample weight.
    from_logits : bool, default=False
        Whether the model returns logits. As in Keras's own losses, False expects
        probabilities, that is a sigmoid or softmax as the last activation.
    name : str, default="hybrid_loss"
        Name of the loss.

    Attributes
    ----------
    initial_loss_weights : ndarray of shape (3,)
        The weights that the loss was made with. They are saved with a model. To start
        anew, ``loss.loss_weights.assign(loss.initial_loss_weights)``.

    Raises
    ------
    ValueError
        If ``loss_weights`` are not three non-negative numbers of which at least one is
        positive, or another parameter is out of its range. When the loss is computed,
        if ``alpha`` has not one weight per class.

    See Also
    --------
    skadaptive.callbacks.AdaptiveLossWeights : Adapts the weights after each epoch.

    Notes
    -----
    On Keras's JAX backend a compiled training step holds the variables of a loss as
    constants; after ``loss.loss_weights.assign(...)`` call
    ``model.make_train_function(force=True)`` there, as ``AdaptiveLossWeights`` does.

    The loss of a batch is one number, because soft Dice loss is a ratio of sums. Sample
    weights are part of these sums, so ``reduction`` does not apply. All terms are
    divided by the total weight of the batch and not by its number of rows, as Keras's
    own losses are. With two or more outputs soft Dice loss is the mean over classes.
    The terms are summed without a common scale;
    :class:`skadaptive.AdaptiveHybridClassifier` first puts them on one scale.

    Examples
    --------
    >>> import keras
    >>> from skadaptive.losses import HybridLoss
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("adam", loss=HybridLoss(from_logits=True))
    """

    def __init__(
        self,
        loss_weights: ArrayLike = (0.4, 0.4, 0.2),
        gamma: float = 2.0,
        alpha: ArrayLike = 0.75,
        smooth: float = 1.0,
        from_logits: bool = False,
        name: str = "hybrid_loss",
    ) -> None:
        super().__init__(name=name)
        check_loss_weights(loss_weights)
        validate_parameter_constraints(
            _CONSTRAINTS,
            {
                "gamma": gamma,
                "alpha": alpha,
                "smooth": smooth,
                "from_logits": from_logits,
            },
            caller_name=type(self).__name__,
        )
        check_alpha(alpha, max(2, np.size(alpha)), rare=1)
        self.initial_loss_weights = np.asarray(loss_weights, dtype="float32")
        self.loss_weights = keras.Variable(self.initial_loss_weights, trainable=False)
        self.gamma = gamma
        self.alpha = alpha
        self.smooth = smooth
        self.from_logits = from_logits

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        y_true : array-like of shape (batch,) or (batch, 1)
            Labels: 0 and 1, or class indices; one-hot rows are accepted as well.
        y_pred : tensor of shape (batch,), (batch, 1) or (batch, n_classes)
            Logits or probabilities.
        sample_weight : array-like of shape (batch,) or (batch, 1), default=None
            Non-negative weights; None gives every row the weight 1.

        Returns
        -------
        scalar tensor
            Loss of the batch.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        if keras.backend.standardize_dtype(y_pred.dtype) in ("float16", "bfloat16"):
            y_pred = ops.cast(y_pred, "float32")
        if len(y_pred.shape) == 1:
            y_pred = ops.expand_dims(y_pred, -1)
        logits = y_pred if self.from_logits else _to_logits(y_pred)
        check_alpha(self.alpha, max(2, logits.shape[-1]), rare=1)
        # Keras passes labels of shape (batch,) or (batch, 1) on as they are. Labels of
        # the second shape would broadcast against the logits to a square.
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) == 2 and y_true.shape[-1] == y_pred.shape[-1] > 1:
            y_true = ops.argmax(y_true, axis=-1)
        y_true = ops.reshape(y_true, (-1,))
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight)
            sample_weight = ops.reshape(sample_weight, (-1,))
        return hybrid(
            y_true,
            logits,
            sample_weight,
            loss_weights=ops.cast(self.loss_weights.value, logits.dtype),
            gamma=self.gamma,
            alpha=self.alpha,
            smooth=self.smooth,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, with the current loss weights.

        Returns
        -------
        dict
            Arguments by name, and ``initial_loss_weights``, as ``from_config`` takes
            them.
        """
        return {
            "loss_weights": [float(w) for w in ops.convert_to_numpy(self.loss_weights)],
            "initial_loss_weights": self.initial_loss_weights.tolist(),
            "gamma": self.gamma,
            "alpha": np.asarray(self.alpha).tolist(),
            "smooth": self.smooth,
            "from_logits": self.from_logits,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> HybridLoss:
        """Make a loss that goes on where the one of ``get_config`` was.

        Parameters
        ----------
        config : dict
            See ``get_config``. Without ``initial_loss_weights``, as in files of earlier
            versions, the weights at the start are ``loss_weights``.

        Returns
        -------
        HybridLoss
        """
        arguments = dict(config)
        initial = arguments.pop("initial_loss_weights", None)
        loss = cls(**arguments)
        if initial is not None:
            check_loss_weights(initial)
            loss.initial_loss_weights = np.asarray(initial, dtype="float32")
        return loss


# ----------------------------------------------------------------------- helpers


def _aligned(
    y_true: Tensor, logits: Tensor, sample_weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Labels and weights in the dtype of the logits; None becomes weights of 1."""
    y_true = ops.cast(y_true, logits.dtype)
    if sample_weight is None:
        return y_true, ops.ones_like(y_true)
    return y_true, ops.cast(sample_weight, logits.dtype)


def _one_hot(y_true: Tensor, logits: Tensor) -> Tensor:
    return ops.one_hot(ops.cast(y_true, "int32"), logits.shape[-1], dtype=logits.dtype)


def _log_losses(y_true: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """-log p_y and log(1 - p_y), each of shape (batch, ...), without cancellation."""
    if logits.shape[-1] == 1:
        signed = (2 * y_true - 1) * logits[..., 0]
        return ops.softplus(-signed), -ops.softplus(signed)
    truth = _one_hot(y_true, logits)
    log_total = ops.logsumexp(logits, axis=-1)
    masked = _MASKED[keras.backend.standardize_dtype(logits.dtype)]
    log_others = ops.logsumexp(ops.where(truth > 0, masked, logits), axis=-1)
    return log_total - ops.sum(truth * logits, axis=-1), log_others - log_total


def _class_alpha(alpha: Tensor, y_true: Tensor, logits: Tensor) -> Tensor:
    """Weight in the focal loss of the class of each row."""
    # A Python number is not cast, so that it keeps its precision in any dtype.
    if not np.ndim(alpha):
        if logits.shape[-1] > 2:
            return alpha
        return y_true * alpha + (1 - y_true) * (1 - alpha)
    alpha = ops.cast(alpha, logits.dtype)
    if logits.shape[-1] == 1:
        return y_true * alpha[1] + (1 - y_true) * alpha[0]
    return ops.take(alpha, ops.cast(y_true, "int32"))


def _dice(truth: Tensor, probability: Tensor, weight: Tensor, smooth: Tensor) -> Tensor:
    overlap = ops.sum(weight * truth * probability, axis=0)
    total = ops.sum(weight * (truth + probability), axis=0)
    return 1 - (2 * overlap + smooth) / (total + smooth)


def _mean(values: Tensor, weight: Tensor, total_weight: Tensor = None) -> Tensor:
    if total_weight is not None:
        return ops.sum(weight * values, axis=0) / total_weight
    return ops.divide_no_nan(ops.sum(weight * values, axis=0), ops.sum(weight, axis=0))


def _to_logits(probability: Tensor) -> Tensor:
    """Logits of a sigmoid (one output) or softmax, clipped as in Keras's losses."""
    epsilon = keras.config.epsilon()
    probability = ops.clip(probability, epsilon, 1 - epsilon)
    if probability.shape[-1] == 1:
        return ops.log(probability) - ops.log(1 - probability)
    return ops.log(probability)
