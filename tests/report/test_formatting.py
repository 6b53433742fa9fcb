"""Numbers, lists and colours of a page, by hand."""

import numpy as np
import pytest

from skadaptive._report.formatting import (
    amount,
    capital,
    duration,
    join_names,
    number,
    p_value,
    seconds_text,
    shown_decimals,
    signed,
    threshold_text,
)
from skadaptive._report.svg import _VARIABLES, DASHES, PALETTE


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        (capital, ("roc AUC",), "Roc AUC"),
        (capital, ("",), ""),
        (number, (0.12345,), "0.123"),
        (number, (-0.12345, 2), "−0.12"),
        (number, (np.nan,), "–"),
        (signed, (0.12345, 3), "+0.123"),
        (signed, (-0.12345, 4), "−0.1235"),
        (signed, (np.nan, 3), "–"),
        (seconds_text, (0.01234,), "0.012"),
        (seconds_text, (9.96,), "10"),
        (seconds_text, (99.4,), "99"),
        (seconds_text, (99.6,), "100"),
        (seconds_text, (100.4,), "100"),
        (seconds_text, (1234.5,), "1,234"),
        (seconds_text, (np.nan,), "–"),
        (p_value, (0.0009,), "< 0.001"),
        (p_value, (0.001,), "0.001"),
        (p_value, (0.0456,), "0.046"),
        (p_value, (np.nan,), "–"),
        (duration, (119.9,), "119.9 seconds"),
        (duration, (120,), "2.0 minutes"),
        (duration, (7199,), "120.0 minutes"),
        (duration, (7200,), "2.0 hours"),
        (threshold_text, (0.00012345,), "0.000123"),
        (threshold_text, (0.5,), "0.5"),
        (threshold_text, (0.9,), "0.9"),
        (threshold_text, (0.901,), "0.901"),
        (threshold_text, (0.99987654,), "0.99988"),
        (threshold_text, (1.0,), "1"),
        (amount, (1.234,), "1.23"),
        (amount, (9.99,), "9.99"),
        (amount, (10,), "10.0"),
        (amount, (99.94,), "99.9"),
        (amount, (100,), "100"),
        (amount, (12345.6,), "12,346"),
        (join_names, (["a"],), "a"),
        (join_names, (iter("ab"),), "a and b"),
        (join_names, ("abcd",), "a, b, c and d"),
        (join_names, ("abcdef",), "a, b, c and 3 more"),
        (shown_decimals, ([-0.1, 0.05],), 3),
        (shown_decimals, ([0.099, 0.05],), 4),
        (shown_decimals, ([0.01, -0.001],), 4),
        (shown_decimals, ([-0.0099, 0.001],), 5),
    ],
)
def test_values_as_text(function, arguments, text):
    assert function(*arguments) == text


def test_lines_of_a_figure_are_told_apart():
    """By colour and by dashes, each of which matplotlib can draw."""
    lines = pytest.importorskip("matplotlib.lines")
    assert len(PALETTE) == len(DASHES) == len({*PALETTE}) == len({*DASHES})
    assert {*PALETTE} < {*_VARIABLES}
    assert len({_VARIABLES[colour] for colour in PALETTE}) == len(PALETTE)
    for dashes in DASHES:
        lines.Line2D([0, 1], [0, 1], linestyle=dashes)
        if isinstance(dashes, tuple):
            start, lengths = dashes
            assert start == 0 and len(lengths) % 2 == 0 and min(lengths) > 0
