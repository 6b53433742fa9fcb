"""Training that goes on with ``warm_start``."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
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
