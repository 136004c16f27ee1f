"""--catalog open beside plain GDAL, odc-stac and rslearn, which read the same archive over a slow line: one table.

A server on the loopback address stands for the archives, in a process of its own, each answer after a wait. A composite
of one month (median of four bands) is computed twice by each reader, each in a process of its own; the pixels must be
equal. Printed are requests, megabytes, seconds (the middle of several runs, in turns), peak memory, and what the second
time cost. All share the machine's processors, so the seconds say less than the counts.

odc-stac and rslearn are read where --peers names the interpreter of an environment that holds them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))  # works from an uninstalled clone too

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from shapely.geometry import mapping

from benchmarks.archive_readers import PEERS
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import C1_NAMES, cog, optical_item

TITLES = {"open": "catalog `open`", "gdal": "GDAL /vsicurl", "odc-stac": "odc-stac", "rslearn": "rslearn"}
PATTERN_PX = 2_560  # of noise, repeated over a scene
DATES_OF_THEIR_OWN = 3  # the files of other dates are these again, under their own addresses
MARGIN_PX = 900  # of a scene around the place


@dataclass(frozen=True)
class Cost:
    """What one reading cost."""

    requests: int
    mb: float
    seconds: float
    cpu: float
    peak_mib: float


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=6, help="dates of the composite (default 6)")
    parser.add_argument("--side", type=int, default=512, help="pixels along a side of the place (Wuhan: 6048)")
    parser.add_argument("--window", type=int, default=2_048, help="pixels along a side that are read at once")
    parser.add_argument("--wait-ms", type=int, nargs="+", default=[30, 150], help="before each answer (default 30 150)")
    parser.add_argument("--runs", type=int, default=3, help="of each reader (default 3)")
    parser.add_argument("--peers", help="the Python of an environment with odc-stac and rslearn")
    parser.add_argument("--readers", nargs="+", choices=TITLES, help="default: all that can be run")
    options = parser.parse_args()
    readers = options.readers or [name for name in TITLES if name in ("open", "gdal") or options.peers]
    grid = scene_grid(options.side)
    filled = Archive(page_items=100)
    fill(filled, grid, options.scenes)
    small = Archive(page_items=100)
    fill(small, scene_grid(32), 1)
    print("| wait, ms | reader | requests | MB | seconds | of a processor | peak, MiB | again: requests | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    place = grid[700 : 700 + options.side, MARGIN_PX : MARGIN_PX + options.side]
    for wait_ms in options.wait_ms:
        costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in readers}
        for _ in range(options.runs):
            pixels: dict[str, np.ndarray] = {}
            for name in readers:
                pair, pixels[name] = measured(name, options, (filled, small), wait_ms, place)
                costs[name].append(pair)
                if not np.array_equal(pixels[name], pixels[readers[0]]):
                    raise SystemExit(f"the pixels of {name} differ from those of {readers[0]}")
        for name in readers:
            print(f"| {wait_ms} | {TITLES[name]} | {row(costs[name])} |", flush=True)


def row(pairs: list[tuple[Cost, Cost]]) -> str:
    """The middle of several runs."""
    firsts, seconds = zip(*pairs, strict=True)

    def middle(costs: Any, name: str, digits: int) -> str:
        return f"{statistics.median(getattr(cost, name) for cost in costs):.{digits}f}"

    once = [("requests", 0), ("mb", 1), ("seconds", 2), ("cpu", 2), ("peak_mib", 0)]
    again = [("requests", 0), ("seconds", 2)]
    return " | ".join([middle(firsts, *each) for each in once] + [middle(seconds, *each) for each in again])


def measured(
    name: str, options: argparse.Namespace, archives: tuple[Archive, Archive], wait_ms: int, place: GeoBox
) -> tuple[tuple[Cost, Cost], np.ndarray]:
    """What a reader's first and second reading cost, and its pixels, from servers that nobody asked before."""
    python = options.peers if name in ("odc-stac", "rslearn") else sys.executable
    with (
        tempfile.TemporaryDirectory() as folder,
        served(archives[0], wait_ms / 1000) as (port, ask),
        served(archives[1], 0) as (warm_port, _),
    ):
        job = {
            "reader": name, "port": port, "warm_port": warm_port, "folder": folder, "pixels": f"{folder}/pixels.npy",
            "shape": list(place.shape), "affine": list(place.affine[:6]), "crs": str(place.crs),
            "window": options.window,
        }  # fmt: skip
        program = str(Path(__file__).with_name("archive_readers.py"))
        process = subprocess.Popen(
            [python, program, json.dumps(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        pair = cost_of(process, ask), cost_of(process, ask)
        if process.wait():
            raise SystemExit(f"{name} ended with {process.returncode}")
        return pair, np.load(job["pixels"])


def cost_of(process: subprocess.Popen[str], ask: Connection) -> Cost:
    """What the reader's next reading costs."""
    assert process.stdin is not None and process.stdout is not None
    if process.stdout.readline() != "begin\n":
        raise SystemExit(f"a reader ended with {process.wait()}")
    before = counts(ask)
    process.stdin.write("\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a reader ended with {process.wait()}")
    facts, after = json.loads(line), counts(ask)
    return Cost(after[0] - before[0], (after[1] - before[1]) / 1e6, facts["seconds"], facts["cpu"], facts["peak_mib"])


def counts(ask: Connection) -> tuple[int, int]:
    """Requests and bytes that a server has answered."""
    ask.send("counts")
    answered: tuple[int, int] = ask.recv()
    return answered


@contextmanager
def served(archive: Archive, wait_s: float) -> Iterator[tuple[int, Connection]]:
    """The port of a server of the archive in a process of its own, and what tells its counts."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(archive, wait_s, there), daemon=True)
    process.start()
    try:
        yield here.recv(), here
    finally:
        process.terminate()
        process.join()


def serve(archive: Archive, wait_s: float, ask: Connection) -> None:
    """Answers until the process is ended."""
    with Archive(archive.files, list(archive.items), wait_s=wait_s, page_items=archive.page_items) as server:
        server.items += [for_peers(item, server.port) for item in archive.items]
        ask.send(server.port)
        while ask.recv():
            ask.send((len(server.asked), server.sent_bytes))


def for_peers(item: dict[str, Any], port: int) -> dict[str, Any]:
    """The item with addresses of this machine's server, for readers that cannot be told where a host is."""
    assets = {
        key: {**asset, "href": f"http://127.0.0.1:{port}/{''.join(urlsplit(asset['href'])[1:3])}"}
        for key, asset in item["assets"].items()
    }
    return {**item, "collection": PEERS, "assets": assets, "links": [], "bbox": [-180, -90, 180, 90]}


def scene_grid(side: int) -> GeoBox:
    """The grid of all scenes around a place of so many pixels."""
    whole = -(-(side + 2 * MARGIN_PX) // 512) * 512
    return GeoBox((whole, whole), rasterio.Affine(10, 0, 500000, 0, -10, 3300040), "EPSG:32650")


def fill(archive: Archive, grid: GeoBox, scenes: int) -> None:
    """Scenes of four bands and classes, days apart."""
    contents = {(n, name): content(n, name, grid) for n in range(min(scenes, DATES_OF_THEIR_OWN)) for name in C1_NAMES}
    for number in range(scenes):
        item = optical_item(datetime(2024, 6, 3) + timedelta(days=4 * number))
        item["geometry"] = mapping(grid.footprint("EPSG:4326", npoints=4).geom)
        for name, key in C1_NAMES.items():
            item["assets"][key] |= {"proj:shape": list(grid.shape), "proj:transform": list(grid.affine[:6])}
            archive.files[item["assets"][key]["href"]] = contents[number % DATES_OF_THEIR_OWN, name]
        archive.items.append(item)


def content(number: int, name: str, grid: GeoBox) -> bytes:
    """A file of smooth ground and noise."""
    drawn = np.random.default_rng([number, *name.encode()])
    side = PATTERN_PX
    smooth = np.kron(drawn.integers(1_200, 4_000, (side // 32, side // 32)), np.ones((32, 32)))
    pattern = (smooth + drawn.integers(0, 64, (side, side))).astype(np.uint16)
    times = -(-grid.shape[0] // side)
    values = np.tile(pattern, (times, times))[: grid.shape[0], : grid.shape[1]]
    return cog(values, grid, nodata=0, predictor=2, blocksize=512)


if __name__ == "__main__":
    main()
