"""The backend that trains, in processes that find different ones installed."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.slow

PRELUDE = """
import os, sys
import importlib.machinery

class Installed:
    \"\"\"Hides packages, and pretends that PyTorch is there.\"\"\"

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in os.environ["HIDDEN"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "torch" and "torch" in os.environ["PRETENDED"]:
            return importlib.machinery.ModuleSpec(name, None)

sys.meta_path.insert(0, Installed())
environment = dict(os.environ)
"""

FIT = """
import numpy as np
from skadaptive import AdaptiveHybridClassifier

X = np.random.default_rng(0).normal(size=(80, 2))
model = AdaptiveHybridClassifier(
    hidden_layer_sizes=(2,), max_epochs=1, cv=2, random_state=0
)
model.fit(X, X[:, 0] > 1)
"""


def run(code, hidden="", pretended="", home=None, **variables):
    names = ("KERAS_BACKEND", "KERAS_HOME", "SKADAPTIVE_TESTS_BACKEND")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    environment |= {"HIDDEN": hidden, "PRETENDED": pretended, **variables}
    if home is not None:
        environment["KERAS_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
    )


def chosen(**options):
    done = run(
        """
        from skadaptive._training.backend import training_backend
        print(training_backend())
        assert not {"jax", "keras", "tensorflow"} & set(sys.modules)
        assert dict(os.environ) == environment
        """,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def home(tmp_path):
    """Make a folder with a keras.json."""

    def make(backend):
        (tmp_path / "keras.json").write_text(json.dumps({"backend": backend}))
        return tmp_path

    return make


def test_it_is_that_of_keras(home, tmp_path):
    pytest.importorskip("jax")
    assert chosen(home=tmp_path / "none") == "tensorflow"
    assert chosen(home=home("jax")) == "jax"
    assert chosen(home=home("jax"), KERAS_BACKEND="tensorflow") == "tensorflow"
    assert chosen(home=home("tensorflow"), KERAS_BACKEND="jax") == "jax"
    for unusable in ("{", "[]"):
        (tmp_path / "keras.json").write_text(unusable)
        assert chosen(home=tmp_path) == "tensorflow"


def test_or_else_an_installed_one(home):
    pytest.importorskip("jax")
    assert chosen(home=home("tensorflow"), hidden="tensorflow") == "jax"
    assert chosen(KERAS_BACKEND="jax", hidden="jax") == "tensorflow"
    assert chosen(home=home("torch"), hidden="torch") == "tensorflow"
    assert chosen(home=home("torch"), pretended="torch") == "jax"


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_other_one_stays_away(backend, home):
    """And Keras runs where the network trained, also if it would choose another."""
    pytest.importorskip(backend)
    other = {"tensorflow": "jax", "jax": "tensorflow"}[backend]
    code = f"""
    assert "keras" not in sys.modules or {backend!r} == "tensorflow"
    assert {backend!r} in sys.modules and {other!r} not in sys.modules
    proba = model.model_(X)
    import keras
    assert keras.config.backend() == {backend!r}
    proba = keras.ops.convert_to_numpy(proba)
    assert np.abs(proba - model.predict_proba(X)).max() < 1e-6
    assert dict(os.environ) | {{"TF_FORCE_GPU_ALLOW_GROWTH": ""}} == (
        environment | {{"TF_FORCE_GPU_ALLOW_GROWTH": ""}}
    )
    assert np.ones(1).dtype == "float64"
    if {backend!r} == "jax":
        import jax.numpy as jnp
        assert jnp.ones(1).dtype == "float32"
    """
    done = run(FIT + textwrap.dedent(code), hidden=other, home=home(other))
    assert done.returncode == 0, done.stderr


def test_jax_needs_neither_keras_nor_imbalanced_learn(home):
    pytest.importorskip("jax")
    code = """
    assert model.predict_proba(X).shape == (80, 2)
    assert "jax" in sys.modules
    """
    done = run(
        FIT + textwrap.dedent(code),
        hidden="keras,tensorflow,imblearn,scikeras",
        home=home("tensorflow"),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_beside_keras_on_another_backend(backend):
    """Keras's NumPy backend stands for PyTorch, which is seldom installed."""
    pytest.importorskip("jax")
    code = f"""
    import keras
    assert keras.config.backend() == {backend!r}
    {{}}
    assert "jax" in sys.modules and "tensorflow" not in sys.modules
    proba = model.model_.predict(X, verbose=0)
    assert np.abs(proba - model.predict_proba(X)).max() < 1e-6
    assert keras.config.backend() == {backend!r}
    """
    code = textwrap.dedent(code).format(FIT)
    done = run(code, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("backend", ["torch"])
def test_beside_pytorch(backend):
    pytest.importorskip(backend)
    pytest.importorskip("jax")
    code = """
    import keras
    assert keras.config.backend() == "torch"
    proba = model.model_.predict(X, verbose=0)
    assert np.abs(proba - model.predict_proba(X)).max() < 1e-6
    """
    done = run(FIT + textwrap.dedent(code), KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr


def last_line(done):
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_without_any_it_says_how_to_install_one():
    last = last_line(run(FIT, hidden="tensorflow,jax"))
    assert last.startswith("ImportError: AdaptiveHybridClassifier needs TensorFlow")
    assert "pip install 'skadaptive[tensorflow]'" in last
    assert "'skadaptive[jax]'" in last


def test_beside_pytorch_alone_it_says_what_to_install():
    last = last_line(run(FIT, hidden="jax", pretended="torch", KERAS_BACKEND="torch"))
    assert last.startswith("ImportError: Keras runs on 'torch'")
    assert "pip install 'skadaptive[jax]'" in last


def test_an_optimizer_of_keras_needs_it_on_jax():
    pytest.importorskip("jax")
    code = FIT.replace("cv=2,", "cv=2, optimizer=rare,")
    rare = "rare = {'class_name': 'Adam', 'config': {'clipnorm': 0.5}}\n"
    done = run(rare + code, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    last = last_line(run(rare + code, KERAS_BACKEND="numpy"))
    assert "Keras runs on 'numpy': set KERAS_BACKEND=jax" in last
    last = last_line(run(rare + code, hidden="keras,tensorflow"))
    assert last.startswith("ImportError: AdaptiveHybridClassifier needs keras: pip ")
