"""Search spaces, and tuning whose score no trial has seen."""

import json
import sqlite3
from contextlib import closing
from functools import partial
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import ParameterSampler, StratifiedKFold

from skadaptive import AdaptiveHybridClassifier, _study, cli, tuning
from skadaptive._assessment.cross_validation import LabelledRows
from skadaptive._assessment.preparation import outer_folds
from skadaptive._command.tune import _values
from skadaptive._saving.model_files import load_model
from skadaptive.tuning import DEFAULT, TUNED, search_space, tune

pytestmark = [
    pytest.mark.slow,
    # Before scikit-learn 1.9.
    pytest.mark.filterwarnings("ignore:Trials are not pruned"),
]
needs_pruning = pytest.mark.skipif(
    not _study.CAN_PRUNE, reason="callbacks came with scikit-learn 1.9"
)
CV = StratifiedKFold(2, shuffle=True, random_state=0)


@pytest.fixture
def optuna():
    return pytest.importorskip("optuna")


N_EPOCHS = 2


@pytest.fixture
def network(quick):
    """Make one of the small networks of the trials."""
    return partial(quick, max_epochs=N_EPOCHS)


@pytest.fixture(autouse=True)
def small(monkeypatch, network):
    """Small networks, all of one architecture."""
    monkeypatch.setattr(tuning, "AdaptiveHybridClassifier", network)
    space = {n: v for n, v in tuning._SPACE.items() if n not in ("dropout", "n_bins")}
    monkeypatch.setattr(tuning, "_SPACE", space)


def run(binary, **parameters):
    defaults = {"n_trials": 3, "cv": CV, "random_state": 0, "verbose": 0}
    return tune(*binary, **{**defaults, **parameters})


def trials_of(storage, optuna):
    """Parameters, values and states of all trials, by study."""
    found = {}
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        found[name] = [
            (t.params, t.value, t.state.name, t.intermediate_values)
            for t in study.trials
        ]
    return found


# ------------------------------------------------------------------ the search spaces


@pytest.fixture
def whole_space(monkeypatch):
    monkeypatch.undo()


def drawn(kind, n):
    space = search_space(kind)
    if kind == "sklearn":
        return list(ParameterSampler(space, n, random_state=0))
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [study.ask(space).params for _ in range(n)]


@pytest.mark.usefixtures("whole_space")
@pytest.mark.parametrize("kind", ["sklearn", "optuna"])
def test_every_draw_can_be_fitted(binary, kind):
    X, y = binary
    draws = drawn(kind, 200)
    for draw in draws:
        assert set(draw) == set(search_space(kind))
        AdaptiveHybridClassifier(**draw)._validate_params()
    for draw in draws[:2]:
        small = draw | {"hidden_layer_sizes": (8,), "max_epochs": 1, "cv": 0.3}
        fitted = AdaptiveHybridClassifier(**small, random_state=0).fit(X, y)
        assert np.isfinite(fitted.predict_proba(X)).all()
    # Both ends of each range are reached, and each choice.
    for name, values in tuning._SPACE.items():
        seen = [draw[name] for draw in draws]
        if isinstance(values, list):
            assert set(map(str, seen)) == set(map(str, values))
        else:
            width = values.high - values.low
            assert values.low <= min(seen) < values.low + 0.05 * width
            assert values.high - 0.05 * width < max(seen) <= values.high


@pytest.mark.usefixtures("whole_space")
def test_the_defaults_are_inside_of_the_space(optuna):
    defaults = AdaptiveHybridClassifier().get_params()
    for name, distribution in search_space("optuna").items():
        inside = distribution.to_internal_repr(defaults[name])
        assert distribution.to_external_repr(inside) == defaults[name]
        if not hasattr(distribution, "choices"):
            assert distribution.low <= defaults[name] <= distribution.high
    assert (
        defaults["hidden_layer_sizes"] in search_space("sklearn")["hidden_layer_sizes"]
    )


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match='"sklearn" or "optuna"; got \'ray\''):
        search_space("ray")


# ---------------------------------------------------------------------- nested tuning


def test_scores_are_those_of_the_rows_that_they_name(binary, optuna, network):
    X, y = binary
    found = run(binary, n_trials=4)
    for number, (train, test) in enumerate(CV.split(X, y)):
        row = found.folds_.loc[number]
        values = {n: row[n] for n in tuning._SPACE if not pd.isna(row[n])}
        for name, parameters in (("default", {}), ("tuned", values)):
            model = network(random_state=0, **parameters).fit(X[train], y[train])
            own = average_precision_score(y[train], model.oof_proba_[:, 1])
            assert_allclose(row[f"naive_{name}"], own)
            proba = model.predict_proba(X[test])[:, 1]
            assert_allclose(
                row[f"nested_{name}"], average_precision_score(y[test], proba)
            )
        assert row["naive_tuned"] >= row["naive_default"]
    means = found.folds_.mean()
    for kind in ("naive", "nested"):
        assert_allclose(found.scores_.loc[DEFAULT, kind], means[f"{kind}_default"])
        assert_allclose(found.scores_.loc[TUNED, kind], means[f"{kind}_tuned"])
    gain = found.scores_.loc[TUNED, "nested"] - found.scores_.loc[DEFAULT, "nested"]
    assert_allclose(found.difference_, gain)
    low, high = found.interval_
    assert low <= found.difference_ <= high
    # It is that of the comparison, whichever of the two came first there.
    ends = found.comparison_.tests_.iloc[0][["low", "high"]].astype(float)
    assert_allclose(np.sort(np.abs([low, high])), np.sort(np.abs(ends)))


def test_labels_and_losses_can_be_tuned_for(binary, optuna, network):
    """Whichever class is the rare one to the user and to the classifier."""
    X, y = binary
    for rare in (0, 1):
        brier = run(binary, scoring="brier_score", pos_label=rare)
        assert (brier.folds_["naive_tuned"] <= brier.folds_["naive_default"]).all()
        scores = brier.scores_["nested"]
        assert_allclose(brier.difference_, scores[DEFAULT] - scores[TUNED])
        f1 = run(binary, scoring="f1", pos_label=rare)
        train, _ = next(CV.split(X, y))
        model = network().fit(X[train], y[train])
        labels = model.oof_proba_[:, 1] > model.threshold_
        expected = f1_score(y[train], labels, pos_label=rare)
        assert_allclose(f1.folds_.loc[0, "naive_default"], expected)


def test_an_interrupted_tuning_goes_on_as_if_nothing_had_happened(
    binary, optuna, tmp_path, monkeypatch
):
    whole = optuna.storages.InMemoryStorage()
    broken = f"sqlite:///{tmp_path}/broken.db"
    expected = run(binary, storage=whole, n_trials=3)
    original, calls = _study.fit_on, []

    def interrupted(*args):
        calls.append(original(*args))  # with a trial whose epochs were reported
        if len(calls) in (2, 5):
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(_study, "fit_on", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(binary, storage=broken, n_trials=3)
    found = run(binary, storage=broken, n_trials=3)
    pd.testing.assert_frame_equal(found.folds_, expected.folds_)
    assert repr(found) == repr(expected)
    with _study.opened_storage(broken) as storage:
        trials = {
            name: [trial for trial in kept if trial[2] != "FAIL"]
            for name, kept in trials_of(storage, optuna).items()
        }
    assert trials == trials_of(whole, optuna)
    # No trial comes twice, and none is run again.
    for kept in trials.values():
        assert len({str(parameters) for parameters, *_ in kept}) == 3
    before = len(calls)
    run(binary, storage=broken, n_trials=3)
    assert len(calls) == before


def test_more_trials_are_added_to_those_that_are_stored(binary, optuna):
    storage = optuna.storages.InMemoryStorage()
    few = run(binary, storage=storage, n_trials=2)
    before = trials_of(storage, optuna)
    more = run(binary, storage=storage, n_trials=4)
    after = trials_of(storage, optuna)
    assert {name: kept[:2] for name, kept in after.items()} == before
    again = run(binary, storage=storage, n_trials=2)
    pd.testing.assert_frame_equal(again.folds_, few.folds_)
    assert (more.folds_["naive_tuned"] >= few.folds_["naive_tuned"]).all()
    # Other rows have studies of their own.
    X, y = binary
    run((X[:-1], y[:-1]), storage=storage, n_trials=2)
    assert len(trials_of(storage, optuna)) == 2 * len(after)


def test_a_killed_process_leaves_no_trial_behind(binary, optuna):
    """Its trial is marked as failed, and comes again."""
    storage = optuna.storages.InMemoryStorage()
    run(binary, storage=storage, n_trials=2)
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        study.ask({n: study.trials[0].distributions[n] for n in tuning._SPACE})
    found = run(binary, storage=storage, n_trials=3)
    pd.testing.assert_frame_equal(found.folds_, run(binary, n_trials=3).folds_)
    for kept in trials_of(storage, optuna).values():
        states = [state for _, _, state, _ in kept]
        assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]


@needs_pruning
def test_trials_are_pruned_by_the_scores_of_their_epochs(binary, optuna, monkeypatch):
    monkeypatch.setattr(_study, "_UNPRUNED_TRIALS", 2)
    monkeypatch.setattr(_study, "_UNPRUNED_EPOCHS", 0)
    storage = optuna.storages.InMemoryStorage()
    found = run(binary, storage=storage, n_trials=8)
    kept = [trial for study in trials_of(storage, optuna).values() for trial in study]
    pruned = [trial for trial in kept if trial[2] == "PRUNED"]
    assert found.folds_["n_pruned"].sum() == len(pruned) > 0
    assert min(len(epochs) for *_, epochs in pruned) < N_EPOCHS
    for _, value, state, epochs in kept:
        assert list(epochs) == list(range(1, len(epochs) + 1))
        assert len(epochs) == N_EPOCHS or state == "PRUNED"
        assert value in (epochs[len(epochs)], max(epochs.values())) or state != "PRUNED"


def test_without_callbacks_nothing_is_pruned_and_that_is_said(
    binary, optuna, monkeypatch
):
    monkeypatch.setattr(_study, "CAN_PRUNE", False)
    monkeypatch.setattr(tuning, "CAN_PRUNE", False)
    with pytest.warns(UserWarning, match="not pruned: scikit-learn before 1.9"):
        found = run(binary, n_trials=3)
    assert (found.folds_["n_pruned"] == 0).all()


def test_which_parameters_are_kept(binary, optuna, network):
    X, y = binary
    default = run(binary, keep="default")
    assert default.best_name_ == DEFAULT and default.best_params_ == {}
    plain = network(random_state=0).fit(X, y)
    assert_array_equal(default.best_.predict_proba(X), plain.predict_proba(X))
    tuned = run(binary, keep="tuned", n_trials=4)
    assert tuned.best_name_ == TUNED
    expected = network(random_state=0, **tuned.best_params_).fit(X, y)
    assert_array_equal(tuned.best_.predict_proba(X), expected.predict_proba(X))
    recommended = run(binary, n_trials=4)
    helped = recommended.verdict_ == "helped"
    assert (recommended.best_name_ == TUNED) == helped


@pytest.mark.parametrize("gain, verdict", [(0.2, "helped"), (-0.2, "did not help")])
def test_verdicts(binary, optuna, monkeypatch, gain, verdict):
    """Of folds with a gain or a loss that is clear."""
    original = tuning.run_fold

    def shifted(model, protocol, number, key):
        (row, proba), warned = original(model, protocol, number, key)
        score = 0.5 + (model.gamma != 2) * (gain + number / 1000)
        return (row | {"average_precision": score}, proba), warned

    monkeypatch.setattr(tuning, "run_fold", shifted)
    monkeypatch.setattr(_study, "out_of_fold_score", lambda model, *_: model.gamma)
    found = run(binary, n_trials=6)
    assert (found.folds_["gamma"] > 2).all()
    assert found.p_value_ < 0.05
    assert found.verdict_ == verdict
    assert_allclose(found.difference_, gain + 0.0005)
    words = {"helped": "Tuning helped: +0.2", "did not help": "Tuning did not help: "}
    assert words[verdict] in repr(found)
    assert ("Kept: the tuned" in repr(found)) == (verdict == "helped")


def test_a_gain_that_could_be_luck_is_not_kept(binary, optuna, monkeypatch):
    original = tuning.run_fold

    def shifted(model, protocol, number, key):
        (row, proba), warned = original(model, protocol, number, key)
        score = 0.5 + (model.gamma != 2) * (0.3 - 0.2 * number)
        return (row | {"average_precision": score}, proba), warned

    monkeypatch.setattr(tuning, "run_fold", shifted)
    monkeypatch.setattr(_study, "out_of_fold_score", lambda model, *_: model.gamma)
    found = run(binary, n_trials=6)
    assert found.verdict_ == "could be luck" and found.best_name_ == DEFAULT
    low, high = found.interval_
    assert low < 0 < found.difference_ < high


def test_groups_weights_and_dates_reach_the_trials(optuna):
    rng, n = np.random.default_rng(0), 300
    y = (rng.random(n) < 0.2).astype(int)
    X = pd.DataFrame(
        {
            "number": y + rng.normal(size=n),
            "kind": rng.choice(["a", "b", None], n),
            "day": pd.to_datetime(rng.integers(0, 1e9, n), unit="s"),
        }
    )
    groups = np.arange(n) // 3
    weight = rng.uniform(0.5, 2, n)
    found = run((X, y), groups=groups, sample_weight=weight, cv=2)
    comparison = found.comparison_
    assert not comparison.failures_
    for test in comparison.test_folds_:
        assert not set(groups[test]) & set(np.delete(groups, test))
    assert np.isfinite(found.scores_).all(axis=None)
    assert found.best_.predict_proba(X).shape == (n, 2)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_trials": 1}, "n_trials must be an int from 2 on"),
        ({"n_trials": np.float64(2.5)}, r"parameters; got 2\.5\."),
        ({"scoring": "neg_log_loss"}, "scoring must be one of average_precision"),
        ({"keep": "best"}, 'keep must be "recommended", "tuned" or "default"'),
        ({"storage": "tuning.db"}, "tuning.db cannot be opened.*sqlite:///tuning.db"),
        ({"storage": "sqlite:////no/such/folder/x.db"}, "cannot be opened"),
        (
            {"random_state": None, "storage": "sqlite://"},
            "needs an int for random_state",
        ),
        ({"cv": 1}, "cv must be an int from 2 on"),
    ],
)
def test_mistakes(binary, optuna, parameters, message):
    with pytest.raises(ValueError, match=message):
        run(binary, **parameters)


def test_a_trial_that_diverges_is_pruned(binary, optuna, monkeypatch):
    original, calls = _study.fit_on, []

    def diverges(model, data, rows):
        calls.append(model)
        if len(calls) == 2:
            raise ValueError("Training diverged in epoch 3, with a loss of nan.")
        return original(model, data, rows)

    monkeypatch.setattr(_study, "fit_on", diverges)
    found = run(binary)
    assert found.folds_.loc[0, "n_pruned"] == 1
    calls.clear()
    calls.append(None)
    with pytest.raises(ValueError, match="diverged"):  # with the defaults
        run(binary, random_state=1)


# -------------------------------------------------------------------------- the command


@pytest.fixture
def table(tmp_path, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(
        churned=np.where(y == 1, "yes", "no")
    )
    frame.to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def command(table, *more):
    return cli.main(
        [
            "tune",
            str(table),
            "--target",
            "churned",
            "--folds",
            "2",
            "--trials",
            "2",
            *more,
        ]
    )


@pytest.mark.parametrize("keep", ["tuned", "default"])
def test_a_saved_model_comes_with_the_predictions_of_its_own_parameters(
    table, optuna, tmp_path, keep
):
    """Out of fold, as the model would have it: not those of each fold's best trial."""
    pytest.importorskip("skops")
    path = tmp_path / "churned.model"
    assert command(table, "--trials", "4", "--keep", keep, "--save", str(path)) == 0
    saved = load_model(path)
    frame = pd.read_csv(table)
    X, y = frame.drop(columns="churned"), frame["churned"].to_numpy()
    expected = np.empty(len(X))
    classes = list(saved.model.classes_)
    for train, test in outer_folds(2, LabelledRows(X, y, None, None), 0):
        fitted = clone(saved.model).fit(X.iloc[train], y[train])
        proba = fitted.predict_proba(X.iloc[test])
        expected[test] = proba[:, classes.index(saved.facts.positive)]
    assert_allclose(saved.out_of_fold.probability, expected, rtol=1e-5)
    assert saved.facts.name.startswith("AdaptiveHybridClassifier (")
    # Which is what monitoring calls it.
    assert cli.main(["monitor", str(path), str(table)]) in (0, 3)


def test_the_command(table, optuna, capsys, tmp_path):
    pytest.importorskip("skops")
    model = tmp_path / "churn.model"
    storage = f"sqlite:///{tmp_path}/tuning.db"
    options = ("--storage", storage, "--keep", "tuned", "--save", str(model))
    assert command(table, *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kept"] == "tuned" and found["model"] == str(model)
    assert set(found["scores"]) == {DEFAULT, TUNED}
    assert found["trials"] == 2 and len(found["folds"]) == 2
    assert command(table, *options) == 0
    text = capsys.readouterr().out
    shown = found["scores"][TUNED]["nested"]
    assert "naive (own trials)" in text and f"{shown:.3f}" in text
    assert f"The model was written to {model}" in text
    assert cli.main(["predict", str(model), str(table)]) == 0
    assert capsys.readouterr().out.startswith("probability,prediction")
    assert cli.main(["info", str(model)]) == 0
    # With two trials, the study of all rows found none better than the defaults.
    name = "tuned parameters" if found["parameters"] else "default parameters"
    assert f"AdaptiveHybridClassifier ({name})" in capsys.readouterr().out


@pytest.mark.parametrize("kept", ["tuned", "default"])
def test_the_command_says_which_parameters_it_keeps(kept):
    tuning = Mock(best_name_={"tuned": TUNED, "default": DEFAULT}[kept])
    assert _values(tuning, Mock())["kept"] == kept


def test_a_storage_that_fails_is_told(table, optuna, capsys, monkeypatch, tmp_path):
    original, database = _study.fit_on, tmp_path / "tuning.db"

    def fit_and_break(*args):
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DROP TABLE trial_values")
        return original(*args)

    monkeypatch.setattr(_study, "fit_on", fit_and_break)
    assert command(table, "--storage", f"sqlite:///{database}") == 2
    assert "The storage failed: (sqlite3.OperationalError)" in capsys.readouterr().err


def test_an_interrupt_of_the_command(table, optuna, capsys, monkeypatch, tmp_path):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_study, "fit_on", interrupted)
    assert command(table) == 130
    assert "no file is half written" in capsys.readouterr().err
    storage = f"sqlite:///{tmp_path}/tuning.db"
    assert command(table, "--storage", storage) == 130
    assert f"are in {storage}, where the same command" in capsys.readouterr().err


def test_mistakes_of_the_command(table, optuna, capsys):
    assert command(table, "--storage", "tuning.db") == 2
    assert "sqlite:///tuning.db" in capsys.readouterr().err
    assert command(table, "--no-reference") == 2
    assert "--no-reference needs --save" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(table, "--trials", "1")
    assert "'1' is not a whole number from 2 on" in capsys.readouterr().err


def test_what_to_install_without_optuna(table, capsys, monkeypatch):
    monkeypatch.setattr("skadaptive._packages.find_spec", lambda name: None)
    assert command(table) == 2
    assert 'pip install "skadaptive[tune]"' in capsys.readouterr().err


def test_skops_is_needed_to_save(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("skadaptive._packages.find_spec", lambda name: name != "skops")
    none = tmp_path / "none.csv"
    assert command(none) == 2
    assert "There is no file" in capsys.readouterr().err
    assert command(none, "--save", str(tmp_path / "it.model")) == 2
    assert "--save needs skops: " in capsys.readouterr().err


def test_the_command_prints_what_it_noted_in_the_table(
    table, optuna, capsys, monkeypatch
):
    frame = pd.read_csv(table)
    frame.loc[[3, 5], "churned"] = None
    frame.to_csv(table, index=False)
    monkeypatch.setattr("skadaptive._command.tune.tune", Mock(side_effect=ValueError))
    assert command(table) == 2
    assert "2 rows.\n" in capsys.readouterr().err
