"""The adaptation for anyone's own Keras model."""

import keras
import numpy as np
from keras import ops

from ._parameters import check_loss_weights
from .adaptation import TERMS, check_rule, next_weights
from .losses import HybridLoss


class AdaptiveLossWeights(keras.callbacks.Callback):
    """Adapt the mix of a :class:`~skadaptive.losses.HybridLoss` while a model trains.

    After each epoch the rule looks at the monitored score and sets the mix of the
    next one. The mix that an epoch trained with goes into its logs, and so into the
    ``History``, as ``weight_cross_entropy``, ``weight_focal`` and ``weight_dice``.

    Parameters
    ----------
    monitor : str, default="val_auc"
        Quantity in the logs that is the score, best one measured on validation data.
    mode : {"max", "min"}, default="max"
        Whether a greater or a smaller value is better.
    adaptation : {"performance", "lookup"} or callable, default="performance"
        Rule, see :mod:`skadaptive.adaptation`.
    adaptation_rate : float, default=0.1
        Step size in [0, 1].

    Raises
    ------
    ValueError
        For a rule or a rate that do not exist; when training begins without a
        ``HybridLoss``; at the end of an epoch without the monitored quantity.

    Examples
    --------
    >>> import keras
    >>> from skadaptive.callbacks import AdaptiveLossWeights
    >>> from skadaptive.losses import HybridLoss
    >>> from skadaptive.datasets import load_rare
    >>> X, y = load_rare("digits", return_X_y=True)
    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(1, activation="sigmoid")]
    ... )
    >>> model.compile("adam", HybridLoss(), metrics=[keras.metrics.AUC(name="auc")])
    >>> history = model.fit(
    ...     X / 16, y, validation_split=0.3, epochs=2, verbose=0,
    ...     callbacks=[AdaptiveLossWeights("val_auc")],
    ... )
    >>> len(history.history["weight_focal"])
    2
    """

    def __init__(
        self,
        monitor="val_auc",
        mode="max",
        adaptation="performance",
        adaptation_rate=0.1,
    ):
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f'mode must be "max" or "min"; got {mode!r}.')
        check_rule(adaptation, adaptation_rate)
        self.monitor = monitor
        self.mode = mode
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate

    def on_train_begin(self, logs=None):
        if not isinstance(self.model.loss, HybridLoss):
            raise ValueError(
                "AdaptiveLossWeights needs a model compiled with loss=HybridLoss(...); "
                f"got loss={self.model.loss!r}."
            )
        if keras.backend.backend() == "jax":
            raise ValueError(
                "AdaptiveLossWeights cannot act on Keras's JAX backend, which compiles "
                "the variables of a loss in. Use TensorFlow or PyTorch."
            )
        self._scores = []
        # From the loss, not from its current mix: fit may be called again.
        initial = self.model.loss.initial_loss_weights
        self._initial = check_loss_weights(initial)
        self.model.loss.loss_weights.assign(check_loss_weights(self._weights()))

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        if self.monitor not in logs:
            raise ValueError(
                f"There is no {self.monitor!r} to monitor. Available: "
                f"{', '.join(logs)}. Add the metric in compile, and validation data "
                "in fit for a name that begins with val_."
            )
        score = float(logs[self.monitor])
        if not np.isfinite(score):
            raise ValueError(f"{self.monitor} is {score} after epoch {epoch + 1}.")
        self._scores.append(score if self.mode == "max" else -score)
        weights = self._weights()
        logs.update(
            {f"weight_{t}": float(w) for t, w in zip(TERMS, weights, strict=True)}
        )
        new = next_weights(
            self.adaptation, self._scores, weights, self._initial, self.adaptation_rate
        )
        self.model.loss.loss_weights.assign(new)

    def _weights(self):
        weights = ops.convert_to_numpy(self.model.loss.loss_weights)
        return np.asarray(weights, dtype=float)
