"""The computing of exports: every request carries the tag, the log has the sum, --eecu-hours ends it in time."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import transport
from isamap.gee_export.requests.meter import Meter
from tests.gee_export.export.test_export import contents
from tests.support import killed
from tests.support.own_engine import engine_of

pytestmark = pytest.mark.usefixtures("small_requests")


@pytest.fixture
def export(plot_session, tmp_path):
    def call(name="data", **changes):
        return export_patches(**(killed.ASKED | {"workers": 1} | changes), out=tmp_path / name, session=plot_session)

    return call


def meter_of(folder) -> Meter:
    return Meter.continued(ProgressLog(folder / ".run").rows())


@pytest.mark.long
def test_the_ledger_sums_what_the_engine_computed(export, tmp_path):
    report = export()
    spent = meter_of(tmp_path / "data")
    assert spent.named_s > 0 and spent.estimated_s == 0
    assert report.computing == str(spent) and f"computing: {spent}" in str(report)
    assert str(spent) in (tmp_path / "data" / ".run" / "log.txt").read_text()


@contextmanager
def counting(plot, home):
    """A session on an engine of its own with a bucket, and what the engine counts by tag; then the one before."""
    before = sessions.current()
    try:
        with engine_of(home, plot.folder) as connected:
            connected.storage_client().create_bucket("bucket")
            (engine,) = (engine for key, engine in sessions._engines.items() if key[1] == home)
            yield connected, lambda: engine.cpu_seconds
    finally:
        if before is not None:
            before.activate()


@pytest.mark.long
def test_the_sum_is_what_the_engine_counted_for_pixels(plot, tmp_path):
    """The engine's own count is the oracle: all that it computed, of which lists of scenes are a part."""
    with counting(plot, tmp_path / "home") as (connected, counted):
        export_patches(**killed.ASKED, out=tmp_path / "data", session=connected)
        full = counted()["isamap"]
    assert 0.2 * full < meter_of(tmp_path / "data").named_s <= full


@pytest.mark.long
@pytest.mark.parametrize("means", [{"mode": "stream"}, {"mode": "batch", "bucket": "bucket"}])
def test_every_request_carries_the_tag(plot, tmp_path, means):
    with counting(plot, tmp_path / "home") as (connected, counted):
        export_patches(**killed.ASKED, **means, workload_tag="maps-of-2019", out=tmp_path / "data", session=connected)
        assert set(counted()) == {"maps-of-2019"}
    spent = meter_of(tmp_path / "data")
    assert spent.named_s > 0 and spent.estimated_s == 0


@pytest.mark.parametrize("tag", ["Isamap", "a.b", "-a", "a" * 64, ""])
def test_a_tag_that_the_client_refuses_is_refused_at_once(tag):
    with pytest.raises(ValueError, match=r"--workload-tag .*expected 1 to 63"):
        export_patches(**killed.ASKED, workload_tag=tag)


@pytest.mark.parametrize("hours", [0.0, -1.0, float("inf")])
def test_a_limit_that_is_none_is_refused(hours):
    with pytest.raises(ValueError, match=r"--eecu-hours .*expected hours above 0"):
        export_patches(**killed.ASKED, eecu_hours=hours)


@pytest.fixture
def costly(monkeypatch):
    """Every answer says that it took 36 s, a hundredth of an hour."""
    monkeypatch.setattr(transport, "_seconds", lambda text: 36.0)


def blocks_of(folder) -> int:
    return sum("block" in row for row in ProgressLog(folder / ".run").rows())


@pytest.mark.long
def test_the_limit_ends_the_export_before_it_is_exceeded_and_again_it_does_nothing_more(export, tmp_path, costly):
    for _ in range(2):
        with pytest.raises(Fault, match=r"^--eecu-hours 0.035 would be exceeded: 0.03 EECU-hours are counted"):
            export(eecu_hours=0.035)
    assert blocks_of(tmp_path / "data") == 3
    assert meter_of(tmp_path / "data").hours == pytest.approx(0.03)


@pytest.mark.long
def test_a_larger_limit_continues_to_the_same_bytes(export, tmp_path, costly):
    export("undisturbed")
    with pytest.raises(Fault, match="--eecu-hours"):
        export(eecu_hours=0.035)
    report = export(eecu_hours=1.0)
    assert report.fetched == 6 and contents(tmp_path / "data") == contents(tmp_path / "undisturbed")
    assert meter_of(tmp_path / "data").hours == pytest.approx(0.09)


@pytest.mark.long
def test_without_named_seconds_the_limit_holds_for_the_estimate(export, tmp_path, monkeypatch):
    """As on Google's servers, whose answers name none."""
    monkeypatch.setattr(transport, "_seconds", lambda text: None)
    whole_s = export("free").computing
    assert "as answers named none" in whole_s
    needed = meter_of(tmp_path / "free")
    assert needed.named_s == 0 and needed.estimated_s > 0
    with pytest.raises(Fault, match=r"estimated at 7\.4 s for one megapixel of one month"):
        export(eecu_hours=needed.hours / 2)
    assert 0 < meter_of(tmp_path / "data").hours <= needed.hours / 2


@pytest.mark.long
def test_tasks_are_not_submitted_beyond_the_limit(plot, tmp_path):
    with counting(plot, tmp_path / "home") as (connected, _):
        with pytest.raises(Fault, match=r"--eecu-hours 1e-09 would be exceeded"):
            export_patches(
                **killed.ASKED, mode="batch", bucket="bucket", eecu_hours=1e-9, out=tmp_path / "data", session=connected
            )
        assert not [row for row in ProgressLog(tmp_path / "data" / ".run").rows() if "task" in row]
