"""scikit-learn's transformers as nodes of a graph.

skl2onnx has converters for most of them, but they differ from scikit-learn where it
matters here: in release 1.20 an unknown category is an error where rare ones share a
column, a missing category is the text "nan", and the columns of an imputer that say
what was missing are left out.
"""

import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from .._features.categories import _as_numbers, _na_to_nan
from .._features.text import TextEncoder
from .._messages import shown
from ..contenders import _checked_numbers, _date_features
from .table import Numbers, Part, RawColumn, Table

# What a text input says where the text is missing.
_MISSING_TEXT = ""


def transformed(transformer: Any, table: Table) -> Table:
    """The columns that a fitted transformer makes.

    Parameters
    ----------
    transformer : transformer or "passthrough"
        Fitted. A pipeline of transformers may have samplers, which are left out.
    table : Table

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If it is none of those that can be exported, or has a parameter that cannot.
    """
    if isinstance(transformer, Pipeline):
        return through_steps(transformer.steps, table)
    if transformer is None or isinstance(transformer, str):  # "passthrough"
        return table
    convert = _CONVERTED.get(type(transformer))
    if convert is not None:
        return convert(transformer, table)
    if isinstance(transformer, TextEncoder):
        _refuse_columns(table, "free text", "Leave them out")
    refuse(
        f"The transformer {type(transformer).__name__}",
        "ColumnTransformer, Pipeline, samplers of imbalanced-learn, "
        + ", ".join(sorted(kind.__name__ for kind in set(_CONVERTED) - _COMPOSED)),
    )


def through_steps(steps: list[tuple[str, Any]], table: Table) -> Table:
    """The columns after the steps of a pipeline, in which samplers do nothing."""
    for _, step in steps:
        if not hasattr(step, "fit_resample"):
            table = transformed(step, table)
    return table


def refuse(what: str, allowed: str) -> NoReturn:
    """Raise a ValueError for something that cannot be exported.

    Parameters
    ----------
    what : str
        Subject of the sentence.
    allowed : str
        What can be exported in its place.
    """
    raise ValueError(
        f"{what} cannot be exported to ONNX. What can be is {allowed}. For other parts "
        "of scikit-learn call skadaptive.register_onnx_converter() and convert with "
        "skl2onnx.to_onnx."
    )


def _refuse_columns(table: Table, kind: str, advice: str) -> NoReturn:
    raise ValueError(
        f"Columns with {kind} cannot be exported to ONNX: {table.described()}. "
        f"{advice}, and fit again."
    )


# ----------------------------------------------------------------- choosing of columns


def _by_columns(transformer: ColumnTransformer, table: Table) -> Table:
    names = getattr(transformer, "feature_names_in_", None)
    parts: list[Part] = []
    for _, fitted, columns in transformer.transformers_:
        indices = _indices(columns, table.n_columns, names)
        if indices and not (isinstance(fitted, str) and fitted == "drop"):
            parts += transformed(fitted, table.take(indices)).parts
    return Table(table.graph, parts)


def _indices(columns: Any, n_columns: int, names: Any) -> list[int]:
    """Indices of columns, from any form that a ColumnTransformer takes."""
    places = pd.Series(range(n_columns), names)
    if isinstance(columns, slice):
        labels = [columns.start, columns.stop]
    else:
        with warnings.catch_warnings():
            # scikit-learn 1.6 announces another form of remaining columns.
            warnings.simplefilter("ignore", FutureWarning)
            labels = columns = np.atleast_1d(columns).tolist()
    by_name = any(isinstance(label, str) for label in labels)
    return (places.loc[columns] if by_name else places.iloc[columns]).tolist()


# -------------------------------------------------------------------------- categories


def _one_hot(encoder: OneHotEncoder, table: Table) -> Table:
    rare = getattr(encoder, "infrequent_categories_", None)
    dropped = encoder.drop_idx_
    columns, width = [], 0
    for i, levels in enumerate(encoder.categories_):
        one = table.take([i])
        keys = [None if pd.isna(level) else level for level in levels]
        shared = set() if rare is None or rare[i] is None else set(rare[i])
        shared = {None if pd.isna(level) else level for level in shared}
        # The column of each level; rare levels share the last one.
        own = [key for key in keys if key not in shared]
        place = {key: own.index(key) if key in own else len(own) for key in keys}
        n_places = len(own) + bool(shared)
        unknown = len(own) if shared and _joins_rare(encoder) else -1
        if dropped is not None and dropped[i] is not None:
            gone = place[keys[dropped[i]]]
            place = {key: _without(p, gone) for key, p in place.items()}
            unknown, n_places = _without(unknown, gone), n_places - 1
        if n_places:
            columns.append(_indicators(one, place, unknown, n_places))
            width += n_places
    if not columns:
        return Table(table.graph, [])
    graph = table.graph
    return Table(graph, [Numbers(graph.cast(graph.joined(columns), float), width)])


def _joins_rare(encoder: OneHotEncoder) -> bool:
    return encoder.handle_unknown in ("infrequent_if_exist", "warn")


def _without(place: int, gone: int) -> int:
    """The number of a column once another one is gone; -1 for none."""
    return -1 if place == gone else place - (place > gone)


def _indicators(table: Table, place: dict[Any, int], unknown: int, n: int) -> str:
    """Boolean columns of a category, (n_rows, n).

    ``place`` has the column of each level, None being the missing one, and ``unknown``
    that of all other values; -1 stands for none.
    """
    graph, levels = table.graph, [level for level in place if level is not None]
    if all(isinstance(level, str) for level in levels):
        number = _text_code(table, place, unknown)
    elif all(isinstance(level, Real | np.bool_) for level in levels):
        number = _number_code(table, place, unknown)
    else:
        raise ValueError(
            f"Column {table.described()} has categories that are neither all texts "
            f"nor all numbers, such as {shown(levels[0])} and {shown(levels[-1])}; an "
            "input of a graph has one of these types. Make them all texts, and fit "
            "again."
        )
    return graph.op("Equal", number, np.arange(n))


def _text_code(table: Table, place: dict[Any, int], unknown: int) -> str:
    """Column number of each text, an int64 tensor of shape (n, 1)."""
    (part,) = table.parts
    replacement = part.replacement if isinstance(part, RawColumn) else None
    if _MISSING_TEXT in place and (None in place or replacement is not None):
        raise ValueError(
            f"Column {table.described()} holds empty texts beside missing ones, but in "
            "the graph an empty text is a missing one. Replace one of them, and fit "
            "again."
        )
    codes = {_MISSING_TEXT if level is None else level: p for level, p in place.items()}
    if replacement is not None:
        codes[_MISSING_TEXT] = place.get(replacement, unknown)
    return table.graph.op(
        "ai.onnx.ml:LabelEncoder",
        table.text(),
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=unknown,
    )


def _number_code(table: Table, place: dict[Any, int], unknown: int) -> str:
    """Column number of each number, an int64 tensor of shape (n, 1)."""
    graph, x = table.graph, table.numbers()
    levels = np.array([level for level in place if level is not None], float)
    if table.are_float32[0]:
        # The input is float32, where 0.1 is another number than in float64.
        levels = levels.astype(np.float32).astype(float)
        if len(np.unique(levels)) < len(levels):
            raise ValueError(
                f"Column {table.described()} has categories that are the same number "
                "in float32, the type of its input. Make them texts, and fit again."
            )
    found = graph.op("Equal", x, levels[None])
    places = [p for level, p in place.items() if level is not None]
    if None in place:
        found = graph.joined([found, graph.op("IsNaN", x)])
        places.append(place[None])
    # At most one is found, and without one the last, the unknown, is.
    first = graph.op("ReduceMax", graph.cast(found, np.int32), [1], keepdims=1)
    none = graph.op("Equal", first, np.int32(0))
    at = graph.op("ArgMax", graph.cast(graph.joined([found, none]), np.int32), axis=1)
    return graph.op("Gather", np.array([*places, unknown]), at)


# ----------------------------------------------------------------------------- numbers


def _imputed(imputer: SimpleImputer, table: Table) -> Table:
    if not pd.isna(imputer.missing_values):
        refuse(
            f"SimpleImputer with missing_values={imputer.missing_values!r}",
            "SimpleImputer with missing_values=np.nan",
        )
    statistics = list(imputer.statistics_)
    if any(isinstance(value, str) for value in statistics):
        return _imputed_texts(imputer, statistics, table)
    graph = table.graph
    filled = np.array(statistics, float)
    # Columns without any value have no statistic, and go.
    kept = np.flatnonzero(~np.isnan(filled))
    parts: list[Part] = []
    # A category in place of the missing ones is rounded as the others are; a mean is
    # not, as float32 has no time stamp between two that are minutes apart.
    fills_categories = imputer.strategy in ("most_frequent", "constant")
    is_float32 = fills_categories and all(table.are_float32)
    if is_float32:
        filled = filled.astype(np.float32).astype(float)
    if kept.size:
        numbers = table.take(kept.tolist()).numbers()
        missing = graph.op("IsNaN", numbers)
        imputed = graph.op("Where", missing, filled[kept], numbers)
        parts.append(Numbers(imputed, len(kept), is_float32))
    if imputer.indicator_ is not None and imputer.indicator_.features_.size:
        flagged = imputer.indicator_.features_.tolist()
        flags = graph.op("IsNaN", table.take(flagged).numbers())
        parts.append(Numbers(graph.cast(flags, float), len(flagged)))
    return Table(graph, parts)


def _imputed_texts(imputer: SimpleImputer, statistics: list, table: Table) -> Table:
    if imputer.indicator_ is not None:
        refuse("SimpleImputer with add_indicator=True on texts", "one without it")
    parts: list[Part] = []
    for i, value in enumerate(statistics):
        (part,) = table.take([i]).parts
        if not isinstance(value, str) or not isinstance(part, RawColumn):
            refuse(
                f"SimpleImputer on texts and numbers together ({table.described()})",
                "a SimpleImputer for each type of columns",
            )
        parts.append(RawColumn(part.name, replacement=value))
    return Table(table.graph, parts)


def _standardized(scaler: StandardScaler, table: Table) -> Table:
    return _rescaled(table, scaler.mean_ if scaler.with_mean else None, scaler.scale_)


def _scaled_robustly(scaler: RobustScaler, table: Table) -> Table:
    return _rescaled(table, scaler.center_, scaler.scale_)


def _scaled_by_maximum(scaler: MaxAbsScaler, table: Table) -> Table:
    made = _rescaled(table, None, scaler.scale_)
    return _clipped(made, -1.0, 1.0) if getattr(scaler, "clip", False) else made


def _scaled_to_range(scaler: MinMaxScaler, table: Table) -> Table:
    graph = table.graph
    # Of float32 tables these are float32.
    numbers = graph.op("Mul", table.numbers(), scaler.scale_.astype(float))
    numbers = graph.op("Add", numbers, scaler.min_.astype(float))
    made = Table(graph, [Numbers(numbers, table.n_columns)])
    return _clipped(made, *scaler.feature_range) if scaler.clip else made


def _rescaled(table: Table, center: Any, scale: Any) -> Table:
    graph, numbers = table.graph, table.numbers()
    if center is not None:
        numbers = graph.op("Sub", numbers, center.astype(float))
    if scale is not None:
        numbers = graph.op("Div", numbers, scale.astype(float))
    return Table(graph, [Numbers(numbers, table.n_columns)])


def _clipped(table: Table, low: float, high: float) -> Table:
    graph, numbers = table.graph, table.numbers()
    # The operator Clip need not keep NaN.
    missing = graph.op("IsNaN", numbers)
    clipped = graph.op("Clip", numbers, float(low), float(high))
    numbers = graph.op("Where", missing, numbers, clipped)
    return Table(graph, [Numbers(numbers, table.n_columns)])


def _by_function(transformer: FunctionTransformer, table: Table) -> Table:
    function = transformer.func
    if function is _date_features:
        _refuse_columns(table, "dates", "Turn them into numbers, or leave them out")
    if function is _as_numbers:
        return Table(table.graph, [Numbers(table.numbers(), table.n_columns)])
    # A missing category has one form in the graph.
    if function in (None, _na_to_nan, _checked_numbers):
        return table
    name = getattr(function, "__name__", repr(function))
    refuse(f"FunctionTransformer({name})", "FunctionTransformer without a function")


_COMPOSED = {ColumnTransformer}
_CONVERTED: dict[type, Callable[[Any, Table], Table]] = {
    ColumnTransformer: _by_columns,
    FunctionTransformer: _by_function,
    MaxAbsScaler: _scaled_by_maximum,
    MinMaxScaler: _scaled_to_range,
    OneHotEncoder: _one_hot,
    RobustScaler: _scaled_robustly,
    SimpleImputer: _imputed,
    StandardScaler: _standardized,
}
