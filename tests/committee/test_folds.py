"""Who trains on what."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    GroupKFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)

from skadaptive._committee.folds import (
    NothingHeldOut,
    chunk_folds,
    make_folds,
    n_members,
    pool,
)

N = 60
Y = (np.arange(N) % 6 == 0).astype(int)  # 10 rare rows
X = np.arange(N)[:, None]
ONES = np.ones(N)


def test_int_holds_every_row_out_once_and_stratifies():
    folds = make_folds(5, X, Y, ONES, None, 0)
    assert len(folds) == 5
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), X[:, 0])
    for train, test in folds:
        assert not set(train) & set(test)
        assert len(train) + len(test) == N
        assert Y[test].sum() == 2


def test_int_shuffles():
    """Samplers append their rows; unshuffled, a fold would hold only those."""
    folds = make_folds(5, X, np.sort(Y), ONES, None, 0)
    first_rare = [test[np.sort(Y)[test] == 1].min() for _, test in folds]
    assert first_rare != sorted(first_rare)


def test_seed_decides():
    def tests(seed):
        return [test.tolist() for _, test in make_folds(3, X, Y, ONES, None, seed)]

    assert tests(0) == tests(0) != tests(1)


def test_float_is_one_member():
    ((train, test),) = make_folds(0.2, X, Y, ONES, None, 0)
    assert len(test) == 12 and Y[test].sum() == 2 and len(train) == 48


def test_none_holds_nothing_out():
    ((train, test),) = make_folds(None, X, Y, ONES, None, 0)
    assert_array_equal(train, X[:, 0])
    assert test.size == 0


@pytest.mark.parametrize("cv", [4, 0.3, GroupKFold(4)])
def test_groups_stay_together(cv):
    groups = np.arange(N) // 3
    for train, test in make_folds(cv, X, Y, ONES, groups, 0):
        assert test.size and not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_groups_that_are_missing_are_counted(missing):
    groups = np.array(["a", "b", missing, "c", "d", 1] * 10, dtype=object)
    with pytest.raises(ValueError, match="groups has 10 missing values"):
        make_folds(3, X, Y, ONES, groups, 0)
    with pytest.raises(ValueError, match="groups has 10 missing values"):
        make_folds(3, X, Y, ONES, np.repeat([1, 2, 3, 4, 5, np.nan], 10), 0)


@pytest.mark.parametrize("cv", [3, 0.3, GroupKFold(3)])
def test_groups_of_texts_and_numbers(cv):
    groups = np.array(["a", 1, "b", 2.5, "c", 7] * 10, dtype=object)
    for train, test in make_folds(cv, X, np.arange(N) // 6 % 2, ONES, groups, 0):
        assert test.size and not set(groups[train]) & set(groups[test])


def test_groups_of_wrong_length():
    with pytest.raises(ValueError, match=r"groups must have shape \(60,\)"):
        make_folds(3, X, Y, ONES, np.arange(5), 0)


@pytest.mark.parametrize("cv", [3, 0.3, None, ShuffleSplit(3, random_state=0)])
def test_rows_without_weight_are_in_no_fold(cv):
    weight = np.where(np.arange(N) % 5 == 1, 0.0, 1.0)
    for train, test in make_folds(cv, X, Y, weight, None, 0):
        assert (weight[train] > 0).all() and (weight[test] > 0).all()


def test_fewer_rare_rows_than_folds():
    y = np.zeros(N, dtype=int)
    y[:3] = 1
    with pytest.warns(UserWarning, match="only 3 rows: using 3 folds instead of cv=5"):
        folds = make_folds(5, X, y, ONES, None, 0)
    assert [y[test].sum() for _, test in folds] == [1, 1, 1]


@pytest.mark.parametrize(
    ("n_rows", "n_rare", "n_folds"),
    [(4000, 400, 10), (4001, 400, 5), (400, 7, 7), (8000, 6, 5)],
)
def test_auto_folds(n_rows, n_rare, n_folds):
    y = (np.arange(n_rows) < n_rare).astype(int)
    folds = make_folds("auto", y, y, np.ones(n_rows), None, 0)
    assert len(folds) == n_folds
    weight = np.ones(n_rows + 1)
    weight[-1] = 0  # counts as absent
    y = np.r_[y, 0]
    assert n_members("auto", y, y, weight, None) == (10 if n_rows <= 4000 else 5)


def test_fewer_rare_rows_than_auto_wants():
    y = np.zeros(N, dtype=int)
    y[:3] = 1
    with pytest.warns(UserWarning, match="only 3 rows: using 3 folds"):
        assert len(make_folds("auto", X, y, ONES, None, 0)) == 3


@pytest.mark.parametrize("cv", ["auto", 5, 0.2])
def test_too_few_rare_rows_to_hold_out(cv):
    y = np.zeros(N, dtype=int)
    y[7] = 1
    with pytest.raises(NothingHeldOut, match="^The rarest class has 1 row$"):
        make_folds(cv, X, y, ONES, None, 0)


def test_share_too_small_to_hold_out():
    with pytest.raises(NothingHeldOut):
        make_folds(0.01, X, Y, ONES, None, 0)


def test_one_sided_splits_are_left_out():
    y = np.r_[np.zeros(30, dtype=int), np.ones(30, dtype=int)]
    with pytest.warns(UserWarning, match="2 of 3 splits of cv lack a class"):
        folds = make_folds(TimeSeriesSplit(3), X, y, ONES, None, 0)
    assert [len(train) for train, _ in folds] == [45]
    with pytest.raises(ValueError, match="Every split of cv lacks a class"):
        make_folds([(np.arange(30), np.arange(30, 60))], X, y, ONES, None, 0)


def test_masks_and_splitters_of_scikit_learn():
    mask = np.arange(N) < 30
    ((train, test),) = make_folds([(mask, ~mask)], X, Y, ONES, None, 0)
    assert_array_equal(train, np.arange(30))
    assert_array_equal(test, np.arange(30, 60))
    folds = make_folds(PredefinedSplit(np.arange(N) % 4), X, Y, ONES, None, 0)
    assert len(folds) == 4


def test_pool_averages_over_those_who_held_the_row_out(rng):
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=0)
    folds = make_folds(cv, X, Y, ONES, None, 0)
    member_logits = rng.normal(size=(len(folds), N, 2))
    pairs = zip(member_logits, folds, strict=True)
    pooled = pool(N, folds, [logits[test] for logits, (_, test) in pairs])
    for row in range(N):
        held = [m for m, (_, test) in enumerate(folds) if row in test]
        assert len(held) == 4
        assert_allclose(pooled[row], member_logits[held, row].mean(axis=0))


def test_pool_leaves_nan_where_no_member_looked():
    folds = make_folds(TimeSeriesSplit(3), X, Y, ONES, None, 0)
    pooled = pool(N, folds, [np.ones((len(test), 1)) for _, test in folds])
    assert np.isnan(pooled[:15]).all()
    assert_array_equal(pooled[15:], 1)


def test_share_with_groups_is_stratified(global_random_seed):
    """Whatever the seed: rare rows are in few groups, and both parts have some."""
    groups = np.arange(N) // 10
    y = np.isin(groups, [1, 4]).astype(int)
    ((train, test),) = make_folds(0.5, X, y, ONES, groups, global_random_seed)
    assert y[train].any() and y[test].any()


def test_members_without_a_class_are_left_out():
    y = np.where(np.arange(N) < 5, 2, Y)
    splits = [(np.arange(10, N), np.arange(10)), (np.arange(30), np.arange(30, N))]
    with pytest.warns(UserWarning, match="1 of 2 splits of cv lack a class"):
        ((train, _),) = make_folds(splits, X, y, ONES, None, 0)
    assert_array_equal(train, np.arange(30))


def test_bootstrap_judges_a_row_once():
    splits = [(np.arange(30), np.array([40, 40, 41]))]
    ((_, test),) = make_folds(splits, X, Y, ONES, None, 0)
    assert_array_equal(test, [40, 41])


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], "cv holds no split"),
        ([1, 2], r"pairs \(train, test\)"),
        ([(np.arange(30), [99])], "row numbers from 0 to 59"),
        ([(np.arange(30), [-1])], "row numbers from 0 to 59"),
        ([(np.arange(30), [0.5])], "row numbers from 0 to 59"),
        ([(np.arange(30), np.ones(59, dtype=bool))], "a mask of 60 values"),
        ([(np.arange(30), np.arange(20, 40))], "holds rows out that it also trains on"),
    ],
)
def test_splits_that_are_none(cv, message):
    with pytest.raises(ValueError, match=message):
        make_folds(cv, X, Y, ONES, None, 0)


# ------------------------------------------------------------------ chunks of a stream


def test_a_row_is_held_out_from_the_same_member_in_any_chunk(rng):
    X = rng.normal(size=(1000, 3))
    weight = np.ones(1000)
    folds = chunk_folds(5, X, weight)
    held_out = np.concatenate([test for _, test in folds])
    assert_array_equal(np.sort(held_out), np.arange(1000))
    for train, test in folds:
        assert_array_equal(np.sort(np.r_[train, test]), np.arange(1000))
        assert 140 < len(test) < 260
    # The same row in another chunk, in another order, negative zeros and all.
    X[:, 2] = 0.0
    places = np.empty(1000, dtype=int)
    for member, (_, test) in enumerate(chunk_folds(5, X, weight)):
        places[test] = member
    order = rng.permutation(1000)[:400]
    again = X[order] * [1, 1, -1]
    for member, (_, test) in enumerate(chunk_folds(5, again, weight[:400])):
        assert (places[order[test]] == member).all()
    assert len(chunk_folds("auto", X, weight)) == 5
    ((train, test),) = chunk_folds(0.3, X, weight)
    assert 230 < len(test) < 370 and len(train) + len(test) == 1000
    ((train, test),) = chunk_folds(None, X, np.r_[0.0, weight[1:]])
    assert_array_equal(train, np.arange(1, 1000))
    assert not test.size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_held_out_alike_in_either_precision(dtype, rng):
    X = rng.normal(size=(100, 3))
    expected = chunk_folds(3, X, np.ones(100))
    for (_, one), (_, other) in zip(
        expected, chunk_folds(3, X.astype(dtype), np.ones(100)), strict=True
    ):
        assert_array_equal(one, other)
