"""Categorical features: detection and one-hot encoding."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.utils import check_array

from .._messages import shown
from .._sklearn_compat import n_features_of
from .._typing import FloatArray, Table
from .values import as_pandas, inferred_kind, is_polars, needs_conversion, with_numbers

# Most columns of one feature; where there are more categories, the rarest share one.
_MAX_CATEGORIES = 64

# Most categories that are shown of a column in a message.
_MOST_SHOWN = 3

# Names of the dtypes of strings and categories in pandas and polars.
_CATEGORICAL_DTYPES = {"category", "str", "string", "String", "Categorical", "Enum"}
# Polars's dtype of a column that is missing in all rows.
_CATEGORICAL_DTYPES |= {"Null"}


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
    if needs_conversion(X):
        X = with_numbers(X, categorical, is_fit=True)
    with config_context(transform_output="default"):
        return _unfitted(n_features_of(X), categorical).fit(X)


def check_same_categories(
    categorical_features: Any, encoder: ColumnTransformer | None, X: Table
) -> None:
    """Refuse other categorical columns than those that training has begun with.

    Parameters
    ----------
    categorical_features : "from_dtype", array-like or None
        "from_dtype" stands for the columns of the first rows: a column of texts may
        have another dtype in later rows, as where all of them are missing.
    encoder : ColumnTransformer or None
        Of :func:`make_encoder`.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Names say nothing of rows without column names.

    Raises
    ------
    ValueError
        If the columns are others, or if the table does not have them.
    """
    if isinstance(categorical_features, str):
        return
    are_names = np.asarray(categorical_features).dtype.kind not in "iub"
    if categorical_features is not None and are_names and not hasattr(X, "columns"):
        return
    now, before = (
        _categorical_indices(categorical_features, X),
        encoded_columns(encoder),
    )
    if now != before:
        raise ValueError(
            "Training cannot go on with other categories: categorical_features was "
            f"{before}, by number of column, and is {now}. Set that back, or fit anew "
            "with warm_start=False."
        )


def encode(encoder: ColumnTransformer, X: Any) -> FloatArray:
    """Encode a table, without the warnings of the encoder's parts.

    They are about names of columns, which the classifier checks itself, and about the
    output that the user set for transformers.

    Parameters
    ----------
    encoder : ColumnTransformer
        Fitted, see :func:`make_encoder`.
    X : array-like or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    ndarray of shape (n_samples, n_encoded)
    """
    names = getattr(encoder, "feature_names_in_", None)
    given = getattr(X, "columns", None)
    if names is None:
        X = X if given is None else X.to_numpy()
    elif given is None or not all(isinstance(name, str) for name in given):
        X = pd.DataFrame(X if given is None else X.to_numpy(), columns=names)
    with config_context(transform_output="default"):
        return encoder.transform(X)


def encoded_columns(encoder: ColumnTransformer | None) -> list[int]:
    """Columns that are categories for a fitted encoder of :func:`make_encoder`."""
    if encoder is None:
        return []
    columns = {name: columns for name, _, columns in encoder.transformers_}
    return list(columns["categories"])


def encoded_levels(encoder: ColumnTransformer | None) -> dict[int, np.ndarray]:
    """Categories of each column that a fitted encoder of :func:`make_encoder` knows."""
    if encoder is None:
        return {}
    levels = encoder.named_transformers_["categories"][-1].categories_
    return dict(zip(encoded_columns(encoder), levels, strict=True))


def _unfitted(n_features: int, categorical: list[int]) -> ColumnTransformer:
    numeric = [i for i in range(n_features) if i not in categorical]
    return ColumnTransformer(
        [
            ("numbers", FunctionTransformer(_as_numbers), numeric),
            ("categories", one_hot(), categorical),
        ]
    )


def without_categories(encoder: ColumnTransformer, X: Any) -> Any:
    """The columns of a table that are numbers, or all encoded if there are none.

    An encoder takes several milliseconds for a single row.
    """
    categorical = set(encoded_columns(encoder))
    numeric = [i for i in range(encoder.n_features_in_) if i not in categorical]
    if not numeric or not hasattr(X, "shape"):
        return encode(encoder, X)
    return X.iloc[:, numeric] if isinstance(X, pd.DataFrame) else X[:, numeric]


def unseen_columns(encoder: ColumnTransformer, X: Any) -> dict[int, list[Any]]:
    """Categorical columns of which no row has a category that the encoder has seen.

    Parameters
    ----------
    encoder : ColumnTransformer
        Fitted, see :func:`make_encoder`.
    X : array-like or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    dict of int to list
        The first different values of each such column.
    """
    if not hasattr(X, "shape"):
        X = np.asarray(X, dtype=object)
    table = X.iloc if isinstance(X, pd.DataFrame) else X
    found = {}
    for column, known in encoded_levels(encoder).items():
        values = np.asarray(table[:, column], dtype=object)
        # Missing values, of which there are several kinds, are one category.
        values = pd.Series(np.where(pd.isna(values), np.nan, values), dtype=object)
        if not values.isin(known).any():
            found[column] = values.unique().tolist()[:_MOST_SHOWN]
    return found


@dataclass(frozen=True)
class FittedCategories:
    """What an encoder of :func:`make_encoder` has learnt, as plain data.

    Attributes
    ----------
    n_features : int
        Columns of the table.
    names : list of str or None
        Their names, if all are strings.
    categorical : list of int
        The columns that are categories.
    levels : list of ndarray of shape (n_levels,)
        Categories of each of these columns, in the order of their indicators.
    pooled : list of list of int
        Indices of those levels of each that share an indicator.
    """

    n_features: int
    names: list[str] | None
    categorical: list[int]
    levels: list[np.ndarray]
    pooled: list[list[int]]

    @classmethod
    def of(cls, encoder: ColumnTransformer) -> "FittedCategories":
        """What this encoder has learnt."""
        names = getattr(encoder, "feature_names_in_", None)
        one_hot_encoder = encoder.named_transformers_["categories"][-1]
        levels = one_hot_encoder.categories_
        pooled = [
            _positions(rare, every)
            for rare, every in zip(
                one_hot_encoder.infrequent_categories_, levels, strict=True
            )
        ]
        return cls(
            encoder.n_features_in_,
            None if names is None else list(names),
            encoded_columns(encoder),
            levels,
            pooled,
        )

    def encoder(self) -> ColumnTransformer:
        """A fitted encoder that encodes as the one that this came from.

        It is fitted to the numbers of the levels, in which pooled levels are rarer than
        the others, and gets the levels in the end. So it has whatever attributes the
        installed release of scikit-learn wants.
        """
        columns = [
            _level_numbers(len(levels), pooled)
            for levels, pooled in zip(self.levels, self.pooled, strict=True)
        ]
        table = np.zeros((max(map(len, columns)), self.n_features))
        for column, numbers in zip(self.categorical, columns, strict=True):
            # A level that is not pooled fills up the column.
            table[:, column] = numbers[-1]
            table[: len(numbers), column] = numbers
        X = table if self.names is None else pd.DataFrame(table, columns=self.names)
        encoder = _unfitted(self.n_features, self.categorical).fit(X)
        encoder.named_transformers_["categories"][-1].categories_ = list(self.levels)
        return encoder


def _positions(some: Any, every: np.ndarray) -> list[int]:
    """Positions of some categories among all, both in the same order; None for none."""
    found: list[int] = []
    for category in () if some is None else some:
        start = found[-1] + 1 if found else 0
        rest = enumerate(every[start:], start)
        found.append(next(i for i, other in rest if _is_same(category, other)))
    return found


def _is_same(one: Any, other: Any) -> bool:
    return one is other or one == other or (one != one and other != other)


def _level_numbers(n_levels: int, pooled: list[int]) -> list[int]:
    """Each number once, and again if it is not pooled; the last one is not pooled."""
    return [*range(n_levels), *(i for i in range(n_levels) if i not in set(pooled))]


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


def _na_to_nan(X: Any) -> Any:
    """Replace what is missing by NaN, because the encoder cannot sort NA or None."""
    if isinstance(X, pd.DataFrame):
        return X.astype(object).where(X.notna(), np.nan)
    if is_polars(X):
        X = as_pandas(X)
        return X.astype(object).where(X.notna(), np.nan)
    if isinstance(X, np.ndarray) and X.dtype == object:
        return np.where(pd.isna(X), np.nan, X)
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
    if features.dtype.kind not in "biuf" and features.size and not names:
        raise ValueError(
            f"categorical_features names columns, {shown(features)}, and X has no "
            "column names: pass a DataFrame, or numbers of columns from 0 to "
            f"{n_features - 1}."
        )
    wanted = [int(f) if isinstance(f, Integral) else f for f in features.tolist()]
    allowed = range(n_features) if features.dtype.kind in "iu" else names
    unknown = [feature for feature in wanted if feature not in allowed]
    if unknown or features.ndim != 1:
        raise ValueError(
            f"categorical_features must be names of columns, their numbers from 0 to "
            f"{n_features - 1}, or a mask of {n_features}; got "
            f"{shown(unknown or features)}."
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
        # What is missing in all rows may be a text in the next ones.
        return inferred_kind(column) in ("string", "mixed", "empty")
    return dtype in _CATEGORICAL_DTYPES
