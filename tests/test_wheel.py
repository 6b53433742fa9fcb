"""What is in the wheel that users install."""

import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def missing_to_build():
    """What a build without network lacks, or None."""
    try:
        version = metadata.version("setuptools")
    except metadata.PackageNotFoundError:
        return "setuptools is not installed"
    # Earlier ones know neither license expressions nor bdist_wheel.
    return None if int(version.split(".")[0]) >= 77 else f"setuptools is {version}"


@pytest.mark.skipif(missing_to_build() is not None, reason=str(missing_to_build()))
def test_wheel_holds_every_file_of_the_package(tmp_path):
    """Modules, templates and py.typed, and nothing besides."""
    tree = tmp_path / "tree"
    # Built from a copy: setuptools leaves a folder behind, whose old files it packs.
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "skadaptive", tree / "skadaptive", ignore=caches)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    sources = {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in (tree / "skadaptive").rglob("*")
        if path.is_file()
    }
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(tmp_path)]
    done = subprocess.run([*command, str(tree)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name: archive.read(name)
            for name in archive.namelist()
            if ".dist-info/" not in name
        }
    assert sorted(packed) == sorted(sources)
    assert packed == sources
    assert "skadaptive/py.typed" in packed
    assert sum(name.endswith(".jinja") for name in packed) >= 4
