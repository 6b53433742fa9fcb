"""Categorical features: detection and one-hot encoding."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array

from .._sklearn_compat import n_features_of
from .._typing import FloatArray, Table

# Most columns of one feature; where there are more categories, the rarest share one.
_MAX_CATEGORIES = 64

# Names of the dtypes of strings and categories in pandas and polars.
_CATEGORICAL_DTYPES = {"category", "str", "string", "String", "Categorical", "Enum"}


def make_encoder(categorical_features: Any, X: Table) -> ColumnTransformer | None:
    """Fit a one-hot encoder to a table; None if it has no categorical features.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    X : array-like or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ColumnTransformer or None
        Its output holds the numeric features first, then an indicator column for each
        category. The indicators of a category that ``fit`` has not seen are all 0,
        unless rare categories share a column, which the unseen one then joins.

    Raises
    ------
    ValueError
        If ``categorical_features`` names columns that the table does not have, or
        columns of a sparse table.
    """
    categorical = _categorical_indices(categorical_features, X)
    if not categorical:
        return None
    if issparse(X):
        raise ValueError(
            f"categorical_features names {len(categorical)} columns of a sparse table, "
            "which has numbers alone: one-hot encode them before, or pass a DataFrame."
        )
    numeric = [i for i in range(n_features_of(X)) if i not in categorical]
    return ColumnTransformer(
        [
            ("numbers", FunctionTransformer(_as_numbers), numeric),
            ("categories", one_hot(), categorical),
        ]
    ).fit(X)


def one_hot() -> Pipeline:
    """Make a one-hot encoder that pools rare categories.

    Every feature gets one column per category, missing values being one of them. If a
    feature has more than 64 categories, the 63 most frequent have a column each and all
    others share one, the missing values too if they are rare.

    Returns
    -------
    Pipeline
    """
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=_MAX_CATEGORIES,
        sparse_output=False,
    )
    return make_pipeline(FunctionTransformer(_na_to_nan), encoder)


def _as_numbers(X: Table) -> FloatArray:
    return check_array(X, dtype=(np.float64, np.float32), ensure_all_finite="allow-nan")


def _na_to_nan(X: Table) -> Table:
    """Replace pandas.NA by NaN, because the encoder cannot sort NA among strings."""
    if isinstance(X, pd.DataFrame):
        return X.astype(object).where(X.notna(), np.nan)
    return X


def _categorical_indices(categorical_features: Any, X: Any) -> list[int]:
    """Indices of the categorical columns, from any form of the parameter."""
    if categorical_features is None:
        return []
    if isinstance(categorical_features, str):  # "from_dtype"
        return categorical_columns(X)
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


def categorical_columns(X: Any) -> list[int]:
    """Find the columns that hold strings or have a categorical dtype.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        An array has one dtype for all columns, and so no categorical ones.

    Returns
    -------
    list of int
        Column indices, in increasing order.
    """
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        return []
    columns = X.iloc if hasattr(X, "iloc") else X
    return [i for i in range(X.shape[1]) if _is_categorical(columns[:, i])]


def _is_categorical(column: Any) -> bool:
    dtype = str(column.dtype).partition("(")[0].partition("[")[0]
    if dtype == "object":
        return pd.api.types.infer_dtype(column, skipna=True) in ("string", "mixed")
    return dtype in _CATEGORICAL_DTYPES
