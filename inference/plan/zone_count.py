"""What the tiles of one UTM zone add up to: their number, the ground inside, and the pixels that they fetch.

A country has a million tiles of 1-m maps. They are counted by larger squares: one that lies wholly in the area holds so
many whole tiles, and only those at the area's edge are looked at tile by tile.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import outline, zones
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import STEP_M, Region
from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.channel import Channel
from isamap.inference.tiles.tiling import LARGEST_PX, TileWindow, check_step, tile_windows

BLOCK_PX = 512  # of the requests of a map (inference/inputs/composite.py)
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
    def of(
        cls, epsg: int, shapes: Counter[Shape], area_km2: float, channels: Sequence[Channel], side_px: int
    ) -> ZoneCount:
        """The sums over tiles that fetch these shapes; channels: what is asked of Earth Engine, none for own files."""
        fetched = shapes if channels else Counter[Shape]()
        return cls(
            zone=zones.zone_name(epsg),
            tiles=shapes.total(),
            area_km2=area_km2,
            requests=sum(count * len(_blocks(shape, channels, side_px)) for shape, count in fetched.items()),
            fetched_px=sum(count * height * width for (height, width), count in fetched.items()),
            request_bytes=sum(count * pixels.request_bytes(*shape, channels) for shape, count in fetched.items()),
        )

    def __str__(self) -> str:
        return f"zone {self.zone}: {self.tiles:,} tiles, {self.area_km2:,.0f} km2"


def by_zone(
    area: Sequence[Region], tile_px: int, *, margin_px: int, channels: Sequence[Channel], side_px: int = BLOCK_PX
) -> tuple[ZoneCount, ...]:
    """The counts of each zone, in the zones' order; side_px: of a request. ValueError for a side that no tile has.

    A tile and its margins are asked for in equal blocks. Of a tile that the area's edge cuts, those blocks count that
    are within a margin of the rectangle around the wanted ground, each of them whole.
    """
    check_step(tile_px)
    # Squares of several tiles first: of a country most lie wholly inside and need no outline.
    across = max(min(SQUARE_TILES, LARGEST_PX // tile_px), 1)
    seen_px = tile_px + 2 * margin_px
    block_px = _blocks((seen_px, seen_px), channels, side_px)[0].height if channels else side_px
    shapes: dict[int, Counter[Shape]] = {}
    areas_km2: Counter[int] = Counter()
    for square in tile_windows(area, step_px=tile_px * across):
        tally = shapes.setdefault(square.epsg, Counter())
        areas_km2[square.epsg] += square.area_km2  # type: ignore[assignment]
        for rows, cols, count in _tiles(square, tile_px, across):
            height, width = (_fetched_px(pixels, margin_px, block_px, seen_px) for pixels in (rows, cols))
            tally[height, width] += count
    return tuple(ZoneCount.of(epsg, shapes[epsg], areas_km2[epsg], channels, side_px) for epsg in sorted(shapes))


def _fetched_px(wanted: range, margin_px: int, block_px: int, seen_px: int) -> int:
    """Pixels of the blocks of one axis that are seen from wanted ones; these are counted from the tile's first."""
    first, last = wanted.start // block_px, (wanted.stop + 2 * margin_px - 1) // block_px
    return min((last + 1) * block_px, seen_px) - first * block_px


def _tiles(square: TileWindow, tile_px: int, across: int) -> Iterator[tuple[range, range, int]]:
    """Wanted rows and columns, counted from the tile's first, and number of the tiles of a square that hold any."""
    if square.ground_m is None:
        yield range(tile_px), range(tile_px), across**2
        return
    for piece in _parts(square, tile_px, across):
        left, bottom, right, top = piece.bounds
        yield _wanted(-top, -bottom, tile_px), _wanted(left, right, tile_px), 1


def _wanted(start_m: float, end_m: float, tile_px: int) -> range:
    """Pixels between two coordinates of one axis, counted from the first pixel of the tile that holds them."""
    first = math.floor((start_m + end_m) / 2 / STEP_M / tile_px) * tile_px
    return range(max(math.floor(start_m / STEP_M) - first, 0), min(math.ceil(end_m / STEP_M) - first, tile_px))


def _parts(square: TileWindow, tile_px: int, across: int) -> list[BaseGeometry]:
    left, _, _, top = square.bounds_m
    side_m = tile_px * STEP_M
    cols, rows = (axis.ravel() for axis in np.meshgrid(np.arange(across), np.arange(across)))
    west, north = left + cols * side_m, top - rows * side_m
    parts = shapely.intersection(square.ground_m, shapely.box(west, north - side_m, west + side_m, north))
    # Ground of less than a row of pixels may lie between their centres.
    thin = shapely.area(parts) < tile_px * STEP_M**2
    return [tile for tile, is_thin in zip(parts, thin, strict=True) if not is_thin or _holds_pixel(tile, square)]


def _holds_pixel(part: BaseGeometry, square: TileWindow) -> bool:
    if part.area == 0:
        return False
    left, bottom, right, top = part.bounds
    (col, row), (col_end, row_end) = (~square.geobox.affine * corner for corner in ((left, top), (right, bottom)))
    rows = slice(max(math.floor(row), 0), min(math.ceil(row_end), square.step_px))
    cols = slice(max(math.floor(col), 0), min(math.ceil(col_end), square.step_px))
    near = square.geobox[rows, cols]
    return 0 not in tuple(near.shape) and bool(outline.inside(part, near).any())


def _blocks(shape: Shape, channels: Sequence[Channel], side_px: int) -> list[Window]:
    return pixels.plan(shape, channels, side=side_px)
