"""The parts of the benchmarks that measure nothing."""

import csv
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from breakdown import by_kinds, flops_a_row
from quality import OF_LABELS, best_threshold, mean_by_set, pairwise, ranks
from sklearn.metrics import balanced_accuracy_score, f1_score
from timing import Bar, Figure, Record, interleave, markdown, slope, spread


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_slope_is_the_exponent(power):
    sizes = np.array([1e3, 1e4, 1e5, 1e6, 1e7])
    assert_allclose(slope(sizes, 3 * sizes**power), power)


def test_slope_is_that_of_the_larger_sizes():
    sizes = np.array([1e3, 1e4, 1e5, 1e6, 1e7])
    # What a fit costs at any size hides the growth among the small ones.
    seconds = np.maximum(1e5, sizes)
    assert_allclose(slope(sizes, seconds), 1.0)


def test_slope_takes_at_least_two_sizes():
    assert_allclose(slope([10, 30, 100], [9.0, 1.0, 1.0]), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "sign, values, verdict",
    [
        (">=", [3.9, 4.0, 9.0], "met"),
        (">=", [3.0, 3.99, 9.0], "missed"),
        ("<=", [0.1, 4.0, 9.0], "met"),
        ("<=", [0.1, 4.01, 4.02], "missed"),
    ],
)
def test_verdict_is_that_of_the_median(sign, values, verdict):
    assert Bar(sign, 4).verdict(values) == verdict


def test_bar_refuses_another_sign():
    with pytest.raises(ValueError, match="must be one of .*; got '>'"):
        Bar(">", 4)


@pytest.mark.parametrize(
    "values, text",
    [
        ([3.0, 1.0, 2.0], "2.00 (1.00 to 3.00)"),
        ([0.01234, 123.4, 1234.5], "123 (0.0123 to 1234)"),
        ([0.0, 1e-7, 2e-7], "1e-07 (0.00 to 2e-07)"),
    ],
)
def test_spread_has_three_digits(values, text):
    assert spread(values) == text


@pytest.fixture
def record():
    record = Record()
    # Out of order, as threads may leave them.
    for round_, ours, theirs in [(2, 1.0, 6.0), (1, 2.0, 8.0), (3, 1.0, 3.0)]:
        record.add("fit", "ours", round_, ours)
        record.add("fit", "theirs", round_, theirs)
        record.add("fit", "ours", round_, 100, "MB")
    return record


def test_ratio_is_taken_round_by_round(record):
    record.ratio("fit", "theirs", "ours", Bar(">=", 4))
    (figure,) = record.figures
    assert_allclose(figure.values, [4, 6, 3])
    assert figure.cells() == [
        "fit",
        "theirs / ours",
        "4.00 (3.00 to 6.00)",
        ">= 4",
        "met",
    ]


def test_what_is_missing_is_said_and_reaches_no_bar(record):
    record.ratio("fit", "absent", "ours", Bar("<=", 4))
    assert record.figures[0].cells() == [
        "fit",
        "absent / ours",
        "not measured",
        "<= 4",
        "absent is not installed",
    ]


def test_written_rows_give_the_ratios_again(record, tmp_path):
    record.ratio("fit", "theirs", "ours", Bar(">=", 5))
    record.figures.append(Figure("fit", "growth", (3.0,), Bar("<=", 20), "MB"))
    record.tables.append(("Shares", "Of one.", ["kind", "share"], [["products", "9%"]]))
    record.write(tmp_path / "new", "Two cores.")
    with open(tmp_path / "new" / "speed.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    seconds = {
        (row["contender"], row["round"]): float(row["value"])
        for row in rows
        if row["unit"] == "s"
    }
    again = [seconds["theirs", r] / seconds["ours", r] for r in "123"]
    assert_allclose(again, record.figures[0].values)
    text = (tmp_path / "new" / "speed.md").read_text()
    assert "Two cores." in text
    assert "| fit | theirs / ours | 4.00 (3.00 to 6.00) | >= 5 | missed |" in text
    # A work is named once.
    assert "|  | growth | 3.00 (3.00 to 3.00) MB | <= 20 MB | met |" in text
    assert "## Shares\n\nOf one.\n\n| kind | share |\n| --- | --- |\n" in text


def test_rows_of_a_table_have_as_many_cells_as_its_header():
    lines = markdown(["a", "b"], [["1", "2"]]).splitlines()
    assert {line.count("|") for line in lines} == {3}


def test_contenders_take_turns_after_a_round_that_does_not_count():
    record, calls = Record(), []
    contenders = {
        "a": lambda: calls.append("a"),
        "b": (lambda: calls.append("b"), 2),
    }
    interleave(record, "work", contenders, rounds=2)
    assert "".join(calls) == "ab" + "abb" * 2
    assert len(record.values("work", "a")) == len(record.values("work", "b")) == 2


def test_operations_are_counted_once_by_kind():
    events = {
        "while/body/_1/while/Relu:_MklNativeFusedMatMul": 1.0,
        "while/body/_1/gradient_tape/while/MatMul_1/MatMul:MatMul": 2.0,
        "while/body/_1/while/adam_1/Sqrt:Sqrt": 4.0,
        "while/body/_1/while/adam/Mul:Mul": 8.0,
        "while/body/_1/while/GatherV2:GatherV2": 16.0,
        "stateless_random_uniform/StatelessRandomGetKey:StatelessRandomGetKey": 32.0,
        "while/body/_1/while/mul_2:Mul": 64.0,
    }
    assert list(by_kinds(events).values()) == [12.0, 3.0, 16.0, 32.0, 64.0]


def test_operations_of_a_row():
    # 29-128-64-32-1: forward, gradient of kernels, gradient of inputs but the first.
    products = 29 * 128, 128 * 64, 64 * 32, 32 * 1
    assert flops_a_row(29) == 2 * (3 * sum(products) - products[0])


def test_means_are_of_the_folds_of_all():
    """A contender with one repeat is compared on that repeat, of the sets it knows."""
    rows = [
        ("a", 0, "skadaptive", 0.5),
        ("a", 1, "skadaptive", 0.9),
        ("a", 0, "other", 0.6),
        ("b", 0, "skadaptive", 0.3),
        ("b", 0, "other", 0.2),
        ("b", 1, "other", 0.8),
        ("b", 1, "skadaptive", 0.6),
        ("c", 0, "skadaptive", 0.7),
    ]
    table = pd.DataFrame(rows, columns=["set", "fold", "contender", "f1"])
    means = mean_by_set(table, "f1")
    assert_allclose(means.loc["a", ["skadaptive", "other"]], [0.5, 0.6])
    assert_allclose(means.loc["b", ["skadaptive", "other"]], [0.45, 0.5])
    assert means.index.tolist() == ["a", "b"]
    assert_allclose(ranks(means, False)["other"], 1)
    assert_allclose(ranks(means, True)["other"], 2)
    found = pairwise(means, False).loc["other"]
    assert found[["wins", "ties", "losses"]].tolist() == [0, 0, 2]


@pytest.mark.parametrize("measure", OF_LABELS)
def test_best_threshold_is_best_among_all(measure, rng):
    """Ties among the probabilities included."""
    y = rng.integers(2, size=60)
    proba = rng.integers(12, size=60) / 12 + 0.01 * y
    scores = {
        "f1": f1_score,
        "macro_f1": lambda y, found: f1_score(y, found, average="macro"),
        "balanced_accuracy": balanced_accuracy_score,
    }
    at = {t: scores[measure](y, proba >= t) for t in proba}
    found = best_threshold(OF_LABELS[measure], y, proba)
    assert_allclose(at[found], max(at.values()))
