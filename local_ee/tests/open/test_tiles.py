"""Tiles on their way: joined, given up where nobody wants them, decoded before they are read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from local_ee import budget
from local_ee.budget import Budget
from local_ee.open import flights, tiff, tiles
from local_ee.open.cog import Cogs, FileAt, Head
from local_ee.open.hosts import Address
from local_ee.open.providers import DEM_BUCKET, HOSTS
from local_ee.open.tiles import joined
from local_ee.raster.window import Window
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import cog
from tests.open.test_cog import BIG, VALUES, opened, served

FILES = 90
CORNER = Window(0, 0, 10, 10)


@pytest.fixture
def server() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def test_runs_are_bounded_in_gaps_and_bytes():
    counts = np.array([10, 10, 10, 10], np.uint64)
    near, far = tiles.GAP_BYTES, tiles.GAP_BYTES + 1
    offsets = np.array([0, 10 + near, 20 + near + far + 0, 30 + near + far], np.uint64)
    level = tiff.Level(1, 4, 1, 1, 1, "uint8", 1, 1, False, False, offsets, counts)
    assert joined(level, [3, 1, 0, 2]) == [[0, 1], [2, 3]]
    large = np.full(4, tiles.MOST_JOINED_BYTES // 2, np.uint64)
    level = tiff.Level(1, 4, 1, 1, 1, "uint8", 1, 1, False, False, np.arange(4, dtype=np.uint64) * large, large)
    assert joined(level, range(4)) == [[0, 1], [2, 3]]


@pytest.fixture
def held(server: Archive, tmp_path: Path) -> Iterator[tuple[Cogs, list[Head], threading.Event]]:
    """Files whose heads are here, and an event that every answer waits for from now on."""
    cogs, let_go = opened(server, tmp_path), threading.Event()
    content = cog(VALUES[0], BIG)
    heads = cogs.heads([served(server, content, FileAt(Address(DEM_BUCKET, f"/{n}.tif"))) for n in range(FILES)])
    server.faults = lambda asked: let_go.wait(120) and None
    yield cogs, [head for head in heads if isinstance(head, Head)], let_go
    let_go.set()


def test_what_a_computation_that_ended_had_begun_is_not_fetched(server: Archive, held):
    """All places are taken until it ends; of what waits behind them nothing is asked for, and a reader begins it."""
    (cogs, heads, let_go), before = held, len(server.asked)
    with Budget().running():
        for head in heads:
            cogs.begin(head, CORNER, [0], budget.computation())
        assert until(lambda: len(server.asked) - before == HOSTS[DEM_BUCKET])
    let_go.set()
    values, _ = cogs.window(heads[-1], CORNER, [0])
    np.testing.assert_array_equal(values[0], VALUES[0, :10, :10])
    assert len(server.asked) - before <= flights._THREADS + 1 < FILES


def test_what_a_reader_waits_for_is_fetched_though_who_began_it_has_ended(server: Archive, held):
    (cogs, heads, let_go), read = held, []
    with Budget().running():
        for head in heads:
            cogs.begin(head, CORNER, [0], budget.computation())
        reader = threading.Thread(target=lambda: read.append(cogs.window(heads[-1], CORNER, [0])[0]))
        reader.start()
        assert until(lambda: any(flight.readers for flight in [*cogs._tiles._flights.values()]))
    before = len(server.asked)
    let_go.set()
    reader.join(60)
    np.testing.assert_array_equal(read[0][0], VALUES[0, :10, :10])
    assert sum(asked.path == f"/{FILES - 1}.tif" for asked in server.asked[before:]) == 1


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold within a minute."""
    end = time.monotonic() + 60
    while not holds() and time.monotonic() < end:
        time.sleep(0.005)
    return holds()


def test_tiles_are_decoded_before_they_are_read_up_to_a_bound():
    ahead = tiles.Ahead(100)
    assert ahead.has_room(100) and not ahead.has_room(101)
    ahead.put("a", np.zeros(60, np.uint8))
    assert not ahead.has_room(41)
    assert ahead.take("a") is not None and ahead.take("a") is None
    assert ahead.has_room(100)


def test_decoded_tiles_that_nobody_reads_make_room(monkeypatch: pytest.MonkeyPatch):
    ahead = tiles.Ahead(100)
    ahead.put("a", np.zeros(60, np.uint8))
    monkeypatch.setattr(tiles, "UNREAD_S", 0.0)
    assert ahead.has_room(100) and "a" not in ahead


def test_what_comes_just_as_a_wait_ends_is_taken():
    """On a busy machine a tile may land between the time-out of a wait and the look whether it has landed."""

    class Late(Future):
        def result(self, timeout: float | None = None) -> int:
            if timeout is None:
                return super().result()
            self.set_result(7)
            raise TimeoutError

    assert flights.waited(Late()) == 7
