"""Every wish of user-wishes.md that an export answers is named by a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROWS = [*range(1, 18), 23]  # those about exports; the others are about maps, training and uploads
NAMED = re.compile(r"user-wishes(?:\.md)?,? rows? ((?:\d+(?: \([^)]*\))?(?:, | and )?)+)", re.IGNORECASE)


@cache
def named_rows() -> dict[int, list[str]]:
    """Row to the tests whose docstrings (their own, or the module's) name it."""
    found: dict[int, list[str]] = {}
    for path in sorted(HERE.rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
            for match in NAMED.finditer(" ".join((ast.get_docstring(node) or "").split())):
                for row in re.findall(r"\d+", re.sub(r"\([^)]*\)", "", match[1])):
                    found.setdefault(int(row), []).append(f"{path.name}::{getattr(node, 'name', '')}")
    return found


@pytest.mark.parametrize("row", ROWS)
def test_a_test_names_the_wish(row):
    assert named_rows().get(row), f"no test names row {row} of user-wishes.md"
