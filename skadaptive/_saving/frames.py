"""Rows of a table as plain arrays and JSON, with the types of their columns."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from .container import Parts


def write_frame(name: str, frame: pd.DataFrame, parts: Parts) -> None:
    """Write a table of numbers, dates, texts and categories.

    Parameters
    ----------
    name : str
        Part that the entries belong to.
    frame : DataFrame of shape (n_rows, n_columns)
        Its index is not written.
    parts : Parts
        The entries are added.
    """
    numbers: dict[str, list[np.ndarray]] = {}
    columns = []
    for label, column in frame.items():
        content: dict[str, Any] = {"name": label}
        if is_datetime64_any_dtype(column):
            # Nanoseconds would not go with dates such as 9999-12-31.
            zone = getattr(column.dtype, "tz", None)
            utc = column.dt.tz_convert("UTC").dt.tz_localize(None) if zone else column
            values = utc.to_numpy()
            content |= {"kind": "date", "dtype": values.dtype.str}
            content["zone"] = None if zone is None else str(zone)
            numbers.setdefault("int64", []).append(values.view("int64"))
        elif is_bool_dtype(column.dtype) or is_numeric_dtype(column.dtype):
            values = column.to_numpy()
            if values.dtype.kind == "O":  # numbers of pandas with gaps
                values = column.to_numpy(float, na_value=np.nan)
            content |= {"kind": "number", "dtype": values.dtype.name}
            numbers.setdefault(values.dtype.name, []).append(values)
        else:
            texts = column.astype(object).where(column.notna(), None).tolist()
            content |= {"kind": "text", "values": [_text(text) for text in texts]}
            if isinstance(column.dtype, pd.CategoricalDtype):
                levels = column.cat.categories
                content |= {"kind": "category", "levels": [*map(str, levels)]}
                content["ordered"] = bool(column.cat.ordered)
        columns.append(content)
    parts.add_json(f"{name}/columns", {"n_rows": len(frame), "columns": columns})
    for dtype, arrays in numbers.items():
        parts.add_array(f"{name}/{dtype}", np.stack(arrays))


def read_frame(name: str, parts: Parts) -> pd.DataFrame:
    """The inverse of :func:`write_frame`; rows are numbered from 0."""
    content = parts.json(f"{name}/columns")
    remaining: dict[str, list[np.ndarray]] = {}
    made = {}
    for column in content["columns"]:
        kind = column["kind"]
        if kind in ("number", "date"):
            dtype = "int64" if kind == "date" else column["dtype"]
            if dtype not in remaining:
                remaining[dtype] = list(parts.array(f"{name}/{dtype}"))
            values: Any = remaining[dtype].pop(0)
            if kind == "date":
                values = pd.Series(values.view(column["dtype"]))
                if column["zone"] is not None:
                    values = values.dt.tz_localize("UTC").dt.tz_convert(column["zone"])
        else:
            values = column["values"]
            if kind == "category":
                values = pd.Categorical(values, column["levels"], column["ordered"])
            elif not any(isinstance(value, str) for value in values):
                values = pd.Series(values, dtype=object)
        made[column["name"]] = values
    return pd.DataFrame(made, index=range(content["n_rows"]))


def _text(value: Any) -> str | None:
    return value if value is None else str(value)
