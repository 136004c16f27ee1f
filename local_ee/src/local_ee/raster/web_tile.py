"""Tiles of web maps: the pixels of a tile, and the tiles that a box touches (EPSG:3857, y from the north)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster.projection import crs_of

CRS = "EPSG:3857"
TILE_PX = 256
MERCATOR_M = 20037508.342789244  # half the width of EPSG:3857
MOST_ZOOM = 30

Bounds = tuple[float, float, float, float]


def tile_geobox(zoom: int, x: int, y: int) -> GeoBox:
    """The 256 x 256 pixels of a web map tile (EPSG:3857, x from the west, y from the north)."""
    if not 0 <= zoom <= MOST_ZOOM or not 0 <= x < 2**zoom or not 0 <= y < 2**zoom:
        raise EngineError(f"There is no map tile {zoom}/{x}/{y}.", 404, "NOT_FOUND")
    side = 2 * MERCATOR_M / 2**zoom
    affine = Affine(side / TILE_PX, 0, x * side - MERCATOR_M, 0, -side / TILE_PX, MERCATOR_M - y * side)
    return GeoBox((TILE_PX, TILE_PX), affine, crs_of(CRS))


def tile_count(bounds: Bounds, zoom: int) -> int:
    """How many tiles of a zoom level a box in metres of EPSG:3857 touches."""
    columns, rows = _span(bounds, zoom)
    return len(columns) * len(rows)


def tiles_of(bounds: Bounds, zoom: int) -> Iterator[tuple[int, int, int]]:
    """Zoom, x and y of the tiles that a box in metres of EPSG:3857 touches, row by row."""
    columns, rows = _span(bounds, zoom)
    return ((zoom, x, y) for y in rows for x in columns)


def zoom_of(scale_m: float) -> int:
    """The first zoom level whose pixels at the equator are no larger than so many metres."""
    return min(max(math.ceil(math.log2(2 * MERCATOR_M / TILE_PX / scale_m) - 1e-9), 0), MOST_ZOOM)


def _span(bounds: Bounds, zoom: int) -> tuple[range, range]:
    """Columns and rows; a box that ends on the edge of a tile does not touch the next one."""
    side, most = 2 * MERCATOR_M / 2**zoom, 2**zoom - 1
    left, bottom, right, top = (min(max(edge, -MERCATOR_M), MERCATOR_M) for edge in bounds)  # the poles are infinite
    columns = [_index((edge + MERCATOR_M) / side, upper, most) for edge, upper in ((left, False), (right, True))]
    rows = [_index((MERCATOR_M - edge) / side, upper, most) for edge, upper in ((top, False), (bottom, True))]
    return range(columns[0], columns[1] + 1), range(rows[0], rows[1] + 1)


def _index(position: float, upper: bool, most: int) -> int:
    return min(max(math.ceil(position) - 1 if upper else math.floor(position), 0), most)
