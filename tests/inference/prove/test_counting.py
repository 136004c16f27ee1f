"""Cloud Monitoring's numbers of a proof are waited for, within bounds, and never fail it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from isamap.gee_export.base.endpoint import HIGH_VOLUME_URL, STANDARD_URL
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine.workload_tag import set_tag
from isamap.gee_export.requests.transport import PixelAddress
from isamap.inference.prove import cost, counting
from isamap.inference.prove.counting import POLL_S, WAIT_S, counted
from isamap.inference.prove.place import ProofPlace
from isamap.inference.prove.probe import CONFIRMED, MEASURED, REFUTED, UNTRIED, Verdict, judged
from isamap.inference.prove.record import Proof, page
from isamap.inference.prove.run import _costing

GOOGLE = SimpleNamespace(is_local=False)
TAGS = ("prove-cost-month", "prove-cost-year")
PROBES = {probe.name: probe for probe in cost.PROBES}


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """A clock that only waiting moves; what was waited."""
    waited: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(counting, "time", clock)
    return waited


def answering(monkeypatch, *answers) -> None:
    """What Monitoring says one time after the other; the last for ever."""
    left = list(answers)

    def asked(session, since):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Fault):
            raise answer
        return answer

    monkeypatch.setattr(counting, "eecu_seconds", asked)


def read(tags=TAGS) -> dict[str, float]:
    return counted(GOOGLE, datetime.now(UTC), tags)


def test_all_tags_are_waited_for_and_until_no_number_grows(waits, monkeypatch):
    month, both = {"prove-cost-month": 3.0, "isamap": 9.0}, {"prove-cost-month": 3.0, "prove-cost-year": 20.0}
    whole = {**both, "prove-cost-year": 41.0}
    answering(monkeypatch, {}, month, both, whole, whole, {"prove-cost-year": 99.0})
    assert read() == whole and waits == [POLL_S] * 4


def test_what_lags_longer_is_told_and_no_failure(waits, monkeypatch, capsys):
    answering(monkeypatch, {}, {"prove-cost-month": 3.0, "isamap": 9.0})
    assert read() == {"prove-cost-month": 3.0} and sum(waits) == WAIT_S
    told = capsys.readouterr().err
    assert "at most 10 minutes" in told and "has not counted prove-cost-year yet" in told and "docs/plan.md" in told


def test_numbers_that_never_rest_are_taken_at_the_end(waits, monkeypatch):
    numbers = iter(range(1, 1000))
    monkeypatch.setattr(counting, "eecu_seconds", lambda *_: dict.fromkeys(TAGS, float(next(numbers))))
    assert read() == dict.fromkeys(TAGS, WAIT_S / POLL_S + 1) and sum(waits) == WAIT_S


def test_an_identity_that_monitoring_refuses_waits_for_nothing(waits, monkeypatch, capsys):
    answering(monkeypatch, Fault("needs the role Monitoring Viewer"))
    assert read() == {} and waits == [] and "Monitoring Viewer" in capsys.readouterr().err


def test_a_fault_while_waiting_keeps_what_was_counted_so_far(waits, monkeypatch):
    answering(monkeypatch, {"prove-cost-month": 3.0}, Fault("no route"))
    assert read() == {"prove-cost-month": 3.0}


def test_the_tags_waited_for_are_those_of_costs_that_were_asked():
    names = {"cost.month": MEASURED, "cost.year": UNTRIED, "cost.addresses": CONFIRMED, "graphs.default": MEASURED}
    verdicts = [Verdict(name, "", "plan", status) for name, status in names.items()]
    assert _costing(verdicts) == {"prove-cost-month", "prove-cost-high-volume", "prove-cost-standard"}


def test_the_report_compares_both_addresses():
    eecu_s = {"prove-cost-standard": 10.0, "prove-cost-high-volume": 12.5}
    proof = Proof("earth-engine", "now", (), eecu_s=eecu_s)
    assert "prove-cost-high-volume took 1.25 times what prove-cost-standard took" in page(proof)
    assert "times what" not in page(Proof("earth-engine", "now", (), eecu_s={"prove-cost-standard": 10.0}))


@pytest.fixture
def heard(session, monkeypatch) -> Iterator[list[tuple[str, str]]]:
    """Host and tag of each request for pixels that would be sent."""
    asked: list[tuple[str, str]] = []
    line = cost.transport.connect

    def noted(log, *, address):
        asked.append((urlsplit(address.url).netloc, address.workload_tag))
        return line(log, address=PixelAddress.current())

    monkeypatch.setattr(cost.transport, "connect", noted)
    monkeypatch.setattr(cost, "SIDE", 16)
    yield asked
    set_tag(None)


@pytest.mark.long
def test_each_address_is_asked_under_its_own_tag_and_both_bring_the_same(heard, tmp_path):
    """Google's addresses, answered by the local engine."""
    verdict = judged(PROBES["cost.addresses"], ProofPlace(GOOGLE, None, tmp_path))
    assert verdict.status == CONFIRMED and set(verdict.answer["seconds"]) == {"high-volume", "standard"}
    hosts = [urlsplit(url).netloc for url in (HIGH_VOLUME_URL, STANDARD_URL)]
    assert heard == list(zip(hosts, ("prove-cost-high-volume", "prove-cost-standard"), strict=True))


@pytest.mark.long
def test_an_address_that_brings_other_pixels_is_found(heard, tmp_path, monkeypatch):
    fetch, calls = cost.pixels.fetch, []

    def second_is_other(*given, **named):
        calls.append(1)
        raster = fetch(*given, **named)
        raster.values_BHW[0, 0, 0] += len(calls) - 1
        return raster

    monkeypatch.setattr(cost.pixels, "fetch", second_is_other)
    assert judged(PROBES["cost.addresses"], ProofPlace(GOOGLE, None, tmp_path)).status == REFUTED
