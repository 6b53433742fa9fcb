"""Settings of a training, from the estimator, and the plan of one call."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .._committee.rows import drawn_shares, n_drawn
from .batches import MIN_STEPS, auto_batch_size
from .schedules import flat_then_cosine, inverse_square_root

# Training rows of a member up to which an epoch passes over all of them. An epoch of
# more passes over sqrt(16,000 * n_rows), common classes thinned out
# (docs/research/051).
_ALL_ROWS = 16_000

# Rows of a single full batch, and features, up to which training runs in float64.
_SMALL = 1024


@dataclass(frozen=True)
class TrainingSettings:
    """Parameters of the estimator, checked, as the training needs them.

    Attributes
    ----------
    hidden_layer_sizes : tuple of int
    activation, dropout, gamma, optimizer, learning_rate, batch_size, verbose
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    alpha : ndarray of shape (n_classes,)
    class_totals : ndarray of shape (n_classes,)
        Weight of each class in the training rows, in any unit.
    max_epochs : int
    parameter_seed : int
        Seed of the initial parameters.
    batch_seed : int
        Seed of batches and dropout.
    """

    hidden_layer_sizes: tuple[int, ...]
    activation: str
    dropout: float
    gamma: float
    alpha: np.ndarray
    optimizer: str | dict
    learning_rate: float
    batch_size: int | str
    class_totals: np.ndarray
    max_epochs: int
    parameter_seed: int
    batch_seed: int
    verbose: int = 0

    @property
    def optimizer_json(self) -> str:
        """The optimizer as JSON, by which two configurations are told apart."""
        return json.dumps(self.optimizer, sort_keys=True, default=_plain)

    @property
    def class_shares(self) -> np.ndarray:
        """Share of each class in the training weight."""
        return self.class_totals / self.class_totals.sum()


def _plain(value):
    """A number of NumPy, which a search may draw, as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise ValueError(
        "optimizer must be a name or a Keras configuration of plain values, which "
        f"JSON can hold; got {value!r} in it."
    )


@dataclass(frozen=True)
class TrainingPlan:
    """How one call of ``fit`` or ``partial_fit`` passes over its rows.

    Attributes
    ----------
    batch_size : int
        Rows per step and member, if there are as many.
    n_steps : int
        Steps of a pass.
    n_passes : int
        Passes of an epoch.
    dtype : {"float32", "float64"}
    drawn_shares : ndarray of shape (n_classes,)
        Share of the training rows of each class that a pass draws. Each row weighs as
        many times more, so that a class keeps its weight.
    batch_weight : ndarray of shape (n_members,)
        Weight of a batch of each member, on average.
    schedule : callable
        From the done share of the training to the factor of the learning rate.
    uses_relevance : bool
        Whether the learning rates of the input scales follow the univariate relevance.
        It counts only for a new network; a continued one keeps its rates.
    keeps_start : bool
        Whether the network to continue from is kept if no epoch is better.
    """

    batch_size: int
    n_steps: int
    n_passes: int
    dtype: str
    drawn_shares: np.ndarray
    batch_weight: np.ndarray
    schedule: Callable[[np.ndarray], np.ndarray]
    uses_relevance: bool
    keeps_start: bool


def plan_fit(rows, settings, start):
    """Plan the training of ``fit``, over the rows again and again.

    Parameters
    ----------
    rows : TrainingRows
    settings : TrainingSettings
    start : TrainingState or None
        The state to continue from.

    Returns
    -------
    TrainingPlan
    """
    n_rows = max(1, rows.most_trained_on)
    shares = np.ones(len(settings.class_totals))
    if n_rows > _ALL_ROWS:
        counts = rows.training_counts(len(shares))
        n_most = int(np.sqrt(_ALL_ROWS * n_rows))
        shares = drawn_shares(counts[counts.sum(axis=1).argmax()], n_most)
        n_rows = int(n_drawn(counts, shares).sum(axis=1).max())
    batch_size, min_steps = settings.batch_size, 1
    if batch_size == "auto":
        batch_size, min_steps = auto_batch_size(n_rows), MIN_STEPS
    n_steps = -(-n_rows // batch_size)
    totals = np.array([rows.weight[train].sum() for train, _ in rows.folds])
    # A small full batch costs next to nothing in float64, and a row of weight 2 then
    # agrees with the same row given twice to many digits.
    small = n_steps == 1 and n_rows <= _SMALL and rows.X.shape[1] <= _SMALL
    return TrainingPlan(
        batch_size=batch_size,
        n_steps=n_steps,
        n_passes=-(-min_steps // n_steps),
        dtype="float64" if small else "float32",
        drawn_shares=shares,
        batch_weight=totals / n_steps,
        schedule=flat_then_cosine,
        uses_relevance=True,
        keeps_start=start is not None,
    )


def plan_chunk(rows, settings, start):
    """Plan the training of ``partial_fit``: one pass over a chunk.

    Chunks differ in size and may lack a class, so no setting depends on the current
    chunk alone. The batch size is that of the first call, the precision is float32, and
    a row has the same weight in all chunks. A stream that begins with a chunk gives all
    input scales one learning rate; one that continues a ``fit`` keeps the rates that
    ``fit`` derived from the univariate relevance.

    Parameters, returns
        See :func:`plan_fit`.
    """
    n_rows = max(1, rows.most_trained_on)
    batch_size = settings.batch_size
    if batch_size == "auto":
        batch_size = auto_batch_size(n_rows) if start is None else start.batch_size
    n_steps = -(-n_rows // batch_size)
    goes_on = start is not None and start.optimizer == settings.optimizer_json
    n_done = start.n_steps if goes_on else 0
    return TrainingPlan(
        batch_size=batch_size,
        n_steps=n_steps,
        n_passes=1,
        dtype="float32",
        drawn_shares=np.ones(len(settings.class_totals)),
        batch_weight=np.full(len(rows.folds), n_rows / n_steps),
        schedule=partial(inverse_square_root, n_done, n_steps),
        uses_relevance=False,
        keeps_start=False,
    )
