"""Packages that this one may find installed, or not.

A leaf: it imports the version number and nothing else of this package.
"""

from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec

from ._version import __version__

# Distributions whose names differ from the name to import, the usual one first.
_DISTRIBUTIONS = {
    "imblearn": ("imbalanced-learn",),
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
}


def require(
    *packages: str, purpose: str, alternative: str = "", extra: str = "compare"
) -> None:
    """Raise an ImportError that says what to install, unless all packages are there.

    Parameters
    ----------
    *packages : str
        Names to import, of packages that the extra brings.
    purpose : str
        What needs them; the subject of the sentence.
    alternative : str, default=""
        What to do instead of installing them.
    extra : str, default="compare"
        Extra of this package.

    Raises
    ------
    ImportError
        If one of them is not installed.
    """
    missing = [name for name in packages if not find_spec(name)]
    if missing:
        raise ImportError(
            f"{purpose} needs {' and '.join(missing)}: "
            f'pip install "skadaptive[{extra}]"{alternative and f", or {alternative}"}.'
        )


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of this package and of others, by name.

    Parameters
    ----------
    packages : iterable of str
        Names of distributions. Those that are not installed are left out.

    Returns
    -------
    dict of str to str
    """
    versions = {"skadaptive": __version__}
    for name in packages:
        if name in versions:
            continue
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def module_versions(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the packages that bring some modules.

    Parameters
    ----------
    modules : iterable of str
        Names to import. Modules of Python itself, and those that are not installed, are
        left out.

    Returns
    -------
    dict of str to str
        By the name to import, sorted.
    """
    found = {}
    for module in sorted(modules):
        names = _DISTRIBUTIONS.get(module, (module,))
        versions = installed_versions(names)
        known = [versions[name] for name in names if name in versions]
        if known:
            found[module] = known[0]
    return found


def distribution(module: str) -> str:
    """The name under which the package of a module is installed."""
    return _DISTRIBUTIONS.get(module, (module,))[0]
