"""Adaptive loss weights for any Keras model."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ._parameters import check_loss_weights
from ._typing import FloatArray
from .adaptation import TERMS, Rule, check_rule, next_weights
from .losses import HybridLoss

__all__ = ["AdaptiveLossWeights"]


class AdaptiveLossWeights(keras.callbacks.Callback):
    """Adapt the weights of a :class:`~skadaptive.losses.HybridLoss` during training.

    After each epoch the rule sets the loss weights of the next epoch from the monitored
    score. The weights of an epoch are added to its logs, and so to the ``History``, as
    ``weight_cross_entropy``, ``weight_focal`` and ``weight_dice``.

    Parameters
    ----------
    monitor : str, default="val_auc"
        Name of the score in the logs. Monitor one that is measured on validation data.
    mode : {"max", "min"}, default="max"
        Whether a greater or a smaller value is better.
    adaptation : {"performance", "lookup"} or callable, default="performance"
        Rule, see :mod:`skadaptive.adaptation`.
    adaptation_rate : float, default=0.1
        Step size in [0, 1]; 0 keeps the loss weights constant.

    Raises
    ------
    ValueError
        If there is no such mode or rule, or the rate is outside [0, 1]. When training
        begins, if the loss of the model is not a ``HybridLoss``. At the end of an
        epoch, if the monitored score is not in the logs or not finite.

    See Also
    --------
    skadaptive.losses.HybridLoss : Loss whose weights are adapted.

    Notes
    -----
    Keras's JAX backend compiles the variables of a loss into the training step. There
    the step is compiled anew whenever the weights move, once per epoch at most.

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
        monitor: str = "val_auc",
        mode: str = "max",
        adaptation: str | Rule = "performance",
        adaptation_rate: float = 0.1,
    ) -> None:
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f'mode must be "max" or "min"; got {mode!r}.')
        check_rule(adaptation, adaptation_rate)
        self.monitor = monitor
        self.mode = mode
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Set the loss weights to those that the loss was constructed with.

        Parameters
        ----------
        logs : dict, default=None
            Not used.
        """
        if not isinstance(self.model.loss, HybridLoss):
            raise ValueError(
                "AdaptiveLossWeights needs a model compiled with loss=HybridLoss(...); "
                f"got loss={self.model.loss!r}."
            )
        self._scores: list[float] = []
        # The current weights may be those that an earlier call of fit ended with.
        initial = self.model.loss.initial_loss_weights
        self._initial = check_loss_weights(initial)
        # Also without a move, for JAX may have compiled the step with other weights.
        self._assign(check_loss_weights(self._weights()))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the loss weights of the epoch to its logs, and set those of the next one.

        Parameters
        ----------
        epoch : int
            Number of the epoch, counted from 0.
        logs : dict, default=None
            Metrics of the epoch by name; the loss weights are added.
        """
        logs = {} if logs is None else logs
        if self.monitor not in logs:
            raise ValueError(
                f"There is no {self.monitor!r} to monitor. Available: "
                f"{', '.join(logs)}. Add the metric in compile; a name that begins "
                "with val_ also needs validation data in fit."
            )
        score = float(logs[self.monitor])
        if not np.isfinite(score):
            raise ValueError(
                f"{self.monitor} must be finite to adapt the loss weights; after epoch "
                f"{epoch + 1} it is {score}. Monitor another metric, or lower the "
                "learning rate if training diverges."
            )
        self._scores.append(score if self.mode == "max" else -score)
        weights = self._weights()
        logs.update(
            {f"weight_{t}": float(w) for t, w in zip(TERMS, weights, strict=True)}
        )
        new = next_weights(
            self.adaptation, self._scores, weights, self._initial, self.adaptation_rate
        )
        if not np.array_equal(np.asarray(new, "float32"), weights):
            self._assign(new)

    def _assign(self, weights: FloatArray) -> None:
        """Set the loss weights so that the next update uses them on any backend."""
        self.model.loss.loss_weights.assign(weights)
        if keras.backend.backend() == "jax":
            self.model.make_train_function(force=True)
            self.model.make_test_function(force=True)

    def _weights(self) -> FloatArray:
        weights = ops.convert_to_numpy(self.model.loss.loss_weights)
        return np.asarray(weights, dtype=float)
