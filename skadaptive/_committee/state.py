"""The state from which a fitted estimator continues training, as plain arrays.

``warm_start`` and ``partial_fit`` begin where the last call ended. The state holds the
network parameters, the state of the optimizer, the seeds that decide which member holds
out which row, and the latest out-of-fold logits, from which calibration and threshold
are learnt. Nothing here needs Keras, so a fitted estimator is unpickled without it.

Parameters and optimizer take several times the memory of the networks that predict. A
``fit`` without ``warm_start`` keeps ``NetworkOrigin`` instead, from which training can
continue as well, with a new optimizer.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

# Most out-of-fold rows that are kept. The value was chosen by judgement: the standard
# error of any share of so many rows is below .002.
_MOST_ROWS = 100_000


class NetworkLayout(NamedTuple):
    """Numbers and names that determine the shapes of the network parameters.

    Attributes
    ----------
    n_columns : int
        Columns of the scaled features.
    n_encoded, n_bins : int
        Columns that are encoded piecewise linearly, and the bins of each.
    n_outputs : int
        1 for two classes, otherwise one per class.
    hidden_layer_sizes : tuple of int
    n_members : int
    activation : str
    """

    n_columns: int
    n_encoded: int
    n_bins: int
    n_outputs: int
    hidden_layer_sizes: tuple[int, ...]
    n_members: int
    activation: str

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of one member's parameters.

        The input scales, (n_inputs,), come first, then kernel and bias of each layer,
        the output layer last. The inputs are the columns of the scaled features and
        then, feature by feature, their encoding.
        """
        n_inputs = self.n_columns + self.n_encoded * self.n_bins
        units = (n_inputs, *self.hidden_layer_sizes, self.n_outputs)
        layers = zip(units[:-1], units[1:], strict=True)
        return [(n_inputs,)] + [
            shape for n_in, n_out in layers for shape in ((n_in, n_out), (n_out,))
        ]

    @property
    def sizes(self) -> list[int]:
        """Number of parameters in each of the shapes."""
        return [int(np.prod(shape)) for shape in self.shapes]

    @property
    def fan_in(self) -> list[int]:
        """Inputs of each layer; all bins of a feature count as one input."""
        return [self.n_columns + self.n_encoded, *self.hidden_layer_sizes]

    @property
    def hidden_kernels(self) -> range:
        """Indices of the hidden kernels among the shapes."""
        return range(1, 2 * len(self.hidden_layer_sizes), 2)


class Seeds(NamedTuple):
    """Seeds of the random parts of a fit; ``batches`` also seeds dropout."""

    folds: int
    parameters: int
    batches: int
    sampler: int


@dataclass(frozen=True)
class TrainingState:
    """Parameters of a committee's networks, and the state of their optimizer.

    Attributes
    ----------
    layout : NetworkLayout
    parameters : ndarray of shape (n_members * n_parameters,)
        Member after member, each in the order of ``layout.shapes``.
    averages : list of ndarray of shape (n_members * n_parameters,)
        The snapshots whose mean predicts: the exponential moving average of the
        parameters at the best epoch, and those at epochs before and after it.
    step_sizes : ndarray of shape (n_members * n_parameters,)
        How far a unit step of the optimizer moves each parameter.
    optimizer : str
        Its configuration, as JSON.
    optimizer_state : list of ndarray or None
        Its variables; None before the first step.
    n_steps : int
        Steps that the optimizer has taken.
    batch_size : int
        Rows per step, which later chunks keep.
    """

    layout: NetworkLayout
    parameters: np.ndarray
    averages: list[np.ndarray]
    step_sizes: np.ndarray
    optimizer: str
    optimizer_state: list[np.ndarray] | None
    n_steps: int
    batch_size: int

    def origin(self, dtype) -> "NetworkOrigin":
        """What the networks that predict do not tell; a fiftieth of their size."""
        layout = self.layout
        averages = [a.reshape(layout.n_members, -1) for a in self.averages]
        steps = self.step_sizes.reshape(layout.n_members, -1)
        n_inputs = layout.shapes[0][0]
        starts = np.cumsum(layout.sizes)[:-1]
        return NetworkOrigin(
            layout,
            np.mean([a[:, :n_inputs] for a in averages], axis=0).astype(dtype),
            steps[:, :n_inputs].astype(dtype),
            steps[0, starts].astype(dtype),
            self.optimizer,
            self.n_steps,
            self.batch_size,
        )


@dataclass(frozen=True)
class NetworkOrigin:
    """What is left of a training beside the networks that predict.

    Attributes
    ----------
    layout : NetworkLayout
    input_scales : ndarray of shape (n_members, n_inputs)
        They are part of the first kernel where the networks predict.
    input_steps : ndarray of shape (n_members, n_inputs)
        Step sizes of the input scales.
    layer_steps : ndarray of shape (n_shapes - 1,)
        Step size of each kernel and bias.
    optimizer : str
    n_steps, batch_size : int
        See :class:`TrainingState`.
    """

    layout: NetworkLayout
    input_scales: np.ndarray
    input_steps: np.ndarray
    layer_steps: np.ndarray
    optimizer: str
    n_steps: int
    batch_size: int

    def training_state(self, kernels, biases) -> TrainingState:
        """The state in which training continues, with a new optimizer.

        Parameters
        ----------
        kernels : list of ndarray of shape (n_members, n_inputs, n_units)
        biases : list of ndarray of shape (n_members, n_units)
            Of the networks that predict.

        Returns
        -------
        TrainingState
        """
        scales = self.input_scales[:, :, None]
        first = np.divide(
            kernels[0], scales, out=np.zeros_like(kernels[0]), where=scales != 0
        )
        parts = [self.input_scales]
        for layer in zip([first, *kernels[1:]], biases, strict=True):
            parts += [array.reshape(len(array), -1) for array in layer]
        steps = np.repeat(self.layer_steps, self.layout.sizes[1:])
        steps = np.broadcast_to(steps, (self.layout.n_members, len(steps)))
        parameters = np.hstack(parts).ravel()
        return TrainingState(
            layout=self.layout,
            parameters=parameters,
            averages=[parameters],
            step_sizes=np.hstack([self.input_steps, steps]).ravel(),
            optimizer=self.optimizer,
            optimizer_state=None,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
        )


class OutOfFoldRows(NamedTuple):
    """Held-out rows of one call of ``fit`` or ``partial_fit``.

    Attributes
    ----------
    logits : ndarray of shape (n_kept, n_outputs)
        Uncalibrated.
    y : ndarray of shape (n_kept,)
        Class indices.
    weight : ndarray of shape (n_kept,)
        Sample weights, at the natural class shares.
    n_rows : int
        Number of rows before any were left out.
    """

    logits: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    n_rows: int


@dataclass(frozen=True)
class OutOfFoldBuffer:
    """The latest held-out rows, from which calibration and threshold are learnt.

    Attributes
    ----------
    calls : tuple of OutOfFoldRows
        Calls whose rows are kept, the earliest first.
    n_seen : int
        Rows of all calls, including those that are no longer kept.
    """

    calls: tuple[OutOfFoldRows, ...] = ()
    n_seen: int = 0

    @property
    def logits(self) -> np.ndarray:
        """Logits of all kept rows, ndarray of shape (n_kept, n_outputs)."""
        return np.concatenate([call.logits for call in self.calls])

    @property
    def y(self) -> np.ndarray:
        """Class indices of all kept rows, ndarray of shape (n_kept,)."""
        return np.concatenate([call.y for call in self.calls])

    @property
    def weight(self) -> np.ndarray:
        """Sample weights of all kept rows, ndarray of shape (n_kept,)."""
        return np.concatenate([call.weight for call in self.calls])

    def append(self, logits, y, weight) -> "OutOfFoldBuffer":
        """Add the rows of a call, and drop early calls, scored by an earlier network.

        The latest half of all rows seen is kept. Calls are dropped as a whole. The last
        call is never dropped, nor is one that alone has rows of some class.
        """
        calls = (*self.calls, OutOfFoldRows(logits, y, weight, len(y)))
        n_seen = self.n_seen + len(y)
        while len(calls) > 1:
            later = np.concatenate([call.y for call in calls[1:]])
            n_later = sum(call.n_rows for call in calls[1:])
            if 2 * n_later < n_seen or np.setdiff1d(calls[0].y, later).size:
                break
            calls = calls[1:]
        return OutOfFoldBuffer(calls, n_seen)

    def rounded(self, dtype) -> "OutOfFoldBuffer":
        """The same rows with logits and weights of this dtype and small class indices.

        What is learnt from them before they are rounded is not affected.
        """
        calls = [
            OutOfFoldRows(
                call.logits.astype(dtype),
                call.y.astype(np.min_scalar_type(call.y.max(initial=0))),
                call.weight.astype(dtype),
                call.n_rows,
            )
            for call in self.calls
        ]
        return replace(self, calls=tuple(calls))

    def subsampled(self) -> "OutOfFoldBuffer":
        """Keep at most 100,000 rows, drawn at random from each call in proportion.

        Where rows are left out, the weights of the others rise to make up for them.
        """
        share = _MOST_ROWS / max(1, sum(len(call.y) for call in self.calls))
        if share >= 1:
            return self
        rng = np.random.default_rng(0)
        calls = []
        for logits, y, weight, n_rows in self.calls:
            kept = rng.choice(len(y), int(share * len(y)), replace=False)
            rows = logits[kept], y[kept], weight[kept] / share
            calls.append(OutOfFoldRows(*rows, n_rows))
        return replace(self, calls=tuple(calls))


@dataclass(frozen=True)
class CommitteeState:
    """Everything from which an estimator continues training.

    Attributes
    ----------
    seeds : Seeds
    rare : int
        Index of the rare class.
    class_totals : ndarray of shape (n_classes,)
        Weight of each class so far, in units of ``weight_unit``.
    weight_unit : float
        Sample weight that counts as 1.
    initial_loss_weights : ndarray of shape (3,) or None
        Loss weights to which the adaptation relaxes; None before training.
    loss_weights : ndarray of shape (3,) or None
        Loss weights of the next epoch; None before training.
    out_of_fold : OutOfFoldBuffer
    training : TrainingState, NetworkOrigin or None
        None before training.
    """

    seeds: Seeds
    rare: int
    class_totals: np.ndarray
    weight_unit: float = 1.0
    initial_loss_weights: np.ndarray | None = None
    loss_weights: np.ndarray | None = None
    out_of_fold: OutOfFoldBuffer = field(default_factory=OutOfFoldBuffer)
    training: TrainingState | NetworkOrigin | None = None

    def kept(self, dtype, continues) -> "CommitteeState":
        """What a fitted estimator keeps of this state.

        Parameters
        ----------
        dtype : numpy.dtype
            Of the training.
        continues : bool
            Whether the training is meant to continue. Otherwise parameters and
            optimizer are left out.

        Returns
        -------
        CommitteeState
        """
        training = self.training
        if isinstance(training, TrainingState) and not continues:
            training = training.origin(dtype)
        return replace(
            self, out_of_fold=self.out_of_fold.rounded(dtype), training=training
        )

    def resumed(self, kernels, biases) -> "CommitteeState":
        """The state in which training continues.

        Parameters
        ----------
        kernels, biases : list of ndarray
            Of the networks that predict ``classes_[1]`` or, with more than two
            classes, each class.

        Returns
        -------
        CommitteeState
            ``training`` is a :class:`TrainingState`, or None before training.
        """
        if not isinstance(self.training, NetworkOrigin):
            return self
        if len(self.class_totals) == 2 and self.rare == 0:
            # A network is trained on the logit of the rare class.
            kernels = [*kernels[:-1], -kernels[-1]]
            biases = [*biases[:-1], -biases[-1]]
        return replace(self, training=self.training.training_state(kernels, biases))
