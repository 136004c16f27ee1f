"""One image of a region and period: Sentinel-2 reflectance, Sentinel-1 backscatter and the label, on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from gee_export import clouds, labels, scenes, sentinel1, sentinel2, speckle
from gee_export.manifest import DECIBEL_SCALE, REFLECTANCE_SCALE, Band
from gee_export.regions import SENTINEL2_L2A_GLOBAL, SENTINEL2_L2A_START, BoundsWSEN, Period, Region

if TYPE_CHECKING:
    import ee


@dataclass(frozen=True)
class Settings:
    """How a composite is made. `bands` are Sentinel-2's; VV and VH follow them."""

    bands: tuple[str, ...] = ("B2", "B3", "B4", "B8")
    speckle: str = "lee"
    kernel_px: int = 7
    clouds: str = "cloud_score_plus"
    reducer: str = "mean"
    sentinel1: str = sentinel1.COLLECTION
    sentinel2: str = sentinel2.COLLECTION
    terrain: str = "none"

    def __post_init__(self) -> None:
        sentinel2.check_bands(self.bands)
        speckle.check(self.speckle, self.kernel_px)
        clouds.check(self.clouds)
        if self.reducer not in sentinel2.REDUCERS:
            raise ValueError(f"reducer {self.reducer!r}: expected one of {', '.join(sentinel2.REDUCERS)}")
        if self.sentinel1.endswith("/S1_GRD"):
            raise ValueError(
                f"Sentinel-1 collection {self.sentinel1}: holds decibels, whose mean is not the mean power; "
                f"expected linear power, {sentinel1.COLLECTION}"
            )
        if self.terrain != "none":
            raise ValueError(f"terrain {self.terrain!r}: expected none (slopes are not flattened)")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as manifests and checkpoints hold it."""
        return asdict(self) | {"bands": list(self.bands)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Settings:
        """From `to_json`; ValueError naming settings that this version does not know."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(document.keys() - known)
        if unknown:
            raise ValueError(
                f"composite settings {', '.join(unknown)} are unknown: expected {', '.join(sorted(known))}"
            )
        return cls(**{**document, "bands": tuple(document.get("bands", cls.bands))})

    @property
    def stored_bands(self) -> tuple[Band, ...]:
        """The bands as datasets store them: reflectance by 1e-4, decibels by 0.01."""
        optical = tuple(Band(name, "reflectance", REFLECTANCE_SCALE) for name in self.bands)
        return optical + tuple(Band(name, "dB", DECIBEL_SCALE) for name in sentinel1.POLARISATIONS)


@dataclass(frozen=True)
class Composite:
    """A lazy image and what it is made of.

    image: bands in physical units (reflectance, dB) and, where asked, `label`. packed: the same bands in stored
    numbers (reflectance x 1e4, dB x 100) as float, not rounded; Sentinel-2's are the means of whole numbers, so
    rounding them half to even later is exact. counts: clear observations per pixel, bands s2_count and s1_count.
    """

    image: ee.Image
    packed: ee.Image
    counts: ee.Image
    bands: tuple[str, ...]
    label: str | None
    scenes: Mapping[str, tuple[str, ...]]
    info: Mapping[str, Any]
    backscatter: str
    simulated: bool


def build(region: Region, period: Period, settings: Settings, label: str = "none") -> Composite:
    """The composite of a region and period; ValueError naming both where a sensor has no scene."""
    labels.check(label)
    box = region.bounds_wsen
    optical = sentinel2.listing(box, period, cloud_mask=settings.clouds, collection_id=settings.sentinel2)
    radar = sentinel1.listing(box, period, settings.sentinel1)
    _check_scenes(region, period, optical, radar)
    s2, s2_count = _optical(box, period, settings)
    s1, s1_count = _radar(box, period, settings, radar)
    truth = [] if label == "none" else [labels.image(labels.LABELS[label], period.start.year, box)]
    physical = s2.multiply(REFLECTANCE_SCALE).addBands(s1)
    packed = s2.addBands(s1.multiply(round(1 / DECIBEL_SCALE)))
    for band in truth:
        physical, packed = physical.addBands(band), packed.addBands(band)
    return Composite(
        image=physical,
        packed=packed,
        counts=s2_count.addBands(s1_count),
        bands=tuple(band.name for band in settings.stored_bands),
        label=None if label == "none" else label,
        scenes={
            "sentinel2": tuple(scene.index for scene in optical.used),
            "sentinel1": tuple(scene.index for scene in radar.used),
        },
        info={"sentinel2": sentinel2.info(optical, settings.clouds), "sentinel1": sentinel1.info(radar)},
        backscatter=sentinel1.backscatter(radar.used),
        simulated=any(scene.get("simulated") for scene in (*optical.used, *radar.used)),
    )


def _optical(box: BoundsWSEN, period: Period, settings: Settings) -> tuple[ee.Image, ee.Image]:
    found = scenes.collection(settings.sentinel2, box, period)
    clear = clouds.CLOUDS[settings.clouds](found)
    image, count = sentinel2.composite(clear, bands=settings.bands, reducer=settings.reducer)
    return image, count.rename("s2_count")


def _radar(box: BoundsWSEN, period: Period, settings: Settings, found: sentinel1.Listing) -> tuple[ee.Image, ee.Image]:
    collection = sentinel1.without_border(
        sentinel1.usable(box, period, settings.sentinel1), period, has_angle=found.has_angle
    )
    power, count = sentinel1.mean_power(collection, speckle=settings.speckle, kernel_px=settings.kernel_px)
    return sentinel1.decibels(power), count.rename("s1_count")


def _check_scenes(region: Region, period: Period, optical: sentinel2.Listing, radar: sentinel1.Listing) -> None:
    if optical.used and radar.used:
        return
    found = [f"Sentinel-2 {len(optical.used)} scenes", f"Sentinel-1 {len(radar.used)} scenes"]
    if optical.unmatched:
        found[0] += f" ({len(optical.unmatched)} more have no Cloud Score+ partner: try --clouds scl)"
    if radar.dropped:
        found[1] += f" ({', '.join(f'{n} dropped: {why}' for why, n in radar.dropped.items())})"
    hint = "choose another month or a longer --period"
    if period.end <= SENTINEL2_L2A_START:
        hint = f"Sentinel-2 L2A begins {SENTINEL2_L2A_START}, choose a later month"
    elif not optical.used and period.end <= SENTINEL2_L2A_GLOBAL:
        hint = "of 2017 and 2018 Earth Engine holds Sentinel-2 L2A for parts of the world only, choose 2019 or later"
    raise ValueError(f"region {region.name!r} cannot be composed for {period}: found {' and '.join(found)}; {hint}")
