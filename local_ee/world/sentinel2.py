"""Sentinel-2 collections of the world: scenes with ids and properties as on Earth Engine, and their cloud scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import clouds, mgrs, passes, sun
from local_ee.world.lattice import Cut
from local_ee.world.optical import Camera, Overpass, solar_zenith_deg
from local_ee.world.plane import lonlat_of_utm, plane_of

L2A, L1C = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED"
SCORES, PROBABILITY = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"
_STEP_M = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B11": 20,
    "B12": 20, "AOT": 10, "WVP": 10, "SCL": 20, "QA60": 60, "MSK_CLDPRB": 20, "MSK_SNWPRB": 20,
}  # fmt: skip
_HALF_CYCLE = timedelta(days=5)
_BYTES = ("SCL", "MSK_CLDPRB", "MSK_SNWPRB", "probability")
_L1C_LACKS = ("AOT", "WVP", "SCL", "MSK_CLDPRB", "MSK_SNWPRB")
_QA60_GAP = (date(2022, 1, 25), date(2024, 2, 28))  # Earth Engine masks QA60 there (catalog page)


@dataclass(frozen=True)
class Scene:
    """One tile of one datatake. name: its index, where that is not the one that the world's orbits give."""

    tile: mgrs.Tile
    moment: datetime
    spacecraft: str
    orbit: int
    name: str = ""

    @property
    def index(self) -> str:
        """YYYYMMDDTHHMMSS_YYYYMMDDTHHMMSS_Txxxxx: start of the datatake, time of the tile, tile."""
        if self.name:
            return self.name
        start = self.moment
        return f"{start:%Y%m%dT%H%M%S}_{start + timedelta(seconds=11):%Y%m%dT%H%M%S}_T{self.tile.name}"

    @property
    def overpass(self) -> Overpass:
        return Overpass(self.moment.date(), self.orbit)

    def properties(self, level: str) -> dict:
        """Earth Engine's properties of a scene, and simulated = 1."""
        start, tile = self.moment, self.tile.name
        start_ms = passes.milliseconds(start) + 11_000
        return {
            "system:index": self.index,
            "system:time_start": start_ms,
            "system:time_end": start_ms,
            "MGRS_TILE": tile,
            "SPACECRAFT_NAME": self.spacecraft,
            "SENSING_ORBIT_NUMBER": self.orbit,
            "SENSING_ORBIT_DIRECTION": "DESCENDING",
            "PROCESSING_BASELINE": _baseline(self.moment.date()),
            "PRODUCT_ID": f"S2{self.spacecraft[-1]}_MSI{level}_{start:%Y%m%dT%H%M%S}_R{self.orbit:03d}_T{tile}",
            "CLOUDY_PIXEL_PERCENTAGE": cloudy_percentage(self.tile, self.moment.date(), self.orbit),
            "MEAN_SOLAR_ZENITH_ANGLE": solar_zenith_deg(self.moment.date()),
            "MEAN_SOLAR_AZIMUTH_ANGLE": sun.AZIMUTH_DEG[self.moment.month - 1],
            "simulated": 1,
        }


@lru_cache(maxsize=4096)
def cloudy_percentage(tile: mgrs.Tile, day: date, orbit: int) -> float:
    """Percent of a 20 x 20 sample of the tile under cloud."""
    return round(100 * clouds.cover_of(_sample(tile), clouds.sky_of(day, orbit)), 4)


@lru_cache(maxsize=256)
def _sample(tile: mgrs.Tile) -> np.ndarray:
    """Places of a 20 x 20 sample of a tile in the plane: common to all its scenes."""
    x, y = tile.origin_m
    at = (np.arange(20) + 0.5) / 20 * mgrs.SIDE_M
    return np.array([plane_of(*lonlat_of_utm(x + dx, y - dy, tile.epsg)) for dy in at for dx in at])


def scenes(first: date, last: date, bounds_wsen: BoundsWSEN) -> Iterator[Scene]:
    """Scenes over a box on days from first to last, in order of time, then index."""
    candidates = [
        Scene(tile, taken.moment, taken.spacecraft, taken.orbit)
        for tile in mgrs.tiles_of(bounds_wsen)
        for taken in passes.optical_passes(tile.centre_lonlat[0], first, last)
    ]
    return iter(sorted(candidates, key=lambda scene: (scene.moment, scene.index)))


def scene_of(index: str) -> Scene | None:
    """The scene of an index, or None where it is no index of a tile and a time since the first launch.

    Assumption: people's programs name scenes that Google has. The world's orbits do not give their seconds, so any
    time is a scene where it is named; collections list the world's own.
    """
    parts = passes.SCENE_INDEX.fullmatch(index)
    tile = mgrs.named(parts["tile"]) if parts else None
    if parts is None or tile is None:
        return None
    try:
        moment = datetime.strptime(parts["start"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    day = moment.date()
    near = passes.optical_passes(tile.centre_lonlat[0], day - _HALF_CYCLE, day + _HALF_CYCLE)
    own = [Scene(tile, taken.moment, taken.spacecraft, taken.orbit) for taken in near]
    listed = next((scene for scene in own if scene.index == index), None)
    if listed is not None or not own:
        return listed
    closest = min(own, key=lambda scene: abs(scene.moment - moment))
    return replace(closest, moment=moment, name=index) if day >= passes.S2_L1C_SINCE else None


@dataclass(frozen=True)
class Sentinel2:
    """The four collections that share Sentinel-2's scenes."""

    camera: Camera

    ids = (L2A, L1C, SCORES, PROBABILITY)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The scenes of a collection over a box on the given days."""
        first = max(first, passes.S2_L2A_SINCE) if collection_id == L2A else first
        return [self._image(collection_id, scene) for scene in scenes(first, last, bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One scene, or None."""
        scene = scene_of(index)
        oldest = passes.S2_L2A_SINCE if scene is None or not scene.name else passes.S2_L2A_OLDEST
        if scene is None or (collection_id == L2A and scene.moment.date() < oldest):
            return None
        return self._image(collection_id, scene)

    def _image(self, collection_id: str, scene: Scene) -> SourceImage:
        bands = _bands(collection_id, scene.tile)
        level = "L1C" if collection_id == L1C else "L2A"
        properties = scene.properties(level)
        if collection_id in (SCORES, PROBABILITY):
            kept = ("system:index", "system:time_start", "system:time_end", "MGRS_TILE", "simulated")
            properties = {key: properties[key] for key in kept}
        grids = {band.name: band.grid for band in bands}

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            return self._read(scene, grids[names[0]], names, window)

        return SourceImage(f"{collection_id}/{scene.index}", bands, properties, scene.tile.footprint, read)

    def _read(
        self, scene: Scene, grid: GeoBox, names: tuple[str, ...], window: GeoBox
    ) -> tuple[np.ndarray, np.ndarray]:
        cut, inside = Cut.of(window), Cut.of(grid)
        valid = inside.covers(cut)
        scored = names[0] in ("cs", "cs_cdf")
        if not valid.any():
            dtype = np.float32 if scored else (np.uint8 if all(name in _BYTES for name in names) else np.uint16)
            return np.zeros((len(names), *window.shape), dtype), np.zeros((len(names), *window.shape), bool)
        if scored:
            values = clouds.scores(cut, scene.overpass.sky, names)
        else:
            values = self.camera.bands(names, cut, scene.overpass)
            if all(name in _BYTES for name in names):
                values = values.astype(np.uint8)
        masks = np.broadcast_to(valid, values.shape).copy()
        if "QA60" in names and _QA60_GAP[0] <= scene.moment.date() < _QA60_GAP[1]:
            masks[names.index("QA60")] = False
        return values, masks


@lru_cache(maxsize=1024)
def _bands(collection_id: str, tile: mgrs.Tile) -> tuple[SourceBand, ...]:
    """A collection's bands on a tile: common to all its scenes, which lists make by the dozen."""
    if collection_id == SCORES:
        return tuple(SourceBand(name, "float32", tile.grid(10)) for name in ("cs", "cs_cdf"))
    if collection_id == PROBABILITY:
        return (SourceBand("probability", "uint8", tile.grid(10)),)
    names = [name for name in _STEP_M if collection_id == L2A or name not in _L1C_LACKS]
    grids = {step: tile.grid(step) for step in set(_STEP_M.values())}
    return tuple(SourceBand(name, "uint8" if name in _BYTES else "uint16", grids[_STEP_M[name]]) for name in names)


def _baseline(day: date) -> str:
    if day >= date(2022, 1, 25):
        return "04.00" if day < date(2022, 12, 6) else "05.09"
    return "02.14" if day >= date(2020, 2, 4) else "02.12"
