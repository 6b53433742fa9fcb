"""Generated tables, labels, weights, parameters and calls of the estimator.

Hypothesis draws what they are made of, and a drawn seed the values, which keeps drawing
cheap. Every case belongs to one of a dozen architectures, and tables are small and of
few columns, so that most fits find a compiled program.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from scipy import sparse
from sklearn import __version__ as sklearn_version
from sklearn.utils.fixes import parse_version

from skadaptive import thresholds

try:
    import polars
except ImportError:
    polars = None

#: Parameters for which a program is compiled, and the number of classes.
ARCHITECTURES = [
    (2, {"hidden_layer_sizes": (2,), "n_bins": None, "batch_size": 64, "cv": 2}),
    (2, {"hidden_layer_sizes": (2,), "n_bins": 3, "batch_size": 8, "cv": 2}),
    (3, {"hidden_layer_sizes": (2,), "n_bins": None, "batch_size": 16, "cv": 2}),
    (2, {"hidden_layer_sizes": (), "n_bins": None, "batch_size": 64, "cv": 0.3}),
    (2, {"hidden_layer_sizes": (), "n_bins": 4, "batch_size": 1, "cv": None}),
    (2, {"hidden_layer_sizes": (1, 1), "n_bins": None, "batch_size": 8, "cv": 3}),
    (2, {"hidden_layer_sizes": (3,), "n_bins": None, "batch_size": 8, "dropout": 0.9}),
    (2, {"hidden_layer_sizes": (2,), "optimizer": "lion", "batch_size": 1}),
    (2, {"hidden_layer_sizes": (2,), "optimizer": "sgd", "batch_size": 16}),
    (3, {"hidden_layer_sizes": (2,), "activation": "selu", "batch_size": 64}),
    (7, {"hidden_layer_sizes": (2,), "n_bins": None, "batch_size": 16, "cv": 2}),
    (20, {"hidden_layer_sizes": (2,), "activation": "tanh", "batch_size": 64}),
]
for _, _parameters in ARCHITECTURES:
    _parameters.setdefault("n_bins", None)
    _parameters.setdefault("cv", 2)

_FLOATS = ["float16", "float32", "float64"]
_INTEGERS = ["int8", "uint8", "int32", "int64", "bool"]
_NUMBERS = [*_FLOATS, *_INTEGERS]
_SHAPES = ["normal", "scaled", "tails", "constant", "duplicated", "missing", "holes"]
_COLUMN_DTYPES = [
    *_NUMBERS,
    *["Int64", "Float64", "boolean"],
    *["object", "category", "string", "str", "texts"],
]
_ARRAYS = ["array", "fortran", "memmap", "list", "objects"]
_SPARSE = ["csr_matrix", "csc_array", "coo_array"]
_LABELS = ["int", "negative", "float", "text", "objects", "bytes", "category"]
_LABELS += ["string", "Int64", "list", "column", "int8"]
if parse_version(sklearn_version) < parse_version("1.7"):
    _LABELS.remove("bytes")  # of which scikit-learn warns itself
_SCALES = [1e-300, 1e-30, 1e-5, 1.0, 1e5, 1e30, 1e300]


@dataclass(frozen=True)
class Data:
    """A table, its labels and sample weights, and what they were made of."""

    X: Any
    y: Any
    sample_weight: Any
    recipe: str

    def __repr__(self):
        return self.recipe

    def _repr_pretty_(self, printer, cycle):
        """What Hypothesis prints, which would print the table and its like."""
        printer.text(self.recipe)

    def rows(self, numbers):
        """The data of some rows."""
        weight = self.sample_weight
        return Data(
            take(self.X, numbers),
            take(self.y, numbers),
            None if weight is None else weight[numbers],
            f"{self.recipe}.rows({list(numbers)})",
        )


def take(values, numbers):
    """Rows of a table, or values of a vector, of any type."""
    if hasattr(values, "iloc"):
        return values.iloc[numbers]
    if isinstance(values, list):
        return [values[i] for i in numbers]
    if sparse.issparse(values):
        return sparse.csr_array(values)[numbers]
    return values[np.asarray(numbers)]


def n_rows(X):
    """Number of rows of a table of any type."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _numbers(shape, scale, dtype, size, rng):
    """Values of a column, float64, or as the dtype can hold them."""
    values = rng.normal(size=size)
    if shape == "scaled":
        values *= scale
    elif shape == "tails":
        with np.errstate(over="ignore"):
            values = np.clip(values * np.exp(rng.normal(size=size) * 30), -1e300, 1e300)
    elif shape == "constant":
        values[:] = scale
    if dtype in _FLOATS:
        values = np.clip(values, np.finfo(dtype).min, np.finfo(dtype).max)
        if shape == "missing":
            values[:] = np.nan
        elif shape == "holes":
            values[rng.random(size) < 0.3] = np.nan
        return values.astype(dtype)
    if dtype == "bool":
        return values > 0
    info = np.iinfo(dtype)
    if shape in ("scaled", "tails"):
        return rng.integers(info.min, info.max, size, endpoint=True).astype(dtype)
    return np.clip(np.round(values * 3), max(info.min, -100), 100).astype(dtype)


def _column(kind, shape, scale, size, rng):
    """A column of a frame of pandas."""
    gone = {"missing": 1.0, "holes": 0.3}.get(shape, 0.0)
    is_missing = rng.random(size) < gone
    if kind in _NUMBERS:
        return pd.Series(_numbers(shape, scale, kind, size, rng))
    if kind in ("Int64", "Float64", "boolean"):
        dtype = {"Int64": "int64", "Float64": "float64", "boolean": "bool"}[kind]
        shape = {"missing": "normal", "holes": "normal"}.get(shape, shape)
        values = pd.Series(_numbers(shape, scale, dtype, size, rng), dtype=kind)
        return values.mask(is_missing)
    if kind == "object":
        values = _numbers(shape, scale, "float64", size, rng).astype(object)
        values[is_missing] = None
        return pd.Series(values, dtype=object)
    n_levels = 1 if shape == "constant" else 2
    values = np.array(["low", "high"], object)[rng.integers(0, n_levels, size)]
    values[is_missing] = [None, np.nan, pd.NA, pd.NaT][rng.integers(4)]
    dtype = {"texts": object}.get(kind, kind)
    return pd.Series(values, dtype=object if dtype == "str" else dtype)


def _table(container, columns, scale, size, rng):
    """A table of columns, each a pair of dtype and shape."""
    if container in ("frame", "polars"):
        parts = {}
        for i, (kind, shape) in enumerate(columns):
            is_copy = shape == "duplicated" and i
            parts[f"c{i}"] = (
                parts["c0"] if is_copy else _column(kind, shape, scale, size, rng)
            )
        frame = pd.DataFrame(parts)
        if container == "frame" or polars is None:
            return frame
        return polars.DataFrame(
            {
                name: [None if pd.isna(v) else v for v in column.tolist()]
                for name, column in frame.items()
            },
            strict=False,
        )
    dtype = columns[0][0]
    parts = [_numbers(shape, scale, dtype, size, rng) for _, shape in columns]
    parts = [
        parts[0] if shape == "duplicated" else part
        for part, (_, shape) in zip(parts, columns, strict=True)
    ]
    X = np.stack(parts, axis=1)
    if container == "fortran":
        return np.asfortranarray(X)
    if container == "list":
        return X.tolist()
    if container == "objects":
        return X.astype(object)
    if container == "memmap":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "table.npy")
            np.save(path, X)
            return np.load(path, mmap_mode="r")
    if container in _SPARSE:
        if X.dtype == np.float16:  # which scipy.sparse does not hold
            X = X.astype(np.float32)
        X[rng.random(X.shape) < 0.5] = 0
        return getattr(sparse, container)(X)
    return X


def _labels(kind, codes):
    """Labels of a kind from class numbers."""
    texts = np.array([f"class {code:02d}" for code in codes])
    if kind in ("category", "string"):
        return pd.Series(texts, dtype=kind)
    made = {
        "int": codes,
        "int8": codes.astype(np.int8),
        "negative": codes - 3,
        "float": codes * 2.0,
        "text": texts,
        "objects": texts.astype(object),
        "bytes": texts.astype("S"),
        "Int64": pd.Series(codes, dtype="Int64"),
        "list": codes.tolist(),
        "column": codes[:, None],
    }
    return made[kind]


def _weights(kind, size, rng):
    if kind is None:
        return None
    if kind == "integers":
        return rng.integers(0, 3, size)
    if kind == "zeros":
        return (rng.random(size) < 0.7).astype(float)
    if kind == "any":
        return 10.0 ** rng.uniform(-300, 300, size)
    return kind * (0.5 + rng.random(size))


@st.composite
def data(draw, n_classes):
    """Draw a table with labels and weights.

    Parameters
    ----------
    n_classes : int
    """
    size = draw(st.integers(max(10, 2 * n_classes), 64), label="rows")
    container = draw(st.sampled_from(["frame", "polars", *_ARRAYS, *_SPARSE]))
    kinds = _COLUMN_DTYPES if container in ("frame", "polars") else _NUMBERS
    column = st.tuples(st.sampled_from(kinds), st.sampled_from(_SHAPES))
    columns = draw(st.lists(column, min_size=3, max_size=3))
    scale = draw(st.sampled_from(_SCALES))
    labels = draw(st.sampled_from(_LABELS))
    weights = draw(st.sampled_from([None] * 6 + ["integers", "zeros", "any", 1e-300]))
    seed = draw(st.integers(0, 2**32 - 1))
    share = draw(st.sampled_from([0.5, 0.2, 0.0]))
    rng = np.random.default_rng(seed)
    # Two rows of each class at least, and the other rows of the first in the end.
    codes = np.repeat(np.arange(n_classes), 2)
    rest = size - len(codes)
    others = rng.integers(0, n_classes, rest) * (rng.random(rest) < 2 * share)
    codes = rng.permutation(np.r_[codes, others])
    if draw(st.booleans()):
        codes = n_classes - 1 - codes
    return Data(
        _table(container, columns, scale, size, rng),
        _labels(labels, codes),
        _weights(weights, size, rng),
        f"data({size} rows, {container}, {columns}, scale {scale}, {labels} labels, "
        f"weights {weights}, seed {seed}, share {share})",
    )


def parameters(n_classes):
    """Parameters that need no new program, at and near the ends of their ranges.

    Parameters
    ----------
    n_classes : int
    """
    rare = st.sampled_from([0.0, 1e-300, 0.5, 0.75, 1.0])
    weight = st.sampled_from([0.0, 1e-300, 1e-6, 1.0, 1e6, 1e300])
    by_class = st.lists(weight, min_size=n_classes, max_size=n_classes)
    return st.fixed_dictionaries(
        {"max_epochs": st.sampled_from([1, 2, 3]), "random_state": st.integers(0, 99)},
        optional={
            "gamma": st.sampled_from([0, 0.5, 2.0, 100.0]),
            "alpha": rare | by_class,
            "loss_weights": st.lists(weight, min_size=3, max_size=3)
            | st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
            "adaptation": st.sampled_from(["performance", "lookup", "threshold"]),
            "adaptation_rate": st.sampled_from([0.0, 1e-300, 0.1, 1.0]),
            "scoring": st.sampled_from(
                ["f1", "f1_macro", "balanced_accuracy", "matthews_corrcoef", "recall"]
                + ["roc_auc", "average_precision", "neg_log_loss", "precision"]
                + ["neg_brier_score", "accuracy", "jaccard", "roc_auc_ovr"]
            ),
            "class_weight": st.just("balanced"),
            "sampler": st.sampled_from(
                [None] * 3
                + [RandomUnderSampler(), RandomOverSampler(), SMOTE(k_neighbors=1)]
            ),
            "learning_rate": st.sampled_from(
                [1e-300, 1e-10, 0.04, 1.0, 1e3, 1e6, 1e30, 1e300, np.float32(0.1)]
            ),
            "early_stopping": st.booleans(),
            "n_iter_no_change": st.sampled_from([1, 1000]),
            "threshold": st.sampled_from(
                ["tune", None, 0.5, 1e-300, 1e-9, 1 - 1e-9, thresholds.f1]
                + [thresholds.precision_at_recall(0.9), np.float64(0.3)]
                + [thresholds.expected_cost([[0, 1], [10, 0]])]
            ),
            "calibration": st.sampled_from(["sigmoid", "isotonic", None]),
        },
    )


#: Calls that follow one another; each is a name and a number that says how.
CALLS = st.lists(
    st.tuples(
        st.sampled_from(
            ["fit", "fit", "fit", "partial_fit", "partial_fit", "warm_start", "pickle"]
            + ["set_params", "clone", "drop", "wrong", "validation", "groups"]
        ),
        st.integers(0, 2**16),
    ),
    min_size=1,
    max_size=4,
)
