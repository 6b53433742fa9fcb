"""Docstrings of everything that is public are complete numpydoc."""

import inspect
import pkgutil
from importlib import import_module

import pytest

import skadaptive

numpydoc = pytest.importorskip("numpydoc.validate")

# Not every docstring needs an extended summary, See Also and Examples.
IGNORED = {"ES01", "SA01", "EX01"}


def public_objects():
    """Dotted names of public functions and classes, and of the methods of classes."""
    modules = [
        import_module(f"skadaptive.{info.name}")
        for info in pkgutil.iter_modules(skadaptive.__path__)
        if not info.name.startswith("_")
    ]
    names = set()
    for module in (skadaptive, *modules):
        # Without __all__, every name without an underscore is public.
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            if name.startswith("_") or not _is_documented_here(value):
                continue
            path = f"{value.__module__}.{value.__qualname__}"
            names.add(path)
            if inspect.isclass(value):
                names.update(f"{path}.{method}" for method in _methods(value))
    return sorted(names)


def _is_documented_here(value):
    """Whether it is a function or a class of this package."""
    is_code = inspect.isclass(value) or inspect.isfunction(value)
    if not is_code or not value.__module__.startswith("skadaptive."):
        return False
    return not any(part.startswith("_") for part in value.__module__.split("."))


def _methods(cls):
    """Names of the public methods and properties that the class itself defines."""
    kinds = (classmethod, staticmethod, property)
    for name, value in vars(cls).items():
        is_method = inspect.isfunction(value) or isinstance(value, kinds)
        if is_method and not name.startswith("_"):
            yield name


@pytest.mark.parametrize("name", public_objects())
def test_docstring_is_complete(name):
    errors = numpydoc.validate(name)["errors"]
    assert not [f"{code}: {text}" for code, text in errors if code not in IGNORED]


@pytest.mark.parametrize("name", public_objects())
def test_signature_is_readable(name):
    """Types have the names of the source, and not what NumPy makes them of."""
    module, _, rest = name.removeprefix("skadaptive.").partition(".")
    value = import_module(f"skadaptive.{module}")
    for part in rest.split("."):
        value = inspect.getattr_static(value, part)
    if callable(value):
        assert "numpy._typing" not in str(inspect.signature(value))
    assert "   default=" not in (value.__doc__ or "")


def test_an_array_like_is_called_so():
    signature = inspect.signature(skadaptive.AdaptiveHybridClassifier)
    assert signature.parameters["loss_weights"].annotation == "ArrayLike"
    assert len(str(signature)) < 1200
