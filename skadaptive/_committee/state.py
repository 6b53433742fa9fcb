"""The state from which a fitted estimator continues training, as plain arrays.

``warm_start`` and ``partial_fit`` begin where the last call ended. The state holds the
network parameters, the state of the optimizer, the seeds that decide which member holds
out which row, and the latest out-of-fold logits, from which calibration and threshold
are learnt. Nothing here needs Keras, so a fitted estimator is unpickled without it.
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
    averages : list of ndarray of shape (n_members * n_parameters,), float64
        The snapshots that predict: the exponential moving average of the parameters at
        the best epoch, and those at epochs before and after it.
    step_sizes : ndarray of shape (n_members * n_parameters,), float64
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
    training : TrainingState or None
        None before training.
    """

    seeds: Seeds
    rare: int
    class_totals: np.ndarray
    weight_unit: float = 1.0
    initial_loss_weights: np.ndarray | None = None
    loss_weights: np.ndarray | None = None
    out_of_fold: OutOfFoldBuffer = field(default_factory=OutOfFoldBuffer)
    training: TrainingState | None = None
