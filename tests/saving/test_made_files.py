"""Files that somebody made, with a checksum that fits: a clear error, or they work."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skadaptive._saving.container import Parts, read_container, write_container
from skadaptive._saving.model_files import load_model
from skadaptive._saving.other_models import foreign_types

FILE = max((Path(__file__).parents[1] / "data").glob("*.model"))
VALUES = [None, 0, -1, 2**40, 0.5, "", [], {}, [[]], True, {"a": 1}, [1, 2, 3]]
CHANGES = [
    lambda array: array.ravel()[:-1],
    lambda array: array.astype("U8"),
    lambda array: np.full(array.shape, np.nan),
    lambda array: array[None],
    lambda array: array.astype(complex),
    lambda array: np.zeros(0),
    lambda array: np.full(array.shape, 1e300),
    lambda array: array.T,
]


def places(value, place=()):
    """Keys that lead to each value of nested dicts and lists."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value[:5])
        for key, inner in items:
            yield (*place, key)
            yield from places(inner, (*place, key))


def change(value, rng):
    """Replace or remove one value of nested dicts and lists, in place."""
    found = list(places(value))
    *way, last = found[rng.integers(len(found))]
    for key in way:
        value = value[key]
    if rng.random() < 0.3:
        del value[last]
    else:
        value[last] = VALUES[rng.integers(len(VALUES))]


def change_part(manifest, entries, rng):
    """Change one part of a model file, in place."""
    name = str(rng.choice(["manifest", *entries]))
    if name == "manifest":
        change(manifest, rng)
    elif rng.random() < 0.1:
        del entries[name]
    elif name.endswith(".json"):
        content = json.loads(entries[name])
        change(content, rng)
        entries[name] = json.dumps(content).encode()
    else:
        array = CHANGES[rng.integers(len(CHANGES))](np.load(io.BytesIO(entries[name])))
        buffer = io.BytesIO()
        np.save(buffer, array)
        entries[name] = buffer.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_any_part_may_be_wrong(tmp_path):
    path, refused = tmp_path / "made.model", 0
    for seed in range(60):
        manifest, parts, _ = read_container(FILE)
        change_part(manifest, parts.entries, np.random.default_rng(seed))
        write_container(path, manifest, parts)
        try:
            saved = load_model(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} "), seed
            refused += 1
        else:
            if saved.background is not None:
                proba = saved.model.predict_proba(saved.background)
                assert np.isfinite(proba).all(), seed
    assert 20 < refused < 60


def bomb(name):
    """An archive of 200 KB that unpacks to 200 MB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, bytes(200_000_000), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def test_what_would_fill_the_memory_is_refused(tmp_path):
    manifest, parts, _ = read_container(FILE)
    parts.add_bytes("networks/weights.npy", bytes(200_000_000))
    write_container(tmp_path / "bomb.model", manifest, parts)
    with pytest.raises(ValueError, match=r"bomb\.model is not a model file") as told:
        load_model(tmp_path / "bomb.model")
    assert "unpack to 200," in str(told.value.__cause__)


def test_so_is_a_model_of_skops(tmp_path):
    pytest.importorskip("skops")
    data = bomb("schema.json")
    with pytest.raises(ValueError, match="unpack to 200,000,000"):
        foreign_types(data)
    manifest, _, _ = read_container(FILE)
    parts = Parts({"model.skops": data})
    write_container(tmp_path / "made", manifest | {"kind": "skops", "needs": {}}, parts)
    with pytest.raises(ValueError, match="made does not hold what its schema says"):
        load_model(tmp_path / "made")
