"""What a run over many files tells of itself."""

import argparse

import pytest

from skadaptive import cli
from skadaptive._bulk.files import BulkFile
from skadaptive._bulk.scoring import FileReport
from skadaptive._command import predict_files
from skadaptive._command.predict_files import _failed, _Progress, asks_for_files


@pytest.mark.parametrize(
    ("given", "out", "expected"),
    [
        ("new.csv", None, False),
        ("new.csv", "scores.csv", False),
        ("new.csv", "scores/", True),
        ("new.csv", "there", True),
        ("there", None, True),
        ("there", "scores.csv", True),
        ("*.csv", None, True),
    ],
)
@pytest.mark.parametrize(
    "more", [{}, {"resume": True}, {"scheduler": "tcp://host:1"}], ids=str
)
def test_what_goes_into_a_folder(given, out, expected, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    options = {"file": given, "out": out, "resume": False, "scheduler": None} | more
    if more and not expected:
        with pytest.raises(ValueError, match=f"^--{next(iter(more))} needs a folder"):
            asks_for_files(argparse.Namespace(**options))
    else:
        assert asks_for_files(argparse.Namespace(**options)) == expected


@pytest.fixture
def clock(monkeypatch):
    """The seconds that have passed, as a list of one number."""
    now = [100.0]
    monkeypatch.setattr(predict_files.time, "monotonic", lambda: now[0])
    return now


def made(folder, sizes, suffix=".csv"):
    """Files of so many bytes, and progress over them."""
    files = []
    for name, size in sizes.items():
        if size is not None:
            with (folder / name).open("wb") as file:
                file.truncate(size)
        out = str(folder / "out" / (name + suffix))
        files.append(BulkFile(name, str(folder / name), out))
    return files, _Progress(files)


def report(rows, rare, seconds=(0.0, 0.0, 0.0), notes=(), formulas=()):
    found = FileReport(rows=rows, rare_rows=rare, notes=list(notes))
    found.seconds.update(
        zip(("reading", "predicting", "writing"), seconds, strict=True)
    )
    found.formulas.update(dict(formulas))
    return found


def test_shares_are_of_the_bytes_that_this_run_reads(tmp_path, clock, capsys):
    (a, b, c, gone), progress = made(
        tmp_path, {"a": 100, "b": 300, "c": 5000, "gone": None}
    )
    progress.left_out(c)  # complete already
    assert progress.n_complete == 1
    clock[0] += 4.9
    progress.part(a, 0.5)
    assert capsys.readouterr().err == ""  # a line every five seconds
    clock[0] += 5.1
    progress.part(b, 0.5)
    # (50 + 150) of 400 bytes in 10 seconds.
    said = "1 of 4 files, 50% of the bytes, about 10.0 seconds left\n"
    assert capsys.readouterr().err == said
    clock[0] += 4.9
    progress.part(b, 1.0)
    assert capsys.readouterr().err == ""
    clock[0] += 25.1
    progress.done(a, report(10, 1))
    # (100 + 300) of 400 in 40.
    assert progress.n_complete == 2
    said = "2 of 4 files, 100% of the bytes, about 0.0 seconds left\n"
    assert capsys.readouterr().err == said
    clock[0] += 5
    progress.part(gone, 0.5)
    assert "2 of 4 files" in capsys.readouterr().err


def test_before_anything_is_done_no_time_is_left_to_tell(tmp_path, clock, capsys):
    (a,), progress = made(tmp_path, {"a": 100})
    clock[0] += 60
    progress.part(a, 0.0)
    said = "0 of 1 files, 0% of the bytes, about 0.0 seconds left\n"
    assert capsys.readouterr().err == said


def test_a_note_is_told_once(tmp_path, clock, capsys):
    files, progress = made(tmp_path, {"a": 1, "b": 1})
    for file in files:
        progress.done(file, report(1, 0, notes=["Read as dates: x", file.name]))
    assert capsys.readouterr().err.splitlines() == [
        "note: a: Read as dates: x",
        "note: a: a",
        "note: b: b",
    ]


def test_only_the_long_look_at_a_text_is_told(tmp_path, clock, capsys):
    said = "large (0.5 GB) is looked through once before it is predicted.\n"
    for suffix, expected in ((".csv", said), (".parquet", "")):
        (large, edge), progress = made(
            tmp_path, {"large": 500_000_001, "edge": 500_000_000}, suffix
        )
        progress.begun(large)
        progress.begun(edge)
        assert capsys.readouterr().err == expected


def test_the_summary_adds_up(tmp_path, clock):
    (a, b, c), progress = made(tmp_path, {"a": 1, "b": 1, "c": 1})
    assert progress.summary("out") == "No file was written."
    progress.left_out(c)
    assert progress.summary("out") == "1 file was complete already."
    progress.done(a, report(0, 0))
    assert progress.summary("out") == (
        "1 file was written to out, with 0 rows: 0 predicted rare. Reading took 0.0 "
        "seconds, predicting 0.0 seconds and writing 0.0 seconds. 1 file was complete "
        "already."
    )
    progress.done(b, report(4000, 30, (1.5, 240, 0.25), formulas={"id": 2}))
    progress.done(b, report(1000, 20, (2, 60, 0.25), formulas={"id": 1, "x": 1}))
    assert progress.summary("out") == (
        "3 files were written to out, with 5,000 rows: 50 predicted rare (1.00%). "
        "Reading took 3.5 seconds, predicting 5.0 minutes and writing 0.5 seconds. "
        "1 file was complete already."
    )
    assert progress.formulas == {"id": 3, "x": 1}
    assert progress.n_complete == 4


@pytest.mark.parametrize("n_failed", [1, 20, 21, 30])
def test_many_failures_are_counted(n_failed):
    first, *lines = _failed({f"f{i}": f"no {i}" for i in range(n_failed)}, 40).split(
        "\n  "
    )
    assert first.startswith(f"{n_failed} of 40 files failed. Correct what is wrong")
    shown = [f"f{i}: no {i}" for i in range(min(n_failed, 20))]
    rest = [f"and {n_failed - 20} more"] if n_failed > 20 else []
    assert lines == shown + rest


def test_the_seconds_of_a_file_begin_with_none(monkeypatch):
    found = FileReport({"input_bytes": 3}, 4, 1)
    assert found.seconds == {"reading": 0.0, "predicting": 0.0, "writing": 0.0}
    now = iter([10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr("skadaptive._bulk.scoring.time.perf_counter", lambda: next(now))
    for _ in range(2):
        with found.timed("writing"):
            pass
    seconds = {"reading": 0.0, "predicting": 0.0, "writing": 2.75}
    rows = {"input_bytes": 3, "rows": 4, "rare_rows": 1}
    assert found.figures == rows | {"seconds": seconds}


@pytest.mark.parametrize("n_others", [5, 6])
def test_five_files_that_are_no_tables_are_named(
    n_others, tmp_path, monkeypatch, capsys
):
    names = [f"{letter}.md" for letter in "abcdef"[:n_others]]
    monkeypatch.setattr(predict_files, "find_files", lambda *given: ([], names))
    none = str(tmp_path / "none.model")
    assert cli.main(["predict", none, "in/", "--out", f"{tmp_path}/out/"]) == 2
    more = ", ..." if n_others > 5 else ""
    told = f"no tables: a.md, b.md, c.md, d.md, e.md{more}.\n"
    assert told in capsys.readouterr().err
