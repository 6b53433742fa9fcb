"""Labels and parameters as JSON."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import StratifiedKFold

from skadaptive import thresholds
from skadaptive._saving.plain_values import from_plain, to_plain


def through_json(value):
    return from_plain(json.loads(json.dumps(to_plain(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.1,
        1.0,
        float("inf"),
        "text",
        [1, 2.0],
        (64, (32,)),
        {0: 1.5, "a": None, (1, 2): [True]},
        thresholds.f1,
        thresholds.expected_cost(((0, 1), (20, 0))),
        thresholds.precision_at_recall(0.9),
        thresholds.recall_at_precision(0.5),
    ],
)
def test_values_keep_their_types(value):
    again = through_json(value)
    assert again == value and type(again) is type(value)


def test_nan():
    assert np.isnan(through_json(float("nan")))


@pytest.mark.parametrize(
    "array",
    [
        np.array(["b", "aa"]),
        np.array([0, 7], np.int32),
        np.array([0.1, np.nan], np.float32),
        np.array([[True], [False]]),
        np.array(["a", None, 2, 0.5], object),
        np.array([], object),
    ],
)
def test_arrays_keep_their_dtypes(array):
    again = through_json(array)
    assert again.dtype == array.dtype
    assert_array_equal(again, array)


def test_numbers_of_numpy_become_those_of_python():
    assert type(through_json(np.int64(3))) is int
    assert type(through_json(np.float64(0.5))) is float


@pytest.mark.parametrize("value", [len, StratifiedKFold(), object(), [len], {1: len}])
def test_code_is_not_written(value):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        to_plain(value)
