"""A table to train on: features, target, and columns that have a role of their own."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .._messages import shown
from .._typing import FilePath, FloatArray, Label
from .columns import ColumnFormat, Notes, ReadingOptions, quoted
from .tables import check_columns, read_table
from .target import Target, read_target


@dataclass(frozen=True)
class ColumnRoles:
    """Names of the columns that have a role; None or empty where there is none.

    Attributes
    ----------
    target, group, time, weight, id : str or None
    drop : list of str
    """

    target: str | None
    group: str | None = None
    time: str | None = None
    weight: str | None = None
    id: str | None = None
    drop: list[str] = field(default_factory=list)

    @property
    def special(self) -> dict[str, str]:
        """Columns beside the target that are no features, but used, and their roles."""
        roles = {"group": self.group, "time": self.time, "weight": self.weight}
        roles["identifier"] = self.id
        return {name: role for role, name in roles.items() if name}


@dataclass(frozen=True)
class TrainingTable:
    """A table to compare on.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
    target : Target
    groups : ndarray of shape (n_samples,) or None
    sample_weight : ndarray of shape (n_samples,) or None
    formats : dict of str to ColumnFormat
        What each feature was taken for.
    left_out : dict of str to str
        Columns of the file that are neither features nor the target, and why.
    notes : list of str
        What was guessed.
    path : Path or None
        None for built-in data.
    row_numbers : ndarray of int, shape (n_samples,)
        Number of each row in the table as it was read, from 1 on: rows without a class
        left out then, and rows with times are sorted.
    times : Series of shape (n_samples,) or None
        The column of times, of which None was named.
    """

    X: pd.DataFrame
    target: Target
    groups: np.ndarray | None
    sample_weight: FloatArray | None
    formats: dict[str, ColumnFormat]
    left_out: dict[str, str]
    notes: list[str]
    path: Path | None
    row_numbers: np.ndarray
    times: pd.Series | None = None


def read_training(
    path: FilePath,
    roles: ColumnRoles,
    positive: Label = None,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 - it is frozen
) -> TrainingTable:
    """Read a table to train on from a file.

    Parameters
    ----------
    path : str or path-like
    roles : ColumnRoles
    positive : object, default=None
        See :func:`skadaptive._io.target.read_target`.
    options : ReadingOptions, default=ReadingOptions()

    Returns
    -------
    TrainingTable

    Raises
    ------
    ValueError
        If the file cannot be read, or its columns do not suit their roles.
    """
    as_written = [n for n in (roles.target, roles.group, roles.id) if n]
    table = read_table(path, options, as_written=as_written, unused=roles.drop)
    if roles.target is None:
        raise ValueError(
            "The column to predict is missing: --target COLUMN, one of: "
            f"{', '.join(table.frame.columns)}."
        )
    made = make_training(table.frame, roles, positive, table.formats)
    return TrainingTable(
        X=made.X,
        target=made.target,
        groups=made.groups,
        sample_weight=made.sample_weight,
        formats={name: table.formats[name] for name in made.X},
        left_out=made.left_out | dict.fromkeys(table.unused_columns, "has no name"),
        notes=[*table.notes, *made.notes],
        path=table.path,
        row_numbers=made.row_numbers,
        times=made.times,
    )


def make_training(
    frame: pd.DataFrame,
    roles: ColumnRoles,
    positive: Label = None,
    formats: dict[str, ColumnFormat] | None = None,
) -> TrainingTable:
    """Give the columns of a frame their roles; see :func:`read_training`."""
    target = roles.target
    if target is None:
        raise ValueError("There is no target.")
    check_columns(frame, [*roles.drop, *roles.special, target])
    taken = sorted({target, *roles.special} & set(roles.drop))
    if taken:
        raise ValueError(
            f"{', '.join(taken)} cannot be dropped and used otherwise: take it out "
            "of --drop, or out of the other option."
        )
    if target in roles.special:
        raise ValueError(f"{quoted(target)} is the target, and has no other role.")
    notes = Notes()
    frame = frame.drop(columns=roles.drop).reset_index(drop=True)
    if roles.time:
        _check_time(frame[roles.time])
        frame = frame.sort_values(roles.time, kind="stable")
    row_numbers = frame.index.to_numpy() + 1
    frame = frame.reset_index(drop=True)
    weight = read_weights(frame, roles.weight)
    labels = read_target(frame[target], positive, weight, notes)
    frame = frame[labels.has_label].reset_index(drop=True)
    X = frame.drop(columns=[target, *roles.special])
    if X.shape[1] == 0:
        raise ValueError("No column is left to predict from.")
    return TrainingTable(
        X=X,
        target=labels,
        groups=frame[roles.group].to_numpy() if roles.group else None,
        sample_weight=None if weight is None else weight[labels.has_label],
        formats=formats or {},
        left_out=dict.fromkeys(roles.drop, "dropped") | roles.special,
        notes=notes.lines(),
        path=None,
        row_numbers=row_numbers[labels.has_label],
        times=frame[roles.time] if roles.time else None,
    )


def _check_time(column: pd.Series) -> None:
    is_number = pd.api.types.is_numeric_dtype(column)
    if not is_number and not pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(
            f"Column {column.name} must hold times that can be ordered; it holds "
            f"{shown(column.dropna().iloc[0])}. Write dates as 2020-01-31, or numbers."
        )
    if column.isna().any():
        raise ValueError(
            f"{column.isna().sum()} rows have no value in {column.name}: remove them, "
            "or fill in the value."
        )


def read_weights(frame: pd.DataFrame, column: str | None) -> FloatArray | None:
    """Weights from a column, ndarray of shape (n_samples,); None without one."""
    if column is None:
        return None
    weights = pd.to_numeric(frame[column], errors="coerce")
    wrong = frame[column][~(weights >= 0)]
    if len(wrong) or not weights.any():
        value = shown(wrong.iloc[0]) if len(wrong) else "only 0"
        raise ValueError(
            "Weights must be numbers, none below 0 and not all 0; "
            f"{column} has {value}."
        )
    return weights.to_numpy(dtype=float)
