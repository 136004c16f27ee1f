"""The program that runs other people's suites (benchmarks/foreign_suites.py): one of three tests, and its report."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from benchmarks.foreign_suites import CAUSES, MARKS, OTHER, SUITES, Suite, cause_of, merged, results, run, table

GONE, PIXELS = (
    "Landsat's Collection 1, which Google does not have any more",
    "values and pictures of Google's own pixels",
)
WITHOUT_DATES = "a collection of the simulated world without dates"
SUITE = """
import ee
import pytest

ee.Initialize(project="somebody's")


def test_that_passes():
    assert ee.Number(1).add(1).getInfo() == 2


def test_of_an_asset_that_is_not_there():
    assert ee.Image("NOBODY/HAS/THIS").bandNames().getInfo()


@pytest.mark.skip
def test_that_is_skipped():
    pass
"""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            "EEException: Image.load: Image asset 'X' not found (does not exist or",
            "no such asset in the simulated world",
        ),
        ("E  EEException: Image.load: Image asset 'LANDSAT/LT04/C01/T1_SR' not found (does not exist or", GONE),
        ("E  AssertionError: Values are not sufficiently close.", PIXELS),
        ("Unknown function 'A': the local engine does not have it", "an algorithm that the engine refuses"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool", "the network"),
        ("assert 3 == 4", "another value"),
        ("KeyError: 'x'", OTHER),
        (">       assert x.getInfo() == 1\nE   ee.EEException: Computation timed out.", "time"),
        ("E  EEException: collection 'X' of the simulated world has no end: filter it by date", WITHOUT_DATES),
        (">   assert coll.id\nE   KeyError: 'id'", OTHER),
    ],
)
def test_a_failure_has_the_cause_that_it_says(text, cause):
    assert cause_of(text) == cause
    assert cause in [*(name for name, _ in CAUSES), OTHER]


def test_a_checkout_that_is_not_there_has_no_result(tmp_path: Path):
    assert run(Suite("X", "absent", ("tests",)), tmp_path, sys.executable, "http://127.0.0.1:1", 1) is None


@pytest.mark.long
def test_a_suite_runs_unmodified(tmp_path: Path):
    folder = tmp_path / "wxee" / "test"
    folder.mkdir(parents=True)
    (folder / "test_three.py").write_text(dedent(SUITE))
    (folder.parent / ".commit").write_text("33b7918\n")
    (result,) = results(tmp_path, sys.executable, ["wxee"], 240)
    assert (result.passed, result.failed, result.skipped, result.not_run) == (1, 1, 1, 0)
    assert result.row.startswith("| wxee | 33b7918 | 20")
    assert result.row.endswith(" | 1 | 1 | 1 | 0 | no such asset in the simulated world (1) |")


def test_a_page_keeps_the_rows_of_suites_that_did_not_run(tmp_path: Path):
    old = ["| Xee | a | 2026-01-01 | 1 | 0 | 0 | 0 | - |", "| wxee | b | 2026-01-01 | 2 | 0 | 0 | 0 | - |"]
    page = tmp_path / "page.md"
    page.write_text(f"x\n{MARKS[0]}\n{table(old)}\n{MARKS[1]}\ny\n", encoding="utf-8")
    new = ["| wxee | c | 2026-01-02 | 3 | 0 | 0 | 0 | - |", "| geedim | d | 2026-01-02 | 4 | 0 | 0 | 0 | - |"]
    assert merged(page, new) == [old[0], new[1], new[0]]


def test_every_client_with_releases_is_pinned():
    """The extra `clients` has one release of each package whose suite is run; gee_s1_ard has no releases."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    pins = dict(line.split("==") for line in project["optional-dependencies"]["clients"])
    released = {suite.name.lower() for suite in SUITES} - {"gee_s1_ard", "earthengine command line"}
    assert released | {"earthengine-api"} <= pins.keys()
