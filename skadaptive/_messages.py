"""How messages show a value that was given."""

from typing import Any

import numpy as np

# Most items of a list that are shown.
_MOST = 10


def shown(value: Any) -> str:
    """The value as Python writes it, without the types of NumPy.

    ``1`` stands for ``np.int64(1)`` and ``[0, 1]`` for ``array([0, 1])``. Long lists
    are cut.

    Parameters
    ----------
    value : object

    Returns
    -------
    str
    """
    return repr(_plain(value))


class _Rest:
    def __repr__(self) -> str:
        return "..."


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if type(value) in (list, tuple):
        items = [_plain(item) for item in value[:_MOST]]
        return type(value)(items + [_Rest()] * (len(value) > _MOST))
    if type(value) is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value
