"""A plugin of pytest: processes that a test starts are measured, and tests are timed.

pytest-cov notes which test runs which line of the process; the name of the test reaches
other processes by the environment, where ``coverage.ini`` reads it.
"""

import json
import os
from pathlib import Path

import pytest

_DURATIONS = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    os.environ["COVERAGE_PROCESS_START"] = str(Path(__file__).parent / "coverage.ini")


def pytest_runtest_logreport(report):
    _DURATIONS[report.nodeid] = _DURATIONS.get(report.nodeid, 0) + report.duration


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return
    path = Path(os.environ["MUTANTS_FOLDER"]) / "durations.json"
    earlier = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**earlier, **_DURATIONS}, indent=0))
