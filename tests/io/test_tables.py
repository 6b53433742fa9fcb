"""Reading tables, choosing the rare class, and finding problems in the data."""

import gzip

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import KFold

from skadaptive._io.tables import inspect_table, read_table, split_target


@pytest.fixture
def frame(rng):
    n = 200
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, n).astype(float),
            "city": rng.choice(["Rome", "Oslo"], n),
            "since": pd.date_range("2020-01-01", periods=n, freq="D"),
            "target": (rng.random(n) < 0.1).astype(int),
        }
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_round_trip(frame, tmp_path, separator, suffix):
    path = tmp_path / f"table{suffix}"
    frame.loc[3, "age"] = np.nan
    frame.to_csv(path, sep=separator, index=False)
    found = read_table(path)
    assert found.columns.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert pd.api.types.is_datetime64_any_dtype(found["since"])


def test_parquet_keeps_its_types(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame.astype({"city": "category"}).to_parquet(path)
    assert read_table(path)["city"].dtype == "category"


def test_quoted_names_may_hold_separators(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('"a;b,c,d";target\n1;0\n2;1\n')
    assert read_table(path).columns.tolist() == ["a;b,c,d", "target"]


def test_dates_and_durations_of_parquet(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame["day"] = frame["since"].dt.date
    frame["took"] = pd.to_timedelta(np.arange(len(frame)), unit="h")
    frame.to_parquet(path)
    found = read_table(path)
    assert pd.api.types.is_datetime64_any_dtype(found["day"])
    assert found["took"].iloc[36] == 1.5  # days


def test_text_that_resembles_dates_stays_text(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("when,target\n2020-01-01,0\n2020-13-45,1\n")
    assert not pd.api.types.is_datetime64_any_dtype(read_table(path)["when"])


# Without a time stamp, which would differ between the processes of pytest-xdist.
HALF_A_FILE = gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:30]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no file"),
        ("table.xlsx", b"PK", "must end in .csv"),
        ("table.csv", b"", "cannot be read as a table"),
        ("table.csv", "a,b\n\xe9,1\n".encode("latin-1"), "not UTF-8"),
        ("table.csv", b"\xff\xfe\x00\x81\x00" * 40, "not a table|cannot be read"),
        ("table.csv", b"only\n1\n2\n", "2 rows and 1 columns"),
        ("table.csv", b"a,b\n", "0 rows and 2 columns"),
        ("table.csv", b"a,b\n1,2\n1,2,3,4\n", "cannot be read as a table"),
        ("table.csv.gz", b"not gzipped", "cannot be read as a table"),
        ("table.csv.gz", HALF_A_FILE, "cannot be read"),
        ("table.parquet", b"not parquet", "cannot be read as a table"),
    ],
)
def test_invalid_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path)


# ------------------------------------------------------------------------- the target


def test_default_is_the_rarer_of_two_values(frame):
    X, y, positive = split_target(frame, "target")
    assert positive == 1 and "target" not in X
    assert_array_equal(y, frame["target"])
    named = frame.assign(target=np.where(frame["target"] == 1, "a fault", "fine"))
    assert split_target(named, "target")[2] == "a fault"


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
    assert split_target(frame, "target", sample_weight=weight)[2] == positive
    if weight_of_a == 1:
        assert split_target(frame, "target")[2] == positive


def test_one_of_several_values(frame, rng):
    kinds = np.array(["a"] * 120 + ["b"] * 60 + ["c"] * 20)
    frame["target"] = rng.permutation(kinds)
    _, y, positive = split_target(frame, "target")
    assert positive == "c" and set(y) == {"c", "not c"}
    _, y, positive = split_target(frame, "target", "b")
    assert_array_equal(y == "b", frame["target"] == "b")


def test_unused_categories_do_not_count(frame):
    kinds = pd.Categorical(frame["target"].map({0: "good", 1: "bad"}))
    frame["target"] = kinds.add_categories(["ugly"])
    X, y, positive = split_target(frame, "target")
    assert positive == "bad" and set(y) == {"good", "bad"}


def test_positive_is_compared_as_text(frame):
    frame["target"] = np.where(frame["target"] == 1, 7, 3)
    assert split_target(frame, "target", "7")[2] == 7


@pytest.mark.parametrize(
    ("target", "positive", "message"),
    [
        ("tarket", None, "no column 'tarket'. The columns are: age"),
        ("constant", None, "All rows have the value 1"),
        ("age", None, "has .* values.*--positive"),
        ("twenty", None, "has 20 values.*--positive"),
        ("target", "2", "No row has the value 2 in 'target'. It has: 0, 1"),
        ("holes", None, "3 rows have no value in 'holes'"),
    ],
)
def test_invalid_targets_are_refused(target, positive, message):
    frame = pd.DataFrame({"age": np.arange(200) % 70, "constant": 1})
    frame["target"] = (np.arange(200) % 15 == 0).astype(int)
    frame["twenty"] = np.arange(200) % 20
    frame["holes"] = frame["target"].where(np.arange(200) > 2)
    with pytest.raises(ValueError, match=message):
        split_target(frame, target, positive)


# ------------------------------------------------------------------------ data problems


def kinds(findings):
    return {finding.kind: finding.columns for finding in findings}


def test_no_findings_in_clean_data(frame):
    X, y, _ = split_target(frame, "target")
    assert inspect_table(X, y, KFold(4).split(X)) == []


def test_identifiers_and_constants(frame, rng):
    X, y, _ = split_target(frame, "target")
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
    X, y, _ = split_target(frame, "target")
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


def test_many_categories_do_not_look_like_a_leak(frame, rng):
    """Means of the target that include the row itself would: most rows are alone."""
    X, y, _ = split_target(frame, "target")
    X["street"] = rng.permutation([f"s{i // 2 if i < 10 else i}" for i in range(200)])
    assert inspect_table(X, y) == []


def test_duplicates_across_folds_are_counted(frame):
    X, y, _ = split_target(frame, "target")
    X, y = pd.concat([X, X[:30]], ignore_index=True), np.r_[y, y[:30]]
    found = inspect_table(X, y, KFold(5).split(X))
    (finding,) = found
    # Folds of 46 rows separate each of the 30 pairs.
    assert finding.kind == "duplicates" and "60 of 230 test rows" in finding.message
    together = [(np.arange(30, 200), np.r_[0:30, 200:230])]
    assert inspect_table(X, y, together) == []
