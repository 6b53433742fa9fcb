"""The stories of fraud and of the adaptive loss: their tables, and what they refuse.

Each runs once, on a small table and with few epochs; its figures mean nothing then.
"""

import io
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline

# scikeras and matplotlib come with the extra "dev".
pytest.importorskip("scikeras")

pytestmark = pytest.mark.pages  # `make test-docs` runs them

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"
FRAUD = PUBLISHED / "credit_card_fraud.py"
LOOKUP = PUBLISHED / "adaptive_against_lookup.py"
V = [f"V{i}" for i in range(1, 29)]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A folder with a small table, as Kaggle's and as the weighted subsample."""
    folder = tmp_path_factory.mktemp("tables")
    X, y = make_classification(
        900, 29, n_informative=8, weights=[0.94], class_sep=1.5, random_state=0
    )
    frame = pd.DataFrame(X, columns=[*V, "Amount"])
    frame.insert(0, "Time", np.arange(900))
    frame.assign(Class=y).to_csv(folder / "full.csv", index=False)
    weighted = frame.assign(weight=np.where(y == 1, 1.25, 10.5), target=y)
    weighted.to_csv(folder / "creditcard.csv.gz", index=False)
    return folder


@pytest.fixture(scope="module")
def fraud():
    return runpy.run_path(FRAUD)


@pytest.fixture(scope="module")
def lookup():
    return runpy.run_path(LOOKUP)


def run(script, *arguments):
    """What a script prints, run as one."""
    printed, before = io.StringIO(), sys.argv
    sys.argv = [str(script), *map(str, arguments)]
    try:
        with redirect_stdout(printed), pytest.raises(SystemExit) as done:
            runpy.run_path(script, run_name="__main__")
    finally:
        sys.argv = before
    assert not done.value.code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture(scope="module")
def fraud_run(tables):
    """The measures that the script leaves behind."""
    data, out = tables / "creditcard.csv.gz", tables / "fraud"
    run(FRAUD, "--data", data, "--quick", "--out", out)
    assert is_picture(out / "credit_card_fraud.png")
    return pd.read_csv(out / "credit_card_fraud.csv", index_col=[0, 1])


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000


# -------------------------------------------------------------------- credit card fraud


@pytest.mark.usefixtures("scikeras_contender")
def test_fraud_measures_every_contender(fraud, fraud_run):
    results = fraud_run
    names = set(fraud["contenders"](0, True))
    trees = names.intersection(fraud["TREES"])
    assert names == {*fraud["PUBLISHED"], fraud["OURS"], *trees}
    assert set(results.index) == {(name, 42) for name in names}
    assert results.stack().between(0, 1).all()
    shown = fraud["means_over_splits"](results)
    assert set(shown.index) == names
    assert shown["average precision"].is_monotonic_decreasing


@pytest.mark.usefixtures("scikeras_contender")
def test_fraud_shows_the_published_figures_beside_those_of_the_same_contender(
    fraud, fraud_run
):
    results = fraud_run
    shown = fraud["beside_the_published"](results)
    for name, figures in fraud["PUBLISHED"].items():
        assert_allclose(shown.loc[name, "published"], figures)
    columns = ["precision", "recall", "F1"]
    for at in ("at 0.5", "tuned"):
        expected = results.xs(42, level="seed")[[f"{name} {at}" for name in columns]]
        assert_array_equal(shown.loc[expected.index, at][columns], expected)
    assert shown.loc[fraud["OURS"], "published"].isna().all()


def test_fraud_counts_by_weight(fraud):
    """Two of three frauds are found, and an alarm of two is one of ten payments."""
    y, found = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    weight = np.where(y == 1, 1.25, 10.0)
    precision, recall, f1 = fraud["label_measures"](y, found, weight)
    assert_allclose((precision, recall), (2.5 / 12.5, 2 / 3))
    assert_allclose(f1, 2 * precision * recall / (precision + recall))


class Recorder(ClassifierMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        self.sample_weight_ = sample_weight
        return self


def test_fraud_weighs_all_that_do_not_resample(fraud):
    X, y, weight = np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.arange(4.0)
    for name, pipeline in fraud["contenders"](0, True).items():
        model = make_pipeline(Recorder())
        fraud["fit"](name, model, X, y, weight)
        samples = any(hasattr(s, "fit_resample") for s in pipeline[:-1])
        balanced = samples or "bagging" in name
        if balanced:
            assert model[-1].sample_weight_ is None
        else:
            assert_array_equal(model[-1].sample_weight_, weight)


class Stop(Exception):
    pass


class Parser:
    def error(self, message):
        raise Stop(message)


def test_fraud_reads_both_kinds_of_file(fraud, tables):
    read = fraud["read_table"]
    X, y, weight, _ = read(Parser(), tables / "full.csv")
    again = read(Parser(), tables / "creditcard.csv.gz")
    assert X.shape == (900, 29)  # neither Time nor weight
    assert_allclose(again[0], X)
    assert_array_equal(again[1], y)
    assert_array_equal(weight, np.ones(900))
    assert_array_equal(again[2], np.where(y == 1, 1.25, 10.5))


def test_fraud_of_the_subsample_has_the_natural_share(fraud, tabular_data):
    _, y, weight, _ = fraud["read_table"](Parser(), tabular_data / "creditcard.csv.gz")
    assert_allclose(weight.sum(), 284_807, rtol=1e-6)
    assert_allclose(weight[y == 1].sum(), 492, rtol=1e-6)


def off_line(monkeypatch, folder):
    def fail(**kwargs):
        raise OSError("could not be downloaded")

    monkeypatch.setattr("skadaptive.datasets.fetch_credit_card_fraud", fail)
    if folder is None:
        monkeypatch.delenv("SKADAPTIVE_DATA", raising=False)
    else:
        monkeypatch.setenv("SKADAPTIVE_DATA", str(folder))


def test_fraud_off_line_takes_the_subsample(fraud, tables, monkeypatch, capsys):
    off_line(monkeypatch, tables)
    _, _, weight, source = fraud["read_table"](Parser(), None)
    assert "could not be downloaded" in capsys.readouterr().err
    assert source.startswith("creditcard.csv.gz") and weight.max() == 10.5


@pytest.mark.parametrize("folder", [None, "empty"])
def test_fraud_without_data_says_what_to_do(folder, tmp_path, monkeypatch, capsys):
    off_line(monkeypatch, folder and tmp_path)
    monkeypatch.setattr(sys, "argv", ["x", "--out", str(tmp_path / "pictures")])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(FRAUD, run_name="__main__")
    assert done.value.code == 2
    message = capsys.readouterr().err
    assert "--data creditcard.csv" in message and "SKADAPTIVE_DATA" in message
    assert not (tmp_path / "pictures").exists()


def test_fraud_refuses_weights_that_a_sampler_would_lose(fraud, tables, tmp_path):
    frame = pd.read_csv(tables / "creditcard.csv.gz")
    frame.loc[frame.index[0], "weight"] += 1
    frame.to_csv(tmp_path / "uneven.csv", index=False)
    with pytest.raises(Stop, match="one weight for all rows of a class"):
        fraud["read_table"](Parser(), tmp_path / "uneven.csv")
    frame.drop(columns="V7").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(Stop, match="V7"):
        fraud["read_table"](Parser(), tmp_path / "short.csv")


# ------------------------------------------------------------ the loss that stood still


def test_only_a_loss_with_variables_listens(lookup, tables):
    X, y, weight = lookup["read_table"](Parser(), tables / "full.csv", "Class", None)
    train, val, _ = lookup["split"](X, y, weight, 0)
    found = lookup["what_listens"](train, val, 3, 0)
    zeroed, moved = found["loss, all weights 0"], found.iloc[:, 1]
    assert zeroed[lookup["AS_IT_RAN"]] > 0.01 and zeroed[lookup["LIVE"]] == 0
    assert moved[lookup["AS_IT_RAN"]] == 0 and moved[lookup["LIVE"]] > 0


def test_lookup_runs(lookup, tables):
    arguments = ["--data", tables / "full.csv", "--target", "Class"]
    run(LOOKUP, *arguments, "--quick", "--out", tables / "lookup")
    assert is_picture(tables / "lookup" / "adaptive_against_lookup_full.png")
    path = tables / "lookup" / "adaptive_against_lookup_full.csv"
    results = pd.read_csv(path, index_col=[0, 1])
    names = [lookup[n] for n in ("AS_IT_RAN", "LIVE", "LOOKUP", "OURS", "TREE")]
    assert list(results.index) == [(name, 42) for name in names]
    assert results.stack().between(0, 1).all()


@pytest.mark.parametrize("name", ["fraud", "lookup"])
def test_the_best_of_the_others_is_the_best_on_average(name, request):
    """And that ours is behind it is not hidden."""
    example = request.getfixturevalue(name)
    if name == "fraud":
        networks, trees = list(example["PUBLISHED"]), example["TREES"]
    else:
        networks = [example[n] for n in ("AS_IT_RAN", "LIVE", "LOOKUP")]
        trees = [example["TREE"]]
    scores = {
        example["OURS"]: [0.3, 0.2],
        **dict.fromkeys(networks, [0.1, 0.1]),
        **dict.fromkeys(trees, [0.2, 0.1]),
        networks[-1]: [0.25, 0.35],
    }
    scores = pd.DataFrame(scores, index=[42, 43]).T.stack()
    scores.index.names = ["contender", "seed"]
    results = pd.DataFrame({"F1 at 0.5": scores, "F1 tuned": scores})
    found = example["against_the_best"](
        results.assign(**{"average precision": 1 - scores})
    )
    network, tree = found.loc["F1 tuned"].iloc[0], found.loc["F1 tuned"].iloc[1]
    assert network["name"] == networks[-1] and tree["name"] in trees
    columns = ["its mean", "ours", "difference", "standard error"]
    columns.append("splits with ours ahead")
    assert_allclose(network[columns].astype(float), [0.3, 0.25, -0.05, 0.1, 1])
    assert_allclose(tree[columns].astype(float), [0.15, 0.25, 0.1, 0, 2], atol=1e-12)
    # Measure by measure: what ranks last by the one ranks first by the other.
    assert found.loc["average precision"].iloc[0]["name"] != networks[-1]


def test_published_loss_is_the_hybrid_loss(lookup, rng):
    """So that between the two nothing differs but what the rule does."""
    from skadaptive.losses import HybridLoss

    y = (rng.random((40, 1)) < 0.3).astype("float32")
    proba = rng.uniform(0.01, 0.99, (40, 1)).astype("float32")
    published, ours = (
        lookup["PublishedLoss"](),
        HybridLoss((0.4, 0.4, 0.2), gamma=2.0, alpha=(0.25, 0.25), smooth=1e-6),
    )
    for mix in ((0.4, 0.4, 0.2), (0.3, 0.5, 0.2), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
        published.mix = mix
        ours.loss_weights.assign(mix)
        assert_allclose(float(published(y, proba)), float(ours(y, proba)), rtol=1e-5)


def test_lookup_keeps_weights_apart_from_features(lookup, tables):
    read, path = lookup["read_table"], tables / "creditcard.csv.gz"
    with pytest.raises(Stop, match="--weight weight"):
        read(Parser(), path, "target", None)
    with pytest.raises(Stop, match="'V1' must hold positive numbers"):
        read(Parser(), path, "target", "V1")
    X, y, weight = read(Parser(), path, "target", "weight")
    assert "weight" not in X and X.shape == (900, 30)
    assert_allclose(weight[y == 0][0] / weight[y == 1][0], 10.5 / 1.25)


@pytest.mark.parametrize(
    ("target", "said"),
    [("Klass", "no column 'Klass'"), ("Time", "rarest in 1"), ("many", "25 values")],
)
def test_lookup_says_what_is_wrong_with_a_target(
    lookup, tables, tmp_path, target, said
):
    frame = pd.read_csv(tables / "full.csv")
    frame.assign(many=frame["Time"] % 25).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(Stop, match=said):
        lookup["read_table"](Parser(), tmp_path / "table.csv", target, None)


def test_lookup_splits_70_15_15(lookup, breast_cancer):
    X, y = breast_cancer
    weight = np.arange(1.0, len(y) + 1)
    parts = lookup["split"](pd.DataFrame(X), y, weight, 0)
    assert_allclose([len(p[1]) / len(y) for p in parts], [0.7, 0.15, 0.15], atol=0.004)
    assert_allclose([p[1].mean() for p in parts], y.mean(), atol=0.015)
    # Every row is in one part, and its label with it.
    rows = np.concatenate([p[2] for p in parts]).astype(int) - 1
    assert_array_equal(np.sort(rows), np.arange(len(y)))
    assert_array_equal(np.concatenate([p[1] for p in parts]), y[rows])
