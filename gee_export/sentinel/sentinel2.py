"""Sentinel-2 composites: reflectance without clouds, the mean, median or best observation of a period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gee_export.base.regions import BoundsWSEN, Period
from gee_export.datasets.manifest import REFLECTANCE_SCALE, Band
from gee_export.sentinel import best_pixel, clouds, level, scenes
from gee_export.sentinel.clouds import CLOUDS, Clearness, CloudMask
from gee_export.sentinel.level import COLLECTIONS, L2A, LevelChoice
from gee_export.sentinel.scenes import Scene, Sensed

if TYPE_CHECKING:
    import ee

# metres of each reflectance band (catalog pages of S2_SR_HARMONIZED and S2_HARMONIZED)
BANDS_M = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B10": 60,
    "B11": 20, "B12": 20,
}  # fmt: skip
ONLY_L1C = ("B10",)
RESAMPLE = ("bilinear", "nearest", "bicubic")
# bands about the observations: how many clear ones there are, and the day they are of (see `_day`)
EXTRAS = {"count": Band("s2_observations", "count", 1.0), "day": Band("s2_day", "day", 1.0)}

Reduce = Callable[["ee.ImageCollection", Sequence[str]], tuple["ee.Image", "ee.Image"]]
REDUCERS: dict[str, Reduce] = {
    "mean": partial(scenes.reduced, reducer="mean"),
    "median": partial(scenes.reduced, reducer="median"),
    "best": best_pixel.best,
}


@dataclass(frozen=True)
class Optical(Clearness):
    """How Sentinel-2 is composed: which bands, which pixels count as clear, what is made of them.

    sentinel2: the L2A collection. level: auto, l2a or l1c (level.choose). resample: how 20-m and 60-m bands become
    10-m ones. extras: keys of EXTRAS, stored after the bands.
    """

    bands: tuple[str, ...] = ("B2", "B3", "B4", "B8")
    clouds: str = "cloud_score_plus"
    reducer: str = "mean"
    sentinel2: str = COLLECTIONS[L2A]
    level: str = "auto"
    resample: str = "bilinear"
    extras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        level.check(self.level, self.sentinel2)
        clouds.check(self.clouds)
        check_bands(self.bands, self.level)
        for option, value, choices in (("reducer", self.reducer, REDUCERS), ("resample", self.resample, RESAMPLE)):
            if value not in choices:
                raise ValueError(f"{option} {value!r}: expected one of {', '.join(choices)}")
        if set(self.extras) - EXTRAS.keys() or len(set(self.extras)) != len(self.extras):
            raise ValueError(f"extras {' '.join(self.extras)!r}: expected some of {', '.join(EXTRAS)}, each once")
        if self.level != "auto":
            clouds.check_level(self.clouds, self.level.upper())

    @property
    def stored(self) -> tuple[Band, ...]:
        """The bands as datasets store them: reflectance by 1e-4, then the extras."""
        reflectance = (Band(name, "reflectance", REFLECTANCE_SCALE) for name in self.bands)
        return (*reflectance, *(EXTRAS[name] for name in self.extras))

    @property
    def mask(self) -> CloudMask:
        return CLOUDS[self.clouds]

    def check_period(self, period: Period) -> None:
        """ValueError where the mask knows nothing of days of the period."""
        clouds.check_period(self.clouds, period)


def sensed(bounds_wsen: BoundsWSEN, period: Period, optical: Optical) -> Sensed:
    """The composite of the box and period as `optical` says, reflectance, with the extras.

    Packed reflectance is whole numbers' (x 10,000) mean, so rounding it half to even later is exact. ValueError where
    the mask cannot be had for the period or level.
    """
    optical.check_period(period)
    source = level.choose(optical.level, optical.sentinel2, bounds_wsen, period)
    clouds.check_level(optical.clouds, source.level)
    scene_listing = matched(source, bounds_wsen, period, optical.mask)
    images = clouds.linked(
        _without(scenes.collection(source.collection, bounds_wsen, period), scene_listing), optical.mask
    )
    packed, count = composite(images, period, optical, source.level)
    names = [band.name for band in optical.stored]
    if "count" in optical.extras:
        packed = packed.addBands(count.rename(EXTRAS["count"].name))
    packed = packed.select(names)
    image = packed.multiply([band.scale for band in optical.stored])
    return Sensed(
        optical.stored,
        image,
        packed,
        count.rename("s2_count"),
        scene_listing.used,
        info(scene_listing, period, optical),
        clear=None if optical.mask.clear is None else _any_clear(images, optical.mask.clear, optical, source.level),
    )


def pinned(bounds_wsen: BoundsWSEN, period: Period, optical: Optical) -> Optical:
    """The options with the level of the period's whole composite, for its single days, which might have another."""
    if optical.level != "auto":
        return optical
    choice = level.choose(optical.level, optical.sentinel2, bounds_wsen, period)
    return replace(optical, level=choice.level.lower())


@dataclass(frozen=True)
class Listing:
    """The period's scenes: those used, and how many have no partner in the cloud product (they are left out)."""

    source: LevelChoice
    used: tuple[Scene, ...]
    unmatched: tuple[str, ...]


def matched(source: LevelChoice, bounds_wsen: BoundsWSEN, period: Period, mask: CloudMask) -> Listing:
    """The scenes checked against the linked cloud product where the mask has one."""
    available = source.scenes
    for scene in available:
        if lacking := [name for name in mask.wants if scene.get(name) is None]:
            raise ValueError(f"scene {scene.index} has no {lacking[0]}, which its shadows need: choose another mask")
    if mask.product is None or not available:
        return Listing(source, available, ())
    partners = scenes.listed(scenes.collection(mask.product, bounds_wsen, period).select(mask.band), period)
    partner_indices = {scene.index for scene in partners}
    return Listing(
        source,
        tuple(scene for scene in available if scene.index in partner_indices),
        tuple(scene.index for scene in available if scene.index not in partner_indices),
    )


def _without(images: ee.ImageCollection, scene_listing: Listing) -> ee.ImageCollection:
    """The scenes that have a partner: linking the others would mask them in silence."""
    import ee

    if not scene_listing.unmatched:
        return images
    return images.filter(ee.Filter.inList("system:index", list(scene_listing.unmatched)).Not())


def composite(
    images: ee.ImageCollection, period: Period, optical: Optical, level_: str = L2A
) -> tuple[ee.Image, ee.Image]:
    """The bands as stored numbers (reflectance x 10,000) and the day where asked; and the number of clear pixels."""
    names = [*optical.bands, *(EXTRAS[name].name for name in optical.extras if name != "count")]
    ready = images.map(lambda image: observation(image, period, optical, level_))
    return REDUCERS[optical.reducer](ready, names)


def observation(image: ee.Image, period: Period, optical: Optical, level_: str) -> ee.Image:
    """A scene's clear pixels: its bands, and what extras and reducer need beside them.

    Interpolation comes first and the mask last: a mask set before would be looked at in the coarse bands' own grid,
    so that cloud edges would be 20 or 60 m wide and differ from band to band.
    """
    import ee

    bands = _at_ten_metres(image, optical)
    beside = []
    if "day" in optical.extras:
        beside.append(_day(image, period))
    if optical.reducer == "best":
        beside.append(best_pixel.score(image, optical.mask.score(image, optical, level_), period))
    if beside:
        seen = bands.select(0).mask()
        bands = bands.addBands(ee.Image([band.updateMask(seen) for band in beside]))
    return bands if optical.mask.clear is None else bands.updateMask(optical.mask.clear(image, optical, level_))


def _any_clear(images: ee.ImageCollection, clear: clouds.Graph, optical: Optical, level_: str) -> ee.Image:
    """Where the mask lets some scene through; the mask's own bands are read and no other."""
    return images.map(lambda image: clear(image, optical, level_)).max().unmask(0, False)


def _day(image: ee.Image, period: Period) -> ee.Image:
    """Days since the year of the period's first day began, 1 January being day 1 (so winters go on after 365)."""
    import ee

    january = ee.Date(f"{period.start.year}-01-01")
    day = image.date().difference(january, "day").floor().add(1)
    return ee.Image.constant(day).toFloat().rename(EXTRAS["day"].name)


def _at_ten_metres(image: ee.Image, optical: Optical) -> ee.Image:
    """The bands in order; those of 20 and 60 m resampled (set on the input: after compositing it has no effect)."""
    bands = list(optical.bands)
    coarse = [band for band in bands if BANDS_M[band] > 10]
    if not coarse or optical.resample == "nearest":
        return image.select(bands)
    fine = [band for band in bands if BANDS_M[band] == 10]
    smooth = image.select(coarse).resample(optical.resample)
    return (image.select(fine).addBands(smooth) if fine else smooth).select(bands)


def check_bands(bands: Sequence[str], asked_level: str = "auto") -> None:
    """ValueError for bands that Sentinel-2 of the level does not have, and for repeated ones."""
    valid_names = [name for name in BANDS_M if asked_level == "l1c" or name not in ONLY_L1C]
    unknown = [band for band in bands if band not in valid_names]
    if unknown:
        raise ValueError(f"Sentinel-2 has no band {', '.join(unknown)}: expected some of {', '.join(valid_names)}")
    if not bands or len(set(bands)) != len(bands):
        raise ValueError(f"bands {' '.join(bands)!r}: name at least one Sentinel-2 band, each once")


def info(scene_listing: Listing, period: Period, optical: Optical) -> dict[str, Any]:
    """What the manifest says of the scenes."""
    facts = {
        "level": scene_listing.source.level,
        "collection": scene_listing.source.collection,
        "scenes": len(scene_listing.used),
        "tiles": scenes.tally(scene.get("MGRS_TILE") for scene in scene_listing.used),
        "clouds": optical.mask.words(optical),
        "cloud_product": optical.mask.product,
        "without_cloud_product": list(scene_listing.unmatched),
        "ids": [scene.index for scene in scene_listing.used],
    }
    if scene_listing.source.acquisitions:
        facts["acquisitions"] = dict(scene_listing.source.acquisitions)
    if optical.reducer == "best":
        facts["ranked_by"] = optical.mask.ranked_by
    if "day" in optical.extras:
        facts["day_1"] = f"{period.start.year}-01-01"
    return facts
