"""What a newcomer meets first: the import, the version, the README."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import skadaptive

ROOT = Path(__file__).parents[1]


def python(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, **kwargs
    )


def test_import_leaves_tensorflow_alone():
    done = python(
        "-c",
        "import sys, skadaptive, skadaptive.adaptation, skadaptive.datasets; "
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch', 'matplotlib'}"
        " & set(sys.modules)))",
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_versions_agree():
    assert metadata.version("skadaptive") == skadaptive.__version__
    assert f"## {skadaptive.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {skadaptive.__version__}\n" in citation


def test_lower_bounds_are_those_that_are_tested():
    pins = dict(
        line.split("==")
        for line in (ROOT / "tests/requirements-oldest.txt").read_text().split("\n")
        if "==" in line
    )
    text = (ROOT / "pyproject.toml").read_text()
    bounds = re.findall(r'"([a-z-]+)>=([\d.]+)"', text.split("dev = [")[0])
    for name, bound in bounds:
        name = {"tensorflow": "tensorflow-cpu"}.get(name, name)
        if name != "setuptools":
            tested = pins[name]
            assert tested == bound or tested.startswith(f"{bound}."), name


def test_demo(tmp_path):
    """What `make demo` runs, with fewer contenders and folds."""
    (command,) = re.findall(
        r"^demo:.*\n\t\S+/bin/skadaptive (.*) \$\(DEMO\)$",
        (ROOT / "Makefile").read_text(),
        re.MULTILINE,
    )
    arguments = [*command.split(), "--quick", "--folds", "2"]
    done = python("-m", "skadaptive.cli", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The rare value of diagnosis is 'malignant'" in done.stderr
    assert "First by average precision" in done.stdout
    # A newcomer should not take the table of the package for one with a leak.
    assert ("seldom real" in done.stdout) == ("an easy one" in done.stdout)
    report = (tmp_path / "report.html").read_text()
    assert report.startswith("<!DOCTYPE html>") and "malignant" in report
