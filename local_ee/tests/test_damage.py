"""Damaged objects and assets are refused in words; what isamap 0.1 stored, without checksums, is read as before."""

from __future__ import annotations

import base64
import json
import os
import random
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from local_ee.assets.store import AssetStore
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.storage import checksum
from local_ee.storage.buckets import StorageApi
from local_ee.storage.objects import ObjectStore, StorageError
from local_ee.wire import Call
from tests.test_assets import put_image

ASSET = "projects/local/assets/x"
VALUES = np.random.default_rng(4).integers(0, 255, (64, 64), dtype=np.uint8)


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def store(home) -> AssetStore:
    store = AssetStore(home)
    put_image(store, ASSET, VALUES)
    return store


@pytest.fixture
def buckets(home) -> ObjectStore:
    buckets = ObjectStore(home)
    buckets.create_bucket("things", {})
    content = buckets.temporary("things", "a.bin")
    content.write_bytes(bytes(range(256)) * 64)
    buckets.put(content, "things", "a.bin", attributes={})
    return buckets


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.rglob(pattern)
    return path


def pixels(store: AssetStore) -> np.ndarray:
    image = store.image(ASSET)
    return image.read(("isa",), image.bands[0].grid)[0][0]


def body_of(buckets: ObjectStore) -> Path:
    return buckets.content_path(buckets.get("things", "a.bin"))


def test_a_whole_asset_is_read(store):
    np.testing.assert_array_equal(pixels(store), VALUES)


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_of_an_assets_pixels_is_refused(store, home, seed):
    path = only(home.assets, "*.tif")
    flip(path, random.Random(seed).randrange(8 * path.stat().st_size))
    with pytest.raises(EngineError, match="band 'isa' are not those that were stored") as error:
        pixels(store)
    assert (error.value.status, error.value.reason) == (500, "DATA_LOSS")


def test_no_flipped_bit_of_a_description_is_read_as_whole(store, home):
    path = only(home.assets, "*.json")
    before, accepted = path.read_bytes(), []
    own = before.index(b'"digest"')
    bits = {*range(8 * own, 8 * (own + 12)), *random.Random(3).sample(range(8 * len(before)), 400)}
    for bit in sorted(bits):
        flip(path, bit)
        try:
            asset = AssetStore(home).find(ASSET)  # None, with a warning, where it is no JSON any more
        except EngineError as error:
            assert "damaged" in error.message and error.status == 500
        else:
            accepted += [(bit, asset)] * (asset is not None)
        path.write_bytes(before)
    assert accepted == []


def test_a_damaged_asset_found_while_it_runs_is_refused(store, home):
    """A file is looked at again when its size or time of change is another."""
    pixels(store)
    path = only(home.assets, "*.tif")
    flip(path, 4000)
    os.utime(path, (0, 0))  # clocks of file systems are coarse
    with pytest.raises(EngineError, match="damaged"):
        pixels(store)


def test_a_file_is_summed_once_for_many_reads(store, monkeypatch):
    checksum._has_checksum.cache_clear()
    summed = []
    monkeypatch.setattr(checksum, "crc32c_of", lambda path, real=checksum.crc32c_of: summed.append(path) or real(path))
    for _ in range(5):
        pixels(store)
    assert len(summed) == 1


def test_assets_without_checksums_are_read_as_before(store, home):
    path = only(home.assets, "*.json")
    document = json.loads(path.read_bytes())
    del document["digest"]
    for band in document["bands"]:
        del band["crc32c"]
    path.write_text(json.dumps(document))
    np.testing.assert_array_equal(pixels(store), VALUES)


def test_a_copied_asset_keeps_its_checksum(store):
    copied = store.copy(ASSET, f"{ASSET}-2")
    assert copied.bands[0].crc32c == store.get(ASSET).bands[0].crc32c is not None


def test_the_checksum_is_the_files_crc32c(store, home):
    value = google_crc32c.value(only(home.assets, "*.tif").read_bytes())
    assert store.get(ASSET).bands[0].crc32c == base64.b64encode(value.to_bytes(4, "big")).decode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: flip(path, 5000),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
)
def test_a_damaged_object_is_refused(buckets, damage):
    damage(body_of(buckets))
    with pytest.raises(StorageError, match=r"things/a\.bin is damaged.*[Ss]tore it again") as error:
        buckets.open("things", "a.bin")
    assert error.value.status == 500


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}])
def test_a_download_of_a_damaged_object_is_an_error_in_googles_form(buckets, home, headers):
    flip(body_of(buckets), 5000)
    reply = StorageApi(home).answer(Call("GET", "/download/storage/v1/b/things/o/a.bin", {"alt": "media"}, headers))
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["errors"][0]["reason"]) == (500, 500, "internalError")
    assert "things/a.bin is damaged" in error["message"]


def test_a_damaged_object_can_be_deleted_and_stored_again(buckets):
    flip(body_of(buckets), 5000)
    buckets.delete("things", "a.bin")
    content = buckets.temporary("things", "a.bin")
    content.write_bytes(b"new")
    buckets.put(content, "things", "a.bin", attributes={})
    with buckets.open("things", "a.bin")[1] as file:
        assert file.read() == b"new"
