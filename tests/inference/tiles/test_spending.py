"""What a run may spend: tiles begin only while it is enough, whoever makes them, and what earlier runs spent counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.requests.meter import SECONDS_PER_MPX_MONTH
from isamap.inference.tiles.executors import Attempts, InProcess, Numbered
from isamap.inference.tiles.jobs import Workers
from isamap.inference.tiles.receipt import Failure, Receipt
from isamap.inference.tiles.spending import Spending, estimated_s
from tests.inference.tiles.test_executors import NOW
from tests.support.tile_work import Painted, tiles

COST_S = 100.0


@pytest.fixture
def work(tmp_path) -> Painted:
    (tmp_path / "markers").mkdir()
    (tmp_path / "markers" / "eecu").write_text(str(COST_S))
    return Painted(str(tmp_path / "store"), markers=str(tmp_path / "markers"))


def hours(tile_count: float) -> float:
    """The limit at which so many tiles may be made."""
    return tile_count * COST_S / 3600


def spent_by(executor, work: Painted, spending: Spending, count: int = 6) -> list[Receipt | Failure]:
    return list(executor.run(tiles(count), work, retries=0, spending=spending))


@pytest.mark.parametrize("executor", [InProcess(patience=NOW), Numbered(1, 1, InProcess(patience=NOW))])
def test_no_more_tiles_begin_than_may(executor, work):
    spending = Spending(hours(3.5))
    assert len(spent_by(executor, work, spending)) == 3 and spending.spent_s == 3 * COST_S
    with pytest.raises(Fault, match=r"--eecu-hours 0\.0972222 would be exceeded: 0\.0833 EECU-hours are counted"):
        spending.check()


@pytest.mark.long
def test_tiles_under_way_count_before_they_are_done(work):
    spending = Spending(hours(3.5), dearest_s=COST_S)
    assert len(spent_by(InProcess(2, NOW), work, spending)) == 3


def test_a_later_run_counts_the_earlier_ones_and_takes_their_tiles_for_nothing(work):
    first = spent_by(InProcess(patience=NOW), work, Spending(hours(2)))
    again = Spending.continued(hours(2), first)
    outcomes = spent_by(InProcess(patience=NOW), work, again)
    assert [outcome.made for outcome in outcomes] == [False, False] and again.spent_s == 2 * COST_S
    more = Spending.continued(hours(5), first)
    assert len(spent_by(InProcess(patience=NOW), work, more)) == 5 and more.spent_s == 5 * COST_S


def test_a_failed_attempt_costs_too(work, tmp_path):
    (tmp_path / "markers" / "fail-0").write_text("1")
    spending = Spending(hours(2.5))
    outcomes = spent_by(InProcess(patience=NOW), work, spending)
    assert [type(outcome) for outcome in outcomes] == [Failure, Receipt] and spending.spent_s == 2 * COST_S


def test_before_a_tile_is_measured_its_pixels_are_estimated(work):
    (tile,) = tiles(1)
    assert estimated_s(tile) == pytest.approx(64 * 64 / 1e6 * 30 / 30.44 * SECONDS_PER_MPX_MONTH, rel=1e-3)
    assert Spending(estimated_s(tile) / 3600 * 1.01).allows(tile, 0)
    assert not Spending(estimated_s(tile) / 3600 * 1.01).allows(tile, 1)


def test_the_first_tile_on_google_counts_with_the_upper_published_value_until_one_is_measured():
    (tile,) = tiles(1)
    google = replace(tile, pixels=replace(tile.pixels, project="p"))
    assert estimated_s(google) == pytest.approx(estimated_s(tile) * 124 / SECONDS_PER_MPX_MONTH)
    assert estimated_s(google, 20.0) == pytest.approx(estimated_s(tile, 20.0))
    limit_hours = estimated_s(google, 20.0) * 1.01 / 3600
    assert not Spending(limit_hours).allows(google, 0) and Spending(limit_hours, measured_s=20.0).allows(google, 0)


def test_a_tile_that_goes_back_to_the_queue_is_not_under_way():
    (tile,) = tiles(1)
    attempts = Attempts([tile], 0, NOW, Spending(estimated_s(tile) / 3600 * 1.5))
    assert attempts.next() == (tile, 1)
    attempts.again(tile, 1)
    assert len(attempts) == 1


def test_a_part_has_its_share():
    assert Workers(eecu_hours=8.0, part="3/4").share_hours == 2.0
    assert Workers(eecu_hours=8.0).share_hours == 8.0 and Workers().share_hours is None
