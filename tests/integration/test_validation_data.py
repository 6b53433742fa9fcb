"""Validation data that the user gives."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import (
    train_test_split,
)

# -------------------------------------------------------------------- given X_val


def test_validation_data_judge_and_calibrate(quick, binary):
    X, y = binary
    X, X_val, y, y_val = train_test_split(X, y, stratify=y, random_state=0)
    model = quick().fit(X, y, X_val=X_val, y_val=y_val)
    assert model._committee.n_members == 3
    assert np.isnan(model.oof_proba_).all() and model.oof_proba_.shape == (len(y), 2)
    p = model.predict_proba(X_val)[:, 1]
    assert p.mean() == pytest.approx(y_val.mean(), abs=0.01)
    # Members differ in their seeds alone, and all rows are trained on.
    first, second = (model._committee.logits(X, m) for m in (0, 1))
    assert (first != second).any()
    one = quick(cv=0.2).fit(X, y, X_val=X_val, y_val=y_val)
    assert one._committee.n_members == 1


def test_validation_data_in_frames_and_with_weights(quick, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    weight = np.where(np.arange(100) % 2, 1.0, 0.0)
    by_weight = quick().fit(
        frame[100:],
        y[100:],
        X_val=frame[:100],
        y_val=y[:100],
        sample_weight_val=weight,
    )
    odd = frame[:100][weight > 0]
    by_rows = quick().fit(frame[100:], y[100:], X_val=odd, y_val=y[:100][weight > 0])
    assert_allclose(
        by_weight.predict_proba(frame), by_rows.predict_proba(frame), rtol=1e-5
    )


def test_validation_data_with_a_sampler(quick, binary):
    X, y = binary
    model = quick(sampler=SMOTE()).fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
    p = model.predict_proba(X[:100])[:, 1]
    assert p.mean() == pytest.approx(y[:100].mean(), abs=0.02)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda X, y: {"X_val": X[:, :3], "y_val": y}, "X has 3 features"),
        (lambda X, y: {"X_val": X}, "X_val needs y_val"),
        (lambda X, y: {"y_val": y}, "need X_val"),
        (lambda X, y: {"X_val": X, "y_val": y[:-1]}, "inconsistent numbers of samples"),
        (
            lambda X, y: {"X_val": X, "y_val": y + 5},
            r"classes that are not known: \[5, 6\]",
        ),
    ],
)
def test_bad_validation_data(given, message, quick, binary):
    X, y = binary
    model = quick()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **given(X, y))
    assert vars(model) == vars(quick())


def test_validation_data_through_a_pipeline(quick, binary):
    from sklearn import config_context
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = binary
    with config_context(enable_metadata_routing=True):
        model = quick().set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(
            StandardScaler(), model, transform_input=["X_val"]
        ).fit(X[100:], y[100:], X_val=X[:100], y_val=y[:100])
    own = StandardScaler().fit(X[100:])
    by_hand = quick().fit(
        own.transform(X[100:]), y[100:], X_val=own.transform(X[:100]), y_val=y[:100]
    )
    assert_array_equal(
        pipeline.predict_proba(X), by_hand.predict_proba(own.transform(X))
    )
