"""Tables as people bring them: reading files, and what to look out for in them."""

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from sklearn.metrics import roc_auc_score

from .._packages import require
from .._parameters import rare_class

#: ROC AUC of one column alone from which on it is said to give the target away.
GIVES_AWAY = 0.99
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet")
_MAX_CLASSES = 20
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"


def read_table(path):
    """Read a table from a CSV or Parquet file.

    Parameters
    ----------
    path : str or path-like
        ``.csv``, ``.tsv`` or ``.txt``, plain or gzipped, with names in the first row,
        separated by comma, semicolon, tab or bar; or ``.parquet``.

    Returns
    -------
    DataFrame of shape (n_samples, n_columns)
        Columns of ISO 8601 dates are parsed.

    Raises
    ------
    ImportError
        If it is a Parquet file and pyarrow is not installed.
    ValueError
        If there is no such file, or it is not a table.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}.")
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"{path} is not a table: its name should end in {', '.join(_SUFFIXES)}."
        )
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep=_separator(path))
    except ImportError:
        require("pyarrow", purpose=f"Reading {path}")
        raise
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} cannot be read as a table: it is not UTF-8. Save it as that."
        ) from error
    except (OSError, ValueError, EOFError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as a table: {reason}.") from error
    if frame.shape[1] < 2 or frame.empty:
        rows, columns = frame.shape
        raise ValueError(
            f"{path} is not a table: {rows} rows and {columns} columns were found in "
            "it. It should have names in the first row, a column for the target and at "
            "least one more, separated by comma, semicolon, tab or bar."
        )
    frame.columns = frame.columns.astype(str)
    return frame.apply(_parse_dates)


def _separator(path):
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
        head = file.read(1 << 16).decode(errors="replace")
    header = re.sub(r'"[^"]*"', "", head.partition("\n")[0])  # commas of names
    return max(",;\t|", key=header.count)


def _parse_dates(column):
    if column.dtype == object and infer_dtype(column, skipna=True) == "date":
        return pd.to_datetime(column)
    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds() / 86_400
    if column.dtype == object and infer_dtype(column, skipna=True) == "mixed-integer":
        return column.where(column.isna(), column.astype(str))
    if not pd.api.types.is_string_dtype(column):
        return column
    known = column.dropna()
    if known.empty or not known.head(100).astype(str).str.fullmatch(_DATE).all():
        return column
    try:
        return pd.to_datetime(column, format="ISO8601")
    except ValueError:
        return column


def split_target(frame, target, positive=None, sample_weight=None):
    """Split a table into features and labels of two classes.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
    target : str
        The column with the classes.
    positive : object, default=None
        The value of the rare class, compared as text. None: by the rule of the
        estimator, :func:`skadaptive._parameters.rare_class`.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights that this rule counts rows by.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_columns - 1)
    y : Series of shape (n_samples,)
        The labels as they are, if there are two; otherwise ``str(positive)`` and
        ``"not " + str(positive)``.
    positive : object
        The value to be found.

    Raises
    ------
    ValueError
        If there is no such column or value, a target is missing, all are the same, or
        there are twenty values or more and none was named.
    """
    if target not in frame:
        raise ValueError(
            f"There is no column {target!r}. There are: {', '.join(frame.columns)}."
        )
    labels = frame[target]
    missing = int(labels.isna().sum())
    if missing:
        raise ValueError(
            f"{missing} rows have no value in {target!r}: take them out, or fill them."
        )
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    shares = pd.Series(weight).groupby(labels.to_numpy()).sum()
    values = shares.index  # sorted
    if len(values) < 2:
        raise ValueError(
            f"All rows have the value {values[0]} in {target!r}: there is "
            "nothing to tell apart. Was another column meant?"
        )
    if positive is None:
        if len(values) >= _MAX_CLASSES:
            raise ValueError(
                f"{target!r} has {len(values)} values; it should have two, or a few of "
                "which the rarest is to be found. Name the value to be found "
                "(--positive VALUE), or make two classes of them first."
            )
        positive = values[rare_class(shares.to_numpy())]
    else:
        matching = [value for value in values if str(value) == str(positive)]
        if not matching:
            known = ", ".join(map(str, values[:_MAX_CLASSES]))
            raise ValueError(
                f"No row has the value {positive} in {target!r}. It has: {known}."
            )
        positive = matching[0]
    y = two_classes(labels, positive, len(values) > 2)
    return frame.drop(columns=target), y, positive


def two_classes(labels, positive, others_together):
    """Labels as :func:`split_target` gives them.

    Parameters
    ----------
    labels : Series of shape (n_samples,)
    positive : object
    others_together : bool
        Whether all other values are one class.

    Returns
    -------
    Series of shape (n_samples,)
    """
    if not others_together:
        return labels
    names = np.where(labels == positive, str(positive), f"not {positive}")
    return pd.Series(names, labels.index, dtype=object, name=labels.name)


# --------------------------------------------------------------------- what to look at


@dataclass(frozen=True)
class Finding:
    """Something about a table that can make its scores mean less than they say.

    Attributes
    ----------
    kind : {"identifier", "constant", "leak", "duplicates"}
    columns : tuple of str
        Where.
    message : str
        What it is, and what to do.
    """

    kind: str
    columns: tuple
    message: str


def inspect_table(X, y, folds=()):
    """Point out what may spoil a comparison.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        1 for the rare class, else 0.
    folds : iterable of (train, test) index arrays
        Among which repeated rows are looked for.

    Returns
    -------
    list of Finding
        Row counters and texts that are all different; constant columns; columns
        whose ROC AUC alone is above `GIVES_AWAY`, categories by the cross-fitted
        means of the target; rows of a test fold that are in its training part, too.
    """
    y = np.asarray(y)
    identifiers = [name for name in X if _is_identifier(X[name])]
    constant = [name for name in X if X[name].nunique(dropna=False) == 1]
    findings = []
    if identifiers:
        findings.append(
            Finding(
                "identifier",
                tuple(identifiers),
                f"{_columns(identifiers)} different in every row, as an identifier or "
                "a row number is. New rows will have new values: drop it.",
            )
        )
    if constant:
        findings.append(
            Finding(
                "constant",
                tuple(constant),
                f"{_columns(constant)} the same in every row and tells nothing.",
            )
        )
    for name in X.columns.difference([*identifiers, *constant], sort=False):
        auc = _auc_alone(X[name], y)
        if auc >= GIVES_AWAY:
            findings.append(
                Finding(
                    "leak",
                    (name,),
                    f"Column {name} alone tells the classes apart (ROC AUC "
                    f"{auc:.3f}). Is it known before the outcome is? If not, drop it.",
                )
            )
    repeated, tested = _repeated(X, folds)
    if repeated:
        findings.append(
            Finding(
                "duplicates",
                (),
                f"{repeated} of {tested} test rows have the features of a row that was "
                "trained on: scores may be too good. Drop repeated rows, or name the "
                "column that they share as group.",
            )
        )
    return findings


def _columns(names):
    shown = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    return f"Column {shown} is" if len(names) == 1 else f"Each of {shown} is"


def _is_identifier(column):
    if len(column) < 20 or column.isna().any() or not column.is_unique:
        return False
    if pd.api.types.is_integer_dtype(column):
        counts_on = column.max() - column.min() + 1 == len(column)
        return counts_on or column.is_monotonic_increasing
    return not (
        pd.api.types.is_numeric_dtype(column)
        or pd.api.types.is_datetime64_any_dtype(column)
    )


def _auc_alone(column, y):
    """ROC AUC of one column, whichever way it points."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("int64").where(column.notna())
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        values = np.where(np.isinf(values), np.sign(values) * 1e300, values)
        # Missing values below all others, and beside them that they are missing.
        low = np.nanmin(values, initial=0) - 1
        candidates = [np.where(np.isnan(values), low, values), np.isnan(values)]
    else:
        candidates = [_cross_fitted_means(pd.factorize(column)[0], y)]
    found = [roc_auc_score(y, values) for values in candidates]
    return max(max(auc, 1 - auc) for auc in found)


def _cross_fitted_means(codes, y):
    """Mean target of each row's category in the other half of the rows."""
    half = np.random.default_rng(0).permutation(len(y)) % 2 == 0
    means = np.full(len(y), np.mean(y))
    size = codes.max() + 2  # -1 stands for a missing value
    for part in (half, ~half):
        rows = np.bincount(codes[~part] + 1, minlength=size)
        rare = np.bincount(codes[~part] + 1, y[~part], minlength=size)
        seen = part & (rows[codes + 1] > 0)
        means[seen] = (rare / np.maximum(rows, 1))[codes[seen] + 1]
    return means


def _repeated(X, folds):
    """Test rows whose features are those of a training row, and all test rows."""
    hashes = pd.util.hash_pandas_object(X, index=False).to_numpy()
    repeated = tested = 0
    for train, test in folds:
        repeated += int(np.isin(hashes[test], hashes[train]).sum())
        tested += len(test)
    return repeated, tested
