"""What a comparison is given. Most of it is tested through compare."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from skadaptive._assessment.cross_validation import LabelledRows
from skadaptive._assessment.preparation import (
    check_data,
    check_scoring,
    outer_folds,
)


def test_a_column_of_labels_is_flattened_with_a_warning():
    X, y = np.zeros((6, 1)), np.arange(6) % 2
    with pytest.warns(DataConversionWarning, match="column-vector"):
        _, flat, weight, groups = check_data(X, y[:, None], None, None)
    assert flat.tolist() == y.tolist() and weight is None and groups is None


@pytest.mark.parametrize("dtype", ["int8", "bool", "float", "Int64", "boolean"])
def test_labels_keep_a_dtype_of_their_kind(dtype):
    y = pd.Series(np.arange(6) % 2).astype(dtype)
    kind = {"I": "i", "b": "b", "i": "i", "f": "f"}[dtype[0]]
    assert check_data(np.zeros((6, 1)), y, None, None)[1].dtype.kind == kind


@pytest.mark.parametrize("rare", [0, 1])
def test_each_part_of_a_fold_has_rows_of_both_classes(rare):
    rows = LabelledRows(np.zeros((20, 1)), np.repeat([0, 1], 10), None, None)
    both = np.arange(0, 20, 2), np.arange(1, 20, 2)
    assert len(outer_folds([both], rows, 0)) == 1
    pure = np.flatnonzero(rows.y == rare)[:4]
    folds = [both, (np.setdiff1d(np.arange(20), pure), pure)]
    message = f"Fold 1 has 4 rows to test, {4 * rare} of the rare class"
    with pytest.raises(ValueError, match=message):
        outer_folds(folds, rows, 0)


def test_rows_of_weight_must_be_of_both_classes():
    y = np.repeat([0, 1], 10)
    rows = LabelledRows(np.zeros((20, 1)), y, y.astype(float), None, pos_label=1)
    with pytest.raises(ValueError, match="rows to train on, 8 of the rare class"):
        outer_folds(5, rows, 0)


def test_rare_rows_without_weight_do_not_count():
    y = np.repeat([0, 1], [10, 4])
    weight = np.r_[np.ones(11), np.zeros(3)]
    rows = LabelledRows(np.zeros((14, 1)), y, weight, None, pos_label=1)
    with pytest.raises(ValueError, match="one row of the rare class, 1, or none"):
        outer_folds(2, rows, 0)


def test_a_part_that_would_hold_a_row_of_a_class_at_most_is_refused():
    y = np.repeat([0, 1], [10, 2])
    rows = LabelledRows(np.zeros((12, 1)), y, None, np.r_[np.arange(10), 3, 3], 1)
    with pytest.raises(ValueError, match="cv=2 cannot split these rows: The rarest"):
        outer_folds(2, rows, 0)


def test_five_folds_by_default():
    rows = LabelledRows(np.zeros((40, 1)), np.arange(40) % 2, None, None)
    assert len(outer_folds(None, rows, 0)) == 5


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_every_column_is_looked_at(wrong):
    """Of an array, and of a frame after one of dates."""
    X, y = np.zeros((6, 3)), np.arange(6) % 2
    X[4, 2] = wrong
    with pytest.raises(ValueError, match="Column 2 holds an infinite number"):
        check_data(X, y, None, None)
    frame = pd.DataFrame(X, columns=list("abc"))
    frame.insert(0, "day", pd.date_range("2020-01-01", periods=6))
    with pytest.raises(ValueError, match="Column 'c' holds an infinite number"):
        check_data(frame, y, None, None)
    frame["a"] = wrong  # the first of the table is named
    with pytest.raises(ValueError, match="Column 'c' holds an infinite number"):
        check_data(frame[["c", "a"]], y, None, None)


def test_groups_are_numbered_and_more_than_one():
    X, y = np.zeros((6, 1)), np.arange(6) % 2
    two = check_data(X, y, None, np.repeat([7, 3], 3))[3]
    assert two.tolist() == [0, 0, 0, 1, 1, 1]
    groups = check_data(X, y, None, np.array(list("bbaacc")))[3]
    assert groups.tolist() == [0, 0, 1, 1, 2, 2]
    for wrong, message in (
        (["a"] * 6, "of one group"),
        ([None, *"abcde"], "1 missing"),
    ):
        with pytest.raises(ValueError, match=message):
            check_data(X, y, None, np.array(wrong, dtype=object))


@pytest.mark.parametrize("given", ["AUC", "brier", "neg_log_los", "r2", ["f1"], None])
def test_a_score_that_is_none_is_told_with_the_name_that_was_meant(given):
    meant = {
        "AUC": "roc_auc",
        "brier": "neg_brier_score",
        "neg_log_los": "neg_log_loss",
    }
    with pytest.raises(ValueError, match="^scoring must be a measure of") as told:
        check_scoring(given)
    text = str(told.value)
    name = meant.get(given) if isinstance(given, str) else None
    assert text.endswith(f"Is it {name!r}?" if name else f"got {given!r}.")
    for known in ("f1", "brier_score", "neg_log_loss", max):
        assert check_scoring(known) is known
