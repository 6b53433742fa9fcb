"""The file that holds a model: its checksum, and what is read of it."""

import hashlib
import json
import zipfile
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skadaptive._io.containers import is_model_file
from skadaptive._saving.container import Parts, read_container, write_container


@pytest.fixture
def written(tmp_path):
    parts = Parts()
    parts.add_array("networks/weights", np.arange(6, dtype="float32"))
    parts.add_json("classifier", {"name": "\ud800 é", "value": [1, 2.5, None, True]})
    parts.add_bytes("model.skops", b"anything")
    path = tmp_path / "any name.at-all"
    write_container(path, {"schema": 1}, parts)
    return path


def test_what_is_written_is_read(written):
    manifest, parts, sizes = read_container(written)
    assert manifest == {"schema": 1}
    weights = parts.array("networks/weights")
    assert weights.dtype == np.float32
    assert_array_equal(weights, np.arange(6))
    assert parts.json("classifier") == {
        "name": "\ud800 é",
        "value": [1, 2.5, None, True],
    }
    assert parts.bytes("model.skops") == b"anything"
    assert "networks" in parts and "classifier" in parts and "background" not in parts
    assert list(sizes) == ["manifest", "classifier", "model", "networks", "checksum"]
    assert sum(sizes.values()) == written.stat().st_size


def test_the_same_parts_give_the_same_bytes(written, tmp_path):
    manifest, parts, _ = read_container(written)
    again = tmp_path / "again"
    write_container(again, manifest, Parts(dict(reversed(parts.entries.items()))))
    assert again.read_bytes() == written.read_bytes()


def test_any_tool_for_zip_archives_opens_it(written):
    with zipfile.ZipFile(written) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("skadaptive.json")) == {"schema": 1}


def test_any_flipped_byte_is_refused(written, tmp_path):
    data = written.read_bytes()
    changed = tmp_path / "changed"
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        changed.write_bytes(flipped)
        with pytest.raises(ValueError, match="changed is damaged: its checksum"):
            read_container(changed)


def test_lost_and_added_bytes_are_refused(written, tmp_path):
    data = written.read_bytes()
    changed = tmp_path / "changed"
    for wrong in (data[:-1], data[: len(data) // 2], data + b"\0", data[:100] + data):
        changed.write_bytes(wrong)
        with pytest.raises(ValueError, match="damaged"):
            read_container(changed)


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"PK\x03\x04" + bytes(200)])
def test_foreign_files_are_refused(tmp_path, data):
    (tmp_path / "foreign").write_bytes(data)
    with pytest.raises(ValueError, match="foreign is not a model file of skadaptive"):
        read_container(tmp_path / "foreign")


@pytest.mark.parametrize("manifest", [None, ["schema"], 1])
def test_files_made_with_a_checksum_that_fits_are_refused(written, manifest):
    """Whether the compressed data or the manifest is not as it should be."""
    if manifest is None:
        with zipfile.ZipFile(written) as archive:
            entry = archive.getinfo("classifier.json")
        data = bytearray(written.read_bytes()[:-64])
        start = entry.header_offset + 30 + len(entry.filename)
        data[start : start + 4] = b"\xff" * 4
        data += hashlib.sha256(data).hexdigest().encode()
        written.write_bytes(data)
    else:
        write_container(written, manifest, Parts())
    with pytest.raises(ValueError, match="is not a model file of skadaptive"):
        read_container(written)


def test_the_old_format_is_called_that(tmp_path):
    with zipfile.ZipFile(tmp_path / "old.skops", "w") as archive:
        archive.writestr("schema.json", '{"content": "\\"skadaptive model\\""}')
    with pytest.raises(ValueError, match="earlier version.* Write the model again"):
        read_container(tmp_path / "old.skops")


class Touches:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_no_code_runs(tmp_path):
    """An array of objects is a pickle, which may call anything."""
    np.save(tmp_path / "bad.npy", np.array([Touches(str(tmp_path / "touched"))]))
    parts = Parts()
    parts.add_bytes("bad.npy", (tmp_path / "bad.npy").read_bytes())
    write_container(tmp_path / "file", {}, parts)
    _, parts, _ = read_container(tmp_path / "file")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        parts.array("bad")
    assert not (tmp_path / "touched").exists()
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        parts.add_array("bad", np.array([object()]))


def test_only_a_file_that_can_be_read_is_a_model_file(written, tmp_path, monkeypatch):
    assert is_model_file(written)
    assert not is_model_file(tmp_path) and not is_model_file(tmp_path / "none")
    monkeypatch.setattr(Path, "open", Mock(side_effect=PermissionError))
    assert not is_model_file(written)
