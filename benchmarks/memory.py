"""Memory of a fit in one piece, and of a stream of chunks from the disk.

    python benchmarks/memory.py [--rows N] [--features N] [--members N] [--chunk N]

Peaks are of the anonymous resident set, less what the process held before it made
the table. A fit counts its table as 1; the stream reads a memory map, whose pages the
system takes back as it needs them. Both make one pass, with the same network.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from skadaptive import AdaptiveHybridClassifier


def resident():
    """Bytes of this process in memory that no file backs (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise OSError("the system does not tell")


class Peak:
    """Seconds of the block, and the greatest resident set while it runs."""

    def __enter__(self):
        self.bytes, self._done = resident(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self._start
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.02):
            self.bytes = max(self.bytes, resident())


def parts(n_rows, size):
    return (slice(start, start + size) for start in range(0, n_rows, size))


def make_table(path, n_rows, n_features):
    """A file of normal numbers, float32."""
    rng = np.random.default_rng(0)
    table = np.lib.format.open_memmap(
        path, mode="w+", dtype="float32", shape=(n_rows, n_features)
    )
    for part in parts(n_rows, 65536):
        table[part] = rng.normal(size=table[part].shape)
    table.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_500_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=0, help="rows; 0: no stream")
    options = parser.parse_args()

    def model():
        return AdaptiveHybridClassifier(
            hidden_layer_sizes=(64,),
            n_bins=None,
            cv=options.members,
            batch_size=256,
            max_epochs=1,
            random_state=0,
        )

    few = np.random.default_rng(0).normal(size=(2000, options.features))
    few = few.astype("float32")
    model().fit(few, few[:, 0] > 1)  # so that the program is compiled
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        make_table(path, options.rows, options.features)
        if options.chunk:
            before = resident()
            X, streamed = np.load(path, mmap_mode="r"), model()
            y = X[:, 0] > 2
            with Peak() as chunked:
                for part in parts(len(X), options.chunk):
                    streamed.partial_fit(X[part], y[part], classes=[False, True])
            print(
                f"stream: {(chunked.bytes - before) / 1e9:.2f} GB at the peak, "
                f"{len(X) / chunked.seconds:.0f} rows a second"
            )
            del X, streamed
        before = resident()
        X = np.load(path)
    with Peak() as whole:
        model().fit(X, X[:, 0] > 2)
    print(
        f"in one piece: {(whole.bytes - before) / 1e9:.2f} GB at the peak, "
        f"{(whole.bytes - before) / X.nbytes:.2f} times the data of "
        f"{X.nbytes / 1e9:.2f} GB; {len(X) / whole.seconds:.0f} rows a second"
    )


if __name__ == "__main__":
    main()
