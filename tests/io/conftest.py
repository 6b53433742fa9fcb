"""A table as a file may hold it."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def frame(rng):
    n = 200
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n).astype(float),
            "city": rng.choice(["Rome", "Oslo"], n),
            "since": pd.date_range("2020-01-01", periods=n, freq="D")[
                np.random.default_rng(0).permutation(n)
            ],
            "target": (rng.random(n) < 0.1).astype(int),
        }
    )
