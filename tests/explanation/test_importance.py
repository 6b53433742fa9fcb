"""Scores of permuted rows, their jackknife, and the rows that are drawn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from skadaptive._explanation.importance import average_precision_without, draw_rows


def test_average_precision_without_each_block_is_that_of_the_other_rows(rng):
    y = rng.random(300) < 0.2
    scores = rng.normal(size=300).round(1)  # with ties
    weight = rng.random(300)
    block = rng.integers(0, 7, 300)
    found = average_precision_without(y, scores, weight, block)
    parts = [np.ones(300, dtype=bool), *(block != number for number in range(7))]
    expected = [
        average_precision_score(y[kept], scores[kept], sample_weight=weight[kept])
        for kept in parts
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("scoring", ["average_precision", "roc_auc"])
def test_drawn_rows_weigh_as_much_as_all(rng, scoring):
    is_class = np.arange(1000) % 20 == 0
    weight = np.ones(1000)
    rows, drawn = draw_rows(is_class, weight, np.arange(1000), 200, scoring, rng)
    assert len(rows) <= 200
    assert is_class[rows].sum() == 50  # the rare rows are all kept
    assert drawn.sum() == pytest.approx(1000)


def test_a_scorer_without_weights_gets_a_plain_sample(rng):
    def scorer(estimator, X, y):
        return 0.0

    is_class = np.arange(1000) % 2 == 0
    rows, drawn = draw_rows(is_class, np.ones(1000), np.arange(1000), 200, scorer, rng)
    assert len(rows) == 200 and (drawn == 1).all()
