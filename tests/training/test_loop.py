"""The epoch loop: what is trained, averaged, kept and repeated."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.metrics import average_precision_score, f1_score

from skadaptive import _threads as threads
from skadaptive._committee.rows import TrainingRows
from skadaptive._committee.scoring import OutOfFoldScorer
from skadaptive._features.transform import InputTransform
from skadaptive._training import loop
from skadaptive._training.backend import training_backend
from skadaptive._training.plan import plan_fit
from skadaptive._training.program import aligned_zeros
from skadaptive.adaptation import TERMS, HeldOut, next_weights

ON_JAX = training_backend() == "jax"


def test_dropout_changes_training_only(quick, binary):
    X, y = binary
    with_dropout, without = quick(dropout=0.4).fit(X, y), quick().fit(X, y)
    assert (with_dropout.predict_proba(X) != without.predict_proba(X)).any()
    assert_array_equal(with_dropout.predict_proba(X), with_dropout.predict_proba(X))


# ------------------------------------------------------------------- what it learns


def answering(scores):
    """A scorer that gives these scores, one after the other."""
    left = iter(scores)
    return lambda *_: next(left)


def test_the_average_of_the_weights_predicts(quick, binary):
    """What is kept is their moving average, 9/12, 9/13, ... of the latest epoch."""
    X, y = binary
    states = []
    # So that the first, the second and the third epoch is kept.
    for best, scores in enumerate(([3, 2, 1], [1, 3, -5], [1, 2, 3]), start=1):
        model = quick(
            max_epochs=3,
            early_stopping=False,
            adaptation_rate=0,
            scoring=answering(scores),
            warm_start=True,
        ).fit(X, y)
        assert model.best_epoch_ == best
        states.append(model._state.training)
        # The bias of the output is each member's last weight.
        (kept,) = states[-1].averages
        kept = kept.reshape(3, -1)[:, -1]
        assert_allclose(model._committee.biases[-1][:, 0], kept)
    average = states[0].parameters
    assert_allclose(states[0].averages[0], average)
    for state, share in zip(states[1:], (9 / 12, 9 / 13), strict=True):
        average = average + share * (state.parameters - average)
        assert_allclose(state.averages[0], average, rtol=1e-5, atol=1e-7)
    assert np.abs(average - states[2].parameters).max() > 1e-3


def test_rows_encoded_at_once_or_batch_by_batch(quick, binary, monkeypatch):
    X, y = binary
    at_once = quick(n_bins=5, max_epochs=2).fit(X, y).predict_proba(X)
    monkeypatch.setattr("skadaptive._training.loop._MOST_ENCODED", 0)
    by_batch = quick(n_bins=5, max_epochs=2).fit(X, y).predict_proba(X)
    assert_allclose(at_once, by_batch, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.skipif(ON_JAX, reason="of TensorFlow")
def test_the_table_of_rows_is_not_copied(dtype):
    import tensorflow as tf

    from skadaptive._training.tensorflow_program import _tensor

    if tf.config.list_logical_devices("GPU"):
        pytest.skip("rows are copied to the GPU")
    rows = aligned_zeros((7, 3), dtype)
    assert rows.ctypes.data % 64 == 0 and not rows.any()
    tensor = _tensor(rows)
    rows[2, 1] = 5
    assert tensor.numpy()[2, 1] == 5


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_seed_same_bits(quick, binary, dropout):
    X, y = binary
    first, second = (quick(random_state=3, dropout=dropout).fit(X, y) for _ in range(2))
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_array_equal(first.oof_proba_, second.oof_proba_)
    assert first.history_ == second.history_
    other = quick(random_state=4, dropout=dropout).fit(X, y)
    assert (other.predict_proba(X) != first.predict_proba(X)).any()


def test_no_global_seed_is_touched(quick, binary):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    quick().fit(*binary)
    assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("rule", ["performance", "lookup", "threshold"])
def test_rate_zero_is_the_static_mix_to_the_bit(quick, binary, rule):
    X, y = binary

    def static(scores, weights, initial_weights, rate):
        return weights

    frozen = quick(adaptation=rule, adaptation_rate=0).fit(X, y)
    moving = quick(adaptation=rule, adaptation_rate=0.5).fit(X, y)
    never = quick(adaptation=static, adaptation_rate=0).fit(X, y)
    assert_array_equal(frozen.predict_proba(X), never.predict_proba(X))
    assert_array_equal(frozen.history_["weight_focal"], [0.4] * frozen.n_iter_)
    assert moving.history_["weight_focal"] != frozen.history_["weight_focal"]


def test_adaptation_changes_what_is_learnt(quick, binary):
    """The mix moves, and from the epoch after on the network differs."""
    X, y = binary

    def to_dice(scores, weights, initial_weights, rate):
        return [0.05, 0.05, 0.9]

    kwargs = {"early_stopping": False, "max_epochs": 4}
    static = quick(adaptation_rate=0, **kwargs).fit(X, y)
    moved = quick(adaptation=to_dice, **kwargs).fit(X, y)
    assert static.history_["loss"][0] == moved.history_["loss"][0]
    assert static.history_["score"][0] == moved.history_["score"][0]
    assert static.history_["loss"][1] != moved.history_["loss"][1]
    assert_allclose(moved.history_["weight_dice"][1:], 0.9, atol=0.02)


def test_weights_steered_by_the_threshold_can_be_replayed(quick, binary):
    """Also where the first class is the rare one, and after epochs of another rule."""
    X, y = binary
    at_half = {"threshold": 0.5, "calibration": None, "early_stopping": False}
    model = quick(adaptation="threshold", **at_half).fit(X, y)
    swapped = quick(adaptation="threshold", **at_half).fit(X, np.where(y, "a", "b"))
    assert swapped.classes_[0] == "a" and swapped.history_ == model.history_
    history = model.history_
    weights = np.array([history[f"weight_{term}"] for term in TERMS]).T
    assert len(np.unique(weights[:, 2])) == model.n_iter_
    for epoch in range(1, model.n_iter_):
        seen = HeldOut.from_history({k: v[:epoch] for k, v in history.items()})
        scores = history["score"][:epoch]
        expected = next_weights(
            "threshold", scores, weights[epoch - 1], weights[0], 0.1, seen
        )
        assert_allclose(weights[epoch], expected)
    counts = [history[name] for name in ("tp", "fp", "fn", "tn")]
    assert_allclose(np.sum(counts, axis=0), len(y))
    tp, fp, fn, _ = np.array(counts)
    assert_allclose(2 * tp / (2 * tp + fp + fn), history["score"])

    model = quick(warm_start=True, **at_half).fit(X, y)
    assert "best_threshold" not in model.history_
    model.set_params(adaptation="threshold").fit(X, y)
    thresholds = model.history_["best_threshold"]
    assert np.isnan(thresholds[:5]).all() and np.isfinite(thresholds[5:]).all()
    assert {len(values) for values in model.history_.values()} == {10}


def test_with_more_classes_the_threshold_steers_nothing(quick, multiclass):
    model = quick(adaptation="threshold").fit(*multiclass)
    assert_allclose(model.history_["weight_dice"], 0.2)
    assert np.isnan(model.history_["best_threshold"]).all()


def test_thinned_out_classes_keep_their_weight(quick, rng, monkeypatch):
    """Of 120,000 rows an epoch takes 44,000, and 50,000 held-out rows are scored."""
    n_rows = 150_000
    X = rng.normal(size=(n_rows, 2))
    y = (rng.random(n_rows) < expit(X[:, 0] - 4)).astype(int)
    logits = []
    score = OutOfFoldScorer.score
    monkeypatch.setattr(
        OutOfFoldScorer,
        "score",
        lambda self, pooled: logits.append(pooled) or score(self, pooled),
    )
    model = quick(
        hidden_layer_sizes=(),
        n_bins=None,
        batch_size="auto",
        cv=5,
        loss_weights=(1, 0, 0),
        calibration=None,
        learning_rate=0.02,
        scoring="average_precision",
    ).fit(X, y)
    # Cross-entropy alone gives probabilities; without weights they would be doubled.
    proba = model.oof_proba_[:, 1]
    assert np.isfinite(proba).all()
    assert proba.mean() == pytest.approx(y.mean(), rel=0.1)
    assert {len(pooled) for pooled in logits} <= set(range(49_990, 50_001))
    # The sample has the score of all rows, but for the rounding of the best epochs.
    everything = average_precision_score(y, proba)
    assert model.best_score_ == pytest.approx(everything, rel=0.05)


def test_scorers_that_take_no_weights_get_all_held_out_rows(quick, binary, monkeypatch):
    X, y = binary
    monkeypatch.setattr("skadaptive._fitting._MOST_SCORED", 100)
    seen = []

    def scorer(estimator, X, y):
        seen.append(len(y))
        assert len(X) == len(y) == len(estimator.predict(X))
        return f1_score(y, estimator.predict(X), zero_division=0)

    quick(scoring=scorer, max_epochs=2).fit(X, y)
    assert set(seen) == {len(y)}
    sampled = quick(scoring="f1", max_epochs=2).fit(X, y)
    assert np.isfinite(sampled.oof_proba_).all()
    every = quick(scoring="f1", max_epochs=2)
    monkeypatch.setattr("skadaptive._fitting._MOST_SCORED", 400)
    assert every.fit(X, y).history_["score"] != sampled.history_["score"]


def test_averages_three_epochs_before_and_after_the_best_predict_too(quick, binary):
    """Where there are such epochs, and 12 or more in all."""
    X, y = binary

    def fitted(best, max_epochs=13):
        # Of three scores it is the middle one that counts.
        near = {best - 2: 5.0, best - 1: 1.0, best: 9.0}
        scores = (near.get(e, 1.0 if e < best else -9.0) for e in itertools.count(1))
        model = quick(
            max_epochs=max_epochs,
            early_stopping=False,
            adaptation_rate=0,
            scoring=lambda *_: next(scores),
            warm_start=True,
        ).fit(X, y)
        assert model.best_epoch_ == best
        return model._committee.biases[-1][:, 0], model._state.training.averages

    averages = {best: fitted(best)[1][0] for best in (4, 7, 10, 13)}
    for best, expected in (
        (7, [7, 4, 10]),
        (10, [10, 7, 13]),
        (13, [13, 10]),
        (1, [1, 4]),
    ):
        biases, found = fitted(best)
        mean = np.mean(found, axis=0, dtype=float).reshape(3, -1)
        assert_allclose(biases, mean[:, -1], rtol=1e-6)
        for average, epoch in zip(found, expected, strict=True):
            if epoch in averages:
                assert_array_equal(average, averages[epoch])
    assert len(fitted(4, max_epochs=11)[1]) == 1


def test_best_epoch_is_restored(quick, binary):
    """However many worse epochs follow it."""
    X, y = binary

    def falling_from_the_fifth():
        epochs = itertools.count(1)
        return lambda *_: -abs(next(epochs) - 4)

    found = {
        patience: quick(
            max_epochs=20,
            n_iter_no_change=patience,
            scoring=falling_from_the_fifth(),
            adaptation_rate=0,
        ).fit(X, y)
        # Enough for the epoch that is third after the best, which predicts with it.
        for patience in (6, 11)
    }
    best = found[6].best_epoch_
    assert best == found[11].best_epoch_ and 4 <= best <= 6
    assert found[11].n_iter_ - found[6].n_iter_ == 11 - 6
    assert found[6].best_score_ == found[6].history_["score"][best - 1]
    assert_array_equal(found[6].predict_proba(X), found[11].predict_proba(X))


def test_equal_scores_do_not_prolong_training(quick, binary):
    """Ties choose among epochs, but a score that stands still stops the training."""
    X, y = binary
    model = quick(max_epochs=40, n_iter_no_change=3, scoring=lambda *_: 0.7)
    assert model.fit(X, y).n_iter_ == 4


def test_divergence_is_an_error(quick, binary):
    with pytest.raises(ValueError, match="Training diverged.*Lower learning_rate"):
        quick(optimizer="sgd", learning_rate=1e30, activation="relu").fit(*binary)


def test_optimizer_configuration(quick, binary):
    X, y = binary
    plain = quick(optimizer="sgd").fit(X, y).predict_proba(X)
    momentum = {"class_name": "sgd", "config": {"momentum": 0.9}}
    assert (quick(optimizer=momentum).fit(X, y).predict_proba(X) != plain).any()


def test_learning_rate_is_flat_and_then_falls(
    quick, binary, monkeypatch, program_class
):
    """Over half of the steps each, along a cosine to 0."""
    seen, train = [], program_class.train

    def spy(self, data, batches, learning_rates, *rest):
        seen.append(learning_rates)
        return train(self, data, batches, learning_rates, *rest)

    monkeypatch.setattr(program_class, "train", spy)
    quick(max_epochs=6, early_stopping=False, learning_rate=0.1).fit(*binary)
    flat, falling = np.split(np.concatenate(seen), 2)
    assert_array_equal(flat, np.full(len(flat), 0.1))
    progress = (np.arange(len(falling)) + 0.5) / len(falling)
    assert_allclose(falling, 0.1 * np.cos(np.pi * progress / 2) ** 2)


@pytest.mark.parametrize(
    ("n_features", "dtype"), [(1024, "float64"), (1025, "float32")]
)
def test_only_small_tables_train_in_float64(n_features, dtype):
    y = np.arange(60) % 2
    folds = [(np.arange(50), np.arange(50, 60))]
    rows = TrainingRows(np.zeros((60, n_features)), y, np.ones(60), folds)
    settings = SimpleNamespace(batch_size="auto", class_totals=np.ones(2))
    plan = plan_fit(rows, settings, None)
    assert plan.dtype == dtype


@pytest.mark.parametrize("encodes", [False, True])
def test_threads_change_no_scaled_row(rng, monkeypatch, encodes):
    X = np.exp(rng.normal(size=(1000, 3)) * [1, 3, 3])
    X[rng.random(X.shape) < 0.1] = np.nan
    y, weight = rng.integers(2, size=1000), rng.random(1000)
    rows = TrainingRows(X, y, weight, folds=[])
    transform = InputTransform.fit(X, np.ones(1000), "auto")
    encoding = transform.encoding if encodes else None
    monkeypatch.setattr(loop, "_VALUES_PER_PASS", 2000)
    found = {}
    for n_threads in (1, 3):
        monkeypatch.setattr(threads, "effective_n_threads", lambda n=n_threads: n)
        found[n_threads] = loop._padded_rows(
            transform.scaler, encoding, rows, "float32", 1024
        )
    for name, table in found[1].items():
        assert_array_equal(found[3][name], table)
    expected = transform(X).astype("float32")
    n_columns = found[1]["X"].shape[1]
    assert n_columns == (expected.shape[1] if encodes else transform.scaler.n_outputs)
    assert_array_equal(found[1]["X"][:1000], expected[:, :n_columns])
    assert_array_equal(found[1]["target"][:1000], np.float32(np.c_[y, weight]))
    assert not any(table[1000:].any() for table in found[1].values())


# ------------------------------------------------------------------------ divergence


def test_divergence_is_told_wherever_it_shows(quick, binary):
    """In loss, parameters, held-out rows, or only in rows that come later."""
    rows = np.r_[:24, np.flatnonzero(binary[1])[:6]]
    X, y = binary[0][rows], binary[1][rows]
    far = np.concatenate([X, 100 * X, -1e6 * X])
    told = []
    for learning_rate in np.geomspace(1e5, 1e9, 9):
        model = quick(
            optimizer="lion", learning_rate=learning_rate, max_epochs=1, batch_size=1
        )
        try:
            proba = model.fit(X, y).predict_proba(far)
        except ValueError as error:
            assert f"learning_rate, which is {learning_rate:g}" in str(error)
            told.append(str(error))
        else:
            assert np.isfinite(proba).all() and np.isfinite(model.oof_proba_).all()
    assert all("Training diverged" in message for message in told)
    for where in ("held-out", "would not be finite"):
        assert any(where in message for message in told)
    assert len(told) < 9


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_predictions_of_held_out_rows_that_are_not_finite(
    quick, binary, monkeypatch, program_class, value
):
    """In one row of one member, where loss and parameters are finite."""
    predict = program_class.predict

    def spoilt(self, *args):
        logits = np.array(predict(self, *args), dtype=float)
        logits[0, 1] = value
        return logits

    monkeypatch.setattr(program_class, "predict", spoilt)
    with pytest.raises(
        ValueError, match="diverged in epoch 1: predictions of held-out"
    ):
        quick().fit(*binary)
