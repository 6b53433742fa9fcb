"""What counts as a breach, and its words, by hand."""

import numpy as np
import pandas as pd
import pytest

from skadaptive._monitoring.breaches import (
    LABELS_TELL,
    SCORE,
    Breach,
    Moved,
    causes_first,
    correct,
    feature_breaches,
    listed_periods,
    mark_features,
    mark_measures,
    mark_measures_that_vary,
    measure_breaches,
    measure_text,
)
from skadaptive._monitoring.tables import _measures_that_vary

PERIODS = ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("share", np.nan, "–"),
        ("share", 0.0, "0.0 %"),
        ("share", 0.00009, "< 0.01 %"),
        ("estimated_share", 0.0001, "0.01 %"),
        ("estimated_share", 0.00994, "0.99 %"),
        ("alarms", 0.00995, "1.0 %"),
        ("alarms", 1.0, "100.0 %"),
        ("recall", 1.0, "1.000"),
        ("recall", 0.0, "0.000"),
        ("brier_score", 0.01, "0.010"),
        ("brier_score", 0.0098765, "0.00988"),
    ],
)
def test_measures_as_text(name, value, text):
    assert measure_text(name, value) == text.replace(" %", "\u00a0%")


def test_all_tests_are_corrected_together():
    """By Holm's method; what was not tested counts for nothing."""
    first = pd.DataFrame({"p_value": [0.02, np.nan]})
    second = pd.DataFrame({"p_value": [0.01, 0.5, 0.3]})
    assert correct(first, second) == 4
    np.testing.assert_allclose(first["p_holm"], [0.06, np.nan])
    np.testing.assert_allclose(second["p_holm"], [0.04, 0.6, 0.6])


def test_a_feature_has_to_move_beyond_luck_and_enough_to_matter():
    features = pd.DataFrame(
        {"p_holm": [0.05, 0.05, 0.051, np.nan], "psi": [0.101, 0.1, 9, 9]}
    )
    mark_features(features, 0.05)
    assert features["breach"].tolist() == [True, False, False, False]


def measured(**columns):
    """Rows of measures; all differ from what is expected unless said."""
    rows = pd.DataFrame(columns)
    defaults = {
        "period": "1",
        "measure": "share",
        "value": 0.2,
        "low": 0.18,
        "high": 0.22,
        "expected": 0.1,
        "expected_low": 0.08,
        "expected_high": 0.12,
        "statistic": 5.0,
        "p_holm": 0.01,
        "breach": True,
    }
    return rows.assign(**{k: v for k, v in defaults.items() if k not in rows})


@pytest.mark.parametrize(
    ("measure", "below", "above"),
    [
        ("share", "breach", "breach"),
        ("alarms", "breach", "breach"),
        ("calibration", "breach", "breach"),
        ("average_precision", "breach", "better"),
        ("recall", "breach", "better"),
        ("precision", "breach", "better"),
        ("brier_score", "better", "breach"),
    ],
)
def test_better_is_a_note_and_no_breach(measure, below, above):
    expected = {"below": below, "above": above}
    values = {"below": 0.079, "low": 0.08, "high": 0.12, "above": 0.121}
    rows = measured(measure=measure, period=list(values), value=list(values.values()))
    unsure = rows.assign(p_holm=0.051)
    notes = mark_measures(rows, 0.05, {})
    breaches = [period for period, what in expected.items() if what == "breach"]
    assert rows["period"][rows["breach"]].tolist() == breaches
    better = [period for period, what in expected.items() if what == "better"]
    assert len(notes) == len(better)
    for note, period in zip(notes, better, strict=True):
        assert note.endswith(
            f"is better than expected, beyond luck, in period {period}."
        )
    assert mark_measures(unsure, 0.05, {}) == [] and not unsure["breach"].any()


def test_an_estimate_in_doubt_is_no_breach():
    rows = measured(measure=["estimated_share"] * 4 + ["share"], period=[*PERIODS, "1"])
    doubts = {LABELS_TELL: {"1"}, "features have moved": {"2", "3"}, "other": {"9"}}
    notes = mark_measures(rows, 0.05, doubts)
    assert rows["breach"].tolist() == [False, False, False, True, True]
    assert notes == [
        "The estimated share of the rare class differs from training in the periods 2 "
        "and 3, but is no breach there: features have moved."
    ]


P = "p\u00a0"


@pytest.mark.parametrize(
    ("periods", "all_periods", "when"),
    [
        (["all rows"], ["all rows"], ""),
        (PERIODS, PERIODS, " in all 4 periods"),
        (["4"], PERIODS, " in period 4 (the last of 4 periods)"),
        (["2"], PERIODS, " in period 2 (one of 4 periods)"),
        (["3", "4"], PERIODS, " since period 3 (the last 2 of 4 periods)"),
        (["1", "4"], PERIODS, " in 2 of 4 periods, first in period 1"),
        (["2", "3"], PERIODS, " in 2 of 4 periods, first in period 2"),
        (
            ["week of 2024-01-01"],
            ["week of 2024-01-01", "week of 2024-01-08"],
            " in the week of 2024-01-01 (one of 2 periods)",
        ),
    ],
)
def test_since_when_a_feature_has_changed(periods, all_periods, when):
    features = pd.DataFrame({"period": periods, "feature": "x", "kind": "number"})
    features = features.assign(psi=0.2, p_holm=0.0312, breach=True)
    features.loc[0, "psi"] = 0.456
    moved = {"x": Moved(periods[-1], "fell", 0.2, np.zeros(1, bool))}
    (breach,) = feature_breaches(features, moved, all_periods)
    several = len(periods) > 1
    up_to = "up to " if several else ""
    most = f", most in period {periods[-1]}" if several else ""
    assert breach.message == (
        f"x has changed{when}{most}: it fell. "
        f"Stability index {up_to}0.46, {P}=\u00a00.031."
    )
    assert (breach.kind, breach.name) == ("feature", "x")
    assert (breach.periods, breach.since) == (tuple(periods), periods[0])
    assert breach.p_value == 0.0312


def test_the_feature_that_moved_most_comes_first_and_the_score_has_its_kind():
    features = pd.DataFrame(
        {
            "period": ["1", "1", "1", "2", "1"],
            "feature": ["a", "b", SCORE, "b", "quiet"],
            "kind": ["number", "category", "score", "category", "number"],
            "psi": [0.5, 0.2, 0.4, 0.9, 3.0],
            "p_holm": [0.02, 0.00099, 0.001, 0.04, 0.01],
            "breach": [True, True, True, True, False],
        }
    )
    texts = {"a": "rose", "b": "fell", SCORE: "sank"}
    moved = {
        name: Moved("1", text, 0.2, np.zeros(2, bool)) for name, text in texts.items()
    }
    found = feature_breaches(features, moved, PERIODS)
    assert [breach.name for breach in found] == ["b", "a", SCORE]
    assert [breach.kind for breach in found] == ["feature", "feature", "score"]
    assert [breach.p_value for breach in found] == [0.00099, 0.02, 0.001]
    assert found[0].message.endswith(f"up to 0.90, {P}<\u00a00.001.")
    assert found[2].message == (
        "The score has changed in period 1 (one of 4 periods): it sank. Stability "
        f"index 0.40, {P}=\u00a00.001."
    )
    ordered = causes_first([found[2], Breach("alarms", "alarms", ("1",), "", 0.0)])
    assert [breach.kind for breach in ordered] == ["score", "alarms"]
    kinds = ("alarms", "measure", "share", "score", "feature")
    every = [Breach(kind, kind, ("1",), "", 0.0) for kind in kinds]
    assert [breach.kind for breach in causes_first(every)] == [
        *("feature", "share", "measure", "score", "alarms")
    ]


def test_the_surest_measure_comes_first():
    measures = measured(
        period=["1", "2", "3", "2"],
        measure=["recall", "recall", "recall", "alarms"],
        value=[0.05, 0.02, 0.04, 0.3],
        statistic=[-3.0, -6.0, -4.0, 7.0],
        p_holm=[0.01, 0.0005, 0.02, 0.04],
        breach=[False, True, True, True],
    )
    since = measured(
        period=PERIODS,
        measure="recall",
        value=0.03,
        statistic=[-5.0, -5.9, -5.0, -5.0],
    )
    first, second = measure_breaches(measures, since, PERIODS)
    assert (first.kind, first.name, first.periods) == ("alarms", "alarms", ("2",))
    assert first.message == (
        "The share of alarms has risen in period 2 (one of 4 periods): it is "
        "30.0\u00a0%, and training leads to expect 8.0\u00a0% to 12.0\u00a0%, "
        f"{P}=\u00a00.040."
    )
    assert (second.kind, second.name, second.periods) == (
        "measure",
        "recall",
        ("2", "3"),
    )
    assert second.message == (
        "The recall has fallen in 2 of 4 periods, first in period 2: it is 0.020 in "
        f"period 2, and training leads to expect 0.080 to 0.120, {P}<\u00a00.001."
    )
    assert second.p_value == 0.0005


def test_all_rows_from_a_period_on_may_be_surer():
    measures = measured(period=["3"], measure="recall", statistic=-4.0)
    since = measured(
        period=PERIODS,
        measure="recall",
        value=[0.05, 0.03, 0.02, 0.04],
        statistic=[-4.5, -7.0, -5.0, -9.0],
        p_holm=[0.02, 0.03, 0.01, 0.01],
        breach=[True, True, True, False],
    )
    (found,) = measure_breaches(measures, since, PERIODS)
    assert found.periods == ("2", "3", "4") and found.p_value == 0.03
    assert found.message == (
        "The recall has fallen since period 2 (the last 3 of 4 periods together): it "
        f"is 0.030, and training leads to expect 0.080 to 0.120, {P}=\u00a00.030."
    )
    from_first = since.assign(statistic=[-9.0, -7.0, -5.0, -4.0])
    (found_in_all,) = measure_breaches(measures, from_first, PERIODS)
    # No period needs to be in breach by itself, so "in all periods" would be wrong.
    assert "The recall has fallen over all 4 periods together:" in found_in_all.message
    # A measure may need more rows than any one period has.
    none = measures.assign(measure="alarms", breach=False)
    assert measure_breaches(none, since, PERIODS) == [found]
    assert measure_breaches(none, since.assign(breach=False), PERIODS) == []


@pytest.mark.parametrize(
    ("low", "high", "is_said"),
    [
        (0.05, 0.15, True),
        (0.05, 0.2, False),
        (0.2, 0.2, False),
        (0.2, 0.3, False),
        (0.25, 0.3, True),
    ],
)
def test_labels_that_the_scores_do_not_show(low, high, is_said):
    """Where the share by labels is outside of the interval by the scores."""
    measures = measured(
        period=["1", "1", "2"],
        measure=["share", "estimated_share", "estimated_share"],
        value=[0.2, 0.1, 0.9],
        low=[0.0, low, 0.9],
        high=[1.0, high, 0.9],
        breach=[True, False, False],
    )
    (found,) = measure_breaches(measures, measures[:0], PERIODS)
    assert found.kind == "share"
    said = (
        f"they point to 10.0\u00a0% ({measure_text('share', low)} to "
        f"{measure_text('share', high)}). Look at the labels"
    )
    assert (said in found.message) == ("scores" in found.message) == is_said
    alone = measures[:1]
    assert "scores" not in measure_breaches(alone, alone[:0], PERIODS)[0].message


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["all rows"], "all rows"),
        (["a", "a"], "period a"),
        (["1", "2"], "the periods 1 and 2"),
        (["1", "2", "3", "4", "4"], "the periods 1, 2, 3 and 4"),
        (["1", "2", "3", "4", "5"], "5 periods, first in period 1"),
        (["week of 2024-01-01"], "the week of 2024-01-01"),
    ],
)
def test_periods_in_a_sentence(names, text):
    assert listed_periods(names) == text


@pytest.mark.parametrize(
    ("total", "weight", "change", "varies"),
    [
        (0.0115, 0.25, 0.03, True),  # within luck
        (0.0123, 0.25, 0.03, False),
        (0.0123, 0.25, -0.03, True),  # the others do more than make up for it
        (-0.0123, 0.25, -0.03, False),
        (0.0123, 0.9, 0.03, True),  # less than half of what the period alone makes
        (0.0123, 0.9, 0.025, False),
    ],
)
def test_what_all_rows_keep_of_a_change_decides(total, weight, change, varies):
    name = "alarms"
    of_all = {"measure": name, "value": 0.1 + total, "expected": 0.1}
    # 1 % of luck beyond 0.01 * 2.33 / 1.96 on this side.
    of_all |= {"expected_low": 0.09, "expected_high": 0.11}
    row = {"measure": name, "value": 0.1 + change, "expected": 0.1}
    row |= {"breach": True, "varies": False}
    rows = pd.DataFrame([row | {"period": "a"}, row | {"period": "b"}])
    weights = {"a": weight, "b": weight}
    found = mark_measures_that_vary(rows, pd.DataFrame([of_all]), weights, {"a"})
    assert found == ({name} if varies else set())
    assert rows["varies"].tolist() == [varies, False]
    assert rows["breach"].tolist() == [not varies, True]


@pytest.mark.parametrize("changed", [set(), {"a"}])
def test_rows_from_a_period_on_count_by_their_share_of_all(changed):
    """They keep less than half of what 9 of 10 rows alone would change."""
    luck = {"expected": 0.1, "expected_low": 0.09, "expected_high": 0.11}
    of_all = {"measure": "alarms", "period": "a", "value": 0.1123, **luck}
    since = {"measure": "alarms", "period": "b", "value": 0.13, **luck}
    later = pd.DataFrame(
        [
            {**of_all, "breach": False, "varies": False},
            {**since, "breach": True, "varies": False},
        ]
    )
    sizes = pd.Series({"a": 100, "b": 900})
    (note,) = _measures_that_vary({"b"}, changed, later.iloc[:0].copy(), later, sizes)
    assert "alarms" in note
    assert later["varies"].tolist() == [False, True]
    assert not later["breach"].any()
