"""P14: what a run of 100,000 tiles costs beside the tiles themselves, in a folder and in a bucket.

    python -m benchmarks.many_tiles --tiles 1000 10000 100000 --out /tmp/many

The tiles are made up: each has small files and a receipt as a run writes it, and no pixel. Then the run is resumed
(every receipt read, every checksum compared), its indexes are written and its STAC catalogue is listed. Each step of
each size is a process of its own, whose processor seconds and greatest memory are printed; the time must grow as the
tiles do. The bucket is the local engine's, whose process and memory are its own.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from isamap.gee_export.base.atomic import crc32c_base64
from isamap.gee_export.base.periods import Month
from isamap.gee_export.base.platform.machine import most_resident_bytes
from isamap.gee_export.base.regions import Region
from isamap.gee_export.base.storage import FolderStorage, open_storage, provide
from isamap.inference.catalog import stac
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import files_of
from isamap.inference.mapping.request import Computing, Pixels
from isamap.inference.tiles import product
from isamap.inference.tiles.jobs import MapJob
from isamap.inference.tiles.receipt import Receipt, StoredFile
from isamap.inference.tiles.status import MapStatus, Status
from isamap.inference.tiles.store import TileStore, folder_of
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.tile_file import TileHead
from isamap.inference.tiles.tiling import TileWindow

SIDE_PX = 256  # as of maps of 1 m
MAP = "made_201906_50n"
EPSG = 32650
TAGS = {
    "classes": "pervious,impervious", "threshold": "0.5", "simulated": "true", "model": "unet", "checkpoint": "c0" * 32,
    "period": "2019-06", "period_start": "2019-06-01", "period_end": "2019-07-01", "settings": "0" * 32,
}  # fmt: skip
STEPS = ("resume", "index", "catalogue")


def tiles_of(count: int) -> list[Tile]:
    """A square of tiles beside each other."""
    side = math.ceil(math.sqrt(count))
    places = itertools.islice(itertools.product(range(-340, -340 + side), range(side)), count)
    windows = (TileWindow(EPSG, row, col, SIDE_PX) for row, col in places)
    period = Month(2019, 6).period
    return [Tile(window, period, "runs/a", "c0ffee" * 8, Pixels(), Computing()) for window in windows]


def make(store: TileStore, tiles: list[Tile]) -> None:
    """Stores the tiles: each file has the same bytes, in a folder the same file by many names."""
    content = b"no pixels"
    if not isinstance(store.storage, FolderStorage):
        store.storage.write_many((name, text or content) for name, text in _files(tiles, content))
        return
    for name, text in _files(tiles, content):
        path = store.storage.path(name)
        first = path.with_name(".content")  # one a sub-folder: file systems limit the names of a file
        if not first.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            first.write_bytes(content)
        # Hard links: hundreds of thousands of files of their own would measure the disk instead of the run.
        path.write_bytes(text) if text else path.hardlink_to(first)


def _files(tiles: list[Tile], content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file of the tiles, none of those that hold the content; receipts come last."""
    size, crc32c, sha256 = len(content), crc32c_base64(content), hashlib.sha256(content).hexdigest()
    measured = {"seconds": 1.0, "cpu_s": 1.0, "peak_mb": 500, "eecu_s": 2.5, "requests": 16, "bytes": 1 << 24}
    for tile in tiles:
        paths = files_of(Path(f"{folder_of(tile.name)}/{tile.name}.tif"), with_shares=False)
        yield from ((path.as_posix(), b"") for path in paths)
        files = tuple(StoredFile(path.as_posix(), size, crc32c, sha256) for path in paths)
        head = {"shape": [SIDE_PX, SIDE_PX], "transform": list(tile.window.geobox.affine)[:6], "tags": TAGS}
        receipt = Receipt(tile.id, tile.name, files, {"impervious": 1}, facts=tile.facts, head=head, measured=measured)
        yield f"{folder_of(tile.name)}/{tile.name}.json", receipt.to_json()


def resume(store: TileStore, tiles: list[Tile]) -> None:
    """Finds every tile whole, as a run that is done does when it is called again."""
    kept = {receipt.tile: receipt.slim for receipt in store.whole(tiles)}
    assert len(kept) == len(tiles)


def index(store: TileStore, tiles: list[Tile]) -> None:
    """Writes the indexes of the zone, and the status that names them."""
    receipts = {receipt.tile: receipt.slim for receipt in store.whole(tiles)}
    starts = (min(tile.window.bounds_m[at] for tile in tiles) for at in (0, 1))
    ends = (max(tile.window.bounds_m[at] for tile in tiles) for at in (2, 3))
    area = Region("made", EPSG, (*starts, *ends), (0.0, 0.0))
    job = MapJob("made_201906", "made", (area,), Month(2019, 6).period, "runs/a")
    zone = product.ZoneMap(job, EPSG, tiles, receipts)
    head = TileHead((SIDE_PX, SIDE_PX), TAGS, Legend.of_tags(TAGS))
    names = product.write_indexes(zone, zone.grid(1), head, store)
    maps = {"made_201906": MapStatus(len(tiles), len(tiles), files=names)}
    Status(store.storage.url, "done", "this process", maps).write(store.storage)


def catalogue(store: TileStore, tiles: list[Tile]) -> None:
    """Writes the STAC catalogue."""
    assert stac.write_catalogue(store).items == len(tiles)


def measured(step: str, address: str, count: int) -> None:
    """Prints a step's processor seconds, seconds and greatest memory as JSON."""
    store = TileStore(open_storage(address), Path(tempfile.gettempdir()))
    tiles = tiles_of(count)
    cpu_s, wall_s = time.process_time(), time.monotonic()
    globals()[step](store, tiles)
    row = {
        "step": step, "tiles": count, "cpu_s": round(time.process_time() - cpu_s, 2),
        "seconds": round(time.monotonic() - wall_s, 1), "peak_mb": round(most_resident_bytes() / 2**20),
    }  # fmt: skip
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--out", default="/tmp/many-tiles")
    parser.add_argument("--only", choices=("folder", "bucket"))
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step, address, count = options.step
        measured(step, address, int(count))
        return
    for count in options.tiles:
        for storage in ("folder", "bucket"):
            if options.only in (None, storage):
                _series(storage, f"{options.out}/{count}", count)


def _series(kind: str, folder: str, count: int) -> None:
    print(f"{kind}, {count:,} tiles", flush=True)
    if kind == "folder":
        _steps(folder, count)
        return
    from isamap.gee_export.earth_engine.session import connect

    with closing(connect(None, catalog="world")) as session:  # its address reaches the steps by the environment
        provide("many-tiles", session)
        _steps(f"gs://many-tiles/{count}", count)


def _steps(address: str, count: int) -> None:
    for step in ("make", *STEPS):
        command = [sys.executable, "-m", "benchmarks.many_tiles", "--step", step, address, str(count)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
