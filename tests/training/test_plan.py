"""How a fit and a chunk of a stream pass over their rows."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skadaptive._committee.rows import TrainingRows
from skadaptive._training.plan import TrainingSettings, plan_chunk, plan_fit
from skadaptive._training.schedules import flat_then_cosine

SETTINGS = TrainingSettings(
    hidden_layer_sizes=(4,),
    activation="relu",
    dropout=0.0,
    gamma=2.0,
    alpha=np.array([0.25, 0.75]),
    optimizer="adamw",
    learning_rate=0.01,
    batch_size="auto",
    class_totals=np.array([3.0, 1.0]),
    max_epochs=3,
    parameter_seed=0,
    batch_seed=0,
)


def made(n_rows, n_columns=2, weight=1.0):
    """Rows of two members, of which the second trains on half."""
    rows = np.arange(n_rows)
    folds = [(rows, rows[:0]), (rows[: n_rows // 2], rows[n_rows // 2 :])]
    X, y = np.zeros((n_rows, n_columns)), rows % 2
    return TrainingRows(X, y, np.full(n_rows, weight), folds)


def test_shares_of_the_classes():
    assert_array_equal(SETTINGS.class_shares, [0.75, 0.25])


def test_optimizers_are_told_apart_by_their_values():
    one = replace(SETTINGS, optimizer={"b": np.float64(2), "a": 1})
    assert json.loads(one.optimizer_json) == {"a": 1, "b": 2.0}
    assert one.optimizer_json.index('"a"') < one.optimizer_json.index('"b"')
    with pytest.raises(ValueError, match="which JSON can hold"):
        replace(SETTINGS, optimizer={"a": {1}}).optimizer_json  # noqa: B018


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "n_steps", "n_passes"),
    [
        (1, "auto", 1, 4),
        (64, "auto", 1, 4),
        (65, "auto", 2, 2),
        (129, "auto", 3, 2),
        (193, "auto", 4, 1),
        (600, 200, 3, 1),
        (601, 200, 4, 1),
        (600, 600, 1, 1),
    ],
)
def test_a_fit_passes_over_all_rows(n_rows, batch_size, n_steps, n_passes):
    rows = made(n_rows, weight=2.5)
    plan = plan_fit(rows, replace(SETTINGS, batch_size=batch_size), None)
    assert (plan.n_steps, plan.n_passes) == (n_steps, n_passes)
    assert plan.batch_size == (64 if batch_size == "auto" else batch_size)
    totals = np.array([n_rows, n_rows // 2]) * 2.5
    assert_array_equal(plan.batch_weight, totals / n_steps)
    assert_array_equal(plan.drawn_shares, [1, 1])
    assert plan.schedule is flat_then_cosine
    assert plan.uses_relevance and not plan.keeps_start
    assert plan_fit(rows, SETTINGS, SimpleNamespace()).keeps_start


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "batch_size", "dtype"),
    [
        (1024, 1024, 1024, "float64"),
        (1025, 2, 1025, "float32"),
        (10, 1025, 10, "float32"),
        (1024, 2, 1023, "float32"),
    ],
)
def test_one_small_batch_trains_in_double_precision(
    n_rows, n_columns, batch_size, dtype
):
    settings = replace(SETTINGS, batch_size=batch_size)
    assert plan_fit(made(n_rows, n_columns), settings, None).dtype == dtype


def test_a_chunk_is_passed_over_once():
    rows = made(300)
    plan = plan_chunk(rows, SETTINGS, None)
    assert (plan.batch_size, plan.n_steps, plan.n_passes) == (64, 5, 1)
    assert plan.dtype == "float32" and not plan.uses_relevance and not plan.keeps_start
    assert_array_equal(plan.batch_weight, [60, 60])  # a row weighs the same in all
    assert_array_equal(plan.drawn_shares, [1, 1])
    assert plan.schedule(0.0) == 1
    assert plan.schedule(1.0) == pytest.approx(1.05**-0.5)
    start = SimpleNamespace(
        batch_size=32, n_steps=100, optimizer=SETTINGS.optimizer_json
    )
    plan = plan_chunk(rows, SETTINGS, start)
    assert (plan.batch_size, plan.n_steps) == (32, 10)
    assert plan.schedule(0.0) == pytest.approx(2**-0.5)
    # Another optimizer begins anew; a batch size that was given counts.
    other = replace(SETTINGS, optimizer="lion", batch_size=100)
    plan = plan_chunk(rows, other, start)
    assert (plan.batch_size, plan.n_steps) == (100, 3) and plan.schedule(0.0) == 1
