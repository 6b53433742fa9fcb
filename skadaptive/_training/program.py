"""The interface of a compiled training program, and the pool of idle programs.

A program trains and predicts for one :class:`Architecture`. It is compiled once per
architecture for as long as the process lives: everything that a search varies goes in
as an argument. A fitted estimator keeps no program: parameters go in and come out as
arrays. ``tensorflow_program`` and ``jax_program`` are the programs.
"""

import threading
import time
from collections import Counter, OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .._committee.state import NetworkLayout
from .._interrupts import held_back
from .orthogonality import STEPS_TOGETHER

# Number of idle programs that are kept for later fits.
_POOL_SIZE = 16

# Seconds that a call of compiled steps should take. Between calls Ctrl-C is heard.
_SECONDS_PER_CALL = 0.25

#: Rows of ready-made dropout masks, in batches. Every step starts at a random row of
#: them. Drawing fresh numbers per step costs five members 0.4 s of 1.4 s an epoch.
MASK_BATCHES = 8

#: How often each architecture was traced in this process.
traces: Counter = Counter()


@dataclass(frozen=True)
class Architecture:
    """Properties for which a program is compiled.

    Attributes
    ----------
    layout : NetworkLayout
    encodes : bool
        Whether batches are encoded in the program; otherwise rows come encoded.
    batch_size : int
    has_dropout : bool
    optimizer : str
        A name or a Keras configuration as JSON, so that it can be hashed.
    dtype : {"float32", "float64"}
    """

    layout: NetworkLayout
    encodes: bool
    batch_size: int
    has_dropout: bool
    optimizer: str
    dtype: str


class TrainingProgram(Protocol):
    """Interface of a training backend.

    Rows have the shape (n_table_rows, ...), see ``table_rows`` of its module. Those
    after the first n_rows have weight 0, and the first of them fills up batches.
    """

    architecture: Architecture

    @property
    def parameters(self) -> np.ndarray:
        """Parameters of all members, (n_members * n_parameters,)."""

    @property
    def optimizer_state(self) -> list[np.ndarray]:
        """The optimizer's variables."""

    def reset(self, parameters, step_sizes, optimizer_state=None) -> None:
        """Begin with these parameters.

        Parameters
        ----------
        parameters : ndarray of shape (n_members * n_parameters,)
        step_sizes : ndarray of shape (n_members * n_parameters,)
            How far a unit step of the optimizer moves each parameter. A parameter of
            step size 0 is 0.
        optimizer_state : list of ndarray, default=None
            None begins with a new optimizer.
        """

    def load(self, rows, encoding=None) -> Any:
        """Bring rows to the device.

        Parameters
        ----------
        rows : dict of ndarray
            ``X`` of shape (n_table_rows, n_inputs), and ``target`` of shape
            (n_table_rows, 2), y beside its weight; both as ``aligned_zeros`` makes
            them.
        encoding : PiecewiseLinearEncoding, default=None
            For an architecture that encodes its batches.

        Returns
        -------
        object
            What ``train`` and ``predict`` take as ``data``.
        """

    def train(self, data, batches, learning_rates, loss, dropout, seed) -> float:
        """Run the steps of an epoch.

        Parameters
        ----------
        data : object
            From ``load``.
        batches : ndarray of shape (n_steps, n_members, batch_size), int32
            Row numbers.
        learning_rates : ndarray of shape (n_steps,)
        loss : dict
            ``loss_weights``, ``gamma``, ``alpha``, ``smooth``, ``total_weight``: see
            :func:`skadaptive.losses.hybrid`.
        dropout : float
        seed : pair of int
            Seed of the dropout.

        Returns
        -------
        float
            Mean loss over the steps and the members.
        """

    def predict(self, parameters, data, rows) -> np.ndarray:
        """Logits of each member for rows of its own.

        Parameters
        ----------
        parameters : ndarray of shape (n_members * n_parameters,)
        data : object
            From ``load``.
        rows : ndarray of shape (n_members, n_rows), int32
            Row numbers.

        Returns
        -------
        ndarray of shape (n_rows, n_members, n_outputs)
        """


def aligned_zeros(shape, dtype):
    """Zeros that begin at a multiple of 64 bytes, so that a device need not copy them.

    Returns
    -------
    ndarray
    """
    size = np.prod(shape, dtype=int) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def in_steps(parameters, step_sizes):
    """Parameters in units of their step sizes, as the optimizer sees them.

    Parameters, returns
        ndarray of shape (n_members * n_parameters,)
    """
    return np.divide(
        parameters, step_sizes, out=np.zeros_like(parameters), where=step_sizes > 0
    )


def mask_starts(seed, n_steps, architecture):
    """First row of the dropout masks for each step and member.

    Parameters
    ----------
    seed : pair of int
    n_steps : int
    architecture : Architecture

    Returns
    -------
    ndarray of shape (n_steps, n_members), int32
    """
    last = (MASK_BATCHES - 1) * architecture.batch_size
    rng = np.random.default_rng([int(number) for number in seed])
    shape = n_steps, architecture.layout.n_members
    return rng.integers(0, last, shape, dtype=np.int32, endpoint=True)


class StepsPerCall:
    """How many steps each call of a compiled loop runs, from how long the last took.

    Parameters
    ----------
    most : int
        Most steps of a call.
    """

    def __init__(self, most):
        self._most = max(1, most // STEPS_TOGETHER)
        # How long a step takes is not known before the first call.
        self._next = 1

    def parts(self, n_steps):
        """Parts of an epoch, each as long as the last one suggests.

        Whole turns of ``STEPS_TOGETHER`` steps make a part, so that it does not matter
        to the result where it ends.

        Parameters
        ----------
        n_steps : int

        Yields
        ------
        slice
        """
        start = 0
        while start < n_steps:
            end = min(start + STEPS_TOGETHER * self._next, n_steps)
            begin = time.perf_counter()
            yield slice(start, end)
            seconds = max(time.perf_counter() - begin, 1e-6)
            turns = (end - start) / STEPS_TOGETHER * _SECONDS_PER_CALL / seconds
            self._next = int(np.clip(turns, 1, self._most))
            start = end


class Pool:
    """Idle programs, each of which is lent to one thread at a time.

    Parameters
    ----------
    make : callable
        From an :class:`Architecture` to a :class:`TrainingProgram`.
    size : int
        Idle programs to keep.
    """

    def __init__(self, make, size=_POOL_SIZE):
        self._make, self._size = make, size
        self._idle = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def checkout(self, architecture):
        """Lend a program for this architecture within a ``with`` statement."""
        with self._lock:
            programs = self._idle.get(architecture)
            program = programs.pop() if programs else None
            if programs is not None and not programs:
                del self._idle[architecture]
        # After an error or an interrupt the program is dropped, not handed back.
        if program is None:
            with held_back():  # the variables of Keras are made in a mode of their own
                program = self._make(architecture)
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
        """Forget all idle programs."""
        with self._lock:
            self._idle.clear()
