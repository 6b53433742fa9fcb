"""What belongs to the user's process is as before: settings, random states, files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")
pytest.importorskip("tensorflow")

FIRST_FIT = """
import json, random
import numpy as np
from sklearn.datasets import make_classification
from skadaptive import AdaptiveHybridClassifier
X, y = make_classification(100, 4, weights=[0.8], random_state=0)
model = AdaptiveHybridClassifier((4,), max_epochs=1, cv=2, random_state=0)
np.random.seed(7)
random.seed(7)
expected = np.random.RandomState(7).random(), random.Random(7).random()
model.fit(X, y)
print(json.dumps([expected, [np.random.random(), random.random()]]))
"""


def last_line(folder, *arguments):
    """Run Python in a folder, and read the last line as JSON."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """Names of the settings that changed, by what was done."""
    script = Path(__file__).with_name("side_effects.py")
    return last_line(tmp_path_factory.mktemp("user"), str(script))


@pytest.mark.parametrize(
    "action", ["import", "fit", "failed fit", "compare and report", "plot"]
)
def test_nothing_of_the_user_changes(changed, action):
    assert changed[action] == {}


def test_the_first_fit_imports_a_backend_which_draws(tmp_path):
    """Random numbers of the user after it are those of their seed."""
    expected, found = last_line(tmp_path, "-c", FIRST_FIT)
    assert found == expected
