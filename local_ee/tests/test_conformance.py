"""The program that runs Google's samples (local_ee/benchmarks/conformance.py): what it compares, and its tables."""

from __future__ import annotations

import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from benchmarks.conformance import ASSET, MISSING, PASSED, WRONG, Check, Page, checks_of, write_page

SAMPLE = """
    # [START sample]
    value = 3
    display('Above:', value)
    # 3
    display(value)  # 4
    # Prose about what follows.
    display([1, 2])

    # A matrix

    # [1, 2]

    display({'Empty': 1})  # Empty feature
    print(repr('x'))  # 'x'
    display(1 / 0)  # 5
    # [END sample]
"""


def test_every_statement_that_says_what_it_prints_is_a_check():
    checks = list(checks_of(Page.of("ee_number_sample.py", dedent(SAMPLE))))
    assert [(check.printed, check.outcome) for check in checks] == [
        ("3", PASSED),
        ("4", WRONG),
        ("[1, 2]", PASSED),
        ("'x'", PASSED),
        ("5", "refused"),
    ]


@pytest.fixture
def page(tmp_path: Path) -> str:
    """A page after the tables of three checks were written."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- samples: local_ee/benchmarks/conformance.py -->\nold\n<!-- /samples -->\nafter\n")
    checks = [
        Check("ee_number_add.py", 1, PASSED, "3", "3"),
        Check("ee_blob_string.py", 21, MISSING, "a | b", "Unknown function"),
        Check("ee_image_load.py", 5, ASSET, "7", "not found"),
    ]
    write_page(path, checks, str(tmp_path))
    return path.read_text()


def test_the_page_counts_what_needs_no_absent_asset(page):
    assert "1 of the 2 printed values that need no absent asset" in " ".join(page.split())


def test_the_page_names_each_miss_with_its_reason(page):
    assert "| ee_blob_string.py:21 | `a  b` | `Unknown function` | the page reads an object of Google's bucket" in page


def test_the_page_keeps_what_is_outside_of_the_marks(page):
    assert page.startswith("before\n") and page.endswith("<!-- /samples -->\nafter\n") and "old" not in page


def test_a_page_without_marks_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("words")
    with pytest.raises(ValueError, match="put both where the tables belong"):
        write_page(tmp_path / "page.md", [], str(tmp_path))
