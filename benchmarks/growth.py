"""How the cost of a fit grows with rows, features, members and classes.

Beside the table, a plot each. Slopes are those of the logarithms, among the larger half
of the sizes.
"""

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit
from timing import (
    BATCH,
    LAYERS,
    Bar,
    Figure,
    interleave,
    larger,
    make_data,
    ours,
    slope,
)

#: Rows of the tables that grow in another direction, and their features.
N_ROWS, N_FEATURES = 20_000, 20


def in_rows(record, options):
    sizes = [10**k for k in range(3, 6 if options.quick else 8)]
    X, y = make_data(sizes[-1], 10, dtype="float32")

    def fit(size):
        return lambda: ours(1, hidden_layer_sizes=(32,), cv=None).fit(
            X[:size], y[:size]
        )

    setting = f"10 features, one layer of 32, batch {BATCH}, 1 epoch, one member"
    _grow(record, options, "rows", sizes, fit, setting, Bar("<=", 1.05))


def in_features(record, options):
    sizes = [10, 30, 100] if options.quick else [10, 30, 100, 300, 1000]
    X, y = make_data(N_ROWS, sizes[-1], dtype="float32")
    tables = {size: np.ascontiguousarray(X[:, :size]) for size in sizes}

    def fit(size):
        return lambda: ours(2, cv=None).fit(tables[size], y)

    _grow(record, options, "features", sizes, fit, f"{_setting()}, one member")


def in_members(record, options):
    sizes = [1, 2, 5] if options.quick else [1, 2, 5, 10, 20]
    X, y = make_data(N_ROWS, N_FEATURES, dtype="float32")

    def fit(size):
        # Each trains on four fifths of the rows, however many there are.
        cv = StratifiedShuffleSplit(size, test_size=0.2, random_state=0)
        return lambda: ours(2, cv=cv).fit(X, y)

    setting = f"{_setting()}, each member trained on four fifths of the rows"
    _grow(record, options, "members", sizes, fit, setting)


def in_classes(record, options):
    sizes = [2, 5, 10] if options.quick else [2, 5, 10, 20, 50]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_ROWS, N_FEATURES), dtype="float32")
    labels = {size: np.arange(N_ROWS) % size for size in sizes}

    def fit(size):
        return lambda: ours(2, cv=None).fit(X, labels[size])

    _grow(record, options, "classes", sizes, fit, f"{_setting()}, one member")


def _setting():
    layers = "-".join(map(str, LAYERS))
    return f"{N_ROWS:,} x {N_FEATURES} unless varied, {layers}, batch {BATCH}, 2 epochs"


def _grow(record, options, what, sizes, fit, setting, bar=None):
    work = f"growth with {what}, {sizes[0]:,} to {sizes[-1]:,}: {setting}"
    runs = {f"{size} {what}": fit(size) for size in sizes}
    # One program serves any number of rows; the largest need not run twice.
    warm_up = dict([next(iter(runs.items()))]) if what == "rows" else None
    interleave(record, work, runs, options.rounds, warm_up)
    by_size = np.array([record.values(work, name) for name in runs])
    slopes = tuple(slope(sizes, seconds) for seconds in by_size.T)
    record.figures.append(Figure(work, "slope", slopes, bar))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"speed_growth_{what}.png"
    _draw(what, np.array(sizes), np.median(by_size, axis=1), setting, path)


def _draw(what, sizes, seconds, setting, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    fitted = slope(sizes, seconds)
    fig, ax = plt.subplots(figsize=(6, 4))
    ax.loglog(sizes, seconds, "o", label="median fit")
    large = larger(sizes)
    level = np.mean(np.log(seconds[large]) - fitted * np.log(sizes[large]))
    line = np.exp(level) * sizes[large] ** fitted
    ax.loglog(sizes[large], line, label=f"slope {fitted:.2f}")
    # Labels of a logarithmic axis run into each other over less than a decade.
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}" if np.ptp(np.log10(seconds)) < 1 else "")
    ax.set(xlabel=what, ylabel="seconds")
    ax.set_title(setting, fontsize=8)
    ax.legend()
    fig.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(fig)
