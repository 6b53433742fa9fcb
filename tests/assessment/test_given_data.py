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


def test_groups_are_numbered_and_more_than_one():
    X, y = np.zeros((6, 1)), np.arange(6) % 2
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
