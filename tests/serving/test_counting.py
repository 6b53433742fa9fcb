"""What a worker counts and reads of a request, without a server."""

import os
import subprocess
import sys

import pytest
from running import save

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

CODE = """
import asyncio, json, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from fastapi import HTTPException
from skadaptive._serving import metrics
from skadaptive._serving.app import Worker, _Counted, _is_csv, _read_body
from skadaptive._serving.model import ServedModel, ServerSettings
from skadaptive._serving.recent import RecentRows

def sample(name, **labels):
    from prometheus_client import REGISTRY
    return REGISTRY.get_sample_value(name, labels)

# ---- requests
async def app(scope, receive, send):
    if scope["path"] == "/health":
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body", "status": 500})
    elif scope["type"] == "http":
        raise RuntimeError
    passed.append(scope["type"])

passed, sent = [], []

async def send(message):
    sent.append(message["type"])

kinds = ["http", "http", "http", "lifespan"]
for kind, path in zip(kinds, ["/health", "/x", "/y", "/health"]):
    scope = {"type": kind, "path": path}
    try:
        asyncio.run(_Counted(app)(scope, None, send))
    except RuntimeError:
        passed.append("failed")
assert sorted(passed) == ["failed", "failed", "http", "lifespan"], passed
assert sent[0] == "http.response.start" and len(sent) == 4, sent
name = "skadaptive_requests_total"
assert sample(name, endpoint="/health", status="204") == 1
assert sample(name, endpoint="other", status="500") == 2
assert sample(name, endpoint="/health", status="500") is None
assert sample("skadaptive_request_seconds_count", endpoint="other") == 2
assert 0 <= sample("skadaptive_request_seconds_sum", endpoint="other") < 10

# ---- rows
unseen = [SimpleNamespace(column="a", kind="missing", rows=[1, 5])]
metrics.count_rows(7, 2, unseen)
metrics.count_rows(3, 1, [])
assert sample("skadaptive_rows_total") == 10
assert sample("skadaptive_alarms_total") == 3
assert sample("skadaptive_unseen_rows_total", column="a", kind="missing") == 2

# ---- bodies
def request(*parts, header=None):
    taken = []
    async def stream():
        for part in parts:
            taken.append(len(part))
            yield part
    headers = {} if header is None else {"content-type": header}
    return SimpleNamespace(stream=stream, headers=headers, taken=taken)

def refused(call):
    try:
        call()
    except HTTPException as error:
        return error.status_code, error.detail

body = request(b"abc", b"", b"de")
assert asyncio.run(_read_body(body, 5)) == b"abcde"
for parts, n_taken in (([b"abcdef"], 1), ([b"x"] * 51, 51), ([b"x"] * 60, 51)):
    body = request(*parts)
    status, detail = refused(lambda: asyncio.run(_read_body(body, 5)))
    assert status == 413 and "may have 5 bytes" in detail
    assert len(body.taken) == n_taken, body.taken

kinds = {
    "application/json": False,
    "Application/JSON; charset=UTF-8": False,
    "text/csv": True,
    " text/csv ;charset='utf8'": True,
    'text/csv; charset="us-ascii"': True,
}
for header, expected in kinds.items():
    assert _is_csv(request(header=header)) is expected, header
for header, said in {
    None: "its Content-Type is absent.",
    "text/html": "its Content-Type is text/html.",
    "text/csv; charset=latin-1": "it is in latin-1.",
}.items():
    status, detail = refused(lambda: _is_csv(request(header=header)))
    assert status == 415 and detail.endswith(said), detail

# ---- drift
model = ServedModel.load(ServerSettings(sys.argv[1]))
n_columns = len(model.bins.names) + 2
recent = RecentRows(sys.argv[2], n_columns)
def exposed():
    found = metrics._RecentCollector(model, recent).collect()
    return {s.name + json.dumps(s.labels): s.value for m in found for s in m.samples}
assert exposed() == {"skadaptive_recent_rows{}": 0}
rng = np.random.default_rng(0)
codes = rng.integers(0, 2, (50, n_columns))
recent.add(codes.astype(np.uint16))
found = exposed()
assert found["skadaptive_recent_rows{}"] == 50
assert found["skadaptive_recent_alarm_share{}"] == codes[:, -1].mean()
score = model.bins.score_stability(codes)
assert found["skadaptive_score_stability{}"] == score[0]
assert found["skadaptive_score_stability_by_chance{}"] == score[1]
for name, (psi, chance) in model.bins.stability(codes).items():
    label = json.dumps({"feature": name})
    assert found["skadaptive_feature_stability" + label] == psi
    assert found["skadaptive_feature_stability_by_chance" + label] == chance
model.bins.scores = None  # a model file without out-of-fold probabilities
assert not any("score" in name for name in exposed())

# ---- another model file
file, folder = Path(sys.argv[3]), Path(sys.argv[2] + "s")
folder.mkdir()
file.write_bytes(Path(sys.argv[1]).read_bytes())
worker = Worker(ServerSettings(str(file), folder=str(folder)))
first = worker.model.version
def loaded(result):
    return sample("skadaptive_model_loads_total", result=result)
def workers(version):
    return sample("skadaptive_model_workers", version=version)
worker.reload()  # the same file
assert [p.name for p in folder.iterdir()] == [f"recent-{first}"]
assert (loaded("ok"), loaded("failed"), workers(first)) == (2, None, 1)
file.write_bytes(b"half a file")
worker.reload()
assert worker.model.version == first and len(first) == 12
assert (loaded("ok"), loaded("failed"), workers(first)) == (2, 1, 1)
file.write_bytes(Path(sys.argv[4]).read_bytes())
worker.reload()
second = worker.model.version
assert second != first
assert [p.name for p in folder.iterdir()] == [f"recent-{second}"]
assert (loaded("ok"), workers(first), workers(second)) == (3, 0, 1)

# Files of workers that begin or end count nothing.
(folder / "begins.db").touch()
(folder / "works.db").write_text("counts")
found = {path.name: metrics._has_size(path) for path in folder.glob("*.db")}
assert found == {"begins.db": False, "works.db": True}
assert not metrics._has_size(folder / "ended.db")
print("all right")
"""


def test_a_worker_counts_what_it_answers(model_file, tmp_path):
    """In a process of its own, since counters are of the process."""
    paths = [model_file, tmp_path / "recent", tmp_path / "it.model"]
    paths.append(save(model_file.parent, "second.model", C=0.1))
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, paths)],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    assert done.stdout == "all right\n", done.stderr
