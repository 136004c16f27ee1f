"""Every shortcoming that the first examination found has a test: those that docs/reliability.md names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTION = "## What the first examination found, and the test that holds it"
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
QUOTED = re.compile(r'"([^"]+)"')


def section() -> str:
    """The section of the page."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    return page.partition(SECTION)[2].partition("\n## ")[0]


def rows() -> list[str]:
    """The rows of its tables, without their heads."""
    return [line for line in section().splitlines() if line.startswith("| ") and not line.endswith("| tests |")]


@pytest.mark.parametrize("number", range(1, 12))
def test_every_shortcoming_has_a_row(number):
    assert [row for row in rows() if re.match(rf"\| S{number}\b|\| S{number}[a-z]", row)]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[2:40])
def test_every_row_names_tests_that_are_there(row):
    names = NAMED.findall(row)
    assert names or "of the same test" in row
    for path, test in names:
        source = (ROOT / path).read_text("utf-8")
        assert f"def {test}(" in source if test else "def test_" in source


def test_every_request_that_is_named_is_one_of_those_that_are_made():
    source = (ROOT / "tests" / "local_ee" / "test_denial.py").read_text("utf-8")
    names = [name for row in rows() if "test_denial.py" in row or "same test" in row for name in QUOTED.findall(row)]
    assert len(names) > 10 and not [name for name in names if f'"{name}": (' not in source]


def test_security_and_trust_are_written_down():
    assert "## How to report" in (ROOT / "SECURITY.md").read_text("utf-8")
    assert "\n## What the engine trusts\n" in (ROOT / "docs" / "engine.md").read_text("utf-8")
    assert "\nsbom:" in (ROOT / "Makefile").read_text("utf-8")
