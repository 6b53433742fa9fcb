"""A saved model of all kinds of columns."""

import pytest
from running import save


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="package")
def model_file(folder):
    return save(folder, "fraud.model")
