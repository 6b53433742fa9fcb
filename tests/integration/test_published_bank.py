"""The stories of the focal threshold and of bank marketing, run in quick mode."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

pytest.importorskip("matplotlib")
pytest.importorskip("scikeras")

pytestmark = pytest.mark.pages  # `make test-docs` runs them

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "published"


@pytest.fixture(scope="module")
def focal():
    return runpy.run_path(str(PUBLISHED / "focal_threshold.py"))


@pytest.fixture(scope="module")
def bank():
    return runpy.run_path(str(PUBLISHED / "bank_marketing.py"))


@pytest.fixture
def table():
    """Rows that are dirty as the bank's are: 12 % rare, and easy to rank."""
    rng, n = np.random.default_rng(0), 900
    y = (rng.random(n) < 0.12).astype(int)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 70, n).astype(float),
            "marital": rng.choice(["single", "S", "Singl", "married", "divrcd"], n),
            "balance": rng.normal(1000 + 1500 * y, 900).round(),
            "contact": rng.choice(["cellular", "telephone"], n),
            "day": rng.integers(1, 32, n),
            "Location": rng.choice(["Napoli", "Naples", "Roma", "rome"], n),
            "target": y,
        }
    )
    frame.loc[:9, "age"] = 150
    frame.loc[10:14, "age"] = np.nan
    frame.loc[20:24, "contact"] = np.nan
    frame.loc[30:32, "day"] = 99
    return frame


def run(monkeypatch, example, *arguments):
    monkeypatch.setattr(sys, "argv", ["example", *map(str, arguments)])
    example["main"]()


def check_picture(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 20_000


# ---------------------------------------------------------------- the focal threshold


@pytest.mark.usefixtures("scikeras_contender")
def test_focal_threshold(focal, monkeypatch, tmp_path):
    run(monkeypatch, focal, "--quick", "--out", tmp_path)
    check_picture(tmp_path / "focal_threshold.png")
    results = pd.read_csv(tmp_path / "focal_threshold.csv", index_col=[0, 1])
    names = {*focal["NETWORKS"], *focal["TREES"], focal["OURS"]}
    assert set(results.index) == {(42, name) for name in names}
    # The test set's own best threshold cannot be worse than any other.
    assert (results["F1 claimed"] >= results["F1"]).all()
    assert_allclose(results["optimism"], results["F1 claimed"] - results["F1"])
    assert results["optimism"].max() > 0
    assert set(focal["table"](results).index) == names
    shown = focal["published_split"](results.loc[42])
    claimed = results.loc[(42, focal["FOCAL"]), ["threshold claimed", "F1 claimed"]]
    assert_allclose(shown.iloc[1][["threshold", "F1"]], claimed)
    assert_allclose(shown["F1"].iloc[2:], results["F1"])


def test_threshold_comes_from_training_rows_only(focal, rng):
    """Whatever the model, and with ties: the pooled out-of-fold F1 is best there."""
    y = (rng.random(200) < 0.2).astype(int)
    X = rng.normal(y, 1.0)[:, None].round(1)
    model = LogisticRegression()
    threshold = focal["out_of_fold_threshold"](model, X, y, 5, 0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    proba = cross_val_predict(model, X, y, cv=folds, method="predict_proba")[:, 1]
    scores = [f1_score(y, proba >= value) for value in np.unique(proba)]
    assert f1_score(y, proba >= threshold) == pytest.approx(max(scores))


@pytest.mark.parametrize("name", ["focal", "bank"])
def test_the_best_of_the_others_is_the_best_on_average(name, request):
    """And that ours is behind it is not hidden."""
    example = request.getfixturevalue(name)
    ours = dict.fromkeys([example["OURS"], f"{example['OURS']}, cleaned"], [0.3, 0.2])
    rivals = dict.fromkeys(example["NETWORKS"], [0.1, 0.1])
    best = example["NETWORKS"][-1]
    rivals[best] = [0.25, 0.35]
    trees = dict.fromkeys(example["TREES"], [0.2, 0.1])
    scores = pd.DataFrame(ours | rivals | trees, index=[42, 43]).stack()
    scores.index.names = ["seed", "contender"]
    results = pd.DataFrame({"F1": scores, "average precision": 1 - scores})
    found = example["against_the_best"](results)
    network, tree = found.loc["F1"].iloc[0], found.loc["F1"].iloc[1]
    assert network["name"] == best and tree["name"] in example["TREES"]
    columns = ["its mean", "ours", "difference", "deviation", "seeds with ours ahead"]
    assert_allclose(network[columns].astype(float), [0.3, 0.25, -0.05, 0.1 * 2**0.5, 1])
    assert_allclose(tree[columns].astype(float), [0.15, 0.25, 0.1, 0, 2], atol=1e-12)
    # Measure by measure: what ranks last by the one ranks first by the other.
    assert found.loc["average precision"].iloc[0]["name"] != best


# ----------------------------------------------------------------------- the bank


@pytest.mark.usefixtures("scikeras_contender")
def test_bank_marketing(bank, table, monkeypatch, tmp_path):
    table.to_csv(tmp_path / "bank.csv.gz", index=False)
    arguments = ("--data", tmp_path / "bank.csv.gz", "--quick", "--out", tmp_path)
    run(monkeypatch, bank, *arguments)
    check_picture(tmp_path / "bank_marketing.png")
    results = pd.read_csv(tmp_path / "bank_marketing.csv", index_col=[0, 1])
    measures = results.loc[42]
    assert {bank["OURS"], bank["OURS_CLEANED"], bank["NO"]} < set(measures.index)
    assert {"logistic regression", "gradient boosting"} < set(measures.index)
    assert set(bank["table"](results).index) == set(measures.index)
    assert (measures.loc[bank["NO"], ["recall", "F1"]] == 0).all()
    published = bank["beside_the_published"](results, table["target"].mean())
    always_no = published.loc['accuracy of always "no"', "here, from"]
    assert always_no == pytest.approx(measures.loc[bank["NO"], "accuracy"], abs=0.01)
    assert (published["here, from"] <= published["to here"]).all()

    # One sampler in quick mode: its row of the leak is the mean.
    leaks = pd.read_csv(
        tmp_path / "bank_marketing_leak.csv", index_col=0, header=[0, 1]
    )
    costs = bank["cost_of_the_leak"](leaks)
    for measure, cost in costs.iterrows():
        claimed, even, real = leaks.loc["SMOTE", measure]
        assert claimed > real
        assert_allclose(cost, [claimed, real, claimed - even, even - real])


def test_dirt_is_counted(bank, table):
    assert bank["dirt"](table) == (5 + 5, 10 + 3)
    assert bank["dirt"](bank["clean"](table)) == (5 + 5 + 10 + 3, 0)


def test_leak_judges_rows_made_of_training_rows(bank, table):
    """With features that tell nothing, all that is claimed beyond chance is leak."""
    noise = table.drop(columns="target").sample(frac=1, random_state=0)
    leaks = bank["leak"](noise, table["target"].to_numpy(), [0], bank["SAMPLERS"][:1])
    claimed, even, real = leaks["average precision"].loc["SMOTE"]
    assert claimed > even + 0.05
    assert even == pytest.approx(0.5, abs=0.15)
    assert real < 0.25


def test_cleaning(bank, table):
    before = table.copy()
    cleaned = bank["clean"](table)
    pd.testing.assert_frame_equal(table, before)
    assert set(cleaned["marital"]) == {"single", "married", "divorced"}
    assert set(cleaned["Location"]) == {"Napoli", "Roma"}
    assert cleaned["age"].isna().sum() == 15
    assert cleaned["day"].isna().sum() == 3
    assert cleaned["contact"].isna().sum() == 5
    # Where there is no such column there is nothing to clean.
    assert bank["clean"](table[["balance"]]).equals(table[["balance"]])


def test_no_data_says_what_to_do(bank, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("SKADAPTIVE_DATA", raising=False)
    for folder in (None, str(tmp_path)):
        if folder is not None:
            monkeypatch.setenv("SKADAPTIVE_DATA", folder)
        with pytest.raises(SystemExit) as end:
            run(monkeypatch, bank)
        assert end.value.code == 2
        message = capsys.readouterr().err
        assert "--data FILE" in message and "SKADAPTIVE_DATA" in message
        assert (folder or "is not set") in message


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t[["target", "age"]], "must be 'target'; it is 'age'"),
        (lambda t: t.assign(target=t["target"] + 1), "must hold 0 and 1"),
        (lambda t: t.assign(target=t["target"].where(t.index > 3)), "in every row"),
        (lambda t: t[t.index < 100], "at least 50"),
    ],
    ids=["target not last", "other labels", "empty labels", "too few"],
)
def test_bad_tables(bank, table, change, message, monkeypatch, capsys, tmp_path):
    change(table).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, bank, "--data", tmp_path / "bad.csv", "--out", tmp_path / "o")
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_unreadable_file(bank, monkeypatch, capsys, tmp_path):
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    for name in ("absent.csv", "picture.csv"):
        with pytest.raises(SystemExit) as end:
            run(monkeypatch, bank, "--data", tmp_path / name)
        assert end.value.code == 2
        assert f"cannot read {tmp_path / name}" in capsys.readouterr().err
