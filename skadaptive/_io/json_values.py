"""Values as JSON can hold them."""

import math
from typing import Any

import numpy as np


def json_values(value: Any) -> Any:
    """Nested values as JSON can hold them.

    Parameters
    ----------
    value : object
        Dicts, lists and tuples, to any depth, of labels and numbers.

    Returns
    -------
    object
        The same of Python's own types: None in place of numbers that are not finite,
        and text in place of what JSON has no type for.
    """
    if isinstance(value, dict):
        return {str(key): json_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
