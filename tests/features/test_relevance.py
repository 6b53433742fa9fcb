"""What each feature alone tells, and how it sets the pace of its inputs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f_oneway

from skadaptive._features.relevance import intervals, relative_learning_rates, relevance


def told(X, y, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    return relevance(intervals(X, weight), y, weight)


def test_intervals_hold_equal_shares(rng):
    X = np.exp(rng.normal(size=(1600, 3)))
    codes = intervals(X, np.ones(1600))
    for column, code in zip(X.T, codes.T, strict=True):
        assert (np.diff(code[np.argsort(column)]) >= 0).all()
        assert_array_equal(np.bincount(code), 100)


@pytest.mark.parametrize("equal", [True, False])
def test_a_value_is_in_the_interval_of_its_mid_rank(equal, rng):
    X = np.c_[rng.normal(size=300), rng.poisson(1.5, size=300), rng.random(300) < 0.02]
    X[rng.random(X.shape) < 0.1] = np.nan
    weight = np.full(300, 0.3) if equal else 0.7 * rng.integers(3, size=300)
    codes = intervals(X, weight)
    for column, code in zip(X.T, codes.T, strict=True):
        there = ~np.isnan(column)
        for row in np.flatnonzero(there & (weight > 0)):
            below = weight[there & (column < column[row])].sum()
            tied = weight[column == column[row]].sum()
            place = 16 * (below + tied / 2) / weight[there].sum()
            # As a rule no place is on a border; rounding decides the rest.
            assert code[row] in (np.floor(place - 1e-6), np.floor(place + 1e-6))


@pytest.mark.parametrize("n_rare", [1, 30, 500, 970, 999])
def test_both_values_of_a_flag_have_an_interval(n_rare):
    flag = (np.arange(1000) < n_rare).astype(float)
    codes = intervals(flag[:, None], np.ones(1000))[:, 0]
    assert len(np.unique(codes)) == 2
    assert len(np.unique(codes[:n_rare])) == 1


def test_missing_values_have_an_interval_of_their_own(rng):
    X = rng.normal(size=(400, 2))
    X[:100, 0] = np.nan
    X[:, 1] = np.nan
    codes = intervals(X, np.ones(400))
    assert_array_equal(codes[:, 0] == 16, np.isnan(X[:, 0]))
    assert_array_equal(np.bincount(codes[100:, 0], minlength=16).min(), 18)
    assert (codes[:, 1] == 16).all()
    # Missing is what tells here, and no value does.
    y = (rng.random(400) < np.where(np.isnan(X[:, 0]), 0.8, 0.1)).astype(int)
    found = told(X, y)
    assert found[0] > 0.3 and found[1] == 0


def test_relevance_is_epsilon_squared(rng):
    """From the F statistic of the analysis of variance, of which it is a function."""
    n = 700
    X = np.c_[rng.normal(size=(n, 3)), rng.integers(5, size=n)]
    y = (X[:, 0] + 0.3 * X[:, 3] + rng.normal(size=n) > 2).astype(int)
    codes = intervals(X, np.ones(n))
    expected = []
    for code in codes.T:
        groups = [y[code == value] for value in np.unique(code)]
        between, within = len(groups) - 1, n - len(groups)
        F = f_oneway(*groups).statistic
        expected.append(max(0, between * (F - 1) / (between * F + within)))
    assert_allclose(relevance(codes, y, np.ones(n)), expected, atol=1e-12)


def test_what_tells_all_and_what_tells_nothing(rng):
    y = rng.integers(4, size=3000)
    X = np.c_[y, -y, y == 0, rng.normal(size=(3000, 2)), np.ones(3000)]
    found = told(X, y)
    assert_allclose(found[:2], 1)
    # Of the four indicators one is explained, and a ninth of each of the others.
    assert_allclose(found[2], 1 / 3, atol=0.02)
    assert (found[3:] < 0.01).all()
    assert found[5] == 0


def test_noise_averages_to_0(rng):
    """The adjustment is what keeps ten rows an interval from telling by chance."""
    X = rng.normal(size=(160, 400))
    y = (np.arange(160) < 40).astype(int)
    codes = intervals(X, np.ones(160))
    assert relevance(codes, y, np.ones(160)).mean() < 0.03
    raw = 15 / 159  # of 16 intervals in 160 rows, without it
    adjusted = relevance(codes, y, np.ones(160))
    assert np.median(adjusted) < raw / 4


def test_weights_are_repeated_rows_of_any_unit(rng):
    X = rng.integers(40, size=(300, 4)) / 7
    y = (X[:, 0] + rng.normal(size=300) > 4).astype(int)
    weight = rng.integers(1, 4, size=300)
    expected = told(X.repeat(weight, axis=0), y.repeat(weight))
    for unit in (1.0, 1 / 3, 1e9):
        assert_allclose(told(X, y, weight * unit), expected, rtol=1e-9)
    none = np.r_[weight, np.zeros(50)]
    more = np.r_[X, rng.normal(size=(50, 4))]
    assert_array_equal(intervals(more, none)[:300], intervals(X, weight * 1.0))


def test_nothing_can_be_said_of_a_row_per_interval(rng):
    assert not told(rng.normal(size=(12, 3)), np.arange(12) % 2).any()
    assert not told(rng.normal(size=(50, 3)), np.zeros(50, int)).any()


def test_steps_follow_relevance():
    assert_array_equal(relative_learning_rates(np.zeros(3)), 1)
    assert_allclose(relative_learning_rates(np.full(3, 0.2)), 1)
    found = relative_learning_rates(np.array([0.0, 0.1, 0.2, 0.3]))
    assert (np.diff(found) > 0).all() and found[0] > 0.25
    assert_allclose(np.square(found).mean(), 1)
    assert_allclose(relative_learning_rates(np.eye(100)[0])[:2], [5, 11**-0.5])


# ---------------------------------------------------------------- in the committee


@pytest.fixture
def one_tells(rng):
    """Of five features the third tells, and is heavy-tailed and sometimes missing."""
    X = rng.normal(size=(400, 5))
    X[:, 2] = np.exp(2 * X[:, 2])
    y = (X[:, 2] + rng.normal(size=400) > 6).astype(int)
    X[::20, 2] = np.nan
    return X, y


def input_steps(model):
    """Factors of the inputs' steps, (n_members, n_inputs), in units of the usual 6."""
    state, committee = model._state.training, model._committee
    n_inputs = len(committee.kernels[0][0])
    return state.step_sizes.reshape(committee.n_members, -1)[:, :n_inputs] / 6


def test_all_inputs_of_a_feature_move_at_its_pace(quick, one_tells):
    X, y = one_tells
    model = quick(max_epochs=1, n_bins=4).fit(X, y)
    transform = model._committee.transform
    scaler, encoding = transform.scaler, transform.encoding
    steps = input_steps(model)
    # Five features, normal scores and flag of the third; then each feature encoded.
    assert_array_equal(scaler.features, [0, 1, 2, 3, 4, 2, 2])
    of = np.r_[scaler.features, scaler.features[encoding.columns].repeat(4)]
    assert_array_equal(transform.input_features, of)
    assert steps.shape[1] == len(of) == 27
    for feature in range(5):
        own = steps[:, of == feature]
        assert_array_equal(own, own[:, :1].repeat(own.shape[1], axis=1))
    assert (steps[:, 2] > 1.5).all() and (steps[:, [0, 1, 3, 4]] < 1).all()


def test_members_do_not_see_the_labels_they_judge(quick, one_tells):
    X, y = one_tells
    half = np.arange(400) < 200
    folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
    one = quick(max_epochs=1, cv=folds).fit(X, y)
    other = quick(max_epochs=1, cv=folds).fit(X, np.where(half, y, y[::-1]))
    assert (y != np.where(half, y, y[::-1])).any()
    assert_array_equal(input_steps(one), input_steps(other))
    turned = [(np.flatnonzero(~half), np.flatnonzero(half))]
    assert (input_steps(quick(max_epochs=1, cv=turned).fit(X, y)) != 1).any()


def test_some_of_many_rows_tell(quick, one_tells, monkeypatch):
    all_rows = input_steps(quick(max_epochs=1).fit(*one_tells))
    monkeypatch.setattr("skadaptive._features.scaling._MOST_ROWS", 300)
    some = input_steps(quick(max_epochs=1).fit(*one_tells))
    assert (some != all_rows).any()
    assert (some[:, 2] > 1.5).all()


def test_pace_is_kept_where_training_goes_on(quick, one_tells):
    X, y = one_tells
    model = quick(max_epochs=1, warm_start=True).fit(X, y)
    steps = input_steps(model)
    assert_array_equal(input_steps(model.fit(X[::-1], y)), steps)
    assert_array_equal(input_steps(model.partial_fit(X, y)), steps)


def test_a_stream_has_one_pace(quick, one_tells):
    X, y = one_tells
    assert_array_equal(input_steps(quick().partial_fit(X, y, classes=[0, 1])), 1)
