"""Contributions beside an implementation that others maintain."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from skadaptive import explain


@pytest.mark.extras
def test_contributions_agree_with_exact_shapley_values():
    """Of shap, over the same background, for features that interact."""
    shap = pytest.importorskip("shap")
    X = np.random.default_rng(0).normal(size=(300, 5))
    y = (X[:, 0] * X[:, 1] + X[:, 2] > 1).astype(int)
    model = MLPClassifier(
        (16,), solver="lbfgs", alpha=1, max_iter=2000, random_state=0
    ).fit(X, y)
    rows, background = X[:6], X[100:200]
    found = explain(model, rows, random_state=0).contributions(background=background)

    def log_odds(Z):
        return logit(np.clip(model.predict_proba(Z)[:, 1], 1e-6, 1 - 1e-6))

    exact = shap.explainers.Exact(log_odds, shap.maskers.Independent(background, 100))
    expected = exact(rows)
    assert_allclose(found.base_, expected.base_values, atol=1e-6)
    # What differs is the error of sampling, of 200 walks.
    scale = expected.values.std()
    assert scale > 1
    assert np.abs(found.values_.to_numpy() - expected.values).max() < 0.1 * scale


@pytest.mark.parametrize("n_background", [1, 7, 40, 300])
def test_of_a_model_without_interactions_they_are_exact(n_background, rng):
    """Whatever the orders are; values that a row shares with others change nothing."""
    X = rng.integers(0, 3, (400, 4)).astype(float)
    y = (X[:, 0] + rng.normal(size=400) > 1.5).astype(int)
    model = LogisticRegression().fit(X, y)
    rows, background = X[:9], X[100 : 100 + n_background]
    found = explain(model, rows, random_state=0).contributions(background=background)
    if n_background <= 200:
        assert_allclose(found.base_, model.decision_function(background).mean())
        expected = model.coef_ * (rows - background.mean(axis=0))
        assert_allclose(found.values_, expected, atol=1e-9)
    # Of more background rows, 200 are drawn.
    assert np.ptp(found.base_) < 1e-9
    total = found.base_ + found.values_.sum(axis=1)
    assert_allclose(total, model.decision_function(rows), atol=1e-9)


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("label", [0, 1])
def test_they_sum_to_the_log_odds_of_the_class(label, ours, quick, binary):
    X, y = binary
    model = (quick(max_epochs=2) if ours else LogisticRegression()).fit(X, 1 - y)
    found = explain(model, X[:4], pos_label=label, random_state=0)
    told = found.contributions(background=X[100:120])
    total = told.base_ + told.values_.to_numpy().sum(axis=1)
    proba = model.predict_proba(X[:4])[:, label]
    assert_allclose(total, logit(proba), rtol=1e-4, atol=1e-4)
