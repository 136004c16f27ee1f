"""Profiles of requests: ee.profilePrinting prints what algorithms took (guides/computation_overview, "Profiler")."""

from __future__ import annotations

import io

import ee
import pytest

from local_ee.evaluation.profile import Profile

pytestmark = pytest.mark.usefixtures("session")


def printed(*expressions: ee.ComputedObject) -> list[list[str]]:
    """The rows of the profile that the client prints."""
    text = io.StringIO()
    with ee.profilePrinting(destination=text):
        for expression in expressions:
            expression.getInfo()
    return [line.split() for line in text.getvalue().splitlines() if line]


def test_the_head_is_the_one_that_packages_parse():
    """geetools' Profiler splits the head and takes a row's words in its order."""
    assert printed(ee.Number(3.14).add(0.00159))[0] == ["EECU·s", "PeakMem", "Count", "Description"]


def test_each_algorithm_is_counted():
    total = ee.List.sequence(1, 7).map(lambda number: ee.Number(number).add(1))
    counts = {row[3]: int(row[2]) for row in printed(total)[1:]}
    assert (counts["Number.add"], counts["List.sequence"], counts["List.map"]) == (7, 1, 1)


def test_several_requests_are_one_table():
    counts = {row[3]: row[2] for row in printed(ee.Number(1).add(1), ee.Number(4).multiply(2), ee.Number(5).add(2))}
    assert (counts["Number.add"], counts["Number.multiply"]) == ("2", "1")


def test_a_table_is_as_long_as_asked():
    """Google's list of algorithms: maxEntries, beyond which entries are merged as (...)."""
    ids: list[str] = []
    with ee.data.profiling(ids.append):
        ee.Number(1).add(1).multiply(3).subtract(1).getInfo()
    call = ee.apifunction.ApiFunction.lookup("Profile.getProfiles").call
    rows = [line.split() for line in call(ids=ids, maxEntries=2).getInfo().splitlines()]
    assert len(rows) == 3 and rows[2][2:] == ["2", "(...)"]


def test_a_request_that_fails_is_profiled_too():
    text = io.StringIO()
    with pytest.raises(ee.EEException), ee.profilePrinting(destination=text):
        ee.Dictionary({}).get("missing").getInfo()
    assert "Dictionary.get" in text.getvalue()


def test_time_of_inner_calls_is_theirs():
    """Two calls, one in the other: the outer row has what is left."""
    profile = Profile()
    with profile.call("outer"), profile.call("inner"):
        sum(range(2_000_000))
    assert profile.rows["inner"].seconds > 0
    assert profile.rows["outer"].seconds < profile.rows["inner"].seconds


def test_an_unknown_profile_is_refused():
    profiles = ee.apifunction.ApiFunction.lookup("Profile.getProfiles").call(ids=["none"])
    with pytest.raises(ee.EEException, match="There is no profile 'none'"):
        profiles.getInfo()
