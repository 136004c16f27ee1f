"""Which patches an export has, which requests it sends, and which of them every patch is cut from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from odc.geo.geobox import GeoBox

from gee_export import split as splitting
from gee_export.grid import Window, tiles
from gee_export.ground import Ground
from gee_export.job import Job, Part
from gee_export.layer import Layer
from gee_export.pixels import SIDE_LIMIT_PX, request_bytes
from gee_export.split import Division

# The local engine computes in this machine's memory: on four blocks of Wuhan, requests of 48 MiB, two at a time, took
# 2.1 GB; of this side, three at a time, 1.4 GB and no more CPU time. Google gets requests as large as it accepts.
LOCAL_SIDE_PX = 640


@dataclass(frozen=True)
class Request:
    """A window, in the layer's pixels, of one layer of one part."""

    number: int
    part: Part
    layer: Layer
    window: Window

    @property
    def key(self) -> str:
        """Part and layer, the same in every version's plan."""
        return f"{self.part.name}/{self.layer.name}"

    @property
    def geobox(self) -> GeoBox:
        return self.part.ground.geobox(self.window, self.layer.ratio)

    @property
    def bytes(self) -> int:
        """As the server counts it."""
        return request_bytes(self.window.height, self.window.width, self.layer.channels)


@dataclass(frozen=True)
class Place:
    """A patch to be: its window on the part's lattice, its split, and the requests that hold its layers' pixels."""

    part: Part
    window: Window
    split: str
    needs: tuple[int, ...]

    @property
    def id(self) -> str:
        return self.part.patch_id(self.window)


@dataclass(frozen=True)
class Plan:
    """Requests that do not overlap within a layer of a part, patches in part and row order, divisions by region."""

    requests: tuple[Request, ...]
    patches: tuple[Place, ...]
    divisions: dict[str, Division]

    @classmethod
    def of(cls, job: Job) -> Plan:
        """The fewest nearly equal requests within the limits, each shrunk to what the patches need of it."""
        divisions = divided(job)
        sheets = {
            name: [_Sheet.of(job, layer, division) for layer in job.layers] for name, division in divisions.items()
        }
        requests: list[Request] = []
        patches: list[Place] = []
        for part in job.parts:
            needs = _number(part, sheets[part.ground.name], requests)
            placed = zip(divisions[part.ground.name].patches, needs, strict=True)
            patches += [Place(part, window, split, need) for (window, split), need in placed]
        return cls(tuple(requests), tuple(patches), divisions)

    @property
    def bytes_counted(self) -> int:
        """Of all requests, as the server counts them."""
        return sum(request.bytes for request in self.requests)

    @property
    def info(self) -> dict[str, Any]:
        """What the manifest's split says of what was found: positions and what was left out, in all and by region."""
        found = {name: division.info for name, division in self.divisions.items()}
        totals = {key: sum(info[key] for info in found.values()) for key in ("positions", "left_out")}
        return totals | {"regions": found}


def divided(job: Job) -> dict[str, Division]:
    """The patches of every region with their splits, the same in all its periods; ValueError where none fits."""
    found = {ground.name: list(ground.positions(job.size, job.stride)) for ground in job.grounds}
    for ground in job.grounds:
        if not found[ground.name]:
            raise ValueError(_no_patch(ground, job))
    return {name: splitting.SPLITTERS[job.split](windows, job.stride, job.rule) for name, windows in found.items()}


def _no_patch(ground: Ground, job: Job) -> str:
    area, step = ground.window, abs(ground.lattice.affine.a)
    return (
        f"region {ground.name!r} has {area.width} x {area.height} pixels of {step:g} m here, and no patch of "
        f"{job.size} x {job.size} at stride {job.stride} fits: widen the box or give a smaller --size"
    )


@dataclass(frozen=True)
class _Sheet:
    """One layer over one region: the windows to ask for, and which of them every patch needs."""

    layer: Layer
    windows: tuple[Window, ...]
    needs: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, job: Job, layer: Layer, division: Division) -> _Sheet:
        windows = [window.times(layer.ratio) for window, _ in division.patches]
        cells = _cells(job, layer, division, windows)
        touched: list[list[Window]] = [[] for _ in cells.windows]
        for window in windows:
            for number in cells.under(window):
                touched[number].append(window.overlap(cells.windows[number]))
        used = [number for number, parts in enumerate(touched) if parts]
        new_number = {number: place for place, number in enumerate(used)}
        needs = tuple(tuple(new_number[number] for number in cells.under(window)) for window in windows)
        return cls(layer, tuple(_hull(touched[number]) for number in used), needs)


def _number(part: Part, sheets: Sequence[_Sheet], requests: list[Request]) -> Iterator[tuple[int, ...]]:
    """Appends the part's requests, from north to south over all layers, and gives what each patch needs of them."""
    northern = [
        (window.row / sheet.layer.ratio, s, w) for s, sheet in enumerate(sheets) for w, window in _listed(sheet)
    ]
    number = {(s, w): len(requests) + place for place, (_, s, w) in enumerate(sorted(northern))}
    for s, w in number:
        requests.append(Request(number[s, w], part, sheets[s].layer, sheets[s].windows[w]))
    for patch in zip(*(sheet.needs for sheet in sheets), strict=True):
        yield tuple(number[s, w] for s, needed in enumerate(patch) for w in needed)


def _listed(sheet: _Sheet) -> Iterator[tuple[int, Window]]:
    return enumerate(sheet.windows)


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


def _cells(job: Job, layer: Layer, division: Division, windows: Sequence[Window]) -> _Cells:
    row, col = (start * layer.ratio for start in division.origin)
    height, width = max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col
    if division.info.get("not_taken"):
        # Scattered blocks are fetched one by one: a larger cell would hold mostly ground that nobody asked for.
        side = division.info["block_px"] * layer.ratio
        found = list(tiles(height, width, math.ceil(side / math.ceil(side / layer.largest_side_px))))
    else:
        most = min(layer.largest_side_px, LOCAL_SIDE_PX if job.server == "local-engine" else SIDE_LIMIT_PX)
        rows, cols = _parts(height, most), _parts(width, most)
        found = [Window(row, col, tall, wide) for row, tall in rows for col, wide in cols]
    moved = tuple(Window(w.row + row, w.col + col, w.height, w.width) for w in found)
    return _Cells(moved, sum(window.row == row for window in moved))


def _parts(length: int, most: int) -> list[tuple[int, int]]:
    """Start and length of the fewest nearly equal parts of at most `most`."""
    size = math.ceil(length / math.ceil(length / most))
    return [(start, min(size, length - start)) for start in range(0, length, size)]


def _span(start: int, end: int, side: int, count: int) -> tuple[int, int]:
    return start // side, min((end - 1) // side, count - 1)


def _hull(windows: Sequence[Window]) -> Window:
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Window(row, col, max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)
