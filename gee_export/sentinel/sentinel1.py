"""Sentinel-1 composites: no power of 0, border mask, speckle filter, slopes flattened, mean in linear power, decibels
last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.regions import BoundsWSEN, Period
from isamap.gee_export.coregistration.displacement import ANY_ORBIT, Displacement, displaced
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION
from isamap.gee_export.datasets.manifest import DECIBEL_SCALE, Band
from isamap.gee_export.sentinel import (
    backscatter_facts,
    border,
    multitemporal,
    provenance,
    scenes,
    speckle,
    terrain,
    time_series,
)
from isamap.gee_export.sentinel.multitemporal import Stack
from isamap.gee_export.sentinel.scenes import Scene, Sensed
from isamap.gee_export.sentinel.speckle import SPECKLE
from isamap.gee_export.sentinel.statistics import MONTHLY, Group, Statistics, joined
from isamap.gee_export.sentinel.statistics import PASSES as PASSES_OF
from isamap.gee_export.sentinel.terrain import GLO30

if TYPE_CHECKING:
    import ee

COLLECTION = "COPERNICUS/S1_GRD_FLOAT"
POLARISATIONS = ("VV", "VH")
PASSES = ("ASCENDING", "DESCENDING")
RESOLUTION, STEP_M = "resolution_meters", 10  # a scene of IW has 10 m, or rarely 40 (catalog page COPERNICUS_S1_GRD)
LAST_ORBIT = 175  # relative orbits are numbered from 1
OF_ARCHIVES = f"{provenance.PREFIX}backscatter"  # what scenes of the public archives hold
PASS = "orbitProperties_pass"
KEPT = [PASS, multitemporal.ORBIT, multitemporal.TIME]  # of scenes, by what is done to them
# A whole number: decibels times 0.01's reciprocal would carry its rounding into every pixel.
_STORED = round(1 / DECIBEL_SCALE)
_THETA = "theta"  # the incidence angle as flattening reads it: interpolated between the band's 20-km pixels


@dataclass(frozen=True)
class Radar:
    """How Sentinel-1 is composed.

    speckle, kernel_px: the filter (SPECKLE) and its window. dates: 0, each scene by itself, or the most dates of its
    relative orbit that a scene is filtered with. terrain: none (sigma nought), volume or direct (gamma nought);
    terrain_buffer_m: masked around layover and shadow; dem: heights (terrain.DEMS, or an image of the user's).
    orbit_pass: ASCENDING, DESCENDING or None for both; orbits: relative orbits, () for all. displacement: how far each
    orbit lies from Sentinel-2 (or its JSON), or None to leave scenes where they are. sentinel1: the collection, in
    linear power. composite_version: composite_rules.COMPOSITE_VERSION.
    """

    # Nearly a boxcar's looks (37 of 42) with less than half of its blur (docs/sentinel1.md, measured 2026-11-21).
    speckle: str = "lee"
    kernel_px: int = 7
    dates: int = 0
    # Off: flattening brightens level ground by 0.6 to 1.5 dB, so that networks of sigma nought refuse it
    # (docs/sentinel1.md).
    terrain: str = "none"
    terrain_buffer_m: float = 0
    dem: str = GLO30
    orbit_pass: str | None = None
    orbits: tuple[int, ...] = ()
    displacement: Displacement | None = None
    sentinel1: str = COLLECTION
    composite_version: int = COMPOSITE_VERSION

    def __post_init__(self) -> None:
        scenes.check_version(self.composite_version)
        speckle.check(self.speckle, self.kernel_px)
        multitemporal.check(self.dates)
        terrain.check(self.terrain, self.terrain_buffer_m)
        self._check_stack()
        self._check_orbits()
        if isinstance(self.displacement, Mapping):
            object.__setattr__(self, "displacement", Displacement.from_json(self.displacement))
        if self.sentinel1.endswith("/S1_GRD"):
            raise ValueError(
                f"Sentinel-1 collection {self.sentinel1}: holds decibels, whose mean is not the mean power; "
                f"expected linear power, {COLLECTION}"
            )

    def _check_stack(self) -> None:
        if self.dates and self.speckle == "none":
            raise ValueError(f"a stack of {self.dates} dates needs a speckle filter: without one it changes nothing")
        if self.terrain_buffer_m and self.terrain == "none":
            raise ValueError(f"terrain buffer of {self.terrain_buffer_m} m: without --terrain nothing is masked")

    def _check_orbits(self) -> None:
        if self.orbit_pass not in (None, *PASSES):
            raise ValueError(f"orbit pass {self.orbit_pass!r}: expected {' or '.join(PASSES)}")
        for orbit in self.orbits:
            if not (isinstance(orbit, int) and 1 <= orbit <= LAST_ORBIT):
                raise ValueError(f"relative orbit {orbit}: expected 1 to {LAST_ORBIT}")

    @property
    def bands(self) -> tuple[Band, ...]:
        """VV and VH as datasets store them: decibels by 0.01."""
        return tuple(Band(name, "dB", DECIBEL_SCALE) for name in POLARISATIONS)


def sensed(bounds_wsen: BoundsWSEN, period: Period, radar: Radar, statistics: Statistics = MONTHLY) -> Sensed:
    """The composite of the box and period as `radar` says, decibels, or a year's statistics; info also holds why
    scenes were dropped.
    """
    # Listed before anything is composed, so that what is missing is a sentence and no server's refusal.
    scene_listing = listing(bounds_wsen, period, radar)
    reach, stacks = stacked(bounds_wsen, period, scene_listing, radar)
    if scene_listing.used and radar.terrain != "none" and not scene_listing.has_angle:
        raise ValueError(f"terrain {radar.terrain}: scenes of {radar.sentinel1} have no angle band, which it needs")
    # Before all else: a fill of 0 would enter percentiles, windows and means.
    images = measured(usable(bounds_wsen, reach, radar), radar)
    facts = backscatter_facts.facts(images, POLARISATIONS, bounds_wsen, radar) if scene_listing.used else {}
    # In this order: border noise would enter the filter's windows, and slopes would change the speckle's statistics.
    clean = border.without_border(_prepared(images, facts, radar), reach, has_angle=scene_listing.has_angle)
    power = registered(flattened(despeckled(clean, radar, stacks), bounds_wsen, radar), scene_listing, radar)
    if statistics.of_year:
        bands = statistics.radar_bands(POLARISATIONS)
        packed, count = of_year(power, period, statistics)
        packed = packed.select([band.name for band in bands])
        image = packed.multiply([band.scale for band in bands])
    else:
        bands = radar.bands
        # Of power, and decibels last: the mean of decibels is not the decibel of the mean.
        mean, count = scenes.reduced(power, POLARISATIONS, "mean")
        image = decibels(mean)
        packed = image.multiply(_STORED)
    scene_info = info(scene_listing, bounds_wsen, reach, radar, stacks) | ({"measured": facts} if facts else {})
    return Sensed(bands, image, packed, count.rename("s1_count"), scene_listing.used, scene_info)


def of_year(power: ee.ImageCollection, period: Period, statistics: Statistics) -> tuple[ee.Image, ee.Image]:
    """The statistics of the dates' decibels in stored numbers, and the number of dates.

    The mean is of power, as a month's is: the mean of decibels is not the decibel of the mean.
    """
    import ee

    dates = power.map(_positive)

    def make(group: Group) -> tuple[ee.Image, ee.Image]:
        pass_, season = group
        own = dates if pass_ is None else dates.filter(ee.Filter.eq(PASS, PASSES_OF[pass_]))
        own = time_series.in_season(own, season)
        series = own.map(lambda image: ee.Image(decibels(image).multiply(_STORED).copyProperties(image, KEPT)))
        image, count = time_series.summarised(series, POLARISATIONS, group, period, statistics)
        if "mean" in statistics.statistics:
            names = [joined(name, *group, "mean") for name in POLARISATIONS]
            mean = decibels(own.mean()).multiply(_STORED).updateMask(time_series.enough(count, statistics))
            image = image.addBands(mean.select(list(POLARISATIONS), names).toFloat(), None, True)
        return image, count

    return time_series.by_group(statistics, "s1", statistics.radar_groups, make)


def _positive(image: ee.Image) -> ee.Image:
    """A scene where both polarisations have a logarithm."""
    power = image.select(list(POLARISATIONS))
    return time_series.whole(power.updateMask(power.gt(0))).copyProperties(image, KEPT)


@dataclass(frozen=True)
class Sentinel1Listing:
    """The period's scenes: those used and, by reason, how many are not."""

    used: tuple[Scene, ...]
    dropped: dict[str, int]

    @property
    def has_angle(self) -> bool:
        return bool(self.used) and all("angle" in scene.bands for scene in self.used)


def listing(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> Sentinel1Listing:
    """The IW scenes with both polarisations on the requested orbits; the others are counted by their fault."""
    candidates = scenes.listed(scenes.collection(radar.sentinel1, bounds_wsen, period), period)
    reasons = [_fault_of(scene, radar) for scene in candidates]
    used = tuple(scene for scene, reason in zip(candidates, reasons, strict=True) if reason is None)
    return Sentinel1Listing(used, scenes.tally(reason for reason in reasons if reason is not None))


def usable(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> ee.ImageCollection:
    """The scenes that `listing` calls used, as a graph."""
    import ee

    tests = [ee.Filter.listContains("transmitterReceiverPolarisation", name) for name in POLARISATIONS]
    # One composite needs scenes of one mode (docs/reference/earth-engine.md, "Sentinel-1").
    tests.append(ee.Filter.eq("instrumentMode", "IW"))
    if radar.orbit_pass:
        tests.append(ee.Filter.eq(PASS, radar.orbit_pass))
    if radar.orbits:
        tests.append(ee.Filter.inList(multitemporal.ORBIT, list(radar.orbits)))
    if radar.composite_version >= 2:
        # Scenes that do not say their resolution stay: those of folders have no such property.
        tests.append(ee.Filter.Or(ee.Filter.eq(RESOLUTION, STEP_M), ee.Filter.notNull([RESOLUTION]).Not()))
    return scenes.collection(radar.sentinel1, bounds_wsen, period).filter(ee.Filter.And(*tests))


def measured(images: ee.ImageCollection, radar: Radar) -> ee.ImageCollection:
    """The scenes, each polarisation without pixels of power 0 or less: no ground scatters nothing, so they are fill.

    Scenes of a folder or an archive may hold such fringes and gaps without a word of no data; composites of version 1
    and 2 keep them.
    """
    if radar.composite_version < 3:
        return images

    def lit(image: ee.Image) -> ee.Image:
        power = image.select(list(POLARISATIONS))
        return image.addBands(power.updateMask(power.gt(0)), None, True)

    return images.map(lit)


def stacked(
    bounds_wsen: BoundsWSEN, period: Period, scene_listing: Sentinel1Listing, radar: Radar
) -> tuple[Period, tuple[Stack, ...]]:
    """The days whose scenes are needed, and the stack of each pass; later days only where earlier ones are too few."""
    if not radar.dates or not scene_listing.used:
        return period, ()
    # Earlier dates alone where they are enough: a map of last month must not wait for the next one.
    for reach in (multitemporal.before(period, radar.dates), multitemporal.after(period, radar.dates)):
        available = listing(bounds_wsen, reach, radar).used
        stacks = multitemporal.stacks(scene_listing.used, available, radar.dates)
        if all(stack.dates == radar.dates for stack in stacks):
            break
    return reach, stacks


def despeckled(images: ee.ImageCollection, radar: Radar, stacks: Sequence[Stack] = ()) -> ee.ImageCollection:
    """The scenes with VV and VH filtered, each by itself or over its stack.

    Each scene is filtered before the mean, so that the filter sees the speckle it was made for.
    """
    despeckling = SPECKLE[radar.speckle]

    def despeckle(power: ee.Image) -> ee.Image:
        return despeckling.apply(power, radar.kernel_px)

    if stacks:
        return multitemporal.filtered(images, POLARISATIONS, despeckle, stacks)
    return images.map(lambda image: image.addBands(despeckle(image.select(list(POLARISATIONS))), None, True))


def flattened(images: ee.ImageCollection, bounds_wsen: BoundsWSEN, radar: Radar) -> ee.ImageCollection:
    """The scenes' VV and VH as gamma nought without slopes, or as they are."""
    if radar.terrain == "none":
        return images
    import ee

    heights = terrain.elevation(radar.dem, ee.Geometry.BBox(*bounds_wsen))
    flat = terrain.flattening(radar.terrain, heights, radar.terrain_buffer_m)
    return images.map(
        lambda image: flat(
            image.select(list(POLARISATIONS)), image.select(_THETA), image.getNumber(terrain.TOWARD)
        ).copyProperties(image, KEPT)
    )


def registered(images: ee.ImageCollection, scene_listing: Sentinel1Listing, radar: Radar) -> ee.ImageCollection:
    """The scenes' VV and VH moved onto Sentinel-2, each as its orbit needs; or as they are."""
    if radar.displacement is None or not scene_listing.used:
        return images
    for scene in scene_listing.used:
        if scene.get(multitemporal.ORBIT) is None:
            raise ValueError(f"displacement: scene {scene.index} of {radar.sentinel1} does not say its relative orbit")
    return images.map(
        lambda image: displaced(image.select(list(POLARISATIONS)), radar.displacement).copyProperties(image, KEPT)
    )


def decibels(power: ee.Image) -> ee.Image:
    """10 log10(power), masked where power is not positive (its logarithm does not exist)."""
    return power.updateMask(power.gt(0)).log10().multiply(10)


def info(
    scene_listing: Sentinel1Listing,
    bounds_wsen: BoundsWSEN,
    reach: Period,
    radar: Radar,
    stacks: Sequence[Stack] = (),
) -> dict[str, Any]:
    """What the manifest says of the scenes and of what was done to them."""
    document = {
        "scenes": len(scene_listing.used),
        "passes": scenes.tally(scene.get(PASS) for scene in scene_listing.used),
        "relative_orbits": scenes.tally(scene.get(multitemporal.ORBIT) for scene in scene_listing.used),
        "dropped": scene_listing.dropped,
        "border_mask": border.said(reach, has_angle=scene_listing.has_angle),
        "speckle": radar.speckle
        if radar.speckle == "none"
        else f"{radar.speckle} {radar.kernel_px} x {radar.kernel_px}",
        "terrain": radar.terrain,
        "backscatter": backscatter(scene_listing.used, radar),
        "ids": [scene.index for scene in scene_listing.used],
    }
    document |= provenance.of_archives(scene_listing.used)
    document |= provenance.left_out(radar.sentinel1, reach, bounds_wsen)
    if stacks:
        document["dates"] = scenes.tally(stack.dates for stack in stacks)  # of stacks, how many have so many dates
        document["stacks_from"], document["stacks_to"] = str(reach.start), str(reach.end)
    if radar.displacement is not None:
        moved = set(radar.displacement.orbits)
        document["registered"] = sum(
            1 for scene in scene_listing.used if scene.get(multitemporal.ORBIT) in moved or ANY_ORBIT in moved
        )
    if radar.terrain != "none":
        document["dem"], document["terrain_buffer_m"] = radar.dem, radar.terrain_buffer_m
    return document


def backscatter(scene_list: Sequence[Scene], radar: Radar) -> str:
    """sigma0 (what Earth Engine's scenes hold) or gamma0: where slopes are flattened, or scenes of a folder say so.

    ValueError for a mix, and for scenes to be flattened that are gamma0 already.
    """
    kinds = sorted({str(scene.get("backscatter") or scene.get(OF_ARCHIVES) or "sigma0") for scene in scene_list})
    if len(kinds) > 1:
        raise ValueError(f"Sentinel-1 scenes hold {' and '.join(kinds)}: one composite needs one kind of backscatter")
    calibration = kinds[0] if kinds else "sigma0"
    if radar.terrain == "none":
        return calibration
    if calibration != "sigma0":
        raise ValueError(f"Sentinel-1 scenes hold {calibration}: terrain flattening begins with sigma0")
    return "gamma0"


def _prepared(images: ee.ImageCollection, facts: dict[str, dict[str, float]], radar: Radar) -> ee.ImageCollection:
    """The scenes with what was measured of them as properties; with the interpolated angle where it is needed."""
    if facts:
        images = backscatter_facts.told(images, facts)
    if radar.terrain == "none":
        return images
    return images.map(lambda image: image.addBands(_theta(image, radar)))


def _theta(image: ee.Image, radar: Radar) -> ee.Image:
    """The incidence angle, interpolated between the band's 20-km pixels; at the slice's rim that of the nearest one.

    There one of the four neighbours is missing, where Earth Engine may mask the interpolation (not documented): a
    strip of 10 km along every slice would be lost. The nearest pixel is half a pixel off, at most 0.7 degrees.
    """
    angle = image.select(["angle"], [_THETA])
    smooth = angle.resample("bilinear")
    return smooth if radar.composite_version < 2 else angle.blend(smooth)


def _fault_of(scene: Scene, radar: Radar) -> str | None:
    if scene.get("instrumentMode") != "IW":
        return f"mode {scene.get('instrumentMode')}"
    missing = [name for name in POLARISATIONS if name not in (scene.get("transmitterReceiverPolarisation") or [])]
    if missing:
        return f"no {' '.join(missing)}"
    if radar.composite_version >= 2 and (scene.get(RESOLUTION) or STEP_M) != STEP_M:
        return f"{scene.get(RESOLUTION):g} m"
    if radar.orbit_pass and scene.get(PASS) != radar.orbit_pass:
        return f"pass {scene.get('orbitProperties_pass')}"
    if radar.orbits and scene.get(multitemporal.ORBIT) not in radar.orbits:
        return f"relative orbit {scene.get(multitemporal.ORBIT)}"
    return None
