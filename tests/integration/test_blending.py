"""The recipe of docs/blending.md, as it stands there."""

import re
from pathlib import Path

import pytest

from skadaptive.comparison import Comparison

pytestmark = pytest.mark.extras
PAGE = Path(__file__).parents[2] / "docs" / "blending.md"


def test_the_blend_finds_the_rare_class():
    pytest.importorskip("catboost")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    printed, names = [], {"print": lambda value: printed.append(value)}
    for block in blocks:
        exec(block, names)
    X, y, model = names["X"], names["y"], names["model"]
    # The mean of both, and the threshold that was tuned for it.
    parts = [part.predict_proba(X)[:, 1] for part in model.estimator_.estimators_]
    mean = sum(parts) / 2
    rare = mean >= model.best_threshold_
    assert (model.predict(X) == rare).all()
    assert 0.5 * y.mean() < rare.mean() < 1.5 * y.mean()
    (comparison,) = printed
    assert isinstance(comparison, Comparison)
    assert set(comparison.table.index) == {"blend", "networks", "trees"}
    assert (comparison.table["mean_average_precision"] > 0.95).all()
