"""Which requests an export sends, and which of them every patch is cut from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gee_export.grid import Window, tiles
from gee_export.job import Job
from gee_export.pixels import largest_side, plan, request_bytes

# The local engine computes in this machine's memory: on four blocks of Wuhan, requests of 48 MiB, two at a time, took
# 2.1 GB; of this side, three at a time, 1.4 GB and no more CPU time. Google gets requests as large as it accepts.
LOCAL_SIDE_PX = 640


@dataclass(frozen=True)
class Plan:
    """Requests (lattice windows that do not overlap) and which of them every patch needs."""

    requests: tuple[Window, ...]
    needs: tuple[tuple[int, ...], ...]
    bytes_counted: int

    @classmethod
    def of(cls, job: Job) -> Plan:
        """The fewest nearly equal cells within the request limit, each shrunk to what the patches need of it."""
        windows = [window for window, _ in job.division.patches]
        cells = _cells(job, windows)
        touched: list[list[Window]] = [[] for _ in cells.windows]
        for window in windows:
            for number in cells.under(window):
                touched[number].append(window.overlap(cells.windows[number]))
        used = [number for number, parts in enumerate(touched) if parts]
        new_number = {number: place for place, number in enumerate(used)}
        requests = tuple(_hull(touched[number]) for number in used)
        needs = tuple(tuple(new_number[number] for number in cells.under(window)) for window in windows)
        size = sum(request_bytes(window.height, window.width, job.channels) for window in requests)
        return cls(requests, needs, size)


@dataclass(frozen=True)
class _Cells:
    """A regular cut of an area into windows, and which of them lie under a window."""

    windows: tuple[Window, ...]
    across: int

    def under(self, window: Window) -> list[int]:
        first, down = self.windows[0], len(self.windows) // self.across
        row_0, row_1 = _span(window.row - first.row, window.row_end - first.row, first.height, down)
        col_0, col_1 = _span(window.col - first.col, window.col_end - first.col, first.width, self.across)
        return [r * self.across + c for r in range(row_0, row_1 + 1) for c in range(col_0, col_1 + 1)]


def _cells(job: Job, windows: Sequence[Window]) -> _Cells:
    row, col = job.division.origin
    height, width = max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col
    if job.division.info.get("not_taken"):
        # Scattered blocks are fetched one by one: a larger cell would hold mostly ground that nobody asked for.
        side = job.division.info["block_px"]
        found = list(tiles(height, width, math.ceil(side / math.ceil(side / largest_side(job.channels)))))
    else:
        found = plan((height, width), job.channels, side=LOCAL_SIDE_PX if job.server == "local-engine" else None)
    moved = tuple(Window(w.row + row, w.col + col, w.height, w.width) for w in found)
    return _Cells(moved, sum(window.row == row for window in moved))


def _span(start: int, end: int, side: int, count: int) -> tuple[int, int]:
    return start // side, min((end - 1) // side, count - 1)


def _hull(windows: Sequence[Window]) -> Window:
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Window(row, col, max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)
