"""A real server with two workers on this machine."""

import gzip
import json
import os
import pickle
import signal
import threading
import time
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from running import MAX_ROWS, Server, ask, make_table, save

from skadaptive import cli
from skadaptive.drift import population_stability

PACKAGES = ("fastapi", "prometheus_client", "uvicorn")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, PACKAGES)), reason="the extra serve is not installed"
)

ROW = {
    "size": 1500.5,
    "age": 40,
    "visits": 3,
    "opened": "05.03.2024",
    "member": True,
    "region": "north",
    "zone": "01",
}


@pytest.fixture(scope="module")
def server(model_file):
    limits = ["--max-rows", str(MAX_ROWS), "--max-megabytes", "1"]
    server = Server(model_file, "--workers", "2", *limits)
    server.wait_for(lambda: is_healthy(server))
    yield server
    if server.process.poll() is None:
        server.stop()


def is_healthy(server):
    try:
        status, found = server.ask("GET", "/health", token=None)
    except ConnectionError:
        return False
    return status == 200 and found["status"] == "ok"


def predicted(folder, model_file, table, *options):
    """What the command predicts for the same table."""
    table.to_csv(folder / "new.csv", index=False, sep=";")
    out = folder / "predicted.csv"
    command = ["predict", str(model_file), str(folder / "new.csv"), "--out", str(out)]
    assert cli.main([*command, *options]) == 0
    return pd.read_csv(out)


@pytest.mark.parametrize("kind", ["application/json", "text/csv"])
def test_answers_are_those_of_the_command(server, folder, model_file, kind):
    table = make_table(30, seed=1)
    expected = predicted(folder, model_file, table, "--explain", "2")
    if kind == "text/csv":
        body = table.to_csv(index=False, sep=";").encode()
    else:
        body = {"rows": table.to_dict("records")}
    status, found = server.ask("POST", "/predict?reasons=2", body, kind)
    assert status == 200, found
    rows = found["predictions"]
    assert_allclose([row["probability"] for row in rows], expected["probability"])
    assert [row["decision"] for row in rows] == expected["prediction"].tolist()
    assert len(set(expected["prediction"])) == 2
    reasons = expected[["reason_1", "reason_2"]].to_numpy().tolist()
    assert [row["reasons"] for row in rows] == reasons
    assert not found["warnings"]


def test_values_of_json_mean_what_the_cells_of_the_training_file_did(server):
    same = [
        ROW,
        ROW | {"size": "1.500,50", "age": "40", "visits": "3"},
        ROW | {"age": 40.0, "region": " north ", "member": "TRUE"},
        ROW | {"key": "k1", "fraud": "yes"},  # which the command ignores, too
    ]
    missing = [ROW | {"visits": given} for given in ("unknown", None, "", "NA")]
    status, found = server.predict(same + missing)
    assert status == 200, found
    proba = [row["probability"] for row in found["predictions"]]
    assert_allclose(proba[:4], proba[0])
    assert_allclose(proba[4:], proba[4])
    assert abs(proba[4] - proba[0]) > 1e-6
    (other,) = server.predict([ROW | {"opened": "2024-03-05"}])[1]["predictions"]
    assert_allclose(other["probability"], proba[0])
    # Missing visits were seen in training.
    assert all(warning["kind"] == "note" for warning in found["warnings"])


BAD_ROWS = {
    "absent": ({k: v for k, v in ROW.items() if k != "age"}, "age"),
    "unknown": (ROW | {"colour": "red"}, "colour"),
    "word": (ROW | {"age": "forty"}, "age"),
    "boolean": (ROW | {"age": True}, "age"),
    "number for a category": (ROW | {"region": 7}, "region"),
    "boolean for a date": (ROW | {"opened": True}, "opened"),
    "word for a date": (ROW | {"opened": "soon"}, "opened"),
    "list": (ROW | {"zone": ["01"]}, "zone"),
    "object": (ROW | {"size": {"a": 1}}, "size"),
    "too great": (ROW | {"size": 10**400}, "size"),
}


@pytest.mark.parametrize("row, column", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_refusal_names_the_column(server, row, column):
    before = server.metric("skadaptive_rows_total")
    status, found = server.predict([ROW, row])
    assert status == 422
    (problem,) = found["detail"]
    assert problem["loc"] == ["body", "rows", 1, column] and column in problem["msg"]
    csv = pd.DataFrame([row], dtype=object).to_csv(index=False).encode()
    if column in ("age", "colour", "opened") and row.get("age") is not True:
        status, found = server.ask("POST", "/predict", csv, "text/csv")
        assert status == 422 and column in found["detail"][0]["msg"]
    assert server.metric("skadaptive_rows_total") == before


@pytest.mark.skipif(
    pd.Series(["text"]).dtype == object, reason="such a text is one before pandas 3"
)
@pytest.mark.parametrize("column", ["age", "region"])
def test_half_a_character_names_the_column(server, column):
    status, found = server.predict([ROW | {column: "\ud800"}])
    (problem,) = found["detail"]
    assert status == 422 and f"Column {column} holds half a" in problem["msg"]


@pytest.mark.parametrize("number", ["inf", "-1e999"])
def test_an_infinite_number_in_a_csv_names_the_column(server, number):
    csv = pd.DataFrame([ROW, ROW | {"age": number}]).to_csv(index=False).encode()
    status, found = server.ask("POST", "/predict", csv, "text/csv")
    (problem,) = found["detail"]
    assert (
        status == 422 and "Column age" in problem["msg"] and "row 2" in problem["msg"]
    )


def test_more_reasons_than_columns_take_no_memory(server):
    """A billion of them were 8 GB."""
    status, few = server.predict([ROW], reasons=len(ROW))
    status_of_many, many = server.predict([ROW], reasons=10**15)
    assert status == status_of_many == 200
    assert (
        many["predictions"] == few["predictions"] and few["predictions"][0]["reasons"]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1, 2]",
        b'{"rows": "/etc/passwd"}',
        b'{"rows": []}',
        b'{"rows": [1]}',
        b'{"rows": [{"size": NaN}]}',
        b'{"rows": [{}], "model": "other.model"}',
        b'{"rows": [{}], "reasons": "many"}',
        b"[" * 100_000,
        b'{"rows": [{"\xff": 1}]}',
    ],
    ids=range(11),
)
def test_what_is_no_table_is_refused(server, body):
    status, found = server.ask("POST", "/predict", body)
    assert status == 422 and found["detail"][0]["msg"]


@pytest.mark.parametrize("make", [pickle.dumps, lambda text: gzip.compress(text)])
def test_a_body_is_never_opened_as_another_file(server, make):
    body = make(pd.DataFrame([ROW]).to_csv(index=False).encode())
    status, found = server.ask("POST", "/predict", body, "text/csv")
    assert status == 422, found


def test_limits_types_and_token(server):
    assert server.predict([ROW] * MAX_ROWS)[0] == 200
    status, found = server.predict([ROW] * (MAX_ROWS + 1))
    assert status == 413 and "--max-rows" in found["detail"]
    table = make_table(MAX_ROWS + 1).to_csv(index=False, sep=";").encode()
    assert server.ask("POST", "/predict", table, "text/csv")[0] == 413
    status, found = server.ask("POST", "/predict", b" " * 1_000_001)
    assert status == 413 and "--max-megabytes" in found["detail"]
    assert server.ask("POST", "/predict", b"x", "application/x-pickle")[0] == 415
    for token in (None, "another", ""):
        for method, path in (("POST", "/predict"), ("GET", "/metrics")):
            assert server.ask(method, path, token=token)[0] == 401
        assert server.ask("GET", "/schema", token=token)[0] == 401
    assert server.ask("GET", "/health", token=None)[0] == 200


def test_pages(server):
    status, schema = server.ask("GET", "/schema")
    assert status == 200
    kinds = {column["name"]: column["kind"] for column in schema["columns"]}
    assert list(kinds) == list(ROW)
    assert kinds["size"] == kinds["member"] == "number" and kinds["opened"] == "date"
    assert schema["ignored_columns"] == ["fraud", "key"]
    assert 0 < schema["threshold"] < 1 and schema["classes"] == ["no", "yes"]
    status, found = server.ask("GET", "/openapi.json")
    assert {"/predict", "/health", "/metrics", "/schema"} <= set(found["paths"])
    assert not set(ROW) & set(json.dumps(found).split('"'))  # it needs no token
    assert server.ask("GET", "/docs")[0] == 200


def test_what_training_did_not_see_is_answered_and_counted(server):
    before = server.metric("skadaptive_unseen_rows_total")
    rows = [ROW, ROW | {"region": "west"}, ROW | {"age": None}, ROW | {"age": None}]
    status, found = server.predict(rows)
    assert status == 200
    told = {(w["column"], w["kind"], w["rows"]) for w in found["warnings"]}
    assert told == {("region", "category", 1), ("age", "missing", 2)}
    assert all(w["column"] in w["msg"] for w in found["warnings"])
    assert server.metric("skadaptive_unseen_rows_total") == before + 3


def test_metrics_are_of_all_workers(server):
    """The last 10,000 rows push out all others, and their drift is told."""
    wanted = ("skadaptive_rows_total", "skadaptive_alarms_total")
    before = [server.metric(name) for name in wanted]
    shifted = make_table(MAX_ROWS, seed=2).assign(region="east")
    usual = shifted.to_dict("records")
    alarms, n_requests = 0, 10_000 // MAX_ROWS + 1
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(server.connect())) for _ in range(4)]
        for i in range(n_requests):
            asked = ask(connections[i % 4], "POST", "/predict", {"rows": usual})
            assert asked[0] == 200
            alarms += sum(row["decision"] == "yes" for row in asked[1]["predictions"])
    after = [server.metric(name) for name in wanted]
    assert np.subtract(after, before).tolist() == [n_requests * MAX_ROWS, alarms]
    assert server.metric("skadaptive_model_workers") == 2
    assert server.metric("skadaptive_recent_rows") == 10_000
    share = alarms / (n_requests * MAX_ROWS)
    assert_allclose(server.metric("skadaptive_recent_alarm_share"), share, atol=0.01)
    text = server.metrics()
    assert 'skadaptive_request_seconds_bucket{endpoint="/predict"' in text
    names = ["region", "zone"]
    rows = pd.concat([shifted[names]] * n_requests)[-10_000:]
    expected = population_stability(make_table()[names], rows)["psi"]
    for name, psi in expected.items():
        series = f'skadaptive_feature_stability{{feature="{name}"}}'
        assert_allclose(float(text.split(series)[1].split()[0]), psi)
    assert expected["region"] > 1 > 0.2 > expected["zone"]


def test_a_worker_that_has_just_started_counts_nothing_yet(server):
    """Its files are empty for a moment, or for good if it is killed in it."""
    environment = Path(f"/proc/{min(server.workers())}/environ").read_text()
    folder = environment.split("PROMETHEUS_MULTIPROC_DIR=")[1].split("\0")[0]
    path = Path(folder, "counter_0.db")
    path.touch(exist_ok=False)
    try:
        assert server.metric("skadaptive_model_workers") == 2
    finally:
        path.unlink()


def load(server, stop, found):
    """Send requests one after another on one connection, some with a mistake."""
    with closing(server.connect()) as connection:
        while not stop.is_set():
            bad = len(found) % 10 == 0
            row = ROW | {"age": "forty"} if bad else ROW
            status, answer = ask(connection, "POST", "/predict", {"rows": [row]})
            found.append((bad, status, answer.get("model_version")))


def test_the_model_is_replaced_under_load_without_a_failed_request(
    server, folder, model_file
):
    """By a signal, and by the file alone; a damaged file changes nothing."""
    stop, found = threading.Event(), [[] for _ in range(3)]
    threads = [
        threading.Thread(target=load, args=(server, stop, answers)) for answers in found
    ]
    for thread in threads:
        thread.start()
    try:
        versions = [server.ask("GET", "/health")[1]["model_version"]]
        for i, asked in enumerate([True, False]):
            save(folder, model_file.name, C=0.1 ** (i + 1))
            if asked:
                server.process.send_signal(signal.SIGHUP)
            version = (folder / model_file.name).read_bytes()[-64:][:12].decode()
            is_there = f'skadaptive_model_workers{{version="{version}"}} 2.0'
            server.wait_for(lambda is_there=is_there: is_there in server.metrics())
            versions.append(version)
            time.sleep(0.3)
        model_file.write_bytes(b"damaged")
        failed = 'skadaptive_model_loads_total{result="failed"} 2.0'
        server.wait_for(lambda: failed in server.metrics())
        time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        save(folder, model_file.name)
    answers = [answer for of in found for answer in of]
    assert len(answers) > 100
    assert all(status == (422 if bad else 200) for bad, status, _ in answers)
    for of in found:
        assert {version for _, _, version in of} - {None} == set(versions)
    for of in found:
        of_one = [version for _, _, version in of if version]
        assert sorted(of_one, key=versions.index) == of_one


def loads_once_quiet(server, quiet=2.5, most=30):
    """Loads of all workers, once none has read the file for ``quiet`` seconds.

    A test before may have replaced the file, which a busy worker sees late.
    """
    end = time.monotonic() + most
    while time.monotonic() < end:
        before = server.metric("skadaptive_model_loads_total")
        time.sleep(quiet)
        if server.metric("skadaptive_model_loads_total") == before:
            return before
    raise AssertionError("the workers read the file again and again")


def test_a_signal_reads_the_file_again_in_every_worker(server):
    """Also a file that has not changed, which the workers do not look into alone."""
    before = loads_once_quiet(server)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(
        lambda: server.metric("skadaptive_model_loads_total") == before + 2, seconds=20
    )


def test_a_killed_worker_is_replaced(server):
    workers = server.workers()
    assert len(workers) == 2
    rows = server.metric("skadaptive_rows_total")
    killed = min(workers)
    # It dies while its supervisor waits for a sign of life.
    os.kill(killed, signal.SIGSTOP)
    time.sleep(0.7)
    os.kill(killed, signal.SIGKILL)
    server.wait_for(lambda: len(server.workers() - {killed}) == 2, seconds=30)
    server.wait_for(lambda: server.metric("skadaptive_model_workers") == 2)
    # What the killed one had counted stays.
    assert server.metric("skadaptive_rows_total") >= rows
    assert server.predict([ROW])[0] == 200


def test_neither_tensorflow_nor_jax_is_loaded(server):
    for worker in server.workers():
        maps = Path(f"/proc/{worker}/maps").read_text()
        assert "numpy" in maps
        assert "tensorflow" not in maps and "jaxlib" not in maps


def test_shutdown_ends_the_requests(server):
    """Sent after all others, as nothing answers then."""
    answers = []
    rows = make_table(20, seed=3).to_dict("records")
    asking = threading.Thread(
        target=lambda: answers.append(server.predict(rows, reasons=3))
    )
    asking.start()
    time.sleep(0.3)
    assert server.stop() == 0, server.log()
    asking.join()
    assert answers[0][0] == 200 and len(answers[0][1]["predictions"]) == 20
    _, trace, after = server.log().partition("Traceback")
    assert not trace, after
