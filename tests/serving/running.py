"""A saved model of all kinds of columns, and a server of it as a process."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skadaptive._io.training_table import ColumnRoles, read_training
from skadaptive._saving.model_files import ModelFacts, save_model
from skadaptive._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
)
from skadaptive.contenders import table_pipeline

TOKEN = "a-secret"
MAX_ROWS = 500


def make_table(n_rows=400, seed=0):
    """Cells as texts: decimal commas, a placeholder, dates, flags and categories."""
    rng = np.random.default_rng(seed)
    size, age = rng.normal(1500, 400, n_rows), rng.integers(18, 80, n_rows)
    risk = size / 400 + age / 20 + rng.normal(0, 0.3, n_rows)
    days = pd.to_timedelta(rng.integers(0, 300, n_rows), "D")
    days += pd.Timestamp("2024-01-01")
    visits = np.where(rng.random(n_rows) < 0.2, "unknown", rng.integers(0, 9, n_rows))
    return pd.DataFrame(
        {
            "key": [f"k{i}" for i in range(n_rows)],
            "size": [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in size],
            "age": age.astype(str),
            "visits": visits.astype(str),
            "opened": days.strftime("%d.%m.%Y"),
            "member": rng.choice(["True", "False"], n_rows),
            "region": rng.choice(["north", "south", "east"], n_rows),
            "zone": rng.choice(["01", "02", "13"], n_rows),
            "fraud": np.where(risk > np.quantile(risk, 0.85), "yes", "no"),
        }
    )


def save(folder, name, C=1.0):
    """Save a logistic regression as ``compare --save`` saves its best one."""
    path = folder / "train.csv"
    if not path.exists():
        make_table().to_csv(path, index=False, sep=";")
    table = read_training(path, ColumnRoles(target="fraud", id="key"))
    model = table_pipeline(LogisticRegression(C=C))
    y = (table.target.y == table.target.pos_label).to_numpy().astype(int)
    out_of_fold = OutOfFold(
        y, cross_val_predict(model, table.X, y, cv=3, method="predict_proba")[:, 1]
    )
    facts = ModelFacts("logistic regression", "fraud", "yes", False, ["key"], "key")
    save_model(
        folder / name,
        model.fit(table.X, table.target.y),
        table.formats,
        facts,
        background=background_rows(table.X, None, 0),
        out_of_fold=out_of_fold,
        reference=reference_distributions(table.X, out_of_fold),
    )
    return folder / name


class Server:
    """A process of the command on a free port of this machine."""

    def __init__(self, model, *options):
        self.errors = model.parent / f"server-{time.monotonic_ns()}.log"
        with self.errors.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "skadaptive.cli", "serve", str(model)]
                + ["--port", "0", *options],
                stdout=log,
                stderr=log,
                env=os.environ | {"SKADAPTIVE_TOKEN": TOKEN},
            )
        self.wait_for(lambda: re.search(r"http://[\d.]+:(\d+)", self.log()))
        self.port = int(re.search(r"http://[\d.]+:(\d+)", self.log()).group(1))

    def log(self):
        return self.errors.read_text()

    def wait_for(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.05)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, kind="application/json", token=TOKEN):
        """Status and content of an answer; values of JSON where it is JSON."""
        with closing(self.connect()) as connection:
            return ask(connection, method, path, body, kind, token)

    def predict(self, rows, **more):
        return self.ask("POST", "/predict", {"rows": rows} | more)

    def workers(self):
        """Process ids of the workers."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        command = {c: Path(f"/proc/{c}/cmdline") for c in children}
        return {
            int(child)
            for child, path in command.items()
            if path.exists() and b"spawn_main" in path.read_bytes()
        }

    def metrics(self):
        status, text = self.ask("GET", "/metrics")
        assert status == 200, self.log()
        return text

    def metric(self, name):
        """Sum of a metric over its labels."""
        text = self.metrics()
        values = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, values))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def ask(connection, method, path, body=None, kind="application/json", token=TOKEN):
    headers = {"Content-Type": kind} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    is_json = answer.getheader("content-type", "").startswith("application/json")
    return answer.status, json.loads(content) if is_json else content.decode()
