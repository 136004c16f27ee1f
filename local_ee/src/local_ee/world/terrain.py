"""Elevation models of the world: GLO-30 in one-degree tiles, and SRTM as one image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world.compiled import Beginning, compiled
from local_ee.world.fields import height_at, lake_at, land_row, near, river_at
from local_ee.world.globes import inside
from local_ee.world.noise import derive, hash2, seed_of, smooth, unit
from local_ee.world.places import places
from local_ee.world.plane import plane_of

GLO30, SRTM = "COPERNICUS/DEM/GLO30_2024_1", "USGS/SRTMGL1_003"
_OLDER_GLO30 = "COPERNICUS/DEM/GLO30"  # deprecated; its tiles have pixels around whole arc seconds (Xee's tests)
_STEP_DEG = 1 / 3600
_BLOCK = 128  # pixels along a side
_FIRST_PIXELS = 1500  # that Python fills in less time than compiling takes (a millisecond each)
_GLO30_ERROR_M = 1.0
_EDITS = np.array([1, 8, 9, 10], np.uint8)  # EDM of each WBM: not edited, ocean, lake, river (the catalog's page)
_EDITED, _NOT_EDITED = np.uint8(1), np.uint8(2)  # of FLM
_START_MS = 1291164022000  # 2010-12-01, the acquisitions' begin
_SRTM_MS = 950227200000  # 2000-02-11


# Water first, as a pixel of it needs no height; the land of a row at once (fields.land_row).
@compiled
def _heights(west, north, step, corner, tables, errors, out, water):
    """Fills surface height in m and water kind (0 land, 2 lake, 3 river) at the pixel centres of a block of a window.

    `step`: arc seconds between pixels; the window begins at (west, north), the block at its row and column `corner`;
    errors: their seed and size in m.
    """
    reaches, lakes, land = tables
    seed, error_m = errors
    height, width = out.shape
    xs, forms = np.empty(width), np.empty((5, width))
    for col in range(width):
        xs[col] = plane_of(west + (corner[1] + col + 0.5) * step / 3600.0, 0.0)[0]
    for row in range(height):
        y = plane_of(0.0, north - (corner[0] + row + 0.5) * step / 3600.0)[1]
        land_row(xs, y, land, forms)
        for col in range(width):
            x = xs[col]
            form = (forms[0, col], forms[1, col], forms[2, col], forms[3, col], forms[4, col])
            river, lake = river_at(x, y, reaches), lake_at(x, y, lakes, form[4])
            if max(river, lake) > 0.0:
                out[row, col] = form[0] - 4.0
                water[row, col] = 3 if river >= lake else 2
                continue
            h = hash2(seed, math.floor(x / 25.0), math.floor(y / 25.0))
            error = smooth(seed, x / 90.0, y / 90.0) + unit(h) + unit(derive(h, 1)) - 1.0
            out[row, col] = height_at(x, y, form) + error_m * error


_filling = Beginning(_heights, _FIRST_PIXELS)


def _read(window: GeoBox, seed_word: str, error_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Heights and water kinds at the centres of a window of whole arc seconds that begins at a half of one or a whole.

    By blocks, because each pixel looks at all the rivers near its block.
    """
    affine, (height, width) = window.affine, window.shape
    west, north, step = round(affine.c * 7200) / 7200, round(affine.f * 7200) / 7200, round(affine.a * 3600)
    out, water = np.empty((height, width), np.float32), np.zeros((height, width), np.uint8)
    errors = seed_of(seed_word), error_m
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            here = slice(top, top + _BLOCK), slice(left, left + _BLOCK)
            rows, cols = out[here].shape
            lon, lat = west + (left + cols / 2) * step / 3600, north - (top + rows / 2) * step / 3600
            tables = _tables(lon, lat, max(rows, cols) * step)
            _filling(rows * cols)(west, north, float(step), (top, left), tables, errors, out[here], water[here])
    return out, water


def _tables(lon: float, lat: float, side_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """River reaches and lakes that can matter in a square of so many arc seconds around a place, and the land."""
    reach = 0.75 * side_s * 31.0 / math.cos(math.radians(min(abs(lat) + 1, 80))) + 5000
    table = places()
    x_m, y_m = plane_of(lon, lat)
    _, reaches, lakes = near(table, x_m, y_m, reach)
    return reaches, lakes, table.land


@dataclass(frozen=True)
class Glo30:
    """Copernicus GLO-30 as on Earth Engine: image collections of one-degree tiles.

    DEM in m and WBM, the kind of water, of the simulated ground; HEM is the standard error of these heights, and EDM
    and FLM say that water is edited and nothing is filled.
    """

    ids = (GLO30, _OLDER_GLO30)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Tiles that touch the box, whatever the days."""
        return [self._image(collection_id, lat, lon) for lat, lon in _degrees(bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The tile of an index such as Copernicus_DSM_COG_10_N30_00_E114_00_DEM, or None."""
        parts = index.split("_")
        if len(parts) != 9 or parts[4][:1] not in ("N", "S") or parts[6][:1] not in ("E", "W"):
            return None
        if not (parts[4][1:].isdigit() and parts[6][1:].isdigit()):
            return None
        lat, lon = int(parts[4][1:]), int(parts[6][1:])
        lat, lon = lat if parts[4][0] == "N" else -lat, lon if parts[6][0] == "E" else -lon
        image = self._image(collection_id, lat, lon)
        return image if image.properties["system:index"] == index else None

    def _image(self, collection_id: str, lat: int, lon: int) -> SourceImage:
        side, shift = (3601, _STEP_DEG / 2) if collection_id == _OLDER_GLO30 else (3600, 0.0)
        grid = GeoBox((side, side), Affine(_STEP_DEG, 0, lon - shift, 0, -_STEP_DEG, lat + 1 + shift), "EPSG:4326")
        ns, ew = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
        index = f"Copernicus_DSM_COG_10_{ns}{abs(lat):02d}_00_{ew}{abs(lon):03d}_00_DEM"

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            heights, water = _read(window, "glo30", _GLO30_ERROR_M)
            planes = {"DEM": heights, "WBM": water, "EDM": _EDITS[water], "FLM": np.where(water, _EDITED, _NOT_EDITED)}
            planes["HEM"] = np.full_like(heights, _GLO30_ERROR_M)
            values = np.stack([planes[name] for name in names])
            return values, np.broadcast_to(inside(grid, window), values.shape).copy()

        types = {"DEM": "float32", "EDM": "uint8", "FLM": "uint8", "HEM": "float32", "WBM": "uint8"}
        bands = tuple(
            SourceBand(name, dtype, grid, "MODE" if dtype == "uint8" else "MEAN") for name, dtype in types.items()
        )
        properties = {"system:index": index, "system:time_start": _START_MS, "simulated": 1}
        outline = box(lon, lat, lon + 1, lat + 1)
        return SourceImage(f"{collection_id}/{index}", bands, properties, outline, read, analytic=True)


def srtm() -> SourceImage:
    """SRTM at one arc second: one image with band elevation (m, int16), 56 S to 60 N."""
    half = _STEP_DEG / 2  # cells lie around whole arc seconds: their edges are at (k + 0.5) / 3600 (a recorded stack)
    shape = (round(116 / _STEP_DEG) + 1, round(360 / _STEP_DEG) + 1)
    grid = GeoBox(shape, Affine(_STEP_DEG, 0, -180 - half, 0, -_STEP_DEG, 60 + half), "EPSG:4326")

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        heights, _ = _read(window, "srtm", 2.2)
        return np.rint(heights).astype(np.int16)[None], inside(grid, window)[None]

    properties = {"system:index": "SRTMGL1_003", "system:time_start": _SRTM_MS, "simulated": 1}
    return SourceImage(
        SRTM, (SourceBand("elevation", "int16", grid),), properties, box(-180, -56, 180, 60), read, analytic=True
    )


def _degrees(bounds_wsen: BoundsWSEN) -> Iterator[tuple[int, int]]:
    west, south, east, north = bounds_wsen
    for lat in range(math.floor(south), math.floor(north) + 1):
        for lon in range(math.floor(west), math.floor(east) + 1):
            yield lat, lon
