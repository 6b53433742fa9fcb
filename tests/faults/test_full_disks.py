"""Disks that are full and folders that are read-only, for all that is written."""

import os
import sys

import pytest
from breaking import contents, in_a_fork, largest_file, save
from sklearn.linear_model import LogisticRegression

from skadaptive import cli, compare, evaluate
from skadaptive.model_files import load_model

#: Commands that write, and what they write. Each takes another way to the disk.
COMMANDS = {
    "predictions as CSV": ("predict it.model rows.csv --out out.csv", "out.csv"),
    "compressed": ("predict it.model rows.csv --out out.csv.gz", "out.csv.gz"),
    "as Parquet": ("predict it.model rows.csv --out out.parquet", "out.parquet"),
    "as JSON": ("predict it.model rows.csv --out out.jsonl", "out.jsonl"),
    "as a spreadsheet": ("predict it.model rows.csv --out out.xlsx", "out.xlsx"),
    "into a folder": ("predict it.model rows.csv --out new/", "new/rows.csv"),
    "ONNX": ("export it.model --onnx out.onnx", "out.onnx"),
}


@pytest.fixture(params=COMMANDS)
def command(request, folder):
    """A command, and the file that it writes."""
    arguments, out = COMMANDS[request.param]
    if out.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
    return arguments.split(), folder / out


@pytest.mark.parametrize("room", [0, 500])
def test_a_full_disk_leaves_the_old_file(command, folder, capsys, room):
    arguments, out = command
    out.parent.mkdir(exist_ok=True)
    out.write_text("the old file")
    before = contents(folder)
    with largest_file(room):
        assert cli.main(arguments) == 2
    told = capsys.readouterr().err
    assert f"{out.name} cannot be written (File too large)" in told
    assert "Make room" in told and "Errno" not in told and "Traceback" not in told
    after = contents(folder)
    assert after.pop("new/_predicted.jsonl", b"") == b""
    assert after == before
    assert cli.main(arguments) == 0  # with room again
    assert out.read_bytes() != b"the old file" and out.stat().st_size > room


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
@pytest.mark.parametrize(
    "arguments", ["predict it.model rows.csv", "info it.model", "info it.model --json"]
)
def test_standard_output_that_is_full(folder, monkeypatch, capsys, arguments):
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert cli.main(arguments.split()) == 2
    told = capsys.readouterr().err
    assert "the output cannot be written (No space left on device)" in told


def without_privileges(call):
    """What a call returns or raises for a user to whom nothing belongs."""

    def as_nobody():
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        return call()

    return in_a_fork(as_nobody)


@pytest.fixture
def locked(folder):
    """Make folders, and all above them, readable for everybody and lock them."""
    changed = []

    def lock(path):
        for above in (path, *path.parents):
            mode = above.stat().st_mode
            if not (above == path or mode & 0o001) and above.owner() == path.owner():
                changed.append((above, mode))
                above.chmod(mode | 0o055)
        changed.append((path, path.stat().st_mode))
        path.chmod(0o555)

    yield lock
    for path, mode in reversed(changed):
        path.chmod(mode)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_read_only_folder_is_told_before_the_work(command, folder, locked, capfd):
    arguments, out = command
    assert cli.main(arguments) == 0  # and all that it needs is imported
    before = contents(folder)
    locked(folder)
    if out.parent != folder:
        locked(out.parent)
    capfd.readouterr()
    assert without_privileges(lambda: cli.main(arguments)) == 2
    told = capfd.readouterr().err
    assert "cannot be written" in told and "Traceback" not in told
    assert contents(folder) == before


def test_what_is_saved_from_python(folder, rows):
    X, y = rows.drop(columns="target"), rows["target"]
    model = load_model("it.model")
    evaluation = evaluate(model, X, y, n_bootstraps=20, random_state=0)
    contenders = {"it": LogisticRegression()}
    found = compare(X, y, contenders=contenders, cv=2, random_state=0, verbose=0)
    writers = {
        "eval": evaluation.save,
        "eval.html": evaluation.to_html,
        "compare.html": found.to_html,
        "again.model": lambda path: save(model, path),
    }
    (folder / "eval").mkdir()
    for name, write in writers.items():
        path = folder / name
        old = path / "metrics.json" if path.is_dir() else path
        old.write_text("the old file")
        before = contents(folder)
        with (
            largest_file(50),
            pytest.raises(OSError, match=f"{name}.* cannot be written") as caught,
        ):
            write(path)
        assert caught.value.errno
        assert contents(folder) == before
    with largest_file(5000), pytest.raises(OSError, match="png cannot be written"):
        evaluation.save(folder / "eval")
    assert contents(folder).keys() == before.keys()  # and the measures are complete
    assert b"the old file" not in (folder / "eval" / "metrics.json").read_bytes()


def test_a_cache_that_is_full_costs_the_cache_alone(folder, rows):
    X, y = rows.drop(columns="target"), rows["target"]
    options = {"contenders": {"it": LogisticRegression()}, "cv": 2, "verbose": 0}
    with largest_file(50):
        found = compare(X, y, random_state=0, cache_dir=folder / "cache", **options)
    assert any("could not be cached" in line for line in found.warnings_["it"])
    again = compare(X, y, random_state=0, cache_dir=folder / "cache", **options)
    assert again.folds_["f1"].tolist() == found.folds_["f1"].tolist()
