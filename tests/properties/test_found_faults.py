"""Faults that generated calls have found, each in a small test of its own."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from keras import ops
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.naive_bayes import GaussianNB

from skadaptive import compare
from skadaptive._assessment.threshold_counts import ScoredRows, calibration_verdict
from skadaptive._committee.calibration import SigmoidCalibration
from skadaptive._committee.threshold_tuning import at_thresholds
from skadaptive._features.relevance import quantile_codes, univariate_relevance
from skadaptive._parameters import check_alpha, check_class_weight
from skadaptive._training.term_scales import term_scales
from skadaptive.drift import adjust_to_prior, prior_shift
from skadaptive.losses import focal
from skadaptive.thresholds import f1

# Warnings of NumPy are errors in every test.


def test_relevance_with_weights_of_any_size(rng):
    """The number of rows, in units of the least weight, was infinite."""
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 2
    weight = np.r_[5e-324, 10.0 ** rng.uniform(-300, 0, 39)]
    relevance = univariate_relevance(quantile_codes(X, weight), y, weight)
    assert np.isfinite(relevance).all()


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_only_ratios_of_alpha_matter(unit):
    """float32 holds neither 1e-300 nor 1e300."""
    alpha = check_alpha([2 * unit, 6 * unit], 2, rare=1)
    assert_allclose(alpha[1] / alpha[0], 3)
    assert 0.5 <= alpha.max() < 1
    assert_array_equal(check_alpha([0.25, 0.75], 2, rare=1), [0.25, 0.75])


def test_a_focal_loss_without_weight_has_a_finite_factor():
    scales = term_scales([1 - 1e-20, 1e-20], gamma=2.0, alpha=np.array([1.0, 0.0]))
    assert (scales < np.finfo(np.float32).max).all()
    # gamma=100 needs a large factor, which is not cut off.
    large = term_scales([0.5, 0.5], gamma=100.0, alpha=np.array([0.25, 0.75]))
    assert 1e28 < large[1] < 1e31


def test_balanced_weights_of_a_class_that_has_next_to_none():
    factors = check_class_weight("balanced", np.arange(2), np.array([1.0, 5e-324]))
    assert np.isfinite(factors).all()


def test_class_shares_may_differ_by_any_factor(quick, rng):
    """The share of a class was 0, and its log-odds infinite."""
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 3 == 0
    weight = np.where(y, 1e-300, 1e300)
    model = quick(n_bins=None, max_epochs=2).fit(X, y, weight)
    assert np.isfinite(model.predict_proba(X)).all()
    assert_array_equal(model.classes_, [False, True])


def test_a_learning_rate_beyond_float32_diverges(quick, rng):
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 3 == 0
    with pytest.raises(ValueError, match=r"diverged.*Lower learning_rate"):
        quick(n_bins=None, max_epochs=2, learning_rate=1e300).fit(X, y)


def test_an_error_of_the_sampler_names_it(quick, rng):
    """Its own message may be "Expected n_neighbors <= n_samples_fit" alone."""
    X, y = rng.normal(size=(60, 2)), np.arange(60) < 4
    sampler = SMOTE(k_neighbors=30)
    with pytest.raises(ValueError, match=r"sampler=SMOTE.* training rows.*n_neighbors"):
        quick(n_bins=None, max_epochs=2, sampler=sampler).fit(X, y)


# Logits of three classes, all below those that masked a class before.
FAR_BELOW = np.full((1, 3), -1e35, np.float32)


def test_a_masked_class_lies_below_every_logit():
    """Logits beyond -1e30 lay below it, and the focal loss was NaN or infinite."""
    loss = focal(np.zeros(1, int), ops.convert_to_tensor(FAR_BELOW))
    assert_allclose(ops.convert_to_numpy(loss), 0, atol=1e30)


def test_a_masked_class_lies_below_every_logit_on_jax():
    jnp = pytest.importorskip("jax.numpy")
    from skadaptive._training.jax_network import hybrid

    terms = {"loss_weights": (0.0, 1.0, 0.0), "alpha": jnp.ones(3)}
    terms |= {"gamma": 2.0, "smooth": 1.0, "total_weight": 1.0}
    of_one_row = jnp.zeros((1, 1), int), jnp.asarray(FAR_BELOW)[None], jnp.ones((1, 1))
    assert_allclose(hybrid(*of_one_row, terms), 0, atol=1e30)


def test_old_shares_that_nothing_can_be_divided_by_are_refused():
    """Their ratios to the new ones overflowed."""
    with pytest.raises(ValueError, match="proba_reference .* column 1 .* than 1e-300"):
        prior_shift([1e-310], [0.5, 0.2])
    with pytest.raises(ValueError, match=r"old must be positive .*got \[1.0, 1e-310\]"):
        adjust_to_prior([0.5], old=1e-310, new=0.5)


@pytest.mark.parametrize("unit", [2.0**-600, 2.0**600])
def test_evidence_against_calibration_has_no_unit(unit, rng):
    """Squares of the weights overflowed, or were 0."""
    proba = rng.random(200)
    y, weight = (rng.random(200) < proba**2).astype(int), rng.uniform(1, 2, 200)
    verdicts = [
        calibration_verdict(ScoredRows(y, proba, weight * factor))
        for factor in (1.0, unit)
    ]
    assert verdicts[0] == verdicts[1] and verdicts[0][0]


def test_a_calibration_does_not_overflow_on_its_way():
    """The line search began with a slope of exp(1000)."""
    logits = np.array([[-0.54301806], [-0.52177274], [-0.50518954], [-0.49643972]])
    found = SigmoidCalibration.fit(logits, np.array([0, 1, 0, 1]), np.ones(4))
    assert 1 < found.slope < 1000
    assert_allclose(expit(found(logits)).mean(), 0.5, atol=1e-3)


@pytest.mark.parametrize("goes_on", ["warm_start", "partial_fit"])
def test_other_categories_are_refused_where_training_goes_on(goes_on, quick, rng):
    """The parameter was not looked at, so that a wrong column passed."""
    X, y = rng.integers(0, 3, (60, 2)).astype(float), np.arange(60) % 3 == 0
    frame = pd.DataFrame(X, columns=["a", "b"])
    given = {"n_bins": None, "max_epochs": 1, "warm_start": True}
    model = quick(categorical_features=["a"], **given).fit(frame, y)
    go_on = model.fit if goes_on == "warm_start" else model.partial_fit
    go_on(frame, y)
    for same in ([0], [True, False], ["a"]):
        model.set_params(categorical_features=same)
        go_on(frame, y)
    for other, message in (
        (["b"], r"categorical_features was \[0\].* and is \[1\]"),
        (None, r"categorical_features was \[0\].* and is \[\]"),
        ([99], "categorical_features must be names of columns"),
    ):
        before = vars(model.set_params(categorical_features=other)).copy()
        with pytest.raises(ValueError, match=message):
            go_on(frame, y)
        assert vars(model) == before


def test_a_comparison_has_no_unit_of_weights(binary):
    """Each contender failed, since its threshold was tuned on squares of weights."""
    (X, y), unit = binary, 2.0**600
    weight = np.linspace(0.5, 2, len(y))
    options = {"contenders": {"bayes": GaussianNB()}, "cv": 2, "random_state": 0}
    plain, scaled = (
        compare(X, y, sample_weight=weight * factor, verbose=0, **options).folds_
        for factor in (1.0, unit)
    )
    columns = ["threshold", "average_precision", "roc_auc", "brier_score", "f1"]
    assert_array_equal(scaled[columns], plain[columns])
    assert_array_equal(scaled["tp"], plain["tp"] * unit)


@pytest.mark.parametrize("unit", [2.0**-600, 2.0**600])
def test_held_out_rows_of_a_rule_have_no_unit(unit, rng):
    logits, y = rng.normal(size=60), np.arange(60) % 3 == 0
    weight = rng.uniform(1, 2, 60)
    plain, scaled = (
        at_thresholds(f1, y.astype(int), logits, weight * factor)
        for factor in (1.0, unit)
    )
    assert_allclose(scaled["best_threshold"], plain["best_threshold"], rtol=1e-5)
    assert scaled["tp"] == plain["tp"] * unit


def test_sparse_values_beyond_float32_are_learnt_in_chunks(quick, rng):
    """To hold rows out, they were rounded to float32, which warned."""
    X, y = rng.normal(size=(60, 3)) * 1e300, np.arange(60) % 3 == 0
    model = quick(max_epochs=1, cv=2)
    for _ in range(2):
        model.partial_fit(csr_matrix(X), y, classes=[False, True])
    assert np.isfinite(model.predict_proba(csr_matrix(X))).all()


def test_parameters_that_overflow_are_divergence(quick):
    """A warning about a product came first."""
    X = np.random.default_rng(0).normal(size=(17, 3)).astype(np.float16)
    y = np.arange(17) % 2
    model = quick(
        hidden_layer_sizes=(2,),
        n_bins=None,
        max_epochs=1,
        optimizer="sgd",
        batch_size=16,
        cv=2,
        loss_weights=(0, 1, 0),
        class_weight="balanced",
        gamma=100.0,
        learning_rate=1e6,
        random_state=0,
    )
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X, y, X_val=X, y_val=y)
