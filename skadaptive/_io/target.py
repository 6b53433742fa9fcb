"""The target of a table: labels of two classes, and which of them is rare."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from .._messages import shown
from .._parameters import rare_class
from .._typing import FloatArray, IntArray, Label
from .columns import Notes, is_text, quoted, rows_text
from .numbers import MISSING_WORDS
from .text_files import PANDAS_MISSING

_MAX_CLASSES = 20
# Labels that a message about their rows names.
_MOST_NAMED = 5
# A spelling in less than this share of the rows of another one is a slip.
_SLIP = 1 / 20


@dataclass(frozen=True)
class Target:
    """Labels of two classes.

    Attributes
    ----------
    y : Series of shape (n_kept,)
        The labels as they are, or ``str(positive)`` and ``"not " + str(positive)``.
    positive : label
        The value of the rare class, as the column has it.
    others_together : bool
        Whether all other values were made one class.
    has_label : ndarray of shape (n_samples,)
        Rows with a label, which are kept.
    """

    y: pd.Series
    positive: Label
    others_together: bool
    has_label: np.ndarray

    @property
    def pos_label(self) -> Label:
        """The rare class as ``y`` has it."""
        return label_of(self.y, self.positive)


def read_target(
    labels: pd.Series,
    positive: Label = None,
    sample_weight: FloatArray | None = None,
    notes: Notes | None = None,
) -> Target:
    """Labels of two classes from a column.

    Parameters
    ----------
    labels : Series of shape (n_samples,)
        The column with the classes, as it is written.
    positive : object, default=None
        The value of the rare class, compared as text or as a number. None: by the rule
        of the estimator, :func:`skadaptive._parameters.rare_class`.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights that this rule counts rows by.
    notes : Notes, default=None
        What is guessed is added.

    Returns
    -------
    Target

    Raises
    ------
    ValueError
        If there is no such value, if all rows have the same, if two frequent ones
        differ by case or blanks, or, with ``positive`` None, if there are twenty values
        or more, or the rarest of three or more is in one row.
    """
    notes = Notes() if notes is None else notes
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    labels, has_label = read_labels(labels, positive, notes)
    shares = pd.Series(weight[has_label]).groupby(labels.to_numpy()).sum()
    values = shares.index  # sorted
    if len(values) < 2:
        what = f"have the value {quoted(values[0])}" if len(values) else "are empty"
        raise ValueError(
            f"All rows {what} in {quoted(labels.name)}, but two classes are needed. "
            "Name another column as target."
        )
    if positive is None:
        if len(values) >= _MAX_CLASSES:
            raise ValueError(
                f"{quoted(labels.name)} has {len(values)} values, too many to take the "
                "rarest one by default. Name the value of the rare class (--positive "
                "VALUE), or make two classes of them first."
            )
        positive = values[rare_class(shares.to_numpy())]
        _check_no_stray(labels, has_label, shares, positive)
    else:
        positive = _find_value(labels, values, positive)
    together = len(values) > 2
    if together:
        counts = labels.value_counts()
        counted = ", ".join(
            f"{quoted(value)} in {rows_text(n)}"
            for value, n in counts.iloc[:_MAX_CLASSES].items()
        )
        notes.add(
            f"All values of {quoted(labels.name)} but {quoted(positive)} are one class",
            counted,
        )
    return Target(
        y=two_classes(labels, positive, together),
        positive=positive,
        others_together=together,
        has_label=has_label,
    )


def _check_no_stray(
    labels: pd.Series, has_label: np.ndarray, shares: pd.Series, rarest: Label
) -> None:
    """Refuse to find a third value of a single row, which is rather a slip."""
    rows = np.flatnonzero(labels == rarest)
    if len(shares) < 3 or len(rows) > 1:
        return
    others = shares.drop(rarest)
    meant = str(others.index[rare_class(others.to_numpy())])
    row = int(np.flatnonzero(has_label)[rows[0]]) + 1
    known = ", ".join(map(quoted, others.index))
    raise ValueError(
        f"{quoted(labels.name)} is {quoted(rarest)} in one row alone, row {row:,}, "
        f"which is too few to find. Its other values are {known}. Correct or empty "
        f"that cell, or name the class to find: --positive {shlex.quote(meant)}"
    )


def _find_value(labels: pd.Series, values: pd.Index, positive: Label) -> Label:
    """The value that is written as the user does, or as the same number or word."""
    same = _same_values(values, positive)
    if same:
        return same[0]
    known = ", ".join(map(quoted, values[:_MAX_CLASSES]))
    raise ValueError(
        f"No row has the value {quoted(positive)} in {quoted(labels.name)}. It has: "
        f"{known}."
    )


def _same_values(values: Iterable[Label], given: Label) -> list[Label]:
    """Values that are given as the same text, number or word; the nearest first."""
    text = str(given).strip()
    same = [
        lambda value: str(value) == text,
        lambda value: _same_number(value, text),
        lambda value: str(value).casefold() == text.casefold(),
    ]
    return [value for is_same in same for value in values if is_same(value)]


def spelt_as_in_training(
    labels: pd.Series, known: Sequence[Label], notes: Notes
) -> pd.Series:
    """Labels of later rows, those of the training as the training has them.

    A word among the numbers of a column makes texts of them, and an export may write
    words in other cases.

    Parameters
    ----------
    labels : Series of shape (n_samples,)
    known : sequence of labels
        Of the training.
    notes : Notes

    Returns
    -------
    Series of shape (n_samples,)
    """
    replaced = {}
    for value in labels.unique():
        same = [] if value in known else _same_values(known, value)
        if same:
            replaced[value] = same[0]
            if str(value) != str(same[0]):
                notes.add(
                    "Labels that were written differently",
                    f"{quoted(value)} is taken for {quoted(same[0])}",
                )
    return labels.map(lambda value: replaced.get(value, value)) if replaced else labels


def _same_number(value: Any, text: str) -> bool:
    try:
        return isinstance(value, Real) and float(value) == float(text)
    except ValueError:
        return False


def read_labels(
    labels: pd.Series, positive: Label, notes: Notes, without: str = "Left out"
) -> tuple[pd.Series, np.ndarray]:
    """Labels in one spelling each, without rows that have none.

    Parameters
    ----------
    labels : Series of shape (n_samples,)
    positive : object or None
        A word that is no missing value, whatever it is.
    notes : Notes
    without : str, default="Left out"
        What happens to rows without a label, for the notes.

    Returns
    -------
    labels : Series of shape (n_kept,)
    has_label : ndarray of shape (n_samples,)
        Rows that are kept. A word such as "NA" is no label, unless it is a class.

    Raises
    ------
    ValueError
        If two frequent spellings differ by case or blanks alone.
    """
    labels = one_spelling(_without_missing_words(labels, positive, notes), notes)
    if is_text(labels) and labels.notna().any():
        # Numbers that were read as texts for the sake of a word among them.
        written = labels.dropna().astype(str)
        if written.str.fullmatch(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").all():
            labels = pd.to_numeric(labels)
    has_label = labels.notna().to_numpy()
    if not has_label.all():
        notes.add(
            f"{without}, since {quoted(labels.name)} is empty",
            rows_text(int((~has_label).sum())),
        )
        labels = _without_gaps(labels[has_label]).reset_index(drop=True)
    return labels, has_label


def _without_missing_words(
    labels: pd.Series, positive: Label, notes: Notes
) -> pd.Series:
    """Labels with words such as "None" missing, unless they are a class."""
    if not is_text(labels):
        return labels
    texts = labels.where(labels.isna(), labels.astype(str).str.strip())
    values = set(texts.dropna().unique()) - {""}
    missing = {v for v in values if v in PANDAS_MISSING or v.lower() in MISSING_WORDS}
    words = sorted(missing)
    is_class = (len(words) == 1 and len(values) == 2) or str(positive) in words
    for word in words:
        if is_class and (len(words) == 1 or word == str(positive)):
            notes.add("A label, not a missing value", quoted(word))
        else:
            labels = labels.mask(texts == word)
    return labels.mask(texts == "")


def one_spelling(labels: pd.Series, notes: Notes) -> pd.Series:
    """Labels without blanks around them, rare spellings replaced by frequent ones.

    Raises
    ------
    ValueError
        If two frequent spellings differ by case or blanks alone.
    """
    if not is_text(labels):
        return labels
    counts = labels.value_counts()
    groups: dict[str, list[str]] = {}
    for value in counts.index:
        key = " ".join(str(value).split()).casefold()
        groups.setdefault(key, []).append(value)
    replaced = {}
    for main, *others in groups.values():
        for other in others:
            if counts[other] >= _SLIP * counts[main]:
                raise ValueError(
                    f"{quoted(labels.name)} has the values {quoted(main)} "
                    f"({rows_text(counts[main])}) and {quoted(other)} "
                    f"({rows_text(counts[other])}), which differ by case or blanks "
                    "alone. Write them alike, if they are the same class."
                )
            notes.add(
                "Labels that were written differently",
                f"{quoted(other)} in {rows_text(counts[other])} is taken for "
                f"{quoted(main.strip())}",
            )
            replaced[other] = main.strip()
        if main != main.strip():
            replaced[main] = main.strip()
    return labels.replace(replaced) if replaced else labels


def labels_with_rows(labels: Iterable[Label], rows: IntArray) -> str:
    """Labels in a sentence, each with its first row, counted from 1.

    Parameters
    ----------
    labels : iterable of labels of length n_rows
    rows : ndarray of int of shape (n_rows,)
        Where they are, counted from 0.

    Returns
    -------
    str
        The first five of those that differ.
    """
    where: dict[Label, list[int]] = {}
    for label, row in zip(labels, rows.tolist(), strict=True):
        where.setdefault(label, []).append(row + 1)
    named = [
        f"{shown(label)} in "
        + (f"{len(of):,} rows, first in " if len(of) > 1 else "")
        + f"row {of[0]:,}"
        for label, of in where.items()
    ]
    more = len(named) - _MOST_NAMED
    return "; ".join(named[:_MOST_NAMED] + [f"{more} more"] * (more > 0))


def _without_gaps(labels: pd.Series) -> pd.Series:
    """Labels without missing ones, of the type that they have without these."""
    if is_float_dtype(labels) and (labels % 1 == 0).all():
        return labels.astype("int64")
    return labels.infer_objects()


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


def label_of(labels: Any, positive: Label) -> Label:
    """The rare class as :func:`two_classes` writes it: the value, or its text."""
    return positive if (np.asarray(labels) == positive).any() else str(positive)
