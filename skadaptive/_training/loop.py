"""The epoch loop: from rows and folds to the parameters of a trained committee.

All members train as one in a compiled program (``program``). ``_committee.monitor``
decides what follows from the predictions for the held-out rows of an epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from sklearn.utils import gen_batches

from .._committee.state import NetworkLayout, TrainingState
from .._threads import for_each
from ..adaptation import TERMS
from .backend import keras_backend_chosen, load_program, memory_errors_told
from .batches import Batches, held_out_rows
from .parameters import initial_parameters, kernels_and_biases, step_sizes
from .program import Architecture, aligned_zeros
from .snapshots import SnapshotEnsemble, moving_average
from .term_scales import term_scales

# Values scaled at a time, so that memory holds no second float64 table; and how often,
# from which on a second thread is worth its start.
_VALUES_PER_PASS, _PASSES_PER_THREAD = 2**18, 2

# Values of a table up to which all rows are encoded at once, instead of each batch.
_MOST_ENCODED = 2**25

# Largest learning rate, with which every training diverges; the programs take float32.
_MOST = float(np.finfo(np.float32).max)

# Names of the fields of a layout in messages, if they differ from the fields'.
_TITLES = {
    "n_columns": "number of inputs",
    "n_encoded": "number of encoded features",
    "n_outputs": "number of outputs",
    "n_members": "cv (members)",
}


@dataclass(frozen=True)
class TrainedNetworks:
    """Result of a training.

    Attributes
    ----------
    kernels : list of ndarray of shape (n_members, n_inputs, n_units)
        One per layer, the output layer last; the mean of one to three snapshots, in the
        precision of the training.
    biases : list of ndarray of shape (n_members, n_units)
    state : TrainingState
        Where to continue from.
    """

    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    state: TrainingState


@dataclass(frozen=True)
class EpochWatch:
    """Functions that are called around every epoch.

    Attributes
    ----------
    begin : callable
        Called without arguments.
    end : callable
        Gets a function that gives the TrainedNetworks of this epoch, those of the
        moving average. Returns whether the training is to stop.
    """

    begin: Callable[[], None]
    end: Callable[[Callable[[], TrainedNetworks]], bool]


def train_committee(inputs, rows, settings, plan, monitor, start, watch=None):
    """Train a committee, one member per fold.

    Parameters
    ----------
    inputs : Inputs
    rows : TrainingRows
        With two classes the rare one is 1. Class weights are part of the weights.
    settings : TrainingSettings
    plan : TrainingPlan
    monitor : Monitor
        Scores the moving average of the parameters after each epoch, and decides on the
        next loss weights, the best epoch and the end of the training.
    start : TrainingState or None
        The state to continue from; None begins with new networks, whose input scales
        have the rates of ``inputs``. Another optimizer begins without state.
    watch : EpochWatch or None, default=None

    Returns
    -------
    TrainedNetworks

    Raises
    ------
    ValueError
        If the loss, the parameters or the predictions of held-out rows are not finite,
        or if ``start`` is the state of another network.
    """
    backend = load_program()
    transform = inputs.transform
    architecture = _architecture(transform, rows, settings, plan)
    if start is None:
        start = _initial_state(inputs.rates, settings, plan, architecture)
    else:
        start = _continued_state(start, architecture)
    encoding = transform.encoding
    table = _padded_rows(
        transform.scaler,
        None if architecture.encodes else encoding,
        rows.with_weight(rows.weight / plan.drawn_shares[rows.y]),
        architecture.dtype,
        backend.table_rows(len(rows) + 1),
    )
    with memory_errors_told(), backend.pool.checkout(architecture) as program:
        program.reset(start.parameters, start.step_sizes, start.optimizer_state)
        data = program.load(table, encoding if architecture.encodes else None)
        best = _run_epochs(program, data, rows, settings, plan, monitor, start, watch)
    return _mean_network(replace(best, batch_size=plan.batch_size), architecture.dtype)


def _mean_network(state, dtype):
    """The networks of a state: the mean of its snapshots."""
    layout = state.layout
    mean = np.mean(state.averages, axis=0, dtype=np.float64)
    kernels, biases = (
        [array.astype(dtype) for array in arrays]
        for arrays in kernels_and_biases(mean, layout.shapes, layout.n_members)
    )
    return TrainedNetworks(kernels, biases, state)


def _architecture(transform, rows, settings, plan):
    """Architecture of the program that trains these rows."""
    scaler, encoding = transform.scaler, transform.encoding
    n_rows = max(1, rows.most_trained_on)
    n_values = len(rows) * (scaler.n_outputs + encoding.n_outputs)
    n_classes = len(settings.class_totals)
    return Architecture(
        layout=NetworkLayout(
            n_columns=scaler.n_outputs,
            n_encoded=encoding.n_encoded,
            n_bins=encoding.n_bins,
            n_outputs=1 if n_classes == 2 else n_classes,
            hidden_layer_sizes=settings.hidden_layer_sizes,
            n_members=len(rows.folds),
            activation=settings.activation,
        ),
        encodes=encoding.n_encoded > 0 and n_values > _MOST_ENCODED,
        # The width is at most that of the data, and a power of two, for few programs.
        batch_size=min(plan.batch_size, max(16, 2 ** int(np.ceil(np.log2(n_rows))))),
        has_dropout=settings.dropout > 0,
        optimizer=settings.optimizer_json,
        dtype=plan.dtype,
    )


def _initial_state(rates, settings, plan, architecture):
    """State before the first step."""
    layout = architecture.layout
    rng = np.random.default_rng(settings.parameter_seed)
    return TrainingState(
        layout=layout,
        # An input scale of rate 0 is 0 all the same: its step size is.
        parameters=initial_parameters(rng, layout, _log_odds(settings.class_shares)),
        averages=[],
        step_sizes=step_sizes(layout, rates).astype(architecture.dtype),
        optimizer=architecture.optimizer,
        optimizer_state=None,
        n_steps=0,
        batch_size=plan.batch_size,
    )


def _continued_state(start, architecture):
    """The state to continue from; raises an error if its layout is another one."""
    layout = architecture.layout
    differing = [
        f"{_TITLES.get(name, name)} was {old!r} and is {new!r}"
        for name, old, new in zip(layout._fields, start.layout, layout, strict=True)
        if old != new
    ]
    if differing:
        raise ValueError(
            f"Training cannot go on with another network: {'; '.join(differing)}. Set "
            "that back, or fit anew with warm_start=False."
        )
    if start.optimizer == architecture.optimizer:
        return start
    return replace(
        start, optimizer=architecture.optimizer, optimizer_state=None, n_steps=0
    )


def _run_epochs(program, data, rows, settings, plan, monitor, start, watch):
    """Train until the monitor stops; the state at its best epoch."""
    # Epochs of earlier calls count, so that no batch or dropout mask comes twice.
    n_before, seed = len(monitor.history["epoch"]), settings.batch_seed
    rng = np.random.default_rng([seed, n_before])
    width = program.architecture.batch_size
    batches = Batches(rows.y, rows.folds, plan, width, rng)
    held_out = held_out_rows(monitor.folds, filler=len(rows))
    scales = term_scales(
        settings.class_shares, gamma=settings.gamma, alpha=settings.alpha
    )
    loss = {
        "gamma": settings.gamma,
        "alpha": settings.alpha,
        # Soft Dice is smoothed by one row's weight in a batch of 256, whatever the
        # batch size or the unit of the weights.
        "smooth": plan.batch_weight.mean() / 256,
        "total_weight": plan.batch_weight,
    }
    bar = _ProgressBar(settings.max_epochs) if settings.verbose else None
    snapshots = SnapshotEnsemble(start.averages, settings.max_epochs)
    average = start.averages[0] if start.averages else None
    best, n_steps = start, start.n_steps

    def held_out_logits():
        if monitor.scorer is None:
            return None
        logits = program.predict(average, data, held_out)
        return [logits[: len(t), m] for m, (_, t) in enumerate(monitor.folds)]

    if plan.keeps_start and monitor.scorer is not None:
        monitor.begin(held_out_logits())
    for epoch in range(1, settings.max_epochs + 1):
        if watch:
            watch.begin()
        drawn = batches.draw()
        middle = (np.arange(len(drawn)) + 0.5) / len(drawn)
        progress = (epoch - 1 + middle) / settings.max_epochs
        value = program.train(
            data,
            drawn,
            np.minimum(settings.learning_rate * plan.schedule(progress), _MOST),
            {"loss_weights": monitor.loss_weights * scales, **loss},
            settings.dropout,
            (seed, n_before + epoch),
        )
        n_steps += len(drawn)
        del drawn, middle, progress  # predicting needs memory as well
        with np.errstate(over="ignore"):  # is divergence, which is told below
            parameters = program.parameters
        if not (np.isfinite(value) and np.isfinite(parameters).all()):
            raise diverged(settings, f"in epoch {epoch}, with a loss of {value:g}")
        average = moving_average(average, parameters, n_before + epoch)
        logits = held_out_logits()
        # Loss and parameters can be finite where a product of parameters overflows.
        if not _are_finite(logits):
            raise diverged(
                settings,
                f"in epoch {epoch}: predictions of held-out rows are not finite",
            )
        is_best = monitor.observe(value, logits)
        # Predicting would round them in any case, and half a dozen are kept.
        rounded = average.astype(program.architecture.dtype)
        snapshots.offer(epoch, rounded, is_best)
        if is_best:
            best = replace(
                start,
                parameters=parameters,
                optimizer_state=program.optimizer_state,
                n_steps=n_steps,
            )
        if bar:
            bar.update(monitor)
        stop = monitor.stop
        if watch:
            now = replace(start, averages=[rounded], parameters=parameters)
            networks = partial(_mean_network, now, program.architecture.dtype)
            stop = watch.end(networks) or stop
        if stop:
            break
    return replace(best, averages=snapshots.averages)


def _are_finite(logits):
    """Whether float32 can hold all of these logits, which scores may be computed in."""
    largest = np.finfo(np.float32).max
    return all((np.abs(part) < largest).all() for part in logits or ())


def diverged(settings, how):
    """The error of a training that diverged.

    Parameters
    ----------
    settings : TrainingSettings
    how : str
        When and in what it showed, as a part of the sentence.

    Returns
    -------
    ValueError
    """
    return ValueError(
        f"Training diverged {how}. Lower learning_rate, which is "
        f"{settings.learning_rate:g}."
    )


def _padded_rows(scaler, encoding, rows, dtype, n_padded):
    """X scaled and encoded, and y beside its weight, with rows of weight 0 after."""
    n_encoded = encoding.n_outputs if encoding else 0
    table = {
        "X": aligned_zeros((n_padded, scaler.n_outputs + n_encoded), dtype),
        "target": aligned_zeros((n_padded, 2), dtype),
    }

    def fill(part):
        scaled = scaler.transform(rows.X[part])
        table["X"][part, : scaler.n_outputs] = scaled
        if n_encoded:
            table["X"][part, scaler.n_outputs :] = encoding.transform(scaled)

    n_each = max(1, _VALUES_PER_PASS // table["X"].shape[1])
    for_each(fill, list(gen_batches(len(rows), n_each)), _PASSES_PER_THREAD)
    table["target"][: len(rows), 0] = rows.y
    table["target"][: len(rows), 1] = rows.weight
    return table


def _log_odds(shares):
    """Output bias that predicts the class shares."""
    logits = np.log(shares)
    return logits[1:] - logits[0] if len(shares) == 2 else logits - logits.mean()


class _ProgressBar:
    """Keras's progress bar, one unit per epoch, with score and loss weights."""

    def __init__(self, max_epochs):
        with keras_backend_chosen():
            import keras
        self._bar = keras.utils.Progbar(
            max_epochs,
            unit_name="epoch",
            stateful_metrics=["loss", "score", *TERMS],
        )

    def update(self, monitor):
        history = monitor.history
        epoch = history["epoch"][-1]
        shown = {"loss": history["loss"][-1], "score": history["score"][-1]}
        shown |= {term: history[f"weight_{term}"][-1] for term in TERMS}
        done = monitor.stop or epoch == self._bar.target
        self._bar.update(epoch, list(shown.items()), finalize=done)
