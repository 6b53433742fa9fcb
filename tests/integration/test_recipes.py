"""The recipes of docs/scaling.md for Dask-ML, Spark and Ray, as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.metrics import average_precision_score

from skadaptive import AdaptiveHybridClassifier, cli
from skadaptive._io.tables import read_table
from skadaptive._saving.model_files import ModelFacts, save_model
from skadaptive.contenders import raw_pipeline

pytestmark = pytest.mark.extras
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def recipe(word):
    """The one block of code that has this word."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if word in block)
    return found


def run(code, folder, **environment):
    """Run Python in a folder, where it leaves its results as files.

    What it prints does not count: clusters print messages of their workers beside it.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_dask_ml_trains_block_by_block(tmp_path):
    pytest.importorskip("dask_ml")
    X, y = make_classification(
        6000, 8, n_informative=5, weights=[0.95], flip_y=0.01, random_state=0
    )
    X = X.astype("float32")
    np.save(tmp_path / "X.npy", X[:4000])
    np.save(tmp_path / "y.npy", y[:4000])
    np.save(tmp_path / "X_new.npy", X[4000:])
    code = recipe("Incremental").replace("200_000", "500")
    code += "\nnp.save('n_blocks.npy', X.npartitions)\n"
    code += "for _ in range(3):\n    training.partial_fit(X, y)\n"
    code += "np.save('proba.npy', model.predict_proba(np.load('X_new.npy'))[:, 1])\n"
    run(code, tmp_path)
    assert np.load(tmp_path / "n_blocks.npy") == 8
    found = average_precision_score(y[4000:], np.load(tmp_path / "proba.npy"))
    whole = AdaptiveHybridClassifier(random_state=0).fit(X[:4000], y[:4000])
    whole = average_precision_score(y[4000:], whole.predict_proba(X[4000:])[:, 1])
    assert found > whole - 0.1 and found > 8 * y.mean()


@pytest.fixture
def churn(tmp_path):
    """A model file of numbers and texts, and new rows in two Parquet files."""
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "key": np.arange(n),
            "amount": rng.normal(size=n),
            "visits": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 9, n)),
            "region": rng.choice(["north", "south", "east"], n),
        }
    )
    y = frame["amount"] + (frame["region"] == "north") + 0.3 * rng.normal(size=n) > 1.6
    frame["churned"] = np.where(y, "yes", "no")
    frame.to_csv(tmp_path / "train.csv", index=False)
    table = read_table(tmp_path / "train.csv", as_written=["key", "churned"])
    features = ["amount", "visits", "region"]
    X = table.frame[features]
    ours = AdaptiveHybridClassifier(
        hidden_layer_sizes=(8,), max_epochs=3, batch_size=64, cv=3, random_state=0
    )
    save_model(
        tmp_path / "churn.model",
        raw_pipeline(X, ours).fit(X, table.frame["churned"]),
        {name: table.formats[name] for name in features},
        ModelFacts("ours", "churned", "yes", False, ["key"], "key"),
    )
    (tmp_path / "new").mkdir()
    for i, part in enumerate((frame[:150], frame[150:])):
        path = tmp_path / "new" / f"part-{i}.parquet"
        part.drop(columns="churned").to_parquet(path, index=False)
    return tmp_path


def test_spark_predicts_what_the_command_does(churn):
    pytest.importorskip("pyspark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java")
    settings = {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false "
        "--driver-memory 1g pyspark-shell",
    }
    run(recipe("mapInPandas"), churn, **settings)
    found = pd.read_parquet(churn / "scored").sort_values("key", ignore_index=True)
    arguments = ["predict", str(churn / "churn.model"), str(churn / "new")]
    assert cli.main([*arguments, "--out", str(churn / "out")]) == 0
    expected = pd.read_parquet(churn / "out")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert len(found) == 400


def test_ray_compares_as_one_process(tmp_path):
    pytest.importorskip("ray")
    code = """
import numpy as np
import ray
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
import skadaptive

X, y = make_classification(400, 6, weights=[0.9], random_state=0)
contenders = {"logistic": LogisticRegression(), "strong": LogisticRegression(C=0.01)}

def compare(X, y, **chosen):
    return skadaptive.compare(
        X, y, contenders=contenders, cv=3, random_state=0, verbose=0, **chosen
    )

RECIPE
alone = compare(X, y)
difference = comparison.scores() - alone.scores()
assert ray.is_initialized()
np.save("difference.npy", difference.abs().max().max())
"""
    with_ray = recipe("register_ray").replace("from skadaptive import compare\n", "")
    code = code.replace("RECIPE", with_ray)
    # Without Ray's own token, which it would write into the home folder.
    run(code, tmp_path, RAY_AUTH_MODE="disabled", RAY_num_cpus="2")
    assert np.load(tmp_path / "difference.npy") < 1e-9
