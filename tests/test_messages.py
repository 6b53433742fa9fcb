"""How messages show a value."""

import numpy as np
import pytest

from skadaptive._messages import reason, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(1), "1"),
        (np.float32(0.5), "0.5"),
        (np.str_("a"), "'a'"),
        (np.bool_(True), "True"),
        ([np.int64(0), "a"], "[0, 'a']"),
        ((np.int64(0),), "(0,)"),
        (np.array([[0, 1], [2, 3]]), "[[0, 1], [2, 3]]"),
        (np.array([np.int64(1), "a"], dtype=object), "[1, 'a']"),
        ({np.int64(1): np.float64(2)}, "{1: 2.0}"),
        (np.arange(1000), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"),
        (None, "None"),
    ],
)
def test_values_of_numpy_look_like_those_of_python(value, text):
    assert shown(value) == text


def test_the_reason_of_an_error_is_what_it_says():
    assert reason(OSError(28, "No space left")) == "No space left"
    named = OSError(28, "No space left", "report.html")
    assert reason(named) == "[Errno 28] No space left: 'report.html'"
    assert reason(OSError("no number")) == "no number"
    assert reason(ValueError("a value")) == "a value"
