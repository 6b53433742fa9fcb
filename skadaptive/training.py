"""From data and folds to the weights of a trained committee: batches and epochs.

The committee trains in one compiled program (:mod:`skadaptive.program`); what each
epoch's predictions decide is the monitor's (:mod:`skadaptive.monitor`).
"""

import json

import keras
import numpy as np
import tensorflow as tf
from sklearn.utils import gen_batches

from .adaptation import TERMS
from .losses import term_scales
from .network import initial_weights, unflatten
from .program import Architecture, pool

# Steps that an epoch has at least under batch_size="auto": over few rows it passes
# several times. One step an epoch would starve small data.
MIN_STEPS = 4

# Rows of a full batch that is trained in float64.
_SMALL = 1024

# Rows scaled at a time, so that no second float64 table is held.
_ROWS_PER_PASS = 65536


def fit_committee(
    transform,
    X,
    y,
    sample_weight,
    folds,
    monitor,
    *,
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
    verbose=0,
):
    """Train a committee, one member per fold.

    Parameters
    ----------
    transform : callable
        Puts rows of X on a common scale.
    X : ndarray of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        Class indices; of two classes the rare one is 1.
    sample_weight : ndarray of shape (n_samples,)
        Class weights included.
    folds : list of (train, test)
    monitor : skadaptive.monitor.Monitor
        Judges each epoch; says the next mix, which epoch is best and when to stop.
    hidden_layer_sizes, activation, dropout, gamma, optimizer, learning_rate, \
            batch_size, max_epochs, verbose
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    alpha : ndarray of shape (n_classes,)
        In the order of the indices in ``y``.
    seeds : pair of int
        Of the initial weights, and of batches and dropout.

    Returns
    -------
    kernels : list of ndarray of shape (n_members, n_inputs, n_units), float64
    biases : list of ndarray of shape (n_members, n_units), float64
        One per layer, the output layer last; those of the best epoch.

    Raises
    ------
    ValueError
        If the loss is not finite.
    """
    n_rows = max(len(train) for train, _ in folds)
    min_steps = 1
    if batch_size == "auto":
        batch_size, min_steps = auto_batch_size(n_rows), MIN_STEPS
    n_steps = -(-n_rows // batch_size)
    trained = np.concatenate([train for train, _ in folds])
    shares = np.bincount(y[trained], sample_weight[trained])
    shares /= shares.sum()
    architecture = Architecture(
        n_features=X.shape[1],
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
        dtype="float64" if n_steps == 1 and n_rows <= _SMALL else "float32",
    )
    # The weight of a batch, on average; each member has its own.
    batch_weight = np.array([sample_weight[t].sum() for t, _ in folds]) / n_steps
    start = initial_weights(
        np.random.default_rng(seeds[0]),
        architecture.weight_shapes,
        len(folds),
        activation,
        _log_odds(shares),
    )
    with pool.checkout(architecture) as program:
        program.reset(start)
        best = _run_epochs(
            program,
            _padded_rows(transform, X, y, sample_weight, architecture.dtype),
            y,
            folds,
            monitor,
            n_steps=n_steps,
            n_passes=-(-min_steps // n_steps),
            max_epochs=max_epochs,
            learning_rate=learning_rate,
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
            verbose=verbose,
        )
    return unflatten(best.astype(np.float64), architecture.weight_shapes, len(folds))


def auto_batch_size(n_rows):
    """Power of two near n_rows / 16, from 64 to 256."""
    return int(np.clip(2 ** np.round(np.log2(max(n_rows, 1) / 16)), 64, 256))


def schedule(progress):
    """Share of the learning rate at this share of the training, both in [0, 1].

    Four cosine cycles, each twice as long as the one before, that begin and end at
    0: the schedule of RealMLP (Holzmüller et al., 2024, arXiv:2407.04491).
    """
    return 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * progress)))


def _run_epochs(
    program,
    rows,
    y,
    folds,
    monitor,
    *,
    n_steps,
    n_passes,
    max_epochs,
    learning_rate,
    scales,
    loss,
    dropout,
    seed,
    verbose,
):
    """Train until the monitor says stop; the weights of its best epoch."""
    filler, batch_size = len(y), program.architecture.batch_size
    by_class = [
        [train[y[train] == label] for label in np.unique(y[train])]
        for train, _ in folds
    ]
    tests = [test for _, test in folds]
    held_out = epoch_batches(tests, 1, max(map(len, tests)), filler)[0]
    rng = np.random.default_rng(seed)
    tensors = {name: tf.constant(value) for name, value in rows.items()}
    bar = _ProgressBar(max_epochs) if verbose else None
    best = None
    for epoch in range(1, max_epochs + 1):
        passes = []
        for _ in range(n_passes):
            if n_steps == 1:  # nothing to shuffle
                orders = [train for train, _ in folds]
            else:
                orders = [stratified_order(rng, classes) for classes in by_class]
            passes.append(epoch_batches(orders, n_steps, batch_size, filler))
        batches = np.concatenate(passes)
        middle = (np.arange(len(batches)) + 0.5) / len(batches)
        progress = (epoch - 1 + middle) / max_epochs
        value = program.train(
            tensors,
            batches,
            learning_rate * schedule(progress),
            {"loss_weights": monitor.loss_weights * scales, **loss},
            dropout,
            (seed, epoch),
        )
        weights = program.weights
        if not (np.isfinite(value) and np.isfinite(weights).all()):
            raise ValueError(
                f"Training diverged in epoch {epoch}, with a loss of {value:g}. Lower "
                f"learning_rate, which is {learning_rate:g}."
            )
        logits = None
        if monitor.judge is not None:
            logits = program.predict(tensors["X"], held_out)
            logits = [logits[: len(t), member] for member, t in enumerate(tests)]
        if monitor.observe(value, logits):
            best = weights
        if bar:
            bar.update(monitor)
        if monitor.stop:
            break
    return best


def _padded_rows(transform, X, y, sample_weight, dtype):
    """Scaled X, and y beside its weight, with one more row of weight 0."""
    rows = {
        "X": np.zeros((len(X) + 1, X.shape[1]), dtype),
        "target": np.zeros((len(X) + 1, 2), dtype),
    }
    for part in gen_batches(len(X), _ROWS_PER_PASS):
        rows["X"][part] = transform(X[part])
    rows["target"][:-1, 0] = y
    rows["target"][:-1, 1] = sample_weight
    return rows


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
    order = np.empty(n_rows, dtype=np.intp)
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
