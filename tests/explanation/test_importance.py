"""Scores of permuted rows, their jackknife, and the rows that are drawn."""

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.metrics import average_precision_score

from skadaptive._explanation.importance import (
    ScoredTable,
    average_precision_without,
    draw_rows,
    jackknife_variance,
    permutation_importance,
)
from skadaptive._explanation.models import ExplainedModel
from skadaptive._explanation.tables import MixableTable


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


def test_the_jackknife_of_a_mean_has_its_variance(rng):
    values = rng.normal(size=50)
    without = (values.sum() - values) / 49
    assert jackknife_variance(without) == pytest.approx(values.var(ddof=1) / 50)


def scored_table(estimator, X, y):
    model = ExplainedModel(estimator, X, y, None)
    rows = np.arange(len(y))
    if model.held_out is not None:
        rows = rows[model.held_out]
    weight = np.ones(len(rows))
    return ScoredTable(model, MixableTable(X), rows, y[rows], weight, "roc_auc")


def test_rows_are_cross_fitted_if_they_train_the_members_of_others(binary, quick):
    X, y = binary
    fitted = quick().fit(X, y)
    assert scored_table(fitted, X, y).is_cross_fitted
    assert not scored_table(fitted, X[::-1], y[::-1]).is_cross_fitted
    assert not scored_table(quick(cv=0.25).fit(X, y), X, y).is_cross_fitted


def test_chance_counts_twice_where_rows_are_cross_fitted(binary, quick):
    """The same scores and permutations, with and without the second variance."""

    class TakenAsApart(ScoredTable):
        is_cross_fitted = False

    X, y = binary
    scored = scored_table(quick().fit(X, y), X, y)
    apart = TakenAsApart(*(vars(scored).values()))
    columns = [[0], [3]]
    rngs = [np.random.default_rng(0) for _ in range(2)]
    _, drops, half = permutation_importance(scored, columns, 4, rngs[0])
    _, same, narrow = permutation_importance(apart, columns, 4, rngs[1])
    np.testing.assert_array_equal(drops, same)
    quantile = student.ppf(0.975, 9)  # of ten blocks
    added = (half / quantile) ** 2 - (narrow / quantile) ** 2
    np.testing.assert_allclose(added, drops.var(axis=1, ddof=1))
