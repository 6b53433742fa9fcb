"""What is said where a package is missing, and which versions are noted."""

import sys
from importlib import metadata

import pytest

import skadaptive
from skadaptive._packages import installed_versions, require


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
    assert installed_versions(["numpy", "no-such-distribution"]) == {
        "skadaptive": skadaptive.__version__,
        "numpy": metadata.version("numpy"),
    }
