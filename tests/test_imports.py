"""Which names the modules may reach for; `make lint` runs this, too."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skadaptive

PACKAGE = Path(skadaptive.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path, walk=ast.walk):
    """Dotted names that a module imports from other packages."""
    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_private_names_of_other_packages():
    """Except in the module that is there for them."""
    private = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        for name in imported(path)
        if path.name != "_sklearn_compat.py"
        if any(part.startswith("_") for part in name.split(".")[1:])
    ]
    assert not private


LATE = {
    "dask",
    "distributed",
    "fastapi",
    "imblearn",
    "jax",
    "jinja2",
    "keras",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "optuna",
    "prometheus_client",
    "rich",
    "skl2onnx",
    "skops",
    "tensorflow",
    "uvicorn",
}


def test_heavy_packages_are_imported_where_they_are_used():
    """Inside functions, except in the modules that are made of Keras or FastAPI."""
    made_of_them = {"losses.py", "callbacks.py", *(PACKAGE / "_training").glob("*.py")}
    made_of_them |= {PACKAGE / "_serving" / name for name in ("app.py", "metrics.py")}
    early = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        if not {path, path.name} & made_of_them
        for name in imported(path, ast.iter_child_nodes)
        if name.split(".")[0] in LATE
    ]
    assert not early


@pytest.mark.slow
@pytest.mark.parametrize("module", ["skadaptive", "skadaptive.cli"])
def test_import_stays_light(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    found = LATE & {name.split(".")[0] for name in done.stdout.split()}
    assert found <= {"rich"}  # scikit-learn imports it itself


def test_every_room_says_what_happens_there():
    rooms = [path for path in MODULES if path.name == "__init__.py"][1:]
    assert len(rooms) >= 6
    for room in rooms:
        text = ast.get_docstring(ast.parse(room.read_text(encoding="utf-8")))
        assert text and "May import:" in text, room
