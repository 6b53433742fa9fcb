"""What the page says of the drivers of a winner, by hand and of a small model."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from skadaptive import explain
from skadaptive._report.drivers import (
    _effects,
    _importance_figure,
    _importance_table,
    _instructive,
    _probability,
    _rows_sentence,
)
from skadaptive.contenders import table_pipeline

pytest.importorskip("matplotlib")

COLUMNS = ["importance", "low", "high"]


@pytest.fixture(scope="module")
def explained():
    """Town matters most; keys are different in every row."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"town": rng.choice(["Rome", "Oslo"], 200)})
    X["size"] = rng.normal(size=200)
    X["key"] = [f"k{i}" for i in range(200)]
    odds = 3 * (X["town"] == "Rome") + X["size"] - 3
    y = (rng.random(200) < expit(odds)).astype(int)
    model = table_pipeline(LogisticRegression()).fit(X, y)
    return explain(model, X, y, random_state=0, n_repeats=2), y


def test_effects_are_of_features_whose_values_repeat(explained):
    explanation, _ = explained
    table = explanation.importances_
    assert table.index[0] == "town"
    (caption, svg), *others = _effects(explanation)
    assert caption == "Mean probability if all rows had this value of town."
    proba = explanation.effect("town").table["probability"]
    assert f"by town: from {proba.min():.3f} to {proba.max():.3f}." in svg
    assert not any("key" in caption for caption, _ in others)
    unsorted = SimpleNamespace(
        importances_=table.loc[["key", "size"]],
        units_=explanation.units_,
        effect=explanation.effect,
    )
    ((caption, _),) = _effects(unsorted)
    assert caption.endswith("this value of size.")


def test_the_figure_of_the_importance_says_every_value(explained):
    explanation, _ = explained
    svg = _importance_figure(explanation)
    assert len(explanation.importances_) == 3
    for name, row in explanation.importances_.iterrows():
        value, low, high = (round(float(row[k]), 3) + 0.0 for k in COLUMNS)
        assert f"{name} {value:.3f} ({low:.3f} to {high:.3f})" in svg
    assert float(explanation.importances_.at["town", "importance"]) > 0.1


def test_correlated_features_share_an_effect(explained):
    explanation, _ = explained
    together = SimpleNamespace(
        importances_=pd.DataFrame({"features": [["size", "town"]]}, index=["both"]),
        units_=explanation.units_,
        effect=explanation.effect,
    )
    ((caption, _),) = _effects(together)
    assert caption == (
        "Mean probability if all rows had this value of town; the features shuffled "
        "together with it keep theirs."
    )


def test_the_greatest_mistakes_with_their_reasons(explained):
    explanation, y = explained
    comparison = SimpleNamespace(y_=y, pos_label_="yes")
    rows, numbers = np.arange(200), np.arange(200) + 5001
    proba = explanation.proba_
    alarm = np.flatnonzero(y == 0)[np.argmax(proba[y == 0])]
    miss = np.flatnonzero(y == 1)[np.argmin(proba[y == 1])]
    low, high = proba[miss], proba[alarm]
    assert low < high
    for tuned, titles in (
        ((low + high) / 2, ["The surest false alarm", "The worst miss"]),
        (high, ["Closest to a false alarm", "The worst miss"]),
        (low, ["The surest false alarm", "The worst miss"]),
        (low - 1e-9, ["The surest false alarm", "Closest to a miss"]),
    ):
        found = _instructive(comparison, explanation, rows, numbers, tuned)
        # These rows are not those of every fold, and there may be greater mistakes.
        titles = [f"{title} in the last fold" for title in titles]
        assert [case["title"] for case in found] == titles
    for case, row, is_not in zip(found, (alarm, miss), ("not ", ""), strict=True):
        contributions = explanation.contributions([row])
        base = expit(contributions.base_.iloc[0])
        assert case["text"] == (
            f"Row {row + 5001:,} of the table is {is_not}yes, and has the probability "
            f"{_probability(proba[row])}; a typical row has {_probability(base)}."
        )
        reasons = contributions.reasons(5).iloc[0]
        assert case["reasons"] == [reason for reason in reasons if reason]
    only_rare = SimpleNamespace(y_=np.ones(200), pos_label_="yes")
    (case,) = _instructive(only_rare, explanation, rows, numbers, 0.5)
    assert case["title"].endswith("miss in the last fold")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1e-4, "0.0001"), (0.99e-4, "less than 0.0001"), (0.9999, "0.9999")],
)
def test_probabilities(value, text):
    assert _probability(value) == text


@pytest.mark.parametrize(
    ("rows_", "n_scored", "expected"),
    [
        (
            "out of fold",
            1200,
            "It is explained on 1,200 rows, 200 of them yes. Each row went through the "
            "committee members that had not trained on it (average precision 0.812).",
        ),
        (
            "out of fold",
            1199,
            "It is explained on 1,200 rows, 200 of them yes, of which 1,199 were drawn "
            "for the importance. Each row went through the committee members that had "
            "not trained on it (average precision 0.812).",
        ),
        (
            "test",
            1200,
            "It was fitted once more, without the test rows of the last fold, and is "
            "explained on these 1,200 rows, 200 of them yes (average precision 0.812).",
        ),
    ],
)
def test_which_rows_were_explained(rows_, n_scored, expected):
    y = np.repeat([0, 1, 1], [1000, 200, 50])
    comparison = SimpleNamespace(y_=y, pos_label_="yes")
    explanation = SimpleNamespace(score_=0.81249, n_scored_=n_scored, rows_=rows_)
    assert _rows_sentence(comparison, explanation, np.arange(1200)) == expected


def test_importances_have_the_digits_that_they_need():
    names = [f"g{i}" for i in range(14)]
    table = pd.DataFrame({"importance": 0.0987 - 0.001 * np.arange(14)}, index=names)
    table["low"], table["high"] = -0.00001, 0.12344
    table["features"] = [["a", "b"], *([name] for name in names[1:])]
    found = _importance_table(SimpleNamespace(importances_=table))
    assert found["left_out"] == 2 and len(found["table"]) == 12
    assert found["table"][0] == {
        "name": "g0",
        "features": "a, b",
        "importance": "0.0987",
        "low": "0.0000",
        "high": "0.1234",
    }
    assert found["table"][1]["features"] == ""
