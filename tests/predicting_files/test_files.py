"""Which files are predicted, and where to."""

import subprocess
import sys
from pathlib import Path

import pytest

from skadaptive._bulk.files import find_files, is_many


def names(folder, given, out="out"):
    files, left_out = find_files(given, out)
    base = (folder / out).resolve()
    outs = {f.name: Path(f.out).relative_to(base).as_posix() for f in files}
    return outs, left_out


@pytest.mark.parametrize(
    ("given", "expected", "left_out"),
    [
        (
            "new",
            {
                "2024/b.csv.gz": "2024/b.csv",
                "2024/d.parquet": "2024/d.parquet",
                "a.csv": "a.csv",
                "c.tsv": "c.csv",
                "e.parquet": "e.parquet",
            },
            ["notes.md"],
        ),
        ("new/*.parquet", {"e.parquet": "e.parquet"}, []),
        (
            "new/**/*.parquet",
            {"2024/d.parquet": "2024/d.parquet", "e.parquet": "e.parquet"},
            [],
        ),
        ("n*/20*/*", {"new/2024/b.csv.gz": "new/2024/b.csv"}, []),
        ("new/2024/b.csv.gz", {"b.csv.gz": "b.csv"}, []),
        ("new/notes.md", {"notes.md": "notes.md.csv"}, []),
    ],
)
def test_files_and_their_outputs(given, expected, left_out, new_files, monkeypatch):
    monkeypatch.chdir(new_files.parent)
    found, skipped = names(new_files.parent, given)
    assert expected.items() <= found.items() and skipped == left_out
    assert not any("_SUCCESS" in name or ".crc" in name for name in found)
    assert is_many(given) == (given == "new" or "*" in given)


def test_a_name_with_brackets_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a[1].csv").touch()
    assert not is_many("a[1].csv")
    assert list(names(tmp_path, "a[1].csv")[0]) == ["a[1].csv"]


def test_a_file_that_is_named_is_read_whatever_its_name_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("_new.csv", ".new.csv"):
        Path(name).touch()
        assert list(names(tmp_path, name)[0]) == [name]


def test_links_are_followed_under_their_own_names(new_files, tmp_path, monkeypatch):
    """Out of the folder, not round in a circle; one to nothing is not left out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "blob").write_text('{"size": 1}')
    (tmp_path / "far" / "x.csv").touch()
    (tmp_path / "far" / "back").symlink_to(tmp_path / "far")
    before, _ = names(tmp_path, "new")
    (new_files / "linked").symlink_to(tmp_path / "far")
    (new_files / "circle").symlink_to(new_files)
    (new_files / "l.jsonl").symlink_to(tmp_path / "far" / "blob")
    (new_files / "gone.csv").symlink_to(tmp_path / "nowhere")
    found, _ = names(tmp_path, "new")
    assert set(found) - set(before) == {"linked/x.csv", "l.jsonl", "gone.csv"}
    (link,) = (f for f in find_files("new", "out")[0] if f.name == "l.jsonl")
    assert Path(link.path).name == "l.jsonl"  # its kind shows in the name alone


def test_a_subfolder_that_cannot_be_read_is_an_error(new_files):
    """Its rows were missing without a word."""
    code = """
import os
from skadaptive._bulk.files import find_files
os.chmod("2024", 0)
if os.getuid() == 0:
    os.setuid(65534)
for given in (".", "**/*.parquet", "20*/*", "[12]0*/d.parquet"):
    try:
        find_files(given, "/tmp/none")
    except PermissionError as error:
        print(error.filename)
print(len(find_files("*.csv", "/tmp/none")[0]))
"""
    for folder in (new_files.parent, new_files):
        folder.chmod(0o755)
    try:
        arguments = [sys.executable, "-c", code]
        result = subprocess.run(
            arguments, cwd=new_files, capture_output=True, text=True
        )
    finally:
        (new_files / "2024").chmod(0o755)
    assert result.stdout.replace("./", "").replace("2024/", "2024").split() == [
        *["2024"] * 4,
        "1",
    ], result.stderr


@pytest.mark.parametrize(
    ("given", "out", "message"),
    [
        ("none", "out", "no file or folder none"),
        ("new/*.xls", "out", r"no file in new/\*.xls"),
        ("new/**/*.csv", "new/out", "later run would take them"),
        ("new", "new/out", "later run would take them"),
        ("new/a.csv", "new", "later run would take them"),
        ("new", "new/a.csv", "is a file"),
        ("same", "out", "a.csv and a.csv.gz would have the same output"),
        ("notes", "out", r"that is a table; it has one.md, two.md\. Name"),
        ("many", "out", r"it has 0.md, 1.md, 2.md, 3.md, 4.md\. Name a file"),
    ],
)
def test_what_is_refused(given, out, message, new_files, monkeypatch):
    monkeypatch.chdir(new_files.parent)
    many = [f"many/{i}.md" for i in range(7)]
    for name in ("same/a.csv", "same/a.csv.gz", "notes/one.md", "notes/two.md", *many):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    with pytest.raises(ValueError, match=message):
        find_files(given, out)
