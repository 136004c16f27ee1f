"""How fast `isamap serve` answers, and what it loses when it is killed: three measurements, printed as tables.

    python benchmarks/serve.py tiles [--seconds 20] [--titiler VENV/bin/python]
    python benchmarks/serve.py clients [--clients 100] [--seconds 600]
    python benchmarks/serve.py kills [--kills 20] [--jobs 40]

tiles: tiles a second and the 95th percentile of their times, beside titiler.core on the same COG (a Python that has
titiler.core and uvicorn; without --titiler only isamap is measured). clients: as many clients as asked, reading tiles,
points and lists while jobs run all the time: errors and the server's memory, in ten parts. kills: the server is killed
(SIGKILL) under load again and again: jobs that were lost or done twice.

All of it is on 127.0.0.1 and stops by itself: after --seconds for each row of tiles, after --seconds of clients, and
--patience seconds after the last kill. With --work FOLDER what is done is kept there, and the same command continues: a
part of clients or a kill that was finished is not done again. The server's memory begins low again then.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SIDE_PX = 4096
LON, LAT = 114.3, 30.6
ZOOMS = (11, 12, 13, 14)
PARTS = 10
TITILER = """\
import sys, uvicorn
from fastapi import FastAPI
from titiler.core.factory import TilerFactory
app = FastAPI()
app.include_router(TilerFactory().router)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""
SERVICE = """\
import sys
from inference.serve.limits import Limits
from inference.serve.server import Address, serve
from inference.serve.settings import Settings
limits = Limits(requests_per_s=1e6, burst=10**7, jobs=10**6)
serve(Settings(sys.argv[1], limits=limits, lease_s=5.0), Address(port=int(sys.argv[2])), workers=int(sys.argv[3]))
"""


def write_map(folder: Path) -> Path:
    """A map of 4096 x 4096 pixels of 10 m, smooth ground with both classes, as `isamap map` writes it."""
    from affine import Affine
    from odc.geo.geobox import GeoBox
    from pyproj import Transformer
    from scipy.ndimage import gaussian_filter

    from inference import cog
    from inference.legend import Legend

    rng = np.random.default_rng(0)
    ground = gaussian_filter(rng.normal(size=(SIDE_PX // 8, SIDE_PX // 8)), 2).repeat(8, 0).repeat(8, 1)
    share = np.clip(127 + 400 * ground, 0, 254).astype(np.uint8)
    x, y = Transformer.from_crs(4326, 32650, always_xy=True).transform(LON, LAT)
    affine = Affine(10, 0, round(x, -1) - 5 * SIDE_PX, 0, -10, round(y, -1) + 5 * SIDE_PX)
    path = folder / "town.tif"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    rows = cog.RowsFile(folder / "rows.u8", SIDE_PX)
    rows.append(np.stack([(share >= 127).astype(np.uint8), share]))
    tags = {"model": "unet", "classes": "pervious,impervious", "settings": "0" * 32, "simulated": "true"}
    tags |= {"period": "2020-06", "period_start": "2020-06-01", "period_end": "2020-07-01"}
    cog.write(
        rows,
        cog.MapInfo(GeoBox((SIDE_PX, SIDE_PX), affine, "EPSG:32650"), Legend(("pervious", "impervious")), tags),
        path,
    )
    rows.path.unlink()
    return path


def addresses(count: int, seed: int) -> list[tuple[int, int, int]]:
    """Tiles around the map's middle, in an order of their own for each client."""
    rng, tiles = random.Random(seed), []
    for _ in range(count):
        zoom = rng.choice(ZOOMS)
        lon, lat = LON + rng.uniform(-0.12, 0.12), LAT + rng.uniform(-0.12, 0.12)
        x = (lon + 180) / 360 * 2**zoom
        y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * 2**zoom
        tiles.append((zoom, int(x), int(y)))
    return tiles


@dataclass
class Counts:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        return float(np.percentile(self.seconds, 50)) * 1000 if self.seconds else math.nan

    @property
    def p95_ms(self) -> float:
        return float(np.percentile(self.seconds, 95)) * 1000 if self.seconds else math.nan


def read(port: int, paths: list[str], until_s: float, counts: Counts) -> None:
    """One client with one connection, until its time is over."""
    connection, index = http.client.HTTPConnection("127.0.0.1", port, timeout=60), 0
    while time.monotonic() < until_s:
        begun = time.perf_counter()
        try:
            connection.request("GET", paths[index % len(paths)])
            reply = connection.getresponse()
            reply.read()
            if reply.status not in (200, 204):
                counts.errors.append(f"{paths[index % len(paths)]}: {reply.status}")
        except (OSError, http.client.HTTPException) as error:
            counts.errors.append(repr(error))
            connection.close()
        counts.seconds.append(time.perf_counter() - begun)
        index += 1


def load(port: int, paths_of: list[list[str]], seconds: float) -> Counts:
    """All clients at once."""
    counts, until_s = Counts(), time.monotonic() + seconds
    threads = [threading.Thread(target=read, args=(port, paths, until_s, counts)) for paths in paths_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts


def started(words: list[str], port: int, path: str, log: Path) -> subprocess.Popen[bytes]:
    """A server that answers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if words[0] == sys.executable else None
    process = subprocess.Popen(words, stdout=log.open("ab"), stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", path)
            connection.getresponse().read()
            return process
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{words[0]} did not start: {log.read_text()[-2000:]}")


def service(folder: Path, port: int, workers: int) -> subprocess.Popen[bytes]:
    return started(
        [sys.executable, "-c", SERVICE, str(folder), str(port), str(workers)], port, "/health", folder / "log"
    )


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, body: object = None) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, data, {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())


def resident_mb(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return float(re.search(r"^isamap_resident_bytes (\d+)", text, re.MULTILINE)[1]) / 1e6


def sample(seed: int) -> dict:
    return {"inputs": {"map": "town", "points": 50, "design": "simple", "seed": seed}}


def measure_tiles(arguments: argparse.Namespace, folder: Path, done: Done) -> None:
    """One row for each server and number of clients."""
    path = write_map(folder / "maps")
    port = free_port()
    servers = [("isamap", port, service(folder, port, 0), "/maps/town/tiles/class/{}/{}/{}.png")]
    if arguments.titiler:
        port = free_port()
        colours = quote(json.dumps({"0": "#d9d9d9", "1": "#e31a1c"}))
        process = started([arguments.titiler, "-c", TITILER, str(port)], port, "/docs", folder / "titiler.log")
        form = f"/tiles/WebMercatorQuad/{{}}/{{}}/{{}}.png?url={path}&colormap={colours}"
        servers.append(("titiler.core", port, process, form))
    try:
        for clients in (1, 4):
            for name, port, _, form in servers:
                paths_of = [[form.format(*tile) for tile in addresses(400, seed)] for seed in range(clients)]
                load(port, paths_of, 3)  # both have opened the file and loaded their code
                counts = load(port, paths_of, arguments.seconds)
                rate = len(counts.seconds) / arguments.seconds
                row = {
                    "server": name,
                    "clients": clients,
                    "tiles a second": round(rate),
                    "p95 in ms": round(counts.p95_ms),
                }
                done.add(row | {"errors": len(counts.errors)})
    finally:
        for _, _, process, _ in servers:
            process.terminate()


def measure_clients(arguments: argparse.Namespace, folder: Path, done: Done) -> None:
    """Ten parts, in each of which all clients read and two jobs or more are under way."""
    write_map(folder / "maps")
    port = free_port()
    process = service(folder, port, 1)
    try:
        paths_of = [client_paths(client) for client in range(arguments.clients)]
        load(port, paths_of, 5)
        for part in range(len(done.rows), PARTS):
            before = resident_mb(port)
            with jobs_under_way(port, part):
                counts = load(port, paths_of, arguments.seconds / PARTS)
            row = {"part": part + 1, "clients": arguments.clients, "seconds": round(arguments.seconds / PARTS)}
            row |= {
                "requests": len(counts.seconds),
                "p50 in ms": round(counts.p50_ms),
                "p95 in ms": round(counts.p95_ms),
            }
            row |= {"errors": len(counts.errors), "MB before": round(before), "MB after": round(resident_mb(port))}
            statuses = [job["status"] for job in ask(port, "/jobs?limit=1000")["jobs"]]
            row |= {"jobs done": statuses.count("successful"), "jobs failed": statuses.count("failed")}
            done.add(row)
            print(*counts.errors[:5], sep="\n", end="", flush=True)
    finally:
        process.terminate()


def client_paths(client: int) -> list[str]:
    """Tiles of one layer, each followed by a list, a point or the state of the service."""
    layer = ("class", "probability")[client % 2]
    tiles = [f"/maps/town/tiles/{layer}/{z}/{x}/{y}.png" for z, x, y in addresses(100, client)]
    others = ["/maps", "/jobs", f"/maps/town/point?lon={LON}&lat={LAT}", "/collections/maps/items", "/health"]
    return [path for index, tile in enumerate(tiles) for path in (tile, others[index % len(others)])]


@contextmanager
def jobs_under_way(port: int, part: int) -> Iterator[None]:
    """Two jobs wait or run at any time: samples, each with a seed of its own."""
    ended = threading.Event()

    def submit() -> None:
        seed = 1000 * part
        while not ended.wait(1.0):
            with contextlib.suppress(OSError, http.client.HTTPException):
                open_jobs = [
                    job for name in ("accepted", "running") for job in ask(port, f"/jobs?status={name}")["jobs"]
                ]
                if len(open_jobs) < 2:
                    ask(port, "/processes/assess/execution", sample(seed))
                    seed += 1

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure_kills(arguments: argparse.Namespace, folder: Path, done: Done) -> None:
    """A row for each kill, then one for the jobs. Each end of a job that counted stands in its log: two of them are a
    job that was done twice.
    """
    write_map(folder / "maps")
    port, each = free_port(), math.ceil(arguments.jobs / arguments.kills)
    process = service(folder, port, 2)
    try:
        for kill in range(len(done.rows), arguments.kills):
            for index in range(each):
                ask(port, "/processes/assess/execution", sample(kill * each + index))
            paths_of = [[f"/maps/town/tiles/class/{z}/{x}/{y}.png" for z, x, y in addresses(50, kill)]]
            until_s = time.monotonic() + 60
            while not ask(port, "/jobs?status=running")["jobs"] and time.monotonic() < until_s:
                time.sleep(0.2)
            load(port, paths_of, random.Random(kill).uniform(1, 6))
            process.kill()
            process.wait()
            process = service(folder, port, 2)
            ids = [job["jobID"] for job in ask(port, "/jobs?limit=1000")["jobs"]]
            done.add({"kill": kill + 1, "jobs begun": each * (kill + 1), "jobs there": len(ids)})
        begun = time.monotonic()
        while any(job["status"] in ("accepted", "running") for job in ask(port, "/jobs?limit=1000")["jobs"]):
            if time.monotonic() - begun > arguments.patience:
                break
            time.sleep(1)
        jobs = ask(port, "/jobs?limit=1000")["jobs"]
    finally:
        process.terminate()
        process.wait(30)
    logs = {job["jobID"]: (folder / "jobs" / job["jobID"] / "log.txt").read_text() for job in jobs}
    attempts = sum(len(re.findall(r"^\$ isamap", text, re.MULTILINE)) for text in logs.values())
    twice = sum(text.count("finished\n") > 1 for text in logs.values())
    lost = each * arguments.kills - sum(job["status"] == "successful" for job in jobs)
    print("\n| kills | jobs | lost | done twice | attempts |\n|---|---|---|---|---|")
    print(f"| {arguments.kills} | {each * arguments.kills} | {lost} | {twice} | {attempts} |")


@dataclass
class Done:
    """Rows of a table, kept in a file where there is one, and printed as they come."""

    path: Path
    rows: list[dict] = field(default_factory=list)

    @classmethod
    def of(cls, work: Path, arguments: argparse.Namespace) -> Done:
        """The rows of an earlier run of the same command in the folder; SystemExit for those of another."""
        path = work / f"{arguments.what}.json"
        words = {name: value for name, value in vars(arguments).items() if name != "work"}
        kept = json.loads(path.read_text()) if path.exists() else {"arguments": words, "rows": []}
        if kept["arguments"] != words:
            raise SystemExit(f"{path} is of another command, {kept['arguments']}: give another --work")
        path.write_text(json.dumps(kept))
        done = cls(path)
        for row in kept["rows"]:
            done.show(row)
        return done

    def add(self, row: dict) -> None:
        self.show(row)
        kept = json.loads(self.path.read_text())
        self.path.with_suffix(".part").write_text(json.dumps(kept | {"rows": self.rows}))
        self.path.with_suffix(".part").replace(self.path)

    def show(self, row: dict) -> None:
        if not self.rows:
            print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}", flush=True)
        self.rows.append(row)
        print(f"| {' | '.join(map(str, row.values()))} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=tuple(MEASUREMENTS))
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--titiler", default="")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--patience", type=float, default=600)
    parser.add_argument("--work", type=Path, help="a folder that keeps what is done")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isamap-serve-") as folder:
        work = (arguments.work or Path(folder)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        own = work / arguments.what  # each measurement has a service of its own
        own.mkdir(exist_ok=True)
        MEASUREMENTS[arguments.what](arguments, own, Done.of(work, arguments))


MEASUREMENTS = {"tiles": measure_tiles, "clients": measure_clients, "kills": measure_kills}

if __name__ == "__main__":
    main()
