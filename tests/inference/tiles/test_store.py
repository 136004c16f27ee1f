"""The store: a tile is there when its receipt and every byte of its files are, and not otherwise."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from isamap.inference.mapping.request import Pixels
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import OLD_S, TileStore, folder_of, open_store
from tests.support.tile_work import content, tiles

(TILE,) = tiles(1)


@pytest.fixture
def store(tmp_path) -> TileStore:
    return open_store(str(tmp_path / "store"), Pixels())


@pytest.fixture
def receipt(store) -> Receipt:
    """Of a tile that was just stored."""
    return put(store)


def put(store: TileStore, **further) -> Receipt:
    with store.draft(TILE) as out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(content(TILE))
        return store.put(TILE, (out,), **further)


def file_of(store: TileStore) -> Path:
    return store.storage.path(f"{folder_of(TILE.name)}/{TILE.name}.tif")


def receipt_file(store: TileStore) -> Path:
    return store.storage.path(f"{folder_of(TILE.name)}/{TILE.name}.json")


def test_what_was_stored_has_its_receipt(store):
    written = put(store, counts={"impervious": 3}, measured={"seconds": 1.5})
    assert store.receipt(TILE) == written and written.counts == {"impervious": 3} and written.made
    assert not store.receipt(TILE).made
    assert file_of(store).read_bytes() == content(TILE)


def test_a_tile_without_pixels_has_a_receipt_that_says_why(store):
    store.put(TILE, (), empty="no scenes")
    assert store.receipt(TILE).empty == "no scenes" and store.receipt(TILE).files == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[: len(content(TILE)) // 2]),
        lambda path: path.write_bytes(b"X" + path.read_bytes()[1:]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.write_bytes(bytes(len(content(TILE)))),
    ],
    ids=["gone", "empty", "a byte short", "half", "one byte", "a byte more", "zeros"],
)
def test_a_damaged_file_has_no_receipt(store, receipt, damage):
    damage(file_of(store))
    assert store.receipt(TILE) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: b"[]",
        lambda text: b"null",
        lambda text: text.replace(b'"version": 1', b'"version": 99'),
        lambda text: text.replace(b'"files"', b'"flies"'),
        lambda text: text.replace(b'"crc32c"', b'"crc"'),
        lambda text: b"\xff\xfe" + text,
    ],
    ids=["empty", "half", "a list", "null", "of a later release", "a key", "a file's key", "no text"],
)
def test_a_damaged_receipt_is_none(store, receipt, damage):
    path = receipt_file(store)
    path.write_bytes(damage(path.read_bytes()))
    assert store.receipt(TILE) is None


def test_a_receipt_of_another_checkpoint_is_not_taken(store, receipt):
    """Also where somebody gave it the other tile's name."""
    (other,) = tiles(1, fingerprint="d" * 64)
    assert store.receipt(other) is None
    place = store.storage.path(f"{folder_of(other.name)}/{other.name}.json")
    place.parent.mkdir(exist_ok=True)
    receipt_file(store).rename(place)
    assert store.receipt(other) is None


def test_the_receipt_is_written_last(store, monkeypatch):
    """A kill before it leaves files without a receipt, so the tile is made again."""
    names: list[str] = []
    for method in ("write", "write_loose"):
        original = getattr(type(store.storage), method)

        def noted(self, name, data, original=original, **how):
            names.append(name)
            original(self, name, data, **how)

        monkeypatch.setattr(type(store.storage), method, noted)
    put(store)
    assert names == [f"{folder_of(TILE.name)}/{TILE.name}.tif", f"{folder_of(TILE.name)}/{TILE.name}.json"]


def test_a_draft_stays_where_its_tile_failed_and_goes_where_it_was_stored(store):
    with pytest.raises(OSError, match="full"), store.draft(TILE) as out:
        out.parent.mkdir(parents=True)
        out.write_bytes(b"half")
        raise OSError("full")
    assert out.read_bytes() == b"half"
    put(store)
    assert not out.exists()


def test_old_remainders_of_killed_writers_are_removed_and_young_ones_kept(store, receipt):
    old, young = (file_of(store).with_name(f".{age}.part") for age in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    before_s = time.time() - OLD_S - 60
    os.utime(old, (before_s, before_s))
    store.sweep()
    assert young.exists() and not old.exists() and store.receipt(TILE) is not None


def test_a_bucket_stores_and_checks_as_a_folder_does(session, tmp_path):
    """The local engine's bucket: what a list says of size and crc32c is compared, nothing is downloaded."""
    from isamap.gee_export.base.storage import provide

    provide("tiles-bucket", session)
    store = open_store("gs://tiles-bucket/run", Pixels())
    written = put(replace(store, work=tmp_path / "work"))
    assert store.receipt(TILE) == written
    assert [each for each, _ in store.noted([TILE])] == [written] and next(store.noted([TILE]))[1]
    store.storage.write(f"{folder_of(TILE.name)}/{TILE.name}.tif", b"other")
    assert store.receipt(TILE) is None and not next(store.noted([TILE]))[1]
