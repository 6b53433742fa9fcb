"""The training program in JAX.

- A call runs a block of steps in one compiled loop. The number of steps is an argument.
- Parameters and the optimizer's state stay on the device, in buffers that each call
  gives to the next one; rows are brought there once.
- Tables are padded to powers of two, so that a program is compiled once per
  architecture and padded size. Everything that a search varies is an argument.
- Four steps and the orthogonalization after them are one turn of the outer loop, so
  that no branch is compiled.
- 64-bit numbers are switched on where a float64 program runs, and nowhere else.
"""

import os
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np

from .._features.piecewise import encode
from .jax_network import committee_logits, hybrid, orthogonalize
from .jax_optimizers import KerasOptimizer, make_optimizer
from .orthogonality import FIRST_SHARE, STEPS_TOGETHER, WEIGHT_DECAY, kernel_groups
from .program import (
    MASK_BATCHES,
    Pool,
    StepsPerCall,
    aligned_zeros,
    in_steps,
    mask_starts,
    traces,
)

# Most row numbers that a call takes, and most steps.
_MOST_NUMBERS, _MOST_STEPS = 2**21, 256
# Held-out rows per member and call when predicting, and those of one product.
_ROWS_PER_CALL, _FEWEST_TOGETHER, _MOST_TOGETHER = 32768, 256, 16384
# Fewest rows of a table, so that small ones share a program.
_FEWEST_ROWS = 64


@contextmanager
def _thread_limit():
    """Have JAX start no more threads than OMP_NUM_THREADS says, as joblib sets it.

    Its CPU client reads NPROC when it starts, and otherwise takes all cores.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    if "NPROC" in os.environ or not (given.isdigit() and int(given) > 0):
        yield
        return
    os.environ["NPROC"] = given
    try:
        yield
    finally:
        del os.environ["NPROC"]


with _thread_limit():
    jax.devices()  # starts the client, if nobody has


def precision(dtype):
    """A context in which JAX computes with this precision, whatever it is outside.

    Parameters
    ----------
    dtype : {"float32", "float64"}

    Returns
    -------
    context manager
    """
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(dtype == "float64")
    from jax.experimental import enable_x64  # before JAX 0.8

    return enable_x64(dtype == "float64")


def table_rows(n_rows):
    """Rows of the table that ``load`` takes for this many: the next power of two."""
    return max(_FEWEST_ROWS, 1 << (n_rows - 1).bit_length())


class JaxProgram:
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
        self._size = self._n_members * sum(self._sizes)
        with self._precision():
            self._optimizer = make_optimizer(
                architecture.optimizer, self._size, architecture.dtype
            )
        self._takes_vector = isinstance(self._optimizer, KerasOptimizer)
        numbers = self._n_members * architecture.batch_size
        most = int(np.clip(_MOST_NUMBERS // numbers, STEPS_TOGETHER, _MOST_STEPS))
        self._most_steps = most // STEPS_TOGETHER * STEPS_TOGETHER
        self._steps_per_call = StepsPerCall(self._most_steps)
        self._train = jax.jit(self._trace_train, donate_argnums=0)
        self._predict = jax.jit(self._trace_predict)
        self._draw = jax.jit(self._trace_masks)
        self.reset(np.zeros(self._size), np.ones(self._size))

    def _precision(self):
        return precision(self.architecture.dtype)

    @property
    def parameters(self):
        """Parameters of all members, ndarray of shape (n_members * n_parameters,)."""
        return self._joined(self._scaled) * self._joined(self._step_sizes)

    @property
    def optimizer_state(self):
        """The optimizer's variables, list of ndarray."""
        return [
            self._joined(part) if isinstance(part, list) else np.array(part)
            for part in self._state
        ]

    def reset(self, parameters, step_sizes, optimizer_state=None):
        """See ``TrainingProgram.reset``."""
        step_sizes = step_sizes.astype(self.architecture.dtype)
        state = list(optimizer_state or self._optimizer.fresh_state)
        # Keras before 3.9 has Nadam's single number before the vectors, not after them.
        state[2:] = sorted(state[2:], key=np.ndim, reverse=True)
        with self._precision():
            self._step_sizes = self._on_device(step_sizes)
            self._scaled = self._on_device(in_steps(parameters, step_sizes))
            self._state = [
                self._on_device(value)
                if np.shape(value) and not self._takes_vector
                else jax.device_put(np.array(value, like.dtype))
                for value, like in zip(state, self._optimizer.fresh_state, strict=True)
            ]

    def load(self, rows, encoding=None):
        """See ``TrainingProgram.load``; arrays of the rows, and of the encoding."""
        with self._precision():
            data = jax.device_put(rows)
            if encoding is None:
                return data, ()
            real = self.architecture.dtype
            return data, jax.device_put(
                (
                    encoding.columns,
                    encoding.centers.astype(real),
                    encoding.slopes.astype(real),
                )
            )

    def train(self, data, batches, learning_rates, loss, dropout, seed):
        """See ``TrainingProgram.train``."""
        dtype = self.architecture.dtype
        loss = {name: np.asarray(value, dtype) for name, value in loss.items()}
        learning_rates = np.asarray(learning_rates, "float32")
        with self._precision():
            masks, starts = self._draw_masks(len(batches), dropout, seed)
            total = jax.device_put(np.zeros((), dtype))
            for part in self._steps_per_call.parts(len(batches)):
                steps = {
                    "batch": self._filled_up(batches[part]),
                    "rate": self._filled_up(learning_rates[part]),
                }
                if masks:
                    steps["mask_start"] = self._filled_up(starts[part])
                self._scaled, self._state, total = self._train(
                    (self._scaled, self._state, total),
                    self._step_sizes,
                    data,
                    (np.int32(part.stop - part.start), steps),
                    loss,
                    masks,
                )
                total.block_until_ready()
            return float(total) / (len(batches) * self._n_members)

    def predict(self, parameters, data, rows):
        """See ``TrainingProgram.predict``."""
        width = min(_ROWS_PER_CALL, len(data[0]["X"]))
        parts = []
        with self._precision():
            parameters = self._on_device(parameters)
            for start in range(0, rows.shape[1], width):
                numbers = rows[:, start : start + width]
                n_rows = numbers.shape[1]
                filled = aligned_zeros((self._n_members, width), "int32")
                filled[:, :n_rows] = numbers
                logits = self._predict(parameters, data, filled, np.int32(n_rows))
                parts.append(np.asarray(logits)[:, :n_rows])
        return np.concatenate(parts, axis=1).transpose(1, 0, 2)

    # ------------------------------------------------------------------ what is traced

    def _trace_train(self, carry, step_sizes, data, block, loss, masks):
        traces[self.architecture] += 1
        n_steps, steps = block

        def step(index, carry):
            scaled, state, total = carry
            now = {name: values[index] for name, values in steps.items()}
            value, gradients = jax.value_and_grad(self._batch_loss)(
                scaled, step_sizes, data, now, loss, masks
            )
            scaled, state = self._update(scaled, gradients, state, now["rate"])
            return scaled, state, total + value

        def turn(index, carry):
            before, start = carry[0], index * STEPS_TOGETHER
            end = jnp.minimum(start + STEPS_TOGETHER, n_steps)
            scaled, *others = jax.lax.fori_loop(start, end, step, carry)
            rate = (end - start).astype(before[0].dtype) * steps["rate"][end - 1]
            return self._orthogonalize_steps(before, scaled, rate), *others

        n_turns = (n_steps + STEPS_TOGETHER - 1) // STEPS_TOGETHER
        return jax.lax.fori_loop(0, n_turns, turn, carry)

    def _batch_loss(self, scaled, step_sizes, data, now, loss, masks):
        """Loss of a batch, summed over the members."""
        rows, encoding = data
        X, target = (
            _taken(rows["X"], now["batch"]),
            _taken(rows["target"], now["batch"]),
        )
        if masks:
            width = self.architecture.batch_size
            numbers = now["mask_start"][:, None] + jnp.arange(width, dtype="int32")
            masks = [_taken(mask, numbers) for mask in masks]
        parameters = [w * size for w, size in zip(scaled, step_sizes, strict=True)]
        logits = self._logits(parameters, X, encoding, masks)
        return hybrid(target[..., 0], logits, target[..., 1], loss).sum()

    def _update(self, scaled, gradients, state, rate):
        if not self._takes_vector:
            return self._optimizer.apply(scaled, gradients, state, rate)
        scaled, gradients = (
            jnp.concatenate([x.reshape(self._n_members, -1) for x in parts], 1).ravel()
            for parts in (scaled, gradients)
        )
        scaled, state = self._optimizer.apply(scaled, gradients, state, rate)
        return self._by_shape(scaled), state

    def _orthogonalize_steps(self, before, scaled, rate):
        """Orthogonalize the sum of the last steps of hidden kernels; decay the kernels.

        Parameters
        ----------
        before, scaled : list of array
            Parameters before and after these steps, divided by the step sizes.
        rate : array of shape ()
            Number of steps, times the learning rate of the last one.

        Returns
        -------
        list of array
        """
        scaled = [*scaled]
        for group in self._kernel_groups:
            share = FIRST_SHARE if group[0] == 1 else 1.0
            steps = jnp.concatenate([scaled[i] - before[i] for i in group])
            steps = jnp.split(orthogonalize(steps, share), len(group))
            for i, update in zip(group, steps, strict=True):
                decay = (rate * WEIGHT_DECAY).astype(update.dtype)
                scaled[i] = before[i] + (update - decay * before[i])
        return scaled

    def _trace_predict(self, parameters, data, numbers, n_rows):
        rows, encoding = data
        together = int(
            np.clip(numbers.shape[1] // 16, _FEWEST_TOGETHER, _MOST_TOGETHER)
        )
        together = min(together, numbers.shape[1])

        def part(index, logits):
            start = index * together
            taken = jax.lax.dynamic_slice_in_dim(numbers, start, together, axis=1)
            found = self._logits(parameters, _taken(rows["X"], taken), encoding)
            return jax.lax.dynamic_update_slice_in_dim(logits, found, start, axis=1)

        shape = (*numbers.shape, self.architecture.layout.n_outputs)
        logits = jnp.zeros(shape, self.architecture.dtype)
        return jax.lax.fori_loop(0, (n_rows + together - 1) // together, part, logits)

    def _logits(self, parameters, X, encoding, masks=None):
        if encoding:
            X = jnp.concatenate([X, encode(X, *encoding, jnp)], axis=-1)
        return committee_logits(
            parameters, X, self.architecture.layout.activation, masks
        )

    def _trace_masks(self, seed, rate):
        sizes = self.architecture.layout.hidden_layer_sizes
        shape = (MASK_BATCHES * self.architecture.batch_size, sum(sizes))
        key = jax.random.fold_in(jax.random.key(seed[0]), seed[1])
        uniform = jax.random.uniform(key, shape, self.architecture.dtype)
        kept = (uniform >= rate).astype(uniform.dtype) / (1 - rate)
        return jnp.split(kept, np.cumsum(sizes)[:-1], axis=1)

    # ---------------------------------------------------------------- around the calls

    def _draw_masks(self, n_steps, rate, seed):
        """Dropout factors, (rows, units) per hidden layer, and where steps start."""
        architecture = self.architecture
        if not (architecture.has_dropout and architecture.layout.hidden_layer_sizes):
            return None, None
        with self._precision():
            masks = self._draw(
                np.asarray(seed, "uint32"), np.asarray(rate, architecture.dtype)
            )
        return masks, mask_starts(seed, n_steps, architecture)

    def _filled_up(self, values):
        """Values of the steps, filled up to the number that is compiled in."""
        filled = aligned_zeros((self._most_steps, *values.shape[1:]), values.dtype)
        filled[: len(values)] = values
        return filled

    def _on_device(self, vector):
        """Arrays of each of the shapes, (n_members, *shape), from a vector."""
        vector = np.asarray(vector, self.architecture.dtype)
        # Copies: the program writes into its buffers, which may be those of NumPy.
        return [jax.device_put(np.array(part)) for part in self._by_shape(vector)]

    def _by_shape(self, vector):
        members = vector.reshape(self._n_members, -1)
        ends = np.cumsum(self._sizes)
        return [
            members[:, end - size : end].reshape(self._n_members, *shape)
            for end, size, shape in zip(ends, self._sizes, self._shapes, strict=True)
        ]

    def _joined(self, parts):
        """The vector of the arrays of each of the shapes, ndarray."""
        members = [np.asarray(part).reshape(self._n_members, -1) for part in parts]
        return np.concatenate(members, axis=1).ravel()


def _taken(rows, numbers):
    return rows.at[numbers].get(mode="promise_in_bounds")


pool = Pool(JaxProgram)
