"""The program that runs the scripts of Google's guide: what it keeps of them."""

from __future__ import annotations

import pytest

pytest.importorskip("geemap")  # of the extra `clients`
from benchmarks.guide_scripts import Refusal, Script, _keep, table

WHOLE = Script("arrays06", 1, 2, 0, ())
REFUSED = Script("arrays05", 0, 2, 0, (Refusal(117, "Computation timed out."), Refusal(117, "again")))


def test_kept_results_are_read_back(tmp_path):
    _keep(tmp_path / "results", {row.name: row for row in (WHOLE, REFUSED)})
    assert Script.read(tmp_path / "results") == {"arrays06": WHOLE, "arrays05": REFUSED}


def test_nothing_is_known_without_results(tmp_path):
    assert Script.read(None) == Script.read(tmp_path / "absent") == {}


def test_the_table_has_the_scripts_that_are_not_whole():
    assert table([WHOLE, REFUSED]).splitlines()[2:] == [
        "| arrays05 | 0 | 2 | 0 | line 117: Computation timed out. (and 1 more) |"
    ]
