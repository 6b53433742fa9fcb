"""Data that come in chunks, with ``partial_fit``."""

import pickle

import numpy as np
import pandas as pd
import polars
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from scipy.special import expit, logit
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score, f1_score, log_loss
from sklearn.model_selection import StratifiedKFold

from skadaptive._committee.calibration import SigmoidCalibration
from skadaptive._committee.folds import chunk_folds
from skadaptive._committee.gathered import FIRST_ROWS, LATER_ROWS
from skadaptive._features.scaling import RobustScaler

PLAIN = {"threshold": None, "calibration": None}


def chunks(X, y, n_chunks=10, n_passes=1):
    for _ in range(n_passes):
        yield from zip(
            np.array_split(X, n_chunks), np.array_split(y, n_chunks), strict=True
        )


def streamed(model, *data, **options):
    """Fitted to the chunks of the data, one after the other."""
    for X, y in chunks(*data, **options):
        model.partial_fit(X, y, classes=[0, 1])
    return model


# ------------------------------------------------------------------------ partial_fit


@pytest.fixture(scope="module")
def stream():
    """Rows to learn from and fresh ones: X, y, X_fresh, y_fresh."""
    X, y = make_classification(
        9000, 8, n_informative=6, weights=[0.95], class_sep=1.5, random_state=0
    )
    return X[:3000], y[:3000], X[3000:], y[3000:]


@pytest.mark.parametrize("n_passes", [1, 4])
def test_stream_comes_close_to_one_fit(n_passes, quick, stream, global_random_seed):
    X, y, X_fresh, y_fresh = stream

    def quality(model):
        proba = model.predict_proba(X_fresh)[:, 1]
        return (
            average_precision_score(y_fresh, proba),
            log_loss(y_fresh, proba),
            f1_score(y_fresh, model.predict(X_fresh)),
        )

    parameters = {
        "hidden_layer_sizes": (32,),
        "learning_rate": 0.04,
        "random_state": global_random_seed,
    }
    at_once = quality(quick(**parameters, max_epochs=n_passes).fit(X, y))
    in_chunks = quality(streamed(quick(**parameters), X, y, n_passes=n_passes))
    assert in_chunks[0] > at_once[0] - 0.05
    assert in_chunks[1] < at_once[1] * 1.15
    assert in_chunks[2] > at_once[2] - 0.08
    assert in_chunks[0] > 4 * y.mean()


def test_later_chunks_teach(quick, stream):
    X, y, X_fresh, y_fresh = stream
    model, scores = quick(hidden_layer_sizes=(32,)), []
    for part in chunks(X, y, 30):
        model.partial_fit(*part, classes=[0, 1])
        proba = model.predict_proba(X_fresh)[:, 1]
        scores.append(average_precision_score(y_fresh, proba))
    assert scores[-1] > scores[0] + 0.03


def test_rows_that_come_again_are_judged_by_those_that_never_saw_them(quick, rng):
    """On labels without any pattern, in whatever order and company they come."""
    X, y = rng.normal(size=(300, 20)), rng.integers(2, size=300)
    model = quick(hidden_layer_sizes=(64,), **PLAIN)
    for _ in range(60):
        order = rng.permutation(300)
        for part in np.array_split(order, 2):
            model.partial_fit(X[part], y[part], classes=[0, 1])
    model.partial_fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.75
    assert abs(average_precision_score(y, model.oof_proba_[:, 1]) - y.mean()) < 0.15


def test_one_pass_per_call(quick, binary):
    X, y = binary
    model = quick(batch_size=32)
    for calls, n_rows in enumerate((400, 100, 30), start=1):
        before = model._state.training.n_steps if calls > 1 else 0
        model.partial_fit(X[:n_rows], y[:n_rows], classes=[0, 1])
        steps = model._state.training.n_steps - before
        largest = max(
            len(train) for train, _ in chunk_folds(3, X[:n_rows], y[:n_rows] >= 0)
        )
        assert steps == -(-largest // 32)
        assert model.n_iter_ == len(model.history_["epoch"]) == calls
        assert model.best_epoch_ == calls


def test_state_of_the_optimizer_is_kept(quick, binary):
    X, y = binary
    whole = quick().partial_fit(X, y, classes=[0, 1])
    forgetful = pickle.loads(pickle.dumps(whole))
    for slot in forgetful._state.training.optimizer_state:
        slot[...] = 0  # as before the first step
    whole.partial_fit(X, y)
    forgetful.partial_fit(X, y)
    assert np.abs(whole.predict_proba(X) - forgetful.predict_proba(X)).max() > 1e-4


def test_scaling_is_refined(quick, rng):
    first, second = rng.normal(size=(100, 3)), rng.normal(5, 3, size=(300, 3))
    first[:, 2] = 2000.0
    second[:, 2] += 2000.0
    late = np.tile([2020.0, np.nan, 2020.0], (50, 1))
    y = np.arange(400) % 2
    model = quick().partial_fit(first, y[:100], classes=[0, 1])
    model.partial_fit(second, y[100:])
    scaler = model._committee.transform.scaler
    parts = [RobustScaler.fit(X, np.ones(len(X))) for X in (first, second)]
    expected = 0.25 * parts[0].center + 0.75 * parts[1].center
    assert_allclose(scaler.center[:2], expected[:2])
    spread = 0.25 / parts[0].scale[:2] + 0.75 / parts[1].scale[:2]
    assert_allclose(1 / scaler.scale[:2], spread)
    # What was constant at first is scaled by the chunk in which it is not.
    assert_allclose(scaler.center[2], parts[1].center[2])
    assert_allclose(scaler.scale[2], parts[1].scale[2])
    # And a chunk in which it is constant, or missing, tells nothing.
    model.partial_fit(late, y[:50])
    assert_allclose(model._committee.transform.scaler.center, scaler.center)
    assert_allclose(model._committee.transform.scaler.scale, scaler.scale)


def test_score_of_each_chunk_moves_the_mix(quick, stream):
    X, y, *_ = stream
    moving = streamed(quick(adaptation="lookup", adaptation_rate=0.5), X, y)
    still = streamed(quick(adaptation="lookup", adaptation_rate=0.0), X, y)
    mix = np.array(moving.history_["weight_cross_entropy"])
    assert mix[0] == pytest.approx(0.4) and np.ptp(mix) > 0.02
    assert np.ptp(still.history_["weight_cross_entropy"]) == 0
    assert np.isfinite(moving.history_["score"]).all()


@pytest.mark.parametrize("rare", [0, 1])
def test_any_chunk_will_do(rare, quick, stream):
    """Of one class, of one row, of a class that comes late."""
    X, y, X_fresh, y_fresh = stream
    names = np.array(["common", "rare"] if rare else ["rare", "zcommon"])
    y, y_fresh = names[y if rare else 1 - y], names[y_fresh if rare else 1 - y_fresh]
    model = quick(hidden_layer_sizes=(32,))
    frequent = y == names[1 - rare]
    model.partial_fit(X[frequent][:200], y[frequent][:200], classes=names)
    assert np.isnan(model.best_score_)
    assert_array_equal(model.predict(X_fresh), names[1 - rare])
    model.partial_fit(X[:1], y[:1])
    for part in chunks(X, y, 5):
        model.partial_fit(*part)
    proba = model.predict_proba(X_fresh)[:, rare]
    is_rare = y_fresh == names[rare]
    assert average_precision_score(is_rare, proba) > 5 * is_rare.mean()
    assert_array_equal(model.predict(X_fresh) == "rare", proba > model.threshold_)


def test_three_classes_that_come_one_after_the_other(quick, multiclass):
    X, y = multiclass
    model = quick(learning_rate=0.05)
    order = np.argsort(y, kind="stable")
    for part in np.array_split(order, 6):
        model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    for _ in range(10):
        model.partial_fit(X, y)
    assert model.predict_proba(X).shape == (400, 3)
    assert model.score(X, y) > 0.7


def test_rows_without_weight_do_not_exist_in_a_chunk(quick, binary):
    X, y = binary
    weight = np.ones(400)
    weight[::4] = 0
    with_them = quick().partial_fit(X, y, [0, 1], sample_weight=weight)
    kept = weight > 0
    without = quick().partial_fit(X[kept], y[kept], [0, 1], weight[kept])
    assert_allclose(with_them.predict_proba(X), without.predict_proba(X), atol=1e-5)


def test_weights_have_one_unit_for_all_chunks(quick, binary):
    X, y = binary
    unit = quick()
    for _ in range(2):
        unit.partial_fit(X, y, [0, 1], sample_weight=np.full(400, 5.0))
    plain, later = quick(), quick()
    for factor in (1.0, 0.01):
        plain.partial_fit(X, y, [0, 1])
        later.partial_fit(X, y, [0, 1], sample_weight=np.full(400, factor))
    assert_allclose(unit.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    # Rows of a hundredth of the weight move the scaling a hundredth as far.
    assert later._state.class_totals.sum() == pytest.approx(404)


def test_fit_then_chunks(quick, stream):
    X, y, X_fresh, y_fresh = stream
    model = quick(hidden_layer_sizes=(32,)).fit(X, y)
    before = model.predict_proba(X_fresh)[:, 1]
    model.partial_fit(X[:50], y[:50])
    after = model.predict_proba(X_fresh)[:, 1]
    assert 0 < np.abs(after - before).mean() < 0.05
    assert model.n_iter_ == 6 and len(model.oof_proba_) == 50
    # And fit begins anew.
    anew = quick(hidden_layer_sizes=(32,)).fit(X, y)
    assert_array_equal(model.fit(X, y).predict_proba(X), anew.predict_proba(X))


@pytest.mark.parametrize("sampler", [RandomUnderSampler(), SMOTE()])
def test_chunks_are_resampled(sampler, quick, stream):
    X, y, X_fresh, y_fresh = stream
    model = streamed(quick(hidden_layer_sizes=(32,), sampler=sampler), X, y, n_chunks=4)
    proba = model.predict_proba(X_fresh)[:, 1]
    assert average_precision_score(y_fresh, proba) > 5 * y_fresh.mean()
    # Calibrated at the natural shares all the same.
    assert proba.mean() == pytest.approx(y_fresh.mean(), abs=0.03)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m, X, y: m.partial_fit(X, y), "classes must be passed"),
        (lambda m, X, y: m.partial_fit(X, y + 1, [0, 1]), r"not known: \[2\]"),
        (
            lambda m, X, y: m.set_params(cv=StratifiedKFold()).partial_fit(
                X, y, [0, 1]
            ),
            "cv must be an int, a float or None",
        ),
        (lambda m, X, y: m.partial_fit(X, y, [0]), "at least two classes"),
        (
            lambda m, X, y: m.partial_fit(X, y, [0, 1], sample_weight=0 * y),
            "zero",
        ),
    ],
)
def test_bad_first_chunk(spoil, message, quick, binary):
    model = quick()
    with pytest.raises(ValueError, match=message):
        spoil(model, *binary)
    assert not hasattr(model, "classes_") and not hasattr(model, "n_features_in_")
    model.set_params(cv=3, sampler=None).partial_fit(*binary, classes=[0, 1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m, X, y: m.partial_fit(X, y + 1), r"not known: \[2\]"),
        (lambda m, X, y: m.partial_fit(X, y, [0, 1, 2]), "not the same as on last"),
        (lambda m, X, y: m.partial_fit(X[:, :4], y), "X has 4 features"),
        (
            lambda m, X, y: m.set_params(hidden_layer_sizes=(9,)).partial_fit(X, y),
            r"hidden_layer_sizes was \(8,\) and is \(9,\)",
        ),
        (lambda m, X, y: m.set_params(cv=4).partial_fit(X, y), "cv .* was 3 and is 4"),
        (
            lambda m, X, y: m.set_params(n_bins=None).partial_fit(X, y),
            "n_bins was 16 and is None",
        ),
        (lambda m, X, y: m.set_params(cv=1).partial_fit(X, y), "cv must be at least 2"),
        (
            lambda m, X, y: m.set_params(activation="relu").partial_fit(X, y),
            "activation was 'silu' and is 'relu'",
        ),
    ],
)
def test_bad_later_chunk(spoil, message, quick, binary):
    model = quick().partial_fit(*binary, classes=[0, 1])
    expected, state = model.predict_proba(binary[0]), dict(vars(model))
    with pytest.raises(ValueError, match=message):
        spoil(model, *binary)
    model.set_params(hidden_layer_sizes=(8,), cv=3, activation="silu", n_bins="auto")
    assert vars(model) == state
    assert_array_equal(model.predict_proba(binary[0]), expected)


def test_interrupted_chunk_never_came(quick, binary, monkeypatch, program_class):
    model = quick().partial_fit(*binary, classes=[0, 1])
    state = dict(vars(model))
    history = {key: list(values) for key, values in model.history_.items()}
    with monkeypatch.context() as patch:
        patch.setattr(
            program_class,
            "predict",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(*binary)
    assert vars(model) == state and model.history_ == history


def test_nothing_held_out_is_said_once(quick, binary):
    model = quick(cv=None)
    with pytest.warns(UserWarning, match="Nothing is held out"):
        model.partial_fit(*binary, classes=[0, 1])
    model.partial_fit(*binary)  # a warning would be an error
    assert model.threshold_ == 0.5 and np.isnan(model.oof_proba_).all()


def test_chunk_without_the_rare_class_is_calibrated_by_earlier_ones_too(quick, stream):
    """As is learnt from the out-of-fold logits of both, each as it was scored then."""
    X, y, *_ = stream
    frequent = np.flatnonzero(y == 0)[500:1700]
    model, raw = quick(), quick(calibration=None)
    logits = []
    for rows in (np.arange(500), frequent):
        for either in (model, raw):
            either.partial_fit(X[rows], y[rows], classes=[0, 1])
        logits.append(logit(raw.oof_proba_[:, 1:]))
    y_seen = np.r_[y[:500], y[frequent]]
    calibration = SigmoidCalibration.fit(
        np.concatenate(logits), y_seen, np.ones(len(y_seen))
    )
    assert_allclose(model.oof_proba_[:, 1:], expit(calibration(logits[-1])), rtol=1e-4)
    # Which is not what it was before, and not nothing.
    assert np.abs(model.oof_proba_ - raw.oof_proba_).max() > 0.01


def test_a_member_that_holds_out_every_row_of_a_chunk_learns_nothing(quick):
    """As where all rows are equal: they are held out together, by one of three."""
    X, y = np.ones((200, 3)), (np.arange(200) % 4 == 0).astype(int)
    sizes = sorted(len(test) for _, test in chunk_folds(3, X, np.ones(200)))
    assert sizes == [0, 0, 200]
    model = quick(batch_size=16, **PLAIN)
    for _ in range(5):
        model.partial_fit(X, y, classes=[0, 1])
    # It still says what it began with, the share of each class; the others have moved.
    assert_allclose(model.oof_proba_, [[0.75, 0.25]] * 200, atol=0.01)
    assert np.abs(model.predict_proba(X) - model.oof_proba_).max() > 0.02


def test_class_weight_is_of_no_unit_in_a_chunk(quick, binary):
    X, y = binary
    sgd = {"optimizer": "sgd", "learning_rate": 0.5}
    plain = quick(**sgd).partial_fit(X, y, [0, 1])
    weighted = quick(class_weight={0: 100, 1: 100}, **sgd).partial_fit(X, y, [0, 1])
    assert_allclose(plain.predict_proba(X), weighted.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda m, X, y: m.set_params(cv=None).fit(X, y),
        lambda m, X, y: m.set_params(cv=None).partial_fit(X, y, [0, 1]),
        lambda m, X, y: m.fit(X, y, X_val=X[y == 0], y_val=y[y == 0]),
        lambda m, X, y: m.fit(X[5:], np.r_[1, 1, 0 * y[7:]]),
        lambda m, X, y: m.fit(X, np.r_[1, 0 * y[1:]]),
        lambda m, X, y: m.set_params(
            cv=[(np.arange(3), np.arange(3, 9)), (np.arange(300), np.arange(300, 400))]
        ).fit(X, y),
    ],
)
def test_warnings_point_at_the_users_line(make, quick, binary):
    with pytest.warns(UserWarning) as caught:
        make(quick(), *binary)
    assert caught[0].filename == __file__


# --------------------------------------------------------------------- rows one by one


def parts(n_rows, sizes):
    """Slices of these sizes, over and over, that cover the rows."""
    ends = np.cumsum(np.resize(sizes, n_rows))
    ends = np.r_[ends[ends < n_rows], n_rows]
    return [slice(a, b) for a, b in zip(np.r_[0, ends[:-1]], ends, strict=True)]


@pytest.mark.parametrize("weighted", [False, True])
def test_how_a_stream_is_cut_into_small_chunks_changes_nothing(quick, stream, weighted):
    X, y, X_fresh, _ = stream
    X, y = X[:235], y[:235]
    weight = np.random.default_rng(0).integers(0, 3, 235) if weighted else None
    probas = []
    for sizes in ([1], [2, 7, 1], [29], [LATER_ROWS - 1, 3]):
        model = quick()
        for part in parts(235, sizes):
            part_weight = None if weight is None else weight[part]
            model.partial_fit(X[part], y[part], [0, 1], sample_weight=part_weight)
        probas.append(model.predict_proba(X_fresh))
        assert model._gathered.n_rows < LATER_ROWS
    for proba in probas[1:]:
        assert_array_equal(proba, probas[0])
    # They are learnt as chunks of the documented sizes, rows of weight 0 left out.
    kept = np.arange(235) if weight is None else np.flatnonzero(weight)
    model, start = quick(), 0
    for size in [FIRST_ROWS] + [LATER_ROWS] * ((len(kept) - FIRST_ROWS) // LATER_ROWS):
        rows, start = kept[start : start + size], start + size
        part_weight = None if weight is None else weight[rows]
        model.partial_fit(X[rows], y[rows], [0, 1], sample_weight=part_weight)
    assert_array_equal(model.predict_proba(X_fresh), probas[0])


def test_single_rows_teach(quick, stream):
    X, y, X_fresh, y_fresh = stream
    model = quick(hidden_layer_sizes=(32,))
    for i in range(1000):
        model.partial_fit(X[i : i + 1], y[i : i + 1], classes=[0, 1])
    proba = model.predict_proba(X_fresh)[:, 1]
    assert average_precision_score(y_fresh, proba) > 4 * y_fresh.mean()


@pytest.mark.parametrize("rare", [0, 1])
def test_the_shares_seen_are_predicted_until_enough_rows_came(quick, binary, rare):
    X, y = binary
    names = np.array(["common", "rare"] if rare else ["rare", "zcommon"])
    y = names[y if rare else 1 - y]
    model = quick()
    for i in range(FIRST_ROWS - 1):
        model.partial_fit(X[i : i + 1], y[i : i + 1], classes=names)
        seen = [np.mean(y[: i + 1] == name) for name in names]
        assert_allclose(model.predict_proba(X), [seen] * 400, atol=1e-12)
    assert np.isfinite(model.decision_function(X)).all()
    assert np.isfinite(model.predict_log_proba(X)).all()
    assert_array_equal(model.predict(X), names[1 - rare])
    assert_array_equal(model.decision_function(X) > 0, model.predict(X) == names[1])
    # What needs networks says that there are none yet.
    for needs in ("model_", "drop_training_state"):
        with pytest.raises(NotFittedError):
            getattr(model, needs)()
    copy = pickle.loads(pickle.dumps(model))
    for either in (model, copy):
        either.partial_fit(X[99:100], y[99:100])
    assert np.ptp(model.predict_proba(X)[:, 0]) > 0 and model.n_iter_ == 1
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    # A threshold that is given holds from the first row on.
    fixed = quick(threshold=0.01).partial_fit(X[:50], y[:50], classes=names)
    assert fixed.threshold_ == 0.01
    assert_array_equal(fixed.predict(X), "rare")


def test_shares_of_three_classes(quick, multiclass):
    X, y = multiclass
    model = quick().partial_fit(X[:20], y[:20], classes=[0, 1, 2, 3])
    shares = np.bincount(y[:20], minlength=4) / 20
    assert_allclose(model.predict_proba(X), [shares] * 400, atol=1e-12)
    assert_array_equal(model.predict(X), shares.argmax())
    for part in parts(400, [17]):
        model.partial_fit(X[part], y[part])
    assert model.predict_proba(X).shape == (400, 4)


@pytest.mark.parametrize("kind", ["frame", "polars", "list", "sparse", "objects"])
def test_rows_of_any_container_are_gathered(kind, quick, binary):
    """With categories, whose levels are those of all rows of the first chunk."""
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    if kind != "sparse":
        known = np.where(X[:, 0] > 0, "u", "v")
        kinds = [None if i % 5 == 0 else name for i, name in enumerate(known)]
        frame["kind"] = pd.Series(kinds, dtype=object)
    options = {} if kind in ("frame", "polars") else {"categorical_features": [6]}
    tables = {
        "frame": frame,
        "polars": polars.DataFrame({name: frame[name].tolist() for name in frame}),
        "list": frame.to_numpy(object).tolist(),
        "objects": frame.to_numpy(object),
        "sparse": csr_array(X),
    }
    options = {} if kind == "sparse" else options
    table = tables[kind]
    single, whole = quick(**options), quick(**options)
    for part in parts(130, [1]):
        single.partial_fit(table[part], y[part], classes=[0, 1])
    for part in (slice(0, 100), slice(100, 130)):
        whole.partial_fit(table[part], y[part], classes=[0, 1])
    assert_array_equal(single.predict_proba(table), whole.predict_proba(table))


def test_gathered_rows_are_copies_and_few(quick, binary):
    X, y = binary
    reused, plain = quick(), quick()
    row = np.empty((1, 6))
    sizes = []
    for i in range(250):
        row[:] = X[i]
        reused.partial_fit(row, y[i : i + 1], classes=[0, 1])
        plain.partial_fit(X[i : i + 1], y[i : i + 1], classes=[0, 1])
        sizes.append(len(pickle.dumps(reused._gathered.joined())))
    assert_array_equal(reused.predict_proba(X), plain.predict_proba(X))
    assert max(sizes) < 2 * sizes[FIRST_ROWS - 2]
    # A fit begins anew, and so does what waits.
    assert plain._gathered.n_rows == 0 or plain.fit(X, y)._gathered.n_rows == 0


@pytest.mark.parametrize("n_before", [0, 1, 130])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (X[:, :4], y), "features"),
        (lambda X, y: (np.full_like(X, np.inf), y), "infinity"),
        (lambda X, y: (X, y + 7), "not known: .7"),
        (lambda X, y: (X, y[:0]), "inconsistent|sample"),
        (lambda X, y: (X[0], y), "2D array|any features"),
        (lambda X, y: (X, y, [-1.0]), "Negative"),
        (lambda X, y: (np.full((1, 6), "red"), y), "texts|must hold numbers"),
    ],
)
def test_a_bad_row_is_refused_at_once(n_before, spoil, message, quick, binary):
    """And the estimator is as before."""
    X, y = binary
    model = quick()
    for i in range(n_before):
        model.partial_fit(X[i : i + 1], y[i : i + 1], classes=[0, 1])
    state = dict(vars(model))
    bad = [*spoil(X[200:201], y[200:201] * 0), None][:3]
    if n_before or "features" not in message:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(bad[0], bad[1], [0, 1], sample_weight=bad[2])
        assert vars(model) == state
