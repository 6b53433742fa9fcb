"""Checks of array parameters, and what "auto" and None stand for, by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.class_weight import compute_class_weight

from skadaptive import AdaptiveHybridClassifier
from skadaptive._parameters import (
    auto_epochs,
    auto_patience,
    check_alpha,
    check_class_weight,
    check_hidden_layer_sizes,
    check_loss_weights,
    check_optimizer,
    rare_class,
    scaled_weights,
)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((), ()), ([1], (1,)), (np.array([3, 1]), (3, 1)), ([0], None), ([-1], None)],
)
def test_hidden_layers(sizes, expected):
    if expected is not None:
        found = check_hidden_layer_sizes(sizes)
        assert found == expected and all(type(size) is int for size in found)
    else:
        with pytest.raises(ValueError, match=r"of 1 or more, .*; got \[-?\d\]"):
            check_hidden_layer_sizes(sizes)


@pytest.mark.parametrize("sizes", [[[1]], True, 0, [1.0], "ab", [True], [2, 0]])
def test_what_is_no_list_of_sizes(sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes must be a list of whole"):
        check_hidden_layer_sizes(sizes)


@pytest.mark.parametrize(
    ("n_rows", "n_epochs"),
    [
        (0, 24),
        (1, 24),
        (4000, 24),
        (4001, 24),
        (4175, 23),
        (16_000, 6),
        (15_999, 7),
        (10**7, 6),
    ],
)
def test_epochs_pass_over_96000_rows(n_rows, n_epochs):
    assert auto_epochs(n_rows) == n_epochs


@pytest.mark.parametrize(
    ("n_epochs", "patience"), [(1, 5), (25, 5), (26, 6), (30, 6), (31, 7), (100, 20)]
)
def test_patience_is_a_fifth_of_the_epochs(n_epochs, patience):
    assert auto_patience(n_epochs) == patience


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1.0, 1e308])
def test_loss_weights_sum_to_1(size):
    found = check_loss_weights(np.array([1.0, 0.0, 0.5]) * size)
    assert_allclose(found, [2 / 3, 0, 1 / 3])


@pytest.mark.parametrize(
    "weights",
    [[1, 1], [0, 0, 0], [1, -1, 1], [1, np.nan, 1], [1, np.inf, 1], ["a"] * 3],
)
def test_what_are_no_loss_weights(weights):
    with pytest.raises(
        ValueError, match="three non-negative numbers, for .*, not all 0"
    ):
        check_loss_weights(weights)


@pytest.mark.parametrize("rare", [0, 1, 2])
def test_a_number_is_the_weight_of_the_rare_class(rare):
    expected = np.full(3, 0.75)
    expected[rare] = 0.25
    assert_array_equal(check_alpha(0.25, 3, rare), expected)


@pytest.mark.parametrize("size", [1e-300, 1, 1e300])
def test_only_ratios_of_alpha_matter(size):
    weights = np.array([1.0, 3.0, 0.0]) * size
    found = check_alpha(weights, 3, 0)
    assert 0.5 <= found.max() < 1
    assert_array_equal(found / found.max(), weights / weights.max())
    with pytest.raises(
        ValueError, match="one non-negative weight for each of the 2 cl"
    ):
        check_alpha(weights, 2, 0)


def test_class_weights_are_those_of_scikit_learn(rng):
    y = rng.choice([0, 1, 2], 100, p=[0.7, 0.2, 0.1])
    totals = np.bincount(y).astype(float)
    classes = np.arange(3)
    assert_array_equal(check_class_weight(None, classes, totals), [1, 1, 1])
    expected = compute_class_weight("balanced", classes=classes, y=y)
    assert_allclose(check_class_weight("balanced", classes, totals), expected)
    assert np.isfinite(
        check_class_weight("balanced", classes, totals * [1, 1, 0])
    ).all()
    found = check_class_weight({0: 0.5, 2: 3}, classes, totals)
    assert_array_equal(found, [0.5, 1, 3])
    for weight in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="must give every class a positive weight"):
            check_class_weight({0: weight}, classes, totals)


def test_weights_are_scaled_by_a_power_of_2(rng):
    for size in (1e-200, 0.3, 1e200):
        weight = rng.uniform(0, size, 20)
        found, exponent = scaled_weights(weight)
        assert 0.5 <= found.max() < 1 and type(exponent) is int
        assert_array_equal(np.ldexp(found, exponent), weight)
    assert scaled_weights(np.zeros(0))[1] == 0


def test_the_learning_rate_is_no_part_of_an_optimizer():
    check_optimizer("adamw")
    check_optimizer({"class_name": "SGD", "config": {"momentum": 0.9}})
    for given in ({"class_name": "SGD"}, {"config": {}}, {}):
        with pytest.raises(ValueError, match="a name or a Keras configuration"):
            check_optimizer(given)
    given = {"class_name": "SGD", "config": {"learning_rate": 0.1}}
    with pytest.raises(ValueError, match="is set by the parameter learning_rate"):
        check_optimizer(given)


@pytest.mark.parametrize(
    ("totals", "rare"),
    [
        ([9, 1], 1),
        ([1, 9], 0),
        ([4.9, 10], 0),
        ([5, 10], 1),
        ([10, 10], 1),
        ([3, 2, 2.5], 1),
        ([1, 2, 1], 0),
    ],
)
def test_which_class_is_rare(totals, rare):
    assert rare_class(np.array(totals)) == rare


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("n_bins", ["auto", None, 3, np.int64(8)], [2, 0, 3.5, "none"]),
        ("dropout", [0, 0.0, 0.999], [1, 1.0, -0.001]),
        ("gamma", [0, 100, 0.5], [-0.001, 100.001]),
        ("alpha", [0, 1, 0.5, [0.2, 0.8]], [-0.001, 1.001]),
        ("adaptation_rate", [0, 1], [-0.001, 1.001]),
        ("adaptation", ["performance", "lookup", "threshold", max], ["best"]),
        ("cv", ["auto", 2, 0.001, 0.999], [0.0, 1.5]),
        ("learning_rate", [1e-12, 5], [0, -1]),
        ("batch_size", ["auto", 1], [0, 1.5]),
        ("max_epochs", ["auto", 1], [0, 2.5]),
        ("n_iter_no_change", ["auto", 1], [0, 2.5]),
        ("early_stopping", [True, False], ["auto", 2]),
        ("threshold", ["tune", None, 0.001, 0.999, max], [0, 1, 0.0, 1.0]),
        ("calibration", [None, "sigmoid", "isotonic"], ["platt"]),
        ("class_weight", [None, "balanced", {0: 1}], ["equal"]),
        ("optimizer", ["adamw", {}], ["best"]),
        ("categorical_features", [None, "from_dtype", [0]], ["auto"]),
        ("activation", ["relu", "tanh", "selu"], ["swish2"]),
    ],
)
def test_bounds_of_the_parameters(name, taken, refused):
    """Both ends of each interval; nothing is fitted."""
    for value in taken:
        AdaptiveHybridClassifier(**{name: value})._validate_params()
    for value in refused:
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of"):
            AdaptiveHybridClassifier(**{name: value})._validate_params()
