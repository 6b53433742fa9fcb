"""What is stored of the training, and the types of tables that are read again."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skadaptive._io.columns import ColumnFormat
from skadaptive._saving.container import Parts
from skadaptive._saving.frames import read_frame, write_frame
from skadaptive._saving.reference import (
    OutOfFold,
    background_rows,
    check_distributions,
    reference_distributions,
    without_texts,
)
from skadaptive.drift import population_stability


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 300
    words = np.array(["the", "order", "of", "this", "customer", "arrived"])
    return pd.DataFrame(
        {
            "amount": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "age": rng.integers(18, 80, n),
            "zero": np.where(rng.random(n) < 0.6, 0.0, rng.normal(size=n)),
            "short": rng.normal(size=n).astype("float32"),
            "yes": rng.random(n) < 0.5,
            "city": np.where(rng.random(n) < 0.1, None, rng.choice(["Rome", "é"], n)),
            "level": pd.Categorical(rng.choice(["low", "high"], n), ["low", "high"]),
            "opened": pd.date_range("1969-01-01", periods=n).where(rng.random(n) < 0.9),
            "closed": pd.date_range("2020-01-01", periods=n, tz="Europe/Rome"),
            "never": np.full(n, np.datetime64("9999-12-31", "s")),
            "note": [" ".join(rng.choice(words, 6)) for _ in range(n)],
            "empty": np.full(n, np.nan),
            "nothing": np.full(n, None),
        }
    )


def test_a_table_keeps_its_types(table):
    parts = Parts()
    write_frame("background", table, parts)
    pd.testing.assert_frame_equal(read_frame("background", parts), table)


def test_a_table_without_rows_or_columns(table):
    for part in (table.iloc[:0][["amount", "city"]], table[[]]):
        parts = Parts()
        write_frame("background", part, parts)
        again = read_frame("background", parts)
        assert list(again) == list(part) and len(again) == len(part)


def test_background_is_a_sample_of_the_rows(table, global_random_seed):
    drawn = background_rows(table, None, global_random_seed)
    assert len(drawn) == 200
    merged = drawn.merge(table.reset_index(), how="left", on=["short", "age"])
    assert_array_equal(merged["index"], np.sort(merged["index"].unique()))
    pd.testing.assert_frame_equal(
        drawn, background_rows(table, None, global_random_seed)
    )
    assert not drawn.equals(background_rows(table, None, global_random_seed + 1))
    weight = np.r_[np.ones(50), np.zeros(250)]
    kept = background_rows(table, weight, global_random_seed)
    pd.testing.assert_frame_equal(kept, table.iloc[:50])


def test_distributions_hold_every_row_once(table):
    rows = OutOfFold(np.zeros(len(table), int), np.linspace(0, 1, len(table)) ** 2)
    found = reference_distributions(table, rows)
    assert list(found["features"]) == list(table)
    for name, distribution in [*found["features"].items(), ("scores", found["scores"])]:
        missing = 0 if name == "scores" else table[name].isna().sum()
        assert distribution["missing"] == missing
        if distribution["kind"] != "text":
            others = distribution.get("others", 0)
            assert sum(distribution["counts"]) + others + missing == len(table)
    kinds = {name: d["kind"] for name, d in found["features"].items()}
    assert kinds["yes"] == "number" and kinds["level"] == "category"
    assert kinds["opened"] == kinds["closed"] == kinds["never"] == "date"
    for distribution in found["features"].values():
        assert ("last" in distribution) == (distribution["kind"] == "date")
    last = pd.Timestamp(found["features"]["opened"]["last"], unit="s")
    assert last == pd.to_datetime(table["opened"]).max()
    # The bins say nothing of a single free text.
    assert found["features"]["note"] == {"kind": "text", "missing": 0}


def test_bins_are_those_of_the_stability_index(table):
    """A value that fills two quantiles has a bin of its own."""
    found = reference_distributions(table, None)["features"]
    for name in ("amount", "zero", "age"):
        counts = [n for n in found[name]["counts"] if n]
        n_bins = population_stability(table[[name]], table[[name]])["n_bins"].item()
        assert len(counts) + (found[name]["missing"] > 0) == n_bins
        values = table[name].dropna().to_numpy(float)
        bins = np.searchsorted(found[name]["edges"], values)
        assert_array_equal(np.bincount(bins), found[name]["counts"])
    assert (table["zero"] == 0).sum() in found["zero"]["counts"]


GOOD = {
    "n_rows": 10,
    "features": {
        "x": {
            "kind": "number",
            "missing": 0,
            "edges": [0, 0, 1.5],
            "counts": [1, 2, 3, 4],
        },
        "none": {"kind": "date", "missing": 10, "edges": [], "counts": []},
        "city": {
            "kind": "category",
            "missing": 1,
            "values": ["a", "b"],
            "counts": [4, 5],
            "others": 0,
        },
        "note": {"kind": "text", "missing": 2},
    },
    "scores": None,
}


def test_distributions_that_fit_are_taken():
    columns = ["x", "none", "city", "note", "more"]
    check_distributions({}, [])
    check_distributions(GOOD, columns)
    check_distributions(GOOD | {"scores": GOOD["features"]["x"]}, columns)
    with pytest.raises(ValueError, match="other columns than the model's"):
        check_distributions(GOOD, columns[1:])


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("x", {"edges": [0, 2, 1]}, "not in order"),
        ("x", {"edges": [0, 1, np.inf]}, "not in order"),
        ("x", {"edges": [np.nan, 1, 2]}, "not in order"),
        ("x", {"edges": [[0, 1, 2]]}, "not in order"),
        ("x", {"edges": [0, 1]}, "do not fit the bins"),
        ("x", {"counts": [1, 2, 3]}, "do not fit the bins"),
        ("x", {"counts": [1, 2, 3, -1]}, "no numbers of rows"),
        ("x", {"counts": [1, 2, 3, 2**53]}, "no numbers of rows"),
        ("x", {"counts": [1, 2, 3, 4.0]}, "no numbers of rows"),
        ("x", {"counts": [1, 2, 3, True]}, "no numbers of rows"),
        ("x", {"missing": -1}, "no numbers of rows"),
        ("x", {"kind": "color"}, "of no known kind"),
        ("none", {"last": np.nan}, "a last date is none"),
        ("none", {"counts": [10]}, None),
        ("none", {"counts": [4, 6]}, "do not fit the bins"),
        ("city", {"others": "1"}, "no numbers of rows"),
        ("city", {"values": ["a", 1]}, "are no texts"),
        ("city", {"values": ["a"]}, "do not fit the bins"),
        ("note", {"missing": None}, "no numbers of rows"),
        ("note", {"counts": ["?"]}, None),
    ],
)
@pytest.mark.parametrize("as_scores", [False, True])
def test_one_wrong_part_is_refused(name, wrong, message, as_scores):
    of = GOOD["features"][name] | wrong
    made = GOOD | {"features": GOOD["features"] | {name: of}}
    if as_scores:
        made = GOOD | {"scores": of}
    if message is None:
        check_distributions(made, GOOD["features"])
    else:
        with pytest.raises(ValueError, match=message):
            check_distributions(made, GOOD["features"])


def test_formats_keep_the_categories_and_no_free_texts(table):
    levels = dict.fromkeys(("city", "level", "note"), ("one", "two"))
    formats = {name: ColumnFormat("category", levels=of) for name, of in levels.items()}
    kept = without_texts(formats, table)
    assert {name: column.levels for name, column in kept.items()} == {
        **levels,
        "note": (),
    }
