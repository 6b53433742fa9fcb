"""Values as JSON can hold them."""

import json

import numpy as np
import pandas as pd

from skadaptive._io.json_values import json_values


def test_what_json_has_no_type_for_becomes_what_it_has():
    values = {
        "label": np.int64(3),
        "flag": np.bool_(True),
        "share": np.float32(0.5),
        "undefined": np.float64("nan"),
        2: [float("inf"), ("a", None)],
        "day": pd.Timestamp("2020-01-31"),
    }
    assert json_values(values) == {
        "label": 3,
        "flag": True,
        "share": 0.5,
        "undefined": None,
        "2": [None, ["a", None]],
        "day": "2020-01-31 00:00:00",
    }
    json.dumps(json_values(values), allow_nan=False)
    assert type(json_values(np.True_)) is bool
