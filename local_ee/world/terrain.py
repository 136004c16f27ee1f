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
from local_ee.world.compiled import compiled
from local_ee.world.fields import height_at, lake_at, land_at, near, river_at
from local_ee.world.globes import globe, inside
from local_ee.world.noise import derive, hash2, seed_of, smooth, unit
from local_ee.world.places import places
from local_ee.world.plane import plane_of

GLO30, SRTM = "COPERNICUS/DEM/GLO30_2024_1", "USGS/SRTMGL1_003"
_STEP_DEG = 1 / 3600
_START_MS = 1291164022000  # 2010-12-01, the acquisitions' begin
_SRTM_MS = 950227200000  # 2000-02-11


@compiled
def _heights(west, north, height, width, tables, seed, error_m):
    """Surface height in m and water kind (0 land, 2 lake, 3 river) at pixel centres one arc second apart."""
    reaches, lakes, land = tables
    out, water = np.empty((height, width), np.float32), np.zeros((height, width), np.uint8)
    for row in range(height):
        for col in range(width):
            x, y = plane_of(west + (col + 0.5) / 3600.0, north - (row + 0.5) / 3600.0)
            form = land_at(x, y, land)
            river, lake = river_at(x, y, reaches), lake_at(x, y, lakes, form[4])
            if max(river, lake) > 0.0:
                out[row, col] = form[0] - 4.0
                water[row, col] = 3 if river >= lake else 2
                continue
            h = hash2(seed, math.floor(x / 25.0), math.floor(y / 25.0))
            error = smooth(seed, x / 90.0, y / 90.0) + unit(h) + unit(derive(h, 1)) - 1.0
            out[row, col] = height_at(x, y, form) + error_m * error
    return out, water


def _read(window: GeoBox, seed_word: str, error_m: float) -> tuple[np.ndarray, np.ndarray]:
    affine, (height, width) = window.affine, window.shape
    west, north = round(affine.c * 3600) / 3600, round(affine.f * 3600) / 3600
    x, y = plane_of(west + width / 7200, north - height / 7200)
    reach = 0.75 * max(height, width) * 31.0 / math.cos(math.radians(min(abs(north) + 1, 80))) + 5000
    table = places()
    _, reaches, lakes = near(table, x, y, reach)
    return _heights(west, north, height, width, (reaches, lakes, table.land), seed_of(seed_word), error_m)


@dataclass(frozen=True)
class Glo30:
    """Copernicus GLO-30 as on Earth Engine: an image collection of one-degree tiles (DEM in m, WBM water kind)."""

    ids = (GLO30,)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Tiles that touch the box, whatever the days."""
        return [self._image(lat, lon) for lat, lon in _degrees(bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The tile of an index such as Copernicus_DSM_COG_10_N30_00_E114_00_DEM, or None."""
        parts = index.split("_")
        if len(parts) != 9 or parts[4][:1] not in ("N", "S") or parts[6][:1] not in ("E", "W"):
            return None
        if not (parts[4][1:].isdigit() and parts[6][1:].isdigit()):
            return None
        lat, lon = int(parts[4][1:]), int(parts[6][1:])
        image = self._image(lat if parts[4][0] == "N" else -lat, lon if parts[6][0] == "E" else -lon)
        return image if image.properties["system:index"] == index else None

    def _image(self, lat: int, lon: int) -> SourceImage:
        grid = GeoBox((3600, 3600), Affine(_STEP_DEG, 0, lon, 0, -_STEP_DEG, lat + 1), "EPSG:4326")
        ns, ew = "N" if lat >= 0 else "S", "E" if lon >= 0 else "W"
        index = f"Copernicus_DSM_COG_10_{ns}{abs(lat):02d}_00_{ew}{abs(lon):03d}_00_DEM"

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            heights, water = _read(window, "glo30", 1.0)
            both = {"DEM": heights, "WBM": water}
            values = np.stack([both[name] for name in names])
            return values, np.broadcast_to(inside(grid, window), values.shape).copy()

        bands = (SourceBand("DEM", "float32", grid), SourceBand("WBM", "uint8", grid))
        properties = {"system:index": index, "system:time_start": _START_MS, "simulated": 1}
        return SourceImage(f"{GLO30}/{index}", bands, properties, box(lon, lat, lon + 1, lat + 1), read)


def srtm() -> SourceImage:
    """SRTM at one arc second: one image with band elevation (m, int16), 56 S to 60 N."""
    grid = globe(_STEP_DEG, 60, -56)

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        heights, _ = _read(window, "srtm", 2.2)
        return np.rint(heights).astype(np.int16)[None], inside(grid, window)[None]

    properties = {"system:index": "SRTMGL1_003", "system:time_start": _SRTM_MS, "simulated": 1}
    return SourceImage(SRTM, (SourceBand("elevation", "int16", grid),), properties, box(-180, -56, 180, 60), read)


def _degrees(bounds_wsen: BoundsWSEN) -> Iterator[tuple[int, int]]:
    west, south, east, north = bounds_wsen
    for lat in range(math.floor(south), math.floor(north) + 1):
        for lon in range(math.floor(west), math.floor(east) + 1):
            yield lat, lon
