"""Streams with and without a known change: what is named, since when, and by what."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from skadaptive import cli, monitor
from skadaptive._monitoring.breaches import LEAST_INDEX
from skadaptive._monitoring.tables import Training
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive.comparison import compare
from skadaptive.contenders import table_pipeline


def named(found):
    return [(breach.kind, breach.name, breach.since) for breach in found.breaches]


@pytest.mark.parametrize("with_labels", [False, True])
def test_nothing_is_found_where_nothing_changes(model_file, later, with_labels):
    for seed in range(4):
        X, y, period = later(seed)
        found = monitor(model_file, X, y if with_labels else None, time=period)
        assert not found.has_changed, found
        assert found.n_tests == len(found.measures) + len(found.since) + len(
            found.features
        )


def test_the_last_fit_differs_from_those_of_the_folds_by_no_breach():
    """Boosting in 1,500 rows is surer with a quarter of them more."""
    rng, n_rows = np.random.default_rng(0), 1500
    X, y = (
        np.concatenate(part)
        for part in zip(*(_hard_rows(rng, n_rows) for _ in range(3)), strict=True)
    )
    contenders = {"boosting": HistGradientBoostingClassifier()}
    known = compare(
        X[:n_rows], y[:n_rows], contenders=contenders, random_state=0, verbose=0
    )
    found = monitor(known, X[n_rows:])
    assert "predict_proba" not in {breach.name for breach in found.breaches}
    score = found.features.set_index("feature").loc["predict_proba"]
    assert score["psi"] < LEAST_INDEX / 2


def _hard_rows(rng, n_rows):
    y = (rng.random(n_rows) < 0.1).astype(int)
    return rng.normal(size=(n_rows, 8)) + np.outer(y, [1.2, 0.8, 0.5] + 5 * [0]), y


@pytest.fixture(scope="session")
def training_in_time(compared):
    """The rows of the training, in periods between which "weak" varies."""
    X = compared._data.X.reset_index(drop=True)
    rng = np.random.default_rng(0)
    order = X["weak"].rank() + rng.normal(scale=0.4 * len(X), size=len(X))
    return X, compared._data.y, pd.qcut(order, 4, labels=[1, 2, 3, 4]).astype(int)


@pytest.mark.parametrize("with_labels", [False, True])
def test_what_varies_in_the_training_too_is_a_note(
    model_file, training_in_time, with_labels
):
    X, y, period = training_in_time
    found = monitor(model_file, X, y if with_labels else None, time=period)
    assert not found.has_changed, found
    varies = found.features[found.features["varies"]]
    assert set(varies["feature"]) == {"weak"}
    worst = varies.loc[varies["psi"].idxmax(), "period"]
    (note,) = (note for note in found.notes if note.startswith("weak differs"))
    edge, share = re.search(r"above (-?[\d.]+) in (\d+)\W% of the rows", note).groups()
    assert f"in period {worst} it is above" in note
    rows = X["weak"][period == int(worst)]
    assert 100 * np.mean(rows > float(edge)) == pytest.approx(int(share), abs=0.6)


@pytest.mark.parametrize("with_labels", [False, True])
def test_a_season_is_a_note_and_a_change_beside_it_a_breach(
    seasonal_model_file, a_year, with_labels
):
    """Other rows than those of the training, whose shares differ by luck, too."""
    n_varying = 0
    for seed in range(6):
        X, y, period = a_year(seed)
        labels = y if with_labels else None
        found = monitor(seasonal_model_file, X, labels, time=period)
        assert not found.has_changed, found
        assert set(found.features.loc[found.features["varies"], "feature"]) >= {
            "strong"
        }
        n_varying += found.measures["varies"].sum() + found.since["varies"].sum()
    assert n_varying > 10
    X["weak"] += 0.5 * (period >= 5)
    found = monitor(seasonal_model_file, X, labels, time=period)
    assert named(found)[0] == ("feature", "weak", "5")


def test_dates_are_no_breach_and_later_ones_are_told(dated_model_file, later):
    X, _, period = later(0)
    rng = np.random.default_rng(0)
    for start, n_later in [("2023-02-01", 0), ("2024-02-01", len(X))]:
        days = pd.to_timedelta(rng.integers(0, 250, len(X)), "D")
        found = monitor(
            dated_model_file, X.assign(day=pd.Timestamp(start) + days), time=period
        )
        assert "day" not in {breach.name for breach in found.breaches}
        of_days = found.features[found.features["feature"] == "day"]
        assert len(of_days) == 4 and (of_days["missing"] == 0).all()
        assert any("missing values are compared: day." in note for note in found.notes)
        told = [note for note in found.notes if note.startswith("Column day is after")]
        assert len(told) == bool(n_later)
        if n_later:
            end = "2023-11-30 04:00:00, the last of the training, in 6,000 rows"
            assert end in told[0]


def test_no_share_is_estimated_where_features_vary(seasonal_model_file, a_year):
    """Scores that move with the season would pass for another share."""
    X, _, period = a_year(0, (0.1,) * 4 + (0.17,) * 4)
    found = monitor(seasonal_model_file, X, time=period)
    features = found.features[found.features["feature"] == "strong"]
    differs = set(features["period"][features["p_holm"] <= 0.01])
    assert features["varies"].any() and len(differs) > features["varies"].sum()
    for table, periods in [
        (found.measures, differs),
        (found.since, map(str, range(1, 1 + int(max(differs))))),
    ]:
        estimated = table[table["measure"] == "estimated_share"]
        beyond = (estimated["p_holm"] <= 0.01) & estimated["period"].isin(periods)
        assert beyond.sum() >= 2 and not estimated["breach"][beyond].any()
    assert any("features have moved as well" in note for note in found.notes)


def test_a_change_beside_such_periods_is_a_breach(model_file, training_in_time):
    X, _, period = training_in_time
    X = X.assign(weak=X["weak"] + 2.5 * (period == 4))
    found = monitor(model_file, X, time=period)
    assert named(found)[0][:2] == ("feature", "weak")
    assert "most in period 4: it is above" in found.breaches[0].message


def test_a_period_is_named_and_not_what_periods_come_to_together(model_file, later):
    X, _, period = later(0)
    X["weak"] += 0.8 * (period == 2) - 0.8 * (period == 3) - 1.5 * (period == 4)
    (breach,) = (b for b in monitor(model_file, X, time=period).breaches[:1])
    assert breach.name == "weak" and breach.periods == ("2", "3", "4")
    assert ", most in period 4: it is above" in breach.message
    assert "is missing" not in breach.message


@pytest.mark.parametrize("with_labels", [False, True])
def test_a_feature_that_moves_is_named_first(
    model_file, later, with_labels, global_random_seed
):
    X, y, period = later(global_random_seed)
    X.loc[period >= 3, "weak"] += 0.6
    found = monitor(model_file, X, y if with_labels else None, time=period)
    assert named(found)[0] == ("feature", "weak", "3")
    # The share has not changed, although scores have.
    assert {kind for kind, _, _ in named(found)} <= {"feature", "measure", "alarms"}


def test_the_share_is_named_without_labels_and_with_them(
    model_file, later, global_random_seed
):
    X, y, period = later(global_random_seed, (0.1, 0.1, 0.2, 0.2))
    found = monitor(model_file, X, time=period)
    assert named(found)[0] == ("share", "estimated_share", "3")
    found = monitor(model_file, X, y, time=period)
    assert named(found)[0] == ("share", "share", "3")
    # How well rare rows are found has not changed.
    assert {name for _, name, _ in named(found)} <= {"share", "alarms", "calibration"}


def test_a_renamed_category_is_named_with_both_names(model_file, later):
    X, _, period = later(0)
    X.loc[(period >= 2) & (X["city"] == "Oslo"), "city"] = "OSLO"
    found = monitor(model_file, X, time=period)
    assert named(found)[0] == ("feature", "city", "2")
    assert "'OSLO'" in found.breaches[0].message
    assert "'Oslo' fell" in found.breaches[0].message
    new = found.new_categories
    assert set(new["value"]) == {"OSLO"} and set(new["period"]) == {"2", "3", "4"}
    assert new["rows"].sum() == (X["city"] == "OSLO").sum()


def test_the_values_of_the_worst_period_are_named(model_file, later):
    X, _, period = later(0)
    X.loc[(period == 2) & (X["city"] == "Oslo"), "city"] = "OSLO"
    X.loc[np.flatnonzero(period == 3)[:300:10], "city"] = "roma"
    found = monitor(model_file, X, time=period)
    assert named(found)[0] == ("feature", "city", "2")
    message = found.breaches[0].message
    assert "'OSLO'" in message and "roma" not in message


def test_wrong_labels_show_in_the_measures(model_file, later, rng):
    X, y, period = later(1)
    flipped = (period >= 3) & (rng.random(len(y)) < 0.06)
    found = monitor(model_file, X, np.where(flipped, 1 - y, y), time=period)
    kinds = {kind for kind, _, _ in named(found)}
    assert kinds == {"share", "measure"}
    assert {since for _, _, since in named(found)} == {"3"}
    assert "The scores do not show it" in found.breaches[0].message
    assert not monitor(model_file, X, time=period).has_changed


def test_missing_values_are_named(model_file, later):
    X, _, period = later(0)
    X["strong"] = X["strong"].mask(period == 2)
    found = monitor(model_file, X, time=period)
    assert named(found)[0] == ("feature", "strong", "2")
    assert "is missing in 100" in found.breaches[0].message
    assert found.breaches[0].periods == ("2",)


def test_a_better_model_is_a_note_and_no_breach(model_file, later):
    X, y, _ = later(0)
    X["strong"] += 2 * y - 0.2
    found = monitor(model_file, X, y)
    assert "average_precision" not in {name for _, name, _ in named(found)}
    assert any("average precision is better" in note for note in found.notes)


def test_small_changes_show_in_all_later_rows_together(model_file, later):
    """In no period does the share differ beyond luck."""
    X, y, period = later(4, (0.1, 0.1, *(0.13,) * 12), n_rows=600)
    found = monitor(model_file, X, y, time=period)
    shares = found.measures[found.measures["measure"] == "share"]
    assert not shares["breach"].any()
    (breach,) = (one for one in found.breaches if one.name == "share")
    assert int(breach.since) in (2, 3, 4) and breach.periods[-1] == "14"


def test_measures_that_need_more_rows_than_a_period_has_are_of_all_together(
    model_file, later, rng
):
    """No period has ten rare rows."""
    X, y, _ = later(0, (0.1,), n_rows=1500)
    found = monitor(model_file, X, rng.permutation(y), time=np.arange(1500), period=75)
    assert "average_precision" not in set(found.measures["measure"])
    assert found.since["breach"].any() and found.has_changed
    (breach,) = (one for one in found.breaches if one.name == "average_precision")
    assert "average precision has fallen" in breach.message
    assert breach.periods[-1] == found.periods["period"].iloc[-1]
    # So that the tables and the sentences say the same.
    assert set(found.since.loc[found.since["breach"], "measure"]) <= {
        one.name for one in found.breaches
    }


@pytest.mark.parametrize("n_known", [0, 5])
def test_few_labels_do_not_silence_the_estimated_share(model_file, later, n_known):
    X, y, _ = later(0, (0.25,))
    known = np.where(np.arange(len(y)) < n_known, y, None)
    found = monitor(model_file, X, known)
    assert named(found)[0] == ("share", "estimated_share", "all rows")


def test_few_labels_by_period_may_be_enough_together(model_file, later):
    X, y, period = later(0, (0.1, 0.1, 0.1))
    rare = np.flatnonzero(y == 1)
    for n_rare, has_measures in ((4, True), (3, False)):
        of_periods = [rare[period[rare] == k][:n_rare] for k in (1, 2, 3)]
        known = np.where(y == 0, y.astype(object), None)
        known[np.concatenate(of_periods)] = 1
        found = monitor(model_file, X, known, time=period)
        (note,) = (text for text in found.notes if "need 10 rows" in text)
        of_all = found.since[found.since["period"] == "1"]
        assert ("recall" in set(of_all["measure"])) == has_measures
        assert note.endswith(
            "They are not compared in the periods 1, 2 and 3"
            + (
                "; over all labelled rows together they are."
                if has_measures
                else ", nor over all labelled rows together."
            )
        )
    (note,) = (
        t for t in monitor(model_file, X[:90], known[:90]).notes if "need 10 rows" in t
    )
    assert "together" not in note


def test_missing_labels_of_any_kind(model_file, later):
    X, y, _ = later(0, (0.1,))
    expected = monitor(model_file, X, np.where(np.arange(len(y)) < 9, None, y))
    for missing in (
        pd.Series(y, dtype="Int64").where(np.arange(len(y)) >= 9),
        np.where(np.arange(len(y)) < 9, np.nan, y),
    ):
        found = monitor(model_file, X, missing)
        pd.testing.assert_frame_equal(found.measures, expected.measures)


def test_labels_may_be_missing(model_file, later):
    X, y, period = later(0, (0.1, 0.1, 0.1, 0.25))
    known = np.where(period < 4, y, None)
    found = monitor(model_file, X, known, time=period)
    assert found.periods["labelled"].tolist() == [1500, 1500, 1500, 0]
    assert found.periods["rare"].iloc[:3].sum() == y[period < 4].sum()
    # The last period has only its scores.
    assert ("share", "estimated_share", "4") in named(found)


def test_the_order_of_rows_and_names_of_columns_do_not_matter(model_file, later, rng):
    X, y, period = later(0, (0.1, 0.2))
    order = rng.permutation(len(X))
    found = monitor(model_file, X, y, time=period)
    mixed = X.iloc[order][["city", "gap", "weak", "strong"]]
    again = monitor(model_file, mixed, y[order], time=period[order])
    pd.testing.assert_frame_equal(found.features, again.features)
    pd.testing.assert_frame_equal(found.measures, again.measures)


def test_rows_of_weight_0_count_for_no_measure(model_file, later):
    X, y, _ = later(0)
    weight = np.ones(len(y))
    weight[::3] = 0
    found = monitor(model_file, X, y, sample_weight=weight).measures
    kept = monitor(model_file, X[weight > 0], y[weight > 0]).measures
    pd.testing.assert_frame_equal(found, kept)


def test_a_comparison_and_its_file_give_the_same(model_file, compared, later):
    X, y, period = later(0, (0.1, 0.2))
    by_file = monitor(model_file, X, y, time=period)
    directly = monitor(compared, X, y, time=period)
    assert by_file.to_json() == directly.to_json()


def test_arrays_have_the_columns_of_the_training(later):
    X, y = make_classification(600, 4, weights=[0.8], random_state=0)
    models = {"logistic": LogisticRegression()}
    found = compare(X[:300], y[:300], contenders=models, random_state=0, verbose=0)
    moved = X[300:] + np.array([0, 3, 0, 0])
    assert named(monitor(found, moved))[0][:2] == ("feature", "x1")
    with pytest.raises(ValueError, match="X has 3 columns, and the model"):
        monitor(found, X[:, :3])


def test_a_threshold_decides_what_an_alarm_is(model_file, later):
    X, _, _ = later(0)
    saved = load_model(model_file)
    proba, known = saved.model.predict_proba(X)[:, 1], saved.out_of_fold.probability
    for threshold in (0.05, 0.3, np.sort(known)[-300], np.sort(proba)[-300]):
        found = monitor(model_file, X, threshold=threshold)
        (alarms,) = found.measures.query("measure == 'alarms'").itertuples()
        assert alarms.value == pytest.approx((proba > threshold).mean())
        assert alarms.expected == pytest.approx((known > threshold).mean())


@pytest.mark.parametrize("n_others", [5, 6, 8])
def test_five_dates_and_texts_are_named_and_the_others_counted(
    n_others, model_file, later
):
    training = Training(load_model(model_file), 0.5)
    training._others = [f"day{number}" for number in range(n_others)]
    X, _, _ = later(0)
    periods = SimpleNamespace(codes=np.zeros(len(X), dtype=int))
    (note,) = training._first_notes(SimpleNamespace(X=X, periods=periods))
    more = f" and {n_others - 5} more" if n_others > 5 else ""
    assert note.endswith(f"compared: day0, day1, day2, day3, day4{more}.")


# ---------------------------------------------------------------------------- mistakes


def test_a_file_without_a_reference_is_refused(model_file, later):
    X, _, _ = later(0)
    saved = load_model(model_file)
    for changed in ({"out_of_fold": None}, {"reference": {}}):
        with pytest.raises(ValueError, match="holds nothing of the training.*--save"):
            monitor(replace(saved, **changed), X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": "city"}, "it lacks city"),
        ({"add": "other"}, "has, not trained on, other"),
        ({"y": 2}, "labels that are not known: 2 in row 6. The classes are 0, 1;"),
        ({"y": "1"}, "not known: '1' in 12 rows, first in row 1; '0' in 88 rows"),
        ({"weight": 0}, "sample_weight is 0 in all rows that have a time"),
        ({"time": [1, 2]}, "The same rows are needed in all"),
        ({"rows": 0}, "X has no rows"),
    ],
)
def test_mistakes_are_named(model_file, later, change, message):
    X, y, _ = later(0)
    X, y = X[: change.get("rows", 100)], y[:100]
    if "drop" in change:
        X = X.drop(columns=change["drop"])
    if "add" in change:
        X = X.assign(**{change["add"]: 1})
    if "y" in change:
        y = np.where(np.arange(len(y)) == 5, change["y"], y)
    time, weight = change.get("time"), None
    if "weight" in change:
        time = np.where(np.arange(len(y)) < 50, np.nan, 1.0)
        weight = np.where(np.isnan(time), 1, change["weight"])
    with pytest.raises(ValueError, match=message):
        monitor(model_file, X, y, time=time, sample_weight=weight)


def test_what_is_no_model_is_refused(later):
    with pytest.raises(ValueError, match="file of 'skadaptive compare --save'"):
        monitor(LogisticRegression(), later(0)[0])


# --------------------------------------------------------------------- text, page, JSON


@pytest.fixture(scope="module")
def changed(model_file, later):
    X, y, period = later(0, (0.1, 0.1, 0.2, 0.2))
    X.loc[(period >= 2) & (X["city"] == "Oslo"), "city"] = "<b>OSLO"
    day = pd.Series(pd.Timestamp("2024-01-15") + pd.to_timedelta(31 * period, "D"))
    return monitor(model_file, X, y, time=day)


def test_text_json_and_page_say_the_same(changed, tmp_path):
    markupsafe = pytest.importorskip("markupsafe")
    values = json.loads(json.dumps(changed.to_json(), allow_nan=False))
    page = changed.to_html(tmp_path / "monitor.html").read_text(encoding="utf-8")
    assert values["breach"] is True and "4 things have" in page
    names = [one["name"] for one in values["breaches"]]
    assert names == ["city", "share", "calibration", "alarms"]
    for breach in changed.breaches:
        assert breach.message in repr(changed)
        assert str(markupsafe.escape(breach.message)) in page
    assert "<b>OSLO" not in page and "&lt;b&gt;OSLO" in page
    assert "&lt;b&gt;OSLO" in changed._repr_html_()
    assert len(values["measures"]) == len(changed.measures) == 4 * 8
    # One figure for each measure, and nothing from elsewhere.
    assert page.count("<svg ") == 8
    assert "http" not in page.replace("http-equiv", "")
    again = changed.to_html(tmp_path / "again.html").read_text(encoding="utf-8")
    assert page == again


def test_a_page_of_one_period_without_labels(model_file, later, tmp_path):
    pytest.importorskip("jinja2")
    found = monitor(model_file, later(0)[0])
    page = found.to_html(tmp_path / "monitor.html", title="My title").read_text()
    assert "<h1>My title</h1>" in page and "Nothing has changed beyond luck" in page
    assert 'id="measures"' not in page and page.count("<svg ") == 2


# ------------------------------------------------------------------------- the command


@pytest.fixture
def here(model_file, later, tmp_path, monkeypatch):
    X, y, period = later(0, (0.1, 0.1, 0.25))
    day = pd.Timestamp("2024-01-15") + pd.to_timedelta(31 * period, "D")
    table = X.assign(y=y, day=pd.Series(day).dt.strftime("%d.%m.%Y"))
    table.to_csv(tmp_path / "later.csv", index=False)
    table[period == 1].to_csv(tmp_path / "steady.csv", index=False)
    table.assign(y=np.where(period == 3, None, y)).to_csv(
        tmp_path / "partly.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    return str(model_file)


def test_exit_codes(here, capsys):
    assert cli.main(["monitor", here, "steady.csv", "--drop", "day"]) == 0
    assert "no breach at the level of 1 %" in capsys.readouterr().out
    command = ["monitor", here, "later.csv", "--time", "day", "--target", "y"]
    assert cli.main(command) == 3
    assert "The share of the rare class has risen in period" in capsys.readouterr().out
    assert cli.main(["monitor", here, "later.csv", "--target", "nope"]) == 2
    assert "There is no column nope" in capsys.readouterr().err
    assert cli.main(["monitor", here, "later.csv", "--target", "day"]) == 2
    assert "Column day holds labels that are not known" in capsys.readouterr().err
    assert cli.main(["monitor", here, "later.csv", "--period", "day"]) == 2
    assert "--period needs --time" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["monitor", "evaluate"])
@pytest.mark.parametrize(
    ("positive", "written"),
    [("rare", ["usual", "other", "RARE"]), (2, [0, "other", 2])],
)
def test_labels_may_be_written_otherwise(
    here, compared, capsys, command, positive, written
):
    """In capitals, or as texts, since a word is among them."""
    known = compared._data
    y = np.where(known.y == 1, str(positive), f"not {positive}")
    saved = load_model(here)
    model = table_pipeline(LogisticRegression()).fit(known.X, y)
    facts = ModelFacts("logistic", "y", positive, True, [])
    stored = {"out_of_fold": saved.out_of_fold, "reference": saved.reference}
    save_model("others.model", model, saved.columns, facts, **stored)
    table = pd.read_csv("steady.csv")
    kind = np.where(table["y"] == 1, 2, np.arange(len(table)) % 2)
    table.assign(y=[written[k] for k in kind]).to_csv("written.csv", index=False)
    options = ["--target", "y", "--drop", "day", "--json"]
    code = cli.main([command, "others.model", "written.csv", *options])
    printed = capsys.readouterr()
    assert code in (0, 3), printed.err
    found = json.loads(printed.out)
    if command == "monitor":
        assert found["periods"][0]["rare"] == table["y"].sum()
    else:
        cells = np.array(found["confusion_matrix"])[:, 0].reshape(2, 2)
        assert table["y"].sum() in cells.sum(axis=1)


@pytest.mark.slow
def test_a_process_ends_with_the_code(here, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "skadaptive.cli", "monitor", here, "later.csv"]
        + ["--time", "day", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["breaches"][0]["name"] == "estimated_share"
    assert "TensorFlow" not in done.stderr


def test_files_are_written_and_their_names_checked_before(here, tmp_path, capsys):
    pytest.importorskip("jinja2")
    command = ["monitor", here, "partly.csv", "--time", "day", "--target", "y"]
    written = ["--report", "monitor.html", "--json", "monitor.json"]
    assert cli.main([*command, *written, "--period", "month"]) == 3
    out, error = capsys.readouterr()
    assert "The report was written to monitor.html" in out
    assert "Without a label, since 'y' is empty: 1,500 rows" in error
    values = json.loads((tmp_path / "monitor.json").read_text())
    months = [one["period"] for one in values["periods"]]
    assert months == ["2024-02", "2024-03", "2024-04"]
    page = (tmp_path / "monitor.html").read_text(encoding="utf-8")
    assert "partly.csv" in page and "Read as dates" in page
    assert cli.main([*command, "--report", "partly.csv"]) == 2
    assert cli.main([*command, "--json", "nowhere/monitor.json"]) == 2
