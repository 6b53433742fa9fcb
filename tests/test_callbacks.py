"""Adaptive loss weights in Keras models of the user."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler

from skadaptive.adaptation import next_weights
from skadaptive.callbacks import AdaptiveLossWeights
from skadaptive.losses import HybridLoss


def build(n_features=30, loss=None):
    model = keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        loss or HybridLoss(),
        metrics=[keras.metrics.AUC(curve="PR", name="ap")],
    )
    return model


@pytest.fixture(scope="module")
def data(breast_cancer):
    X, y = breast_cancer
    return StandardScaler().fit_transform(X), y


def test_the_weights_follow_the_rule(data):
    keras.utils.set_random_seed(0)
    model = build()
    callback = AdaptiveLossWeights("val_ap", adaptation_rate=0.3)
    history = model.fit(
        *data, validation_split=0.3, epochs=8, verbose=0, callbacks=[callback]
    ).history
    terms = ("weight_cross_entropy", "weight_focal", "weight_dice")
    weights = np.array([history[term] for term in terms]).T
    assert_allclose(weights[0], [0.4, 0.4, 0.2], rtol=1e-6)
    for epoch in range(1, 8):
        expected = next_weights(
            "performance",
            history["val_ap"][:epoch],
            weights[epoch - 1],
            weights[0],
            0.3,
        )
        assert_allclose(weights[epoch], expected, rtol=1e-5)
    assert len(np.unique(weights[:, 0])) > 2


def test_sign_of_a_minimised_score(data):
    model = build()
    seen = []

    def rule(scores, weights, initial_weights, rate):
        seen.append(scores[-1])
        return weights

    callback = AdaptiveLossWeights("val_loss", mode="min", adaptation=rule)
    history = model.fit(
        *data, validation_split=0.3, epochs=1, verbose=0, callbacks=[callback]
    ).history
    assert seen == [-history["val_loss"][0]]


def test_errors_say_what_is_missing(data):
    with pytest.raises(ValueError, match="compiled with loss=HybridLoss"):
        build(loss="binary_crossentropy").fit(
            *data, verbose=0, callbacks=[AdaptiveLossWeights("ap")]
        )
    with pytest.raises(ValueError, match="no 'val_ap' to monitor. Available: ap, loss"):
        build().fit(*data, verbose=0, callbacks=[AdaptiveLossWeights("val_ap")])
    # Inputs that are no numbers would not do: a kernel of ReLU may take NaN for 0.
    weight = np.full(len(data[1]), np.nan)
    with pytest.raises(
        ValueError, match="loss must be finite .* after epoch 1 it is nan"
    ):
        build().fit(
            *data,
            sample_weight=weight,
            verbose=0,
            callbacks=[AdaptiveLossWeights("loss")],
        )
    with pytest.raises(ValueError, match='mode must be "max" or "min"'):
        AdaptiveLossWeights(mode="auto")


def test_in_scikeras(data):
    scikeras = pytest.importorskip("scikeras.wrappers")
    X, y = data

    def make(meta):
        return keras.Sequential(
            [
                keras.Input((meta["n_features_in_"],)),
                keras.layers.Dense(8, activation="relu"),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )

    model = scikeras.KerasClassifier(
        model=make,
        loss=HybridLoss(),
        optimizer="adam",
        optimizer__learning_rate=0.01,
        metrics=[keras.metrics.AUC(curve="PR", name="ap")],
        callbacks=AdaptiveLossWeights("val_ap", adaptation_rate=0.5),
        fit__validation_split=0.3,
        epochs=8,
        verbose=0,
        random_state=0,
    ).fit(X, y)
    assert len(set(model.history_["weight_focal"])) > 1
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.6
