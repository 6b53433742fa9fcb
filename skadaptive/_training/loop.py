"""From data and folds to the weights of a trained committee: batches and epochs.

The committee trains in one compiled program (``_training.program``); what each
epoch's predictions decide is the monitor's (``_committee.monitor``).
"""

import json
from collections import deque
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from sklearn.utils import gen_batches

from .._committee.state import TrainingState
from .._features.relevance import intervals, relative_learning_rates, relevance
from .._features.scaling import subsample_rows
from ..adaptation import TERMS
from ..losses import term_scales
from .network import initial_weights, step_factors, unflatten
from .program import Architecture, pool

# Steps that an epoch has at least under batch_size="auto": over few rows it passes
# several times. One step an epoch would starve small data.
MIN_STEPS = 4

# The running average of the weights takes in at least this share of each epoch's. With
# 0.3, 0.5 and 0.15 average precision was the same within .003 (docs/benchmark.md).
_AVERAGE_SHARE = 0.3

# Epochs from the best one to those that predict with it, before it and after: about as
# many as a running average spans, which nearer ones would share. Of fewer epochs than
# the last three predict with nobody: each is then too far from the next.
_APART = 3
_MIN_EPOCHS = 4 * _APART

# Rows of a full batch that is trained in float64.
_SMALL = 1024

# Values scaled at a time, so that no second float64 table is held.
_VALUES_PER_PASS = 2**18

# Values of a table up to which all rows are encoded at once, instead of each batch.
_MOST_ENCODED = 2**25


def fit_committee(
    scaler,
    encoding,
    X,
    y,
    sample_weight,
    folds,
    monitor,
    *,
    shares,
    hidden_layer_sizes,
    activation,
    dropout,
    gamma,
    alpha,
    optimizer,
    learning_rate,
    batch_size,
    max_epochs,
    seeds,
    start=None,
    stream=False,
    verbose=0,
):
    """Train a committee, one member per fold.

    Parameters
    ----------
    scaler : RobustScaler
    encoding : PiecewiseLinearEncoding
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Class indices; of two classes the rare one is 1.
    sample_weight : ndarray of shape (n_samples,)
        Class weights included.
    folds : list of (train, test)
    monitor : Monitor
        Judges the average of the weights after each epoch; says the next mix, which
        epoch is best and when to stop.
    shares : ndarray of shape (n_classes,)
        Weight of each class in what is trained on, in any unit.
    hidden_layer_sizes, activation, dropout, gamma, optimizer, learning_rate, \
            batch_size, max_epochs, verbose
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    alpha : ndarray of shape (n_classes,)
        In the order of the indices in ``y``.
    seeds : pair of int
        Of the initial weights, and of batches and dropout.
    start : TrainingState, default=None
        Where to go on from. The optimizer starts anew if it is another one.
    stream : bool, default=False
        Whether these are the rows of a chunk: passed over once an epoch, in float32
        however few they are, and with a unit of weight that all chunks share.

    Returns
    -------
    kernels : list of ndarray of shape (n_networks, n_inputs, n_units), float64
    biases : list of ndarray of shape (n_networks, n_units), float64
        One per layer, the output layer last. Up to three networks of each member come
        together: the averages at the best epoch and at those before and after it.
    state : TrainingState
        The same, for going on.

    Raises
    ------
    ValueError
        If the loss is not finite, or ``start`` is the state of another network.
    """
    shares = shares / shares.sum()
    n_rows = max(1, *(len(train) for train, _ in folds))
    min_steps = 1
    if batch_size == "auto":
        min_steps = 1 if stream else MIN_STEPS
        # Chunks differ in size; their batches do not.
        going_on = stream and start is not None
        batch_size = start.batch_size if going_on else auto_batch_size(n_rows)
    n_steps = -(-n_rows // batch_size)
    architecture = Architecture(
        n_columns=scaler.n_outputs,
        n_encoded=encoding.n_encoded,
        n_bins=encoding.n_bins,
        encodes=encoding.n_encoded > 0
        and len(X) * (scaler.n_outputs + encoding.n_outputs) > _MOST_ENCODED,
        hidden_layer_sizes=hidden_layer_sizes,
        n_outputs=1 if len(shares) == 2 else len(shares),
        n_members=len(folds),
        # No wider than the data, and of few different widths, for few programs.
        batch_size=min(batch_size, max(16, 2 ** int(np.ceil(np.log2(n_rows))))),
        activation=activation,
        dropout=dropout > 0,
        optimizer=json.dumps(optimizer, sort_keys=True),
        # A small full batch costs next to nothing, and in float64 a row of weight 2 is
        # the row twice to many digits.
        dtype="float64"
        if n_steps == 1 and n_rows <= _SMALL and not stream
        else "float32",
    )
    if stream:
        batch_weight = np.full(len(folds), n_rows / n_steps)
    else:
        # The weight of a batch, on average; each member has its own.
        batch_weight = np.array([sample_weight[t].sum() for t, _ in folds]) / n_steps
    if start is None:
        slots = None
        averages = []
        weights = initial_weights(
            np.random.default_rng(seeds[0]),
            architecture.weight_shapes,
            architecture.n_bins,
            architecture.n_encoded,
            len(folds),
            activation,
            _log_odds(shares),
        )
        factors = step_factors(
            architecture.weight_shapes,
            architecture.n_bins,
            architecture.n_encoded,
            _relative_steps(scaler, encoding, X, y, sample_weight, folds, stream),
        )
    else:
        _check_same_network(start, architecture)
        weights, averages, factors = start.weights, start.averages, start.factors
        slots = start.slots if start.optimizer == architecture.optimizer else None
    # The first of an optimizer's variables counts its steps.
    n_done = int(slots[0]) if slots else 0

    with pool.checkout(architecture) as program:
        program.reset(weights, factors, slots)
        weights, slots, averages = _run_epochs(
            program,
            averages,
            _padded_rows(
                scaler,
                None if architecture.encodes else encoding,
                X,
                y,
                sample_weight,
                architecture.dtype,
            ),
            encoding if architecture.encodes else None,
            y,
            folds,
            monitor,
            n_steps=n_steps,
            n_passes=-(-min_steps // n_steps),
            max_epochs=max_epochs,
            learning_rate=learning_rate,
            schedule=partial(decaying, n_done, n_steps) if stream else flat_then_cosine,
            scales=term_scales(shares, gamma=gamma, alpha=alpha),
            # Soft Dice is smoothed by one row's weight in a batch of 256, whatever the
            # batch size or the unit of the weights.
            loss={
                "gamma": gamma,
                "alpha": alpha,
                "smooth": batch_weight.mean() / 256,
                "total_weight": batch_weight,
            },
            dropout=dropout,
            seed=int(seeds[1]),
            better_than_start=start is not None and not stream,
            verbose=verbose,
        )
    each = np.stack([average.reshape(len(folds), -1) for average in averages], axis=1)
    kernels, biases = unflatten(
        each.ravel(), architecture.weight_shapes, len(folds) * len(averages)
    )
    state = TrainingState(
        architecture.network,
        weights,
        averages,
        factors,
        architecture.optimizer,
        slots,
        batch_size,
    )
    return kernels, biases, state


def _relative_steps(scaler, encoding, X, y, sample_weight, folds, stream):
    """How fast each member's inputs move, (n_members, n_inputs).

    Each member goes by its own training rows, so that those held out stay unseen. In a
    stream all inputs move alike: its first chunk may be short of a class.
    """
    columns = scaler.features
    inputs = np.r_[columns, np.repeat(columns[encoding.columns], encoding.n_bins)]
    if stream:
        return np.ones((len(folds), len(inputs)))
    drawn = subsample_rows(len(X))
    weights = [
        np.bincount(train, sample_weight[train], len(X))[drawn] for train, _ in folds
    ]
    codes, y = intervals(X[drawn], sum(weights)), y[drawn]
    return np.stack(
        [
            relative_learning_rates(relevance(codes[w > 0], y[w > 0], w[w > 0]))[inputs]
            for w in weights
        ]
    )


def auto_batch_size(n_rows):
    """Power of two near n_rows / 16, from 64 to 256; 512 above 24,000 rows.

    Small tables lose with 512, large ones do not (docs/benchmark.md).
    """
    most = 512 if n_rows > 24_000 else 256
    return int(np.clip(2 ** np.round(np.log2(max(n_rows, 1) / 16)), 64, most))


def flat_then_cosine(progress):
    """Share of the learning rate at this share of the training, both in [0, 1].

    All of it for the first half, then down to 0 along half a cosine. In half the
    epochs as good as the four cosine cycles of RealMLP (docs/benchmark.md), whose own
    schedule of dropout and weight decay this is (Holzmüller et al., 2024,
    arXiv:2407.04491).
    """
    return 0.5 * (1 + np.cos(np.pi * np.maximum(0.0, 2 * progress - 1)))


def decaying(n_done, n_steps, progress):
    """Share of the learning rate in a stream, however long it will be.

    As the inverse square root of the steps so far, down to a quarter: high enough for
    the first chunks to be learnt from, and then low enough for a network that is fit
    for use after every chunk. Measured against a constant share and cycles over each
    chunk in docs/benchmark.md.

    Parameters
    ----------
    n_done : int
        Steps before this chunk.
    n_steps : int
        Steps in this chunk.
    progress : ndarray
        Share of them that is done.
    """
    step = n_done + n_steps * progress
    return np.maximum(0.25, 1.0 / np.sqrt(1.0 + step / 100.0))


def _check_same_network(start, architecture):
    """Refuse to go on with weights that do not fit."""
    if start.network == architecture.network:
        return
    names = (
        "number of inputs",
        "encoded features and n_bins",
        "number of outputs",
        "hidden_layer_sizes",
        "cv (members)",
        "activation",
    )
    differing = [
        f"{name} was {old!r} and is {new!r}"
        for name, old, new in zip(
            names, start.network, architecture.network, strict=True
        )
        if old != new
    ]
    raise ValueError(
        f"Training cannot go on with another network: {'; '.join(differing)}. Set that "
        "back, or fit anew with warm_start=False."
    )


def _run_epochs(
    program,
    averages,
    rows,
    encoding,
    y,
    folds,
    monitor,
    *,
    n_steps,
    n_passes,
    max_epochs,
    learning_rate,
    schedule,
    scales,
    loss,
    dropout,
    seed,
    better_than_start,
    verbose,
):
    """Train until the monitor says stop; weights, slots, averages at its best epoch."""
    filler, batch_size = len(y), program.architecture.batch_size
    by_class = [
        # As batches hold them, which is half the memory of an index.
        [train[y[train] == label].astype(np.int32) for label in np.unique(y[train])]
        for train, _ in folds
    ]
    tests = [test for _, test in folds]
    held_out = epoch_batches(tests, 1, max(map(len, tests)), filler)[0]
    # Epochs of earlier calls, so that no batch or mask comes twice.
    before = len(monitor.history["epoch"])
    rng = np.random.default_rng([seed, before])
    tensors = {name: _tensor(value) for name, value in rows.items()}
    real = rows["X"].dtype
    if encoding is None:
        encoding = ()
    else:
        encoding = (
            tf.constant(encoding.columns),
            tf.constant(encoding.centers, real),
            tf.constant(encoding.slopes, real),
        )
    bar = _ProgressBar(max_epochs) if verbose else None
    best = best_epoch = None
    average = averages[0] if averages else None
    recent = deque(averages[:1], _APART + 1)
    several = max_epochs >= _MIN_EPOCHS

    def held_out_logits():
        if monitor.judge is None:
            return None
        logits = program.predict(average, tensors["X"], encoding, held_out)
        return [logits[: len(t), member] for member, t in enumerate(tests)]

    def draw_batches():
        passes = []
        for _ in range(n_passes):
            if n_steps == 1:  # nothing to shuffle
                orders = [train for train, _ in folds]
            else:
                orders = [stratified_order(rng, classes) for classes in by_class]
            passes.append(epoch_batches(orders, n_steps, batch_size, filler))
        return np.concatenate(passes) if n_passes > 1 else passes[0]

    if better_than_start and monitor.judge is not None:
        monitor.begin(held_out_logits())
        best = program.weights, program.slots, averages
    for epoch in range(1, max_epochs + 1):
        batches = draw_batches()
        middle = (np.arange(len(batches)) + 0.5) / len(batches)
        progress = (epoch - 1 + middle) / max_epochs
        value = program.train(
            tensors,
            encoding,
            batches,
            learning_rate * schedule(progress),
            {"loss_weights": monitor.loss_weights * scales, **loss},
            dropout,
            (seed, before + epoch),
        )
        del batches, middle, progress  # judging needs memory of its own
        weights = program.weights
        if not (np.isfinite(value) and np.isfinite(weights).all()):
            raise ValueError(
                f"Training diverged in epoch {epoch}, with a loss of {value:g}. Lower "
                f"learning_rate, which is {learning_rate:g}."
            )
        average = _averaged(average, weights, before + epoch)
        recent.append(average)
        if monitor.observe(value, held_out_logits()):
            earlier = [recent[0]] if several and len(recent) > _APART else []
            best, best_epoch = (weights, program.slots, [average, *earlier]), epoch
        elif several and best_epoch is not None and epoch == best_epoch + _APART:
            best[2].append(average)
        if bar:
            bar.update(monitor)
        if monitor.stop:
            break
    return best


def _averaged(average, weights, epoch):
    """The running average of the weights, with those after one more epoch.

    An exponential moving average over about three epochs, shorter at the start, where
    training goes fast. It predicts better than the weights themselves, as the mean of
    several networks would (Izmailov et al., 2018, "Averaging Weights Leads to Wider
    Optima and Better Generalization", arXiv:1803.05407), and its score is less noisy.
    """
    if average is None:
        return weights.astype(np.float64)
    share = max(_AVERAGE_SHARE, 9 / (10 + epoch))
    return average + share * (weights - average)


def _padded_rows(scaler, encoding, X, y, sample_weight, dtype):
    """X scaled and encoded, and y beside its weight, with one more row of weight 0."""
    n_encoded = encoding.n_outputs if encoding else 0
    rows = {
        "X": _aligned((len(X) + 1, scaler.n_outputs + n_encoded), dtype),
        "target": _aligned((len(X) + 1, 2), dtype),
    }
    for part in gen_batches(len(X), max(1, _VALUES_PER_PASS // rows["X"].shape[1])):
        scaled = scaler.transform(X[part])
        rows["X"][part, : scaler.n_outputs] = scaled
        if n_encoded:
            rows["X"][part, scaler.n_outputs :] = encoding.transform(scaled)
    rows["target"][:-1, 0] = y
    rows["target"][:-1, 1] = sample_weight
    return rows


def _aligned(shape, dtype):
    """Zeros that begin where TensorFlow wants its tensors to, at a multiple of 64."""
    size = np.prod(shape, dtype=int) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def _tensor(array):
    """A tensor of an aligned array: on the GPU if there is one, else without a copy."""
    if tf.config.list_logical_devices("GPU"):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _log_odds(shares):
    """Output bias that predicts the class shares."""
    logits = np.log(shares)
    return logits[1:] - logits[0] if len(shares) == 2 else logits - logits.mean()


# ------------------------------------------------------------------------- batches


def stratified_order(rng, by_class):
    """A random order in which every class comes at even distances.

    Any run of consecutive rows then holds its share of rare rows, give or take one.
    Unstratified, 64 % of batches of 256 hold no rare row at a prevalence of 0.17 %.

    Parameters
    ----------
    rng : numpy.random.Generator
    by_class : list of ndarray
        The row numbers of each class.

    Returns
    -------
    ndarray
        All of them.
    """
    if not by_class:
        return np.empty(0, dtype=np.intp)
    *minor, largest = sorted(by_class, key=len)
    n_minor, n_rows = sum(map(len, minor)), sum(map(len, by_class))
    rng_largest = rng.permutation(largest)
    if not n_minor:
        return rng_largest
    rows = np.concatenate([rng.permutation(rows) for rows in minor])
    place = np.concatenate(
        [(np.arange(len(rows)) + rng.random(len(rows))) / len(rows) for rows in minor]
    )
    by_place = np.argsort(place)
    # Whole numbers, pushed apart where two classes want the same, kept in the range.
    rank = np.arange(n_minor)
    at = np.floor(place[by_place] * n_rows).astype(int)
    at = np.maximum.accumulate(at - rank) + rank
    at = np.minimum(at, n_rows - n_minor + rank)
    order = np.empty(n_rows, dtype=largest.dtype)
    free = np.ones(n_rows, dtype=bool)
    free[at] = False
    order[at] = rows[by_place]
    order[free] = rng_largest
    return order


def epoch_batches(orders, n_steps, batch_size, filler):
    """Cut one order of rows per member into the steps of a pass.

    Every member passes once over its own rows, in the same number of steps; a
    member with fewer rows has fewer of them in each batch.

    Parameters
    ----------
    orders : list of ndarray
        Row numbers of each member, at most ``n_steps * batch_size``.
    n_steps, batch_size : int
    filler : int
        Row number (of weight 0) that fills up the batches.

    Returns
    -------
    ndarray of shape (n_steps, n_members, batch_size), int32
    """
    batches = np.full((n_steps, len(orders), batch_size), filler, dtype=np.int32)
    for member, order in enumerate(orders):
        cuts = np.arange(n_steps + 1) * len(order) // n_steps
        taken = np.arange(batch_size) < np.diff(cuts)[:, None]
        batches[:, member][taken] = order
    return batches


# -------------------------------------------------------------------- progress bar


class _ProgressBar:
    """Keras's progress bar, one unit per epoch, with score and mix."""

    def __init__(self, max_epochs):
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
