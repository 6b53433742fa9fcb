"""What is given to a comparison, checked: rows, folds, the score and the seed."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from .._committee.folds import NothingHeldOut, make_folds
from .._committee.scoring import name_meant
from .._features.categories import categorical_columns
from .._features.text import text_columns
from .._io.columns import quoted
from .._io.findings import Finding, find_identifiers, inspect_table
from .._messages import shown
from .._parameters import check_labels_known
from .._sklearn_compat import check_sample_weight, classification_scorers
from .._typing import ArrayLike, FloatArray, Fold, RandomState
from .cross_validation import LabelledRows
from .measures import COLUMNS


def seed_of(random_state: RandomState) -> int:
    """The seed as an int, which repeats everything and can be shown."""
    if isinstance(random_state, Integral):
        return int(random_state)  # the one that is shown is the one that was given
    return int(check_random_state(random_state).randint(2**31 - 1))


def findings_in(rows: LabelledRows, folds: list[Fold]) -> list[Finding]:
    """Properties of the table that can spoil a comparison."""
    frame = _as_frame(rows.X)
    return inspect_table(frame, rows.rare_rows, folds, _free_texts(frame))


def identifiers_in(X: Any) -> list[Finding]:
    """Those of the findings that can be told before any work, since they are quick."""
    frame = _as_frame(X)
    return find_identifiers(frame, _free_texts(frame))


def _free_texts(frame: pd.DataFrame) -> set[str]:
    return set(frame.columns[text_columns(frame)])


def check_data(
    X: Any, y: Any, sample_weight: ArrayLike | None, groups: Any
) -> tuple[Any, Any, Any, Any]:
    """X as a frame or an array, and y, weights and groups as arrays.

    Raises
    ------
    ValueError
        If no contender could use them, or y has other than two classes.
    """
    if not hasattr(X, "iloc"):
        X = X.to_pandas() if hasattr(X, "to_pandas") else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"X must be dense, with two dimensions, rows and features; got {X.ndim}."
        )
    _check_columns(X)
    if isinstance(y, pd.Series):
        y = y.to_numpy(dtype=object)
    # Numbers and bools get a dtype of numbers and bools back from dtype object.
    y = pd.Series(column_or_1d(y, warn=True)).infer_objects().to_numpy()
    check_consistent_length(X, y, groups)
    check_labels_known(y)
    kind, n_classes = type_of_target(y, input_name="y"), len(np.unique(y))
    if kind != "binary" or n_classes != 2:
        raise ValueError(
            f"y must have two classes; got {n_classes} values ({kind}). Compare on "
            "y == label for the positive label."
        )
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, y)
    if groups is not None:
        groups, names = pd.factorize(column_or_1d(groups))
        if (groups < 0).any():
            raise ValueError(
                f"groups has {(groups < 0).sum()} missing values: which rows belong "
                "together must be known of all."
            )
        if len(names) < 2:
            raise ValueError("All rows are of one group: there is nothing to split.")
    return X, y, sample_weight, groups


def _check_columns(X: Any) -> None:
    """Raise a ValueError that names the column no contender could use."""
    if not isinstance(X, pd.DataFrame):
        for i in range(X.shape[1]) if X.dtype.kind == "f" else ():
            _check_finite(f"Column {i}", X[:, i])
        return
    repeated = X.columns[X.columns.duplicated()]
    if len(repeated):
        raise ValueError(
            f"X has columns of the same name: {', '.join(map(quoted, repeated))}."
        )
    categories = set(X.columns[categorical_columns(X)])
    for name in X.columns.difference(categories, sort=False):
        column = X[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            continue
        if not pd.api.types.is_numeric_dtype(column):
            held = next(iter(column.dropna()), None)
            raise ValueError(
                f"Column {quoted(name)} holds neither numbers, texts, categories nor "
                f"dates, but {column.dtype} such as {shown(held)}. Convert it to one "
                "of these, or drop it."
            )
        values = column.to_numpy(dtype=float, na_value=np.nan)
        _check_finite(f"Column {quoted(name)}", values)


def _check_finite(subject: str, values: FloatArray) -> None:
    """Refuse infinite numbers, which say too little to be guessed at.

    They come from divisions by 0 or from overflow: a contender that clipped them, and
    one that took them for missing, would be compared on different tables.
    """
    (rows,) = np.nonzero(np.isinf(values))
    if len(rows):
        raise ValueError(
            f"{subject} holds an infinite number in row {rows[0] + 1:,}, counted from "
            f"1: {values[rows[0]]}; infinite ones in all: {len(rows):,}. Leave it "
            "empty if the value is not known, or put in a finite number."
        )


def _as_frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return X.rename(columns=str)
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])


def check_scoring(scoring: Any) -> str | Callable:
    """The score that ranks: a measure, the name of a scorer, or a callable.

    Raises
    ------
    ValueError
        With the name that was meant, if one is like it.
    """
    known = [*COLUMNS, *classification_scorers()]
    if not (callable(scoring) or (isinstance(scoring, str) and scoring in known)):
        raise ValueError(
            f"scoring must be a measure of the table ({', '.join(COLUMNS)}), the name "
            f"of a scikit-learn scorer for classifiers or a callable; got "
            f"{shown(scoring)}.{name_meant(scoring, known)}"
        )
    return scoring


def outer_folds(cv: Any, data: LabelledRows, seed: int) -> list[Fold]:
    """The folds, each part of which has rows of both classes.

    Raises
    ------
    ValueError
        If ``cv`` is none, or cannot split these rows.
    """
    cv = 5 if cv is None else cv
    if isinstance(cv, str | bool | float) or (isinstance(cv, Integral) and cv < 2):
        raise ValueError(
            "cv must be an int from 2 on, a splitter or (train, test) pairs; got "
            f"{shown(cv)}."
        )
    weight = np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight
    n_rare = int(data.rare_rows[weight > 0].sum())
    if n_rare < 2:
        raise ValueError(
            f"There is one row of the rare class, {shown(data.classes[data.rare])}, or "
            "none: too few to train on some and test on others."
        )
    try:
        folds = make_folds(cv, data.X, data.rare_rows, weight, data.groups, seed)
    except NothingHeldOut as reason:
        raise ValueError(
            f"cv={shown(cv)} cannot split these rows: {reason}."
        ) from reason
    for number, (train, test) in enumerate(folds):
        for part, rows in (("train on", train), ("test", test)):
            n_rare = int(data.rare_rows[rows].sum())
            if n_rare == 0 or n_rare == len(rows):
                raise ValueError(
                    f"Fold {number} has {len(rows)} rows to {part}, {n_rare} of the "
                    f"rare class: each part needs rows of both classes. There are "
                    f"{data.rare_rows.sum()} rare rows in all; use another cv."
                )
    return folds
