"""Fixtures that more than one test module uses."""

import os
from pathlib import Path

# TensorFlow's start-up lines would drown pytest's report.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Lets scikit-learn run its check with array API dispatch switched on.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import sklearn  # noqa: E402
from sklearn.datasets import make_classification  # noqa: E402

from skadaptive import AdaptiveHybridClassifier  # noqa: E402
from skadaptive.datasets import load_rare  # noqa: E402

# Fixtures that fit networks, and folders and modules that run commands and examples.
_SLOW_FIXTURES = {"quick", "learner", "tabular_data"}
_SLOW_PLACES = {"integration", "report", "faults", "test_cli.py", "test_comparison.py"}
_SLOW_PLACES |= {"test_callbacks.py", "test_evaluation.py", "test_display.py"}
_SLOW_PLACES |= {"test_package.py"}


def pytest_collection_modifyitems(items):
    """Mark what takes long, which ``make test-fast`` leaves out.

    Elsewhere, a test that starts a process of its own is marked where it stands.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _SLOW_FIXTURES or set(item.path.parts) & _SLOW_PLACES:
            item.add_marker("slow")


SEEDS = [int(s) for s in os.environ.get("SKADAPTIVE_TESTS_SEEDS", "0,1").split(",")]


@pytest.fixture(params=SEEDS)
def global_random_seed(request):
    """A test that uses it must hold for any seed; SKADAPTIVE_TESTS_SEEDS lists them."""
    return request.param


@pytest.fixture(scope="session")
def breast_cancer():
    return load_rare("breast_cancer", return_X_y=True)


@pytest.fixture(scope="session")
def digits():
    return load_rare("digits", return_X_y=True)


@pytest.fixture(scope="session")
def binary():
    """400 rows, 6 features, 10 % rare: several small batches an epoch."""
    return make_classification(
        400, 6, n_informative=4, weights=[0.9], flip_y=0.02, random_state=0
    )


@pytest.fixture(scope="session")
def multiclass():
    return make_classification(
        400,
        6,
        n_informative=4,
        n_classes=3,
        n_clusters_per_class=1,
        weights=[0.6, 0.3, 0.1],
        random_state=0,
    )


@pytest.fixture
def backend():
    """Module of the training program: that of Keras's backend, or of the switch."""
    from skadaptive._training.backend import load_program

    return load_program()


@pytest.fixture
def program_class(backend):
    """Class of the training program."""
    return getattr(backend, "JaxProgram", None) or backend.TensorFlowProgram


@pytest.fixture
def quick():
    """Make a small estimator; every test that uses it shares its compiled program."""

    def make(**parameters):
        defaults = {
            "hidden_layer_sizes": (8,),
            "n_iter_no_change": 24,
            "max_epochs": 5,
            "batch_size": 64,
            "cv": 3,
            "learning_rate": 0.1,
            "random_state": 0,
        }
        return AdaptiveHybridClassifier(**{**defaults, **parameters})

    return make


@pytest.fixture
def learner(quick):
    """Small, but good enough on digits for its scores to mean something."""
    return quick(hidden_layer_sizes=(32,), max_epochs=15)


@pytest.fixture(scope="session")
def scikeras_contender():
    """Skips where scikeras 0.13 and scikit-learn do not know each other's tags."""
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7):
        pytest.skip("scikeras 0.13 does not go with scikit-learn 1.6")


@pytest.fixture(scope="session")
def tabular_data():
    """The folder of real imbalanced tables, which is not part of the project."""
    folder = os.environ.get("SKADAPTIVE_DATA")
    if folder is None or not (Path(folder) / "mammography.csv.gz").exists():
        pytest.skip("SKADAPTIVE_DATA names no folder of real tables")
    return Path(folder)


@pytest.fixture
def rng(global_random_seed):
    return np.random.default_rng(global_random_seed)
