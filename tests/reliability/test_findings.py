"""Every shortcoming that the examinations found has a test: those that findings.md names are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`((?:local_ee/)?tests/[\w/]+\.py)(?:::(\w+))?`")
QUOTED = re.compile(r'"([^"]+)"')


def rows() -> list[str]:
    """The rows of the tables of findings.md, without their heads."""
    lines = Path(__file__).with_name("findings.md").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.endswith("| tests |")]


COUNTS = {"S": 11, "F": 14, "E": 9, "W": 7, "R": 9}
NUMBERS = [f"{letter}{number}" for letter, count in COUNTS.items() for number in range(1, count + 1)]


@pytest.mark.parametrize("number", NUMBERS)
def test_every_shortcoming_has_a_row(number):
    assert [row for row in rows() if re.match(rf"\| {number}(?!\d)", row)]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[2:40])
def test_every_row_names_tests_that_are_there(row):
    names = NAMED.findall(row)
    assert names or "of the same test" in row
    for path, test in names:
        source = (ROOT / path).read_text("utf-8")
        assert f"def {test}(" in source if test else "def test_" in source


def test_every_request_that_is_named_is_one_of_those_that_are_made():
    source = (ROOT / "local_ee" / "tests" / "test_denial.py").read_text("utf-8")
    names = [name for row in rows() if "test_denial.py" in row or "same test" in row for name in QUOTED.findall(row)]
    assert len(names) > 10 and not [name for name in names if f'"{name}": (' not in source]


def test_security_and_trust_are_written_down():
    assert "## How to report" in (ROOT / "SECURITY.md").read_text("utf-8")
    assert "\n## What the engine trusts\n" in (ROOT / "local_ee" / "docs" / "engine.md").read_text("utf-8")
    assert "\nsbom:" in (ROOT / "Makefile").read_text("utf-8")
