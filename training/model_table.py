"""The tables that `isamap models` prints, kept as they were counted: no network is built to print them.

`python -m isamap.training.listing` writes the file again; tests/training/test_listing.py counts and compares.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_suffix(".json")


def table() -> str:
    """One row for every configuration of training/models/configurations.py, then one for every recipe."""
    return "\n".join(_kept()["table"])


def rows() -> list[dict[str, Any]]:
    """What every configuration costs, for other programs: the fields of `isamap.training.listing.Listed`."""
    return _kept()["rows"]


@cache
def _kept() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))
