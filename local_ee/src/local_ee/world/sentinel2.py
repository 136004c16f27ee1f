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
from local_ee.world.globes import inside
from local_ee.world.lattice import Cut
from local_ee.world.optical import Camera, Overpass, solar_zenith_deg
from local_ee.world.overview import OVERVIEW_M
from local_ee.world.plane import to_lonlat, to_plane
from local_ee.world.sentinel2_product import BYTES, SHIFT_SINCE, Product
from local_ee.world.sentinel2_properties import common, view

L2A, L1C = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED"
SCORES, PROBABILITY = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"
PRODUCTS = {
    L2A: Product("L2A", harmonized=True),
    L1C: Product("L1C", harmonized=True),
    "COPERNICUS/S2_SR": Product("L2A", harmonized=False),
    "COPERNICUS/S2": Product("L1C", harmonized=False),
}
_SCORED = ("cs", "cs_cdf")
EDGE_BANDS, BANDS_10M = ("B8A", "B9"), ("B2", "B3", "B4", "B8")
EDGE_M, EDGE_DN = 60, 16_000  # bad data along a scene's edges: a pixel of B9 wide, brighter than any cloud
_HALF_CYCLE = timedelta(days=5)


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
        return dict(_properties(self, level))


@lru_cache(maxsize=1024)  # requests list the same scenes again and again
def _properties(scene: Scene, level: str) -> dict:
    start, tile, baseline = scene.moment, scene.tile.name, _baseline(scene.moment.date())
    cloudy = cloudy_percentage(scene.tile, scene.moment.date(), scene.orbit)
    start_ms = passes.milliseconds(start) + 11_000
    return {
        **common(level, start, scene.spacecraft, scene.orbit, baseline),
        **view(level, *scene.tile.centre_lonlat, scene.orbit),
        "system:index": scene.index,
        "system:time_start": start_ms,
        "system:time_end": start_ms,
        "MGRS_TILE": tile,
        "SPACECRAFT_NAME": scene.spacecraft,
        "SENSING_ORBIT_NUMBER": scene.orbit,
        "SENSING_ORBIT_DIRECTION": "DESCENDING",
        "PROCESSING_BASELINE": baseline,
        "PRODUCT_ID": f"S2{scene.spacecraft[-1]}_MSI{level}_{start:%Y%m%dT%H%M%S}_R{scene.orbit:03d}_T{tile}",
        "GRANULE_ID": f"{level}_T{tile}_{start:%Y%m%dT%H%M%S}",
        "CLOUDY_PIXEL_PERCENTAGE": cloudy,
        "CLOUD_COVERAGE_ASSESSMENT": cloudy,
        "MEAN_SOLAR_ZENITH_ANGLE": solar_zenith_deg(scene.moment.date()),
        "MEAN_SOLAR_AZIMUTH_ANGLE": sun.AZIMUTH_DEG[scene.moment.month - 1],
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
    return np.array([to_plane(*to_lonlat(x + dx, y - dy, tile.epsg)) for dy in at for dx in at])


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
    """The collections that share Sentinel-2's scenes."""

    camera: Camera

    ids = (*PRODUCTS, SCORES, PROBABILITY)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The scenes of a collection over a box on the given days."""
        first = max(first, passes.S2_L2A_SINCE) if _is_l2a(collection_id) else first
        return [self._image(collection_id, scene) for scene in scenes(first, last, bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One scene, or None."""
        scene = scene_of(index)
        oldest = passes.S2_L2A_SINCE if scene is None or not scene.name else passes.S2_L2A_OLDEST
        if scene is None or (_is_l2a(collection_id) and scene.moment.date() < oldest):
            return None
        return self._image(collection_id, scene)

    def _image(self, collection_id: str, scene: Scene) -> SourceImage:
        product, day = PRODUCTS.get(collection_id), scene.moment.date()
        bands = _bands(collection_id, scene.tile, product is None or product.classified(day))
        properties = scene.properties("L2A" if product is None else product.level)
        if product is None:
            kept = ("system:index", "system:time_start", "system:time_end", "MGRS_TILE", "simulated")
            properties = {key: properties[key] for key in kept}
        grids = {band.name: band.grid for band in bands}

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            crs = grids[names[0]].crs
            if crs is None or not crs.projected:  # of bands that are not there yet
                return _empty(names, window.shape.yx), np.zeros((len(names), *window.shape), bool)
            cut = Cut.of(window)
            valid = inside(grids[names[0]], window)
            values = self._values(product, scene, names, cut) if valid.any() else _empty(names, window.shape.yx)
            masks = np.broadcast_to(valid, values.shape).copy()
            if product is not None:
                _edged(values, masks, names, _inner(Cut.of(grids[names[0]])).covers(cut))
            for mask, name in zip(masks, names, strict=True):
                if product is not None and product.masked(name, day):
                    mask[:] = False
            return values, masks

        return SourceImage(
            f"{collection_id}/{scene.index}", bands, properties, scene.tile.footprint, read, overview_m=OVERVIEW_M
        )

    def _values(self, product: Product | None, scene: Scene, names: tuple[str, ...], cut: Cut) -> np.ndarray:
        if names[0] in _SCORED:
            return clouds.scores(cut, scene.overpass.sky, names)
        if product is None:
            return self.camera.bands(names, cut, scene.overpass).astype(np.uint8)
        return product.values(self.camera, names, cut, scene.overpass)


def _inner(tile: Cut) -> Cut:
    """A tile without the strip along its edges."""
    return tile.around(-(EDGE_M // tile.step_m))


def _edged(values: np.ndarray, masks: np.ndarray, names: tuple[str, ...], inner: np.ndarray) -> None:
    """Bad data along a scene's edges, which the masks of the 10-m bands keep and those of B8A and B9 do not.

    As the catalog says it of real scenes (page COPERNICUS_S2_CLOUD_PROBABILITY, maskEdges).
    """
    for digital_number, mask, name in zip(values, masks, names, strict=True):
        if name in EDGE_BANDS:
            mask &= inner
        elif name in BANDS_10M:
            digital_number[~inner] = EDGE_DN


def _is_l2a(collection_id: str) -> bool:
    return collection_id in PRODUCTS and PRODUCTS[collection_id].level == "L2A"


def _empty(names: tuple[str, ...], shape: tuple[int, int]) -> np.ndarray:
    dtype = np.float32 if names[0] in _SCORED else np.uint8 if all(name in BYTES for name in names) else np.uint16
    return np.zeros((len(names), *shape), dtype)


@lru_cache(maxsize=1024)
def _bands(collection_id: str, tile: mgrs.Tile, classified: bool) -> tuple[SourceBand, ...]:
    """A collection's bands on a tile: common to all its scenes, which lists make by the dozen."""
    if collection_id == SCORES:
        return tuple(SourceBand(name, "float32", tile.grid(10)) for name in _SCORED)
    if collection_id == PROBABILITY:
        return (SourceBand("probability", "uint8", tile.grid(10)),)
    return PRODUCTS[collection_id].bands(tile, classified=classified)


def _baseline(day: date) -> str:
    if day >= SHIFT_SINCE:
        return "04.00" if day < date(2022, 12, 6) else "05.09"
    return "02.14" if day >= date(2020, 2, 4) else "02.12"
