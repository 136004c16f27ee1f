"""A country's worth of tiles, end to end: two UTM zones at 10 m and a city at 1 m, by two Dask workers, killed twice,
byte for byte against an undisturbed run in one process (docs/scale-out.md).

python benchmarks/country.py --out FOLDER [--km2 10000] [--fine-km2 100] [--checkpoint RUN] [--fine-checkpoint RUN]

Without checkpoints two small ones are trained on the simulated world first. A step that was finished is not run again,
so a benchmark that was interrupted goes on. Needs Dask: pip install 'isamap[cluster]'.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CENTRE = (114.0, 30.5)  # degrees; 114 E is the meridian between zones 49 and 50
HALF_DEG = 1.05  # what reaches less than a degree into a zone stays on its neighbour's grid
CITY = (114.30, 30.56)  # of the box at 1 m: its south-western corner
KM_PER_DEGREE = 110.57  # of latitude, at the equator, where it is shortest: boxes are as large as asked at least
LIMIT_S = 48 * 3600
COMMAND = [sys.executable, "-m", "isamap"]

TRAIN = [
    "export --region wuhan --month 2019-06 --max-patches 80 --out {out}/patches",
    "train --data {out}/patches --recipe crofusenet-tiny --set epochs=2 --out {out}/net",
]
TRAIN_FINE = [
    "export --bbox 114.27 30.55 114.31 30.59 --size 32 --stride 32 --month 2021-07 --split random --max-patches 12 "
    "--label projects/local/assets/world/truth10#impervious=percent --fine projects/local/assets/world/imagery1m "
    "--fine-unit reflectance=0.0001 --fine-label projects/local/assets/world/truth#impervious --out {out}/pairs",
    "train --data {out}/pairs --recipe jointseg-tiny --set epochs=2 --out {out}/fine-net",
]


@dataclass(frozen=True)
class Part:
    """One map of the benchmark: its name, box in degrees, period, network and side of tiles."""

    name: str
    bbox: tuple[float, float, float, float]
    period: str
    checkpoint: Path
    tile_px: int

    def words(self, out: Path, *further: str) -> list[str]:
        """The command that makes it."""
        box = [f"{edge:.6f}" for edge in self.bbox]
        options = ["--checkpoint", str(self.checkpoint), "--out", str(out), "--tile-px", str(self.tile_px)]
        return [*COMMAND, "run", *options, "--bbox", *box, "--name", self.name, "--period", self.period, *further]


@dataclass(frozen=True)
class Measure:
    """What a command took: seconds, CPU seconds of it and its children, and the most memory one process had."""

    seconds: float
    cpu_s: float
    peak_mb: float


def main() -> None:
    arguments = _arguments()
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for part in _parts(arguments, out):
        plain, disturbed = out / f"{part.name}-plain", out / f"{part.name}-dask"
        alone = _once(out, f"{part.name}-plain", lambda p=part, d=plain: asdict(measured(p.words(d))))
        together = _once(out, f"{part.name}-dask", lambda p=part, d=disturbed: killed_twice(p, d, out))
        rows.append(row_of(part, plain, disturbed, (alone, together)))
    print(table(rows))
    if not all(row["same bytes"] == "yes" for row in rows):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--km2", type=float, default=10_000, help="at 10 m, over two UTM zones")
    parser.add_argument("--fine-km2", type=float, default=100, help="at 1 m; 0 leaves it out")
    parser.add_argument("--checkpoint", type=Path, help="of 10 m; trained where it is left out")
    parser.add_argument("--fine-checkpoint", type=Path, help="of 1 m; trained where it is left out")
    parser.add_argument("--tile-px", type=int, default=1024, help="side of a tile at 10 m")
    parser.add_argument("--fine-tile-px", type=int, default=256, help="side of a tile at 1 m, in pixels of the input")
    return parser.parse_args()


def _parts(arguments: argparse.Namespace, out: Path) -> Iterator[Part]:
    if arguments.km2:
        checkpoint = arguments.checkpoint or trained(TRAIN, out, "net")
        yield Part("country", wide_box(arguments.km2), "2020-06", checkpoint, arguments.tile_px)
    if arguments.fine_km2:
        checkpoint = arguments.fine_checkpoint or trained(TRAIN_FINE, out, "fine-net")
        yield Part("city", square_box(arguments.fine_km2), "2021-07", checkpoint, arguments.fine_tile_px)


def wide_box(km2: float) -> tuple[float, float, float, float]:
    """A box over the meridian between two zones, wide enough that both are used."""
    lon, lat = CENTRE
    width_km = 2 * HALF_DEG * KM_PER_DEGREE * math.cos(math.radians(lat))
    half = km2 / width_km / KM_PER_DEGREE / 2
    return lon - HALF_DEG, lat - half, lon + HALF_DEG, lat + half


def square_box(km2: float) -> tuple[float, float, float, float]:
    """A square of a city."""
    side = math.sqrt(km2) / KM_PER_DEGREE
    west, south = CITY
    return west, south, west + side / math.cos(math.radians(south)), south + side


def trained(commands: list[str], out: Path, name: str) -> Path:
    """A small checkpoint of the simulated world, trained unless it is there."""
    if not (out / name / "best").exists() and not (out / name / "checkpoint.json").exists():
        for command in commands:
            subprocess.run([*COMMAND, *command.format(out=out).split()], check=True, timeout=LIMIT_S)
    return out / name


def _once(out: Path, step: str, run: Any) -> dict[str, Any]:
    """The result of a step, run unless an earlier call of the benchmark noted it."""
    file = out / f"{step}.json"
    if not file.exists():
        result = run()
        file.write_text(json.dumps(result, indent=1) + "\n")
    result = json.loads(file.read_text())
    return result


def measured(words: list[str]) -> Measure:
    """Runs a command to its good end."""
    begun = time.monotonic()
    process = subprocess.Popen(words)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}: {' '.join(words)}")
    return Measure(time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def killed_twice(part: Part, folder: Path, out: Path) -> dict[str, Any]:
    """The part by two workers: a worker is killed when a quarter of the tiles is there, the driver at the half."""
    begun = time.monotonic()
    with cluster(out / "dask", workers=2) as address:
        words = part.words(folder, "--scheduler", address, "--workers", "1")
        driver = subprocess.Popen(words)
        worker = wait_for(folder, 0.25, driver)
        os.kill(worker, signal.SIGKILL)
        print(f"{part.name}: worker {worker} killed with {len(receipts(folder))} tiles made", flush=True)
        wait_for(folder, 0.5, driver)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        at_kill = len(receipts(folder))
        print(f"{part.name}: driver killed with {at_kill} tiles made", flush=True)
        again = measured(words)
    tiles = receipts(folder)
    return {
        "seconds": time.monotonic() - begun,
        "cpu_s": sum(tile["measured"]["cpu_s"] for tile in tiles),
        "peak_mb": max(tile["measured"]["peak_mb"] for tile in tiles),
        "driver_s": again.seconds,
        "driver_mb": again.peak_mb,
        "killed": f"worker {worker}, driver at tile {at_kill}",
    }


def receipts(folder: Path) -> list[dict[str, Any]]:
    """What the tiles that are there say of themselves, the latest last."""
    files = sorted((folder / "tiles").glob("*.json"), key=lambda file: file.stat().st_mtime)
    return [json.loads(file.read_text()) for file in files]


def wait_for(folder: Path, share: float, driver: subprocess.Popen) -> int:
    """Waits until this share of the tiles is there; the process that made the latest one."""
    while driver.poll() is None:
        with suppress(OSError, ValueError):
            total = sum(each["tiles"] for each in json.loads((folder / "status.json").read_text())["maps"].values())
            made = receipts(folder)
            if len(made) >= max(1, share * total):
                return int(made[-1]["measured"]["process"])
        time.sleep(0.5)
    raise SystemExit(f"the run in {folder} ended with exit code {driver.returncode} before it could be killed")


@contextmanager
def cluster(logs: Path, *, workers: int) -> Iterator[str]:
    """A Dask scheduler and workers, each with its nanny, as processes of this machine; the scheduler's address."""
    logs.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, program = f"tcp://127.0.0.1:{port}", [sys.executable, "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard"]
    worker += ["--local-directory", str(logs)]
    processes = []
    try:
        for index, words in enumerate([scheduler, *[worker] * workers]):
            with (logs / f"{index}.log").open("a") as log:
                processes.append(subprocess.Popen([*program, *words], stdout=log, stderr=log))
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in reversed(processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every raster of a run, by name, and of what lies beside it."""
    files = [path for path in folder.rglob("*") if path.suffix in (".tif", ".xml", ".vrt") and ".run" not in path.parts]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def row_of(part: Part, plain: Path, disturbed: Path, results: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, str]:
    """A row of the table."""
    alone, together = results
    ours, theirs = digests(plain), digests(disturbed)
    differing = sum(ours.get(name) != theirs.get(name) for name in ours.keys() | theirs.keys())
    tiles = receipts(plain)
    pixels = sum(sum(tile["counts"].values()) for tile in tiles)
    zones = {tile["facts"]["window"][0] for tile in tiles}
    eecu_s = [tile["measured"].get("eecu_s") for tile in tiles]
    return {
        "part": part.name,
        "tiles": str(len(tiles)),
        "zones": ", ".join(map(str, sorted(zones))),
        "million pixels mapped": f"{pixels / 1e6:,.1f}",
        "in process": f"{alone['seconds'] / 60:.1f} min",
        "CPU": f"{alone['cpu_s'] / 60:.1f} min",
        "peak memory": f"{alone['peak_mb']:.0f} MB",
        "two workers, killed": f"{together['seconds'] / 60:.1f} min",
        "CPU of their tiles": f"{together['cpu_s'] / 60:.1f} min",
        "peak of a worker": f"{together['peak_mb']:.0f} MB",
        "of the driver": f"{together['driver_mb']:.0f} MB",
        "EECU hours": "-" if None in eecu_s else f"{sum(eecu_s) / 3600:.3f}",
        "killed": together["killed"],
        "files": str(len(ours)),
        "same bytes": "yes" if ours and not differing else f"no: {differing} differ",
    }


def table(rows: list[dict[str, str]]) -> str:
    """The rows in Markdown, a line for each quantity."""
    lines = [f"| | {' | '.join(row['part'] for row in rows)} |", f"|---|{'---|' * len(rows)}"]
    lines += [f"| {name} | {' | '.join(row[name] for row in rows)} |" for name in rows[0] if name != "part"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
