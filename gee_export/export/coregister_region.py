"""Co-registration of a region's Sentinel-1 with its Sentinel-2, orbit by orbit, and of one raster file with another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.grid import Raster, Window, crop, grid_of
from isamap.gee_export.base.regions import BoundsWSEN, Period, Region
from isamap.gee_export.coregistration import raster_file
from isamap.gee_export.coregistration.coregister import Coregistration, Pair, coregister, warped
from isamap.gee_export.coregistration.displacement import ORBIT, Displacement
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes
from isamap.gee_export.export.places import several
from isamap.gee_export.export.scene_shifts import PassShift, passes
from isamap.gee_export.requests import pixels
from isamap.gee_export.requests.channel import channels
from isamap.gee_export.sentinel import open_archives, sentinel1, sentinel2
from isamap.gee_export.sentinel.composite import NoScenes, Settings
from isamap.gee_export.sentinel.scenes import Scene, Sensed
from isamap.gee_export.sentinel.sentinel1 import Radar

if TYPE_CHECKING:
    import ee

TILES, TILE_PX = 3, 512  # a side: of a larger region, so many tiles of so many pixels are looked at
_REQUEST_PX = 512


@dataclass(frozen=True)
class Registration:
    """How far each relative orbit of a region's Sentinel-1 lies from Sentinel-2; scenes: of each orbit, how many.

    passes: single days of an orbit, where they were asked for.
    """

    region: str
    period: str
    simulated: bool
    scenes: Mapping[int, int]
    by_orbit: Mapping[int, Coregistration]
    passes: tuple[PassShift, ...] = ()

    @property
    def titled(self) -> dict[str, Coregistration]:
        return {f"orbit {orbit}": result for orbit, result in self.by_orbit.items()}

    @property
    def displacement(self) -> Displacement | None:
        """The displacement of the orbits that could be corrected; None where none could."""
        polynomials = {orbit: result.polynomial for orbit, result in self.by_orbit.items() if result.applied}
        return Displacement(tuple(polynomials), tuple(polynomials.values())) if polynomials else None

    def to_json(self) -> dict[str, Any]:
        """The displacement, as an export takes it, and the whole report of every orbit."""
        move = self.displacement.to_json() if self.displacement else {"orbits": [], "polynomials": []}
        facts = {"region": self.region, "period": self.period, "simulated": self.simulated}
        reports = {str(o): {"scenes": self.scenes[o], **result.to_json()} for o, result in self.by_orbit.items()}
        passes = {"passes": [shift.to_json() for shift in self.passes]} if self.passes else {}
        return {**move, **facts, "reports": reports, **passes}

    def __str__(self) -> str:
        head = f"{self.region} {self.period}{', simulated' if self.simulated else ''}"
        return "\n".join(
            [
                head,
                *(f"orbit {o} ({self.scenes[o]} scenes) {result}" for o, result in self.by_orbit.items()),
                *map(str, self.passes),
            ]
        )


def coregister_region(
    region: str | Region | None = None,
    *,
    month: str | None = None,
    period: str | Sequence[str] | None = None,
    bbox: BoundsWSEN | None = None,
    epsg: int | None = None,
    out: str | Path | None = None,
    by_scene: bool = False,
    project: str | None = None,
    catalog: str | Path = "world",
) -> Registration:
    """How far each relative orbit lies from Sentinel-2 over a region and month (or period); the report in `out`.

    region, month, period, bbox, epsg: as `export_patches`, one of each; a longer period holds less speckle, so its
    answers are firmer: an orbit's shift is steady. by_scene: also each day of an orbit by itself. project: a Google
    project; without one the local engine serves `catalog`. ValueError for what cannot be asked, Fault where a server
    or a disk fails.
    """
    from isamap.gee_export.earth_engine.session import connect

    where = ExportPlaces(region=several(region), bbox=bbox, epsg=epsg)
    places = where.regions()
    days = ExportTimes(several(month), several(period)).dated(where).periods()
    if len(places) > 1:
        raise ValueError("several regions are named: one at a time, each has its own shifts")
    if len(days) > 1:
        raise ValueError(f"periods {', '.join(map(str, days))}: one at a time, each has its own shifts")
    with connect(project, catalog=catalog) as session:
        settings = open_archives.fitted(Settings())[0] if session.is_open else Settings()
        registration = register(places[0], days[0], settings, by_scene=by_scene)
    if out is not None:
        _write_json(registration.to_json(), out)
    return registration


def register(
    region: Region, period: Period, settings: Settings | None = None, *, by_scene: bool = False
) -> Registration:
    """Every relative orbit's displacement, found on the period's composites as `settings` make them.

    Speckle filters, stacks and a displacement in the settings are left out: they blur edges or would hide what is
    looked for. by_scene: also the shift of each day of an orbit. NoScenes where a sensor has nothing; Fault where the
    server fails.
    """
    settings = settings or Settings()
    box, grid = region.bounds_wsen, grid_of(region)
    optical = sentinel2.sensed(box, period, settings.optical, epsg=region.epsg)
    radar = replace(settings.radar, speckle="none", dates=0, displacement=None)
    # Listed once for all orbits: each orbit's composite asks for its scenes alone.
    listing = sentinel1.listing(box, period, radar)
    counts = _orbits(listing, radar.sentinel1)
    if not optical.used or not counts:
        raise NoScenes(
            f"region {region.name!r} cannot be co-registered for {period}: found {len(optical.used)} Sentinel-2 and "
            f"{sum(counts.values())} Sentinel-1 scenes; choose a longer period"
        )
    seen = {orbit: sentinel1.sensed(box, period, replace(radar, orbits=(orbit,))) for orbit in counts}
    names = [band.name for band in settings.optical.stored if band.unit == "reflectance"]
    bands = optical.image.select(names)
    by_orbit = _by_orbit(bands, names, seen, grid)
    if not by_orbit:
        raise NoScenes(f"region {region.name!r}: no tile is seen by both sensors in {period}; choose a longer period")
    simulated = optical.simulated or any(orbit_image.simulated for orbit_image in seen.values())
    shifts = _shifts(bands, names, listing.used, radar, region) if by_scene else ()
    return Registration(region.name, str(period), simulated, counts, by_orbit, shifts)


def _by_orbit(
    optical: ee.Image, names: Sequence[str], seen: Mapping[int, Sensed], grid: GeoBox
) -> dict[int, Coregistration]:
    """The coregistration of every orbit that sees a tile of Sentinel-2's, too."""
    pairs = {orbit: _pairs(optical.addBands(sensed.image), names, grid) for orbit, sensed in seen.items()}
    return {orbit: coregister(tiles) for orbit, tiles in pairs.items() if tiles}


def _shifts(
    optical: ee.Image, names: Sequence[str], used: Sequence[Scene], radar: Radar, region: Region
) -> tuple[PassShift, ...]:
    """Each day of an orbit by itself against Sentinel-2's composite."""
    shifts = []
    for (day, orbit), scenes in passes(used).items():
        seen = sentinel1.sensed(region.bounds_wsen, Period.between(day, day), replace(radar, orbits=(orbit,)))
        tiles = _pairs(optical.addBands(seen.image), names, grid_of(region))
        shifts.append(PassShift.of(scenes, coregister(tiles) if tiles else None))
    return tuple(shifts)


def coregister_files(fixed: str | Path, moving: str | Path, out: str | Path | None = None) -> Coregistration:
    """How far the moving raster lies from the fixed one; where it can be corrected, the corrected raster in `out`.

    `out` lies on the fixed raster's pixels and keeps the moving one's type, names and no-data value; OUT.json beside
    it holds the report, also where nothing was corrected. ValueError for rasters that cannot be compared.
    """
    still = raster_file.read(fixed)
    loose = raster_file.read(moving, onto=still.geobox)
    coregistration = coregister([(still, loose)])
    if out is not None:
        if coregistration.applied:
            raster_file.write(warped(loose, coregistration.polynomial), out, like=moving)
        _write_json(coregistration.to_json(), f"{out}.json")
    return coregistration


def tiles_of(shape: tuple[int, int]) -> list[Window]:
    """The parts of a grid that are looked at: all of it, or TILES x TILES tiles from edge to edge."""
    rows, cols = (_spread(length) for length in shape)
    return [Window(row, col, height, width) for row, height in rows for col, width in cols]


def _spread(length: int) -> list[tuple[int, int]]:
    if length <= TILES * TILE_PX:
        return [(0, length)]
    return [(round(k * (length - TILE_PX) / (TILES - 1)), TILE_PX) for k in range(TILES)]


def _orbits(listing: sentinel1.Sentinel1Listing, collection: str) -> dict[int, int]:
    """Relative orbits and how many scenes each has, sorted."""
    counts: dict[int, int] = {}
    for scene in listing.used:
        if scene.get(ORBIT) is None:
            raise ValueError(f"scene {scene.index} of {collection} does not say its relative orbit")
        counts[int(scene.get(ORBIT))] = counts.get(int(scene.get(ORBIT)), 0) + 1
    return dict(sorted(counts.items()))


def _pairs(both: ee.Image, names: Sequence[str], grid: GeoBox) -> list[Pair]:
    """The tiles that both saw, of Sentinel-2's bands and Sentinel-1's: a scene's outline may hold no pixel there."""
    pairs = []
    for window in tiles_of(grid.shape.yx):
        tile = _fetched(both, crop(grid, window), [*names, *sentinel1.POLARISATIONS])
        count = len(names)
        pair = _bands(tile, slice(count)), _bands(tile, slice(count, None))
        if all(raster.valid_BHW.all(axis=0).any() for raster in pair):
            pairs.append(pair)
    return pairs


def _fetched(image: ee.Image, geobox: GeoBox, bands: Sequence[str]) -> Raster:
    """A tile of any size, put together from requests."""
    windows = pixels.plan(geobox.shape.yx, channels(bands), side=_REQUEST_PX)
    values = np.zeros((len(bands), *geobox.shape), np.float32)
    valid = np.zeros(values.shape, bool)
    for tile_index, tile in pixels.stream(image, [crop(geobox, window) for window in windows], bands):
        at = (slice(None), *windows[tile_index].slices)
        values[at], valid[at] = tile.values_BHW, tile.valid_BHW
    return Raster(geobox, tuple(bands), values, valid)


def _bands(raster: Raster, selection: slice) -> Raster:
    return Raster(raster.geobox, raster.bands[selection], raster.values_BHW[selection], raster.valid_BHW[selection])


def _write_json(document: Mapping[str, Any], path: str | Path) -> None:
    write_whole(Path(path), (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
