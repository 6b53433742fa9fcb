"""Categorical features: which they are, and one column for each category."""

from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array

from .._sklearn_compat import n_features_of

# Columns that a feature becomes at most; the rarest categories share the last.
_MAX_CATEGORIES = 64

_DTYPES = {"category", "str", "string", "String", "Categorical", "Enum"}


def make_encoder(categorical_features, X):
    """An encoder fitted to a table, or None if it has no categories.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    X : array-like or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ColumnTransformer or None
        To a table of numbers: other features first, then 0 and 1 for each category.
        Categories that it has not seen are all 0, or with the rare ones if there are
        such.

    Raises
    ------
    ValueError
        If there are no such features.
    """
    columns = _positions(categorical_features, X)
    if not columns:
        return None
    others = [i for i in range(n_features_of(X)) if i not in columns]
    numbers = FunctionTransformer(_numbers)
    return ColumnTransformer(
        [("others", numbers, others), ("categories", one_hot(), columns)]
    ).fit(X)


def one_hot():
    """One column for each category, one for the rare ones together, one for missing.

    Returns
    -------
    Pipeline
    """
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=_MAX_CATEGORIES,
        sparse_output=False,
    )
    return make_pipeline(FunctionTransformer(_without_na), encoder)


def _numbers(X):
    return check_array(X, dtype=(np.float64, np.float32), ensure_all_finite="allow-nan")


def _without_na(X):
    """pandas.NA, which cannot be sorted among strings, as NaN."""
    if isinstance(X, pd.DataFrame):
        return X.astype(object).where(X.notna(), np.nan)
    return X


def _positions(categorical_features, X):
    """Numbers of the categorical columns."""
    if categorical_features is None or issparse(X):  # which is refused later on
        return []
    if isinstance(categorical_features, str):  # "from_dtype"
        return from_dtype(X)
    features = np.asarray(categorical_features)
    n_features = n_features_of(X)
    if features.dtype == bool and features.shape == (n_features,):
        return np.flatnonzero(features).tolist()
    names = list(getattr(X, "columns", []))
    wanted = [int(f) if isinstance(f, Integral) else f for f in features.tolist()]
    allowed = range(n_features) if features.dtype.kind in "iu" else names
    unknown = [feature for feature in wanted if feature not in allowed]
    if unknown or features.ndim != 1:
        raise ValueError(
            f"categorical_features must be names of columns, their numbers from 0 to "
            f"{n_features - 1}, or a mask of {n_features}; got {unknown or features!r}."
        )
    return sorted({f if isinstance(f, int) else names.index(f) for f in wanted})


def from_dtype(X):
    """Numbers of the columns of a table whose dtype is that of categories.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Without dtypes of its columns it has none.

    Returns
    -------
    list of int
    """
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        return []
    columns = X.iloc if hasattr(X, "iloc") else X
    return [i for i in range(X.shape[1]) if _is_category(columns[:, i])]


def _is_category(column):
    dtype = str(column.dtype).partition("(")[0].partition("[")[0]
    if dtype == "object":
        return pd.api.types.infer_dtype(column, skipna=True) in ("string", "mixed")
    return dtype in _DTYPES
