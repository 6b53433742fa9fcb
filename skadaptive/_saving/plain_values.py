"""Labels and parameters as values of JSON, and back to the same types.

JSON has no tuples, arrays, keys other than texts, or numbers that are not finite. These
become an object with one key that names the type. Criteria of
:mod:`skadaptive.thresholds` are written by name; nothing else that is code is.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from .. import thresholds

_CRITERIA: dict[str, Any] = {
    "f1": thresholds.f1,
    "expected_cost": thresholds.expected_cost,
    "precision_at_recall": thresholds.precision_at_recall,
    "recall_at_precision": thresholds.recall_at_precision,
}
# Kinds of arrays: booleans, numbers, texts and objects.
_KINDS = "biufUO"


def to_plain(value: Any) -> Any:
    """A value as JSON can hold it.

    Parameters
    ----------
    value : object
        None, texts, numbers, booleans, lists, tuples, dicts, arrays and criteria for
        the threshold, to any depth.

    Returns
    -------
    object

    Raises
    ------
    TypeError
        If it is something else, such as a function or an estimator.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        # Classes of their own, such as members of an enumeration, are none of these.
        if type(value) in (type(None), bool, int, float, str):
            return value
    elif isinstance(value, list):
        return [to_plain(item) for item in value]
    elif type(value) is tuple:
        return {"tuple": [to_plain(item) for item in value]}
    elif type(value) is dict:
        return {"dict": [[to_plain(k), to_plain(v)] for k, v in value.items()]}
    elif isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        return {"array": [value.dtype.str, to_plain(value.tolist())]}
    elif value is thresholds.f1:
        return {"criterion": ["f1", {}]}
    elif type(value) in _CRITERIA.values():
        fields = {
            field.name: to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
        return {"criterion": [type(value).__name__, fields]}
    raise TypeError(f"{value!r} cannot be written as JSON.")


def from_plain(value: Any) -> Any:
    """The inverse of :func:`to_plain`."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "float":
        return float(content)
    if kind == "tuple":
        return tuple(from_plain(content))
    if kind == "dict":
        return {from_plain(k): from_plain(v) for k, v in content}
    if kind == "array":
        return _array(content[0], from_plain(content[1]))
    if kind == "criterion":
        criterion, fields = _CRITERIA[content[0]], content[1]
        if not fields:
            return criterion
        return criterion(**{name: from_plain(v) for name, v in fields.items()})
    raise ValueError(f"There is no plain value of the kind {kind!r}.")


def _array(dtype: str, values: Any) -> np.ndarray:
    if np.dtype(dtype).kind != "O":
        return np.array(values, dtype)
    # numpy.array would make a further dimension of labels that are sequences.
    made = np.empty(len(values), object)
    made[:] = values
    return made
