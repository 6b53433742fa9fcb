"""What is said where a package is missing, and which versions are noted."""

import sys
from importlib import metadata

import pytest

import skadaptive
from skadaptive._packages import (
    distribution,
    installed_versions,
    module_versions,
    require,
)


def test_missing_packages_are_named_with_what_to_do(monkeypatch):
    require("json", "csv", purpose="This")
    monkeypatch.setitem(sys.modules, "csv", None)
    with pytest.raises(ImportError) as error:
        require("json", "csv", "no_such", purpose="A plot")
    assert str(error.value) == (
        'A plot needs csv and no_such: pip install "skadaptive[compare]".'
    )
    with pytest.raises(ImportError, match=r'compare\]", or pass verbose=0\.$'):
        require("csv", purpose="The bar", alternative="pass verbose=0")


def test_versions_are_those_installed():
    names = ["skadaptive", "no-such-distribution", "numpy", "numpy"]
    assert installed_versions(names) == {
        "skadaptive": skadaptive.__version__,
        "numpy": metadata.version("numpy"),
    }


def test_versions_of_modules_are_those_of_their_packages():
    found = module_versions(["sklearn", "no_such", "json", "imblearn", "numpy"])
    assert list(found) == ["imblearn", "numpy", "sklearn"]
    assert found == {
        "imblearn": metadata.version("imbalanced-learn"),
        "numpy": metadata.version("numpy"),
        "sklearn": metadata.version("scikit-learn"),
    }
    assert distribution("sklearn") == "scikit-learn"
    assert distribution("numpy") == "numpy"
