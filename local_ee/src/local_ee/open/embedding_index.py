"""Which files of AlphaEarth's embeddings lie where: the published list of some 800 MB, read once and kept in small.

A file's name says nothing of its place, so the list is the only way. It is fetched in pieces that are kept, so what was
killed is resumed; then its rows lie on disk by cells of ten degrees.
Source: https://source.coop/tge-labs/aef (aef_index.csv; its columns as other readers of it name them, not verified).
"""

from __future__ import annotations

import csv
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from local_ee.catalog import BoundsWSEN
from local_ee.open.blocks import key_of
from local_ee.open.cog import Cogs
from local_ee.open.errors import ArchiveFault
from local_ee.open.flights import together
from local_ee.open.hosts import Address, check_same
from local_ee.open.providers import SOURCE_COOP

LIST = Address(SOURCE_COOP, "/tge-labs/aef/v1/annual/aef_index.csv")
PIECE_BYTES, AT_ONCE = 16 << 20, 4
MOST_BYTES = 4 << 30
FRESH_S = 30 * 86_400.0
_CELL_DEG = 10
_COLUMNS = ("path", "year", "wgs84_west", "wgs84_south", "wgs84_east", "wgs84_north")
_PATH = re.compile(
    r"(?:s3://[a-z0-9.-]+/|https://[a-z0-9.-]+/)?tge-labs/aef/(v1/annual/(\d{4})/(\d\d[NS])/([\w-]+))\.(?:tiff|vrt)"
)


@dataclass(frozen=True)
class Row:
    """A file: its path under tge-labs/aef without ending, year, UTM zone such as 17N, and bounds in degrees."""

    path: str
    year: int
    zone: str
    bounds_wsen: BoundsWSEN

    @property
    def index(self) -> str:
        """Its name, which is the image's index."""
        return self.path.rpartition("/")[2]

    def touches(self, box: BoundsWSEN) -> bool:
        """Whether it may have pixels in a box; a file across the antimeridian has its west east of its east."""
        west, south, east, north = self.bounds_wsen
        if south > box[3] or north < box[1]:
            return False
        return west <= box[2] and east >= box[0] if west <= east else west <= box[2] or east >= box[0]


def rows(cogs: Cogs, box: BoundsWSEN | None = None) -> Iterator[Row]:
    """The files that may have pixels in a box, or all; the list is fetched where it is not kept or is old."""
    cells = _cells(cogs)
    touched = cells if box is None else [cell for cell in _cells_of(box) if cell in set(cells)]
    seen: set[str] = set()
    for cell in touched:
        for path, year, zone, *bounds in json.loads(cogs.blocks.get(key_of("embeddings", cell)) or b"[]"):
            row = Row(path, year, zone, (bounds[0], bounds[1], bounds[2], bounds[3]))
            if path not in seen and (box is None or row.touches(box)):
                seen.add(path)
                yield row


def _cells(cogs: Cogs) -> list[str]:
    """The names of the cells that hold rows, all of them on disk."""
    kept = cogs.blocks.get(key_of("embeddings"))
    if kept is not None:
        asked_s, cells = json.loads(kept)
        fresh = cogs.hosts.offline or 0 <= time.time() - asked_s < FRESH_S
        if fresh and all(cogs.blocks.holds(key_of("embeddings", cell)) for cell in cells):
            names: list[str] = cells
            return names
    by_cell: dict[str, list[list[object]]] = defaultdict(list)
    for row in _fetched(cogs):
        west, south, east, north = row.bounds_wsen
        for cell in _cells_of((west, south, east if east >= west else east + 360, north)):
            by_cell[cell].append([row.path, row.year, row.zone, *row.bounds_wsen])
    for cell, entries in by_cell.items():
        cogs.blocks.put(key_of("embeddings", cell), json.dumps(entries).encode())
    cogs.blocks.put(key_of("embeddings"), json.dumps([time.time(), sorted(by_cell)]).encode())
    return sorted(by_cell)


def _cells_of(box: BoundsWSEN) -> list[str]:
    west, south, east, north = (math.floor(edge / _CELL_DEG) for edge in box)
    around = 360 // _CELL_DEG
    return [
        f"{(col + around // 2) % around - around // 2},{row}"
        for row in range(south, north + 1)
        for col in range(west, east + 1)
    ]


def _fetched(cogs: Cogs) -> list[Row]:
    """All rows of the list; ArchiveFault where it is none."""
    first = cogs.hosts.piece(LIST, 0, PIECE_BYTES)
    if first.total > MOST_BYTES:
        raise ArchiveFault(f"{LIST} has {first.total:,} bytes; at most {MOST_BYTES:,} are read")
    names = next(csv.reader([first.body.split(b"\n", 1)[0].decode("utf-8", "replace").strip()]), [])
    if not set(_COLUMNS) <= set(names):
        raise ArchiveFault(f"{LIST} has no columns {', '.join(_COLUMNS)}: this version cannot read it")
    places = [names.index(name) for name in _COLUMNS]

    def part(start: int) -> tuple[str, list[Row], str]:
        key = key_of("embeddings piece", first.etag, first.total, start)
        kept = cogs.blocks.get(key)
        if kept is None:
            piece = first if start == 0 else cogs.hosts.piece(LIST, start, PIECE_BYTES)
            check_same(LIST, piece, first.total, first.etag)
            lines = piece.body.decode("utf-8", "replace").split("\n")
            entries = [[row.path, row.year, row.zone, *row.bounds_wsen] for row in _parsed(lines[1:-1], places)]
            kept = json.dumps([lines[0], entries, lines[-1] if len(lines) > 1 else ""]).encode()
            cogs.blocks.put(key, kept)
        head, entries, tail = json.loads(kept)
        return head, [Row(e[0], e[1], e[2], (e[3], e[4], e[5], e[6])) for e in entries], tail

    parsed: list[Row] = []
    carried = ""
    starts = range(0, first.total, PIECE_BYTES)
    for group in (starts[at : at + AT_ONCE] for at in range(0, len(starts), AT_ONCE)):
        for head, fresh, tail in together(part, group):
            parsed += [*_parsed([carried + head], places), *fresh]
            carried = tail
    return [*parsed, *_parsed([carried], places)]


def _parsed(lines: Sequence[str], places: Sequence[int]) -> Iterator[Row]:
    """The rows of whole lines; those that name no file of the archive (a heading, a stranger) are left out."""
    for cells in csv.reader(lines):
        try:
            path, year, *edges = (cells[column] for column in places)
            west, south, east, north = (float(edge) for edge in edges)
        except (IndexError, ValueError):
            continue
        match = _PATH.fullmatch(path.strip())
        inside = -180 <= west <= 180 and -90 <= south <= north <= 90 and -180 <= east <= 180
        if match and inside and match[2] == year.strip():
            yield Row(match[1], int(match[2]), match[3], (west, south, east, north))
