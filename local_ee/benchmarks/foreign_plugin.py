"""A pytest plugin that leads the suites of other projects to a local engine: whatever they pass to ee.Initialize.

    ISAMAP_ENGINE_URL=http://127.0.0.1:8085 ISAMAP_SUITE_REPORT=report.jsonl python -m pytest -p foreign_plugin

Loaded before a suite's own conftest, in the interpreter that has the suite's packages; foreign_suites.py
does so. Nothing of a suite is changed: ee.Initialize keeps its name and takes any arguments.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import ee
from google.auth.credentials import AnonymousCredentials

URL = os.environ["ISAMAP_ENGINE_URL"]
REPORT = Path(os.environ["ISAMAP_SUITE_REPORT"])
_MOST_CHARACTERS = 4000
_initialize = ee.Initialize


def _connect(*args: Any, **kwargs: Any) -> None:
    _initialize(credentials=AnonymousCredentials(), project="local", url=URL)


# As the plugin is loaded, because a suite's own pytest_configure may connect before this one's would run.
ee.Initialize = _connect
ee.Authenticate = lambda *args, **kwargs: True
_connect()
ee.data.setMaxRetries(0)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Writes down how many tests there are."""
    _write({"outcome": "collected", "count": len(items)})


def pytest_collectreport(report: Any) -> None:
    """A module that cannot be loaded is one failure."""
    if report.failed:
        _write({"outcome": "failed", "text": str(report.longrepr)[-_MOST_CHARACTERS:]})


def pytest_runtest_logreport(report: Any) -> None:
    """Each test's outcome at once, so that a suite that is stopped is counted as far as it came."""
    if report.when == "call" or report.outcome != "passed":
        text = str(report.longrepr)[-_MOST_CHARACTERS:] if report.failed else ""
        _write({"outcome": report.outcome, "test": report.nodeid, "text": text})


def _write(record: dict[str, Any]) -> None:
    with REPORT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
