"""docs/reference/paper-rows.md: every row of the papers has a file that is there, a verdict, and a reason where it
differs.
"""

from __future__ import annotations

import re

import pytest

from tests.support.citations import ROOT

PAGE = ROOT / "docs" / "reference" / "paper-rows.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| (\w+) \| (.*?) ?\|$")
ROWS = [match.groups() for line in PAGE.read_text("utf-8").splitlines() if (match := ROW.match(line))]
VERDICTS = ("ok", "differs", "ours", "refused")


def test_all_rows_are_there_in_order():
    assert [int(index) for index, *_ in ROWS] == list(range(1, 126))
    assert len([line for line in PAGE.read_text("utf-8").splitlines() if re.match(r"\| \d", line)]) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_files_of_a_row_are_there(row):
    number, item, files, verdict, remark = row
    named = re.findall(r"`([^`]+)`", files)
    assert all((ROOT / name).is_file() for name in named), files
    assert verdict in VERDICTS
    assert named or verdict == "refused", f"row {number}, {item}: no file, so nothing is done"
    assert remark or verdict == "ok", f"row {number}, {item}: {verdict} without a reason"
