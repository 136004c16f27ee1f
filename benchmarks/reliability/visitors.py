"""A hundred visitors of `isamap serve` for minutes: tiles, jobs and documents; the service's memory meanwhile."""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import Any

from . import soak
from .commands import make_inputs
from .hostile import Target
from .http_fuzz import STATUS, Line, service
from .targets import MAP
from .trials import Sitting

VISITORS = 100
PAUSE_S = 1.0  # at most, between two requests of a visitor
HEADS = (
    *("minutes", "visitors", "replies", "errors", "p50 and p95, ms"),
    *("RSS in minutes 2 and last, MB", "slope, MB a minute"),
)
PATHS = (
    *("/", "/health", "/api", "/openapi.json", "/regions", "/maps", f"/maps/{MAP}", f"/maps/{MAP}/tilejson.json"),
    *("/jobs?limit=50", "/processes", "/collections", "/collections/maps/items", "/checkpoints", "/datasets"),
    f"/maps/{MAP}/point?lon=114.265&lat=30.545",
)
ZOOMS = {12: (3348, 1680), 13: (6696, 3361), 14: (13393, 6723), 15: (26787, 13447)}  # tiles on the map, or beside it


class Visitor:
    """One of them: half its requests are tiles. seconds: of each reply; errors: replies of no good status."""

    def __init__(self, target: Target, number: int, seed: str) -> None:
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self._target, self._number = target, number
        self._chance = random.Random(f"{seed}/{number}")
        self._line = Line(target.host)

    def work(self, until: float) -> None:
        """Asks until the time is over."""
        while time.monotonic() < until:
            path = self._path()
            headers = [("Host", self._target.host), *self._target.credentials(self._number)]
            head = "\r\n".join([f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""])
            began = time.monotonic()
            try:
                status = STATUS.match(self._line.ask(head.encode()))
            except OSError as error:
                self.errors.append(f"{type(error).__name__} of {path}")
                self._line.close()
                continue
            self.seconds.append(time.monotonic() - began)
            if status is None or status[1] not in (b"200", b"204"):
                self.errors.append(f"{status and status[1].decode()} of {path}")
            time.sleep(self._chance.uniform(0, PAUSE_S))
        self._line.close()

    def _path(self) -> str:
        if self._chance.random() < 0.5:
            return self._chance.choice(PATHS)
        zoom, (x, y) = self._chance.choice(list(ZOOMS.items()))
        x, y = x + self._chance.randint(-1, 1), y + self._chance.randint(-1, 1)
        return f"/maps/{MAP}/tiles/{self._chance.choice(('class', 'probability'))}/{zoom}/{x}/{y}.png"


def run(sitting: Sitting, minutes: int) -> None:
    """One sitting on one service, each minute noted; minutes that are there already are not repeated."""
    notebook, out = sitting.notebook("visitors"), sitting.out / "visitors"
    if len(notebook.rows) >= minutes:
        return
    make_inputs(sitting.inputs)
    with service(out, sitting.inputs) as (running, target):
        for minute in range(1, minutes + 1):
            visitors = [Visitor(target, index, f"{sitting.seed}/{minute}") for index in range(VISITORS)]
            soak.at_once(visitors)
            times_ms = sorted(round(1000 * each) for visitor in visitors for each in visitor.seconds)
            errors = [error for visitor in visitors for error in visitor.errors]
            row = {"minute": minute, "pid": running.process.pid, "ms": times_ms, "errors": len(errors)}
            notebook.add({**row, "examples": errors[:20], **running.footprint})
            print(f"visitors: minute {minute}: {len(times_ms)}, {len(errors)} errors", file=sys.stderr, flush=True)


def lines(sitting: Sitting) -> list[tuple[Any, ...]]:
    """The table's line, of the last sitting."""
    rows = sitting.notebook("visitors").rows
    rows = [row for row in rows if row["pid"] == rows[-1]["pid"]]
    times = sorted(each for row in rows for each in row["ms"])
    late = rows[1:] or rows  # the first minute fills caches and starts threads
    slope = 0.0
    if len(late) > 1:
        slope = statistics.linear_regression([row["minute"] for row in late], [row["rss_mb"] for row in late]).slope
    spread = f"{times[len(times) // 2]} and {times[len(times) * 95 // 100]}"
    memory = f"{late[0]['rss_mb']:.0f} and {late[-1]['rss_mb']:.0f}"
    return [
        (len(rows), VISITORS, f"{len(times):,}", sum(row["errors"] for row in rows), spread, memory, f"{slope:+.1f}")
    ]
