"""The server under load: latency, throughput, memory, and what happens to failures.

Starts ``skadaptive serve`` with workers of one BLAS thread on this machine, which the
load generator shares, and asks for

1. single rows at a fixed rate, each at its time, whether or not earlier ones are
   answered: a request that waits for its turn has its waiting time counted;
2. batches as fast as they are answered;
3. single rows of which a tenth have a mistake, as fast as they are answered, while the
   memory of the workers is watched;
4. single rows while the model is replaced, by a signal and by its file;
5. single rows while a worker is killed.

    python benchmarks/serving.py [--model FILE] [--workers 2] [--quick] [--out FILE]

Without --model, a model of the built-in data of breast cancer (30 features) is made.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skadaptive import AdaptiveHybridClassifier
from skadaptive._io.columns import Notes, ReadingOptions, infer_column
from skadaptive._io.json_values import json_values
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
)
from skadaptive.contenders import raw_pipeline
from skadaptive.datasets import load_rare


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="file of compare --save")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--out", help="write the figures to this JSON file")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "served.model")
        if options.model:
            shutil.copy(options.model, model)
        else:
            make_model(model)
        other = Path(folder, "other.model")
        make_other(model, other)
        rows = example_rows(model)
        with Server(model, options.workers) as server:
            found = {"machine": platform.processor() or platform.machine()}
            found |= {"cores": os.cpu_count(), "workers": options.workers}
            found["load average before"] = os.getloadavg()[0]
            ask = Load(server.port, rows)
            asyncio.run(ask.closed_loop(500 // share, 8))  # until caches are warm
            for name, load in (
                ("single", ask.open_loop(options.rate, 30 / share)),
                ("batches", ask.batches(500, 200 // share)),
            ):
                before = server.seconds()
                found[name] = asyncio.run(load)
                milliseconds = 1e3 * (server.seconds() - before)
                per_request = milliseconds / found[name]["requests"]
                found[name]["CPU ms a request"] = round(per_request, 2)
                show(found, name)
            found["mixed"] = asyncio.run(mixed(ask, server, 20_000 // share))
            show(found, "mixed")
            found["replaced"] = asyncio.run(replaced(ask, server, model, other))
            show(found, "replaced")
            found["killed"] = asyncio.run(killed(ask, server))
            show(found, "killed")
            found["load average after"] = os.getloadavg()[0]
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=2) + "\n")


def show(found, name):
    print(name, json.dumps(found[name]), flush=True)


# ------------------------------------------------------------------------------ model


def make_model(path):
    """A committee on the built-in data, saved as ``compare --save`` does."""
    bunch = load_rare("breast_cancer", as_frame=True)
    X, y = bunch.data, bunch.target
    formats = {
        name: infer_column(X[name], name, ReadingOptions(), Notes())[1] for name in X
    }
    model = raw_pipeline(X, AdaptiveHybridClassifier(random_state=0)).fit(X, y)
    out_of_fold = OutOfFold(np.asarray(y), model[-1].oof_proba_[:, 1])
    save_model(
        path,
        model,
        formats,
        ModelFacts("AdaptiveHybridClassifier", "diagnosis", 1, False, []),
        background=background_rows(X, None, 0),
        out_of_fold=out_of_fold,
        reference=reference_distributions(X, out_of_fold),
    )


def make_other(path, other):
    """The same model as another file: with fewer rows for explanations."""
    saved = load_model(path)
    save_model(
        other,
        saved.model,
        saved.columns,
        saved.facts,
        background=saved.background.iloc[1:],
        out_of_fold=saved.out_of_fold,
        reference=saved.reference,
    )


def example_rows(path):
    rows = load_model(path).background
    return [json_values(row) for row in rows.to_dict("records")]


# ----------------------------------------------------------------------------- server


class Server:
    """The command as a process, on a free port."""

    def __init__(self, model, n_workers):
        self._command = [sys.executable, "-m", "skadaptive.cli", "serve", str(model)]
        self._command += ["--port", "0", "--workers", str(n_workers)]
        self._n_workers = n_workers

    def __enter__(self):
        self._log = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 - closed below
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, env=env
        )
        while self._read("startup complete") < self._n_workers:
            if self.process.poll() is not None:
                raise RuntimeError(Path(self._log.name).read_text())
            time.sleep(0.1)
        text = Path(self._log.name).read_text()
        self.port = int(re.search(r"http://[\d.]+:(\d+)", text).group(1))
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(60)
        self._log.close()

    def _read(self, text):
        return Path(self._log.name).read_text().count(text)

    def workers(self):
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    def seconds(self):
        """Seconds of CPU of all workers, which do not depend on other processes."""
        fields = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for pid in self.workers()
        ]
        ticks = sum(int(of[11]) + int(of[12]) for of in fields)
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident megabytes by worker."""
        found = {}
        for pid in self.workers():
            status = Path(f"/proc/{pid}/status").read_text()
            found[pid] = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024
        return found


# ------------------------------------------------------------------------------- load


class Load:
    """Requests on connections that are kept."""

    def __init__(self, port, rows):
        self._port = port
        self._rows = rows
        self._single = [_request({"rows": [row]}) for row in rows]
        name, value = next(iter(rows[0].items()))
        absent = {k: v for k, v in rows[0].items() if k != name}
        self._bad = [
            _request({"rows": [rows[0] | {name: "no number"}]}),
            _request({"rows": [rows[0] | {"unknown": value}]}),
            _request({"rows": [absent]}),
            _request({"rows": [rows[0] | {name: [1]}]}),
            _request({"rows": 3}),
            _request(b"{"),
        ]

    async def _connect(self):
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def open_loop(self, rate, seconds):
        """Latency of single rows that are sent at their times."""
        free = asyncio.Queue()
        for _ in range(16):
            free.put_nowait(await self._connect())
        latencies, statuses, tasks = [], [], []
        start = time.perf_counter()

        async def one(i):
            due = start + i / rate
            connection = await free.get()
            status, _ = await _ask(connection, self._single[i % len(self._single)])
            latencies.append(time.perf_counter() - due)
            statuses.append(status)
            free.put_nowait(connection)

        for i in range(int(rate * seconds)):
            await asyncio.sleep(max(0, start + i / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(one(i)))
        await asyncio.gather(*tasks)
        return {
            "requests": len(latencies),
            "a second": round(len(latencies) / (time.perf_counter() - start), 1),
            "failed": sum(status != 200 for status in statuses),
        } | quantiles(latencies)

    async def closed_loop(self, n_requests, n_connections, bad_every=None, stop=None):
        """Statuses, wanted statuses and versions of requests, one after another."""
        found, counter = [], iter(range(n_requests))

        async def one_connection():
            connection = await self._connect()
            for i in counter:
                if stop is not None and stop.is_set():
                    break
                is_bad = bad_every is not None and i % bad_every == 0
                request = self._single[i % len(self._single)]
                if is_bad:
                    request = self._bad[i // bad_every % len(self._bad)]
                try:
                    status, body = await _ask(connection, request)
                except (ConnectionError, asyncio.IncompleteReadError):
                    status, body = 0, b""
                    connection = await self._connect()
                version = re.search(rb'"model_version":"(\w+)"', body)
                wanted = 422 if is_bad else 200
                found.append((status, wanted, version and version.group(1).decode()))

        await asyncio.gather(*(one_connection() for _ in range(n_connections)))
        return found

    async def batches(self, n_rows, n_requests):
        """Rows a second in batches."""
        rows = (self._rows * (n_rows // len(self._rows) + 1))[:n_rows]
        request, counter = _request({"rows": rows}), iter(range(n_requests))
        latencies = []

        async def one_connection():
            connection = await self._connect()
            for _ in counter:
                begin = time.perf_counter()
                status, _ = await _ask(connection, request)
                assert status == 200, status
                latencies.append(time.perf_counter() - begin)

        start = time.perf_counter()
        await asyncio.gather(*(one_connection() for _ in range(4)))
        seconds = time.perf_counter() - start
        return {
            "rows in a batch": n_rows,
            "requests": n_requests,
            "rows a second": round(n_rows * n_requests / seconds),
        } | quantiles(latencies)


def _request(content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = "POST /predict HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _ask(connection, request):
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
    return int(head[9:12]), await reader.readexactly(length)


def quantiles(latencies):
    shown = {"p50 ms": 0.5, "p90 ms": 0.9, "p99 ms": 0.99, "max ms": 1}
    values = np.quantile(np.array(latencies) * 1e3, list(shown.values()))
    return dict(zip(shown, np.round(values, 2).tolist(), strict=True))


# -------------------------------------------------------------------------- scenarios


def outcome(found):
    return {
        "requests": len(found),
        "server errors": sum(status >= 500 for status, _, _ in found),
        "connections lost": sum(status == 0 for status, _, _ in found),
        "other than wanted": sum(status != wanted for status, wanted, _ in found),
        "refused": sum(status == 422 for status, _, _ in found),
    }


async def mixed(ask, server, n_requests):
    """A tenth malformed; growth of memory after each worker's first requests."""
    first = await ask.closed_loop(2 * n_requests // 20, 8, bad_every=10)
    before = server.memory()
    found = first + await ask.closed_loop(n_requests - len(first), 8, bad_every=10)
    after = server.memory()
    growth = [round(after[pid] - before[pid], 1) for pid in before]
    memory = [round(value) for value in after.values()]
    return outcome(found) | {"growth MB by worker": growth, "MB by worker": memory}


async def replaced(ask, server, model, other):
    """Replace the model four times, by its file alone or with a signal."""
    stop = asyncio.Event()
    load = asyncio.create_task(ask.closed_loop(10**9, 8, stop=stop))
    contents = [other.read_bytes(), model.read_bytes()]
    for i in range(4):
        await asyncio.sleep(2)
        new = Path(f"{model}.new")
        new.write_bytes(contents[i % 2])
        os.replace(new, model)
        if i < 2:
            server.process.send_signal(signal.SIGHUP)
    await asyncio.sleep(4)
    stop.set()
    found = await load
    versions = [version for _, _, version in found]
    changes = sum(a != b for a, b in zip(versions, versions[1:], strict=False))
    return outcome(found) | {"versions": len(set(versions)), "changes seen": changes}


async def killed(ask, server):
    """Kill one worker, and see when there are as many as before."""
    stop = asyncio.Event()
    load = asyncio.create_task(ask.closed_loop(10**9, 8, stop=stop))
    await asyncio.sleep(1)
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    start = time.perf_counter()
    while len(set(server.workers()) - {before[0]}) < len(before):
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - start
    await asyncio.sleep(5)
    stop.set()
    return outcome(await load) | {"seconds until started anew": round(seconds, 2)}


if __name__ == "__main__":
    main()
