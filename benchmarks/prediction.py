"""Time of predictions beside histogram gradient boosting, and size of the pickles.

    python benchmarks/prediction.py [--features N] [--rounds N]

Default fits of 1,500 and 20,000 rows predict in turn with default fits of
``HistGradientBoostingClassifier``. Both use as many threads as OMP_NUM_THREADS says,
which has to be set before the start. Wall-clock ratios mean little on a machine that
does other work, where boosting with several threads waits for its slowest one; so the
ratio of processor time stands beside them, which counts all threads.
"""

import argparse
import os
import pickle
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from timing import make_data

from skadaptive import AdaptiveHybridClassifier

# Rows to predict, and calls per measurement.
_ROWS = {1: 200, 1_000: 10, 50_000: 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    rng = np.random.default_rng(1)
    X_new = rng.normal(size=(max(_ROWS), chosen.features))
    for n_rows in (1_500, 20_000):
        X, y = make_data(n_rows, chosen.features)
        ours = AdaptiveHybridClassifier(random_state=0).fit(X, y)
        trees = HistGradientBoostingClassifier(random_state=0).fit(X, y)
        sizes = [len(pickle.dumps(model)) / 1e6 for model in (ours, trees)]
        print(f"fit of {n_rows:,} rows: {sizes[0]:.2f} MB, boosting {sizes[1]:.2f} MB")
        for n_new, calls in _ROWS.items():
            seconds = [
                [measured(model, X_new[:n_new], calls) for model in (ours, trees)]
                for _ in range(chosen.rounds)
            ]
            own, other = np.median(seconds, axis=0)
            wall, processor = own / other
            print(
                f"  {n_new:6,} rows: {1e3 * own[0]:8.2f} ms, boosting "
                f"{1e3 * other[0]:8.2f} ms; ratio {wall:.2f}, of processor time "
                f"{processor:.2f}"
            )


def measured(model, X, calls):
    """Seconds per call, and seconds of processor time of all threads."""
    model.predict_proba(X)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(calls):
        model.predict_proba(X)
    done = time.perf_counter(), time.process_time()
    return (done[0] - wall) / calls, (done[1] - processor) / calls


if __name__ == "__main__":
    main()
