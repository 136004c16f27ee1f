"""Files that can be made again: bounded by age and bytes, never taken from who uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isamap.inference.serve.cache import KEPT_S, MOST_AGE_S, SWEEP_S, Cache

NOW = 1_800_000_000.0


@pytest.fixture
def now() -> list[float]:
    return [NOW]


@pytest.fixture
def cache(tmp_path, now) -> Cache:
    return Cache(tmp_path, 100, clock=lambda: now[0])


def add(cache: Cache, name: str, age_s: float, size: int = 40) -> Path:
    path = cache.folder / name
    path.write_bytes(bytes(size))
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def names(cache: Cache) -> list[str]:
    return sorted(path.name for path in cache.folder.iterdir())


def test_what_fits_stays(cache):
    add(cache, "a", KEPT_S + 1), add(cache, "b", KEPT_S + 2)
    cache.sweep()
    assert names(cache) == ["a", "b"]


def test_the_longest_unused_goes_first(cache):
    add(cache, "a", KEPT_S + 3), add(cache, "b", KEPT_S + 2), add(cache, "c", KEPT_S + 1)
    cache.sweep()
    assert names(cache) == ["b", "c"]


def test_what_was_used_lately_stays_beyond_the_bytes(cache):
    for index in range(5):
        add(cache, str(index), KEPT_S - 10)
    cache.sweep()
    assert len(names(cache)) == 5


def test_what_nobody_used_for_a_week_goes(cache):
    add(cache, "old", MOST_AGE_S + 1, 1)
    cache.sweep()
    assert names(cache) == []


def test_a_use_makes_an_entry_young(cache):
    old, second = add(cache, "a", KEPT_S + 9, 90), add(cache, "b", KEPT_S + 2, 90)
    cache._swept_s = NOW
    assert cache.use(old)
    cache.sweep()
    assert old.exists() and not second.exists()


def test_a_folder_is_one_entry(cache):
    folder = cache.folder / "version"
    folder.mkdir()
    (folder / "a.tif").write_bytes(bytes(120))
    os.utime(folder, (NOW - KEPT_S - 1, NOW - KEPT_S - 1))
    cache.sweep()
    assert not folder.exists()


def test_a_part_in_the_making_stays_until_it_is_old(cache):
    piece, dead = add(cache, ".part-a", KEPT_S + 1, 500), add(cache, ".part-b", MOST_AGE_S + 1, 1)
    cache.sweep()
    assert piece.exists() and not dead.exists()


def test_age_counts_also_where_nothing_new_is_made(cache, now):
    kept, old = add(cache, "kept", 0), add(cache, "old", MOST_AGE_S - SWEEP_S / 2)
    assert cache.use(kept) and old.exists()
    now[0] += SWEEP_S + 1
    assert cache.use(kept) and not old.exists()


@pytest.mark.long
def test_downloads_are_swept_when_another_is_made(client, town, settings):
    folder = settings.folder / "downloads"
    assert client.get("/maps/town-2020/download?format=csv").status_code == 200
    (table,) = folder.iterdir()
    os.utime(table, (NOW - 2 * MOST_AGE_S - 1e9, NOW - 2 * MOST_AGE_S - 1e9))
    assert client.get("/maps/town-2020/download?format=png").status_code == 200
    assert [path.suffix for path in folder.iterdir()] == [".png"]
