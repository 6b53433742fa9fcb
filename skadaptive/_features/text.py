"""Free texts: which columns hold them, and numbers in their place."""

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from .._typing import FloatArray, Table

# A column of fewer distinct texts is a category: each level has a column of its own.
_LEAST_TEXTS = 20
# Least share of distinct texts among the texts of a column.
_LEAST_DISTINCT = 0.8
# Least mean number of words of a text. Names of people and of products have fewer.
_LEAST_WORDS = 3
# Number of distinct texts in which words are counted.
_N_COUNTED = 1000
# Two letters make a word; so do two characters of a script that has no blanks.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2}|[^\W\d_]{2,}")
# The most frequent sequences of characters are used, so that memory has a bound.
_MOST_TERMS = 20_000


def text_columns(X: Any) -> list[int]:
    """Find the columns of free text.

    Their texts differ in nearly every row and have several words each. A categorical
    dtype says that a column is none.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Only a pandas DataFrame has such columns.

    Returns
    -------
    list of int
        Column indices, in increasing order.
    """
    if not isinstance(X, pd.DataFrame):
        return []
    return [i for i in range(X.shape[1]) if _is_free_text(X.iloc[:, i])]


def _is_free_text(column: pd.Series) -> bool:
    if not isinstance(column.dtype, pd.StringDtype) and column.dtype != object:
        return False
    texts = column.dropna()
    # The first rows tell most columns of categories apart, without a look at them all.
    if len(texts) < _LEAST_TEXTS or texts.iloc[:1000].nunique() < _LEAST_TEXTS:
        return False
    if pd.api.types.infer_dtype(texts) != "string":
        return False
    distinct = texts.unique()
    if len(distinct) < max(_LEAST_TEXTS, _LEAST_DISTINCT * len(texts)):
        return False
    counted = distinct[:_N_COUNTED]
    n_words = sum(len(_WORD.findall(text)) for text in counted)
    return n_words >= _LEAST_WORDS * len(counted)


class TextEncoder(TransformerMixin, BaseEstimator):
    """Columns of numbers for columns of free text, by TF-IDF and truncated SVD.

    The terms are sequences of three and four characters within words, so that related
    forms of a word are near each other in any language with blanks between words. A
    missing text has no terms, and its numbers are 0. The same texts give the same
    numbers.

    Parameters
    ----------
    n_components : int, default=30
        Number of columns for each text. A text column with no more terms than that has
        one column for each term.
    """

    def __init__(self, n_components: int = 30) -> None:
        self.n_components = n_components

    def fit(self, X: Table, y: Any = None) -> Self:
        """Learn terms and components.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
        y : ignored

        Returns
        -------
        self
        """
        X = _as_frame(X)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.encoders_ = [self._fit_column(X.iloc[:, i]) for i in range(X.shape[1])]
        return self

    def _fit_column(
        self, column: pd.Series
    ) -> tuple[TfidfVectorizer | None, TruncatedSVD | None]:
        """The fitted encoders of a column: none without terms, one with few."""
        vectorizer = _vectorizer()
        texts = _as_texts(column)
        if not any(text.strip() for text in texts):
            return None, None
        terms = vectorizer.fit_transform(texts)
        # NumPy's integers would each become a file of their own in a model file.
        vectorizer.vocabulary_ = {
            term: int(index) for term, index in vectorizer.vocabulary_.items()
        }
        if terms.shape[1] <= self.n_components:
            return vectorizer, None
        svd = TruncatedSVD(self.n_components, random_state=0)
        return vectorizer, svd.fit(terms)

    def transform(self, X: Table) -> FloatArray:
        """Numbers in place of texts.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
        """
        check_is_fitted(self)
        X = _as_frame(X)
        parts = [np.empty((len(X), 0))]
        for i, (vectorizer, svd) in enumerate(self.encoders_):
            if vectorizer is not None:
                terms: csr_matrix = vectorizer.transform(_as_texts(X.iloc[:, i]))
                parts.append(terms.toarray() if svd is None else svd.transform(terms))
        return np.hstack(parts)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: that of the text column, and a number.

        Parameters
        ----------
        input_features : ignored
            The names are those of the columns of ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        encoders = zip(self.feature_names_in_, self.encoders_, strict=True)
        made = [
            f"{name}_text{j}"
            for name, (vectorizer, svd) in encoders
            for j in range(_n_columns(vectorizer, svd))
        ]
        return np.asarray(made, dtype=object)


def _vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), max_features=_MOST_TERMS
    )


@dataclass(frozen=True)
class FittedTexts:
    """What a :class:`TextEncoder` has learnt of a column, as plain data.

    Attributes
    ----------
    terms : list of str
        In the order of their columns.
    idf : ndarray of shape (n_terms,)
        Inverse document frequencies.
    components : ndarray of shape (n_components, n_terms) or None
        Those of the truncated SVD; None if the terms are the columns.
    """

    terms: list[str]
    idf: FloatArray
    components: FloatArray | None

    @classmethod
    def of(cls, vectorizer: TfidfVectorizer, svd: TruncatedSVD | None) -> "FittedTexts":
        """What these fitted encoders of a column have learnt."""
        vocabulary = vectorizer.vocabulary_
        terms = sorted(vocabulary, key=vocabulary.__getitem__)
        return cls(terms, vectorizer.idf_, None if svd is None else svd.components_)

    def encoders(self) -> tuple[TfidfVectorizer, TruncatedSVD | None]:
        """Fitted encoders that encode as those that this came from."""
        vectorizer = _vectorizer()
        vectorizer.vocabulary_ = {term: i for i, term in enumerate(self.terms)}
        vectorizer.idf_ = self.idf
        if self.components is None:
            return vectorizer, None
        svd = TruncatedSVD(len(self.components), random_state=0)
        svd.components_ = self.components
        svd.n_features_in_ = len(self.terms)
        return vectorizer, svd


def _n_columns(vectorizer: TfidfVectorizer | None, svd: TruncatedSVD | None) -> int:
    if vectorizer is None:
        return 0
    return len(vectorizer.vocabulary_) if svd is None else len(svd.components_)


def _as_frame(X: Any) -> pd.DataFrame:
    return X if isinstance(X, pd.DataFrame) else X.to_pandas()


def _as_texts(column: pd.Series) -> list[str]:
    return [str(text) for text in column.astype(object).where(column.notna(), "")]
