"""Stored tables survive crashes: whole or not there, damage is refused, and what killed processes leave is removed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely

from local_ee.assets import stored_table
from local_ee.assets.asset import Asset
from local_ee.assets.store import AssetStore
from local_ee.assets.table_exports import publish
from local_ee.assets.times import now
from local_ee.catalog.table import SourceFeature
from local_ee.errors import EngineError
from local_ee.home import Home
from local_ee.leftovers import sweep
from local_ee.testing.power import Disk

ASSET = "projects/p/assets/table"
VERSIONS = {
    "first": (SourceFeature(shapely.Point(1, 2), {"name": "é", "n": [1, 2.5]}, True), SourceFeature(None, {})),
    "second": (SourceFeature(shapely.box(0, 0, 1, 1), {"name": "b"}),),
}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def store_table(home: Home, version: str) -> None:
    publish(Asset(ASSET, "TABLE", now()), iter(VERSIONS[version]), AssetStore(home), overwrite=True)


def files(home: Home) -> list[Path]:
    return sorted(home.assets.rglob("*.jsonl"))


def test_features_are_read_as_they_were_stored(home):
    store_table(home, "first")
    assert AssetStore(home).table(ASSET) == VERSIONS["first"]


def test_an_overwritten_table_leaves_no_file(home):
    store_table(home, "first")
    store_table(home, "second")
    assert AssetStore(home).table(ASSET) == VERSIONS["second"] and len(files(home)) == 1


@pytest.mark.parametrize("seed", range(10))
def test_a_flipped_bit_is_refused(home, seed):
    store_table(home, "first")
    content = bytearray((path := files(home)[0]).read_bytes())
    bit = random.Random(seed).randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(EngineError, match="its features are not those that were stored") as error:
        AssetStore(home).table(ASSET)
    assert (error.value.status, error.value.reason) == (500, "DATA_LOSS")


def test_a_lost_file_is_refused(home):
    store_table(home, "first")
    files(home)[0].unlink()
    with pytest.raises(EngineError, match="its features are not those that were stored"):
        AssetStore(home).table(ASSET)


def test_a_table_overwritten_while_it_is_read_is_read_again(home, monkeypatch):
    store_table(home, "first")
    read = stored_table.read

    def slow(path: Path, *arguments) -> tuple[SourceFeature, ...]:
        if AssetStore(home).get(ASSET).table.features == 2:
            store_table(home, "second")
        return read(path, *arguments)

    monkeypatch.setattr(stored_table, "read", slow)
    assert AssetStore(home).table(ASSET) == VERSIONS["second"]


def test_a_table_that_could_not_be_written_leaves_nothing(home):
    def rows() -> Iterator[SourceFeature]:
        yield VERSIONS["first"][0]
        raise ValueError("the second row is damaged")

    with pytest.raises(ValueError, match="second row"):
        publish(Asset(ASSET, "TABLE", now()), rows(), AssetStore(home), overwrite=False)
    assert AssetStore(home).find(ASSET) is None and not any(p.is_file() for p in home.assets.rglob("*"))


def test_what_a_killed_process_left_is_removed_and_stored_tables_stay(home):
    store_table(home, "first")
    (left,) = AssetStore(home).new_files(ASSET, 1, stored_table.SUFFIX)
    left.write_text("{")
    assert sweep(home) == [left] and AssetStore(home).table(ASSET) == VERSIONS["first"]


def test_too_many_properties_are_refused(home):
    """https://developers.google.com/earth-engine/guides/table_upload: at most 1,024 properties on a feature."""
    rows = iter([SourceFeature(None, {f"p{i}": i for i in range(1025)})])
    with pytest.raises(EngineError, match="1025 properties: at most 1024"):
        publish(Asset(ASSET, "TABLE", now()), rows, AssetStore(home), overwrite=False)


@pytest.mark.long
def test_a_table_is_the_version_that_was_promised_after_a_power_cut_at_any_step(tmp_path):
    (root := tmp_path / "disk").mkdir()
    disk, home = Disk(root, fsync=True), Home(root)
    with disk.recording():
        for version in VERSIONS:
            store_table(home, version)
            disk.promise(version)
    states, lost = [None, *VERSIONS.values()], []
    for cut in disk.cuts:
        cut.restore(root)
        if AssetStore(home).table(ASSET) not in states[len(cut.promised) : len(cut.promised) + 2]:
            lost.append(cut.moment)
    assert len(disk.cuts) > 20 and not lost, lost[:5]
