"""How rows of requests are read, without a server."""

import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from running import make_table

from skadaptive import cli
from skadaptive._io.tables import read_table
from skadaptive._saving.model_files import load_model
from skadaptive._serving.model import ServedModel, ServerSettings
from skadaptive._serving.recent import N_RECENT, RecentRows
from skadaptive._serving.rows import RowReader, RowsRefused
from skadaptive._serving.server import Address, serve
from skadaptive.drift import population_stability


@pytest.fixture(scope="module")
def saved(model_file):
    return load_model(model_file)


def test_columns_that_are_no_features_are_ignored(saved):
    facts = replace(saved.facts, target="fraud", unused_columns=["note"])
    for id_column, more in (("key", {"key"}), (None, set())):
        others = replace(saved, facts=replace(facts, id_column=id_column))
        assert RowReader(others).ignored == {"fraud", "note"} | more


@pytest.mark.parametrize(
    ("host", "token", "is_told"),
    [("0.0.0.0", None, True), ("0.0.0.0", "secret", False), ("127.0.0.1", None, False)],
)
def test_a_server_without_token_that_others_reach_is_told(
    host, token, is_told, model_file, monkeypatch
):
    monkeypatch.setattr(Address, "bind", Mock(side_effect=ValueError("it is taken")))
    settings, notes = ServerSettings(str(model_file), token=token), []
    with pytest.raises(ValueError, match="it is taken"):
        serve(settings, Address(host, 8080), 1, note=notes.append)
    assert any("no token" in note for note in notes) == is_told


def test_json_and_csv_are_read_as_a_file_is(saved, tmp_path):
    """Every cell of a file, in each of the three ways."""
    table = make_table(80, seed=4)
    table.to_csv(tmp_path / "new.csv", index=False)
    read = read_table(
        tmp_path / "new.csv", known=saved.columns, as_written=["fraud", "key"]
    )
    expected = read.frame[list(saved.columns)]
    reader = RowReader(saved)
    for frame, _ in (
        reader.of_json(table.to_dict("records")),
        reader.of_csv(table.to_csv(index=False).encode()),
        reader.of_csv(b"\xef\xbb\xbf" + table.to_csv(index=False, sep="\t").encode()),
    ):
        assert list(frame) == list(expected)
        for name in expected:
            now, then = frame[name], expected[name]
            if saved.columns[name].kind == "number":
                assert_array_equal(now.astype(float), then.astype(float))
            else:
                assert_array_equal(now.isna(), then.isna())
                assert (now[now.notna()] == then[then.notna()]).all(), name
    assert expected["visits"].isna().any()


def test_order_of_columns_and_rows_does_not_matter(saved, rng):
    rows = make_table(30).drop(columns=["fraud", "key"]).to_dict("records")
    reader = RowReader(saved)
    whole, _ = reader.of_json(rows)
    order = rng.permutation(len(rows))
    shuffled = [dict(rng.permutation(list(rows[i].items())).tolist()) for i in order]
    again, _ = reader.of_json(shuffled)
    pd.testing.assert_frame_equal(again, whole.iloc[order].reset_index(drop=True))


def test_all_problems_of_a_request_are_told_together(saved):
    row = make_table(1).to_dict("records")[0]
    with pytest.raises(RowsRefused) as refused:
        RowReader(saved).of_json([row | {"age": "old", "opened": "soon", "size": []}])
    told = {problem["loc"][-1] for problem in refused.value.problems}
    assert told == {"age", "opened", "size"}


@pytest.mark.parametrize("bad", [0, 3, 36])
@pytest.mark.parametrize(
    "values",
    [{"age": "old"}, {"opened": "soon"}, {"size": 10**400}, {"region": "\ud800"}],
)
def test_the_row_of_a_value_that_cannot_be_read_is_told(saved, values, bad):
    rows = make_table(40).to_dict("records")[:37]
    rows[bad] |= values
    rows[36] |= values  # the first one is told
    with pytest.raises(RowsRefused) as refused:
        RowReader(saved).of_json(rows)
    (problem,) = refused.value.problems
    assert problem["loc"] == ["body", "rows", bad, *values]
    if not values.keys() <= {"size", "region"}:  # what would be odd in any row
        assert f"row {bad + 1} " in problem["msg"]


def test_values_of_another_kind_are_told_with_their_rows(saved):
    rows = make_table(4).to_dict("records")
    for i, wrong in ((1, []), (3, {})):
        rows[i]["age"] = wrong
    with pytest.raises(RowsRefused) as refused:
        RowReader(saved).of_json(rows)
    told = [problem["msg"] for problem in refused.value.problems]
    assert [text.split(";")[0] for text in told] == [
        "Column age held numbers in training"
    ] * 2
    assert [f"row {i} has" in text for i, text in zip((2, 4), told, strict=True)] == [
        True,
        True,
    ]


def test_columns_that_are_absent_or_unknown_are_told_with_their_row(saved):
    rows = make_table(3).to_dict("records")
    rows[1] |= {"hieght": 1}
    del rows[2]["age"]
    with pytest.raises(RowsRefused) as refused:
        RowReader(saved).of_json(rows)
    unknown, absent = sorted(refused.value.problems, key=lambda found: found["loc"])
    assert unknown["loc"] == ["body", "rows", 1, "hieght"]
    assert unknown["msg"].startswith("Column 'hieght' of row 2 was not in the training")
    assert absent["loc"] == ["body", "rows", 2, "age"] and "row 3" in absent["msg"]


def test_a_single_row_of_a_new_category_is_told_once(saved):
    reader = RowReader(saved)
    row = make_table(1).to_dict("records")[0] | {"region": "nowhere"}
    frame, notes = reader.of_json([row])
    (unseen,) = reader.seen.unseen(frame)
    assert "nowhere" in unseen.msg and not notes
    _, (note,) = reader.of_json([row, row])
    assert "'nowhere', 2 rows of 2; in training" in note


def test_missing_values_that_training_saw_need_no_warning(saved):
    reader = RowReader(saved)
    row = make_table(1).to_dict("records")[0]
    assert reader.seen.never_missing == set(saved.columns) - {"visits"}
    frame, _ = reader.of_json([row | {"visits": None}])
    assert not reader.seen.unseen(frame)
    # A file without distributions does not tell what training saw.
    frame, _ = reader.of_json([row | {"age": None}])
    assert [found.column for found in reader.seen.unseen(frame)] == ["age"]
    assert not RowReader(replace(saved, reference={})).seen.unseen(frame)


def test_strict_refuses_what_training_did_not_see(model_file, tmp_path):
    pytest.importorskip("fastapi")
    from skadaptive._serving.app import Worker

    row = make_table(1).to_dict("records")[0]
    settings = ServerSettings(str(model_file), folder=str(tmp_path))
    for change in ({"region": "west"}, {"age": None}):
        (column,) = change
        body = json.dumps({"rows": [row, row | change]}).encode()
        answer = json.loads(Worker(settings).answer(body, False, None))
        assert [w["column"] for w in answer["warnings"]] == [column]
        with pytest.raises(RowsRefused, match=f"Column {column} .* row 2"):
            Worker(replace(settings, strict=True)).answer(body, False, None)


def test_drift_is_that_of_the_whole_tables(saved, model_file, tmp_path):
    """From bins, the same as from the values; of numbers, dates left out."""
    model = ServedModel.load(ServerSettings(str(model_file)))
    tables = []
    for seed in (0, 5):
        make_table(700 if seed else 400, seed).to_csv(tmp_path / "t.csv", index=False)
        read = read_table(
            tmp_path / "t.csv", known=saved.columns, as_written=["fraud", "key"]
        )
        tables.append(read.frame[list(saved.columns)].drop(columns="opened"))
    rows, _ = model.reader.of_json(make_table(700, 5).to_dict("records"))
    probability = model.probability(rows)
    codes = model.bins.codes(rows, probability, probability > 0.5)
    recent = RecentRows(tmp_path / "recent", codes.shape[1])
    other = RecentRows(tmp_path / "recent", codes.shape[1])  # of another worker
    for i, part in enumerate(np.array_split(codes, 7)):
        (recent, other)[i % 2].add(part)
    found = model.bins.stability(recent.read())
    expected = population_stability(*tables)
    assert sorted(found) == sorted(expected.index)
    for name, (psi, by_chance) in found.items():
        np.testing.assert_allclose(
            [psi, by_chance], expected.loc[name, ["psi", "psi_by_chance"]].tolist()
        )
    assert_array_equal(other.read(), codes)
    for file in (recent, other):
        file.close()


def test_the_last_rows_are_kept(tmp_path, rng):
    recent, added = RecentRows(tmp_path / "recent", 2), []
    for size in (3, N_RECENT - 5, 1, 40, 2 * N_RECENT + 7, 11):
        added.append(rng.integers(0, 9, (size, 2)).astype(np.uint16))
        recent.add(added[-1])
        last = np.concatenate(added)[-N_RECENT:]
        found = recent.read()
        assert_array_equal(np.sort(found, axis=0), np.sort(last, axis=0))
    recent.close()


@pytest.mark.parametrize("costs", [(1, 50), (50, 1)])
def test_threshold_and_costs_are_those_of_predict(model_file, tmp_path, costs):
    make_table(60, seed=6).to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "out.csv"
    command = ["predict", str(model_file), str(tmp_path / "new.csv"), "--out", str(out)]
    assert cli.main([*command, "--costs", *map(str, costs)]) == 0
    model = ServedModel.load(ServerSettings(str(model_file), costs=costs))
    rows, _ = model.reader.of_csv((tmp_path / "new.csv").read_bytes())
    decided = model.decide(rows, model.probability(rows))
    assert model.labels(rows, decided) == pd.read_csv(out)["prediction"].tolist()
    assert f"--threshold {model.threshold}" in model.note
    model = ServedModel.load(ServerSettings(str(model_file), threshold=0.123))
    assert model.threshold == 0.123 and model.note is None


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("Bearer a-secret", True),
        ("bearer   a-secret ", True),
        ("Bearer another", False),
        ("Basic a-secret", False),
        ("a-secret", False),
        ("Bearer", False),
        ("", False),
        (None, False),
    ],
)
def test_a_token_has_to_be_the_one_of_the_server(header, accepted):
    assert ServerSettings("it", token="a-secret").accepts(header) is accepted
    assert ServerSettings("it").accepts(header) is True


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["nothing.model"], "no model file"),
        (["{model}", "--port", "70000"], "--port must be from 0 to 65535"),
        (["{model}", "--port", "0", "--host", "192.0.2.1"], "cannot be used"),
        (["{model}", "--token-file", "{empty}"], "one word of ASCII"),
        (["{model}", "--token-file", "{model}.no"], "--token-file: there is no file"),
    ],
)
def test_mistakes_are_told_before_it_starts(
    model_file, tmp_path, capsys, arguments, told
):
    pytest.importorskip("uvicorn")
    (tmp_path / "token").write_text(" \n")
    names = {"model": model_file, "empty": tmp_path / "token"}
    arguments = [text.format(**names) for text in arguments]
    assert cli.main(["serve", *arguments]) == 2
    assert told in capsys.readouterr().err
