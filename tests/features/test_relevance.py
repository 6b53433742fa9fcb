"""Univariate relevance, and the learning rates that follow from it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f_oneway

from skadaptive._features.relevance import (
    most_relevant,
    quantile_codes,
    relative_learning_rates,
    univariate_relevance,
)


def relevance_of(X, y, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    return univariate_relevance(quantile_codes(X, weight), y, weight)


def test_bins_hold_equal_shares(rng):
    X = np.exp(rng.normal(size=(1600, 3)))
    codes = quantile_codes(X, np.ones(1600))
    for column, code in zip(X.T, codes.T, strict=True):
        assert (np.diff(code[np.argsort(column)]) >= 0).all()
        assert_array_equal(np.bincount(code), 100)


@pytest.mark.parametrize("least", [0, 1, None])
def test_a_value_is_in_the_bin_of_its_mid_rank(least, rng):
    """Of equal weights, of unequal ones, and where some are 0."""
    X = np.c_[rng.normal(size=300), rng.poisson(1.5, size=300), rng.random(300) < 0.02]
    X[rng.random(X.shape) < 0.1] = np.nan
    X = np.c_[X, rng.normal(size=300)]  # without ties or missing values
    weight = np.full(300, 0.3)
    if least is not None:
        weight = 0.7 * rng.integers(least, 3, size=300)
    codes = quantile_codes(X, weight)
    for column, code in zip(X.T, codes.T, strict=True):
        known = ~np.isnan(column)
        for row in np.flatnonzero(known & (weight > 0)):
            below = weight[known & (column < column[row])].sum()
            tied = weight[column == column[row]].sum()
            mid_rank = 16 * (below + tied / 2) / weight[known].sum()
            # Few mid-ranks are on the border of a bin; rounding decides these.
            assert code[row] in (np.floor(mid_rank - 1e-6), np.floor(mid_rank + 1e-6))


@pytest.mark.parametrize("n_rare", [1, 30, 500, 970, 999])
def test_both_values_of_a_flag_have_a_bin(n_rare):
    flag = (np.arange(1000) < n_rare).astype(float)
    codes = quantile_codes(flag[:, None], np.ones(1000))[:, 0]
    assert len(np.unique(codes)) == 2
    assert len(np.unique(codes[:n_rare])) == 1


def test_missing_values_have_a_bin_of_their_own(rng):
    X = rng.normal(size=(400, 2))
    X[:100, 0] = np.nan
    X[:, 1] = np.nan
    codes = quantile_codes(X, np.ones(400))
    assert_array_equal(codes[:, 0] == 16, np.isnan(X[:, 0]))
    assert_array_equal(np.bincount(codes[100:, 0], minlength=16).min(), 18)
    assert (codes[:, 1] == 16).all()
    # Here the class depends on whether the value is missing, and not on the value.
    y = (rng.random(400) < np.where(np.isnan(X[:, 0]), 0.8, 0.1)).astype(int)
    relevance = relevance_of(X, y)
    assert relevance[0] > 0.3 and relevance[1] == 0


def test_relevance_is_epsilon_squared(rng):
    """It is a function of the F statistic of the analysis of variance."""
    n = 700
    X = np.c_[rng.normal(size=(n, 3)), rng.integers(5, size=n)]
    y = (X[:, 0] + 0.3 * X[:, 3] + rng.normal(size=n) > 2).astype(int)
    codes = quantile_codes(X, np.ones(n))
    expected = []
    for code in codes.T:
        groups = [y[code == value] for value in np.unique(code)]
        between, within = len(groups) - 1, n - len(groups)
        F = f_oneway(*groups).statistic
        expected.append(max(0, between * (F - 1) / (between * F + within)))
    assert_allclose(univariate_relevance(codes, y, np.ones(n)), expected, atol=1e-12)


def test_fully_relevant_and_irrelevant_features(rng):
    y = rng.integers(4, size=3000)
    X = np.c_[y, -y, y == 0, rng.normal(size=(3000, 2)), np.ones(3000)]
    relevance = relevance_of(X, y)
    assert_allclose(relevance[:2], 1)
    # One of the four indicators is explained, and a ninth of each of the others.
    assert_allclose(relevance[2], 1 / 3, atol=0.02)
    assert (relevance[3:] < 0.01).all()
    assert relevance[5] == 0


def test_noise_averages_to_0(rng):
    """Without the adjustment ten rows per bin would explain the class by chance."""
    X = rng.normal(size=(160, 400))
    y = (np.arange(160) < 40).astype(int)
    codes = quantile_codes(X, np.ones(160))
    assert univariate_relevance(codes, y, np.ones(160)).mean() < 0.03
    raw = 15 / 159  # what 16 bins of 160 rows explain on average, unadjusted
    adjusted = univariate_relevance(codes, y, np.ones(160))
    assert np.median(adjusted) < raw / 4


def test_weights_are_repeated_rows_of_any_unit(rng):
    X = rng.integers(40, size=(300, 4)) / 7
    y = (X[:, 0] + rng.normal(size=300) > 4).astype(int)
    weight = rng.integers(1, 4, size=300)
    expected = relevance_of(X.repeat(weight, axis=0), y.repeat(weight))
    for unit in (1.0, 1 / 3, 1e9):
        assert_allclose(relevance_of(X, y, weight * unit), expected, rtol=1e-9)
    none = np.r_[weight, np.zeros(50)]
    more = np.r_[X, rng.normal(size=(50, 4))]
    assert_array_equal(
        quantile_codes(more, none)[:300], quantile_codes(X, weight * 1.0)
    )


def test_one_row_per_bin_has_no_relevance(rng):
    assert not relevance_of(rng.normal(size=(12, 3)), np.arange(12) % 2).any()
    assert not relevance_of(rng.normal(size=(50, 3)), np.zeros(50, int)).any()


def test_learning_rates_follow_relevance():
    assert_array_equal(relative_learning_rates(np.zeros(3)), 1)
    assert_allclose(relative_learning_rates(np.full(3, 0.2)), 1)
    rates = relative_learning_rates(np.array([0.0, 0.1, 0.2, 0.3]))
    assert (np.diff(rates) > 0).all() and rates[0] > 0.25
    assert_allclose(np.square(rates).mean(), 1)
    assert_allclose(relative_learning_rates(np.eye(100)[0])[:2], [5, 11**-0.5])


def test_columns_ranked_together_have_the_bins_of_each_alone(rng):
    X = rng.normal(size=(300, 12))
    X[:, ::3] = X[:, ::3].round()
    X[:5, 1] = np.nan
    together = quantile_codes(X, np.ones(300))
    # Unequal weights, or rows without weight, take the other way.
    others = quantile_codes(np.vstack([X, X[:9]]), np.r_[np.ones(300), np.zeros(9)])
    assert_array_equal(together, others[:300])
    one_by_one = [quantile_codes(X[:, [i]], np.ones(300)) for i in range(12)]
    assert_array_equal(together, np.hstack(one_by_one))


def test_relevance_of_each_feature_is_its_own(rng):
    # More columns than are counted together, with different numbers of bins.
    X = rng.normal(size=(90, 1500))
    X[:, ::7], X[:, 3] = X[:, ::7].round(), 0.0
    y, weight = rng.integers(0, 3, 90), rng.integers(1, 3, 90).astype(float)
    codes = quantile_codes(X, weight)
    together = univariate_relevance(codes, y, weight)
    for i in (0, 1, 3, 7, 800, 1499):
        alone = univariate_relevance(codes[:, [i]], y, weight)
        assert_array_equal(alone, together[[i]])
    assert together[3] == 0


def test_members_choose_few_features_together():
    relevance = np.array([[0.5, 0.4, 0.3, 0.0, 0.1], [0.4, 0.1, 0.5, 0.0, 0.2]])
    # One each: features 0 and 2. Two each: 0 and 1, 2 and 0. Three: 3 is never taken.
    for n_most, n_each in (
        (1, [0, 0]),
        (2, [1, 1]),
        (3, [2, 2]),
        (4, [4, 4]),
        (9, [4, 4]),
    ):
        taken = most_relevant(relevance, n_most)
        assert taken.any(axis=0).sum() <= n_most
        assert_array_equal(taken.sum(axis=1), n_each)
        for member, values in zip(taken, relevance, strict=True):
            assert values[member].min(initial=1) > values[~member].max(initial=0)
    assert not most_relevant(np.zeros((2, 3)), 2).any()


# ---------------------------------------------------------------- in the committee


@pytest.fixture
def one_relevant(rng):
    """Five features; only the third is relevant, heavy-tailed and sometimes missing."""
    X = rng.normal(size=(400, 5))
    X[:, 2] = np.exp(2 * X[:, 2])
    y = (X[:, 2] + rng.normal(size=400) > 6).astype(int)
    X[::20, 2] = np.nan
    return X, y


def relative_rates(model):
    """Step sizes of the input scales, (n_members, n_inputs), divided by the usual 6."""
    committee = model._committee
    n_members, n_inputs, _ = committee.kernels[0].shape
    state = model._state.resumed(committee.kernels, committee.biases).training
    return state.step_sizes.reshape(n_members, -1)[:, :n_inputs] / 6


def test_all_inputs_of_a_feature_have_its_learning_rate(quick, one_relevant):
    X, y = one_relevant
    model = quick(max_epochs=1, n_bins=4).fit(X, y)
    transform = model._committee.transform
    scaler, encoding = transform.scaler, transform.encoding
    rates = relative_rates(model)
    # Five features, normal scores and flag of the third; then each feature encoded.
    features = scaler.feature_of_column
    assert_array_equal(features, [0, 1, 2, 3, 4, 2, 2])
    features = np.r_[features, features[encoding.columns].repeat(4)]
    assert_array_equal(transform.input_features, features)
    assert rates.shape[1] == len(features) == 27
    for feature in range(5):
        of_feature = rates[:, features == feature]
        assert_array_equal(
            of_feature, np.broadcast_to(of_feature[:, :1], of_feature.shape)
        )
    assert (rates[:, 2] > 1.5).all() and (rates[:, [0, 1, 3, 4]] < 1).all()


def test_members_do_not_see_their_held_out_labels(quick, one_relevant):
    X, y = one_relevant
    half = np.arange(400) < 200
    folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
    one = quick(max_epochs=1, cv=folds).fit(X, y)
    other = quick(max_epochs=1, cv=folds).fit(X, np.where(half, y, y[::-1]))
    assert (y != np.where(half, y, y[::-1])).any()
    assert_array_equal(relative_rates(one), relative_rates(other))
    swapped = [(np.flatnonzero(~half), np.flatnonzero(half))]
    assert (relative_rates(quick(max_epochs=1, cv=swapped).fit(X, y)) != 1).any()


def test_many_rows_are_subsampled(quick, one_relevant, monkeypatch):
    all_rows = relative_rates(quick(max_epochs=1).fit(*one_relevant))
    monkeypatch.setattr("skadaptive._features.scaling._MAX_ROWS", 300)
    some = relative_rates(quick(max_epochs=1).fit(*one_relevant))
    assert (some != all_rows).any()
    assert (some[:, 2] > 1.5).all()


def test_learning_rates_are_kept_when_training_continues(quick, one_relevant):
    X, y = one_relevant
    model = quick(max_epochs=1, warm_start=True).fit(X, y)
    rates = relative_rates(model)
    assert_array_equal(relative_rates(model.fit(X[::-1], y)), rates)
    assert_array_equal(relative_rates(model.partial_fit(X, y)), rates)


def test_a_stream_has_equal_learning_rates(quick, one_relevant):
    X, y = one_relevant
    assert_array_equal(relative_rates(quick().partial_fit(X, y, classes=[0, 1])), 1)


@pytest.fixture
def wide(rng):
    """Forty features, of which two are relevant; eight of four bins may be encoded."""
    X = rng.normal(size=(400, 40))
    y = (np.abs(X[:, 7]) + X[:, 30] + 0.5 * rng.normal(size=400) > 2.2).astype(int)
    return X, y


@pytest.fixture
def few_bins(monkeypatch):
    monkeypatch.setattr("skadaptive._committee.inputs._MOST_BINS", 96)


def encoded_features(model):
    transform = model._committee.transform
    return transform.scaler.feature_of_column[transform.encoding.columns]


def test_many_features_are_not_all_encoded(quick, wide, few_bins):
    X, y = wide
    model = quick().fit(X, y)
    n_bins = model._committee.transform.encoding.n_bins
    assert n_bins == 12
    assert {7, 30} <= set(encoded_features(model)) and len(encoded_features(model)) <= 8
    assert len(encoded_features(quick(n_bins=12).fit(X, y))) == 40
    # Training continues with the same features.
    more = quick(warm_start=True).fit(X, y)
    before = encoded_features(more)
    assert_array_equal(encoded_features(more.fit(X[:, ::-1], y)), before)
    assert_array_equal(encoded_features(more.partial_fit(X, y)), before)


def test_members_encode_what_they_chose_themselves(quick, wide, few_bins):
    X, y = wide
    half = np.arange(400) < 200
    folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
    folds += [folds[0][::-1]]
    one = quick(cv=folds, warm_start=True).fit(X, y)
    rates = relative_rates(one)[:, 40:].reshape(2, -1, 12)
    assert (rates == rates[:, :, :1]).all()
    used = rates[:, :, 0] > 1e-20
    assert used.any(axis=0).all() and not used.all(axis=0).all()
    state, n_inputs = one._state.training, len(one._committee.kernels[0][0])
    for values in (state.parameters, *state.averages):
        scales = values.reshape(2, -1)[:, 40:n_inputs].reshape(used.shape + (12,))
        assert (np.abs(scales[~used]) < 1e-20).all() and (scales[used] != 0).all()


def test_encoded_features_follow_from_training_labels_alone(quick, wide, few_bins):
    X, y = wide
    half = np.arange(400) < 200
    folds = [(np.flatnonzero(half), np.flatnonzero(~half))]
    one = quick(max_epochs=1, cv=folds).fit(X, y)
    other = quick(max_epochs=1, cv=folds).fit(X, np.where(half, y, y[::-1]))
    assert_array_equal(encoded_features(one), encoded_features(other))


def test_a_stream_encodes_features_of_its_first_chunk(quick, wide, few_bins):
    X, y = wide
    model = quick().partial_fit(X, y, classes=[0, 1])
    before = encoded_features(model)
    assert {7, 30} <= set(before) and len(before) <= 8
    assert_array_equal(encoded_features(model.partial_fit(X[::-1], y)), before)
    # Of one class nothing is known about relevance, and no feature is encoded.
    none = quick().partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    assert len(encoded_features(none)) == 0
    none.partial_fit(X, y)
    assert np.isfinite(none.predict_proba(X)).all()
