"""Tasks on a Dask cluster: what a lost worker had in hand is done again by another."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ._packages import require

# Seconds to wait for a scheduler, and for its first worker.
_PATIENCE = 15


@dataclass(frozen=True)
class Done:
    """What has become of a task.

    Attributes
    ----------
    task : object
    result : object
        None if it failed.
    error : Exception or None
        Why it failed.
    """

    task: Any
    result: Any
    error: Exception | None = None


@contextmanager
def connected(scheduler: Any) -> Iterator[Any]:
    """Connect to a cluster.

    Parameters
    ----------
    scheduler : str or distributed.Client
        Address, or a client, which stays open.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ImportError
        If Dask is not installed.
    ValueError
        If there is no scheduler at the address, or it has no workers.
    """
    require("distributed", purpose="A Dask cluster", extra="dask")
    from distributed import Client

    if isinstance(scheduler, Client):
        yield scheduler
        return
    try:
        client = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"There is no Dask scheduler at {scheduler} ({reason}). 'dask scheduler' "
            "starts one and prints its address, such as tcp://127.0.0.1:8786."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except OSError as error:
            raise ValueError(
                f"The Dask scheduler at {scheduler} has no workers. Start some: dask "
                f"worker {scheduler} --nthreads 1"
            ) from error
        yield client


def run_tasks(
    client: Any,
    function: Callable[[Any, Any], Any],
    tasks: Iterable[Any],
    shared: Any,
    ahead: int = 2,
) -> Iterator[Done]:
    """Call a function for each task on a cluster.

    A task whose worker is lost is run again by another one. Only a task on which
    several workers were lost one after another fails: it may need more memory than they
    have.

    Parameters
    ----------
    client : distributed.Client
    function : callable
        Of a task and ``shared``. It runs at least once for each task; what a lost
        worker has done must not matter.
    tasks : iterable
        Taken when a worker will soon be free for it.
    shared : object
        The same for all tasks. It is sent to the scheduler once, from which workers get
        it again if all that had it are lost.
    ahead : int, default=2
        Tasks that are handed over for each thread of the cluster.

    Yields
    ------
    Done
        In the order in which they end.
    """
    import cloudpickle
    import dask
    from distributed import as_completed

    # As the argument of a task the scheduler keeps it; scattered data would be lost
    # with the workers that hold them.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        common = client.submit(pickle.loads, cloudpickle.dumps(shared), pure=False)
    waiting = iter(tasks)
    running: dict[Any, Any] = {}
    completed = as_completed(loop=client.loop)

    def hand_over(n_tasks: int) -> None:
        for task in islice(waiting, n_tasks):
            future = client.submit(function, task, common, pure=False)
            running[future.key] = task
            completed.add(future)

    try:
        hand_over(max(1, ahead * sum(client.nthreads().values())))
        for future in completed:
            task = running.pop(future.key)
            try:
                done = Done(task, future.result())
            except Exception as error:
                done = Done(task, None, _plain(error))
            future.release()
            # A cluster that has grown gets more at a time.
            n_threads = sum(client.nthreads().values())
            hand_over(max(1, ahead * n_threads - len(running)))
            yield done
    finally:
        completed.clear()


def _plain(error: Exception) -> Exception:
    """The error of a task; one that says what to do, if it is about the cluster."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return RuntimeError(
            "several workers were lost on it one after another, perhaps for want of "
            "memory"
        )
    return error
