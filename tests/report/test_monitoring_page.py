"""The page and the table of a monitoring, from one that is made by hand."""

import numpy as np
import pandas as pd
import pytest

from skadaptive._monitoring.breaches import SCORE, Breach
from skadaptive._report.monitoring import (
    _advice,
    _facts,
    _features,
    _figure,
    _gaps,
    _label_periods,
    _measures,
    _new_values,
)
from skadaptive.monitoring import Monitoring

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

PERCENT = "\u00a0%"


def breach(kind, name="x", message="It moved.", periods=("b",)):
    return Breach(kind, name, periods, message, 0.01)


def made(*breaches, **changes):
    """Two periods; recall is in breach in the second, "size" in the first."""
    measures = pd.DataFrame(
        {
            "period": ["a", "b", "b"],
            "measure": ["share", "share", "recall"],
            "value": [0.125, 0.2, 0.4567],
            "low": [0.1, 0.15, 0.3],
            "high": [0.15, 0.25, 0.6],
            "expected": [0.1, 0.1, 0.8],
            "expected_low": [0.08, 0.09, 0.75],
            "expected_high": [0.12, 0.11, 0.85],
            "breach": [False, False, True],
        }
    )
    features = pd.DataFrame(
        {
            "period": ["a", "a", "a", "b", "b", "b"],
            "feature": ["size", "age", SCORE] * 2,
            "kind": ["number", "number", "score"] * 2,
            "psi": [0.2, 0.05, 0.01, 0.11, 0.346, 0.02],
            "missing": [0.1, 0.5, 0.9, 0.35, 0.5015, 0.9],
            "missing_reference": [0.2, 0.5, 0.0, 0.2, 0.5, 0.0],
            "breach": [True, False, False, False, False, False],
        }
    )
    values = {
        "breaches": breaches,
        "features": features,
        "measures": measures,
        "since": measures[:0],
        "periods": pd.DataFrame(
            {"period": ["a", "b"], "rows": [1000, 2500], "labelled": [3, 0]}
        ),
        "new_categories": pd.DataFrame(
            {"period": [], "feature": [], "value": [], "rows": []}
        ),
        "notes": ("Rows without a time.",),
        "n_tests": 9,
        "name": "forest",
        "positive": "yes",
        "threshold": 0.25,
        "alpha": 0.05,
        "n_reference": 12345,
    }
    return Monitoring(**(values | changes))


def test_the_table_marks_what_is_in_breach():
    table = made().table()
    assert table.index.tolist() == ["a", "b"] and table.index.name == "period"
    assert table.to_dict("list") == {
        "rows": ["1,000", "2,500"],
        "share": [f"12.5{PERCENT}", f"20.0{PERCENT}"],
        "recall": ["–", "0.457*"],
        "greatest index": ["0.20* size", "0.35 age"],
    }


@pytest.mark.parametrize(
    ("breaches", "count"),
    [
        ([], "no breach"),
        ([breach("share")], "1 breach"),
        ([breach("share")] * 2, "2 breaches"),
    ],
)
def test_the_summary_counts(breaches, count):
    found = made(*breaches)
    first, *others = found.summary()
    assert first == (
        "forest on 3,500 rows in 2 periods, against 12,345 of the training: "
        f"{count} at the level of 5 %."
    )
    assert others == ["It moved."] * len(breaches)
    assert found.has_changed == bool(breaches)
    text, page = repr(found), found._repr_html_()
    assert text.startswith(first) and text.count("\n- It moved.") == len(breaches)
    assert ("* in breach" in text) == bool(breaches)
    assert text.endswith("note: Rows without a time.")
    assert page.count("<li>") == len(breaches) and "0.457*" in page
    alone = made(periods=found.periods[:1])
    assert alone.summary()[0].startswith("forest on 1,000 rows in one period, against")


def test_facts():
    assert _facts(made()) == {
        "Model": "forest",
        "New rows": "3,500",
        "Periods": "2",
        "Rows of the training": "12,345",
        "Rare class": "yes",
        "Threshold": "0.25",
        "Labels": "3",
    }
    periods = made().periods
    every = made(periods=periods.assign(labelled=periods["rows"]))
    assert _facts(every)["Labels"] == "all"
    assert "Labels" not in _facts(made(periods=periods.assign(labelled=0)))


def test_measures_stand_beside_what_is_expected():
    found = _measures(made(), ["share", "recall"])
    assert found["headings"] == ["Rows", "Share of the rare class", "Recall"]
    rows = {
        name: [(cell.value, cell.spread, cell.best) for cell in cells]
        for name, cells in found["rows"]
    }
    assert rows == {
        "a": [
            ("1,000", "", False),
            (f"12.5{PERCENT}", f"8.0{PERCENT} to 12.0{PERCENT}", False),
            ("–", "", False),
        ],
        "b": [
            ("2,500", "", False),
            (f"20.0{PERCENT}", f"9.0{PERCENT} to 11.0{PERCENT}", False),
            ("0.457", "0.750 to 0.850", True),
        ],
    }


def test_features_that_moved_most_are_shown_first():
    rows = _features(made())
    assert [(row.name, row.cells) for row in rows] == [
        ("The score", [("0.01", False), ("0.02", False)]),
        ("age", [("0.05", False), ("0.35", False)]),
        ("size", [("0.20", True), ("0.11", False)]),
    ]
    # Of a date nothing but missing values is compared.
    features = made().features
    features["kind"] = features["kind"].where(features["feature"] != "age", "date")
    assert _features(made(features=features))[1].name == "age (missing values alone)"
    # Of many features 20 beside the score, and any in breach.
    names = [SCORE, *(f"f{i}" for i in range(30))]
    many = pd.DataFrame({"period": "a", "feature": names, "kind": "number"})
    many["psi"] = -np.arange(31.0)
    many["breach"] = many["feature"].isin(["f3", "f25"])
    rows = _features(made(features=many, periods=made().periods[:1]))
    assert [row.name for row in rows if row.is_first] == [
        *("The score", *(f"f{i}" for i in range(20)), "f25")
    ]


def test_gaps_that_have_changed_most_come_first():
    """A tenth of a per cent is no change, and the score is no feature."""
    assert _gaps(made()) == [
        ("size", f"20.0{PERCENT}", f"35.0{PERCENT}", "b"),
        ("age", f"50.0{PERCENT}", f"50.1{PERCENT}", "b"),
    ]
    features = made().features
    features["missing"] = features["missing_reference"] + [0, 0, 0, 0.0011, 0.0009, 1]
    found = _gaps(made(features=features))
    assert [(name, period) for name, *_, period in found] == [("size", "b")]
    many = pd.concat(
        [features[3:4].assign(feature=f"f{i}") for i in range(25)], ignore_index=True
    )
    assert len(_gaps(made(features=many))) == 20


def test_new_values_are_counted_over_periods():
    new = pd.DataFrame(
        [
            ("a", "town", "Rome", 2),
            ("b", "town", "Rome", 1500),
            ("b", "town", "Oslo", 7),
            ("b", "code", "x", 1),
        ],
        columns=["period", "feature", "value", "rows"],
    )
    assert _new_values(made(new_categories=new)) == [
        ("town", "Rome (1,502), Oslo (7)", "2 periods, first in a"),
        ("code", "x (1)", "b"),
    ]
    for n, more in ((10, ""), (11, ", 1 more"), (13, ", 3 more")):
        many = pd.DataFrame({"value": [f"v{i:02}" for i in range(n)]})
        many = many.assign(period="a", feature="town", rows=np.arange(n, 0, -1))
        shown = ", ".join(f"v{i:02} ({n - i})" for i in range(10))
        assert _new_values(made(new_categories=many)) == [("town", shown + more, "a")]


SENTENCES = {
    "feature": "Look at the source of x:",
    "share": "The share of the rare class differs",
    "labels": "Check a sample of recent labels by hand",
    "again": "If the change is real and stays, train again",
    "alarms": "The number of alarms has changed",
    "score": "The scores have moved although no single feature has",
}


@pytest.mark.parametrize(
    ("breaches", "expected"),
    [
        ([breach("feature")], ["feature", "again"]),
        ([breach("share")], ["share"]),
        ([breach("share", message="Look at the labels.")], ["share", "labels"]),
        ([breach("measure", message="Look at the labels.")], ["labels", "again"]),
        ([breach("alarms", message="Look at the labels.")], ["alarms"]),
        ([breach("measure")], ["again"]),
        ([breach("alarms")], ["alarms"]),
        ([breach("score")], ["score"]),
        ([breach("score"), breach("alarms")], ["alarms"]),
        (
            [breach("feature"), breach("score"), breach("share"), breach("alarms")],
            ["feature", "share", "again", "alarms"],
        ),
    ],
)
def test_advice_follows_the_kinds_of_breaches(breaches, expected):
    for by_command in (False, True):
        lines = _advice(made(*breaches), by_command)
        assert len(lines) == len(expected)
        for line, name in zip(lines, expected, strict=True):
            assert line.startswith(SENTENCES[name])
        text = " ".join(lines)
        again = "skadaptive compare --save" if by_command else "skadaptive.compare."
        assert (again in text) == ("again" in expected)
    (nothing,) = _advice(made(), True)
    assert nothing.startswith("Nothing needs to be done.")


def test_a_figure_says_every_value():
    changed = breach("measure", "recall"), breach("share", "share", periods=("b",))
    title, svg = _figure(made(*changed), "recall")
    assert title == "Recall"
    assert "Recall by period: a –; b 0.457 (in breach)." in svg
    title, svg = _figure(made(*changed), "share")
    assert title == "Share of the rare class"
    assert (
        f"by period: a 12.50{PERCENT}; b 20.00{PERCENT}." in svg and ">percent<" in svg
    )


@pytest.mark.parametrize(
    ("names", "places", "texts"),
    [
        (["a", "b", "c"], [0, 1, 2], ["a", "b", "c"]),
        ([f"week of 2024-01-{i:02}" for i in range(1, 5)], [0, 1, 2, 3], None),
        ([f"2024-{i:02}" for i in range(1, 13)], range(0, 12, 3), None),
        (["x" * 30, "y" * 30], [0, 1], ["x" * 21 + "…", "y" * 21 + "…"]),
        (["x" * 26, "y" * 26], [0], ["x" * 26]),
    ],
)
def test_names_of_periods_have_room(names, places, texts):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    _label_periods(ax, names)
    assert ax.get_xticks().tolist() == list(places)
    if texts is None:
        texts = [names[i].removeprefix("week of ") for i in places]
    assert [label.get_text() for label in ax.get_xticklabels()] == texts
