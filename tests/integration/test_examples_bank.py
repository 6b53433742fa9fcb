"""The stories of the focal threshold and of bank marketing, run in quick mode."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

pytest.importorskip("matplotlib")
pytest.importorskip("scikeras")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def focal():
    return runpy.run_path(str(EXAMPLES / "plot_focal_threshold.py"))


@pytest.fixture(scope="module")
def bank():
    return runpy.run_path(str(EXAMPLES / "plot_bank_marketing.py"))


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


def printed_table(printed, columns):
    """The printed measures of the contenders: a row each, as numbers."""
    number = r"\s+(-?\d+\.\d{3})"
    found = re.findall(rf"^(\S.*?){number * len(columns)}$", printed, re.MULTILINE)
    names, *values = zip(*found, strict=True)
    return pd.DataFrame(np.array(values, dtype=float).T, names, columns)


def check_conclusion(printed, table, measure, example):
    """What is said of ours and the best other network is what the table says."""
    ours, denied, rival, score = re.search(
        rf"^{measure}: ours, ([\d.]+), is (NOT )?ahead of the best other network, "
        r"(.+), ([\d.]+); paired",
        printed,
        re.MULTILINE,
    ).groups()
    shown = table[measure]
    networks = shown[shown.index.intersection(example["NETWORKS"])]
    assert len(networks) > 1
    assert float(ours) == shown[example["OURS"]]
    assert float(score) == shown[rival] == networks.max()
    if float(ours) != float(score):
        assert (float(ours) < float(score)) == bool(denied)


def check_picture(path):
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) > 20_000


# ---------------------------------------------------------------- the focal threshold


def test_focal_threshold(focal, monkeypatch, capsys, tmp_path):
    run(monkeypatch, focal, "--quick", "--out", tmp_path)
    printed = capsys.readouterr().out
    table = printed_table(printed, focal["MEASURES"])
    assert set(table.index) == {*focal["NETWORKS"], *focal["TREES"], focal["OURS"]}
    # The test set's own best threshold cannot be worse than any other.
    assert (table["optimism"] >= 0).all()
    assert table["optimism"].max() > 0
    np.testing.assert_allclose(
        table["optimism"], table["F1 claimed"] - table["F1"], atol=0.0011
    )
    published = re.search(r"^published: .*", printed, re.MULTILINE)[0]
    assert published.split()[-4:] == ["0.322", "0.260", "0.180", "0.210"]
    for measure in ("F1", "average precision"):
        check_conclusion(printed, table, measure, focal)
    check_picture(tmp_path / "focal_threshold.png")


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
def test_conclusion_admits_defeat(name, request, capsys):
    example = request.getfixturevalue(name)
    ours = dict.fromkeys([example["OURS"], f"{example['OURS']}, cleaned"], [0.3, 0.2])
    rivals = dict.fromkeys(example["NETWORKS"], [0.1, 0.1])
    rivals[example["NETWORKS"][0]] = [0.25, 0.35]
    trees = dict.fromkeys(example["TREES"], [0.2, 0.1])
    scores = pd.DataFrame(ours | rivals | trees, index=[42, 43]).stack()
    scores.index.names = ["seed", "contender"]
    example["conclude"](pd.DataFrame({"F1": scores}), "F1")
    network, tree, *_ = capsys.readouterr().out.splitlines()
    assert f"NOT ahead of the best other network, {example['NETWORKS'][0]}," in network
    assert "-0.05" in network
    assert network.endswith("ahead in 1 of 2 seeds")
    assert "is ahead of the best" in tree
    assert tree.endswith("ahead in 2 of 2 seeds")


# ----------------------------------------------------------------------- the bank


def test_bank_marketing(bank, table, monkeypatch, capsys, tmp_path):
    table.to_csv(tmp_path / "bank.csv.gz", index=False)
    arguments = ("--data", tmp_path / "bank.csv.gz", "--quick", "--out", tmp_path)
    run(monkeypatch, bank, *arguments)
    printed = capsys.readouterr().out
    assert "10 empty cells, 13 impossible numbers" in printed
    columns = ["average precision", "F1", "ROC AUC", "Brier score"]
    columns += ["accuracy", "recall"]
    measures = printed_table(printed, columns)
    assert {bank["OURS"], bank["OURS_CLEANED"], bank["NO"]} < set(measures.index)
    assert {"logistic regression", "gradient boosting"} < set(measures.index)
    assert (measures.loc[bank["NO"], ["recall", "F1"]] == 0).all()
    always_no = re.search(r"always answering no gives ([\d.]+)", printed)[1]
    assert float(always_no) == pytest.approx((table["target"] == 0).mean(), abs=6e-4)
    for measure in ("F1", "average precision"):
        check_conclusion(printed, measures, measure, bank)
    check_picture(tmp_path / "bank_marketing.png")

    # One sampler in quick mode: its row of the leak is the mean, in either measure.
    row = re.search(r"^SMOTE((?:\s+0\.\d\d){6})$", printed, re.MULTILINE)[1].split()
    for claimed, even, real, measure in (
        (*map(float, row[:3]), "F1"),
        (*map(float, row[3:]), "average precision"),
    ):
        said = re.search(rf"^{measure}, mean of the samplers: (.*)", printed, re.M)[1]
        said = [float(value) for value in re.findall(r"-?0\.\d\d", said)]
        expected = [claimed, real, claimed - even, even - real]
        np.testing.assert_allclose(said, expected, atol=0.0101)
        assert claimed > real


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
