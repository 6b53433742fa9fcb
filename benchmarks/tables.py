"""Tables to measure on: a folder of CSV files whose last column is ``target``.

A column ``weight`` holds sample weights, which restore the natural shares of a table
that was thinned out.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

DEFAULT_FOLDER = os.environ.get("SKADAPTIVE_DATA")


def add_folder_argument(parser):
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_FOLDER,
        required=DEFAULT_FOLDER is None,
        metavar="DIR",
        help="folder of *.csv or *.csv.gz whose last column is target, 1 for the rare "
        "class; by default what SKADAPTIVE_DATA says",
    )
    parser.add_argument(
        "--sets", nargs="+", metavar="NAME", help="only these, by default all"
    )


def names(folder, chosen=None, max_rows=np.inf):
    """Names of the tables of at most so many rows, the small ones first.

    Returns
    -------
    list of str
    """
    sizes = {}
    for path in sorted(folder.glob("*.csv*")):
        name = path.name.removesuffix(".gz").removesuffix(".csv")
        if chosen is not None and name not in chosen:
            continue
        header = pd.read_csv(path, nrows=0).columns
        n_rows = len(pd.read_csv(path, usecols=[len(header) - 1]))
        if header[-1] == "target" and n_rows <= max_rows:
            sizes[name] = n_rows
    if chosen is not None and (missing := set(chosen) - set(sizes)):
        raise SystemExit(f"Not in {folder}, or too large: {', '.join(sorted(missing))}")
    return sorted(sizes, key=sizes.get)


def load(folder, name):
    """One table.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        1 for the rare class.
    weight : ndarray of shape (n_samples,) or None
    """
    (path,) = folder.glob(f"{name}.csv*")
    X = pd.read_csv(path)
    y = X.pop("target").to_numpy()
    weight = X.pop("weight").to_numpy(dtype=float) if "weight" in X else None
    return X, y, weight


def preprocessor():
    """Numbers with their median for what is missing, categories one-hot."""
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return make_column_transformer(
        (
            SimpleImputer(strategy="median"),
            make_column_selector(dtype_include="number"),
        ),
        (categories, make_column_selector(dtype_exclude="number")),
    )


def text_columns(X):
    """Names of the columns that are no numbers."""
    return list(X.select_dtypes(exclude="number"))


def raw_columns(X):
    """The table itself, but a category that is missing is the text "missing"."""
    texts = {name: X[name].astype(object).fillna("missing") for name in text_columns(X)}
    return X.assign(**{name: column.astype(str) for name, column in texts.items()})


class Results:
    """Rows of a CSV file, written one by one, so that a run can be taken up again.

    Parameters
    ----------
    path : Path
    keys : list of str
        Columns that tell rows apart.
    """

    def __init__(self, path, keys):
        self.path, self.keys = path, keys
        path.parent.mkdir(parents=True, exist_ok=True)
        self.table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=keys)
        self._done = set(map(tuple, self.table[keys].astype(str).to_numpy()))

    def __contains__(self, key):
        return tuple(map(str, key)) in self._done

    def add(self, **row):
        """Append a row."""
        if len(self.table) and list(self.table) != list(row):
            raise SystemExit(f"{self.path} has other columns: name another file.")
        self._done.add(tuple(str(row[key]) for key in self.keys))
        new = pd.DataFrame([row])
        self.table = new if self.table.empty else pd.concat([self.table, new])
        new.to_csv(self.path, mode="a", header=not self.path.exists(), index=False)
