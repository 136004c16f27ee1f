"""What the tiles of one UTM zone add up to: their number, the ground inside, and the pixels that they fetch.

A country has a million tiles of 1-m maps. They are counted by larger squares: one that lies wholly in the area holds so
many whole tiles, and only those at the area's edge are looked at tile by tile.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from gee_export.base import outline, zones
from gee_export.base.regions import STEP_M, Region
from gee_export.requests import pixels
from gee_export.requests.channel import Channel
from inference.tiles.tiling import LARGEST_PX, TileWindow, check_step, tile_windows

BLOCK_PX = 512  # of the requests of a map (inference/composite.py)
SQUARE_TILES = 8  # a side of the larger squares

Shape = tuple[int, int]  # rows and columns of 10 m


@dataclass(frozen=True)
class ZoneCount:
    """Of one period. tiles: that touch the area; fetched_px: with the margins that the network looks at; request_bytes:
    as Earth Engine counts them, with a mask byte a band.
    """

    zone: str
    tiles: int
    area_km2: float
    requests: int
    fetched_px: int
    request_bytes: int

    @classmethod
    def of(cls, epsg: int, shapes: Counter[Shape], area_km2: float, channels: Sequence[Channel]) -> ZoneCount:
        """The sums over tiles that fetch these shapes; channels: what is asked of Earth Engine, none for own files."""
        fetched = shapes if channels else Counter[Shape]()
        return cls(
            zone=zones.zone_name(epsg),
            tiles=shapes.total(),
            area_km2=area_km2,
            requests=sum(count * _requests(shape, tuple(channels)) for shape, count in fetched.items()),
            fetched_px=sum(count * height * width for (height, width), count in fetched.items()),
            request_bytes=sum(count * pixels.request_bytes(*shape, channels) for shape, count in fetched.items()),
        )

    def __str__(self) -> str:
        return f"zone {self.zone}: {self.tiles:,} tiles, {self.area_km2:,.0f} km2"


def by_zone(
    area: Sequence[Region], tile_px: int, *, margin_px: int, channels: Sequence[Channel]
) -> tuple[ZoneCount, ...]:
    """The counts of each zone, in the zones' order; ValueError for a side that no tile has."""
    check_step(tile_px)
    across = max(min(SQUARE_TILES, LARGEST_PX // tile_px), 1)
    shapes: dict[int, Counter[Shape]] = {}
    areas_km2: Counter[int] = Counter()
    for square in tile_windows(area, step_px=tile_px * across):
        tally = shapes.setdefault(square.epsg, Counter())
        areas_km2[square.epsg] += square.area_km2  # type: ignore[assignment]
        for height, width, count in _tiles(square, tile_px, across):
            tally[height + 2 * margin_px, width + 2 * margin_px] += count
    return tuple(ZoneCount.of(epsg, shapes[epsg], areas_km2[epsg], channels) for epsg in sorted(shapes))


def _tiles(square: TileWindow, tile_px: int, across: int) -> Iterator[tuple[int, int, int]]:
    """Rows, columns and number of the tiles of a square that hold a wanted pixel."""
    if square.ground_m is None:
        yield tile_px, tile_px, across**2
        return
    for part in _parts(square, tile_px, across):
        left, bottom, right, top = part.bounds
        yield math.ceil((top - bottom) / STEP_M), math.ceil((right - left) / STEP_M), 1


def _parts(square: TileWindow, tile_px: int, across: int) -> list[BaseGeometry]:
    """The wanted ground of each tile of a square."""
    left, _, _, top = square.bounds_m
    side_m = tile_px * STEP_M
    cols, rows = (axis.ravel() for axis in np.meshgrid(np.arange(across), np.arange(across)))
    west, north = left + cols * side_m, top - rows * side_m
    parts = shapely.intersection(square.ground_m, shapely.box(west, north - side_m, west + side_m, north))
    # Ground of less than a row of pixels may lie between their centres.
    thin = shapely.area(parts) < tile_px * STEP_M**2
    return [part for part, is_thin in zip(parts, thin, strict=True) if not is_thin or _holds_pixel(part, square)]


def _holds_pixel(part: BaseGeometry, square: TileWindow) -> bool:
    if part.area == 0:
        return False
    left, bottom, right, top = part.bounds
    (col, row), (col_end, row_end) = (~square.geobox.affine * corner for corner in ((left, top), (right, bottom)))
    rows = slice(max(math.floor(row), 0), min(math.ceil(row_end), square.step_px))
    cols = slice(max(math.floor(col), 0), min(math.ceil(col_end), square.step_px))
    near = square.geobox[rows, cols]
    return 0 not in tuple(near.shape) and bool(outline.inside(part, near).any())


@cache
def _requests(shape: Shape, channels: tuple[Channel, ...]) -> int:
    return len(pixels.plan(shape, channels, side=BLOCK_PX))
