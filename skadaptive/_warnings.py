"""Warnings that point at the user's line, whoever called in between."""

import sys
import warnings

# A pipeline, a search, a parallel job or the callbacks of these may stand between the
# user and us.
_BETWEEN = {"imblearn", "joblib", "keras", "scikeras", "skadaptive", "sklearn"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the innermost line that belongs to none of the libraries.

    Parameters
    ----------
    message : str
    category : type of Warning, default=UserWarning
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _BETWEEN:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
