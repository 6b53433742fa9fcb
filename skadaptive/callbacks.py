"""Adaptive loss weights for any Keras model."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import logit

from ._committee.threshold_tuning import at_thresholds
from ._messages import shown
from ._parameters import check_loss_weights
from ._typing import FloatArray
from .adaptation import TERMS, HeldOut, Rule, check_rule, next_weights, takes_held_out
from .losses import HybridLoss
from .thresholds import f1

__all__ = ["AdaptiveLossWeights"]


class AdaptiveLossWeights(keras.callbacks.Callback):
    """Adapt the weights of a :class:`~skadaptive.losses.HybridLoss` during training.

    After each epoch the rule sets the loss weights of the next epoch from the monitored
    score. The weights of an epoch are added to its logs, and so to the ``History``, as
    ``weight_cross_entropy``, ``weight_focal`` and ``weight_dice``.

    Parameters
    ----------
    monitor : str, default=None
        Name of the score in the logs. Monitor one that is measured on validation data.
        None monitors "val_auc", or with ``validation_data`` the F1 score of these rows.
    mode : {"max", "min"}, default="max"
        Whether a greater or a smaller value of ``monitor`` is better.
    adaptation : {"performance", "lookup", "threshold"} or callable, \
            default="performance"
        Rule, see :mod:`skadaptive.adaptation`. With "threshold" the mix is steered so
        that 0.5 is the right decision threshold.
    adaptation_rate : float, default=0.1
        Step size in [0, 1]; 0 keeps the loss weights constant.
    validation_data : tuple (X, y) or (X, y, sample_weight), default=None
        Rows that do not train, for rules with a parameter ``held_out`` such as
        "threshold". ``y`` is 1 for the rare class, else 0. The best threshold and the
        confusion matrix of each epoch are added to its logs, too.

    Raises
    ------
    ValueError
        If there is no such mode or rule, the rate is outside [0, 1], or the rule needs
        ``validation_data``, whose labels must be 0 and 1. When training begins, if the
        loss of the model is not a ``HybridLoss``. At the end of an epoch, if the
        monitored score is not in the logs or not finite, or if the model has several
        outputs for ``validation_data`` or predicts no finite numbers.

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
        monitor: str | None = None,
        mode: str = "max",
        adaptation: str | Rule = "performance",
        adaptation_rate: float = 0.1,
        validation_data: tuple | None = None,
    ) -> None:
        super().__init__()
        if mode not in ("max", "min"):
            raise ValueError(f'mode must be "max" or "min"; got {mode!r}.')
        check_rule(adaptation, adaptation_rate)
        if validation_data is None and takes_held_out(adaptation):
            raise ValueError(
                f"adaptation={adaptation!r} needs rows that do not train: pass "
                "validation_data=(X, y)."
            )
        self.monitor = monitor
        self.mode = mode
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate
        if validation_data is not None:
            _check_validation_data(validation_data)
        self.validation_data = validation_data

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
        self._held_out = HeldOut([], [], [], [], [])
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
        held_out = None
        if self.validation_data is not None:
            held_out = self._observe(self.validation_data, logs)
        score = self._score(logs, epoch)
        is_error = self.mode == "min" and self.monitor is not None
        self._scores.append(-score if is_error else score)
        weights = self._weights()
        logs.update(
            {f"weight_{t}": float(w) for t, w in zip(TERMS, weights, strict=True)}
        )
        new = next_weights(
            self.adaptation,
            self._scores,
            weights,
            self._initial,
            self.adaptation_rate,
            held_out,
        )
        if not np.array_equal(np.asarray(new, "float32"), weights):
            self._assign(new)

    def _observe(self, validation_data: tuple, logs: dict[str, Any]) -> HeldOut:
        """Predict the validation data; what they say of all epochs so far."""
        X, y, *weight = validation_data
        predicted = np.asarray(self.model.predict(X, verbose=0), dtype=float)
        y = np.asarray(y).ravel().astype(int)
        if predicted.size != len(y):
            raise ValueError(
                "validation_data are for models with one output and two classes; the "
                f"output has shape {predicted.shape} for {len(y)} labels. Monitor a "
                "score in the logs instead."
            )
        if not np.isfinite(predicted).all():
            raise ValueError(
                "The model predicts values for validation_data that are not finite. "
                "Lower the learning rate if training diverges, and look for missing "
                "values in X."
            )
        logits = predicted.ravel()
        if not self.model.loss.from_logits:
            edge = np.finfo(np.float32).eps
            logits = logit(np.clip(logits, edge, 1 - edge))
        sample_weight = np.asarray(weight[0], float).ravel() if weight else None
        for name, value in at_thresholds(f1, y, logits, sample_weight).items():
            getattr(self._held_out, name).append(value)
            logs[name] = value
        return self._held_out

    def _score(self, logs: dict[str, Any], epoch: int) -> float:
        """The monitored score of this epoch."""
        if self.monitor is None and self.validation_data is not None:
            tp, fp, fn = (np.array(logs[name]) for name in ("tp", "fp", "fn"))
            return float(f1(tp, fp, fn, tp))
        monitor = self.monitor or "val_auc"
        if monitor not in logs:
            raise ValueError(
                f"There is no {monitor!r} to monitor. Available: "
                f"{', '.join(logs)}. Add the metric in compile; a name that begins "
                "with val_ also needs validation data in fit."
            )
        score = float(logs[monitor])
        if not np.isfinite(score):
            raise ValueError(
                f"{monitor} must be finite to adapt the loss weights; after epoch "
                f"{epoch + 1} it is {score}. Monitor another metric, or lower the "
                "learning rate if training diverges."
            )
        return score

    def _assign(self, weights: FloatArray) -> None:
        """Set the loss weights so that the next update uses them on any backend."""
        self.model.loss.loss_weights.assign(weights)
        if keras.backend.backend() == "jax":
            self.model.make_train_function(force=True)
            self.model.make_test_function(force=True)

    def _weights(self) -> FloatArray:
        weights = ops.convert_to_numpy(self.model.loss.loss_weights)
        return np.asarray(weights, dtype=float)


def _check_validation_data(validation_data: tuple) -> None:
    """Refuse what is no pair or triple, or lacks labels of two classes, 0 and 1."""
    if not (isinstance(validation_data, tuple) and len(validation_data) in (2, 3)):
        raise ValueError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight); got "
            f"{type(validation_data).__name__} of length {len(validation_data)}."
        )
    labels = np.unique(np.asarray(validation_data[1]))
    if not np.array_equal(labels, [0, 1]):
        raise ValueError(
            "The labels of validation_data=(X, y) must be 1 for the rare class and 0 "
            f"for the other one, with rows of both; got {shown(labels[:5])}."
        )
