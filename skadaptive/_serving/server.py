"""The server: a socket, workers that uvicorn supervises, and what they share."""

import ipaddress
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .model import ServedModel, ServerSettings

# Seconds in which a worker has to answer its supervisor, and to end its requests.
_HUNG, _GRACE = 60, 30
# Threads of NumPy's libraries, which would fight with those of the other workers.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes
    ----------
    host : str
    port : int
        0 is any that is free.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def bind(self) -> socket.socket:
        """A socket that is bound and does not listen yet.

        Raises
        ------
        ValueError
            If the address is not of this machine, or the port is taken.
        """
        bound = None
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM
            )[0]
            bound = socket.socket(family, kind)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError as error:
            if bound is not None:
                bound.close()
            raise ValueError(
                f"Port {self.port} of {self.host} cannot be used: {error}. Choose "
                "another one with --port, or 0 for one that is free."
            ) from error
        return bound


def serve(
    settings: ServerSettings,
    address: Address,
    n_workers: int,
    note: Callable[[str], Any],
) -> None:
    """Serve until the process is interrupted or terminated.

    Parameters
    ----------
    settings : ServerSettings
        Its folder is made here.
    address : Address
    n_workers : int
    note : callable
        Takes what there is to tell.

    Raises
    ------
    ValueError
        If the model cannot be served, or nothing can listen at the address.
    """
    # Mistakes are told here once, not by each worker.
    model = ServedModel.load(settings)
    if model.note:
        note(f"note: {model.note}")
    if not address.is_loopback and settings.token is None:
        note(
            f"note: {address.host} is reached from other machines, and there is no "
            "token: whoever reaches it can ask. Set one with --token-file."
        )
    bound = address.bind()
    host, port = bound.getsockname()[:2]
    name, version = model.saved.facts.name, model.version
    del model
    threads = str(max(1, (os.cpu_count() or 1) // n_workers))
    for variable in _THREADS:
        os.environ.setdefault(variable, threads)
    with bound, tempfile.TemporaryDirectory(prefix="skadaptive-serve-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        shown = f"[{host}]" if ":" in host else host
        note(
            f"{name}, version {version}, is served at http://{shown}:{port} by "
            f"{n_workers} worker{'s' if n_workers > 1 else ''}; /docs lists the "
            "endpoints. Interrupt the process to stop it."
        )
        _supervise(replace(settings, folder=folder), bound, n_workers)


def _supervise(settings: ServerSettings, bound: socket.socket, n_workers: int) -> None:
    from prometheus_client import multiprocess
    from uvicorn import Config
    from uvicorn.supervisors import Multiprocess

    from .app import make_app

    class Supervisor(Multiprocess):
        """Replaces workers that end, and has the others read the model again."""

        def handle_hup(self) -> None:
            # Workers read the model themselves: new workers in place of the old ones
            # would close connections between two requests of a client.
            for process in self.processes:
                if process.pid is not None and process.process.is_alive():
                    os.kill(process.pid, signal.SIGHUP)

        def init_processes(self) -> None:
            super().init_processes()
            self._leave_pipes()

        def keep_subprocess_alive(self) -> None:
            before = {process.pid for process in self.processes}
            super().keep_subprocess_alive()
            self._leave_pipes()
            for pid in before - {process.pid for process in self.processes}:
                multiprocess.mark_process_dead(pid)

        def _leave_pipes(self) -> None:
            # The end of a pipe that is the worker's. While this process holds it as
            # well, a worker that is killed when it is asked for a sign of life is
            # waited for as if it were slow, for the whole minute.
            for process in self.processes:
                process.child_conn.close()

    config = Config(
        partial(make_app, settings),
        factory=True,
        workers=n_workers,
        log_level="info",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_GRACE,
        timeout_worker_healthcheck=_HUNG,
    )
    Supervisor(config, sockets=[bound]).run()
