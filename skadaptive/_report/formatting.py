"""Numbers and lists as text of a report."""

from collections.abc import Iterable

import numpy as np

from .._typing import ArrayLike


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def number(value: float, decimals: int = 3) -> str:
    """A number with a fixed number of decimals; a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.{decimals}f}".replace("-", "\u2212")


def shown_decimals(values: ArrayLike) -> int:
    """Three decimals, or more for small values such as Brier scores of rare classes."""
    greatest = np.abs(np.asarray(values, dtype=float)).max()
    return 3 + int(greatest < 0.1) + int(greatest < 0.01)


def signed(value: float, decimals: int) -> str:
    """The same as :func:`number`, with a sign."""
    return "–" if np.isnan(value) else f"{value:+.{decimals}f}".replace("-", "\u2212")


def seconds_text(value: float) -> str:
    """Seconds with two significant digits, or whole ones from 100 on."""
    if np.isnan(value):
        return "–"
    # From 99.5 on, two digits would be written as a power of ten.
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.2g}"


def p_value(value: float) -> str:
    """A p-value with three decimals, or the bound below which it lies."""
    if np.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.1f} hours"
    return f"{minutes:.1f} minutes" if minutes >= 2 else f"{seconds:.1f} seconds"


def threshold_text(value: float) -> str:
    """A probability with as many digits as its distance from 0 or 1 needs."""
    if value > 0.9:
        return f"{1 - float(f'{1 - value:.2g}'):.12g}"
    return f"{value:.3g}"


def amount(value: float) -> str:
    """An amount with about three digits; the script of the page does the same."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def join_names(names: Iterable[str]) -> str:
    """At most four names, or three and how many more there are."""
    names = list(names)
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
