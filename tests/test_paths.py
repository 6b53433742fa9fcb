"""Paths of any kind: they are what they are, or a clear error comes before the work."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from skadaptive import cli
from skadaptive._io.atomic import prefix_of, replace_atomically
from skadaptive.contenders import table_pipeline

NAMES = [
    "with space",
    "日本語 имя ü",
    "quote'\"`$x;&|",
    "-leading",
    "star*[a]?{b}",
    "%s {0} #x?y=1",
    "line\nbreak \x1b[2J",
    "long" * 60,
    os.fsdecode(b"\xff\xfe no UTF-8"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and a model that was trained on it."""
    folder = tmp_path_factory.mktemp("paths")
    rng = np.random.default_rng(0)
    x = rng.normal(size=90)
    y = np.where(x + rng.normal(0, 0.3, 90) > 1, "yes", "no")
    pd.DataFrame({"x": x, "z": rng.normal(size=90), "y": y}).to_csv(
        folder / "t.csv", index=False
    )
    with pytest.MonkeyPatch.context() as patched:
        one_contender(patched)
        patched.chdir(folder)
        assert compare("t.csv", "m.model") == 0
    return folder


def one_contender(monkeypatch):
    monkeypatch.setattr(
        "skadaptive.comparison.default_contenders",
        lambda X, **parameters: {"bayes": table_pipeline(GaussianNB())},
    )
    # No network is trained, and TensorFlow takes seconds.
    monkeypatch.setattr("skadaptive._command.compare.import_tensorflow", lambda: None)


def compare(file, model, *more):
    command = ["compare", file, "--target", "y", "--folds", "2", "--save", model]
    return cli.main([*command, *more])


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    """A new folder with the table and the model."""
    one_contender(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "m.model"):
        shutil.copy(folder / name, name)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_every_subcommand_takes_any_name(name, here, capsys):
    # What begins with a dash is an option, to every program.
    path = f"./{name}" if name.startswith("-") else name
    os.mkdir(name)
    shutil.copy("t.csv", f"{path}.csv")
    shutil.copy("m.model", f"{path}.model")
    file, model = f"{path}.csv", f"{path}.model"
    for command in (
        ["predict", model, file, "--out", f"{path}/p.tsv"],
        ["predict", model, file, "--out", f"{path}/many/"],
        ["monitor", model, file, "--json", f"{path}.json"],
        ["info", model],
    ):
        assert cli.main(command) == 0, capsys.readouterr().err
    assert os.path.exists(f"{path}.json") and os.path.exists(f"{path}/p.tsv")
    outputs = {n for n in os.listdir(f"{path}/many") if not n.startswith("_")}
    assert outputs == {f"{name}.csv"}


def test_the_report_of_a_file_whose_name_is_not_in_utf_8(here):
    name = NAMES[-1]
    shutil.copy("t.csv", f"{name}.csv")
    report, model = here / f"{name}.html", f"{name}.model"
    command = [model, f"{name}.csv", "--report", str(report)]
    assert compare(f"{name}.csv", model, "--cache", f"{name}.cache") == 0
    assert cli.main(["monitor", *command]) == 0
    assert "\\udcff\\udcfe no UTF-8.csv" in report.read_text("utf-8")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare t.csv --target y --save link.csv", "is a file that is read"),
        ("compare t.csv --target y --save same --cache same", "something else"),
        ("compare t.csv --target y --save x --cache m.model", "m.model .* is a file"),
        ("compare t.csv --target y --save EMPTY", "is empty"),
        ("predict m.model link.csv --out t.csv", "is a file that is read"),
        ("predict m.model t.csv --out link.csv", "is a file that is read"),
        ("predict link.model t.csv --out m.model", "is a file that is read"),
        ("predict m.model t.csv --out m.model/", "m.model is a file"),
        ("predict m.model t.csv --out EMPTY", "is empty"),
        ("predict m.model t.csv --out LONG.csv", "File name too long"),
        ("predict m.model loop.csv --out o.csv", "loop"),
        ("predict m.model t.csv --out ./", "beside the files that are read"),
        ("evaluate m.model t.csv --target y --out t.csv", "is a file that is read"),
        ("evaluate m.model t.csv --target y --out other.txt", "it is a file. Name a"),
        ("evaluate m.model t.csv --target y --out s --report s", "something else"),
        ("evaluate m.model t.csv --target y --report link.model", "that is read"),
        ("monitor m.model t.csv --json link.csv", "is a file that is read"),
        ("monitor m.model t.csv --json s --report s", "something else"),
        ("export m.model --onnx link.model", "is a file that is read"),
        ("tune t.csv --target y --save link.csv", "is a file that is read"),
        ("info loop.csv", "loop"),
        ("serve link.csv --port 0", "is not a model file"),
    ],
)
def test_nothing_that_is_read_is_overwritten(command, message, here, capsys):
    """Nor is an output that another one needs, and the work has not begun."""
    os.symlink("t.csv", "link.csv")
    os.symlink("m.model", "link.model")
    os.symlink("loop.csv", "loop.csv")
    (here / "other.txt").write_text("kept")
    before = contents(here)
    words = [
        {"EMPTY": "", "LONG.csv": "n" * 300 + ".csv"}.get(w, w) for w in command.split()
    ]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "The rare value" not in error and pd.Series([error]).str.contains(message)[0]
    assert contents(here) == before


def test_the_name_of_a_temporary_file_is_one(tmp_path):
    """Also of a name that is as long as a name may be."""
    for name in ("n" * 251 + ".csv", "ü" * 127, "short"):
        with replace_atomically(tmp_path / name) as temporary:
            assert temporary.name.startswith(prefix_of(name))
            temporary.write_text("new")
        assert os.listdir(tmp_path) == [name]
        os.unlink(tmp_path / name)
