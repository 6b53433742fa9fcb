"""Problems in a table that can make scores better or worse than on new rows."""

import re
import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from .._typing import ArrayLike, FloatArray, Fold, IntArray
from .column_values import TellingValue, missing_codes, n_covered, telling_values
from .columns import quoted

#: A column whose ROC AUC alone is at least this is reported as a possible leak of the
#: target.
LEAK_AUC = 0.99
# Integers that are all different are an identifier if as many random ones of the same
# range would have at least this expected number of pairs of equal ones: then they have
# none with a probability of exp(-7), about 0.001.
_EXPECTED_PAIRS = 7
# Last words of the names of columns that name a row. Unique integers of such a column
# are an identifier whatever their range.
_IDENTIFIER_WORDS = {"id", "ids", "key", "nr", "no", "num", "number", "uuid", "guid"}
_FEWEST_ROWS = 20
# Rank correlation of a column and the order of the rows from which on they are sorted.
_IN_ORDER = 0.9
_MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """A problem in a table that can make scores better or worse than on new rows.

    Attributes
    ----------
    kind : str
        "identifier", "constant", "leak", "time", "telling_values", "missing_code" or
        "duplicates".
    columns : tuple of str
        The columns concerned; empty for duplicates.
    message : str
        The problem, and what to do about it.
    values : tuple of float
        The code of a "missing_code"; otherwise empty.
    """

    kind: str
    columns: tuple[str, ...]
    message: str
    values: tuple[float, ...] = ()


def inspect_table(
    X: pd.DataFrame,
    y: ArrayLike,
    folds: Iterable[Fold] = (),
    free_texts: Collection[str] = (),
) -> list[Finding]:
    """Find problems in a table that affect a comparison.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : array-like of shape (n_samples,)
        1 for the rare class, else 0.
    folds : iterable of (train, test) index arrays
        Folds to search for repeated rows.
    free_texts : collection of str
        Columns of free text, which are no identifiers although each text is different.

    Returns
    -------
    list of Finding
        Identifiers: integers that count or name the rows, and texts that are different
        in each row. Constant columns. Possible leaks: columns whose ROC AUC alone is
        `LEAK_AUC` or more, where a category stands for the mean target of its rows in
        the other half of the table. Time: a column of dates in whose order the rows
        come, while some are tested beside later ones. Telling values: values of other
        columns nearly all of whose rows are rare. Codes for missing values, which are
        numbers such as 999 far beyond all others. Duplicates: test rows of a fold whose
        features occur in its training part.
    """
    y, folds = np.asarray(y), list(folds)
    found = find_identifiers(X, free_texts)
    identifiers = [name for finding in found for name in finding.columns]
    constant = [name for name in X if X[name].nunique(dropna=False) == 1]
    others = X.drop(columns=[*identifiers, *constant])
    leaks = _leaks(others, y)
    leaking = [name for finding in leaks for name in finding.columns]
    return [
        *found,
        *_constants(constant),
        *leaks,
        *_in_order_of_time(X, folds),
        *_telling_values(others.drop(columns=leaking), y),
        *_missing_codes(others),
        *_duplicates(X, folds),
    ]


# ------------------------------------------------------------------------ the findings


def find_identifiers(
    X: pd.DataFrame, free_texts: Collection[str] = ()
) -> list[Finding]:
    """The first part of :func:`inspect_table`, which takes no time to speak of.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    free_texts : collection of str
        Columns of free text.

    Returns
    -------
    list of Finding
        None or one.
    """
    names = [name for name in X if name not in free_texts and _is_identifier(X[name])]
    if not names:
        return []
    message = (
        f"{_subject(names)} different in every row, like an identifier or a row "
        "number, and will have new values in new rows: drop it."
    )
    return [Finding("identifier", tuple(names), message)]


def _constants(names: list[str]) -> list[Finding]:
    if not names:
        return []
    message = f"{_subject(names)} the same in every row and can be dropped."
    return [Finding("constant", tuple(names), message)]


def _leaks(X: pd.DataFrame, y: IntArray) -> list[Finding]:
    findings = []
    for name in X:
        auc = _univariate_auc(X[name], y)
        if auc >= LEAK_AUC:
            message = (
                f"Column {quoted(name)} alone separates the classes (ROC AUC "
                f"{auc:.3f}). Drop it if it is not known before the outcome is."
            )
            findings.append(Finding("leak", (name,), message))
    return findings


def _in_order_of_time(X: pd.DataFrame, folds: list[Fold]) -> list[Finding]:
    """The column of dates that the rows are sorted by, or nearly so."""
    if not any(test.min() < train.max() for train, test in folds):
        return []  # each fold trains on earlier rows than it tests
    ranks = X.select_dtypes(["datetime", "datetimetz"]).rank()
    order = ranks.corrwith(pd.Series(range(len(X)), X.index)).abs()
    if not (order >= _IN_ORDER).any():
        return []
    name = str(order.idxmax())
    message = (
        f"The rows are in order of {quoted(name)}, which is a feature, and are tested "
        "beside rows of the same time. New rows will be later than all of these, where "
        f"nothing was learnt: test on later rows than those of the training (--time "
        f"{shlex.quote(name)}; in Python cv=TimeSeriesSplit(), without the column), or "
        "drop it."
    )
    return [Finding("time", (name,), message)]


def _telling_values(X: pd.DataFrame, y: IntArray) -> list[Finding]:
    values = telling_values(X, y)
    if not values:
        return []
    shown = [_condition(value, y) for value in values[:_MOST_NAMED]]
    if len(values) > _MOST_NAMED:
        shown.append(f"{len(values) - _MOST_NAMED} more")
    columns = tuple(dict.fromkeys(value.column for value in values))
    drop = "Drop the column if it is" if len(columns) == 1 else "Drop those that are"
    message = (
        f"Nearly all rows with {' or '.join(shown)} are of the rare class. These are "
        f"{n_covered(values, y):,} of the {y.sum():,} rare rows. {drop} not known "
        "before the outcome is."
    )
    return [Finding("telling_values", columns, message)]


def _condition(value: TellingValue, y: IntArray) -> str:
    n_rows, n_rare = int(value.rows.sum()), int(y[value.rows].sum())
    counts = f"({n_rare:,} of {n_rows:,})"
    if value.value is None:
        return f"no value in {quoted(value.column)} {counts}"
    is_text = isinstance(value.value, str)
    held = quoted(value.value) if is_text else _number_text(value.value)
    sign = "other than" if value.is_other else "="
    return f"{quoted(value.column)} {sign} {held} {counts}"


def _missing_codes(X: pd.DataFrame) -> list[Finding]:
    return [
        Finding(
            "missing_code",
            (code.column,),
            f"Column {quoted(code.column)} has {_number_text(code.value)} in "
            f"{code.n_rows:,} rows, far from its other values, "
            f"{_number_text(code.low)} to {_number_text(code.high)}. If it stands for "
            "a missing value, mark it as one.",
            (code.value,),
        )
        for code in missing_codes(X)
    ]


def _duplicates(X: pd.DataFrame, folds: Iterable[Fold]) -> list[Finding]:
    n_repeated, n_test = _count_repeated(X, folds)
    if not n_repeated:
        return []
    message = (
        f"{n_repeated} of {n_test} test rows have the same features as a training "
        "row, so scores may be too high. Drop repeated rows, or keep them in one fold "
        "by a group column."
    )
    return [Finding("duplicates", (), message)]


def _subject(names: list[str]) -> str:
    shown = ", ".join(map(quoted, names[:_MOST_NAMED]))
    if len(names) > _MOST_NAMED:
        shown += f" and {len(names) - _MOST_NAMED} more"
    return f"Column {shown} is" if len(names) == 1 else f"Each of {shown} is"


def _number_text(value: Any) -> str:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.12g}"


# ---------------------------------------------------------------------- single columns


def _is_identifier(column: pd.Series) -> bool:
    if len(column) < _FEWEST_ROWS or column.isna().any() or not column.is_unique:
        return False
    if pd.api.types.is_integer_dtype(column):
        return _counts_or_names_rows(column)
    return not (
        pd.api.types.is_numeric_dtype(column)
        or pd.api.types.is_datetime64_any_dtype(column)
    )


def _counts_or_names_rows(column: pd.Series) -> bool:
    """Whether integers that are all different are more than a measurement.

    They are if they are in order, if their name says so, or if a sample of their range
    would hardly be without equal ones. Amounts and measurements are not spread evenly,
    and have even more equal ones than such a sample.
    """
    n_rows, n_values = len(column), int(column.max()) - int(column.min()) + 1
    return (
        column.is_monotonic_increasing
        or column.is_monotonic_decreasing
        or _words(str(column.name))[-1:] in [[word] for word in _IDENTIFIER_WORDS]
        or n_rows * (n_rows - 1) / (2 * n_values) >= _EXPECTED_PAIRS
    )


def _words(name: str) -> list[str]:
    """Words of the name of a column, in lower case: customerId, customer_id."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower() for part in parts]


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
