"""Use the package in a process of its own, and print which of its settings changed.

All that a user may have set is looked at before and after each of ``ACTIONS``. The last
line is JSON: what changed, by action.
"""

import decimal
import gc
import json
import locale
import logging
import os
import pickle
import random
import signal
import sys
import threading
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import jax
import keras
import matplotlib
import numpy as np
import pandas as pd
import sklearn
import tensorflow as tf
import threadpoolctl

INPUT = """
from sklearn.datasets import make_classification
X, y = make_classification(150, 4, n_informative=3, n_redundant=0, weights=[0.8])
"""
MODEL = """
from skadaptive import AdaptiveHybridClassifier, compare, evaluate, explain
model = AdaptiveHybridClassifier((4,), max_epochs=2, cv=2, random_state=0)
"""
ACTIONS = {
    "import": "import skadaptive, skadaptive.cli, skadaptive.losses",
    "fit": f"{MODEL}\nmodel.fit(X, y).predict(X)\nmodel.partial_fit(X, y)",
    "failed fit": f"{MODEL}\ntry: model.set_params(gamma=-1).fit(X, y)\n"
    "except ValueError: pass",
    "compare and report": f"""{MODEL}
from sklearn.linear_model import LogisticRegression
contenders = {{"a": model, "b": LogisticRegression()}}
found = compare(X, y, contenders=contenders, cv=2, random_state=0)
found.to_html("page.html")
evaluate(found.best_, X, y, random_state=0).to_html("page.html")
os.remove("page.html")
""",
    "plot": f"""{MODEL}
import matplotlib.pyplot
from skadaptive import AdaptationDisplay, ImportanceDisplay, ThresholdDisplay
model.fit(X, y)
AdaptationDisplay.from_estimator(model)
ThresholdDisplay.from_estimator(model, X, y)
ImportanceDisplay.from_estimator(model, X, y, random_state=0)
matplotlib.pyplot.close("all")
""",
}


def snapshot():
    """Settings of the process by name, in forms that can be compared."""
    generator = tf.random.get_global_generator()
    return {
        "random state of Python": random.getstate(),
        "random state of NumPy": pickle.dumps(np.random.get_state()),
        "random state of TensorFlow": generator.state.numpy().tolist(),
        "errors of NumPy": np.geterr(),
        "printing of NumPy": str(np.get_printoptions()),
        "options of pandas": pd.describe_option(_print_desc=False),
        "configuration of scikit-learn": sklearn.get_config(),
        "numbers of Keras": (keras.config.floatx(), keras.config.epsilon()),
        "policy of Keras": keras.config.dtype_policy().name,
        "image format of Keras": keras.config.image_data_format(),
        "logging of Keras": keras.config.is_interactive_logging_enabled(),
        "functions of TensorFlow": tf.config.functions_run_eagerly(),
        "compiler of TensorFlow": tf.config.optimizer.get_jit(),
        "devices of TensorFlow": str(tf.config.get_visible_devices()),
        "configuration of JAX": {k: str(v) for k, v in jax.config.values.items()},
        "rcParams": dict(matplotlib.rcParams),
        "backend of Matplotlib": matplotlib.get_backend(),
        "warning filters": list(warnings.filters),
        "warnings shown": warnings.showwarning,
        "environment": dict(os.environ),
        "folder": (os.getcwd(), sorted(os.listdir())),
        "import path": list(sys.path),
        "signals": [signal.getsignal(number) for number in signal.valid_signals()],
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal context": str(decimal.getcontext()),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "garbage collection": (gc.isenabled(), gc.get_threshold()),
        "recursion": sys.getrecursionlimit(),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook),
        "threads of BLAS and OpenMP": sorted(
            (pool["user_api"], pool["num_threads"])
            for pool in threadpoolctl.threadpool_info()
        ),
    }


def main():
    """Print what has changed, by action, as JSON."""
    matplotlib.use("agg")
    warnings.filterwarnings("error", message="a filter of the user")
    np.seterr(under="warn")
    np.random.seed(1)
    names, found = {"os": os}, {}
    exec(INPUT, names)
    for action, code in ACTIONS.items():
        before = snapshot()
        exec(code, names)
        after = snapshot()
        found[action] = {
            name: [str(before[name])[:500], str(after[name])[:500]]
            for name in before
            if before[name] != after[name]
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
