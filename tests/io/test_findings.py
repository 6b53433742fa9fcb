"""Problems in a table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, TimeSeriesSplit

from skadaptive._io.column_values import telling_values
from skadaptive._io.findings import (
    _cross_fitted_means,
    _subject,
    _univariate_auc,
    _words,
    inspect_table,
)


def kinds(findings):
    return {finding.kind: finding.columns for finding in findings}


def test_no_findings_in_clean_data(frame):
    X, y = frame.drop(columns="target"), frame["target"]
    assert inspect_table(X, y, KFold(4).split(X)) == []


def test_identifiers_and_constants(frame, rng):
    X, y = frame.drop(columns="target"), frame["target"]
    X["row"] = np.arange(len(X))
    X["key"] = rng.permutation([f"c{i}" for i in range(len(X))])
    X["number"] = rng.permutation(len(X)) + 5000
    X["one"] = "x"
    X["empty"] = np.nan
    found = kinds(inspect_table(X, y))
    assert found["identifier"] == ("row", "key", "number")
    assert found["constant"] == ("one", "empty")


@pytest.mark.parametrize("kind", ["number", "negative", "text", "missing", "date"])
def test_possible_leaks_are_found(frame, rng, kind):
    X, y = frame.drop(columns="target"), frame["target"]
    noise = rng.normal(size=len(y))
    X["tell"] = {
        "number": 10 * y + noise,
        "negative": -10 * y + noise,
        "text": np.where(y == 1, "closed", rng.choice(["open", "new"], len(y))),
        "missing": np.where(y == 1, np.nan, noise),
        "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(90 * y, unit="D"),
    }[kind]
    (finding,) = inspect_table(X, y)
    assert finding.kind == "leak" and finding.columns == ("tell",)
    assert "ROC AUC" in finding.message
    X["tell"] = rng.permutation(X["tell"])
    assert inspect_table(X, y) == []


@pytest.mark.parametrize("kind", ["flags", "category", "missing", "amount", "bool"])
def test_values_that_give_the_class_away(frame, rng, kind):
    """No column has a ROC AUC worth a remark, and together they are the target."""
    X = frame[["age", "city"]]
    y = np.r_[np.ones(60, int), np.zeros(140, int)]
    cause, amounts = rng.integers(4, size=200), rng.normal(size=200)
    rare = y == 1
    columns = {
        "flags": {f"cause{i}": (rare & (cause == i)).astype(int) for i in range(4)},
        "bool": {f"cause{i}": rare & (cause == i) for i in range(4)},
        "category": {
            "state": np.where(
                rare & (cause < 2), np.array(["closed", "lost"] * 2)[cause], "open"
            )
        },
        "missing": {"paid": np.where(rare & (cause < 2), np.nan, amounts)},
        "amount": {"refund": np.where(rare & (cause > 0), amounts, 0)},
    }[kind]
    X = X.assign(**columns)
    (finding,) = inspect_table(X, y)
    assert finding.kind == "telling_values" and set(finding.columns) == set(columns)
    counts = np.bincount(cause[rare], minlength=4)
    condition = {
        "flags": f"'cause0' = 1 ({counts[0]} of {counts[0]})",
        "bool": f"'cause1' = True ({counts[1]} of {counts[1]})",
        "category": f"'state' other than 'open' ({counts[:2].sum()} of",
        "missing": f"no value in 'paid' ({counts[:2].sum()} of",
        "amount": f"'refund' other than 0 ({counts[1:].sum()} of",
    }[kind]
    n_rows = {"flags": 60, "bool": 60, "amount": counts[1:].sum()}
    n_rows = n_rows.get(kind, counts[:2].sum())
    assert condition in finding.message
    assert finding.message.count(f"'{finding.columns[0]}'") == 1
    assert f"These are {n_rows} of the 60 rare rows" in finding.message
    X[list(columns)] = rng.permutation(X[list(columns)])
    assert inspect_table(X, y) == []


@pytest.mark.parametrize(
    ("n", "n_rare", "n_pure", "n_others", "found"),
    [
        (200, 100, 10, 0, False),  # 10 rows of 1 in 2 are luck among so many values
        (200, 100, 20, 0, True),
        (2000, 200, 19, 0, False),  # less than a tenth of the rare rows
        (2000, 200, 20, 0, True),
        (2000, 200, 60, 1, True),
        (2000, 200, 60, 3, False),  # 5 % of its rows are common
    ],
)
def test_which_values_are_telling(n, n_rare, n_pure, n_others, found):
    y = np.r_[np.ones(n_rare, int), np.zeros(n - n_rare, int)]
    group = np.arange(n) % 20
    group[:n_pure] = 30
    group[n - n_others :] = 30
    findings = inspect_table(pd.DataFrame({"group": group}), y)
    assert [f.kind for f in findings] == ["telling_values"] * found
    if found:
        counts = f"'group' = 30 ({n_pure} of {n_pure + n_others})"
        assert counts in findings[0].message


@pytest.mark.parametrize("code", [-999, -99, 99, 9999])
@pytest.mark.parametrize("dtype", [int, float, "Int64"])
def test_codes_for_missing_values_are_pointed_out(frame, rng, code, dtype):
    X, y = frame.drop(columns="target"), frame["target"]
    X["visits"] = pd.Series(rng.integers(0, 30, 200)).astype(dtype)
    X.loc[rng.choice(200, 7, replace=False), "visits"] = code
    (finding,) = inspect_table(X, y)
    assert finding.kind == "missing_code" and finding.columns == ("visits",)
    assert finding.values == (code,)
    assert f"'visits' has {code} in 7 rows" in finding.message
    assert "0 to 29" in finding.message


def test_the_only_negative_number_is_a_code(frame, rng):
    X, y = frame.drop(columns="target"), frame["target"]
    X["income"] = np.r_[np.round(rng.uniform(0, 50_000, 190)), [-999] * 10]
    (finding,) = inspect_table(X, y)
    assert finding.values == (-999,)


@pytest.mark.parametrize(
    "kind", ["large range", "seldom", "no code", "flag", "negative", "text"]
)
def test_other_extremes_are_no_codes(frame, rng, kind):
    X, y = frame.drop(columns="target"), frame["target"]
    wide = np.round(rng.uniform(0, 2000, 200))
    X["it"] = {
        "large range": np.r_[4 * wide[:190], [9999] * 10],
        "seldom": np.r_[wide[:198] % 30, 999, 999],
        "no code": np.r_[wide[:190] % 30, [500] * 10],
        "flag": np.r_[wide[:100] % 2, [9] * 100],
        "negative": np.r_[wide[:190] - 1000, [-999] * 10],
        "text": np.r_[wide[:190] % 3, [999] * 10].astype(int).astype(str),
    }[kind]
    assert inspect_table(X, y) == []


@pytest.mark.parametrize("name", ["id", "customer_id", "customerID", "Account No."])
def test_names_of_identifiers_count(frame, rng, name):
    """Among 10 million numbers, 200 would be different by chance, too."""
    X, y = frame.drop(columns="target"), frame["target"]
    X[name] = rng.choice(10**7, 200, replace=False)
    assert kinds(inspect_table(X, y)) == {"identifier": (name,)}
    for other in ("paid", "amount", "number_of_steps", "idle"):
        assert inspect_table(X.rename(columns={name: other}), y) == []
    X[name] = X[name].astype(float)
    assert inspect_table(X, y) == []


def test_unique_integers_in_a_narrow_range_are_an_identifier(frame, rng):
    X, y = frame.drop(columns="target"), frame["target"]
    X["it"] = rng.choice(2500, 200, replace=False)
    (finding,) = inspect_table(X, y)
    assert finding.kind == "identifier" and "'it'" in finding.message
    X["it"] = np.sort(rng.choice(10**9, 200, replace=False))[::-1]
    assert kinds(inspect_table(X, y)) == {"identifier": ("it",)}


def test_free_texts_are_no_identifiers(frame):
    X, y = frame.drop(columns="target"), frame["target"]
    X["note"] = [f"one text and another, {i}" for i in range(200)]
    assert kinds(inspect_table(X, y)) == {"identifier": ("note",)}
    assert inspect_table(X, y, free_texts={"note"}) == []


def test_many_categories_do_not_look_like_a_leak(frame, rng):
    """Means of the target that include the row itself would: most rows are alone."""
    X, y = frame.drop(columns="target"), frame["target"]
    X["street"] = rng.permutation([f"s{i // 2 if i < 10 else i}" for i in range(200)])
    assert inspect_table(X, y) == []


def test_duplicates_across_folds_are_counted(frame):
    X, y = frame.drop(columns="target"), frame["target"]
    X, y = pd.concat([X, X[:30]], ignore_index=True), np.r_[y, y[:30]]
    found = inspect_table(X, y, KFold(5).split(X))
    (finding,) = found
    # Folds of 46 rows separate each of the 30 pairs.
    assert finding.kind == "duplicates" and "60 of 230 test rows" in finding.message
    together = [(np.arange(30, 200), np.r_[0:30, 200:230])]
    assert inspect_table(X, y, together) == []


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_rows_in_order_of_time_are_told_where_later_ones_are_trained_on(
    frame, rng, zone
):
    X, y = frame.drop(columns="target"), frame["target"]
    days = pd.date_range("2024-01-01", periods=len(X), freq="D", tz=zone)
    nearly = days + pd.to_timedelta(rng.normal(0, 3, len(X)), "D")
    shuffled = rng.permutation(days)
    for column, cv, found in [
        (days, KFold(4), True),
        (days[::-1], KFold(4), True),
        (nearly, KFold(4, shuffle=True, random_state=0), True),
        (shuffled, KFold(4), False),
        (days, TimeSeriesSplit(4), False),
    ]:
        table = X.assign(**{"the day": column, "born": shuffled})
        findings = inspect_table(table, y, cv.split(table))
        assert kinds(findings) == ({"time": ("the day",)} if found else {})
        for finding in findings:
            assert "--time 'the day'" in finding.message
    gaps = days.to_series().where(rng.random(len(X)) < 0.8).to_numpy()
    table = X.assign(day=gaps)
    assert "time" in kinds(inspect_table(table, y, KFold(4).split(table)))


@pytest.mark.parametrize("dtype", [float, "Float64"])
def test_the_auc_of_one_column_is_that_of_its_order(rng, dtype):
    """A missing value comes below all others, or being missing is the score."""
    y = rng.integers(0, 2, 60)
    for shift in (-50, 0, 50):
        values = rng.normal(y, 1, 60) + shift
        rows = np.arange(60) % 7 == 0
        placed = np.where(rows, values.min() - 5, values)
        column = pd.Series(np.where(rows, np.nan, values)).astype(dtype)
        aucs = [roc_auc_score(y, score) for score in (placed, -placed, rows, ~rows)]
        assert _univariate_auc(column, y) == pytest.approx(max(aucs))
    # The lowest value is no missing one: a tie of both would count half.
    column = pd.Series([np.nan, np.nan, 0, 0, 3, 4], dtype=dtype)
    y = np.array([1, 0, 0, 0, 1, 1])
    placed = roc_auc_score(y, [-1, -1, 0, 0, 3, 4])
    assert _univariate_auc(column, y) == pytest.approx(placed)
    column = pd.Series([np.inf, -np.inf, 5, 6])
    assert _univariate_auc(column, np.array([1, 0, 0, 1])) == 1


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "Column 'a' is"),
        ("ab", "Each of 'a', 'b' is"),
        ("abcde", "Each of 'a', 'b', 'c', 'd', 'e' is"),
        ("abcdefg", "Each of 'a', 'b', 'c', 'd', 'e' and 2 more is"),
    ],
)
def test_columns_are_named_up_to_five(names, text):
    assert _subject(list(names)) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customerID", ["customer", "id"]),
        ("CustomerIdNo", ["customer", "id", "no"]),
        ("customer_id_2", ["customer", "id"]),
        ("HTTPKey", ["http", "key"]),
    ],
)
def test_words_of_a_name(name, words):
    assert _words(name) == words


def test_a_category_is_scored_by_the_other_half_of_its_rows(rng):
    codes, y = rng.integers(-1, 9, 30), rng.integers(2, size=30)
    codes[4] = 9  # of which there is one row
    found = _cross_fitted_means(codes, y)
    first = np.random.default_rng(0).permutation(30) % 2 == 0
    for row in range(30):
        others = (codes == codes[row]) & (first != first[row])
        assert found[row] == pytest.approx(
            y[others].mean() if others.any() else y.mean()
        )
    assert found[4] == pytest.approx(y.mean())


def test_a_category_of_one_row_says_nothing_of_the_others():
    column = pd.Series(["usual"] * 59 + ["single"])
    y = np.r_[np.arange(59) % 3 == 0, True].astype(int)
    assert _univariate_auc(column, y) < 0.7
    assert _univariate_auc(column[::-1], y[::-1]) < 0.7


def test_missing_values_are_none_of_the_other_values():
    """All values but the most frequent one are rare; missing ones are not."""
    column = pd.Series(["usual"] * 60 + [None] * 40 + [f"v{i}" for i in range(100)])
    y = (np.arange(200) >= 100).astype(int)
    (found,) = telling_values(column.to_frame("kind"), y)
    assert found.is_other and found.value == "usual"
    assert (found.rows == (y == 1)).all()
