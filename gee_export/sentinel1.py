"""Sentinel-1 composites: border mask, speckle filter, mean in linear power, decibels last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gee_export import scenes, speckle
from gee_export.manifest import DECIBEL_SCALE, Band
from gee_export.regions import BoundsWSEN, Period
from gee_export.scenes import Scene, Sensed
from gee_export.speckle import SPECKLE

if TYPE_CHECKING:
    import ee

COLLECTION = "COPERNICUS/S1_GRD_FLOAT"
POLARISATIONS = ("VV", "VH")
ANGLE_DEG = (30.63993, 45.23993)  # incidence outside is border noise (earth-engine.md section 2.2, equation 1)
# Earth Engine removes border noise itself only from scenes since this day (S1_GRD catalog page)
BORDER_CLEANED = datetime(2018, 1, 12, tzinfo=UTC)
EDGE_POWER = 1e-3  # -30 dB, the catalog page's own threshold for scene edges
EDGE_WINDOW_PX = 7  # the threshold is applied to a mean, so that speckle on calm water is not taken for an edge


@dataclass(frozen=True)
class Radar:
    """How Sentinel-1 is composed. sentinel1: the collection, in linear power."""

    speckle: str = "lee"
    kernel_px: int = 7
    sentinel1: str = COLLECTION
    terrain: str = "none"

    def __post_init__(self) -> None:
        speckle.check(self.speckle, self.kernel_px)
        if self.sentinel1.endswith("/S1_GRD"):
            raise ValueError(
                f"Sentinel-1 collection {self.sentinel1}: holds decibels, whose mean is not the mean power; "
                f"expected linear power, {COLLECTION}"
            )
        if self.terrain != "none":
            raise ValueError(f"terrain {self.terrain!r}: expected none (slopes are not flattened)")

    @property
    def bands(self) -> tuple[Band, ...]:
        """VV and VH as datasets store them: decibels by 0.01."""
        return tuple(Band(name, "dB", DECIBEL_SCALE) for name in POLARISATIONS)


def sensed(bounds_wsen: BoundsWSEN, period: Period, radar: Radar) -> Sensed:
    """The composite of the box and period as `radar` says, decibels; info also holds why scenes were dropped."""
    found = listing(bounds_wsen, period, radar.sentinel1)
    clean = without_border(usable(bounds_wsen, period, radar.sentinel1), period, has_angle=found.has_angle)
    power, count = mean_power(clean, speckle=radar.speckle, kernel_px=radar.kernel_px)
    image = decibels(power)
    packed = image.multiply(round(1 / DECIBEL_SCALE))
    return Sensed(radar.bands, image, packed, count.rename("s1_count"), found.used, info(found))


@dataclass(frozen=True)
class Listing:
    """The period's scenes: those used and, by reason, how many are not."""

    used: tuple[Scene, ...]
    dropped: dict[str, int]

    @property
    def has_angle(self) -> bool:
        return bool(self.used) and all("angle" in scene.bands for scene in self.used)


def listing(bounds_wsen: BoundsWSEN, period: Period, collection_id: str = COLLECTION) -> Listing:
    """The IW scenes with both polarisations; the others are counted by what they lack."""
    found = scenes.listed(scenes.collection(collection_id, bounds_wsen, period))
    reasons = [_fault_of(scene) for scene in found]
    used = tuple(scene for scene, reason in zip(found, reasons, strict=True) if reason is None)
    return Listing(used, scenes.tally(reason for reason in reasons if reason is not None))


def mean_power(collection: ee.ImageCollection, *, speckle: str, kernel_px: int) -> tuple[ee.Image, ee.Image]:
    """VV and VH in linear power: the mean over speckle-filtered scenes; and how many there are per pixel.

    The mean is taken of power because the mean of decibels is not the decibel of the mean (guide "Sentinel-1
    algorithms"); each scene is filtered by itself so that the filter sees the speckle it was made for.
    """
    despeckle = SPECKLE[speckle]
    return scenes.reduced(collection.map(lambda image: despeckle(image, kernel_px)), POLARISATIONS, "mean")


def decibels(power: ee.Image) -> ee.Image:
    """10 log10(power), masked where power is not positive (its logarithm does not exist)."""
    return power.updateMask(power.gt(0)).log10().multiply(10)


def usable(bounds_wsen: BoundsWSEN, period: Period, collection_id: str = COLLECTION) -> ee.ImageCollection:
    """The scenes that `listing` calls used, as a graph."""
    import ee

    both = [ee.Filter.listContains("transmitterReceiverPolarisation", name) for name in POLARISATIONS]
    found = scenes.collection(collection_id, bounds_wsen, period)
    return found.filter(ee.Filter.eq("instrumentMode", "IW")).filter(ee.Filter.And(*both))


def info(found: Listing) -> dict[str, Any]:
    """What the manifest says of the scenes."""
    return {
        "scenes": len(found.used),
        "passes": scenes.tally(scene.get("orbitProperties_pass") for scene in found.used),
        "relative_orbits": scenes.tally(scene.get("relativeOrbitNumber_start") for scene in found.used),
        "dropped": found.dropped,
        "border_mask": f"angle {ANGLE_DEG[0]}..{ANGLE_DEG[1]} deg" if found.has_angle else "none: no angle band",
        "ids": [scene.index for scene in found.used],
    }


def backscatter(found: Sequence[Scene]) -> str:
    """sigma0 (what Earth Engine's scenes hold) or, where scenes of a folder say so, gamma0; ValueError for a mix."""
    kinds = sorted({str(scene.get("backscatter") or "sigma0") for scene in found})
    if len(kinds) > 1:
        raise ValueError(f"Sentinel-1 scenes hold {' and '.join(kinds)}: one composite needs one kind of backscatter")
    return kinds[0] if kinds else "sigma0"


def _fault_of(scene: Scene) -> str | None:
    if scene.get("instrumentMode") != "IW":
        return f"mode {scene.get('instrumentMode')}"
    missing = [name for name in POLARISATIONS if name not in (scene.get("transmitterReceiverPolarisation") or [])]
    return f"no {' '.join(missing)}" if missing else None


def without_border(collection: ee.ImageCollection, period: Period, *, has_angle: bool) -> ee.ImageCollection:
    """VV and VH of every scene without its noisy border; scenes of a folder may lack the angle band."""
    cutoff_ms = int(BORDER_CLEANED.timestamp() * 1000)
    if period.start_ms < cutoff_ms:
        early = collection.filterDate(period.start_ms, min(cutoff_ms, period.end_ms)).map(_without_edge)
        later = period.end_ms > cutoff_ms
        collection = early.merge(collection.filterDate(cutoff_ms, period.end_ms)) if later else early
    return collection.map(_steep_enough if has_angle else lambda image: image.select(list(POLARISATIONS)))


def _steep_enough(image: ee.Image) -> ee.Image:
    angle_deg = image.select("angle")
    inside = angle_deg.gt(ANGLE_DEG[0]).And(angle_deg.lt(ANGLE_DEG[1]))
    return image.select(list(POLARISATIONS)).updateMask(inside)


def _without_edge(image: ee.Image) -> ee.Image:
    import ee

    kernel = ee.Kernel.square(EDGE_WINDOW_PX // 2, "pixels")
    return image.updateMask(image.select("VV").reduceNeighborhood(ee.Reducer.mean(), kernel).gte(EDGE_POWER))
