"""A finished run whose store is a bucket: the objects of its tiles, which Earth Engine can take from where they are."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from isamap.gee_export.base.cloud_storage import BucketStorage, Stored
from isamap.gee_export.base.errors import Fault
from isamap.inference.catalog.run_folder import zone_files
from isamap.inference.map_files.map_file import MapFile, probability_of
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import TILES
from isamap.inference.tiles.tile_file import map_of

READERS = 8  # tiles whose heads are read at once


@dataclass(frozen=True)
class TileObjects:
    """A tile in a bucket: what it says of itself, and address and hash of each of its files, the classes' first."""

    map: MapFile
    uris: tuple[str, ...]
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class ZoneObjects:
    """One map's tiles in one UTM zone; name: of its index without the ending, such as wuhan_202006_50n."""

    name: str
    tiles: tuple[TileObjects, ...]


def zones_in(storage: BucketStorage) -> tuple[ZoneObjects, ...]:
    """The maps of a run by zone; ValueError as of `zone_files`, Fault where a tile is not what its receipt says.

    Of each tile the receipt is read; its files are compared by the checksums that the bucket lists.
    """
    zones = zone_files(storage)
    listed = {stored.name: stored for stored in storage.listed(f"{TILES}/")}
    with ThreadPoolExecutor(READERS) as pool:
        return tuple(
            ZoneObjects(zone.name, tuple(pool.map(lambda name: _tile(storage, listed, name), zone.tiles)))
            for zone in zones
        )


def _tile(storage: BucketStorage, listed: Mapping[str, Stored], name: str) -> TileObjects:
    path = Path(name)
    names = name, probability_of(path).as_posix()
    receipt = Receipt.from_json(storage.read(path.with_suffix(".json").as_posix()))
    stored = {} if receipt is None else {file.name: file for file in receipt.files}
    for each in names:
        object_there, noted = listed.get(each), stored.get(each)
        if (
            object_there is None
            or noted is None
            or (object_there.size, object_there.crc32c) != (noted.bytes, noted.crc32c)
        ):
            raise Fault(f"{storage.url}/{each} is not what its receipt says: run the same `isamap run` command again")
    assert receipt is not None  # else nothing is noted
    made = map_of(receipt)
    return TileObjects(made, tuple(f"{storage.url}/{each}" for each in names), tuple(stored[n].sha256 for n in names))
