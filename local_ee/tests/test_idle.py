"""What the engine keeps is bounded by bytes, and goes when nobody has asked for a while."""

from __future__ import annotations

import threading

import numpy as np

from local_ee import idle
from local_ee.budget import Budget
from local_ee.catalog.kept import KeptPixels
from local_ee.idle import Quiet, Rest
from local_ee.world import fractions
from local_ee.world.fractions import CellCache
from local_ee.world.lattice import TileCache

BAND = np.zeros(400, np.uint8)


def test_tiles_are_kept_up_to_a_number_of_bytes_the_oldest_go_first():
    cache, made = TileCache(1000), []
    for key in "abca":
        cache.get(key, lambda key=key: made.append(key) or BAND)
    assert (made, cache.kept_bytes) == (["a", "b", "c", "a"], 800)


def test_cells_of_ground_are_kept_up_to_a_number_of_bytes(monkeypatch):
    layers = np.zeros((3, 10, 10), np.uint8)
    monkeypatch.setattr(fractions, "canvas_of", lambda *_: (None, None, 2016, 2025))
    monkeypatch.setattr(fractions, "_pooling", lambda _: lambda *canvas: layers)
    cache = CellCache(1000)
    for column in range(9):
        cache.cells(32650, column, 0, 2020)
    assert cache.kept_bytes == 900


def test_every_cache_lets_go_and_makes_the_same_again():
    tiles, bands = TileCache(1000), KeptPixels(1000)
    tiles.get("a", lambda: BAND)
    bands.put("a", (BAND, BAND))
    idle.forget_all()
    assert tiles.kept_bytes == 0 and bands.get("a") is None
    assert tiles.get("a", lambda: BAND + 1)[0] == 1


def test_an_engine_rests_once_after_work():
    quiet = Quiet(2)
    assert [quiet.ended(0, 0) for _ in range(3)] == [False] * 3  # nothing to forget
    assert [quiet.ended(*state) for state in ((1, 1), (1, 1), (1, 1), (1, 0))] == [False] * 4  # at work
    assert [quiet.ended(1, 0) for _ in range(3)] == [True, False, False]


def test_a_computation_between_two_looks_counts():
    quiet = Quiet(2)
    assert [quiet.ended(begun, 0) for begun in (1, 1, 2, 3, 3, 3)] == [False, False, False, False, False, True]


def test_the_thread_that_watches_forgets_after_a_computation():
    forgotten = threading.Event()

    class Cache:
        def forget(self) -> None:
            forgotten.set()

    cache = Cache()
    idle.forgets(cache)
    rest = Rest(0.1)
    with Budget().running():
        pass
    assert forgotten.wait(60)
    rest.end()
