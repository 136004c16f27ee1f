"""How long the local engine's clients wait while many of them ask for different things at once.

python benchmarks/engine_clients.py [--minutes 10] [--clients 50] [--composites 3] [--seed 0]

An engine in a process of its own, over the simulated world and an empty home. Three fifths of the clients ask for
scalars (a sum, the bands of an image, the size and the mean of a property of a collection), a pause of about a second
between two. The others ask for map tiles (Sentinel-2, zooms 11 to 14; SRTM, zooms 3 to 12) and reductions of small
regions; `--composites` of them ask for cloud-masked means of a month, 256 x 256 pixels, without a pause. Printed by
kind of request: answers, refusals (429 and words of limits), errors, and percentiles of the seconds from the request
to the last byte of its answer. Clients and engine share this machine's processors: the load average is printed too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BOUNDS_WSEN = (114.2, 30.5, 114.41, 30.68)
LEFT, TOP = 231_640, 3_397_580  # of the region, EPSG:32650
SPREAD_PX, SIDE_PX, STEP_M = 1000, 256, 10.0
TILES_AT = (114.3, 30.6)
PAUSE_S = {"scalar": 1.0, "tile": 0.5, "region": 1.0, "composite": 0.0}
ANSWER_S = 330.0  # longer than the engine's own deadline
KINDS = ("scalar", "tile", "region", "composite")


@dataclass(frozen=True)
class Bodies:
    """What is asked for: expressions by kind, and the ids of maps."""

    scalars: tuple[dict[str, Any], ...]
    regions: tuple[dict[str, Any], ...]
    composite: dict[str, Any]
    maps: tuple[tuple[str, tuple[int, ...]], ...]  # a map and the zooms at which its tiles are asked for


@dataclass
class Tally:
    """The outcome of every request so far, by kind."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def rows(self) -> Iterator[str]:
        """A table: one row by kind."""
        yield f"{'kind':<10}{'answers':>8}{'refused':>8}{'errors':>7}{'p50 s':>9}{'p95 s':>9}{'p99 s':>9}{'max s':>9}"
        for kind in KINDS:
            times = self.seconds[kind] or [float("nan")]
            points = "".join(f"{value:9.3f}" for value in (*np.percentile(times, (50, 95, 99)), max(times)))
            counts = f"{len(self.seconds[kind]):>8}{self.refused[kind]:>8}{len(self.errors[kind]):>7}"
            yield f"{kind:<10}{counts}{points}"


@contextmanager
def engine_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running engine and its address."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "local_ee", "serve", "--port", "0", "--no-token"]
        environment = {**os.environ, "ISAMAP_HOME": home, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        try:
            yield process, address.group()
        finally:
            process.terminate()
            process.wait(60)


def bodies(url: str) -> Bodies:
    """The expressions, as `ee` sends them."""
    import ee
    from google.auth.credentials import AnonymousCredentials

    from isamap.gee_export.base.regions import Month
    from isamap.gee_export.sentinel import sentinel2
    from isamap.gee_export.sentinel.sentinel2 import Optical

    ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)

    def encoded(value: Any) -> dict[str, Any]:
        return ee.serializer.encode(value, for_cloud_api=True)

    srtm = ee.Image("USGS/SRTMGL1_003")
    month = Month(2019, 6).period
    collection = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2019-06-01", "2019-07-01")
    collection = collection.filterBounds(ee.Geometry.Rectangle(BOUNDS_WSEN))
    scalars = (
        ee.Number(1).add(2),
        srtm.bandNames(),
        collection.size(),
        collection.aggregate_mean("CLOUDY_PIXEL_PERCENTAGE"),
    )
    town = ee.Geometry.Point(TILES_AT).buffer(2000)
    regions = (srtm.reduceRegion("mean", town, 90), collection.first().select("B8").reduceRegion("mean", town, 60))
    natural = sentinel2.sensed(BOUNDS_WSEN, month, Optical()).packed.select("B4", "B3", "B2")
    maps = []
    for image, high, zooms in ((natural, 3000, (11, 12, 13, 14)), (srtm, 500, tuple(range(3, 13)))):
        look = image.visualize(min=0, max=high)
        maps.append((ee.data.getMapId({"image": look})["mapid"], zooms))
    composite = encoded(sentinel2.sensed(BOUNDS_WSEN, month, Optical()).packed)
    return Bodies(tuple(map(encoded, scalars)), tuple(map(encoded, regions)), composite, tuple(maps))


@dataclass(frozen=True)
class Clients:
    """Clients of one engine, and what happened to them."""

    url: str
    bodies: Bodies
    http: aiohttp.ClientSession
    tally: Tally

    async def client(self, kind: str, seed: int, until: float) -> None:
        """Asks for one kind of thing, again and again, until a time of time.monotonic()."""
        dice = random.Random(seed)
        await asyncio.sleep(dice.random())
        ask: Callable[[random.Random], Awaitable[tuple[int, str]]] = getattr(self, f"_{kind}")
        while time.monotonic() < until:
            await self._timed(kind, ask(dice))
            await asyncio.sleep(PAUSE_S[kind] * dice.uniform(0.5, 1.5))

    async def _timed(self, kind: str, answer: Awaitable[tuple[int, str]]) -> None:
        start = time.monotonic()
        try:
            status, words = await answer
        except (TimeoutError, aiohttp.ClientError) as error:
            self.tally.errors[kind].append(repr(error))
            return
        if status == 200:
            self.tally.seconds[kind].append(time.monotonic() - start)
        elif status == 429 or "too large" in words or words == "Computation timed out.":
            self.tally.refused[kind] += 1
        else:
            self.tally.errors[kind].append(words)

    async def _scalar(self, dice: random.Random) -> tuple[int, str]:
        return await self._post("value:compute", {"expression": dice.choice(self.bodies.scalars)})

    async def _region(self, dice: random.Random) -> tuple[int, str]:
        return await self._post("value:compute", {"expression": dice.choice(self.bodies.regions)})

    async def _composite(self, dice: random.Random) -> tuple[int, str]:
        left, top = (STEP_M * dice.randrange(SPREAD_PX - SIDE_PX) for _ in range(2))
        transform = {"scaleX": STEP_M, "translateX": LEFT + left, "scaleY": -STEP_M, "translateY": TOP - top}
        size = {"width": SIDE_PX, "height": SIDE_PX}
        grid = {"dimensions": size, "affineTransform": transform, "crsCode": "EPSG:32650"}
        bands = ["B2", "B3", "B4", "B8"]
        body = {"expression": self.bodies.composite, "fileFormat": "NPY", "grid": grid, "bandIds": bands}
        return await self._post("image:computePixels", body)

    async def _tile(self, dice: random.Random) -> tuple[int, str]:
        name, zooms = dice.choice(self.bodies.maps)
        zoom = dice.choice(zooms)
        x, y = tile_of(*TILES_AT, zoom)
        x, y = (min(max(n + dice.randint(-2, 2), 0), 2**zoom - 1) for n in (x, y))
        return await self._answer(self.http.get(f"{self.url}/v1/{name}/tiles/{zoom}/{x}/{y}"))

    async def _post(self, method: str, body: dict[str, Any]) -> tuple[int, str]:
        return await self._answer(self.http.post(f"{self.url}/v1/projects/local/{method}", json=body))

    async def _answer(self, request: Any) -> tuple[int, str]:
        async with request as reply:
            content = await reply.read()
            words = "" if reply.status == 200 else content.decode(errors="replace")
            if words.startswith("{"):
                words = (await reply.json())["error"]["message"]
            return reply.status, words


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Column and row of the web map tile that holds a place."""
    y = np.arctanh(np.sin(np.radians(lat))) / np.pi
    return int((lon + 180) / 360 * 2**zoom), int((1 - y) / 2 * 2**zoom)


def kinds_of(clients: int, composites: int) -> list[str]:
    """What each client asks for: three fifths scalars, some composites, the others tiles and regions by turns."""
    scalars = round(0.6 * clients)
    others = [("tile", "tile", "region")[k % 3] for k in range(clients - scalars - composites)]
    return ["scalar"] * scalars + ["composite"] * composites + others


async def crowd(url: str, asked: Bodies, options: argparse.Namespace) -> Tally:
    """What the clients met."""
    until = time.monotonic() + 60 * options.minutes
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        clients = Clients(url, asked, http, Tally())
        kinds = kinds_of(options.clients, options.composites)
        await asyncio.gather(*(clients.client(kind, options.seed + k, until) for k, kind in enumerate(kinds)))
        return clients.tally


async def watched(engine: psutil.Process, clients: Awaitable[Tally]) -> tuple[Tally, int]:
    """What the clients met, and the most memory of the engine meanwhile, looked at every half second."""
    task, most = asyncio.ensure_future(clients), 0
    while not task.done():
        most = max(most, engine.memory_info().rss)
        await asyncio.wait({task}, timeout=0.5)
    return task.result(), most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--composites", type=int, default=3, help="of the clients (default 3)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with engine_process() as (process, url):
        engine = psutil.Process(process.pid)
        tally, most_bytes = asyncio.run(watched(engine, crowd(url, bodies(url), options)))
        used = engine.cpu_times()
    cores = len(os.sched_getaffinity(0))
    print("\n".join(tally.rows()))
    print(
        f"{options.clients} clients, {options.minutes:g} minutes, {cores} cores; load average {load:.1f} before, "
        f"{os.getloadavg()[0]:.1f} after; engine {used.user + used.system:.0f} s of processor, "
        f"{most_bytes / 1e6:.0f} MB at most; clients {time.process_time():.0f} s"
    )
    for kind, errors in tally.errors.items():
        print(f"{kind}: {errors[0]}" if errors else "", file=sys.stderr)


if __name__ == "__main__":
    main()
