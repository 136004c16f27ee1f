"""Many clients at once of one engine for minutes: what they get, and what the engine's process holds afterwards."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from isamap.gee_export.earth_engine.session import Session

from .serving import Engine, serving
from .trials import Sitting

CLIENTS = 50
NAMES = 5  # objects of one client
OBJECT_BYTES = 30_000
MINUTE_S = float(os.environ.get("SOAK_MINUTE_S", "60"))  # a test makes it short
REST_S = 3.0  # between the last request and the look at the process
BUCKET = "soak"
HEADS = ("minutes", "right replies", "wrong", "errors", "clients without an end", "RSS, MB", "open files", "threads")
SIDE_PX = 32
GRID = {
    "dimensions": {"width": SIDE_PX, "height": SIDE_PX},
    "affineTransform": {"scaleX": 10, "translateX": 240_000, "scaleY": -10, "translateY": 3_380_000},
    "crsCode": "EPSG:32650",
}


def pixels() -> bytes:
    """A small piece of a Sentinel-2 scene, as NPY."""
    import ee

    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2019-06-01", "2019-06-08")
    image = ee.Image(scenes.filterBounds(ee.Geometry.Point(114.3, 30.5)).first()).select(["B2", "B8"])
    return ee.data.computePixels({"expression": image, "fileFormat": "NPY", "grid": deepcopy(GRID)})


class Client:
    """One client: scalars, pixels, uploads and lists, each reply compared with what it must be."""

    def __init__(self, session: Session, index: int, seed: str, expected: bytes) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._number, self._pixels = index, expected
        self._chance = random.Random(f"{seed}/{index}")
        self._bucket = session.storage_client().bucket(BUCKET)
        self._names: set[str] = set()

    def work(self, until: float) -> None:
        """Asks until the time is over; nothing that goes wrong ends it."""
        actions: tuple[Callable[[], bool], ...] = (
            self._scalar,
            self._scalar,
            self._small_pixels,
            self._object,
            self._list,
        )
        while time.monotonic() < until:
            action = self._chance.choice(actions)
            try:
                right = action()
            except Exception as error:  # counted, whatever it is
                self.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                continue
            self.counts["right" if right else "wrong"] += 1

    def _scalar(self) -> bool:
        import ee

        value = self._chance.randrange(10**9)
        return ee.Number(value).add(1).getInfo() == value + 1

    def _small_pixels(self) -> bool:
        return pixels() == self._pixels

    def _object(self) -> bool:
        name = f"client{self._number}/object{self._chance.randrange(NAMES)}"
        content = self._chance.randbytes(self._chance.randint(1, OBJECT_BYTES))
        self._bucket.blob(name).upload_from_string(content)
        self._names.add(name)
        stored = self._bucket.blob(name).download_as_bytes()
        return hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()

    def _list(self) -> bool:
        names = {blob.name for blob in self._bucket.list_blobs(prefix=f"client{self._number}/")}
        return names >= self._names


def minute(engine: Engine, seed: str) -> dict[str, Any]:
    """A minute of all clients, and the process before and after it."""
    session = engine.session().activate()
    bucket = session.storage_client().bucket(BUCKET)
    if not bucket.exists():
        bucket.create()
    # Asked while nobody else asks: what fifty clients get at once must be these bytes.
    expected = pixels()
    before = engine.footprint
    clients = [Client(session, index, seed, expected) for index in range(CLIENTS)]
    silent = at_once(clients)
    counts = sum((client.counts for client in clients), Counter())
    errors = sum((client.errors for client in clients), Counter())
    clients.clear()
    gc.collect()  # closes their connections
    time.sleep(REST_S)
    replies = {"right": counts["right"], "wrong": counts["wrong"], "errors": dict(errors), "silent": silent}
    return {**replies, "before": before, "after": engine.footprint}


def at_once(clients: Sequence[Any]) -> int:
    """A minute of all clients; how many of them have not ended long after it."""
    until = time.monotonic() + MINUTE_S
    threads = [threading.Thread(target=client.work, args=(until,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5 * MINUTE_S)
    return sum(thread.is_alive() for thread in threads)


def run(sitting: Sitting, minutes: int) -> None:
    """The minutes that are still to do, each noted when it is over; a soak that was cut off begins a new engine."""
    notebook, out = sitting.notebook("soak"), sitting.out / "soak"
    minutes_done = max((row["minute"] for row in notebook.rows if "minute" in row), default=0)
    if minutes_done >= minutes:
        return
    home = out / "home"
    shutil.rmtree(home, ignore_errors=True)
    with serving(home, out / "engine.log") as engine:
        for index in range(minutes_done + 1, minutes + 1):
            notebook.add({"minute": index, "engine": engine.process.pid, **minute(engine, f"{sitting.seed}/{index}")})


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """A line for each engine: its first minute beside its last one."""
    each_engine = []
    rows = [row for row in sitting.notebook("soak").rows if "minute" in row]
    for engine in dict.fromkeys(row["engine"] for row in rows):
        own = [row for row in rows if row["engine"] == engine]
        errors = sum(sum(row["errors"].values()) for row in own)
        replies = sum(row["right"] for row in own)
        spans = (f"{own[0]['before'][key]:.0f} to {own[-1]['after'][key]:.0f}" for key in ("rss_mb", "fds", "threads"))
        wrong, silent = (sum(row[key] for row in own) for key in ("wrong", "silent"))
        each_engine.append((len(own), f"{replies:,}", wrong, errors, silent, *spans))
    return each_engine
