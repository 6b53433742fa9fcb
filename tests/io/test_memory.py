"""The memory that is free, and the warning of a table that needs more."""

import warnings

import numpy as np
import pandas as pd
import pytest

from skadaptive._io import memory
from skadaptive._io.columns import ColumnFormat
from skadaptive._io.containers import find_container
from skadaptive._io.memory import free_memory
from skadaptive._io.tables import read_table, read_text_table

GB = 1_000_000_000


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


V2 = "sys/fs/cgroup/a/b"
V1 = "sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 20 * GB),
        ({"proc/self/cgroup": "0::/"}, 20 * GB),
        (
            {
                "proc/self/cgroup": "0::/a/b",
                f"{V2}/memory.max": 3 * GB,
                f"{V2}/memory.current": 2 * GB,
            },
            1 * GB,
        ),
        (  # the group above is the narrower one, and can give up files
            {
                "proc/self/cgroup": "0::/a/b",
                f"{V2}/memory.max": "max",
                f"{V2}/memory.current": GB,
                "sys/fs/cgroup/a/memory.max": 8 * GB,
                "sys/fs/cgroup/a/memory.current": 6 * GB,
                "sys/fs/cgroup/a/memory.stat": f"anon 5\ninactive_file {5 * GB}",
            },
            7 * GB,
        ),
        (  # version 1 in a container, which does not see the name of its group
            {
                "proc/self/cgroup": "4:cpu:/x\n3:memory:/docker/abc\n0::/",
                f"{V1}/memory.limit_in_bytes": 4 * GB,
                f"{V1}/memory.usage_in_bytes": 3 * GB,
            },
            1 * GB,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/",
                f"{V1}/memory.limit_in_bytes": 2**63 - 4096,
                f"{V1}/memory.usage_in_bytes": 3 * GB,
            },
            20 * GB,
        ),
    ],
)
def test_the_narrowest_limit_counts(files, expected, tmp_path):
    write(tmp_path, {"proc/meminfo": f"MemFree: 1 kB\nMemAvailable: {20 * GB // 1000}"})
    write(tmp_path, files)
    # The file is in units of 1,024 bytes.
    assert free_memory(tmp_path) == pytest.approx(expected, rel=0.03)


def test_it_is_known_here_and_a_number_or_nothing_elsewhere(tmp_path):
    assert free_memory() > 0
    found = free_memory(tmp_path)  # no proc, as on macOS and Windows
    assert found is None or found > 0


def test_a_limit_of_the_process_counts_less_what_it_has(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    n_pages = 1000
    write(
        tmp_path,
        {
            "proc/meminfo": f"MemAvailable: {20 * GB // 1024} kB",
            "proc/self/statm": f"{n_pages} 7 5 1 0 9 0",
        },
    )
    for limit, expected in (
        (2 * GB, 2 * GB - n_pages * resource.getpagesize()),
        (resource.RLIM_INFINITY, 20 * GB),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, at=limit: (at, at))
        assert free_memory(tmp_path) == pytest.approx(expected, rel=1e-6)


FORMATS = ["csv", "csv.gz", "zip", "parquet", "feather", "jsonl"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_that_will_not_fit_is_told_before_it_is_read(
    suffix, tmp_path, monkeypatch
):
    frame = pd.DataFrame({f"c{i}": np.arange(500) / 7 for i in range(6)})
    path = tmp_path / f"new.{suffix}"
    if suffix in ("parquet", "feather"):
        getattr(frame, f"to_{suffix}")(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False)
    known = dict.fromkeys(frame, ColumnFormat("number"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_table(path)
        monkeypatch.setattr(memory, "free_memory", lambda: 1e12)
        read_table(path)
        monkeypatch.setattr(memory, "free_memory", lambda: None)
        read_table(path)
    monkeypatch.setattr(memory, "free_memory", lambda: 1e4)
    told = rf"new\.{suffix} takes about \d+ MB of memory to be read, and 0 MB are free"
    with pytest.warns(UserWarning, match=told) as caught:
        read_table(path)
        read_table(path, known=known)
    training, new = (str(warning.message) for warning in caught)
    assert "partial_fit" in training and "predict --out DIR/" in new


@pytest.mark.parametrize("cell", ["1", "0.12345678901", "word"])
def test_the_estimate_holds_the_cells(cell, tmp_path):
    """Short cells take many times the bytes of the file, long ones few."""
    n_rows, n_columns = 4000, 20
    path = tmp_path / "t.csv"
    names = ",".join(f"c{i}" for i in range(n_columns))
    row = ",".join(["1", *[cell] * (n_columns - 1)])
    path.write_text("\n".join([names, *[row] * n_rows]) + "\n")
    needed = memory._needed(find_container(path), None)
    table = read_table(path).frame.memory_usage(deep=True).sum()
    assert table < needed < 12 * table + 6 * path.stat().st_size


def test_json_takes_more_than_a_text_of_long_cells(tmp_path):
    """Its values are objects of Python while it is read."""
    frame = pd.DataFrame({f"c{i}": ["x" * 100] * 500 for i in range(3)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    text, objects = (
        memory._needed(find_container(path), None) / path.stat().st_size
        for path in (tmp_path / "t.csv", tmp_path / "t.jsonl")
    )
    assert 2 < text < 4 < objects


def test_rows_in_memory_are_not_looked_at(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 1.0)
    known = dict.fromkeys("ab", ColumnFormat("number"))
    assert len(read_text_table(b"a,b\n1,2\n", "The body", known=known).frame) == 1
