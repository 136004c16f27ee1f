"""Sentinel-2's tiles: 109.8-km squares on the 100-km squares of the MGRS, with their names."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Polygon

from local_ee.world.plane import to_lonlat, to_utm

SQUARE_M, SIDE_M = 100_000, 109_800
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BELTS = "CDEFGHJKLMNPQRSTUVWXX"


@dataclass(frozen=True)
class Tile:
    """A tile of a zone by its 100-km column (1 to 8) and row (northing // 100 km)."""

    epsg: int
    column: int
    row: int

    @property
    def origin_m(self) -> tuple[int, int]:
        """Upper-left corner: the square's, moved out to multiples of 60 m (T32TMT: 399960, 5300040)."""
        return self.column * SQUARE_M // 60 * 60, -(-(self.row + 1) * SQUARE_M // 60) * 60

    @property
    def name(self) -> str:
        """For example 50RKU."""
        return _name(self)

    def grid(self, step_m: int) -> GeoBox:
        """The tile's pixels of 10, 20 or 60 m."""
        x, y = self.origin_m
        side = SIDE_M // step_m
        return GeoBox((side, side), Affine(step_m, 0, x, 0, -step_m, y), f"EPSG:{self.epsg}")

    @property
    def footprint(self) -> Polygon:
        """The tile's outline in longitude and latitude."""
        return _footprint(self)

    @property
    def centre_lonlat(self) -> tuple[float, float]:
        x, y = self.origin_m
        return to_lonlat(x + SIDE_M / 2, y - SIDE_M / 2, self.epsg)


@lru_cache(maxsize=4096)  # a collection has many scenes of few tiles
def _name(tile: Tile) -> str:
    zone = tile.epsg % 100
    _, lat = to_lonlat((tile.column + 0.5) * SQUARE_M, (tile.row + 0.5) * SQUARE_M, tile.epsg)
    belt = _BELTS[min(max(int((lat + 80) // 8), 0), 20)]
    letter = _COLUMNS[(zone - 1) % 3][tile.column - 1]
    shift = 0 if zone % 2 else 5
    return f"{zone:02d}{belt}{letter}{_ROWS[(tile.row + shift) % 20]}"


@lru_cache(maxsize=4096)
def _footprint(tile: Tile) -> Polygon:
    x, y = tile.origin_m
    ring = [(x, y), (x + SIDE_M, y), (x + SIDE_M, y - SIDE_M), (x, y - SIDE_M)]
    return Polygon([to_lonlat(float(a), float(b), tile.epsg) for a, b in ring])


def tiles_of(bounds_wsen: tuple[float, float, float, float]) -> Iterator[Tile]:
    """Tiles that touch a longitude/latitude box, zone by zone."""
    west, south, east, north = bounds_wsen
    first, last = int((west - 1.3 + 180) // 6) + 1, int((east + 1.3 + 180) // 6) + 1
    for zone in range(max(first, 1), min(last, 60) + 1):
        for epsg in (32600 + zone, 32700 + zone):
            if (epsg < 32700 and north >= 0) or (epsg > 32700 and south < 0):
                yield from _tiles_in(epsg, bounds_wsen)


def named(name: str) -> Tile | None:
    """The tile of a name such as 50RKU, or None."""
    if len(name) != 5 or not name[:2].isdigit() or name[2] not in _BELTS:
        return None
    zone = int(name[:2])
    south = name[2] < "N"
    columns = _COLUMNS[(zone - 1) % 3] if 1 <= zone <= 60 else ""
    if name[3] not in columns or name[4] not in _ROWS:
        return None
    epsg, column = (32700 if south else 32600) + zone, columns.index(name[3]) + 1
    shift = 0 if zone % 2 else 5
    start = (_ROWS.index(name[4]) - shift) % 20
    for row in range(start, 100, 20):
        tile = Tile(epsg, column, row)
        if tile.name == name and _in_zone(tile):
            return tile
    return None


def _tiles_in(epsg: int, bounds_wsen: tuple[float, float, float, float]) -> Iterator[Tile]:
    west, south, east, north = bounds_wsen
    meridian = (epsg % 100) * 6 - 183
    west, east = max(west, meridian - 4.5), min(east, meridian + 4.5)
    south, north = (max(south, 0.0), max(north, 0.0)) if epsg < 32700 else (min(south, 0.0), min(north, 0.0))
    if west > east:
        return
    xs, ys = zip(
        *(to_utm(lon, lat, epsg) for lon in (west, (west + east) / 2, east) for lat in (south, north)), strict=True
    )
    for row in range(math.floor(min(ys) / SQUARE_M) - 1, math.floor(max(ys) / SQUARE_M) + 1):
        for column in range(math.floor(min(xs) / SQUARE_M) - 1, math.floor(max(xs) / SQUARE_M) + 1):
            if 1 <= column <= 8 and row >= 0:
                tile = Tile(epsg, column, row)
                if _in_zone(tile) and _touches(tile, bounds_wsen):
                    yield tile


def _in_zone(tile: Tile) -> bool:
    """Whether the tile's 100-km square reaches into its zone's own six degrees."""
    meridian = (tile.epsg % 100) * 6 - 183
    xs, ys = (tile.column * SQUARE_M, (tile.column + 1) * SQUARE_M), (tile.row * SQUARE_M, (tile.row + 1) * SQUARE_M)
    lons = [to_lonlat(float(x), float(y), tile.epsg)[0] for x in xs for y in ys]
    return min(lons) < meridian + 3 and max(lons) > meridian - 3


def _touches(tile: Tile, bounds_wsen: tuple[float, float, float, float]) -> bool:
    west, south, east, north = tile.footprint.bounds
    w, s, e, n = bounds_wsen
    return west <= e and w <= east and south <= n and s <= north
