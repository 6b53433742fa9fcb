"""Losses for a rare class: cross-entropy, focal, soft Dice and their hybrid.

Goals
-----
- Work on logits, and stay finite, gradients included, for any logit.
- Give one value per committee member: reductions run over the batch axis only.
- Honour weights inside every term. A row of weight 0 does not exist; a row of
  weight 2 is the row twice.
- Be written in ``keras.ops`` alone, so that they run on every Keras backend.

Shapes
------
``logits`` is (batch, ..., n_outputs), ``y_true`` and ``sample_weight`` are
(batch, ...), a loss is (...): for a committee "..." is one axis of members, for a
plain Keras model it is nothing. With ``n_outputs == 1`` the problem is binary and
``y_true`` is 1 for the rare class; otherwise there is one output per class and
``y_true`` holds class indices.

Plain functions, because a loss has no state; :class:`HybridLoss` wraps them for
``keras.Model.compile`` and holds what has to stay changeable after compilation.
"""

import keras
import numpy as np
from keras import ops

from ._parameters import check_loss_weights

__all__ = ["HybridLoss", "cross_entropy", "dice", "focal", "hybrid"]

# Stands for log(0) where a class is masked out of a log-sum-exp. Any finite value far
# below every logit does; -inf would give NaN gradients.
_MASKED = -1e30


# ------------------------------------------------------------------ the three terms


def cross_entropy(y_true, logits, sample_weight=None, *, total_weight=None):
    """Weighted mean of the cross-entropy.

    Binary, with s = 2y - 1: softplus(-s z). Multiclass: -log softmax(z)_y.

    Parameters
    ----------
    y_true : tensor of shape (batch, ...)
        0 and 1 (rare class), or class indices.
    logits : tensor of shape (batch, ..., n_outputs)
        One output: binary; otherwise one per class.
    sample_weight : tensor of shape (batch, ...), default=None
        Non-negative weights; None weighs every row 1.
    total_weight : tensor of shape (...), default=None
        What the weighted sum is divided by; None is the weight of the batch. In
        training on small batches it should be the weight that a batch has on average:
        its own would make the heavy rows of one batch count no more than the light
        rows of another.

    Returns
    -------
    tensor of shape (...)
        Loss in nats, 0 where all weights are 0.
    """
    y_true, weight = _aligned(y_true, logits, sample_weight)
    return _mean(_log_losses(y_true, logits)[0], weight, total_weight)


def focal(
    y_true, logits, sample_weight=None, *, gamma=2.0, alpha=0.75, total_weight=None
):
    """Weighted mean of the focal loss.

    -a_y (1 - p_y)^gamma log p_y, where p_y is the probability given to the true
    class (Lin et al., 2017, "Focal Loss for Dense Object Detection", eq. 5).

    Parameters
    ----------
    y_true, logits, sample_weight, total_weight
        See :func:`cross_entropy`.
    gamma : float or scalar tensor, default=2.0
        Focusing parameter; 0 gives the cross-entropy weighted by alpha.
    alpha : float or tensor of shape (n_classes,), default=0.75
        Weight of each class. Binary: a float is the weight of the rare class
        (``y_true == 1``), the other class gets ``1 - alpha``. Multiclass: a float
        weighs every class alike.

    Returns
    -------
    tensor of shape (...)
    """
    y_true, weight = _aligned(y_true, logits, sample_weight)
    log_loss, log_miss = _log_losses(y_true, logits)
    alpha = _class_alpha(alpha, y_true, logits)
    values = alpha * ops.exp(gamma * log_miss) * log_loss
    return _mean(values, weight, total_weight)


def dice(y_true, logits, sample_weight=None, *, smooth=1.0):
    """Soft Dice loss, with the weights inside the ratio.

    1 - (2 sum(w y p) + smooth) / (sum(w y) + sum(w p) + smooth), on the rare class
    (Milletari et al., 2016, "V-Net", with the plain sum in the denominator).
    Multiclass: each class against the rest, averaged over the classes that have
    weight in the batch.

    Parameters
    ----------
    y_true, logits, sample_weight
        See :func:`cross_entropy`.
    smooth : float or scalar tensor, default=1.0
        Added above and below, in units of weight. Of the order of one row: with a
        tiny value a batch that holds no rare row has the loss 1 however small its
        probabilities, and a gradient of pure noise.

    Returns
    -------
    tensor of shape (...)
        In [0, 1).
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
    y_true,
    logits,
    sample_weight=None,
    *,
    loss_weights=(0.4, 0.4, 0.2),
    gamma=2.0,
    alpha=0.75,
    smooth=1.0,
    total_weight=None,
):
    """Weighted sum of :func:`cross_entropy`, :func:`focal` and :func:`dice`.

    Parameters
    ----------
    y_true, logits, sample_weight, total_weight
        See :func:`cross_entropy`.
    loss_weights : sequence or tensor of shape (3,), default=(0.4, 0.4, 0.2)
        Factors of cross-entropy, focal loss and soft Dice.
    gamma, alpha
        See :func:`focal`.
    smooth
        See :func:`dice`.

    Returns
    -------
    tensor of shape (...)
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


# ------------------------------------------------------------------- common scale


def term_scales(class_shares, *, gamma, alpha):
    """Factors that put the three terms on one scale.

    Mixing weights mean something only if the terms pull equally hard. How hard a
    term pulls is taken as the sum over the rows of |dL/dz| where training begins,
    at the prediction p = class shares; each factor brings its term to the pull of
    cross-entropy. At a prevalence of 0.1 % with gamma 2 and alpha 0.75 focal loss
    is weaker there by a factor of 2.6, soft Dice by 1.3.

    Parameters
    ----------
    class_shares : ndarray of shape (n_classes,)
        Share of each class in the training weights, positive and summing to 1; with
        two classes the rare one is the last.
    gamma : float
        Focusing parameter.
    alpha : ndarray of shape (n_classes,)
        Weight of each class in the focal loss.

    Returns
    -------
    ndarray of shape (3,)
        Factors of cross-entropy (always 1), focal loss and soft Dice.
    """
    share = np.asarray(class_shares, dtype=float)
    miss = 1.0 - share
    cross_entropy_pull = np.sum(share * miss)
    hard = miss**gamma * (miss - gamma * share * np.log(share))
    focal_pull = np.sum(share * alpha * hard)
    # For large batches, with overlap I = share^2 and total S = 2 share, a row of the
    # class has |dDice/dz| = p (1 - p) (2 S - 2 I) / S^2, any other p (1 - p) 2 I / S^2.
    dice_pull = share * miss * (1.5 - share)
    dice_pull = dice_pull[-1] if len(share) == 2 else np.mean(dice_pull)
    pulls = np.array([cross_entropy_pull, focal_pull, dice_pull])
    return cross_entropy_pull / pulls


# ------------------------------------------------------------------ for Keras models


@keras.saving.register_keras_serializable(package="skadaptive")
class HybridLoss(keras.losses.Loss):
    """The hybrid loss for anyone's own Keras model.

    Parameters
    ----------
    loss_weights : sequence of 3 floats, default=(0.4, 0.4, 0.2)
        Mixing weights of cross-entropy, focal loss and soft Dice. They live in a
        variable: ``loss.loss_weights.assign(...)`` acts on the very next step,
        compiled or not. :class:`skadaptive.callbacks.AdaptiveLossWeights` does so.
    gamma : float, default=2.0
        Focusing parameter of the focal loss.
    alpha : float or sequence of floats, default=0.75
        Weight of the rare class (label 1) in the focal loss, or one per class.
    smooth : float, default=1.0
        Smoothing term of the soft Dice loss.
    from_logits : bool, default=False
        Whether the model gives logits. As in Keras's own losses, False expects
        probabilities, that is a sigmoid or softmax as the last activation.
    name : str, default="hybrid_loss"
        Name of the loss.

    Notes
    -----
    On Keras's JAX backend a compiled training step holds the variables of a loss as
    constants; a new mix acts there after ``model.compile`` has been called again.

    The loss of a batch is one number, because soft Dice is a ratio of sums; sample
    weights go into these sums, so ``reduction`` does not apply. The terms are mixed
    as they are; :class:`skadaptive.AdaptiveHybridClassifier` first puts them on one
    scale (:func:`term_scales`).

    Examples
    --------
    >>> import keras
    >>> from skadaptive.losses import HybridLoss
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("adam", loss=HybridLoss(from_logits=True))
    """

    def __init__(
        self,
        loss_weights=(0.4, 0.4, 0.2),
        gamma=2.0,
        alpha=0.75,
        smooth=1.0,
        from_logits=False,
        name="hybrid_loss",
    ):
        super().__init__(name=name)
        check_loss_weights(loss_weights)
        self.initial_loss_weights = np.asarray(loss_weights, dtype="float32")
        self.loss_weights = keras.Variable(self.initial_loss_weights, trainable=False)
        self.gamma = gamma
        self.alpha = alpha
        self.smooth = smooth
        self.from_logits = from_logits

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Loss of a batch.

        Parameters
        ----------
        y_true : array-like of shape (batch,) or (batch, 1)
            Labels: 0 and 1, or class indices; one-hot rows are taken as well.
        y_pred : tensor of shape (batch,), (batch, 1) or (batch, n_classes)
            Logits or probabilities.
        sample_weight : array-like of shape (batch,) or (batch, 1), default=None

        Returns
        -------
        scalar tensor
        """
        y_pred = ops.convert_to_tensor(y_pred)
        if keras.backend.standardize_dtype(y_pred.dtype) in ("float16", "bfloat16"):
            y_pred = ops.cast(y_pred, "float32")
        if len(y_pred.shape) == 1:
            y_pred = ops.expand_dims(y_pred, -1)
        logits = y_pred if self.from_logits else _to_logits(y_pred)
        # Keras hands over (batch,) or (batch, 1) as it finds them; unflattened, the
        # first would broadcast against the logits to a square.
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

    def get_config(self):
        return {
            "loss_weights": [float(w) for w in ops.convert_to_numpy(self.loss_weights)],
            "gamma": self.gamma,
            "alpha": np.asarray(self.alpha).tolist(),
            "smooth": self.smooth,
            "from_logits": self.from_logits,
            "name": self.name,
        }


# ----------------------------------------------------------------------- helpers


def _aligned(y_true, logits, sample_weight):
    """Labels and weights in the dtype of the logits, weights of 1 made explicit."""
    y_true = ops.cast(y_true, logits.dtype)
    if sample_weight is None:
        return y_true, ops.ones_like(y_true)
    return y_true, ops.cast(sample_weight, logits.dtype)


def _one_hot(y_true, logits):
    return ops.one_hot(ops.cast(y_true, "int32"), logits.shape[-1], dtype=logits.dtype)


def _log_losses(y_true, logits):
    """-log p_y and log(1 - p_y), each of shape (batch, ...), without cancellation."""
    if logits.shape[-1] == 1:
        signed = (2 * y_true - 1) * logits[..., 0]
        return ops.softplus(-signed), -ops.softplus(signed)
    truth = _one_hot(y_true, logits)
    log_total = ops.logsumexp(logits, axis=-1)
    log_others = ops.logsumexp(ops.where(truth > 0, _MASKED, logits), axis=-1)
    return log_total - ops.sum(truth * logits, axis=-1), log_others - log_total


def _class_alpha(alpha, y_true, logits):
    """alpha of each row's class."""
    if not np.ndim(alpha):  # a number keeps its precision in any dtype
        if logits.shape[-1] > 1:
            return alpha
        return y_true * alpha + (1 - y_true) * (1 - alpha)
    alpha = ops.cast(alpha, logits.dtype)
    if logits.shape[-1] == 1:
        return y_true * alpha[1] + (1 - y_true) * alpha[0]
    return ops.take(alpha, ops.cast(y_true, "int32"))


def _dice(truth, probability, weight, smooth):
    overlap = ops.sum(weight * truth * probability, axis=0)
    total = ops.sum(weight * (truth + probability), axis=0)
    return 1 - (2 * overlap + smooth) / (total + smooth)


def _mean(values, weight, total_weight=None):
    if total_weight is not None:
        return ops.sum(weight * values, axis=0) / total_weight
    return ops.divide_no_nan(ops.sum(weight * values, axis=0), ops.sum(weight, axis=0))


def _to_logits(probability):
    """Logits of a sigmoid (one output) or softmax, clipped as Keras clips."""
    epsilon = keras.config.epsilon()
    probability = ops.clip(probability, epsilon, 1 - epsilon)
    if probability.shape[-1] == 1:
        return ops.log(probability) - ops.log(1 - probability)
    return ops.log(probability)
