"""What a newcomer meets first: the import, the version, the README."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

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


PAGES = ["README.md", "docs/explanations.md", "docs/export.md", "docs/pitfalls.md"]
PAGES += ["docs/tuning.md"]


@pytest.mark.parametrize("page", PAGES)
def test_code_in_the_pages_runs(page):
    """And prints what stands below it, in the pages that show what is printed."""
    text = (ROOT / page).read_text()
    if "skl2onnx" in text:
        pytest.importorskip("skl2onnx")
        pytest.importorskip("onnxruntime")
    if "import optuna" in text:
        pytest.importorskip("optuna")
    blocks = re.findall(
        r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", text, re.DOTALL
    )
    assert len(blocks) == text.count("```python") > 0
    shown = [output for _, output in blocks]
    assert sum(map(bool, shown)) == text.count("```text")
    end = "-- end of block --\n"
    code = "".join(f"{block}\nprint({end!r}, end='')\n" for block, _ in blocks)
    done = python("-W", "ignore", "-c", code, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    if any(shown):
        printed = done.stdout.split(end)[:-1]
        differ = [pair for pair in zip(shown, printed, strict=True) if unlike(*pair)]
        assert not differ, "shown, printed:\n" + "\n".join(map("\n".join, differ))


def unlike(shown, printed):
    """Whether words differ, or numbers by more than another machine explains."""
    number = r"-?\d+(?:\.\d+)?"
    if re.sub(number, "#", shown) != re.sub(number, "#", printed):
        return True
    # All seeds are in the pages, so the same machine prints the same numbers. Another
    # rounds otherwise, and rounding can change the epoch of a network that is kept:
    # inputs moved by a millionth change numbers by up to 0.03.
    return any(
        float(b) != pytest.approx(float(a), rel=0.15, abs=3 * 10.0 ** -decimals(a))
        for a, b in zip(
            re.findall(number, shown), re.findall(number, printed), strict=True
        )
    )


def decimals(number):
    return len(number.partition(".")[2])


def test_quickstart(tmp_path):
    """The example, on the embedded data, with its table and its picture."""
    example = ROOT / "examples" / "plot_quickstart.py"
    done = python(str(example), "--folds", "2", "--out", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("AdaptiveHybridClassifier", "logistic regression", "SMOTE"):
        assert name in done.stdout
    picture = (tmp_path / "quickstart.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000


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
    report = (tmp_path / "report.html").read_text()
    assert report.startswith("<!DOCTYPE html>") and "malignant" in report
