"""Sentinel-1 composites: border mask, speckle filter, slopes flattened, mean in linear power, decibels last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gee_export.base.regions import BoundsWSEN, Period
from gee_export.coregistration.displacement import ANY_ORBIT, Displacement, displaced
from gee_export.datasets.manifest import DECIBEL_SCALE, Band
from gee_export.sentinel import backscatter_facts, border, multitemporal, scenes, speckle, terrain
from gee_export.sentinel.multitemporal import Stack
from gee_export.sentinel.scenes import Scene, Sensed
from gee_export.sentinel.speckle import SPECKLE
from gee_export.sentinel.terrain import GLO30

if TYPE_CHECKING:
    import ee

COLLECTION = "COPERNICUS/S1_GRD_FLOAT"
POLARISATIONS = ("VV", "VH")
PASSES = ("ASCENDING", "DESCENDING")
LAST_ORBIT = 175  # relative orbits are numbered from 1
_THETA = "theta"  # the incidence angle as flattening reads it: interpolated between the band's 20-km pixels


@dataclass(frozen=True)
class Radar:
    """How Sentinel-1 is composed.

    speckle, kernel_px: the filter (SPECKLE) and its window. dates: 0, each scene by itself, or the most dates of its
    relative orbit that a scene is filtered with. terrain: none (sigma nought), volume or direct (gamma nought);
    terrain_buffer_m: masked around layover and shadow; dem: heights (terrain.DEMS, or an image of the user's).
    orbit_pass: ASCENDING, DESCENDING or None for both; orbits: relative orbits, () for all. displacement: how far each
    orbit lies from Sentinel-2 (or its JSON), or None to leave scenes where they are. sentinel1: the collection, in
    linear power.
    """

    speckle: str = "lee"
    kernel_px: int = 7
    dates: int = 0
    terrain: str = "none"
    terrain_buffer_m: float = 0
    dem: str = GLO30
    orbit_pass: str | None = None
    orbits: tuple[int, ...] = ()
    displacement: Displacement | None = None
    sentinel1: str = COLLECTION

    def __post_init__(self) -> None:
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


def sensed(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> Sensed:
    """The composite of the box and period as `radar` says, decibels; info also holds why scenes were dropped."""
    scene_listing = listing(bounds_wsen, period, radar)
    reach, stacks = stacked(bounds_wsen, period, scene_listing, radar)
    if scene_listing.used and radar.terrain != "none" and not scene_listing.has_angle:
        raise ValueError(f"terrain {radar.terrain}: scenes of {radar.sentinel1} have no angle band, which it needs")
    images = usable(bounds_wsen, reach, radar)
    facts = backscatter_facts.facts(images, POLARISATIONS, bounds_wsen, radar) if scene_listing.used else {}
    clean = border.without_border(_prepared(images, facts, radar), reach, has_angle=scene_listing.has_angle)
    power = registered(flattened(despeckled(clean, radar, stacks), bounds_wsen, radar), scene_listing, radar)
    mean, count = scenes.reduced(power, POLARISATIONS, "mean")
    image = decibels(mean)
    packed = image.multiply(round(1 / DECIBEL_SCALE))
    scene_info = info(scene_listing, reach, radar, stacks) | ({"measured": facts} if facts else {})
    return Sensed(radar.bands, image, packed, count.rename("s1_count"), scene_listing.used, scene_info)


@dataclass(frozen=True)
class Listing:
    """The period's scenes: those used and, by reason, how many are not."""

    used: tuple[Scene, ...]
    dropped: dict[str, int]

    @property
    def has_angle(self) -> bool:
        return bool(self.used) and all("angle" in scene.bands for scene in self.used)


def listing(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> Listing:
    """The IW scenes with both polarisations on the requested orbits; the others are counted by their fault."""
    candidates = scenes.listed(scenes.collection(radar.sentinel1, bounds_wsen, period), period)
    reasons = [_fault_of(scene, radar) for scene in candidates]
    used = tuple(scene for scene, reason in zip(candidates, reasons, strict=True) if reason is None)
    return Listing(used, scenes.tally(reason for reason in reasons if reason is not None))


def usable(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> ee.ImageCollection:
    """The scenes that `listing` calls used, as a graph."""
    import ee

    tests = [ee.Filter.listContains("transmitterReceiverPolarisation", name) for name in POLARISATIONS]
    tests.append(ee.Filter.eq("instrumentMode", "IW"))
    if radar.orbit_pass:
        tests.append(ee.Filter.eq("orbitProperties_pass", radar.orbit_pass))
    if radar.orbits:
        tests.append(ee.Filter.inList(multitemporal.ORBIT, list(radar.orbits)))
    return scenes.collection(radar.sentinel1, bounds_wsen, period).filter(ee.Filter.And(*tests))


def stacked(
    bounds_wsen: BoundsWSEN, period: Period, scene_listing: Listing, radar: Radar
) -> tuple[Period, tuple[Stack, ...]]:
    """The days whose scenes are needed, and the stack of each pass; later days only where earlier ones are too few."""
    if not radar.dates or not scene_listing.used:
        return period, ()
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
        ).set(multitemporal.ORBIT, image.get(multitemporal.ORBIT))
    )


def registered(images: ee.ImageCollection, scene_listing: Listing, radar: Radar) -> ee.ImageCollection:
    """The scenes' VV and VH moved onto Sentinel-2, each as its orbit needs; or as they are."""
    if radar.displacement is None or not scene_listing.used:
        return images
    for scene in scene_listing.used:
        if scene.get(multitemporal.ORBIT) is None:
            raise ValueError(f"displacement: scene {scene.index} of {radar.sentinel1} does not say its relative orbit")
    return images.map(lambda image: displaced(image.select(list(POLARISATIONS)), radar.displacement))


def decibels(power: ee.Image) -> ee.Image:
    """10 log10(power), masked where power is not positive (its logarithm does not exist)."""
    return power.updateMask(power.gt(0)).log10().multiply(10)


def info(scene_listing: Listing, reach: Period, radar: Radar, stacks: Sequence[Stack] = ()) -> dict[str, Any]:
    """What the manifest says of the scenes and of what was done to them."""
    document = {
        "scenes": len(scene_listing.used),
        "passes": scenes.tally(scene.get("orbitProperties_pass") for scene in scene_listing.used),
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
    kinds = sorted({str(scene.get("backscatter") or "sigma0") for scene in scene_list})
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
    return images.map(lambda image: image.addBands(image.select(["angle"], [_THETA]).resample("bilinear")))


def _fault_of(scene: Scene, radar: Radar) -> str | None:
    if scene.get("instrumentMode") != "IW":
        return f"mode {scene.get('instrumentMode')}"
    missing = [name for name in POLARISATIONS if name not in (scene.get("transmitterReceiverPolarisation") or [])]
    if missing:
        return f"no {' '.join(missing)}"
    if radar.orbit_pass and scene.get("orbitProperties_pass") != radar.orbit_pass:
        return f"pass {scene.get('orbitProperties_pass')}"
    if radar.orbits and scene.get(multitemporal.ORBIT) not in radar.orbits:
        return f"relative orbit {scene.get(multitemporal.ORBIT)}"
    return None
