"""Executors on painted tiles: each told of once, failed ones again and at last as failures, dead processes replaced."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from pathlib import Path

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.requests.quota import Quota
from isamap.inference.tiles.executors import HOPELESS, Attempts, InProcess, Numbered, part_of
from isamap.inference.tiles.receipt import Failure, Receipt
from tests.support.tile_work import Painted, calls, content, tiles

NOW = Patience(sleep=lambda seconds: None)


@pytest.fixture
def markers(tmp_path) -> Path:
    (tmp_path / "markers").mkdir()
    return tmp_path / "markers"


@pytest.fixture
def work(tmp_path, markers) -> Painted:
    return Painted(str(tmp_path / "store"), markers=str(markers))


def outcomes(executor, some, work, retries=2) -> dict[str, Receipt | Failure]:
    settled = list(executor.run(some, work, retries=retries))
    assert len({outcome.tile for outcome in settled}) == len(settled)
    return {outcome.tile: outcome for outcome in settled}


def stored(tmp_path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "store" / "tiles").rglob("*.tif")}


def test_every_tile_is_told_of_once_with_its_receipt(work, tmp_path):
    some = tiles(5)
    settled = outcomes(InProcess(), some, work)
    assert set(settled) == {tile.id for tile in some} and all(isinstance(each, Receipt) for each in settled.values())
    assert stored(tmp_path) == {f"{tile.name}.tif": content(tile) for tile in some}


def test_a_whole_tile_is_only_checked(work, markers):
    some = tiles(3)
    outcomes(InProcess(), some, work)
    settled = outcomes(InProcess(), some, work)
    assert [calls(markers, column) for column in range(3)] == [1, 1, 1]
    assert not any(receipt.made for receipt in settled.values())


def test_a_failed_tile_is_tried_again_behind_the_others(work, markers):
    (markers / "fail-0").write_text("1")
    order = [outcome.tile for outcome in InProcess(patience=NOW).run(tiles(3), work, retries=1)]
    assert order == [tiles(3)[index].id for index in (1, 2, 0)] and calls(markers, 0) == 2


def test_a_tile_that_keeps_failing_is_a_failure_after_its_attempts(work, markers):
    (markers / "fail-1").write_text("99")
    settled = outcomes(InProcess(patience=NOW), tiles(3), work, retries=2)
    failed = settled[tiles(3)[1].id]
    assert isinstance(failed, Failure) and failed.attempts == calls(markers, 1) == 3
    assert failed.reason == "the server has no pixels of column 1" and not failed.final
    assert sum(isinstance(each, Receipt) for each in settled.values()) == 2


def test_a_users_mistake_is_not_tried_again(work, markers):
    (markers / "mistake-1").write_text("99")
    failed = outcomes(InProcess(patience=NOW), tiles(2), work)[tiles(2)[1].id]
    assert isinstance(failed, Failure) and failed.final and calls(markers, 1) == 1


def test_a_run_in_which_everything_fails_ends_early(work, markers):
    for column in range(40):
        (markers / f"fail-{column}").write_text("99")
    with pytest.raises(Fault, match=rf"^{HOPELESS} tiles failed one after another, 30 more were not tried; the last"):
        list(InProcess(patience=NOW).run(tiles(40), work, retries=0))


def test_many_failures_end_nothing_where_every_tile_was_tried():
    some, settled = tiles(HOPELESS + 3), {}
    attempts = Attempts([], 0, NOW)
    for tile in some:
        settled |= {each.tile: each for each in attempts.settled(tile, 1, Failure(tile.id, tile.name, "no"))}
    assert set(settled) == {tile.id for tile in some}


def test_pauses_before_repetitions_grow():
    waits: list[float] = []
    patience = Patience(base_s=1.0, cap_s=30.0, sleep=waits.append, uniform=lambda low, high: high)
    (tile,) = tiles(1)
    attempts = Attempts([tile], 9, patience)
    for _ in range(8):
        asked, attempt = attempts.next()
        list(attempts.settled(asked, attempt, Failure(tile.id, tile.name, "no")))
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@pytest.mark.parametrize("workers", [0, -1, 257])
def test_a_number_of_processes_that_cannot_be_is_refused(workers):
    with pytest.raises(ValueError, match=f"--workers {workers}: expected 1 to 256"):
        InProcess(workers)


@pytest.mark.long
def test_a_process_that_dies_is_replaced_and_its_tile_made(work, markers, tmp_path):
    (markers / "die-1").write_text("1")
    some = tiles(4)
    settled = outcomes(InProcess(2, NOW), some, work)
    assert all(isinstance(each, Receipt) for each in settled.values()) and calls(markers, 1) == 2
    assert stored(tmp_path) == {f"{tile.name}.tif": content(tile) for tile in some}


@pytest.mark.long
def test_a_tile_over_which_processes_die_is_a_failure_and_the_others_are_made(work, markers):
    (markers / "die-1").write_text("99")
    settled = outcomes(InProcess(2, NOW), tiles(3), work, retries=1)
    failed = settled[tiles(3)[1].id]
    assert isinstance(failed, Failure) and "its process ended (SIGKILL)" in failed.reason and failed.attempts == 2
    assert sum(isinstance(each, Receipt) for each in settled.values()) == 2


@pytest.mark.long
def test_closing_a_run_ends_its_processes(work, markers):
    """Of two tiles one is told of while the other takes ten minutes; closing does not wait for it."""
    (markers / "slow-1").write_text("600")
    with closing(InProcess(2, NOW).run(tiles(2), work, retries=0)) as run:
        assert isinstance(next(run), Receipt)
    assert multiprocessing.active_children() == []


def test_the_parts_of_a_run_are_all_of_it_and_share_nothing():
    some = tiles(11)
    parts = [Numbered(index, 3, InProcess()).mine(some) for index in (1, 2, 3)]
    assert sorted(tile.id for part in parts for tile in part) == sorted(tile.id for tile in some)
    assert [len(share) for share in parts] == [4, 4, 3]


def test_a_part_makes_its_own_tiles_only(work, tmp_path):
    some = tiles(5)
    executor = Numbered(2, 2, InProcess())
    outcomes(executor, executor.mine(some), work)
    assert set(stored(tmp_path)) == {f"{tile.name}.tif" for tile in some[1::2]}


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "", "1/2/3", "-1/3"])
def test_a_part_that_cannot_be_is_refused(text):
    with pytest.raises(ValueError, match=r"--part .*: expected"):
        Numbered(*part_of(text), InProcess())


def test_workers_share_one_quota():
    assert Quota(20, 50.0).share(4) == Quota(5, 12.5)
    assert Painted("x", share=Quota(20, 50.0)).among(10).share == Quota(2, 5.0)
    assert Painted("x").among(10).share is None


def test_more_workers_than_requests_are_refused():
    with pytest.raises(ValueError, match=r"21 workers would share 20 requests at once: .*--requests N"):
        Quota(20, 50.0).share(21)
