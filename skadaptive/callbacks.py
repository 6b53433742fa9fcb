"""Adaptive loss weights for any Keras model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import logit

from ._committee.threshold_tuning import at_thresholds
from ._messages import shown
from ._parameters import check_loss_weights
from ._sklearn_compat import check_sample_weight
from ._typing import FloatArray, IntArray
from ._warnings import warn
from .adaptation import (
    HELD_OUT_PREFIX,
    TERM_TITLES,
    TERMS,
    HeldOut,
    Rule,
    check_rule,
    next_weights,
    takes_held_out,
    threshold,
    thresholds_of_runaway,
)
from .losses import HybridLoss
from .thresholds import f1

__all__ = ["AdaptiveLossWeights"]

# Sums of probabilities in single or half precision may lie this far outside [0, 1].
_ROUNDING = 1e-3
# Numbers in a batch of validation rows.
_MOST_VALUES = 2**22


class AdaptiveLossWeights(keras.callbacks.Callback):
    """Adapt the weights of a :class:`~skadaptive.losses.HybridLoss` during training.

    After each epoch the rule sets the loss weights of the next epoch from the monitored
    score. The weights of an epoch are added to its logs, and so to the ``History``, as
    ``weight_cross_entropy``, ``weight_focal`` and ``weight_dice``.

    Parameters
    ----------
    monitor : str, default=None
        Name of the score in the logs. Monitor one that is measured on validation data,
        and not the loss, which changes with its weights. None monitors "val_auc", or
        with ``validation_data`` the F1 score of these rows.
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
        "threshold", and for models of two classes: with one output, or with two of
        which the second is the rare class. ``X`` is what ``model.predict`` takes, in
        arrays. ``y`` of shape (n_samples,) or (n_samples, 1) is 1 for the rare class,
        else 0; one-hot rows of shape (n_samples, 2) are accepted as well. The rows are
        predicted before training and after each epoch. The logs of an epoch get the
        fields of :class:`~skadaptive.adaptation.HeldOut`:
        ``held_out_best_threshold``, and the confusion matrix at 0.5 in ``held_out_tp``,
        ``held_out_fp``, ``held_out_fn`` and ``held_out_tn``.

    Raises
    ------
    ValueError
        If there is no such mode or rule, the rate is outside [0, 1], ``monitor`` is a
        loss or no text, or the rule needs ``validation_data``, which must have labels
        of two classes, one per row, and non-negative weights. When training begins, if
        the loss of the model is not a ``HybridLoss``, or if the model does not predict
        a finite probability for each row of ``validation_data``, or logits with
        ``from_logits=True``. At the end of an epoch, if it no longer does, or if the
        monitored score is not in the logs or not finite.

    Warns
    -----
    UserWarning
        When training ends, if "threshold" gave soft Dice loss its greatest weight and
        the best threshold moved away from 0.5 all the same. After two epochs, if a
        model looks as if it returned probabilities to a loss with ``from_logits=True``.

    See Also
    --------
    skadaptive.losses.HybridLoss : Loss whose weights are adapted.

    Notes
    -----
    Put the callback before others that read the logs, such as ``CSVLogger``: those that
    come first do not see what it adds.

    The loss keeps its weights when training ends, and a second ``fit`` goes on with
    them. So make a new loss for every model.

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
        _check_monitor(monitor)
        if mode not in ("max", "min"):
            raise ValueError(f'mode must be "max" or "min"; got {mode!r}.')
        check_rule(adaptation, adaptation_rate)
        if validation_data is None and takes_held_out(adaptation):
            raise ValueError(
                f"adaptation={adaptation!r} needs rows that do not train, of two "
                "classes: pass validation_data=(X, y). With more classes take "
                '"performance" or "lookup", which follow a score of the logs.'
            )
        self.monitor = monitor
        self.mode = mode
        self.adaptation = adaptation
        self.adaptation_rate = adaptation_rate
        if validation_data is not None:
            _labels_and_weights(validation_data)
        self.validation_data = validation_data

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check the model, and begin with the current weights of its loss.

        These are the weights that the loss was made with, or those that an earlier
        ``fit`` ended with.

        Parameters
        ----------
        logs : dict, default=None
            Not used.
        """
        self._loss = _hybrid_loss(self.model.loss)
        self._initial = check_loss_weights(self._loss.initial_loss_weights)
        self._scores: list[float] = []
        self._mixes: list[FloatArray] = []
        self._held_out = HeldOut([], [], [], [], [])
        self._within_unit = self._loss.from_logits
        if self.validation_data is not None:
            self._y, self._sample_weight = _labels_and_weights(self.validation_data)
            self._logits(self._predicted())
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
            held_out = self._observe(logs)
        score = self._score(logs, epoch)
        is_error = self.mode == "min" and self.monitor is not None
        self._scores.append(-score if is_error else score)
        weights = self._weights()
        self._mixes.append(weights)
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

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Warn if the rule "threshold" has made things worse.

        Parameters
        ----------
        logs : dict, default=None
            Not used.
        """
        if self.adaptation not in ("threshold", threshold) or not self._mixes:
            return
        mixes, best = np.array(self._mixes), self._held_out.best_threshold
        found = thresholds_of_runaway(mixes, self._initial, best)
        if found:
            before, after = found
            term = TERM_TITLES[TERMS[int(np.argmax(mixes[-1]))]]
            warn(
                f'adaptation="threshold" ended with the greatest weight for {term}, '
                f"{mixes[-1].max():.2f}, but the best threshold of validation_data "
                f"fell from {before:.2f} to {after:.2f} instead of rising to 0.5. The "
                "network is too sure of itself, and its F1 and average precision may "
                "be worse than with constant loss weights. Compare with "
                "adaptation_rate=0."
            )

    def _observe(self, logs: dict[str, Any]) -> HeldOut:
        """Predict the validation data; what they say of all epochs so far."""
        predicted = self._predicted()
        logits = self._logits(predicted)
        self._look_for_probabilities(predicted)
        values = at_thresholds(f1, self._y, logits, self._sample_weight)
        for name, value in values.items():
            getattr(self._held_out, name).append(value)
            logs[HELD_OUT_PREFIX + name] = value
        return self._held_out

    def _predicted(self) -> FloatArray:
        """Outputs for the validation data, of shape (n_samples, 1 or 2)."""
        X = self.validation_data[0]  # type: ignore[index]
        predicted = self.model.predict(X, batch_size=_batch_size(X), verbose=0)
        n_rows = len(self._y)
        shape = getattr(predicted, "shape", None)
        if shape not in ((n_rows,), (n_rows, 1), (n_rows, 2)):
            found = f"the output has shape {shape}" if shape else "there are several"
            raise ValueError(
                "validation_data are for models of two classes, with one output or "
                f"two; {found} for {n_rows} labels. With other models leave "
                "validation_data out and monitor a score of the logs with the rule "
                '"performance" or "lookup".'
            )
        predicted = np.asarray(predicted, dtype=float).reshape(n_rows, -1)
        if not np.isfinite(predicted).all():
            raise ValueError(
                "The model predicts values for validation_data that are not finite. "
                "Lower the learning rate if training diverges, and look for missing "
                "values in X."
            )
        return predicted

    def _logits(self, predicted: FloatArray) -> FloatArray:
        """Logits of the rare class, (n_samples,), from the outputs of the model."""
        if self._loss.from_logits:
            two = predicted.shape[1] == 2
            return predicted[:, 1] - predicted[:, 0] if two else predicted[:, 0]
        least, greatest = predicted.min(), predicted.max()
        if least < -_ROUNDING or greatest > 1 + _ROUNDING:
            raise ValueError(
                "HybridLoss(from_logits=False) expects probabilities in [0, 1]; for "
                f"validation_data the model predicts {least:.3g} to {greatest:.3g}. "
                "Pass from_logits=True, or end the model with a sigmoid, or with a "
                "softmax if it has two outputs."
            )
        edge = np.finfo(np.float32).eps
        share = np.clip(predicted, edge, 1 - edge)
        # As in the loss, two outputs that do not sum to 1 count by their ratio.
        two = share.shape[1] == 2
        return np.log(share[:, 1] / share[:, 0]) if two else logit(share[:, 0])

    def _look_for_probabilities(self, predicted: FloatArray) -> None:
        """Warn after the second epoch if logits have been probabilities so far."""
        # One output for all rows says nothing: a network that has not learnt has it.
        self._within_unit &= bool(
            predicted.min() >= 0 and predicted.max() <= 1 and np.ptp(predicted) > 0
        )
        if self._within_unit and len(self._scores) == 1:
            warn(
                "HybridLoss(from_logits=True) expects logits, but after two epochs all "
                "outputs for validation_data lie in [0, 1], as probabilities do. Taken "
                "for logits, they give no row a probability below 0.27 or above 0.73. "
                "If the model ends with a sigmoid or softmax, leave from_logits=True "
                "out."
            )

    def _score(self, logs: dict[str, Any], epoch: int) -> float:
        """The monitored score of this epoch."""
        if self.monitor is None and self.validation_data is not None:
            _, tp, fp, fn, tn = (np.array(values[-1]) for values in self._held_out)
            return float(f1(tp, fp, fn, tn))
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
        self._loss.loss_weights.assign(weights)
        if keras.backend.backend() == "jax":
            self.model.make_train_function(force=True)
            self.model.make_test_function(force=True)

    def _weights(self) -> FloatArray:
        weights = ops.convert_to_numpy(self._loss.loss_weights)
        return np.asarray(weights, dtype=float)


def _check_monitor(monitor: str | None) -> None:
    """Refuse what names no score, and the loss."""
    if monitor is None:
        return
    if not isinstance(monitor, str):
        raise ValueError(
            'monitor must be the name of a score in the logs, such as "val_auc"; got '
            f"{monitor!r}."
        )
    if monitor in ("loss", "val_loss"):
        raise ValueError(
            f"monitor={monitor!r} cannot steer the loss weights: the loss changes with "
            "them, also where the predictions stay. Add a metric in compile, such as "
            'keras.metrics.AUC(curve="PR", name="auc_pr"), and monitor "val_auc_pr".'
        )


def _hybrid_loss(loss: Any) -> HybridLoss:
    """The loss of a model with one output, also from a list or dict of one."""
    found = loss
    if isinstance(loss, list | tuple | dict) and len(loss) == 1:
        (found,) = loss.values() if isinstance(loss, dict) else loss
    if not isinstance(found, HybridLoss):
        raise ValueError(
            "AdaptiveLossWeights needs a model with one output that was compiled with "
            f"an instance, loss=HybridLoss(...); got loss={loss!r}."
        )
    return found


def _labels_and_weights(validation_data: tuple) -> tuple[IntArray, FloatArray]:
    """Labels 0 and 1 and weights of the rows, each of shape (n_samples,)."""
    if not (isinstance(validation_data, tuple) and len(validation_data) in (2, 3)):
        found = type(validation_data).__name__
        if isinstance(validation_data, tuple | list):
            found += f" of length {len(validation_data)}"
        raise ValueError(
            "validation_data must be a tuple (X, y) or (X, y, sample_weight) of "
            f"arrays; got {found}. Turn a list into a tuple, and join the batches of a "
            "Dataset with np.concatenate."
        )
    X, given, *weight = validation_data
    y = np.asarray(given)
    is_one_hot = y.ndim == 2 and y.shape[1] == 2 and y.dtype.kind in "biuf"
    if is_one_hot and (y.sum(axis=1) == 1).all():
        y = y[:, 1]
    elif y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or not (
        y.dtype.kind in "biuf" and np.array_equal(np.unique(y), [0, 1])
    ):
        seen = np.unique(y[:1000].astype(str) if y.dtype.kind == "O" else y)[:5]
        raise ValueError(
            "The labels of validation_data=(X, y) must be 1 for the rare class and 0 "
            "for the other one, with rows of both, in an array of shape (n_samples,) "
            f"or one-hot in two columns; got {shown(seen)} in shape {y.shape}."
        )
    for part in keras.tree.flatten(X):
        shape = np.shape(part)
        if shape and shape[0] != len(y):
            raise ValueError(
                "validation_data=(X, y) must have one label per row; got "
                f"{shape[0]} rows in X and {len(y)} labels in y."
            )
    y = y.astype(int)
    values = None if not weight or weight[0] is None else np.asarray(weight[0])
    if values is not None and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    try:
        sample_weight = check_sample_weight(values, y)
    except ValueError as error:
        raise ValueError(
            "The weights of validation_data=(X, y, sample_weight) must be one finite, "
            f"non-negative number per row, {len(y)} here. {error}"
        ) from None
    if not np.bincount(y, sample_weight, minlength=2).all():
        raise ValueError(
            "The weights of validation_data=(X, y, sample_weight) must be positive for "
            "rows of both classes; all rows of one class weigh 0."
        )
    return y, sample_weight


def _batch_size(X: Any) -> int:
    """How many rows ``predict`` takes at once.

    Of 50,000 rows in batches of 32, Keras's default, an epoch took 10 seconds and not
    0.2. Rows as large as images go in smaller batches, which memory can hold.
    """
    shapes = [np.shape(part) for part in keras.tree.flatten(X)]
    size = sum(int(np.prod([int(n) for n in shape[1:]])) for shape in shapes)
    return int(np.clip(_MOST_VALUES // max(1, size), 32, 4096))
