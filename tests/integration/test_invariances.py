"""What must not change the result of a fit, with a tolerance and the reason for it.

Other invariances stand where the rest of their subject does:

- names against positions, ``test_frames``; renamed and swapped labels,
  ``test_string_labels_and_either_rare_class``; pickles,
  ``test_copies_predict_the_same_bits``; one row or the table,
  ``test_one_row_or_the_table``; units of weights and rows of weight 0,
  ``test_weights_do_not_depend_on_their_unit`` and
  ``test_rows_without_weight_do_not_exist``: all in ``test_classifier.py``;
- pickles within a training, ``test_warm_start.py``;
- ``n_jobs``, threads and processes: ``test_thread_jobs_agree_with_one`` in
  ``test_uses.py``, ``test_workers_share_the_cores`` in ``test_parallel.py``,
  ``test_many_rows_are_divided_among_threads`` in ``committee/test_inference.py`` and
  ``test_two_jobs_find_what_one_finds`` in ``test_comparison.py``.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import average_precision_score

#: Without folds and with one batch, only sums over rows are left of a training.
WHOLE = {"cv": None, "threshold": None, "calibration": None, "batch_size": 4000}


def outputs(model, X):
    """Everything that a model says of rows."""
    return (
        model.predict_proba(X),
        model.predict_log_proba(X),
        model.decision_function(X),
        model.predict(X),
    )


# ---------------------------------------------------------------------- at prediction


def test_order_of_rows_at_prediction(quick, binary, rng):
    """Exact: a row is computed as if it were alone."""
    X, y = binary
    model = quick().fit(X, y)
    order = np.r_[rng.permutation(len(X)), rng.integers(0, len(X), 50)]
    for mixed, plain in zip(outputs(model, X[order]), outputs(model, X), strict=True):
        assert_array_equal(mixed, plain[order])


def test_containers_of_the_same_numbers_at_prediction(quick, binary):
    """Exact: every container becomes float64 before anything is computed."""
    X, y = binary
    model = quick().fit(X, y)
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.full((2 * len(X), X.shape[1]), np.nan)
    wide[::2] = X
    for same in (
        np.asfortranarray(X),
        read_only,
        wide[::2],
        X.astype(">f8"),
        X.astype(object),
        X.tolist(),
    ):
        for found, plain in zip(outputs(model, same), outputs(model, X), strict=True):
            assert_array_equal(found, plain)


# -------------------------------------------------------------------------- of a table


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", ">f4", "int8", "uint8", "int64", "bool"]
)
def test_dtype(dtype, quick, binary):
    """Exact: the numbers that a dtype can hold are the same in float64."""
    X, y = binary
    X = np.abs(np.round(3 * X)) if dtype == "uint8" else np.round(3 * X)
    X = X.astype(dtype)
    few, many = quick().fit(X, y), quick().fit(X.astype(float), y)
    assert_array_equal(few.predict_proba(X), many.predict_proba(X.astype(float)))
    assert_array_equal(few.oof_proba_, many.oof_proba_)
    assert few.history_ == many.history_


def test_nullable_columns_are_those_of_numpy(quick, binary):
    """Exact, as the dtype."""
    X, y = binary
    frame = pd.DataFrame(np.round(3 * X)).rename(columns=str)
    frame.iloc[::7, 0] = np.nan
    nullable = frame.convert_dtypes()
    assert set(map(str, nullable.dtypes)) == {"Int64"}
    found = quick().fit(nullable, pd.Series(y, dtype="Int64")).predict_proba(nullable)
    assert_array_equal(found, quick().fit(frame, y).predict_proba(frame))


@pytest.mark.parametrize(
    ("factor", "shift", "tolerance"),
    [
        # A power of 2 rounds nothing: centre and scale of a feature change by as much.
        (2.0**20, 0.0, 0.0),
        # A rounding of float64, 1e-16, may become one of float32, 1e-7, in an input.
        (1e6, 0.0, 1e-5),
        (1e-6, 0.0, 1e-5),
        # float64 has steps of 1e-7 near 1e9, and as much is lost of each input, of the
        # size 1; training passes it on to the probabilities, about tenfold.
        (1.0, 1e9, 1e-4),
    ],
)
def test_unit_and_origin_of_the_features(factor, shift, tolerance, quick, binary):
    X, y = binary
    other = X * factor + shift
    plain, moved = quick().fit(X, y), quick().fit(other, y)
    assert_allclose(
        moved.predict_proba(other), plain.predict_proba(X), rtol=0, atol=tolerance
    )
    assert_allclose(moved.oof_proba_, plain.oof_proba_, rtol=0, atol=tolerance)
    assert moved.best_epoch_ == plain.best_epoch_


def test_a_constant_column_says_nothing(quick, binary):
    """Exact, whatever its value is. Without it, other initial networks are drawn.

    A fit with it is therefore one of another seed: as good, but with other numbers.
    """
    X, y = binary

    def beside(value):
        return np.column_stack([X, np.full(len(X), value)])

    model = quick().fit(beside(7.0), y)
    for value in (0.0, -1e9, 1e300):
        other = quick().fit(beside(value), y)
        assert_array_equal(
            other.predict_proba(beside(value)), model.predict_proba(beside(7.0))
        )
    proba = [quick(random_state=seed).fit(X, y).oof_proba_[:, 1] for seed in range(4)]
    scores = [average_precision_score(y, p) for p in proba]
    beside_it = average_precision_score(y, model.oof_proba_[:, 1])
    # Twice the distance of four seeds on either side.
    spread = np.ptp(scores)
    assert min(scores) - 2 * spread < beside_it < max(scores) + 2 * spread


# ------------------------------------------------------------------- rows and weights


def test_a_row_twice_is_a_row_of_weight_2(quick, binary):
    """1e-9: sums over rows in float64 are added up in another order.

    That holds of everything that is learnt of a table: quantiles, bins, relevance, the
    prevalence, the losses and their gradients. Folds and batches are drawn by rows, so
    that a fit with several of them is equal in expectation alone.
    """
    X, y = binary
    is_twice = np.random.default_rng(0).random(len(X)) < 0.3
    rows = np.r_[np.arange(len(X)), np.flatnonzero(is_twice)]
    for parameters in ({}, {"class_weight": "balanced"}, {"loss_weights": (0, 0, 1)}):
        weighted = quick(**WHOLE, **parameters).fit(X, y, 1.0 + is_twice)
        repeated = quick(**WHOLE, **parameters).fit(X[rows], y[rows])
        unweighted = quick(**WHOLE, **parameters).fit(X, y)
        expected = repeated.predict_proba(X)
        assert_allclose(weighted.predict_proba(X), expected, rtol=0, atol=1e-9)
        assert np.abs(unweighted.predict_proba(X) - expected).max() > 1e-3


# -------------------------------------------------------------------- time and company


def test_the_fifth_fit_is_the_first(quick, binary):
    """Exact: a program keeps nothing of an earlier training, whoever was trained."""
    X, y = binary
    model = quick().fit(X, y)
    first, history = (*outputs(model, X), model.oof_proba_), model.history_
    quick(random_state=1, gamma=0.5).fit(X[:200], y[:200])
    quick(loss_weights=(1, 0, 0), learning_rate=1.0).fit(-X, 1 - y)
    quick(cv=2).fit(X, y)
    for again in (model, quick()):  # the same object, and another one
        again.fit(X, y)
        found = *outputs(again, X), again.oof_proba_
        for one, other in zip(found, first, strict=True):
            assert_array_equal(one, other)
        assert again.history_ == history


def test_fits_and_predictions_do_not_change_what_they_are_given(quick, binary):
    X, y = binary
    weight = np.linspace(0.5, 2, len(y))
    before = X.copy(), y.copy(), weight.copy()
    model = quick().fit(X, y, weight)
    model.predict(X)
    for array, copy in zip((X, y, weight), before, strict=True):
        assert_array_equal(array, copy)
