"""What rows hold and a training did not, and what lies beyond all of it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skadaptive._io.columns import Notes, ReadingOptions, infer_column
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive._saving.reference import reference_distributions
from skadaptive._saving.seen_values import (
    _MOST_ROWS,
    SeenValues,
    Unseen,
    UnseenCounts,
    _are_far,
)
from skadaptive.contenders import table_pipeline


def make_table(n_rows=200):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-03-01") + pd.to_timedelta(np.arange(n_rows), "D")
    return pd.DataFrame(
        {
            "amount": rng.lognormal(3, 2, n_rows),
            "flag": np.arange(n_rows) % 2.0,
            "seldom": np.where(np.arange(n_rows) % 50 == 7, 1.0, 0.0),
            "constant": 3.0,
            "gap": np.where(rng.random(n_rows) < 0.2, np.nan, 1.0),
            "day": days,
            "shop": rng.choice(["a", "b"], n_rows),
        }
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    X = make_table()
    path = tmp_path_factory.mktemp("seen") / "it.model"
    formats = {n: infer_column(X[n], n, ReadingOptions(), Notes())[1] for n in X}
    model = table_pipeline(LogisticRegression()).fit(X, X["flag"])
    facts = ModelFacts("logistic", "y", 1, False, [])
    save_model(path, model, formats, facts, reference=reference_distributions(X, None))
    return load_model(path)


def test_rows_of_the_training_have_nothing_new(saved):
    X, seen = make_table(), SeenValues(saved)
    assert not seen.unseen(X) and not seen.beyond(X)
    # Heavy tails reach beyond the greatest value of the training.
    assert not seen.beyond(X.assign(amount=100 * X["amount"]))


def test_dates_after_the_training_and_far_numbers_are_told(saved):
    X, seen = make_table(), SeenValues(saved)
    X.loc[[3, 9], "day"] = [pd.Timestamp("2024-09-17"), pd.Timestamp("1999-01-01")]
    X.loc[[4, 5, 6], "amount"] = [999_999_999, -1e9, np.nan]
    X.loc[8, ["constant", "seldom", "gap"]] = 1e300  # no distance to go by
    later, far = sorted(seen.beyond(X), key=lambda found: found.column, reverse=True)
    assert (later.kind, later.rows.tolist()) == ("later", [3])
    start = "Column day is after 2024-09-16, the last of the training, in row 4: "
    assert later.msg.startswith(start)
    assert far.msg == (
        "Column amount holds 999,999,999, -1,000,000,000 in rows 5, 6, far from all "
        "values of the training."
    )
    # They are no reason to refuse a row.
    assert {found.kind for found in seen.unseen(X)} == {"missing"}
    nothing = SeenValues(replace(saved, reference={}))
    assert not nothing.beyond(X)


@pytest.mark.parametrize(
    ("scale", "rows"),
    [(1e-308, [0, 2, 3]), (1e-60, [2, 3]), (1e60, [2, 3]), (1.7e308, [])],
)
def test_numbers_of_any_scale_are_compared_without_a_warning(scale, rows):
    X = pd.DataFrame({"x": scale * np.linspace(-1, 1, 50)})
    saved = SimpleNamespace(columns={}, reference=reference_distributions(X, None))
    seen = SeenValues(saved)
    assert not seen.beyond(X) and not seen.beyond(X / 2)
    far = seen.beyond(pd.DataFrame({"x": [1e-300, 0.0, 1.7e308, -1.7e308]}))
    assert [found.rows.tolist() for found in far] == [rows] * bool(rows)


def test_far_is_a_thousand_ranges_of_the_training_beyond_it():
    values = np.array([-10_001, -9_999, 10_009, 10_011.0])
    for edges in ([0.0, 2, 3, 10], [0.0, 7, 8, 10]):
        assert _are_far(values, edges).tolist() == [True, False, False, True]
    # Three values are a code, of which others may come.
    assert not _are_far(values, [0.0, 2, 10]).any() and not _are_far(values, []).any()


def test_counts_of_parts_are_those_of_all_rows(saved):
    X, seen = make_table(), SeenValues(saved)
    X.loc[::7, "shop"] = "new"
    X.loc[::9, "shop"] = None
    X.loc[50:, "day"] += pd.Timedelta(300, "D")
    whole, parts = UnseenCounts(), UnseenCounts()
    for found in (*seen.unseen(X), *seen.beyond(X)):
        whole.add(found)
    for start in range(0, len(X), 31):
        part = X.iloc[start : start + 31]
        one = UnseenCounts()
        for found in (*seen.unseen(part), *seen.beyond(part)):
            one.add(found)
        parts.update(one)
    assert parts == whole
    n_later, n_new = len(X) - 50, (X["shop"] == "new").sum()
    texts = [f" in {n:,} row" for n in (n_later, n_new, X["shop"].isna().sum())]
    assert all(t in line for t, line in zip(texts, whole.lines(), strict=True))


@pytest.mark.parametrize("n_more", [0, 1, 2])
def test_rows_that_are_not_named_are_counted(n_more):
    found = Unseen("city", "missing", np.arange(_MOST_ROWS + n_more))
    assert (f" and {n_more} more" in found.msg) == bool(n_more)
