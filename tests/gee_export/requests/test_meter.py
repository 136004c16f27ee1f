"""The computing of an export: summed over runs, estimated where no answer names it, never beyond the limit."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine.session import Session
from isamap.gee_export.requests.client import Client
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS, Meter, OverLimit

EFFORTS = st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 60) | st.none()), max_size=30)


def run(meter: Meter, answers) -> None:
    for effort, seconds in answers:
        meter.begin(effort)
        meter.end(effort, seconds)


def test_named_seconds_are_summed():
    meter = Meter()
    run(meter, [(1.0, 1800.0), (2.0, 1800.0)])
    assert meter.hours == pytest.approx(1.0) and meter.source == "as the server named them"


def test_answers_that_name_none_are_estimated_at_the_mean_of_those_that_did():
    meter = Meter()
    run(meter, [(1.0, 30.0), (3.0, None)])
    assert meter.estimated_s == pytest.approx(90.0) and "estimated at 30 s" in str(meter)


def test_without_any_the_assumed_rate_holds():
    meter = Meter(seconds_per_effort=5.0)
    run(meter, [(2.0, None)])
    assert meter.hours == pytest.approx(10 / 3600)


@pytest.mark.parametrize(("server", "rate"), [("earth-engine", PUBLISHED_SECONDS[1]), ("local-engine", 7.4)])
def test_a_limit_on_googles_servers_counts_with_the_upper_published_value(server, rate):
    """Its answers name no seconds: 10 EECU-hours at the local engine's 7.4 s would let through 20 to 150."""
    session = Session("p", server, "x", "http://127.0.0.1:1")
    assert Client.of(session).meter.rate == rate


def test_requests_under_way_count_as_expected():
    meter = Meter(limit_hours=25 / 3600, seconds_per_effort=10.0)
    meter.begin(1.0)
    meter.begin(1.0)
    with pytest.raises(OverLimit, match="larger --eecu-hours to continue"):
        meter.begin(1.0)


def test_what_was_cancelled_is_no_longer_expected():
    meter = Meter(limit_hours=15 / 3600, seconds_per_effort=10.0)
    meter.begin(1.0)
    meter.cancel(1.0)
    meter.begin(1.0)


def test_the_limit_ends_with_the_exit_code_of_a_fault():
    assert issubclass(OverLimit, Fault)


@given(EFFORTS, EFFORTS)
@example([(0.0390625, 3.0)], [(4.0, None)])  # an effort rounded in the ledger is another rate
def test_runs_that_continue_count_as_one(first, second):
    full, before = Meter(), Meter()
    run(full, [*first, *second])
    run(before, first)
    after = Meter.continued([{"block": "a"}, before.unnoted()])
    run(after, second)
    assert after.hours == pytest.approx(full.hours, abs=1e-6)


@given(st.lists(st.floats(0.01, 2), min_size=1, max_size=40), st.floats(0.0001, 0.05))
def test_the_limit_is_never_exceeded_where_requests_cost_the_same(efforts, limit_hours):
    meter = Meter(limit_hours, seconds_per_effort=7.0)
    for effort in efforts:
        try:
            meter.begin(effort)
        except OverLimit:
            break
        meter.end(effort, 7.0 * effort)
    assert meter.hours <= limit_hours * (1 + 1e-9)
