"""Landsat's scenes under their ids: where and when each path and row was seen, with the bands of Google's catalog.

Source of the places: USGS, Landsat Acquisition Tool and WRS-2 (233 paths of 248 rows in 16 days, inclination 98.2
degrees, row 60 on the equator, path 1 there at 64.6 W). Dates are those of the nominal orbits; pixels follow from the
ranges of the bands only. Clouds stand in the quality bands (landsat_quality.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world.landsat_calibration import calibration, sun_azimuth, sun_elevation
from local_ee.world.landsat_quality import CLEAR, SceneClouds, cover_of, values_by_state
from local_ee.world.listing import Listing
from local_ee.world.outlines import inside
from local_ee.world.passes import milliseconds
from local_ee.world.public_facts import COLLECTION, AssetFacts, BandFacts, assets, ids_of
from local_ee.world.public_pixels import values_of
from local_ee.world.public_properties import properties_of
from local_ee.world.waves import blocks_of, degrees

_PATHS, _ROWS, _DAY_ROWS, _CYCLE_DAYS = 233, 248, 122, 16
_INCLINATION = math.radians(98.2)
_FIRST_LON_DEG = -64.6
_NEXT_PATH, _ITS_INVERSE = 16, 102  # the next orbit flies 16 paths to the west; 16 x 102 = 1 (mod 233)
_ANCHOR_PATH, _ANCHOR = 44, datetime(2014, 3, 18, 18, 15, tzinfo=UTC)  # Landsat 8, row 60
# A scene is 185 x 180 km (USGS).
_HALF_ACROSS_M, _HALF_ALONG_M = 92_500.0, 90_000.0
# From the days of Landsat 8. Assumption: the MSS scenes (LM) lie on WRS-2 too, and come as often.
_OFFSET_DAYS = {"LC08": 0, "LC09": 8, "LE07": 8, "LT05": 0, "LT04": 8}
_OFFSET_DAYS |= {"LM01": 0, "LM02": 8, "LM03": 4, "LM04": 8, "LM05": 0}
_THERMAL = {
    "LC08": ("B10", "B11"),
    "LC09": ("B10", "B11"),
    "LE07": ("B6_VCID_1", "B6_VCID_2"),
    "LT05": ("B6",),
    "LT04": ("B6",),
}  # the MSS has none
_INDEX = re.compile(r"(?P<mission>L[CEMT]0\d)_(?P<path>\d{3})(?P<row>\d{3})_(?P<day>\d{8})")
_SETTLED = {"LC09": date(2021, 12, 1)}  # into the nominal orbit
_SHARP = {(mission, "B8") for mission in ("LE07", "LC08", "LC09")}  # the panchromatic band
# Above it scenes are only counted, and made day by day when they are asked for.
_MOST_SCENES = 30_000
_INGESTED_MS = 30 * 86_400_000  # after a scene was seen: its system:version, in microseconds
_USUAL = {"SR_B": (7500.0, 16_000.0), "ST_B": (36_000.0, 44_000.0)}  # reflectances of 0.01 to 0.24, 272 to 299 K


@dataclass(frozen=True)
class Scene:
    """A path and row as one mission sees it."""

    mission: str
    path: int
    row: int

    @property
    def seen(self) -> datetime:
        """One of the moments when it is seen."""
        orbit = (self.path - _ANCHOR_PATH) * _ITS_INVERSE % _PATHS
        seen = _ANCHOR + timedelta(days=_OFFSET_DAYS[self.mission] + orbit * _CYCLE_DAYS / _PATHS)
        return seen + timedelta(minutes=(self.row - 60) * 98.9 / _ROWS)

    def count(self, first: datetime, last: datetime) -> int:
        """How often it is seen from first to before last."""
        cycles = [math.ceil((moment - self.seen) / timedelta(days=_CYCLE_DAYS)) for moment in (first, last)]
        return max(cycles[1] - cycles[0], 0)

    def moments(self, first: date, last: date) -> Iterator[datetime]:
        """When it is seen on days from first to last."""
        seen = self.seen
        cycles = math.ceil((datetime.combine(first, time(), UTC) - seen) / timedelta(days=_CYCLE_DAYS))
        moment = seen + timedelta(days=_CYCLE_DAYS * cycles)
        while moment.date() <= last:
            yield moment.replace(microsecond=0)
            moment += timedelta(days=_CYCLE_DAYS)


@cache
def centres() -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude [path, row] of the scenes of the day side, from path 1 and row 1."""
    rows = np.arange(1, _DAY_ROWS + 1)
    turn = np.radians((rows - 60) * 360 / _ROWS)
    lat = -np.degrees(np.arcsin(np.sin(turn) * math.sin(_INCLINATION)))
    west = np.degrees(np.arctan2(math.cos(_INCLINATION) * np.sin(turn), np.cos(turn)))
    west -= np.degrees(turn) * _NEXT_PATH / _PATHS
    node = _FIRST_LON_DEG - np.arange(_PATHS) * 360 / _PATHS
    lon = (node[:, None] + west[None] + 180) % 360 - 180
    return lon, np.broadcast_to(lat, lon.shape)


def near(bounds_wsen: BoundsWSEN) -> list[tuple[int, int]]:
    """Paths and rows that may reach into a box."""
    lon, lat = centres()
    west, south, east, north = bounds_wsen
    reach_lat = 1.3
    reach_lon = 1.3 / np.maximum(np.cos(np.radians(np.abs(lat) + reach_lat)), 0.05)
    inside = (lat > south - reach_lat) & (lat < north + reach_lat) & (lon > west - reach_lon) & (lon < east + reach_lon)
    return [(int(path) + 1, int(row) + 1) for path, row in np.argwhere(inside)]


@cache
def _moves(epsg: int) -> tuple[Transformer, Transformer]:
    """From degrees to a zone's metres, and back."""
    zone, wgs84 = f"EPSG:{epsg}", "EPSG:4326"
    return Transformer.from_crs(wgs84, zone, always_xy=True), Transformer.from_crs(zone, wgs84, always_xy=True)


@lru_cache(maxsize=4096)
def ground(path: int, row: int) -> tuple[GeoBox, shapely.Polygon, shapely.Polygon]:
    """A scene's grid of 30 m, and its outline in metres and in degrees."""
    lon, lat = (float(each[path - 1, row - 1]) for each in centres())
    zone = int((lon + 180) // 6) % 60 + 1
    move, back = _moves(32600 + zone)
    x, y = move.transform(lon, lat)
    tilt = math.asin(min(1.0, abs(math.cos(_INCLINATION)) / max(math.cos(math.radians(lat)), 0.2)))
    cosine, sine = math.cos(tilt), math.sin(tilt)
    signs = ((-1, 1), (1, 1), (1, -1), (-1, -1))
    corners = [(a * _HALF_ACROSS_M, b * _HALF_ALONG_M) for a, b in signs]
    outline = shapely.Polygon([(x + a * cosine + b * sine, y - a * sine + b * cosine) for a, b in corners])
    left, bottom, right, top = (round(side / 30) * 30 - 15 for side in outline.bounds)
    shape = (round((top - bottom) / 30), round((right - left) / 30))
    grid = GeoBox(shape, Affine(30, 0, left, 0, -30, top), f"EPSG:{32600 + zone}")
    return grid, outline, shapely.transform(outline, lambda points: np.column_stack(back.transform(*points.T)))


def bounds_of(path: float, row: float) -> BoundsWSEN | None:
    """West, south, east and north of a path and row; None where there is none, and across the date line."""
    if not (path in range(1, _PATHS + 1) and row in range(1, _DAY_ROWS + 1)):
        return None
    west, south, east, north = ground(int(path), int(row))[2].bounds
    return (west, south, east, north) if -180 <= west < east <= 180 and east - west < 180 else None


class Landsat:
    """Collection 2 of Landsat 4 to 9."""

    @property
    def ids(self) -> tuple[str, ...]:
        """LANDSAT/LC08/C02/T1_L2 and its kin, as far as the list of facts has them."""
        return _collections()

    def images(
        self, collection_id: str, first: datetime, last: datetime, bounds_wsen: BoundsWSEN
    ) -> Sequence[SourceImage]:
        """The scenes that begin from first to before last and touch the box: counted and made when asked for."""
        asset, mission = assets()[collection_id], _mission(collection_id)
        first, last = max(first, asset.start), min(last, asset.end + timedelta(days=1))
        scenes = [Scene(mission, path, row) for path, row in _touching(bounds_wsen)]
        if len(scenes) * max((last - first).days, 0) / _CYCLE_DAYS > _MOST_SCENES:
            return Listing(
                lambda: sum(scene.count(first, last) for scene in scenes),
                lambda: (_image(asset, scene, moment) for moment, scene in _daily(scenes, first, last)),
            )
        dated = _dated(scenes, first, last)
        return Listing(lambda: len(dated), lambda: (_image(asset, scene, moment) for moment, scene in dated))

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The scene of an index, or None where its mission did not see it that day."""
        parts = _INDEX.fullmatch(index)
        asset = assets()[collection_id]
        if parts is None or parts["mission"] != _mission(collection_id):
            return None
        scene = Scene(parts["mission"], int(parts["path"]), int(parts["row"]))
        if not (1 <= scene.path <= _PATHS and 1 <= scene.row <= _DAY_ROWS):
            return None
        try:
            day = datetime.strptime(parts["day"], "%Y%m%d").date()
        except ValueError:
            return None
        moment = next(scene.moments(day, day), None)
        if moment is None and day < _SETTLED.get(scene.mission, day):
            moment = datetime.combine(day, time(18), UTC)  # on its way into orbit it flew over any path
        return None if moment is None or not asset.start <= moment <= asset.end else _image(asset, scene, moment)


@cache
def _collections() -> tuple[str, ...]:
    scenes = (name for name in ids_of(COLLECTION) if _mission(name) in _OFFSET_DAYS)
    return tuple(name for name in scenes if assets()[name].revisits)


def _touching(bounds_wsen: BoundsWSEN) -> list[tuple[int, int]]:
    """The paths and rows that touch a box."""
    west, south, east, north = bounds_wsen
    if east - west >= 360 and north - south >= 170:
        return near(bounds_wsen)
    around = shapely.box(*bounds_wsen)
    return [(path, row) for path, row in near(bounds_wsen) if ground(path, row)[2].intersects(around)]


def _dated(scenes: Sequence[Scene], first: datetime, last: datetime) -> list[tuple[datetime, Scene]]:
    """When scenes are seen from first to before last, in order."""
    dated = [(moment, scene) for scene in scenes for moment in scene.moments(first.date(), last.date())]
    return sorted(
        ((moment, scene) for moment, scene in dated if first <= moment < last),
        key=lambda pair: (pair[0], pair[1].path, pair[1].row),
    )


def _daily(scenes: Sequence[Scene], first: datetime, last: datetime) -> Iterator[tuple[datetime, Scene]]:
    """As _dated, a day at a time."""
    begin = first
    while begin < last:
        end = min(datetime.combine(begin.date() + timedelta(days=1), time(), UTC), last)
        yield from _dated(scenes, begin, end)
        begin = end


def _mission(collection_id: str) -> str:
    return collection_id.split("/")[1] if collection_id.startswith("LANDSAT/") else ""


def _image(asset: AssetFacts, scene: Scene, moment: datetime) -> SourceImage:
    grid, outline, footprint = ground(scene.path, scene.row)
    bands, quality = _bands(asset.id), values_by_state(scene.mission)
    index = f"{scene.mission}_{scene.path:03d}{scene.row:03d}_{moment:%Y%m%d}"
    properties = _properties(asset, scene, moment, index)
    sun = properties["SUN_AZIMUTH"], properties["SUN_ELEVATION"]
    clouds = SceneClouds(index, properties["CLOUD_COVER"], sun, footprint.bounds)

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        blocks = blocks_of(window)
        states = clouds.states(*degrees(window)) if quality.keys() & names else None
        layers = [
            values_of(asset.id, bands[name], moment, blocks)
            if states is None or name not in quality
            else np.array(quality[name], bands[name].dtype)[states]
            for name in names
        ]
        return np.stack(layers), np.broadcast_to(inside(outline, window), (len(names), *window.shape))

    sources = tuple(
        SourceBand(
            band.name, band.dtype, _panchromatic(grid) if (scene.mission, band.name) in _SHARP else grid, band.pyramid
        )
        for band in bands.values()
    )
    return SourceImage(f"{asset.id}/{index}", sources, properties, footprint, read, analytic=True, smooth=True)


def _panchromatic(grid: GeoBox) -> GeoBox:
    """The 15-m pixels of a scene whose 30-m pixels are given: centres of the outer ones coincide."""
    rows, columns = grid.shape
    affine = Affine(15, 0, grid.affine.c + 7.5, 0, -15, grid.affine.f - 7.5)
    return GeoBox((2 * rows - 1, 2 * columns - 1), affine, grid.crs)


@cache
def _bands(collection_id: str) -> Mapping[str, BandFacts]:
    """The bands of a collection by name, with the values that its scenes usually have."""
    mission, level = _mission(collection_id), collection_id.rpartition("/")[2]
    return {band.name: _usual(band, mission, level) for band in assets()[collection_id].bands}


def _usual(band: BandFacts, mission: str, level: str) -> BandFacts:
    if band.name == "QA_PIXEL":
        return BandFacts(band.name, "uint16", classes=(values_by_state(mission)["QA_PIXEL"][CLEAR],))
    if level in ("T1", "T1_RT", "T2") and re.fullmatch(r"B\d.*", band.name):
        raw = ("uint16", 6000, 20_000) if mission.startswith("LC") else ("uint8", 20, 180)
        return BandFacts(band.name, *raw)
    if level.endswith("_TOA") and re.fullmatch(r"B\d+.*", band.name):
        thermal = band.name in _THERMAL.get(mission, ())
        return BandFacts(band.name, "float32", *((272, 300) if thermal else (0.02, 0.35)))
    low, high = _USUAL.get(band.name[:4], (band.least, band.most))
    return BandFacts(band.name, band.dtype, low, high, band.classes)


def _properties(asset: AssetFacts, scene: Scene, moment: datetime, index: str) -> Mapping[str, Any]:
    properties: dict[str, Any] = {
        **properties_of(asset, index, moment),
        "system:index": index,
        "system:time_start": milliseconds(moment),
        "system:version": (milliseconds(moment) + _INGESTED_MS) * 1000,
        "CLOUD_COVER": cover_of(index),
        "DATE_ACQUIRED": f"{moment:%Y-%m-%d}",
        "SCENE_CENTER_TIME": f"{moment:%H:%M:%S}Z",
        "SPACECRAFT_ID": f"LANDSAT_{int(scene.mission[2:])}",
        "WRS_PATH": scene.path,
        "WRS_ROW": scene.row,
        "UTM_ZONE": int(str(ground(scene.path, scene.row)[0].crs).removeprefix("EPSG:326")),
        "COLLECTION_NUMBER": 2,
        "COLLECTION_CATEGORY": "T1",
        "simulated": 1,
    }
    centre = ground(scene.path, scene.row)[2].centroid
    properties["SUN_ELEVATION"] = sun_elevation(moment, centre.x, centre.y)
    properties["SUN_AZIMUTH"] = sun_azimuth(moment, centre.x, centre.y)
    if not asset.id.endswith("_L2"):
        properties |= calibration(scene.mission)
    if asset.id.endswith("_L2"):
        for band in asset.bands:
            if band.name.startswith("SR_B"):
                properties[f"REFLECTANCE_MULT_BAND_{band.name[4:]}"] = 2.75e-05
                properties[f"REFLECTANCE_ADD_BAND_{band.name[4:]}"] = -0.2
            if band.name.startswith("ST_B"):
                properties[f"TEMPERATURE_MULT_BAND_{band.name}"] = 0.00341802
                properties[f"TEMPERATURE_ADD_BAND_{band.name}"] = 149.0
    return properties
