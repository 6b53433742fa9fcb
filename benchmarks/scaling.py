"""Predictions of many rows: time, memory, workers, and a worker that is killed.

    python benchmarks/scaling.py [--rows N] [--parts N] [--cluster-rows N]

Parquet parts of normal numbers are predicted by the command, each process with one
thread: all of them in one process; the first ``--cluster-rows`` on a Dask cluster of
one worker, of two, and of two of which one is killed. Each run counts how often every
row is in its outputs. Memory is the resident set of a process. Chunks and one call on a
frame take turns on the first parts in one process, whose CPU time counts, so that other
work on the machine matters less. The seconds of the runs depend on it: the load stands
beside them.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification

from skadaptive import AdaptiveHybridClassifier
from skadaptive._bulk import scoring
from skadaptive._bulk.files import BulkFile
from skadaptive._bulk.journal import JOURNAL
from skadaptive._bulk.scoring import BulkSettings
from skadaptive._io.columns import ColumnFormat
from skadaptive._io.tables import read_table
from skadaptive._prediction import predictions
from skadaptive._saving.container import checksum_of
from skadaptive._saving.model_files import ModelFacts, load_model, save_model


def names(n_features):
    return [f"x{i}" for i in range(n_features)]


def make_model(path, n_features):
    """A default fit of 20,000 rows."""
    X, y = make_classification(
        20_000, n_features, n_informative=6, weights=[0.95], random_state=0
    )
    columns = names(n_features)
    model = AdaptiveHybridClassifier(random_state=0)
    model.fit(pd.DataFrame(X, columns=columns), y)
    formats = {name: ColumnFormat("number") for name in columns}
    facts = ModelFacts("AdaptiveHybridClassifier", "y", 1, False, ["row"], "row")
    save_model(path, model, formats, facts)


def make_parts(folder, options):
    """Files of equally many rows, which their first column counts."""
    folder.mkdir()
    size = options.rows // options.parts
    rng = np.random.default_rng(0)
    for i in range(options.parts):
        X = 2 * rng.normal(size=(size, options.features))
        frame = pd.DataFrame(X, columns=names(options.features))
        frame.insert(0, "row", np.arange(i * size, (i + 1) * size))
        frame.to_parquet(folder / f"part-{i:04}.parquet", index=False)


def resident(pid):
    """MB of a process in memory; 0 if it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0.0


def cpu_seconds(pid):
    """Of a process, its threads included; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Use:
    """Resident sets and CPU seconds of processes while the block runs."""

    def __init__(self, pids):
        self.seen = {pid: [] for pid in pids}
        self._before = {pid: cpu_seconds(pid) for pid in pids}
        self.seconds = dict.fromkeys(pids, 0.0)

    def __enter__(self):
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.2):
            for pid, values in self.seen.items():
                values.append(resident(pid))
                used = cpu_seconds(pid) - self._before[pid]
                self.seconds[pid] = max(self.seconds[pid], used)

    def cpu(self):
        """CPU seconds of each process, the command first."""
        return " | ".join(f"{seconds:.1f}" for seconds in self.seconds.values())

    def memory(self):
        """Peak of each process in each fifth of the time, which shows growth."""
        lines = []
        for values in self.seen.values():
            values = [value for value in values if value]
            fifths = [max(part, default=0) for part in np.array_split(values, 5)]
            lines.append(", ".join(f"{peak:.0f}" for peak in fifths))
        return " | ".join(lines) + " MB by fifths of the time"


def predict(model, inputs, out, *more):
    return [
        *(sys.executable, "-m", "skadaptive.cli", "predict"),
        *(str(model), str(inputs), "--out", f"{out}/", *more),
    ]


def check_rows(out, n_rows):
    """How many rows are missing from the outputs, and how many are there twice."""
    times = np.zeros(n_rows, dtype=np.int8)
    for path in sorted(out.glob("*.parquet")):
        rows = pd.read_parquet(path, columns=["row"])["row"].to_numpy()
        np.add.at(times, rows, 1)
    return f"{(times == 0).sum():,} rows missing, {(times > 1).sum():,} twice"


def journal(out):
    path = out / JOURNAL
    return (
        [json.loads(line) for line in path.read_text().splitlines()]
        if (path.exists())
        else []
    )


def per_row(entries):
    n_rows = sum(entry["rows"] for entry in entries)
    return {
        what: 1e6 * sum(entry["seconds"][what] for entry in entries) / n_rows
        for what in ("reading", "predicting", "writing")
    }


def in_one_call(saved, whole, folder):
    """Rows of a file that is predicted in one call, and CPU seconds."""
    start = time.process_time()
    frame = read_table(whole, known=saved.columns, as_written=["row"]).frame
    read = time.process_time()
    result = predictions(saved, frame[list(saved.columns)], None)
    predicted = time.process_time()
    result.insert(0, "row", frame["row"].to_numpy())
    result.to_parquet(folder / "scores.parquet", index=False)
    end = time.process_time()
    seconds = {
        "reading": read - start,
        "predicting": predicted - read,
        "writing": end - predicted,
    }
    return {"rows": len(frame), "seconds": seconds}


def compare_with_one_call(model, parts, folder):
    """Microseconds a row in chunks and in one call, and the rows of one call."""
    saved = load_model(model)
    whole = folder / "whole.parquet"
    pd.concat([pd.read_parquet(part) for part in parts]).to_parquet(whole)
    n_rows = len(pd.read_parquet(whole, columns=["row"]))
    # One file, in chunks of 100,000 rows.
    file = BulkFile("whole", str(whole), str(folder / "chunks.parquet"))
    settings = BulkSettings(str(model), checksum_of(model))
    scoring.time = SimpleNamespace(perf_counter=time.process_time)
    chunked, alone = [], []
    for turn in range(4):
        alone.append(in_one_call(saved, whole, folder))
        chunked.append(scoring.predict_file(file, settings).figures)
        if not turn:  # which pays for what is lazy
            chunked, alone = [], []
    scoring.time = time
    return n_rows, per_row(chunked), per_row(alone)


def tell(title, *lines):
    load = os.getloadavg()[0]
    print(f"{title} (load {load:.1f})", *lines, sep="\n  ", flush=True)


def figures(microseconds):
    return ", ".join(f"{what} {value:.2f}" for what, value in microseconds.items())


@contextmanager
def cluster(n_workers, folder):
    """Address of a cluster of processes with one thread each, and their numbers."""
    from distributed import Client

    file = folder / "scheduler.json"
    file.unlink(missing_ok=True)
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--scheduler-file", str(file), "--no-dashboard"]
        + ["--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"],
        **quiet,
    )
    # Dask lets workers keep 65,536 bytes of freed memory, so that the arrays of each
    # pass of a prediction are given back to the system and asked for again: as much CPU
    # time as the prediction itself.
    environment = os.environ | {"MALLOC_TOP_PAD_": "67108864"}
    workers = subprocess.Popen(
        [*dask, "worker", "--scheduler-file", str(file), "--no-dashboard"]
        + ["--nworkers", str(n_workers), "--nthreads", "1"],
        cwd=folder,
        env=environment,
        **quiet,
    )
    try:
        while not file.exists() or not file.read_text():
            time.sleep(0.1)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(n_workers)
            yield client.scheduler.address, list(client.run(os.getpid).values())
    finally:
        for process in (workers, scheduler):
            process.send_signal(signal.SIGINT)
            process.wait()


def run(command, pids=()):
    """Seconds of a command, which is to end well, and what it used."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    with Use([process.pid, *pids]) as use:
        _, told = process.communicate()
    if process.returncode:
        raise RuntimeError(told)
    return time.perf_counter() - start, use


def kill_one(pids, out, n_done):
    """Kill a worker once so many outputs are complete."""
    while len(journal(out)) < n_done:
        time.sleep(0.05)
    os.kill(pids[0], signal.SIGKILL)
    print(f"worker {pids[0]} was killed after {len(journal(out))} files")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--parts", type=int, default=100)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--cluster-rows", type=int, default=2_000_000)
    parser.add_argument("--folder", help="for the files; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure(Path(name), options)


def measure(folder, options):
    model, parts = folder / "model", folder / "parts"
    size = options.rows // options.parts
    make_model(model, options.features)
    make_parts(parts, options)
    files = sorted(parts.iterdir())

    few = files[: max(1, 500_000 // size)]
    n_rows, chunked, alone = compare_with_one_call(model, few, folder)
    tell(
        f"{n_rows:,} rows, CPU time, mean of three turns",
        f"in chunks:   {figures(chunked)} us a row",
        f"in one call: {figures(alone)} us a row",
    )

    out = folder / "out"
    seconds, use = run(predict(model, parts, out))
    tell(
        f"{options.rows:,} rows in {options.parts} parts, one process: {seconds:.0f} s",
        f"{figures(per_row(journal(out)))} us a row",
        f"{use.memory()}; {use.cpu()} CPU seconds",
        check_rows(out, options.rows),
    )

    n_files = options.cluster_rows // size
    some = folder / "some"
    some.mkdir()
    for file in files[:n_files]:
        (some / file.name).symlink_to(file)
    for n_workers, killed in ((1, False), (2, False), (2, True)):
        out = folder / f"out-{n_workers}-{killed}"
        with cluster(n_workers, folder) as (address, pids):
            command = predict(model, some, out, "--scheduler", address)
            if killed:
                threading.Thread(
                    target=kill_one, args=(pids, out, n_files // 3), daemon=True
                ).start()
            seconds, use = run(command, pids)
        what = ", one of them killed" if killed else ""
        tell(
            f"{n_files * size:,} rows, workers: {n_workers}{what}: {seconds:.1f} s",
            f"{figures(per_row(journal(out)))} us a row",
            f"command and workers: {use.memory()}; {use.cpu()} CPU seconds",
            check_rows(out, n_files * size),
            f"{len(journal(out))} lines in the journal of {n_files} files",
        )


if __name__ == "__main__":
    main()
