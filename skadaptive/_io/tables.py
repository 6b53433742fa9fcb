"""Tables from files: reading, splitting off the target, and finding data problems."""

import csv
import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from sklearn.metrics import roc_auc_score

from .._packages import require
from .._parameters import rare_class
from .._typing import ArrayLike, FilePath, FloatArray, Fold, IntArray, Label

#: A column whose ROC AUC alone is at least this is reported as a possible leak of the
#: target.
LEAK_AUC = 0.99
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet")
_MAX_CLASSES = 20
# ISO 8601, with or without a time of day.
_DATE = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"


def read_table(path: FilePath) -> pd.DataFrame:
    """Read a table from a CSV or Parquet file.

    Parameters
    ----------
    path : str or path-like
        ``.csv``, ``.tsv`` or ``.txt``, with column names in the first row, separated
        by comma, semicolon, tab or bar, the first two also gzipped; or ``.parquet``.

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
            f"{path} cannot be read as a table: its name must end in "
            f"{', '.join(_SUFFIXES)}."
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
            f"{path} cannot be read as a table: its encoding is not UTF-8. Save it "
            "as UTF-8."
        ) from error
    except (OSError, ValueError, EOFError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read as a table: {reason}.") from error
    if frame.shape[1] < 2 or frame.empty:
        rows, columns = frame.shape
        raise ValueError(
            f"{path} has {rows} rows and {columns} columns. A table needs column names "
            "in the first row, rows below it, a column for the target and at least one "
            "more, separated by comma, semicolon, tab or bar."
        )
    frame.columns = frame.columns.astype(str)
    return frame.apply(_parse_dates)


def _separator(path: Path) -> str:
    """The separator that occurs most often in the first row."""
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
        head = file.read(1 << 16).decode(errors="replace")
    header = re.sub(r'"[^"]*"', "", head.partition("\n")[0])  # without quoted names
    return max(",;\t|", key=header.count)


def _parse_dates(column: pd.Series) -> pd.Series:
    """Dates as datetimes, durations as days, integers among texts as text."""
    if column.dtype == object and infer_dtype(column, skipna=True) == "date":
        return pd.to_datetime(column)
    if pd.api.types.is_timedelta64_dtype(column):
        return column.dt.total_seconds() / 86_400
    if column.dtype == object and infer_dtype(column, skipna=True) == "mixed-integer":
        return column.where(column.isna(), column.astype(str))
    if not pd.api.types.is_string_dtype(column):
        return column
    present = column.dropna()
    if present.empty or not present.head(100).astype(str).str.fullmatch(_DATE).all():
        return column
    try:
        return pd.to_datetime(column, format="ISO8601")
    except ValueError:
        return column


def split_target(
    frame: pd.DataFrame,
    target: str,
    positive: Label = None,
    sample_weight: FloatArray | None = None,
) -> tuple[pd.DataFrame, pd.Series, Label]:
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
        See :func:`two_classes`.
    positive : object
        The value of the rare class, as the column has it.

    Raises
    ------
    ValueError
        If there is no such column or value, if rows have no value in it, if all have
        the same, or if it has twenty values or more and ``positive`` is None.
    """
    if target not in frame:
        raise ValueError(
            f"There is no column {target!r}. The columns are: "
            f"{', '.join(frame.columns)}."
        )
    labels = frame[target]
    missing = int(labels.isna().sum())
    if missing:
        raise ValueError(
            f"{missing} rows have no value in {target!r}: remove them, or fill in the "
            "value."
        )
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    shares = pd.Series(weight).groupby(labels.to_numpy()).sum()
    values = shares.index  # sorted
    if len(values) < 2:
        raise ValueError(
            f"All rows have the value {values[0]} in {target!r}, but two classes are "
            "needed. Name another column as target."
        )
    if positive is None:
        if len(values) >= _MAX_CLASSES:
            raise ValueError(
                f"{target!r} has {len(values)} values, too many to take the rarest one "
                "by default. Name the value of the rare class (--positive VALUE), or "
                "make two classes of them first."
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


def two_classes(labels: pd.Series, positive: Label, others_together: bool) -> pd.Series:
    """Labels of two classes.

    Parameters
    ----------
    labels : Series of shape (n_samples,)
    positive : object
        The value of the rare class.
    others_together : bool
        Whether to make one class of all other values.

    Returns
    -------
    Series of shape (n_samples,)
        The labels as they are, or ``str(positive)`` and ``"not " + str(positive)``.
    """
    if not others_together:
        return labels
    names = np.where(labels == positive, str(positive), f"not {positive}")
    return pd.Series(names, labels.index, dtype=object, name=labels.name)


# ----------------------------------------------------------------------- data problems


@dataclass(frozen=True)
class Finding:
    """A problem in a table that can make scores better or worse than on new rows.

    Attributes
    ----------
    kind : {"identifier", "constant", "leak", "duplicates"}
    columns : tuple of str
        The columns concerned; empty for duplicates.
    message : str
        The problem, and what to do about it.
    """

    kind: str
    columns: tuple[str, ...]
    message: str


def inspect_table(
    X: pd.DataFrame, y: ArrayLike, folds: Iterable[Fold] = ()
) -> list[Finding]:
    """Find problems in a table that affect a comparison.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        1 for the rare class, else 0.
    folds : iterable of (train, test) index arrays
        Folds to search for repeated rows.

    Returns
    -------
    list of Finding
        Identifiers: integers that count the rows, and texts that are different in each
        row. Constant columns. Possible leaks: columns whose ROC AUC alone is
        `LEAK_AUC` or more, where a category stands for the mean target of its rows in
        the other half of the table. Duplicates: test rows of a fold whose features
        occur in its training part.
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
                f"{_subject(identifiers)} different in every row, like an identifier "
                "or a row number, and will have new values in new rows: drop it.",
            )
        )
    if constant:
        findings.append(
            Finding(
                "constant",
                tuple(constant),
                f"{_subject(constant)} the same in every row and can be dropped.",
            )
        )
    for name in X.columns.difference([*identifiers, *constant], sort=False):
        auc = _univariate_auc(X[name], y)
        if auc >= LEAK_AUC:
            findings.append(
                Finding(
                    "leak",
                    (name,),
                    f"Column {name} alone separates the classes (ROC AUC {auc:.3f}). "
                    "Drop it if it is not known before the outcome is.",
                )
            )
    n_repeated, n_test = _count_repeated(X, folds)
    if n_repeated:
        findings.append(
            Finding(
                "duplicates",
                (),
                f"{n_repeated} of {n_test} test rows have the same features as a "
                "training row, so scores may be too high. Drop repeated rows, or keep "
                "them in one fold by a group column.",
            )
        )
    return findings


def _subject(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
    return f"Column {shown} is" if len(names) == 1 else f"Each of {shown} is"


def _is_identifier(column: pd.Series) -> bool:
    if len(column) < 20 or column.isna().any() or not column.is_unique:
        return False
    if pd.api.types.is_integer_dtype(column):
        without_gaps = column.max() - column.min() + 1 == len(column)
        return without_gaps or column.is_monotonic_increasing
    return not (
        pd.api.types.is_numeric_dtype(column)
        or pd.api.types.is_datetime64_any_dtype(column)
    )


def _univariate_auc(column: pd.Series, y: IntArray) -> float:
    """ROC AUC of one column as the score, or of its negative if that is greater."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype("int64").where(column.notna())
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=float, na_value=np.nan)
        values = np.where(np.isinf(values), np.sign(values) * 1e300, values)
        # Two scores: the value, a missing one below all others; and being missing.
        low = np.nanmin(values, initial=0) - 1
        scores = [np.where(np.isnan(values), low, values), np.isnan(values)]
    else:
        scores = [_cross_fitted_means(pd.factorize(column)[0], y)]
    aucs = [roc_auc_score(y, score) for score in scores]
    return max(max(auc, 1 - auc) for auc in aucs)


def _cross_fitted_means(codes: IntArray, y: IntArray) -> FloatArray:
    """Mean target of each row's category in the other half of the rows."""
    in_first_half = np.random.default_rng(0).permutation(len(y)) % 2 == 0
    means = np.full(len(y), np.mean(y))
    size = codes.max() + 2  # -1 stands for a missing value
    for half in (in_first_half, ~in_first_half):
        n_rows = np.bincount(codes[~half] + 1, minlength=size)
        n_rare = np.bincount(codes[~half] + 1, y[~half], minlength=size)
        known = half & (n_rows[codes + 1] > 0)
        means[known] = (n_rare / np.maximum(n_rows, 1))[codes[known] + 1]
    return means


def _count_repeated(X: pd.DataFrame, folds: Iterable[Fold]) -> tuple[int, int]:
    """Number of test rows whose features a training row has, and of all test rows."""
    hashes = pd.util.hash_pandas_object(X, index=False).to_numpy()
    n_repeated = n_test = 0
    for train, test in folds:
        n_repeated += int(np.isin(hashes[test], hashes[train]).sum())
        n_test += len(test)
    return n_repeated, n_test
