"""How messages show a value that was given, and texts from files."""

import re
from typing import Any

import numpy as np

# A terminal obeys control characters, such as those that begin an escape sequence or
# overwrite a line, and the overrides of the direction of writing make a text look like
# another one. No encoding has surrogates, which names of files that are not in UTF-8
# have.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
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


def visible(text: str) -> str:
    """A text in which escapes of Python stand for what a terminal would obey.

    Line breaks and tabs stay. A browser obeys the direction of writing as well.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        The character of number 27 is a backslash, an x and 1b in it.
    """
    return _UNSEEN.sub(_escape, text)


def shortened(text: str, length: int = 40) -> str:
    """A text on one line, or its beginning if it would take too much room.

    Parameters
    ----------
    text : str
    length : int, default=40
        Most characters.

    Returns
    -------
    str
    """
    line = visible(" ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _escape(character: re.Match[str]) -> str:
    number = ord(character.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def reason(error: BaseException) -> str:
    """What an error says, without the number that the system gives it."""
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return str(error)


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
