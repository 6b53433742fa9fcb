"""Free texts: which columns are taken for them, and what becomes of them."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skadaptive._features.text import TextEncoder, text_columns

WORDS = ["late", "order", "parcel", "was", "not", "here", "please", "call", "again"]


def sentences(rng, n, n_words=8):
    return [" ".join(rng.choice(WORDS, n_words)) for _ in range(n)]


@pytest.fixture
def texts(rng):
    return pd.Series(sentences(rng, 100), name="note")


@pytest.mark.parametrize("dtype", ["object", "string", "str"])
def test_texts_of_several_words_are_free_texts(texts, dtype):
    texts[::9] = None
    X = pd.DataFrame({"a": np.arange(100.0), "note": texts.astype(dtype)})
    assert text_columns(X) == [1]
    assert text_columns(X.to_numpy()) == []
    japanese = [f"配送が遅れました {i}" for i in range(100)]
    assert text_columns(pd.DataFrame({"note": japanese})) == [0]


@pytest.mark.parametrize(
    "kind",
    ["id", "spaced id", "name", "repeated", "category", "few", "numbers", "mixed"],
)
def test_other_columns_are_not(texts, rng, kind):
    column = {
        "id": [f"C{i:04}" for i in range(100)],
        "spaced id": [f"AB {i} CD {2 * i} 17 4" for i in range(100)],
        "name": [f"{'an' * (i + 1)} Smith" for i in range(100)],
        "repeated": texts[:70].tolist() + texts[:30].tolist(),
        "category": texts.astype("category"),
        "few": texts.where(texts.index < 19),
        "numbers": rng.normal(size=100),
        "mixed": [1, *texts[1:]],
    }[kind]
    assert text_columns(pd.DataFrame({"it": column})) == []


def test_rows_are_encoded_one_by_one(texts, rng):
    """New rows and missing values, too, and the same texts in the same way."""
    X = pd.DataFrame({"note": texts, "other": sentences(rng, 100)})
    encoder = TextEncoder(5).fit(X)
    made = encoder.transform(X)
    assert made.shape == (100, 10)
    assert list(encoder.get_feature_names_out()[[0, 4, 5]]) == [
        "note_text0",
        "note_text4",
        "other_text0",
    ]
    assert_allclose(encoder.transform(X.iloc[[7]])[0], made[7], atol=1e-12)
    assert_array_equal(clone(encoder).fit(X).transform(X), made)
    X.loc[7, "note"] = None
    assert_array_equal(encoder.transform(X)[7, :5], 0)
    assert_allclose(encoder.transform(X)[7, 5:], made[7, 5:], atol=1e-12)


def test_few_terms_are_columns_of_their_own():
    X = pd.DataFrame({"it": ["abc", "abd", None], "none": [None, " ", ""]})
    encoder = TextEncoder().fit(X)
    made = encoder.transform(X)
    names = encoder.get_feature_names_out()
    assert made.shape == (3, len(names)) and 3 < len(names) < 30
    assert all(name.startswith("it_text") for name in names)
    assert (made[:2] != 0).any(axis=1).all() and not made[2].any()
    assert encoder.n_features_in_ == 2


def test_wide_texts_have_a_bounded_number_of_terms(rng):
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    X = pd.DataFrame({"it": ["".join(rng.choice(letters, 400)) for _ in range(150)]})
    ((vectorizer, svd),) = TextEncoder().fit(X).encoders_
    assert svd.components_.shape == (30, 20_000)
    assert {type(index) for index in vectorizer.vocabulary_.values()} == {int}
