"""Recommendations, from tables of results that are made by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skadaptive._assessment.threshold_counts import ScoredRows
from skadaptive._io.findings import Finding
from skadaptive._report.advice import advice, evaluation_advice, finding_text
from skadaptive._report.charts import _curves_shown, _threshold_row
from skadaptive._report.pages import _confusion_sentence
from skadaptive.contenders import OURS


def results(verdicts, **changes):
    """A comparison of forest, which is best, with others by their verdicts."""
    names = ["forest", *verdicts]
    table = pd.DataFrame(index=names)
    table["mean_average_precision"] = 0.8 - 0.01 * np.arange(len(names))
    table["mean_roc_auc"] = 0.9
    table["mean_f1"], table["mean_f1_at_0.5"] = 0.7, 0.6
    table["mean_fit_time"] = 10.0 - np.arange(len(names))
    table["mean_predict_time"] = 0.5
    tests = pd.DataFrame(
        {"difference": 0.8 - table["mean_average_precision"][1:]},
        index=list(verdicts),
    )
    tests["verdict"] = list(verdicts.values())
    thresholds = pd.DataFrame({name: [0.3, 0.32, 0.28] for name in names})
    values = {
        "best_name_": "forest",
        "best_": "fitted",
        "table": table,
        "tests_": tests,
        "scoring_": "average_precision",
        "findings_": [],
        "failures_": {},
        "unfinished_": {},
        "y_": np.repeat([0, 1], [900, 100]),
        "_decides_at": None,
        "scores": lambda measure: thresholds,
    } | changes
    return SimpleNamespace(**values)


def calibrated_rows():
    y = np.tile(np.repeat([0, 1], [9, 1]), 100)
    return ScoredRows(y, np.full(1000, 0.1), None)


def lines(comparison, interface="python", rows=None):
    return advice(comparison, rows or calibrated_rows(), 0.3, interface)


USE = "Use a threshold of about 0.3 in place of 0.5: F1 is 0.700 instead of 0.600."


def test_a_winner_that_is_ahead_of_all():
    first, threshold, best = lines(results({"a": "ahead", "b": "ahead"}))
    assert first == (
        "Use forest: it is significantly better than every other contender here."
    )
    assert threshold.startswith(USE) and "varies" not in threshold
    assert "skadaptive.thresholds.expected_cost" in threshold
    assert best.startswith("comparison.best_ is forest, fitted on all rows.")
    *_, best = lines(results({"a": "ahead"}), "command")
    assert best.startswith("To use forest: skadaptive compare --save FILE")
    arguments = (calibrated_rows(), 0.3, "command", None, "f.model")
    *_, best = advice(results({"a": "ahead"}), *arguments)
    assert best.startswith("forest is saved in f.model, fitted on all rows.")
    assert best.endswith("with skadaptive predict f.model FILE.")


def test_a_winner_that_is_perhaps_ahead_of_some():
    first, *_ = lines(results({"a": "ahead", "b": "perhaps ahead"}))
    assert first.startswith("Use forest. Some of its differences are significant only")


def test_a_quicker_one_that_may_be_as_good():
    found = results({"a": "ahead", "b": "could be luck", "c": "could be luck"})
    first, *_ = lines(found)
    assert first == (
        "The difference between forest and b and c is not significant. Use whichever "
        "is easiest to run. The quickest is c: 7.5 s per fold, forest takes 10 s; its "
        "average precision is 0.030 worse here. More rare rows would make the "
        "comparison more certain."
    )
    found.tests_["difference"] = 0.0004
    assert "its average precision is the same here" in lines(found)[0]
    found.table["mean_predict_time"] = [0, 9, 9, 9]
    assert lines(found)[0] == (
        "Use forest. The difference between forest and b and c is not significant, but "
        "forest is also the quickest of them: 10 s per fold."
    )


def test_one_contender_is_not_compared():
    assert lines(results({}))[0].startswith(USE)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("ahead", "and the difference is significant. Nothing here speaks for"),
        ("perhaps ahead", "a difference that is significant only without"),
        ("could be luck", "but the difference is not significant."),
    ],
)
def test_ours_behind(verdict, words):
    _, behind, *_ = lines(results({"a": "ahead", OURS: verdict}))
    assert behind.startswith(
        f"{OURS} is not the best here: forest is 0.020 better in average precision, "
        f"{words}"
    )
    assert "AdaptationDisplay" in behind
    command = lines(results({"a": "ahead", OURS: verdict}), "command")[1]
    assert command.startswith(OURS) and "AdaptationDisplay" not in command


def test_ours_is_not_behind_itself():
    found = results({"a": "ahead"}, best_name_=OURS)
    found.table = found.table.rename(index={"forest": OURS})
    found.scores = lambda measure: pd.DataFrame({OURS: [0.3, 0.3]})
    assert not any("is not the best" in line for line in lines(found))


def test_thresholds_that_are_no_better_or_vary():
    found = results({"a": "ahead"})
    found.table["mean_f1"] = 0.6004
    _, threshold, _ = lines(found)
    assert threshold.startswith(
        "The tuned threshold, about 0.3, is no better than 0.5 here: F1 is 0.600, and "
        "0.600 at 0.5. F1 ignores the costs"
    )
    for by_fold, varies in (([0.1, 0.5], True), ([0.2, 0.5], False)):
        # The logits of the first differ by 2.2, a deviation of 1.55.
        found.scores = lambda measure, f=by_fold: pd.DataFrame({"forest": f})
        _, threshold, _ = lines(found)
        said = "It varies from 0.1 to 0.5 between the folds"
        assert (said in threshold) == ("varies" in threshold) == varies
    found.scores = lambda measure: pd.DataFrame({"forest": [0.0, 1.0]})
    assert "It varies from 0 to 1 between" in lines(found)[1]


@pytest.mark.parametrize(("used", "is_told"), [(0.5, True), (0.3001, False)])
def test_why_predict_uses_another_threshold(used, is_told):
    """Where the page recommends one, and the fitted model decides at another."""
    _, threshold, _ = lines(results({"a": "ahead"}, _decides_at=used))
    said = f" The model that was fitted on all rows uses {used}: it was tuned in the s"
    assert threshold.startswith(USE)
    assert (said in threshold) == ("on other rows" in threshold) == is_told


def test_what_comes_first():
    """What was interrupted, what is wrong with the data, and what failed."""
    findings = [
        Finding("constant", ("one",), "."),
        Finding("leak", ("x",), "."),
        Finding("duplicates", (), "."),
        Finding("leak", ("z",), "."),
    ]
    found = results(
        {"a": "ahead"},
        findings_=findings,
        failures_={"svm": "no"},
        unfinished_={"k": 1},
    )
    found.table.loc["forest", "mean_average_precision"] = 0.999
    limited, problems, perfect, failed, *_ = lines(found)
    assert limited.startswith("The time limit left out k. Run the comparison again")
    assert limited.endswith(
        "With the same cache_dir and seed it resumes where it stopped."
    )
    assert "first (possible target leakage, duplicate rows; see" in problems
    assert perfect.startswith("The scores of forest are near perfect.")
    assert failed.startswith("svm failed and could not be compared.")
    assert failed.endswith("with cache_dir, finished folds are not computed again.")
    del found.best_
    interrupted, problems, *rest = lines(found, "command")
    assert interrupted.startswith("The comparison was interrupted: run it again.")
    assert "--cache DIR and --seed" in interrupted
    assert not any("fitted on all rows" in line for line in rest)
    harmless = results({"a": "ahead"}, findings_=findings[:1])
    assert len(lines(harmless)) == 3


@pytest.mark.parametrize(("n_rare", "is_told"), [(99, True), (100, False)])
def test_few_rare_rows(n_rare, is_told):
    y = np.repeat([0, 1], [900, n_rare])
    text = " ".join(lines(results({"a": "ahead"}, y_=y)))
    said = f"if you can. With {n_rare} the intervals are wide, and more rare rows help"
    assert (said in text) == ("Collect" in text) == is_told
    rows = ScoredRows(y, np.full(len(y), y.mean()), None)
    text = " ".join(evaluation_advice(evaluated(), rows, True))
    assert (f"if you can: with {n_rare} the intervals" in text) == is_told


def test_miscalibrated_probabilities():
    rows = calibrated_rows()
    wrong = ScoredRows(rows.y, np.full(1000, 0.4), None)
    for interface, said in (
        ("python", "sklearn.calibration.CalibratedClassifierCV"),
        ("command", "Do not take them for the chance that a row is rare."),
    ):
        text = " ".join(lines(results({"a": "ahead"}), interface, wrong))
        assert "The probabilities of forest are miscalibrated." in text and said in text
        text = " ".join(evaluation_advice(evaluated(), wrong, True, interface))
        assert "The probabilities are miscalibrated." in text and said in text
        assert ("adjust_to_prior" in text) == (interface == "python")
    assert "miscalibrated" not in " ".join(evaluation_advice(evaluated(), rows, True))


def evaluated(low=0.2):
    row = pd.DataFrame({"value": [0.5], "low": [low]}, index=["average_precision"])
    return SimpleNamespace(name="forest", table=row)


@pytest.mark.parametrize(
    ("low", "is_told"), [(0.1, True), (0.05, True), (0.11, False), (np.nan, False)]
)
def test_a_model_no_better_than_chance(low, is_told):
    rows = calibrated_rows()  # of which a tenth are rare
    for can_choose in (False, True):
        first, *others = evaluation_advice(evaluated(low), rows, can_choose)
        assert first.startswith("Do not use forest yet") == is_told
        text = " ".join([first, *others])
        assert ("what a miss and a false alarm cost" in text) == can_choose
        assert text.endswith("still resemble the training rows.")
    if is_told:
        assert (
            f"precision is 0.500, and the lower end of its interval, {low:.3f}" in first
        )
        assert "is not above the chance level, 0.100." in first


def test_findings_with_the_option_that_acts_on_them():
    finding = Finding("constant", ("a b", "c"), "Drop them.")
    assert finding_text(finding) == "Drop them."
    assert finding_text(finding, "command") == (
        "Drop them. The option is --drop 'a b' c."
    )
    key = Finding("identifier", ("a b",), "Drop it.")
    assert "--id 'a b'" in finding_text(key, "command")
    assert finding_text(key, "command").endswith("or --drop 'a b'.")
    code = Finding("missing_code", ("x",), "A code.", (-99999999.0,))
    assert finding_text(code, "command") == "A code. The option is --missing -99999999."


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ("abcdef", "abcdef"),
        ("abcdefg", "abcdg"),
        (["a", "b", "c", "d", "e", OURS, "g"], ["a", "b", "c", "d", OURS, "g"]),
        (
            ["a", "b", "c", "d", "e", "Logistic regression", OURS, "h"],
            ["a", "b", "c", "d", "Logistic regression", OURS],
        ),
        (["a", OURS, "logistic", "d", "e", "f", "g"], ["a", OURS, "logistic", "d"]),
    ],
)
def test_curves_of_many_contenders_are_chosen(names, shown):
    table = pd.DataFrame(index=list(names))
    assert _curves_shown(SimpleNamespace(table=table)) == list(shown)


def test_a_row_of_the_table_of_thresholds_by_hand():
    rows = ScoredRows([1, 1, 0, 0, 0], [0.9, 0.3, 0.4, 0.2, 0.1], [2, 1, 3, 2, 2])
    counts = rows.counts(np.array([0.25, 0.95]))
    costs = {"miss": 10.0, "alarm": 1.0}
    assert _threshold_row(counts, 0, costs) == {
        "threshold": "0.25",
        "precision": "0.500",
        "recall": "1.000",
        "f1": "0.667",
        "alarms": "600",
        "missed": "0.00",
        "cost": "300",
    }
    nobody = _threshold_row(counts, 1, costs)
    assert nobody["precision"] == "–" and nobody["missed"] == "300"
    assert (nobody["recall"], nobody["cost"]) == ("0.000", "3,000")


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        (
            [[900, 30], [20, 50]],
            "Of 70 rows that are yes, 50 are found (71%). Of 80 rows predicted yes, 50 "
            "are correct (62%).",
        ),
        (
            [[900, 0], [70, 0]],
            "Of 70 rows that are yes, 0 are found (0%). No row is predicted yes.",
        ),
        (
            [[900, 5], [0, 0]],
            "Of 0 rows that are yes, 0 are found. Of 5 rows predicted yes, 0 are "
            "correct (0%).",
        ),
    ],
)
def test_confusion_matrices_in_words(matrix, text):
    assert _confusion_sentence(np.array(matrix), "yes") == text
