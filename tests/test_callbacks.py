"""Adaptive loss weights in Keras models of the user."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, confusion_matrix
from sklearn.preprocessing import StandardScaler

from skadaptive.adaptation import HeldOut, next_weights
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


def test_the_mix_is_steered_by_validation_data(data):
    X, y = data
    keras.utils.set_random_seed(0)
    model = build()
    # Of the data that are held out the rare class is called the other one.
    held_out = X[250:], 1 - y[250:], np.linspace(0.5, 1.5, len(X) - 250)
    callback = AdaptiveLossWeights(adaptation="threshold", validation_data=held_out)
    history = model.fit(
        X[:250], y[:250], epochs=6, verbose=0, callbacks=[callback]
    ).history
    terms = ("weight_cross_entropy", "weight_focal", "weight_dice")
    weights = np.array([history[term] for term in terms]).T
    assert len(np.unique(weights[:, 2])) > 3
    for epoch in range(1, 6):
        seen = {name: history[name][:epoch] for name in HeldOut._fields}
        expected = next_weights(
            "threshold",
            [0.0] * epoch,
            weights[epoch - 1],
            weights[0],
            0.1,
            HeldOut.from_history(seen),
        )
        assert_allclose(weights[epoch], expected, rtol=1e-5)
    predicted = model.predict(held_out[0], verbose=0)[:, 0] > 0.5
    tn, fp, fn, tp = confusion_matrix(
        held_out[1], predicted, sample_weight=held_out[2]
    ).ravel()
    for name, value in {"tn": tn, "fp": fp, "fn": fn, "tp": tp}.items():
        assert history[name][-1] == pytest.approx(value)


def test_a_rule_that_needs_validation_data_says_so(data):
    with pytest.raises(ValueError, match=r"validation_data=\(X, y\)"):
        AdaptiveLossWeights(adaptation="threshold")
    X, y = data
    for no_pair in (X, (X,), [X, y]):
        with pytest.raises(ValueError, match=r"must be a tuple \(X, y\)"):
            AdaptiveLossWeights(validation_data=no_pair)
    for labels in (np.zeros(5), y + 1, np.array(["a", "b"])):
        with pytest.raises(ValueError, match="must be 1 for the rare class and 0"):
            AdaptiveLossWeights(validation_data=(X, labels))
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(3, "softmax")])
    model.compile("adam", HybridLoss())
    callback = AdaptiveLossWeights(adaptation="threshold", validation_data=(X, y))
    with pytest.raises(ValueError, match="models with one output"):
        model.fit(X, np.arange(len(y)) % 3, epochs=1, verbose=0, callbacks=[callback])


def test_predictions_that_are_not_finite_are_an_error(data):
    model = build()
    model.predict = lambda X, verbose: np.full((len(X), 1), np.nan)
    callback = AdaptiveLossWeights(adaptation="threshold", validation_data=data)
    with pytest.raises(ValueError, match="not finite. Lower the learning rate"):
        model.fit(*data, epochs=1, verbose=0, callbacks=[callback])


@pytest.mark.parametrize("mode", ["max", "min"])
def test_without_a_monitor_the_score_is_f1_of_the_validation_data(data, mode):
    seen = []

    def rule(scores, weights, initial_weights, rate, held_out):
        seen.append((scores[-1], held_out.tp[-1], held_out.fp[-1], held_out.fn[-1]))
        return weights

    callback = AdaptiveLossWeights(None, mode, rule, validation_data=data)
    build().fit(*data, epochs=1, verbose=0, callbacks=[callback])
    ((score, tp, fp, fn),) = seen
    assert score == pytest.approx(2 * tp / (2 * tp + fp + fn)) and score > 0


# Each epoch has one update, which is that of a model compiled with the mix of the
# epoch from the start. So is its loss, in training and in validation.
_UPDATES = """
import keras
import numpy as np
from skadaptive.callbacks import AdaptiveLossWeights
from skadaptive.losses import HybridLoss

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("float32")
y = (X[:, 0] > 1).astype("float32")
MIXES = [[0.4, 0.4, 0.2], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]


def make(mix, kernel):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.layers[-1].set_weights(kernel)
    model.compile(keras.optimizers.SGD(0.5), HybridLoss(mix, from_logits=True))
    return model


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.kernels = []

    def on_epoch_end(self, epoch, logs=None):
        self.kernels.append([np.array(w) for w in self.model.get_weights()])


options = dict(batch_size=40, verbose=0, shuffle=False, validation_data=(X, y))
start = [np.full((3, 1), 0.3, "float32"), np.zeros(1, "float32")]
model = make(MIXES[0], start)
callback = AdaptiveLossWeights(
    "loss", adaptation=lambda scores, *_: MIXES[len(scores) % 4], adaptation_rate=1.0
)
recorder = Recorder()
found = model.fit(X, y, epochs=4, callbacks=[recorder, callback], **options).history
before = start
for epoch, mix in enumerate(MIXES):
    terms = "cross_entropy", "focal", "dice"
    shown = [found[f"weight_{term}"][epoch] for term in terms]
    np.testing.assert_allclose(shown, mix, atol=0.05)
    alone = make(shown, before)
    expected = alone.fit(X, y, epochs=1, **options).history
    for one, other in zip(recorder.kernels[epoch], alone.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(found[name][epoch], expected[name][0], rtol=1e-5)
    before = recorder.kernels[epoch]
print(keras.config.backend())
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_next_update_uses_the_new_mix(backend):
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", _UPDATES],
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == backend


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
    # NaN inputs would not do: some builds of TensorFlow compute relu(NaN) = 0.
    undefined = np.full(len(data[1]), np.nan)
    with pytest.raises(
        ValueError, match="loss must be finite .* after epoch 1 it is nan"
    ):
        build().fit(
            *data,
            sample_weight=undefined,
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
