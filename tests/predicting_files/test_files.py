"""Which files are predicted, and where to."""

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
        ("notes", "out", "that is a table; it has one.md, two.md"),
    ],
)
def test_what_is_refused(given, out, message, new_files, monkeypatch):
    monkeypatch.chdir(new_files.parent)
    for name in ("same/a.csv", "same/a.csv.gz", "notes/one.md", "notes/two.md"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    with pytest.raises(ValueError, match=message):
        find_files(given, out)
