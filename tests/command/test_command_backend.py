"""TensorFlow is imported without what its C++ code writes, in a process of its own."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
sys.stderr.write("before ")
from skadaptive._command.backend import import_tensorflow
import_tensorflow()
os.write(2, b"after")
print("tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_nothing_is_written_and_later_errors_are(backend):
    pytest.importorskip(backend)
    environment = os.environ | {"KERAS_BACKEND": backend}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    result = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, env=environment
    )
    assert result.stdout.strip() == str(backend == "tensorflow")
    assert result.stderr == "before after"
