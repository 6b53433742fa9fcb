"""Labels of two classes from a column."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skadaptive._io.columns import Notes
from skadaptive._io.target import read_target


def test_default_is_the_rarer_of_two_values(frame):
    target = read_target(frame["target"])
    y, positive = target.y, target.positive
    assert positive == 1
    assert_array_equal(y, frame["target"])
    named = frame.assign(target=np.where(frame["target"] == 1, "a fault", "fine"))
    assert read_target(named["target"]).positive == "a fault"


@pytest.mark.parametrize(
    ("counts", "weight_of_a", "positive"),
    [
        ({"a": 200, "b": 300}, 1, "b"),  # about equal: the second, as in scikit-learn
        ({"a": 300, "b": 200}, 1, "b"),
        ({"a": 149, "b": 300}, 1, "a"),
        ({"a": 150, "b": 300}, 1, "b"),
        ({"a": 300, "b": 200}, 0.3, "a"),  # 90 and 200 by weight
        ({"a": 149, "b": 300}, 2, "b"),
        ({"c": 60, "b": 50, "a": 55}, 1, "b"),
        ({"c": 60, "b": 50, "a": 55}, 0.9, "a"),
    ],
)
def test_default_is_the_rare_class_of_the_estimator(counts, weight_of_a, positive):
    values = np.repeat(list(counts), list(counts.values()))
    frame = pd.DataFrame({"x": np.arange(len(values)), "target": values})
    weight = np.where(values == "a", weight_of_a, 1.0)
    assert read_target(frame["target"], sample_weight=weight).positive == positive
    if weight_of_a == 1:
        assert read_target(frame["target"]).positive == positive


def test_one_of_several_values(frame, rng):
    kinds = np.array(["a"] * 120 + ["b"] * 60 + ["c"] * 20)
    frame["target"] = rng.permutation(kinds)
    target = read_target(frame["target"])
    assert target.positive == "c" and set(target.y) == {"c", "not c"}
    y = read_target(frame["target"], "b").y
    assert_array_equal(y == "b", frame["target"] == "b")


def test_unused_categories_do_not_count(frame):
    kinds = pd.Categorical(frame["target"].map({0: "good", 1: "bad"}))
    frame["target"] = kinds.add_categories(["ugly"])
    target = read_target(frame["target"])
    assert target.positive == "bad" and set(target.y) == {"good", "bad"}


def test_positive_is_compared_as_text(frame):
    frame["target"] = np.where(frame["target"] == 1, 7, 3)
    assert read_target(frame["target"], "7").positive == 7


@pytest.mark.parametrize(
    ("target", "positive", "message"),
    [
        ("constant", None, "All rows have the value '1'"),
        ("age", None, "has .* values.*--positive"),
        ("twenty", None, "has 20 values.*--positive"),
        ("target", "2", "No row has the value '2' in 'target'. It has: '0', '1'"),
        ("empty", None, "All rows are empty in 'empty'"),
    ],
)
def test_invalid_targets_are_refused(target, positive, message):
    frame = pd.DataFrame({"age": np.arange(200) % 70, "constant": 1})
    frame["target"] = (np.arange(200) % 15 == 0).astype(int)
    frame["twenty"] = np.arange(200) % 20
    frame["empty"] = np.nan
    with pytest.raises(ValueError, match=message):
        read_target(frame[target], positive)


# -------------------------------------------------------------------------- spellings


def column(**counts):
    names = [name.replace("_", " ") for name in counts]
    return pd.Series(np.repeat(names, list(counts.values())), name="y", dtype=object)


def read(labels, positive=None):
    notes = Notes()
    return read_target(labels, positive, notes=notes), " ".join(notes.lines())


def test_a_rare_spelling_is_a_slip():
    """It would be the rarest value, and be taken for the class to be found."""
    target, notes = read(column(No=200, No_=3, no=2, Yes=40))
    assert target.positive == "Yes" and target.y.value_counts()["No"] == 205
    assert "'No ' in 3 rows is taken for 'No'" in notes and "'no' in 2 rows" in notes
    assert not target.others_together


def test_two_frequent_spellings_are_an_error():
    with pytest.raises(ValueError, match=r"'No' \(200 rows\) and 'no' \(30 rows\)"):
        read(column(No=200, no=30, Yes=40))


def test_blanks_around_all_labels_are_no_part_of_them():
    target, notes = read(column(No_=200, Yes_=40))
    assert set(target.y) == {"No", "Yes"} and not notes


@pytest.mark.parametrize("word", ["None", "NA", "null"])
def test_a_word_for_missing_is_a_label_of_two(word):
    target, notes = read(column(**{word: 100, "fraud": 20}))
    assert target.positive == "fraud" and set(target.y) == {word, "fraud"}
    assert f"A label, not a missing value: {word!r}" in notes


def test_of_three_values_a_word_for_missing_is_missing_unless_it_is_named():
    labels = column(NA=30, a=100, b=60)
    target, notes = read(labels)
    assert set(target.y) == {"a", "b"} and target.has_label.sum() == 160
    assert "Left out, since 'y' is empty: 30 rows" in notes
    target, _ = read(labels, "NA")
    assert target.positive == "NA" and len(target.y) == 190


def test_rows_without_a_label_change_nothing_for_the_others():
    labels = pd.Series([0, 1] * 30, name="y")
    with_gaps = labels.astype(float)
    with_gaps[[4, 7]] = np.nan
    target, notes = read(with_gaps)
    assert target.y.dtype == labels.dtype and "2 rows" in notes
    assert_array_equal(target.y, labels.drop([4, 7]))


def test_three_values_are_listed():
    _, notes = read(column(paid=179, late=69, default=52))
    assert "All values of 'y' but 'default' are one class" in notes
    assert "'paid' in 179 rows, 'late' in 69 rows, 'default' in 52 rows" in notes


@pytest.mark.parametrize(
    ("values", "written", "positive"),
    [
        ([0.0, 1.0], "1", 1.0),
        ([True, False], "true", True),
        (["Yes", "no"], "yes", "Yes"),
    ],
)
def test_the_positive_value_may_be_written_otherwise(values, written, positive):
    target, _ = read(pd.Series(values * 20, name="y"), written)
    assert target.positive == positive and target.pos_label == positive


def test_a_stray_label_does_not_take_over():
    labels = pd.Series([None, "no", "no", "maybe", *(["no"] * 40), *(["yes"] * 9)])
    labels = labels.rename("fraud")
    with pytest.raises(ValueError) as caught:
        read(labels)
    for text in ("'maybe' in one row alone, row 4,", "'no', 'yes'", "--positive yes"):
        assert text in str(caught.value)
    # Named, it is a class as any other, and so it is where there are two rows of it.
    assert read(labels, "maybe")[0].positive == "maybe"
    assert read(labels, "yes")[0].positive == "yes"
    assert read(pd.concat([labels, labels]))[0].positive == "maybe"
    assert read(labels[labels != "yes"])[0].positive == "maybe"
