"""Adaptive loss weights in Keras models of the user."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, confusion_matrix
from sklearn.preprocessing import StandardScaler

from skadaptive.adaptation import HeldOut, next_weights
from skadaptive.callbacks import AdaptiveLossWeights, _batch_size
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


def fixed(n_outputs=1, activation="sigmoid", loss=None):
    """A model of one feature, whose logit of the rare class is the feature."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(n_outputs, activation)]
    )
    kernel = np.zeros((1, n_outputs), "float32")
    kernel[0, -1] = 1
    model.set_weights([kernel, np.zeros(n_outputs, "float32")])
    model.compile("sgd", loss or HybridLoss(from_logits=activation is None))
    return model


def after_epochs(callback, model, n_epochs=1, change=None):
    """The logs of epochs in which nothing trains, but for what ``change`` does."""
    callback.set_model(model)
    callback.on_train_begin()
    all_logs = []
    for epoch in range(n_epochs):
        if change is not None:
            change(model, epoch)
        all_logs.append({"tp": -1.0})
        callback.on_epoch_end(epoch, all_logs[-1])
    callback.on_train_end()
    return all_logs


def user_warnings(callback, model, n_epochs, change=None):
    """Texts and files of the warnings for users that training issues."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        after_epochs(callback, model, n_epochs, change)
    return [(str(one.message), one.filename) for one in caught]


@pytest.fixture
def ranked():
    """A feature of 60 rows that ranks them by class, but not quite, and labels."""
    y = (np.arange(60) % 4 == 0).astype(int)
    rng = np.random.default_rng(0)
    return (3 * y - 2 + rng.normal(size=60))[:, None].astype("float32"), y


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
        seen = HeldOut(*(s[:epoch] for s in HeldOut.from_history(history)))
        expected = next_weights(
            "threshold",
            [0.0] * epoch,
            weights[epoch - 1],
            weights[0],
            0.1,
            seen,
        )
        assert_allclose(weights[epoch], expected, rtol=1e-5)
    predicted = model.predict(held_out[0], verbose=0)[:, 0] > 0.5
    tn, fp, fn, tp = confusion_matrix(
        held_out[1], predicted, sample_weight=held_out[2]
    ).ravel()
    for name, value in {"tn": tn, "fp": fp, "fn": fn, "tp": tp}.items():
        assert history[f"held_out_{name}"][-1] == pytest.approx(value)


def test_a_rule_that_needs_validation_data_says_so(data):
    with pytest.raises(ValueError, match=r"validation_data=\(X, y\)"):
        AdaptiveLossWeights(adaptation="threshold")
    X, y = data
    for no_pair in (X, (X,), [X, y], iter([X, y])):
        with pytest.raises(ValueError, match=r"a tuple \(X, y\) .* np.concatenate"):
            AdaptiveLossWeights(validation_data=no_pair)
    one_hot = np.eye(2)[y]
    no_labels = np.zeros(5), y + 1, np.array(["a", "b"]), one_hot + 1, np.eye(3)[y]
    for labels in (*no_labels, one_hot[:, :1] / 2, np.array([0, 1, None])):
        with pytest.raises(ValueError, match="must be 1 for the rare class and 0"):
            AdaptiveLossWeights(validation_data=(X, labels))
    model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(3, "softmax")])
    model.compile("adam", HybridLoss())
    callback = AdaptiveLossWeights(adaptation="threshold", validation_data=(X, y))
    before = model.get_weights()
    with pytest.raises(ValueError, match="models of two classes, with one output or"):
        model.fit(X, np.arange(len(y)) % 3, epochs=1, verbose=0, callbacks=[callback])
    assert_allclose(model.get_weights()[0], before[0], atol=0)


def test_rows_of_validation_data_have_a_label_and_a_weight_each(data):
    X, y = data
    for rows in (X, {"a": X[:, :9], "b": X[:, 9:]}, [X, X]):
        with pytest.raises(ValueError, match=f"{len(y)} rows in X and {len(y) - 3} la"):
            AdaptiveLossWeights(validation_data=(rows, y[3:]))
    ones = np.ones(len(y))
    for weight in (-ones, ones[3:], ones * np.nan, np.tile(ones, (2, 1)).T, ["a"]):
        with pytest.raises(ValueError, match=rf"finite, non-neg.* row, {len(y)} here"):
            AdaptiveLossWeights(validation_data=(X, y, weight))
    with pytest.raises(ValueError, match="all rows of one class weigh 0"):
        AdaptiveLossWeights(validation_data=(X, y, 1 - y))


@pytest.mark.parametrize("activation", [None, "probabilities"])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_labels_and_outputs_of_two_classes_have_many_shapes(
    n_outputs, activation, ranked
):
    X, y = ranked
    weight = np.linspace(0.5, 2, len(y))
    if activation:
        activation = "sigmoid" if n_outputs == 1 else "softmax"
    model = fixed(n_outputs, activation)
    expected = confusion_matrix(y, X[:, 0] > 0, sample_weight=weight).ravel()
    found = []
    for labels in (y, y[:, None], np.eye(2)[y], y.astype(bool), y.astype("float32")):
        rows = X, labels, weight[:, None]
        callback = AdaptiveLossWeights(adaptation="threshold", validation_data=rows)
        (logs,) = after_epochs(callback, model)
        found.append(logs["held_out_best_threshold"])
        counts = [logs[f"held_out_{name}"] for name in ("tn", "fp", "fn", "tp")]
        assert_allclose(counts, expected)
        assert logs["tp"] == -1  # a metric of the user's
    of_one = after_epochs(
        AdaptiveLossWeights(adaptation="threshold", validation_data=(X, y, weight)),
        fixed(),
    )
    assert_allclose(found, of_one[0]["held_out_best_threshold"], rtol=1e-4)


def test_batches_are_large_but_fit_into_memory():
    assert _batch_size(np.zeros((50_000, 6))) == 4096
    assert _batch_size({"a": np.zeros((9, 600)), "b": np.zeros((9, 424))}) == 4096
    for shape in ((9, 64, 64, 3), (9, 224, 224, 3), (9, 10**7)):
        image = np.broadcast_to(np.float32(0), shape)
        size = _batch_size([image])
        assert size == 32 or 32 < size < 4096 and size * image[0].size <= 2**22


def test_probabilities_and_logits_are_told_apart(ranked):
    X, y = ranked
    options = {"adaptation": "threshold", "validation_data": (X, y)}
    wrong = fixed(1, None, HybridLoss())
    with pytest.raises(ValueError, match=r"predicts -.* to .* Pass from_logits=True"):
        wrong.fit(X, y, verbose=0, callbacks=[AdaptiveLossWeights(**options)])
    for n_outputs, activation in ((1, "sigmoid"), (2, "softmax")):
        wrong = fixed(n_outputs, activation, HybridLoss(from_logits=True))
        assert not user_warnings(AdaptiveLossWeights(**options), wrong, 1)
        found = user_warnings(AdaptiveLossWeights(**options), wrong, 3)
        ((text, file),) = found
        assert "outputs for validation_data lie in [0, 1]" in text and file == __file__
    # Neither logits nor a network that has learnt nothing give a warning.
    same = fixed(1, None)
    assert not user_warnings(AdaptiveLossWeights(**options), same, 2)
    same.set_weights([np.zeros((1, 1)), np.full(1, 0.5)])
    assert not user_warnings(AdaptiveLossWeights(**options), same, 2)


def test_training_warns_of_a_threshold_that_falls_under_dice_loss(ranked):
    X, y = ranked
    options = {"adaptation_rate": 0.5, "validation_data": (X, y)}

    def fall(model, epoch):
        model.set_weights([np.ones((1, 1)), np.full(1, -1.0 * epoch)])

    callback = AdaptiveLossWeights(adaptation="threshold", **options)
    ((text, file),) = user_warnings(callback, fixed(), 4, fall)
    assert "for Dice loss, 0.90," in text and "adaptation_rate=0" in text
    assert file == __file__

    def dice(scores, weights, initial_weights, rate):
        return 0, 0, 1

    callback = AdaptiveLossWeights(adaptation=dice, **options)
    assert not user_warnings(callback, fixed(), 4, fall)


def test_a_loss_goes_on_with_its_weights_and_knows_its_first(ranked, tmp_path):
    seen = []

    def rule(scores, weights, initial_weights, rate):
        seen.append((weights, initial_weights))
        return 0.05, 0.05, 0.9

    model = fixed(loss=HybridLoss((0.5, 0.3, 0.2)))
    callback = AdaptiveLossWeights("tp", adaptation=rule)
    after_epochs(callback, model)
    after_epochs(callback, model)
    model.save(tmp_path / "model.keras")
    after_epochs(callback, keras.models.load_model(tmp_path / "model.keras"))
    first, then = (0.5, 0.3, 0.2), (0.05, 0.05, 0.9)
    for pair, expected in zip(seen, (first, then, then), strict=True):
        assert_allclose(pair, (expected, first), rtol=1e-5)


def test_a_loss_in_a_list_or_dict_of_one_is_adapted(ranked):
    for wrapped in ([HybridLoss()], {"out": HybridLoss()}):
        rows = keras.Input((1,))
        out = keras.layers.Dense(1, "sigmoid", name="out")(rows)
        model = keras.Model(rows, out)
        model.compile("sgd", wrapped, metrics=["mse"])
        callback = AdaptiveLossWeights("mse", adaptation=lambda *_: (0, 0, 1))
        model.fit(*ranked, verbose=0, callbacks=[callback])
        (loss,) = wrapped.values() if isinstance(wrapped, dict) else wrapped
        now = keras.ops.convert_to_numpy(loss.loss_weights)
        assert_allclose(now, (0.05, 0.05, 0.9), rtol=1e-5)
    for other in (HybridLoss, [HybridLoss(), HybridLoss()]):
        model.compile("sgd", other)
        callback.set_model(model)
        with pytest.raises(ValueError, match="with an instance, loss=HybridLoss"):
            callback.on_train_begin()


def test_predictions_that_are_not_finite_are_an_error(data):
    model = build()
    model.predict = lambda X, batch_size, verbose: np.full((len(X), 1), np.nan)
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


@pytest.mark.parametrize(
    ("outputs", "is_told"),
    [([[-0.2], [0.5]], True), ([[0.5], [1.2]], True), ([[0.0], [1.0]], False)],
)
def test_probabilities_lie_between_0_and_1(outputs, is_told):
    callback = AdaptiveLossWeights("score")
    callback._loss = HybridLoss()
    if not is_told:
        assert np.isfinite(callback._logits(np.array(outputs))).all()
        return
    with pytest.raises(ValueError, match=r"expects probabilities in \[0, 1\]"):
        callback._logits(np.array(outputs))


@pytest.mark.parametrize(
    ("n_epochs", "outputs", "is_told"),
    [
        (1, [[0.1], [0.9]], True),
        (0, [[0.1], [0.9]], False),
        (2, [[0.1], [0.9]], False),
        (1, [[0.0], [1.0]], True),
        (1, [[-0.1], [0.9]], False),
        (1, [[0.1], [1.1]], False),
        (1, [[0.4], [0.4]], False),
    ],
)
def test_logits_that_look_like_probabilities_are_told_once(n_epochs, outputs, is_told):
    callback = AdaptiveLossWeights("score")
    callback._within_unit, callback._scores = True, [0.5] * n_epochs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback._look_for_probabilities(np.array(outputs))
    assert bool(caught) == is_told


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
    loss = HybridLoss(mix, from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), loss, metrics=["mse"])
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
    "mse", adaptation=lambda scores, *_: MIXES[len(scores) % 4], adaptation_rate=1.0
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

    callback = AdaptiveLossWeights("val_ap", mode="min", adaptation=rule)
    history = model.fit(
        *data, validation_split=0.3, epochs=1, verbose=0, callbacks=[callback]
    ).history
    assert seen == [-history["val_ap"][0]]


def test_errors_say_what_is_missing(data):
    with pytest.raises(ValueError, match="compiled with an instance, loss=Hyb"):
        build(loss="binary_crossentropy").fit(
            *data, verbose=0, callbacks=[AdaptiveLossWeights("ap")]
        )
    with pytest.raises(ValueError, match="no 'val_ap' to monitor. Available: ap, loss"):
        build().fit(*data, verbose=0, callbacks=[AdaptiveLossWeights("val_ap")])
    callback = AdaptiveLossWeights("ap")
    callback.set_model(fixed())
    callback.on_train_begin()
    with pytest.raises(ValueError, match="ap must be finite .* after epoch 1 it is n"):
        callback.on_epoch_end(0, {"ap": np.nan})
    for loss in ("loss", "val_loss"):
        with pytest.raises(ValueError, match="the loss changes with them.*auc_pr"):
            AdaptiveLossWeights(loss, "min")
    with pytest.raises(ValueError, match="monitor must be the name of a score .* 7"):
        AdaptiveLossWeights(7)
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
