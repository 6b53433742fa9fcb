"""The training program in TensorFlow.

- A call runs many steps in one ``tf.while_loop``, without XLA, which on CPU is slower
  for this loop by a factor of 15 to 20.
- Loss weights, gamma, alpha, learning rate, dropout rate, parameters and batches are
  arguments, and the number of rows is open. The batch size is fixed, and batches are
  filled up to it: with known shapes no step has to work out the broadcasting, and
  gradients take a sixth less time.
- All parameters of all members are one vector, so that the optimizer's update is a
  dozen operations and not a dozen per layer and member.
- Rows are encoded once if memory allows: encoding every batch again takes a tenth to a
  fifth of the time.
"""

import json
import os
from contextlib import suppress
from functools import cached_property

import joblib
import keras
import numpy as np
import tensorflow as tf

from .._features.piecewise import encode
from .._interrupts import held_back
from ..losses import hybrid
from .network import committee_logits
from .orthogonality import FIRST_SHARE, STEPS_TOGETHER, WEIGHT_DECAY, kernel_groups
from .orthogonalization import orthogonalize
from .program import (
    MASK_BATCHES,
    Pool,
    StepsPerCall,
    in_steps,
    mask_starts,
    traces,
)

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "AdaptiveHybridClassifier trains with Keras on TensorFlow, but Keras runs on "
        f"{keras.backend.backend()!r} in this process: set KERAS_BACKEND=tensorflow "
        "before Keras is imported."
    )


def limit_threads():
    """Use no more threads than OMP_NUM_THREADS says, unless TensorFlow is told more.

    joblib and Dask set it in their workers, so that all threads together do not
    outnumber the cores. TensorFlow reads its own variables alone, and would start as
    many threads as there are cores in each worker. The call has no effect once
    TensorFlow has started.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    for kind in ("intra", "inter"):
        get, set_ = (
            getattr(tf.config.threading, f"{verb}_{kind}_op_parallelism_threads")
            for verb in ("get", "set")
        )
        is_set = get() or f"TF_NUM_{kind.upper()}OP_THREADS" in os.environ
        if given.isdigit() and int(given) > 0 and not is_set:
            with suppress(RuntimeError):
                set_(int(given))


def _intra_op_threads():
    """Number of threads among which TensorFlow divides one operation."""
    configured = tf.config.threading.get_intra_op_parallelism_threads()
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return configured or (int(given) if given.isdigit() else 0) or joblib.cpu_count()


limit_threads()

# Most steps per call of the compiled loop.
_MOST_STEPS = 4096
# Held-out rows per member and call when predicting.
_ROWS_PER_CALL = 16384


class TensorFlowProgram:
    """Training and prediction compiled for one architecture.

    The methods are those of ``program.TrainingProgram``.

    Parameters
    ----------
    architecture : Architecture
    """

    def __init__(self, architecture):
        self.architecture = architecture
        layout = architecture.layout
        self._shapes, self._sizes = layout.shapes, layout.sizes
        self._n_members = layout.n_members
        self._kernel_groups = kernel_groups(layout)
        size = self._n_members * sum(self._sizes)
        real = tf.as_dtype(architecture.dtype)
        # Weight decay of each parameter in a step, in units of the learning rate.
        decay = [
            WEIGHT_DECAY if i in layout.hidden_kernels else 0.0
            for i in range(len(self._sizes))
        ]
        self._decay = tf.constant(
            np.tile(np.repeat(decay, self._sizes), self._n_members), real
        )
        self._step_sizes = tf.Variable(tf.ones(size, real), trainable=False)
        # The optimizer's view of the parameters: divided by the step sizes.
        self._scaled = keras.Variable(
            np.zeros(size), dtype=architecture.dtype, name="weights"
        )
        self.optimizer = keras.optimizers.get(json.loads(architecture.optimizer))
        # Keras sums gradients over replicas, here one, by an operation with a custom
        # gradient: see ``network._silu``. Without such a method of Keras it is unused.
        self.optimizer._all_reduce_sum_gradients = list
        self.optimizer.build([self._scaled])
        self._fresh_optimizer_state = self.optimizer_state
        sizes = layout.hidden_layer_sizes
        self._has_masks = architecture.has_dropout and len(sizes) > 0
        self._steps_per_call = StepsPerCall(_MOST_STEPS)
        self._train_signature, self._predict_signature = self._signatures(size, real)

    def _signatures(self, size, real):
        """Types of the arguments of the traced functions."""
        architecture, layout = self.architecture, self.architecture.layout
        (n_inputs,), encoding = self._shapes[0], ()
        if architecture.encodes:
            n_inputs = layout.n_columns
            table = tf.TensorSpec((layout.n_encoded, layout.n_bins), real)
            columns = tf.TensorSpec((layout.n_encoded,), tf.int32)
            encoding = (columns, table, table)
        rows = {
            "X": tf.TensorSpec((None, n_inputs), real),
            "target": tf.TensorSpec((None, 2), real),  # y, weight
        }
        data = rows, encoding
        shape = (None, self._n_members, architecture.batch_size)
        steps = {
            "batch": tf.TensorSpec(shape, tf.int32),
            "rate": tf.TensorSpec((None,), tf.float32),
        }
        masks = ()
        if self._has_masks:
            steps["mask_start"] = tf.TensorSpec((None, self._n_members), tf.int32)
            n_rows = MASK_BATCHES * architecture.batch_size
            masks = tuple(
                tf.TensorSpec((n_rows, n_units), real)
                for n_units in layout.hidden_layer_sizes
            )
        loss = {
            "loss_weights": tf.TensorSpec((3,), real),
            "gamma": tf.TensorSpec((), real),
            "alpha": tf.TensorSpec((None,), real),
            "smooth": tf.TensorSpec((), real),
            "total_weight": tf.TensorSpec((self._n_members,), real),
        }
        train = tf.TensorSpec((), real), data, steps, loss, masks
        numbers = tf.TensorSpec((self._n_members, None), tf.int32)
        return train, (tf.TensorSpec((size,), real), data, numbers)

    @cached_property
    def _train(self):
        return _compiled(self._trace_train, self._train_signature)

    @cached_property
    def _draw(self):
        rate, seed = tf.TensorSpec((), self._train_signature[0].dtype), (2,)
        signature = tf.TensorSpec(seed, tf.int32), rate
        return _compiled(self._trace_masks, signature)

    @cached_property
    def _predict(self):
        return _compiled(self._trace_predict, self._predict_signature)

    @property
    def parameters(self):
        """Parameters of all members, ndarray of shape (n_members * n_parameters,)."""
        return self._scaled.numpy() * self._step_sizes.numpy()

    @property
    def optimizer_state(self):
        """The optimizer's variables, list of ndarray."""
        return [np.asarray(variable.numpy()) for variable in self.optimizer.variables]

    def reset(self, parameters, step_sizes, optimizer_state=None):
        """See ``TrainingProgram.reset``."""
        step_sizes = step_sizes.astype(self.architecture.dtype)
        self._step_sizes.assign(step_sizes)
        self._scaled.assign(in_steps(parameters, step_sizes))
        for variable, value in zip(
            self.optimizer.variables,
            optimizer_state or self._fresh_optimizer_state,
            strict=True,
        ):
            variable.assign(value)

    def load(self, rows, encoding=None):
        """See ``TrainingProgram.load``; tensors of the rows, and of the encoding."""
        tensors = {name: _tensor(value) for name, value in rows.items()}
        if encoding is None:
            return tensors, ()
        real = self.architecture.dtype
        return tensors, (
            tf.constant(encoding.columns),
            tf.constant(encoding.centers, real),
            tf.constant(encoding.slopes, real),
        )

    def train(self, data, batches, learning_rates, loss, dropout, seed):
        """See ``TrainingProgram.train``."""
        dtype = self.architecture.dtype
        loss = {name: np.asarray(value, dtype) for name, value in loss.items()}
        steps = {"batch": batches, "rate": np.asarray(learning_rates, "float32")}
        masks = ()
        if self._has_masks:
            drawn = self._draw(np.asarray(seed, "int32"), np.asarray(dropout, dtype))
            masks = tuple(drawn)
            steps["mask_start"] = mask_starts(seed, len(batches), self.architecture)
        # Tracing is no measure of how long a call takes.
        run, total = self._train, np.zeros((), dtype)
        for part in self._steps_per_call.parts(len(batches)):
            now = {name: values[part] for name, values in steps.items()}
            total = run(total, data, now, loss, masks)
        return float(total) / (len(batches) * self._n_members)

    def predict(self, parameters, data, rows):
        """See ``TrainingProgram.predict``."""
        parameters = tf.constant(parameters, self.architecture.dtype)
        parts = [
            self._predict(
                parameters, data, rows[:, start : start + _ROWS_PER_CALL]
            ).numpy()
            for start in range(0, rows.shape[1], _ROWS_PER_CALL)
        ]
        return np.concatenate(parts)

    def _trace_train(self, total, data, steps, loss, masks):
        traces[self.architecture] += 1
        rows, encoding = data
        batches, learning_rates = steps["batch"], steps["rate"]
        n_steps, width = tf.shape(batches)[0], self.architecture.batch_size

        def step(index, total, before):
            batch = batches[index]
            X = tf.gather(rows["X"], batch)
            # Losses take the batch axis first.
            target = tf.transpose(tf.gather(rows["target"], batch), (1, 0, 2))
            y, weight = tf.unstack(target, 2, axis=-1)
            mask = None
            if masks:
                starts = tf.unstack(steps["mask_start"][index], self._n_members)
                mask = [
                    tf.stack([m[start : start + width] for start in starts])
                    for m in masks
                ]
            scaled = tf.convert_to_tensor(self._scaled.value)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(scaled)
                logits = self._logits(scaled * self._step_sizes, X, encoding, mask)
                value = tf.reduce_sum(hybrid(y, logits, weight, **loss))
            self.optimizer.learning_rate.assign(learning_rates[index])
            self.optimizer.apply([tape.gradient(value, scaled)], [self._scaled])
            if self._kernel_groups:
                n_done, rate = index % STEPS_TOGETHER + 1, learning_rates[index]
                before = tf.cond(
                    (n_done == STEPS_TOGETHER) | (index + 1 == n_steps),
                    lambda: self._orthogonalize_steps(before, n_done, rate),
                    lambda: before,
                )
            return index + 1, total + value, before

        start = tf.convert_to_tensor(self._scaled.value)
        _, total, _ = tf.while_loop(
            lambda index, *_: index < n_steps,
            step,
            (tf.constant(0), total, start),
            parallel_iterations=1,
        )
        return total

    def _orthogonalize_steps(self, before, n_steps, learning_rate):
        """Orthogonalize the sum of the last steps of hidden kernels; decay the kernels.

        Parameters
        ----------
        before : tensor of shape (n_members * n_parameters,)
            Parameters before these steps, divided by the step sizes.
        n_steps : tensor, int
        learning_rate : tensor
            Learning rate of the last of these steps.

        Returns
        -------
        tensor of shape (n_members * n_parameters,)
            Parameters after these steps, divided by the step sizes.
        """
        updates = self._by_shape(self._scaled.value - before)
        for group in self._kernel_groups:
            share = FIRST_SHARE if group[0] == 1 else 1.0
            stacked = orthogonalize(tf.concat([updates[i] for i in group], 0), share)
            for i, update in zip(group, tf.split(stacked, len(group)), strict=True):
                updates[i] = update
        parts = [tf.reshape(update, (self._n_members, -1)) for update in updates]
        update = tf.reshape(tf.concat(parts, axis=1), (-1,))
        rate = tf.cast(n_steps, before.dtype) * tf.cast(learning_rate, before.dtype)
        after = before + (update - rate * self._decay * before)
        self._scaled.assign(after)
        return after

    def _trace_predict(self, parameters, data, numbers):
        rows, encoding = data
        return self._logits(parameters, tf.gather(rows["X"], numbers), encoding)

    def _logits(self, parameters, X, encoding, masks=None):
        if encoding:
            X = tf.concat([X, encode(X, *encoding, keras.ops)], axis=-1)
        return committee_logits(
            self._by_shape(parameters),
            X,
            self.architecture.layout.activation,
            masks,
            together=_intra_op_threads() == 1,
        )

    def _by_shape(self, vector):
        """One tensor for each of the shapes, (n_members, *shape), from a vector."""
        members = tf.reshape(vector, (self._n_members, -1))
        columns = tf.split(members, self._sizes, axis=1)
        return [
            tf.reshape(column, (self._n_members, *shape))
            for column, shape in zip(columns, self._shapes, strict=True)
        ]

    def _trace_masks(self, seed, rate):
        """Dropout factors, (rows, units) per hidden layer."""
        sizes = self.architecture.layout.hidden_layer_sizes
        uniform = tf.random.stateless_uniform(
            (MASK_BATCHES * self.architecture.batch_size, sum(sizes)),
            seed,
            dtype=self.architecture.dtype,
        )
        kept = tf.cast(uniform >= rate, uniform.dtype) / (1 - rate)
        return tf.split(kept, list(sizes), axis=1)


def _compiled(function, signature):
    """Trace a function once, for arguments of this structure.

    The result is a concrete function. TensorFlow counts the traces of a
    ``tf.function`` by its source line, and would warn of retracing in a search over
    architectures, although each is traced once.
    """
    traced = tf.function(function, jit_compile=False, autograph=False)
    # An interrupt while it traces can leave TensorFlow in graph mode for good.
    with held_back():
        concrete = traced.get_concrete_function(*signature)

    def call(*arguments):
        return concrete(*tf.nest.map_structure(tf.convert_to_tensor, arguments))

    return call


def _tensor(array):
    """A tensor of an aligned array, on the GPU if there is one, else without a copy."""
    if tf.config.list_logical_devices("GPU"):
        return tf.constant(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def table_rows(n_rows):
    """Rows of the table that ``load`` takes for this many; no shape is compiled in."""
    return n_rows


pool = Pool(TensorFlowProgram)
