"""Numbers and lists as reports put them into words."""

import numpy as np


def capital(text):
    """With a capital at the beginning, and what follows as it is."""
    return text[:1].upper() + text[1:]


def number(value, decimals=3):
    """A dash for NaN, a minus sign for a hyphen."""
    return "–" if np.isnan(value) else f"{value:.{decimals}f}".replace("-", "\u2212")


def signed(value, decimals):
    """The same with its sign."""
    return "–" if np.isnan(value) else f"{value:+.{decimals}f}".replace("-", "\u2212")


def seconds_text(value):
    """Two digits below 100 seconds, whole ones above."""
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def p_value(value):
    """Not below what it can tell."""
    if np.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds):
    """In the unit that suits it."""
    minutes, hours = seconds / 60, seconds / 3600
    if hours >= 2:
        return f"{hours:.1f} hours"
    return f"{minutes:.1f} minutes" if minutes >= 2 else f"{seconds:.1f} seconds"


def threshold_text(value):
    """A probability by its distance from the nearer of 0 and 1."""
    if value > 0.9:
        return f"{1 - float(f'{1 - value:.2g}'):.12g}"
    return f"{value:.3g}"


def amount(value):
    """Three digits, more if it is greater; the script does the same."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def join_names(names):
    """Four names at most, and how many more."""
    names = list(names)
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
