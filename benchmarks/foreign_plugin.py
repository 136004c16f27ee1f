"""A pytest plugin that leads the suites of other projects to a local engine: whatever they pass to ee.Initialize.

    ISAMAP_ENGINE_URL=http://127.0.0.1:8085 python -m pytest -p foreign_plugin

Loaded before a suite's own conftest, in the interpreter that has the suite's packages; benchmarks/foreign_suites.py
does so. Nothing of a suite is changed: ee.Initialize keeps its name and takes any arguments.
"""

from __future__ import annotations

import os
from typing import Any

import ee
from google.auth.credentials import AnonymousCredentials

URL = os.environ["ISAMAP_ENGINE_URL"]
_initialize = ee.Initialize


def _connect(*args: Any, **kwargs: Any) -> None:
    _initialize(credentials=AnonymousCredentials(), project="local", url=URL)


def pytest_configure(config: Any) -> None:
    """Runs before the suite's conftest: connects, and makes every later ee.Initialize connect there too."""
    ee.Initialize = _connect
    ee.Authenticate = lambda *args, **kwargs: True
    _connect()
    ee.data.setMaxRetries(0)
