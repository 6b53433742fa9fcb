"""Files that somebody made, with a checksum that fits: a clear error, or they work."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from skadaptive import cli
from skadaptive._monitoring.bins import ReferenceBins
from skadaptive._prediction import features_to_predict
from skadaptive._saving.container import Parts, read_container, write_container
from skadaptive._saving.model_files import describe_model, load_model
from skadaptive._saving.other_models import foreign_types
from skadaptive._saving.reference import OutOfFold, reference_distributions
from skadaptive._serving.rows import RowReader

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


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Manifest and parts of a file with everything that a training leaves."""
    manifest, parts, _ = read_container(FILE)
    saved = load_model(FILE)
    n_rows = len(saved.background)
    known = OutOfFold(np.arange(n_rows) % 3 // 2, np.linspace(0, 1, n_rows))
    reference = reference_distributions(saved.background, known)
    path = tmp_path_factory.mktemp("complete") / "file.model"
    parts.add_json("reference", reference)
    parts.add_array("out_of_fold/y", known.y.astype(np.int8))
    parts.add_array("out_of_fold/probability", known.probability)
    write_container(path, manifest, parts)
    return path


def use(path, saved):
    """Everything that is done with what a file says, apart from the model itself."""
    contents = describe_model(path)
    json.dumps(contents.to_json())
    assert all(isinstance(line, str) for line in contents.lines())
    bins, reader = ReferenceBins(saved), RowReader(saved)
    rows = saved.background.head(20)
    features_to_predict(rows, saved, [saved.facts.target])
    proba = np.linspace(0, 1, len(rows))
    codes = bins.codes(rows, proba, proba > 0.5)
    bins.stability(codes)
    bins.score_stability(codes)
    reader.seen.unseen(rows)


@pytest.mark.filterwarnings("ignore")
def test_what_a_file_says_is_used_or_refused_when_it_is_read(complete, tmp_path):
    """Not found wrong far later, by an error that says nothing of the file."""
    path, refused = tmp_path / "made.model", 0
    use(complete, load_model(complete))
    named = ["manifest", "reference.json", "out_of_fold/y.npy"]
    named += ["out_of_fold/probability.npy"]
    for seed in range(50):
        rng = np.random.default_rng([seed, 1])
        manifest, parts, _ = read_container(complete)
        others = {k: v for k, v in parts.entries.items() if k not in named}
        said = {k: v for k, v in parts.entries.items() if k in named}
        change_part(manifest, said, rng)
        write_container(path, manifest, Parts(others | said))
        try:
            saved = load_model(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} "), seed
            refused += 1
        else:
            try:
                use(path, saved)
            except ValueError:
                # Of columns, say, that the rows do not have, as the user is told.
                continue
    assert 12 < refused < 50


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("facts", {"name": 5}),
        ("facts", {"target": None}),
        ("facts", {"unused_columns": "ab"}),
        ("facts", {"unused_columns": [["a"]]}),
        ("facts", {"id_column": 3}),
        ("facts", {"others_together": "yes"}),
        ("facts", {"positive": [1]}),
        ("written_with", {"numpy": ["<b>"]}),
        ("y", [[0, 1]]),
        ("y", [0, 2]),
        ("probability", [0.5]),
        ("probability", [np.nan] * 2),
    ],
)
def test_facts_and_labels_are_what_they_have_to_be(part, wrong, complete, tmp_path):
    manifest, parts, _ = read_container(complete)
    if part in manifest:
        manifest[part] |= wrong
    else:
        for name, array in {
            "y": [0, 1],
            "probability": [0.1, 0.2],
            part: wrong,
        }.items():
            parts.add_array(f"out_of_fold/{name}", np.array(array))
    write_container(tmp_path / "made.model", manifest, parts)
    with pytest.raises(ValueError, match=r"made\.model does not hold what its schema"):
        load_model(tmp_path / "made.model")


def test_names_of_entries_lead_nowhere(tmp_path, monkeypatch):
    """Nothing is unpacked, so that no name of an entry is a path."""
    manifest, parts, _ = read_container(FILE)
    for name in ("../../x", "/tmp/x", "a/../../../x.json", "C:\\x", "\x1b[2J/x.npy"):
        parts.add_bytes(name, b"{}")
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    write_container("made.model", manifest, parts)
    assert load_model("made.model").facts.target
    assert cli.main(["info", "made.model"]) == 0
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert found == [folder / "made.model"]


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
