"""Training that goes on with ``warm_start``."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score

# ------------------------------------------------------------------------- warm start


def test_warm_start_goes_on(quick, binary):
    X, y = binary
    model = quick(warm_start=True, learning_rate=0.03).fit(X, y)
    first = {key: list(values) for key, values in model.history_.items()}
    best = [model.best_score_]
    for calls in (2, 3, 4):
        model.fit(X, y)
        assert model.n_iter_ == len(model.history_["score"]) == 5 * calls
        assert model.history_["epoch"] == list(range(1, 5 * calls + 1))
        best.append(model.best_score_)
    for key, values in first.items():
        assert model.history_[key][:5] == values
    assert best == sorted(best) and best[-1] > best[0]
    cold = quick().fit(X, y).fit(X, y)
    assert cold.n_iter_ == 5
    assert_array_equal(cold.predict_proba(X), quick().fit(X, y).predict_proba(X))


def test_first_fit_is_not_touched_by_warm_start(quick, binary):
    X, y = binary
    assert_array_equal(
        quick(warm_start=True).fit(X, y).predict_proba(X),
        quick().fit(X, y).predict_proba(X),
    )


def test_warm_start_keeps_what_is_held_out(quick, rng):
    X, y = rng.normal(size=(300, 20)), rng.integers(2, size=300)
    epochs = itertools.count()
    model = quick(
        hidden_layer_sizes=(64,),
        max_epochs=20,
        scoring=lambda *_: next(epochs),  # the last epoch is the best
        random_state=np.random.RandomState(0),  # another seed at every draw
        warm_start=True,
    )
    for _ in range(3):
        model.fit(X, y)
    assert average_precision_score(y, model.predict_proba(X)[:, 1]) > 0.8
    assert abs(average_precision_score(y, model.oof_proba_[:, 1]) - y.mean()) < 0.15


def test_no_better_epoch_leaves_the_network_as_it_was(quick, binary):
    X, y = binary
    calls = itertools.count()
    # Once per epoch; the network to go on from is judged in the sixth call.
    scores = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    model = quick(scoring=lambda *_: scores[next(calls)], warm_start=True).fit(X, y)
    assert model.best_epoch_ == 1
    before = model.predict_proba(X)
    model.fit(X, y)
    assert model.best_epoch_ == 1 and model.n_iter_ == 10 and model.best_score_ == 1
    assert_allclose(model.predict_proba(X), before, atol=1e-6)


def test_changed_mix_is_obeyed(quick, binary):
    X, y = binary
    model = quick(warm_start=True, adaptation_rate=0.0).fit(X, y)
    model.set_params(loss_weights=(0, 1, 0)).fit(X, y)
    assert model.history_["weight_focal"] == pytest.approx([0.4] * 5 + [1.0] * 5)


@pytest.mark.parametrize("going_on", ["fit", "partial_fit"])
def test_pickling_in_between_changes_nothing(going_on, quick, binary):
    X, y = binary
    model = quick(warm_start=True, dropout=0.2)
    more = (X, y) if going_on == "fit" else (X, y, [0, 1])
    getattr(model, going_on)(*more)
    copy = pickle.loads(pickle.dumps(model))
    for either in (model, copy):
        getattr(either, going_on)(*more)
    assert_array_equal(model.predict_proba(X), copy.predict_proba(X))
    assert model.threshold_ == copy.threshold_ and model.history_ == copy.history_


# ---------------------------------------------------------------- what is kept for it


def size(model):
    return len(pickle.dumps(model))


def test_a_fit_is_kept_in_little_more_than_its_networks(quick, binary):
    wide = {"hidden_layer_sizes": (64, 64)}
    model = quick(**wide).fit(*binary)
    networks = size([model._committee.kernels, model._committee.biases])
    assert size(model) < 1.15 * networks + 30_000
    assert size(quick(**wide, warm_start=True).fit(*binary)) > 4 * networks


@pytest.mark.parametrize(
    ("batch_size", "dtype"), [("auto", np.float32), (1024, np.float64)]
)
def test_networks_have_the_precision_of_their_training(
    batch_size, dtype, quick, binary
):
    """A small full batch is trained in float64."""
    for warm_start in (False, True):
        model = quick(batch_size=batch_size, warm_start=warm_start).fit(*binary)
        networks = [*model._committee.kernels, *model._committee.biases]
        assert {array.dtype for array in networks} == {np.dtype(dtype)}
        (call,) = model._state.out_of_fold.calls
        assert call.logits.dtype == dtype and call.y.dtype == np.uint8
    state = model._state.training
    kept = [state.parameters, state.step_sizes, *state.averages]
    assert {array.dtype for array in kept} == {np.dtype(dtype)}


@pytest.mark.parametrize("rare", [0, 1])
def test_training_goes_on_from_what_a_fit_without_warm_start_keeps(rare, quick, binary):
    """From the networks that predict: a step of no length leaves them as they are."""
    X, y = binary
    y = y if rare else 1 - y
    model = quick().fit(X, y)
    before = model._committee
    state = model._state.resumed(before.kernels, before.biases).training
    full = quick(warm_start=True).fit(X, y)._state.training
    assert_allclose(state.step_sizes, full.step_sizes, rtol=1e-6)
    assert_allclose(state.parameters, np.mean(full.averages, axis=0), rtol=1e-5)
    assert (state.n_steps, state.batch_size) == (full.n_steps, full.batch_size)
    assert (state.layout, state.optimizer) == (full.layout, full.optimizer)
    model.set_params(learning_rate=1e-12)
    model.partial_fit(X, y)
    for name in ("kernels", "biases"):
        for old, new in zip(
            getattr(before, name), getattr(model._committee, name), strict=True
        ):
            assert_allclose(new, old, rtol=1e-5, atol=1e-7)
    model.set_params(learning_rate=0.05, warm_start=True).fit(X, y)
    assert model.n_iter_ == 11 and model.best_score_ >= 0.5


def test_dropped_training_state(quick, binary):
    X, y = binary
    for model in (quick(warm_start=True).fit(X, y), quick().partial_fit(X, y, [0, 1])):
        proba, before = model.predict_proba(X), size(model)
        assert model.drop_training_state() is model
        assert size(model) < 0.5 * before
        copy = pickle.loads(pickle.dumps(model.drop_training_state()))
        assert_array_equal(copy.predict_proba(X), proba)
        for going_on in (copy.set_params(warm_start=True).fit, copy.partial_fit):
            with pytest.raises(ValueError, match=r"drop_training_state\(\) was called"):
                going_on(X, y)
        copy.set_params(warm_start=False).fit(X, y)
        copy.partial_fit(X, y)
    with pytest.raises(NotFittedError):
        quick().drop_training_state()


def test_clone_forgets(quick, binary):
    X, y = binary
    model = quick(warm_start=True).fit(X, y)
    assert_array_equal(
        clone(model).fit(X, y).predict_proba(X), quick().fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, y + 1), r"classes of the last fit.*warm_start=False"),
        (lambda X, y: (X[:, :4], y), "X has 4 features"),
    ],
)
def test_warm_start_on_other_data(change, message, quick, binary):
    model = quick(warm_start=True).fit(*binary)
    state = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(*change(*binary))
    assert vars(model) == state
    model.set_params(warm_start=False).fit(*change(*binary))


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": (9,)},
        {"cv": 4},
        {"cv": 0.3},
        {"n_bins": 5},
        {"n_bins": None},
        {"categorical_features": [1]},
    ],
)
def test_warm_start_of_another_network(parameters, quick, binary):
    model = quick(warm_start=True).fit(*binary)
    with pytest.raises(ValueError, match="was .* and is .*warm_start=False"):
        model.set_params(**parameters).fit(*binary)


def test_auto_folds_go_on_as_they_began(quick, binary):
    """However many rows there are now; a stream has begun with five."""
    X, y = binary
    model = quick(cv="auto", max_epochs=1, warm_start=True).fit(X, y)
    many = np.resize(np.arange(len(X)), 4001)
    model.fit(X[many], y[many])
    assert model._committee.n_members == 10
    model.partial_fit(X, y)
    assert model._committee.n_members == 10
    model = quick(cv="auto").partial_fit(X, y, classes=[0, 1])
    assert model.fit(X, y)._committee.n_members == 10
    model = quick(cv="auto").partial_fit(X, y, classes=[0, 1]).partial_fit(X, y)
    assert model._committee.n_members == 5
    # One member held nothing out from others, and cannot become ten.
    model = quick(cv=0.3, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="cv .* was 1 and is 10"):
        model.set_params(cv="auto").fit(X, y)


def test_warm_start_with_another_optimizer(quick, binary):
    X, y = binary
    model = quick(warm_start=True).fit(X, y)
    model.set_params(optimizer="sgd", learning_rate=0.5).fit(X, y)
    assert model.n_iter_ == 10
