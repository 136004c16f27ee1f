"""Sentinel-1 collections of the world: slices of IW passes as recorded, on Earth Engine's terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import radar
from local_ee.world.backscatter import Backscatter
from local_ee.world.compiled import compiled
from local_ee.world.lattice import TILE, Cut
from local_ee.world.noise import draw, draw_normal, seed_of
from local_ee.world.overview import OVERVIEW_M, is_coarse
from local_ee.world.plane import lonlat_of_utm
from local_ee.world.tracks import SWATH_KM, Pass, angle_deg, pass_of, passes

FLOAT, DECIBEL = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S1_GRD"
BORDER_CLEAN_SINCE = date(2018, 1, 12)  # Earth Engine removes border noise from then (catalog page)
# Ours: finer nodes would change a pixel by less than it is noisy.
_ANGLE_STEP_M = 20_000


@dataclass(frozen=True)
class Sentinel1:
    """The linear and the decibel collection over one world of backscatter."""

    backscatter: Backscatter

    ids = (FLOAT, DECIBEL)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The slices of a collection over a box on the given days."""
        return [self._image(collection_id, taken) for taken in passes(first, last, bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One slice, or None."""
        taken = pass_of(index)
        return None if taken is None else self._image(collection_id, taken)

    def _image(self, collection_id: str, taken: Pass) -> SourceImage:
        grid = taken.grid
        dtype = "float32" if collection_id == FLOAT else "float64"
        bands = (
            SourceBand("VV", dtype, grid),
            SourceBand("VH", dtype, grid),
            SourceBand("angle", "float32", coarse(grid)),
        )

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            if names == ("angle",):
                return _angles(taken, Cut.of(window))
            values, valid = self._power(names, taken, Cut.of(window))
            if collection_id == DECIBEL:
                coarse_db = radar.speckle_db() if is_coarse(Cut.of(window)) else 0.0
                values = 10 * np.log10(values.astype(np.float64)) + coarse_db
            return values, np.broadcast_to(valid, values.shape).copy()

        return SourceImage(
            f"{collection_id}/{taken.index}", bands, taken.properties(), taken.footprint, read, overview_m=OVERVIEW_M
        )

    def _power(self, names: tuple[str, ...], taken: Pass, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
        placement = Placement.of(taken, cut)
        valid = placement.valid
        if not valid.any():
            return np.full((len(names), cut.height, cut.width), radar.FLOOR, np.float32), valid
        angle = lambda col, row: _tile_angle(taken, col, row, cut.epsg)  # noqa: E731
        view = taken.day.year, taken.day.month, taken.beam.heading_deg, angle
        if is_coarse(cut):
            land = self.backscatter.overview(cut, *view)
        else:
            land = self.backscatter.land(cut.around(radar.MARGIN), *view)
        out = np.stack([self._band(name, land, taken, cut, placement) for name in names])
        return out, valid

    def _band(self, name: str, land: np.ndarray, taken: Pass, cut: Cut, placement: Placement) -> np.ndarray:
        day = seed_of("s1 scene", taken.orbit, taken.day.isoformat())
        cross = name == "VH"
        # A pass has one wind: all its water brightens together, VH by .7 of VV (water's measured sd: 2.8 to 4.7 dB).
        wind_db = 2.4 * draw_normal(day, 1)
        water_db = -24.5 + 0.7 * wind_db if cross else -18.0 + wind_db
        moist = 10 ** (0.1 * (0.56 if cross else 0.7) * draw_normal(day, 2))
        row = 1 if cross else 0
        parts = np.stack([land[row] * np.float32(moist), land[2 + row]])
        seed = seed_of("speckle", taken.orbit, taken.day.isoformat(), name)
        water = 10 ** (water_db / 10)
        if is_coarse(cut):
            power = radar.lit(parts, water) + np.float32(radar.FLOOR)
        else:
            power = radar.record(parts, water, shift_px=taken.shift_px(), seed=seed, corner=(cut.col, cut.row))
        if taken.day < BORDER_CLEAN_SINCE:
            power = placement.with_border(power, seed)
        return power


@dataclass(frozen=True)
class Placement:
    """Where a window's pixels lie in a pass: range in km, latitude in degrees; both [row, column]."""

    taken: Pass
    range_km: np.ndarray
    lat_deg: np.ndarray

    @classmethod
    def of(cls, taken: Pass, cut: Cut) -> Placement:
        """Interpolated from a 20-km lattice in the zone, as the product's own angles are."""
        nodes = lambda x, y: _node(taken, x, y, cut.epsg)  # noqa: E731
        range_km, lat = _interpolated(cut, nodes)
        return cls(taken, range_km, lat)

    @property
    def valid(self) -> np.ndarray:
        """Pixels inside the swath and the slice."""
        south, north = self.taken.latitudes
        inside = (self.range_km >= 0) & (self.range_km < SWATH_KM)
        return inside & (self.lat_deg >= south) & (self.lat_deg < north)

    @property
    def angle_deg(self) -> np.ndarray:
        return angle_deg(self.range_km)

    def with_border(self, power: np.ndarray, seed: np.uint64) -> np.ndarray:
        """Power with the dark ragged strips that old products have at both range sides (local_ee/docs/world.md,
        "Speckle").
        """
        edge = np.minimum(self.range_km, SWATH_KM - self.range_km)
        far = self.range_km > SWATH_KM / 2
        piece = np.floor(self.lat_deg / 0.03).astype(np.int64)
        width = np.empty(edge.shape)
        for side in (False, True):
            for segment in np.unique(piece):
                strip = (piece == segment) & (far == side)
                width[strip] = 0.5 + 4.5 * draw(seed_of("border", self.taken.index, int(segment), side), 1) ** 2
        inside = edge < width
        level = 10 ** (-(3.5 - 1.0 * np.clip(edge / width, 0, 1)))
        return np.where(inside, (level * (0.5 + power / (power + 0.05))).astype(np.float32), power)


def coarse(grid: GeoBox) -> GeoBox:
    """A 20-km grid on the zone's lattice that covers a grid, for the angle band."""
    left, bottom, right, top = grid.boundingbox
    step = _ANGLE_STEP_M
    x, y = math.floor(left / step) * step, math.ceil(top / step) * step
    shape = (math.ceil((y - bottom) / step), math.ceil((right - x) / step))
    return GeoBox(shape, Affine(step, 0, x, 0, -step, y), grid.crs)


def _angles(taken: Pass, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
    step = cut.step_m
    out = np.empty((1, cut.height, cut.width), np.float32)
    for row in range(cut.height):
        for col in range(cut.width):
            lon, lat = lonlat_of_utm((cut.col + col + 0.5) * step, -(cut.row + row + 0.5) * step, cut.epsg)
            out[0, row, col] = angle_deg(min(max(taken.range_km(lon, lat), 0.0), SWATH_KM))
    return out, np.ones(out.shape, bool)


def _node(taken: Pass, x: float, y: float, epsg: int) -> tuple[float, float]:
    lon, lat = lonlat_of_utm(x, y, epsg)
    return taken.range_km(lon, lat), lat


def _tile_angle(taken: Pass, col: int, row: int, epsg: int) -> float:
    side = TILE * 10.0
    range_km, _ = _node(taken, (col + 0.5) * side, -(row + 0.5) * side, epsg)
    return angle_deg(min(max(range_km, 0.0), SWATH_KM))


def _interpolated(cut: Cut, node) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers per pixel, bilinear between nodes 20 km apart at absolute places."""
    step = _ANGLE_STEP_M
    x = (cut.col + np.arange(cut.width) + 0.5) * cut.step_m / step
    y = -(cut.row + np.arange(cut.height) + 0.5) * cut.step_m / step
    i0, j0 = math.floor(x[0]), math.floor(y[-1])
    values = np.array([
        [node(i * step, j * step) for i in range(i0, math.floor(x[-1]) + 2)] for j in range(j0, math.floor(y[0]) + 2)
    ])  # fmt: skip
    return _between_nodes(values, x, y, i0, j0)


# Two values between the same four nodes, found once; SciPy would find them for each.
@compiled
def _between_nodes(values, x, y, i0, j0):
    """Both numbers of values [node row, node column, 2] at node coordinates x and y: two arrays [row, column]."""
    first, second = np.empty((y.shape[0], x.shape[0])), np.empty((y.shape[0], x.shape[0]))
    for row in range(y.shape[0]):
        j = math.floor(y[row])
        v = y[row] - j
        for col in range(x.shape[0]):
            i = math.floor(x[col])
            u = x[col] - i
            first[row, col] = _bilinear(values, j - j0, i - i0, v, u, 0)
            second[row, col] = _bilinear(values, j - j0, i - i0, v, u, 1)
    return first, second


@compiled
def _bilinear(values, j, i, v, u, which):
    low = values[j, i, which] * (1 - u) + values[j, i + 1, which] * u
    high = values[j + 1, i, which] * (1 - u) + values[j + 1, i + 1, which] * u
    return low * (1 - v) + high * v
