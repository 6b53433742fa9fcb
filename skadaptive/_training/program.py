"""The compiled training program and its cache.

Goals
-----
- One trace per :class:`Architecture` for as long as the process lives. Everything
  that a search varies goes in as a tensor: the mix, gamma, alpha, the learning
  rate, the dropout rate, weights, batches. The number of rows is left open. The batch
  size is not: batches are filled up to it, because with shapes known the gradients
  need a sixth less time, no broadcasting being worked out at every step.
- A whole epoch in one call, as a ``tf.while_loop`` without XLA, which on CPU is
  slower for this loop by a factor of 15 to 20.
- All weights of all members in one vector, so that the optimiser's update is a
  dozen operations and not a dozen per layer and member.
- Rows that come encoded, where memory allows: to encode every batch anew takes a tenth
  to a fifth of the time.
- Nothing of it survives in a fitted estimator: weights go in and come out as arrays.

Rows are (n_samples + 1, ...): the last one has weight 0 and fills up batches.
"""

import json
import os
import threading
from collections import Counter, OrderedDict
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

import joblib
import keras
import numpy as np
import tensorflow as tf

from .._features.piecewise import encode
from ..losses import hybrid
from .network import committee_logits, weight_shapes
from .orthogonalization import orthogonalize

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "AdaptiveHybridClassifier trains with Keras on TensorFlow, but Keras runs on "
        f"{keras.backend.backend()!r} in this process: set KERAS_BACKEND=tensorflow "
        "before Keras is imported."
    )


def limit_threads():
    """Use no more threads than OMP_NUM_THREADS says, unless told otherwise.

    joblib and Dask set it in their workers, so that workers and threads together do not
    outnumber the cores. TensorFlow reads its own variables alone, and would start as
    many threads as there are cores in each worker. Without effect once it has started.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    for kind in ("intra", "inter"):
        get, set_ = (
            getattr(tf.config.threading, f"{verb}_{kind}_op_parallelism_threads")
            for verb in ("get", "set")
        )
        told = get() or f"TF_NUM_{kind.upper()}OP_THREADS" in os.environ
        if given.isdigit() and int(given) > 0 and not told:
            with suppress(RuntimeError):
                set_(int(given))


def _intra_op_threads():
    """Threads that TensorFlow shares one operation out among."""
    told = tf.config.threading.get_intra_op_parallelism_threads()
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return told or (int(given) if given.isdigit() else 0) or joblib.cpu_count()


limit_threads()

# Steps per call of the compiled loop: Ctrl-C is heard between calls.
_STEPS_PER_CALL = 4096
# Held-out rows per member and call when predicting.
_ROWS_PER_CALL = 16384
# Rows of ready-made dropout masks, in batches. Every step starts at a random row of
# them. Drawing fresh numbers per step costs five members 0.4 s of 1.4 s an epoch.
_MASK_BATCHES = 8
# Idle programs that are kept for later fits.
_POOL_SIZE = 16

# What of the first kernel's step is made flat. All of it gains more by the mean of the
# sets and on fewer of them, none of it less (docs/benchmark.md).
_FIRST_SHARE = 0.5
# Steps that are made flat together: one by one each takes a tenth to a quarter more
# time and is no better (docs/benchmark.md).
_TOGETHER = 4
# How fast hidden kernels shrink, in units of the learning rate (Loshchilov & Hutter,
# 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101).
_WEIGHT_DECAY = 0.1

#: How often each architecture was traced in this process.
traces = Counter()


@dataclass(frozen=True)
class Architecture:
    """What a program is compiled for."""

    n_columns: int  # of the scaled features
    n_encoded: int
    n_bins: int
    encodes: bool  # its batches; otherwise rows come encoded
    hidden_layer_sizes: tuple
    n_outputs: int
    n_members: int
    batch_size: int
    activation: str
    dropout: bool
    optimizer: str  # JSON of a name or a Keras config, so that it can be hashed
    dtype: str

    @property
    def network(self):
        """What the weights depend on."""
        return (
            self.n_columns,
            (self.n_encoded, self.n_bins),
            self.n_outputs,
            self.hidden_layer_sizes,
            self.n_members,
            self.activation,
        )

    @property
    def weight_shapes(self):
        return weight_shapes(
            self.n_columns,
            self.n_encoded,
            self.n_bins,
            self.hidden_layer_sizes,
            self.n_outputs,
        )


class Program:
    """Training and prediction compiled for one architecture."""

    def __init__(self, architecture):
        self.architecture = architecture
        self._shapes, n_members = architecture.weight_shapes, architecture.n_members
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        # Hidden kernels in the list of shapes, the first by itself, then those of one
        # shape together: after the factors of the inputs kernels and biases take
        # turns, those of the output last.
        hidden = range(1, len(self._shapes) - 2, 2)
        self._alike = [[i] for i in hidden[:1]] + [
            [i for i in hidden[1:] if self._shapes[i] == shape]
            for shape in dict.fromkeys(self._shapes[i] for i in hidden[1:])
        ]
        size = n_members * sum(self._sizes)
        real = tf.as_dtype(architecture.dtype)
        # By how much each weight shrinks in a step, in units of the learning rate.
        decay = [_WEIGHT_DECAY if i in hidden else 0.0 for i in range(len(self._sizes))]
        self._decay = tf.constant(
            np.tile(np.repeat(decay, self._sizes), n_members), real
        )
        self._factors = tf.Variable(tf.ones(size, real), trainable=False)
        # The optimizer's view of the weights: divided by the factors.
        self._scaled = keras.Variable(
            np.zeros(size), dtype=architecture.dtype, name="weights"
        )
        self.optimizer = keras.optimizers.get(json.loads(architecture.optimizer))
        self.optimizer.build([self._scaled])
        self._fresh_slots = self.slots
        (n_inputs,), encoding = self._shapes[0], ()
        if architecture.encodes:
            n_inputs = architecture.n_columns
            table = tf.TensorSpec((architecture.n_encoded, architecture.n_bins), real)
            columns = tf.TensorSpec((architecture.n_encoded,), tf.int32)
            encoding = (columns, table, table)
        rows = {
            "X": tf.TensorSpec((None, n_inputs), real),
            "target": tf.TensorSpec((None, 2), real),  # y, weight
        }
        # (steps, members, rows of a batch): row numbers.
        shape = (None, architecture.n_members, architecture.batch_size)
        batches = tf.TensorSpec(shape, tf.int32)
        loss = {
            "loss_weights": tf.TensorSpec((3,), real),
            "gamma": tf.TensorSpec((), real),
            "alpha": tf.TensorSpec((None,), real),
            "smooth": tf.TensorSpec((), real),
            "total_weight": tf.TensorSpec((n_members,), real),
        }
        self._train_signature = (
            rows,
            encoding,
            batches,
            tf.TensorSpec((None,), tf.float32),
            loss,
            tf.TensorSpec((), real),
            tf.TensorSpec((2,), tf.int32),
        )
        self._predict_signature = (
            tf.TensorSpec((size,), real),
            rows["X"],
            encoding,
            tf.TensorSpec((architecture.n_members, None), tf.int32),
        )

    @cached_property
    def _train(self):
        return _compiled(self._trace_train, self._train_signature)

    @cached_property
    def _predict(self):
        return _compiled(self._trace_predict, self._predict_signature)

    @property
    def weights(self):
        """Weights of all members, ndarray of shape (n_members * n_weights,)."""
        return self._scaled.numpy() * self._factors.numpy()

    @property
    def slots(self):
        """The optimizer's variables, list of ndarray."""
        return [np.asarray(variable.numpy()) for variable in self.optimizer.variables]

    def reset(self, weights, factors, slots=None):
        """Start with these weights; without slots the optimizer has seen nothing.

        A unit step of the optimizer moves each weight as far as its factor, see
        ``_training.network.step_factors``.
        """
        factors = factors.astype(self.architecture.dtype)
        self._factors.assign(factors)
        self._scaled.assign(weights / factors)
        for variable, value in zip(
            self.optimizer.variables, slots or self._fresh_slots, strict=True
        ):
            variable.assign(value)

    def train(self, rows, encoding, batches, learning_rates, loss, dropout, seed):
        """Run the steps of ``batches`` and return the mean loss of a member."""
        total = 0.0
        dtype = self.architecture.dtype
        loss = {name: np.asarray(value, dtype) for name, value in loss.items()}
        for start in range(0, len(batches), _STEPS_PER_CALL):
            steps = slice(start, start + _STEPS_PER_CALL)
            total += float(
                self._train(
                    rows,
                    encoding,
                    batches[steps],
                    np.asarray(learning_rates[steps], "float32"),
                    loss,
                    np.asarray(dropout, dtype),
                    np.asarray([seed[0] ^ start, seed[1]], "int32"),
                )
            )
        return total / len(batches)

    def predict(self, weights, X, encoding, batch):
        """Logits of each member for its own rows of X.

        Parameters
        ----------
        weights : ndarray of shape (n_members * n_weights,)
        X : tensor of shape (n_samples + 1, n_columns) or (n_samples + 1, n_inputs)
        encoding : tuple of tensor
            Columns, centers and slopes of a
            ``_features.piecewise.PiecewiseLinearEncoding``; empty if X is
            encoded.
        batch : ndarray of shape (n_members, n_rows), int32

        Returns
        -------
        ndarray of shape (n_rows, n_members, n_outputs)
        """
        weights = tf.constant(weights, self.architecture.dtype)
        parts = [
            self._predict(
                weights, X, encoding, batch[:, start : start + _ROWS_PER_CALL]
            ).numpy()
            for start in range(0, batch.shape[1], _ROWS_PER_CALL)
        ]
        return np.concatenate(parts)

    def _trace_train(
        self, rows, encoding, batches, learning_rates, loss, dropout, seed
    ):
        traces[self.architecture] += 1
        n_steps, width = tf.shape(batches)[0], self.architecture.batch_size
        masks, offsets = self._draw_masks(n_steps, dropout, seed)

        def step(index, total, before):
            batch = batches[index]
            X = tf.gather(rows["X"], batch)
            # Losses take the batch axis first.
            target = tf.transpose(tf.gather(rows["target"], batch), (1, 0, 2))
            y, weight = tf.unstack(target, 2, axis=-1)
            mask = None
            if masks:
                starts = tf.unstack(offsets[index], self.architecture.n_members)
                mask = [tf.stack([m[at : at + width] for at in starts]) for m in masks]
            scaled = tf.convert_to_tensor(self._scaled.value)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(scaled)
                logits = self._logits(scaled * self._factors, X, encoding, mask)
                value = tf.reduce_sum(hybrid(y, logits, weight, **loss))
            self.optimizer.learning_rate.assign(learning_rates[index])
            self.optimizer.apply([tape.gradient(value, scaled)], [self._scaled])
            if self._alike:
                n_done = index % _TOGETHER + 1
                before = tf.cond(
                    (n_done == _TOGETHER) | (index + 1 == n_steps),
                    lambda: self._flatten_steps(before, n_done, learning_rates[index]),
                    lambda: before,
                )
            return index + 1, total + value, before

        start = tf.convert_to_tensor(self._scaled.value)
        _, total, _ = tf.while_loop(
            lambda index, *_: index < n_steps,
            step,
            (tf.constant(0), tf.zeros((), start.dtype), start),
            parallel_iterations=1,
        )
        return total / self.architecture.n_members

    def _flatten_steps(self, before, n_steps, learning_rate):
        """Make the last steps of hidden kernels, taken together, flat; decay them.

        Parameters
        ----------
        before : tensor of shape (n_members * n_weights,)
            Weights before these steps, divided by the factors.
        n_steps : tensor, int
        learning_rate : tensor
            That of the last of them.

        Returns
        -------
        tensor of shape (n_members * n_weights,)
            What they are now.
        """
        n_members = self.architecture.n_members
        steps = self._by_shape(self._scaled.value - before)
        for alike in self._alike:
            share = _FIRST_SHARE if alike[0] == 1 else 1.0
            made = orthogonalize(tf.concat([steps[i] for i in alike], 0), share)
            for i, step in zip(alike, tf.split(made, len(alike)), strict=True):
                steps[i] = step
        parts = [tf.reshape(step, (n_members, -1)) for step in steps]
        step = tf.reshape(tf.concat(parts, axis=1), (-1,))
        rate = tf.cast(n_steps, before.dtype) * tf.cast(learning_rate, before.dtype)
        after = before + (step - rate * self._decay * before)
        self._scaled.assign(after)
        return after

    def _trace_predict(self, weights, X, encoding, batch):
        return self._logits(weights, tf.gather(X, batch), encoding)

    def _logits(self, weights, X, encoding, masks=None):
        if encoding:
            X = tf.concat([X, encode(X, *encoding, keras.ops)], axis=-1)
        weights = self._by_shape(weights)
        return committee_logits(
            weights,
            X,
            self.architecture.activation,
            masks,
            together=_intra_op_threads() == 1,
        )

    def _by_shape(self, vector):
        """One tensor for each of the shapes, (n_members, *shape), from a vector."""
        n_members = self.architecture.n_members
        columns = tf.split(tf.reshape(vector, (n_members, -1)), self._sizes, axis=1)
        return [
            tf.reshape(column, (n_members, *shape))
            for column, shape in zip(columns, self._shapes, strict=True)
        ]

    def _draw_masks(self, n_steps, rate, seed):
        """Dropout factors, (rows, units) per hidden layer, and where steps start."""
        sizes = self.architecture.hidden_layer_sizes
        if not (self.architecture.dropout and sizes):
            return None, None
        width = self.architecture.batch_size
        n_rows = _MASK_BATCHES * width
        uniform = tf.random.stateless_uniform(
            (n_rows, sum(sizes)), seed, dtype=self.architecture.dtype
        )
        kept = tf.cast(uniform >= rate, uniform.dtype) / (1 - rate)
        shape = (n_steps, self.architecture.n_members)
        offsets = tf.random.stateless_uniform(
            shape, seed * [-1, 1], 0, n_rows - width + 1, tf.int32
        )
        return tf.split(kept, list(sizes), axis=1), offsets


def _compiled(function, signature):
    """The function traced once, for arguments of this structure.

    Called as a concrete function: TensorFlow counts the traces of a ``tf.function`` by
    its source line, and would warn of retracing where a search goes through
    architectures, each traced once.
    """
    traced = tf.function(function, jit_compile=False, autograph=False)
    concrete = traced.get_concrete_function(*signature)

    def call(*arguments):
        return concrete(*tf.nest.map_structure(tf.convert_to_tensor, arguments))

    return call


class Pool:
    """Idle programs. One is only ever lent to one thread at a time."""

    def __init__(self, size):
        self._size = size
        self._idle = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def checkout(self, architecture):
        with self._lock:
            programs = self._idle.get(architecture)
            program = programs.pop() if programs else None
            if programs is not None and not programs:
                del self._idle[architecture]
        # After an error or an interrupt the program is dropped, not handed back.
        program = program or Program(architecture)
        yield program
        with self._lock:
            self._idle.setdefault(architecture, []).append(program)
            self._idle.move_to_end(architecture)
            while sum(map(len, self._idle.values())) > self._size:
                oldest = next(iter(self._idle))
                self._idle[oldest].pop(0)
                if not self._idle[oldest]:
                    del self._idle[oldest]

    def clear(self):
        with self._lock:
            self._idle.clear()


pool = Pool(_POOL_SIZE)
