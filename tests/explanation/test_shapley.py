"""Contributions beside an implementation that others maintain."""

import numpy as np
import pytest
from scipy.special import logit
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
    np.testing.assert_allclose(found.base_, expected.base_values, atol=1e-6)
    # What differs is the error of sampling, of 200 walks.
    scale = expected.values.std()
    assert scale > 1
    assert np.abs(found.values_.to_numpy() - expected.values).max() < 0.1 * scale
