"""Files of earlier releases open, whatever versions wrote them.

``tests/data/make_model_file.py`` writes such a file. Those of a release stay.
"""

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose

from skadaptive._io.columns import ReadingOptions
from skadaptive._io.tables import read_table
from skadaptive._saving.container import read_container
from skadaptive._saving.model_files import describe_model, features_of, load_model

DATA = Path(__file__).parents[1] / "data"
FILES = sorted(DATA.glob("*.model"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_predictions_are_those_of_the_release(path):
    saved = load_model(path)
    table = read_table(DATA / "new_rows.csv", ReadingOptions(), known=saved.columns)
    X = features_of(table.frame, saved)
    expected = json.loads(path.with_suffix(".json").read_text())
    rare = list(saved.model.classes_).index(saved.facts.positive)
    found = saved.model.predict_proba(X)[:, rare]
    # The networks were trained in float32.
    assert_allclose(found, expected["probability"], rtol=0, atol=1e-5)
    assert saved.model.predict(X).tolist() == expected["prediction"]
    assert len(set(expected["prediction"])) == 2
    assert list(saved.background) == list(X) and len(saved.background) == 20
    assert len(saved.out_of_fold.y) == 400 and saved.out_of_fold.y.sum() > 40
    assert set(saved.reference["features"]) == set(X)


def test_both_ends_of_the_versions_wrote_a_file():
    wrote = {
        describe_model(path).written_with["scikit-learn"].rpartition(".")[0]
        for path in FILES
    }
    assert {"1.6", "1.9"} <= wrote


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_flipped_bytes_are_refused(path, tmp_path, rng):
    """All bytes of both ends, and a sample of the others."""
    data, ends = path.read_bytes(), 150
    sample = rng.integers(ends, len(data) - ends, 200)
    changed = tmp_path / "changed"
    for position in {*range(-ends, ends), *sample.tolist()}:
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.integers(8)
        changed.write_bytes(flipped)
        with pytest.raises(ValueError, match="is damaged: its checksum"):
            read_container(changed)
