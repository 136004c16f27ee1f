"""benchmarks/: every program that needs no other package still starts after what it measures was renamed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PROGRAMS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in ("__init__", "foreign_plugin"))


@pytest.mark.long
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_can_be_loaded(program, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(BENCHMARKS)])  # last: its inference.py must not hide the package
    importlib.import_module(f"benchmarks.{program}")
