"""Studies whose scores are made by hand, so that nothing is fitted."""

from dataclasses import replace

import numpy as np
import pytest

from skadaptive import AdaptiveHybridClassifier
from skadaptive._assessment.cross_validation import LabelledRows, Protocol
from skadaptive._study import Search, opened_storage

optuna = pytest.importorskip("optuna")


@pytest.fixture
def search(monkeypatch):
    """A function of the scoring and of the score of each trial, by its parameters."""

    def make(scoring, score, n_trials=6, storage=None):
        asked = []

        def scored(self, trial, rows):
            asked.append(trial.params["gamma"])
            value = score(trial.params["gamma"], len(asked))
            if isinstance(value, BaseException):
                raise value
            return value

        monkeypatch.setattr(Search, "_score", scored)
        X, y = np.zeros((8, 1)), np.array([0, 1] * 4)
        protocol = Protocol(LabelledRows(X, y, None, None), [(y, y)], scoring, 7)
        space = {"gamma": optuna.distributions.FloatDistribution(0, 4)}
        model = AdaptiveHybridClassifier(gamma=2.0)
        return Search(model, space, protocol, n_trials, storage), asked

    return make


def run(search, shown=None):
    shown = [] if shown is None else shown
    return search.run(
        np.arange(8), "all rows", lambda *text, **done: shown.append(text or done)
    )


@pytest.mark.parametrize(("scoring", "sign"), [("roc_auc", -1), ("brier_score", 1)])
def test_the_best_trial_is_found(search, scoring, sign):
    """That of the greatest score, or of the least loss."""
    made, asked = search(scoring, lambda gamma, n: sign * abs(gamma - 3.0))
    shown = []
    found = run(made, shown)
    assert asked[0] == 2.0 and len(set(asked)) == 6  # the defaults come first
    best = min(asked, key=lambda gamma: abs(gamma - 3.0))
    assert found.parameters == {"gamma": best} and best != 2.0
    assert found.score == sign * abs(best - 3.0)
    assert (found.default_score, found.n_pruned) == (sign * 1.0, 0)
    titles = [(f"all rows, trial {i}/6",) for i in range(1, 7)]
    assert [text for text in shown if isinstance(text, tuple)] == titles
    assert sum(done["done"] for done in shown if isinstance(done, dict)) == 6


def test_defaults_that_are_the_best_are_no_parameters(search):
    made, _ = search("roc_auc", lambda gamma, n: -abs(gamma - 2.0))
    found = run(made)
    assert found.parameters == {} and found.score == found.default_score == 0


def test_what_fails_or_is_pruned_is_counted(search):
    ends = {2: optuna.TrialPruned(), 4: ValueError("diverged")}
    made, asked = search("roc_auc", lambda gamma, n: ends.get(n, gamma))
    found = run(made)
    assert found.n_pruned == 2
    complete = [gamma for n, gamma in enumerate(asked, 1) if n not in ends]
    assert found.score == max(complete)


def test_the_defaults_have_to_have_a_score(search):
    made, asked = search("roc_auc", lambda gamma, n: ValueError("no rare rows"))
    with pytest.raises(ValueError, match="no rare rows"):
        run(made)
    assert asked == [2.0]


def test_trials_depend_on_the_seed_and_on_finished_ones_alone(search):
    """Whatever broke in between; more trials are added to those that are stored."""
    plain, asked = search("roc_auc", lambda gamma, n: gamma)
    whole = run(plain)
    storage = optuna.storages.InMemoryStorage()

    def broken(gamma, n):
        return KeyboardInterrupt() if n == 4 else gamma

    made, first = search("roc_auc", broken, storage=storage)
    with pytest.raises(KeyboardInterrupt):
        run(made)
    made, second = search("roc_auc", lambda gamma, n: gamma, storage=storage)
    shown = []
    found = run(made, shown)
    assert shown[0] == {"done": 3} and first[:3] + second == asked
    assert found == whole
    # A study of fewer trials does not see the others.
    made, third = search("roc_auc", lambda gamma, n: gamma, 3, storage)
    assert run(made).score == max(asked[:3]) and third == []
    made, _ = search("roc_auc", lambda gamma, n: gamma)
    assert run(replace(made, protocol=replace(made.protocol, seed=8))) != whole


def test_storages(tmp_path):
    storage = optuna.storages.InMemoryStorage()
    with opened_storage(storage) as first, opened_storage(None) as second:
        assert first is storage and second is None
    refused = pytest.raises(
        ValueError, match="^The storage tuning.db cannot be opened:"
    )
    with refused, opened_storage("tuning.db"):
        pass
    # The connections to a database are closed, whatever happens.
    url = f"sqlite:///{tmp_path}/tuning.db"
    with pytest.raises(KeyboardInterrupt), opened_storage(url) as database:
        optuna.create_study(storage=database)
        assert database.engine.pool.checkedin() + database.engine.pool.checkedout() > 0
        raise KeyboardInterrupt
    assert database.engine.pool.checkedin() + database.engine.pool.checkedout() == 0
