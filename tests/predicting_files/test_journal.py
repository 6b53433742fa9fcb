"""The journal of complete outputs, byte by byte."""

import json

import pytest

from skadaptive._bulk.journal import JOURNAL, Journal, source_of

MADE_WITH = {"model": "m", "threshold": None}


@pytest.mark.parametrize("half", [b"", b'{"input": "b"', b"\xff", b"[1]\n"])
def test_every_output_has_a_line_of_its_own(half, tmp_path):
    """Whatever a run that broke left behind."""
    for name in "ab":
        (tmp_path / name).write_text("12")
        (tmp_path / f"{name}.out").write_text("12345")
    out = str(tmp_path / "a.out")
    with Journal(tmp_path, MADE_WITH, resume=False) as journal:
        figures = source_of(tmp_path / "a") | {"rows": 3}
        journal.add("a", out, figures)
        assert journal.entry_of("a", str(tmp_path / "a"), out) is None
    path = tmp_path / JOURNAL
    first = path.read_bytes()
    assert first.endswith(b"\n") and json.loads(first) == {
        "input": "a",
        "output_bytes": 5,
        "made_with": MADE_WITH,
        "input_bytes": 2,
        "input_modified_ns": (tmp_path / "a").stat().st_mtime_ns,
        "rows": 3,
    }
    with path.open("ab") as file:
        file.write(half)
    with Journal(tmp_path, MADE_WITH, resume=True) as journal:
        found = journal.entry_of("a", str(tmp_path / "a"), out)
        assert found == json.loads(first)
        assert journal.entry_of("b", str(tmp_path / "b"), out) is None
        journal.add("b", str(tmp_path / "b.out"), source_of(tmp_path / "b"))
    lines = path.read_bytes().splitlines()
    assert lines[0] + b"\n" == first and json.loads(lines[-1])["input"] == "b"
    # No line is empty, and half a line is not gone on with.
    assert lines[1:-1] == half.splitlines()
    with Journal(tmp_path, MADE_WITH, resume=True) as journal:
        path_of_a = str(tmp_path / "a")
        assert journal.entry_of("a", path_of_a, str(tmp_path / "none")) is None
        assert journal.entry_of("a", str(tmp_path / "none"), out) is None
        (tmp_path / "a.out").write_text("123456")  # another output
        assert journal.entry_of("a", path_of_a, out) is None
    with Journal(tmp_path, MADE_WITH | {"threshold": 0.5}, resume=True) as journal:
        path_of_b, out = str(tmp_path / "b"), str(tmp_path / "b.out")
        assert journal.entry_of("b", path_of_b, out) is None
    Journal(tmp_path, MADE_WITH, resume=False).__exit__()
    assert path.read_bytes() == b""
