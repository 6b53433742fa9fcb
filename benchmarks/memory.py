"""Memory of a fit, as a multiple of the data.

    python benchmarks/memory.py [--rows N] [--features N] [--members N]

The peak of the resident set, less what the process held before it made the table, so
that the table itself counts as 1.
"""

import argparse
import os
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from skadaptive import AdaptiveHybridClassifier


def resident():
    """Bytes of this process in memory (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The greatest resident set while the block runs."""

    def __enter__(self):
        self.bytes, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.02):
            self.bytes = max(self.bytes, resident())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_500_000)
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--members", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    model = AdaptiveHybridClassifier(
        hidden_layer_sizes=(64,),
        n_bins=None,
        cv=options.members,
        max_epochs=1,
        random_state=0,
    )
    few = rng.normal(size=(500, 10)).astype("float32")
    model.fit(few, few[:, 0] > 1)  # so that TensorFlow is there
    before = resident()
    X = np.empty((options.rows, options.features), "float32")
    for start in range(0, options.rows, 65536):
        part = X[start : start + 65536]
        part[:] = rng.normal(size=part.shape)
    with Peak() as peak:
        start = time.perf_counter()
        model.fit(X, X[:, 0] > 2)
        seconds = time.perf_counter() - start
    print(
        f"{X.nbytes / 1e9:.2f} GB of data, {options.members} members: at the peak "
        f"{(peak.bytes - before) / X.nbytes:.2f} times the data; {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
