"""Sentinel-2 composites: reflectance without clouds, the mean, median or best observation of a period."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.regions import BoundsWSEN, Period
from isamap.gee_export.datasets.composite_rules import COMPOSITE_VERSION
from isamap.gee_export.datasets.manifest import REFLECTANCE_SCALE, Band
from isamap.gee_export.sentinel import best_pixel, clouds, level, provenance, scenes, time_series
from isamap.gee_export.sentinel.clouds import CLOUDS, Clearness, CloudMask
from isamap.gee_export.sentinel.level import COLLECTIONS, L2A, LevelChoice
from isamap.gee_export.sentinel.scenes import Scene, Sensed
from isamap.gee_export.sentinel.statistics import MONTHLY, Statistics

if TYPE_CHECKING:
    import ee

# metres of each reflectance band (catalog pages of S2_SR_HARMONIZED and S2_HARMONIZED)
BANDS_M = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B10": 60,
    "B11": 20, "B12": 20,
}  # fmt: skip
# Cirrus: nearly no light of the ground comes through there, so surface reflectance has no such band.
ONLY_L1C = ("B10",)
# The two by which the catalog's sample trims (`_trimmed`).
EDGE_BANDS = ("B8A", "B9")
# An index is YYYYMMDDTHHMMSS_YYYYMMDDTHHMMSS_Txxxxx: sensed, generated, tile (docs/reference/earth-engine.md).
SENSING_CHARS = len("20190602T025551")
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
    10-m ones. extras: keys of EXTRAS, stored after the bands. composite_version: composite_rules.COMPOSITE_VERSION.
    """

    bands: tuple[str, ...] = ("B2", "B3", "B4", "B8")
    clouds: str = "cloud_score_plus"
    reducer: str = "mean"
    sentinel2: str = COLLECTIONS[L2A]
    level: str = "auto"
    resample: str = "bilinear"
    extras: tuple[str, ...] = ()
    composite_version: int = COMPOSITE_VERSION

    def __post_init__(self) -> None:
        super().__post_init__()
        scenes.check_version(self.composite_version)
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


def sensed(
    bounds_wsen: BoundsWSEN, period: Period, optical: Optical, statistics: Statistics = MONTHLY, *,
    epsg: int | None = None,
) -> Sensed:  # fmt: skip
    """The composite of the box and period as `optical` says, reflectance, with the extras; or a year's statistics.

    epsg: of the grid that it is read on, so that tiles of another UTM zone are interpolated; None: none are.

    Packed reflectance is whole numbers' (x 10,000) mean, so rounding it half to even later is exact. ValueError where
    the mask cannot be had for the period or level.
    """
    optical.check_period(period)
    clouds.check_server(optical.clouds)
    source = level.choose(optical.level, optical.sentinel2, bounds_wsen, period)
    clouds.check_level(optical.clouds, source.level)
    # Matched before linking: `linkCollection` masks a scene without a partner and says nothing.
    scene_listing = matched(source, bounds_wsen, period, optical.mask)
    scene_listing = replace(scene_listing, turned=_turned(scene_listing.used, epsg))
    images = clouds.linked(
        _without(scenes.collection(source.collection, bounds_wsen, period), scene_listing), optical.mask
    )
    # After linking, as the mask reads the scene's own bands too; before interpolation, which would spread the bad edge.
    trimmed, bands = _trimmed(images, scene_listing, optical), optical.stored
    if statistics.of_year:
        bands = statistics.optical_bands(optical.bands)
        packed, count = of_year(trimmed, period, (optical, statistics), scene_listing)
    else:
        packed, count = _with_count(*composite(trimmed, period, optical, scene_listing), optical.extras)
    packed = packed.select([band.name for band in bands])
    image = packed.multiply([band.scale for band in bands])
    return Sensed(
        bands,
        image,
        packed,
        count.rename("s2_count"),
        scene_listing.used,
        info(scene_listing, bounds_wsen, period, optical),
        clear=_any_clear(images, optical, source.level),
    )


def _with_count(packed: ee.Image, count: ee.Image, extras: Collection[str]) -> tuple[ee.Image, ee.Image]:
    """A composite, with the count of its observations as a band where the extras have it; and the count."""
    return (packed.addBands(count.rename(EXTRAS["count"].name)) if "count" in extras else packed), count


def pinned(bounds_wsen: BoundsWSEN, period: Period, optical: Optical) -> Optical:
    """The options with the level of the period's whole composite, for its single days, which might have another."""
    if optical.level != "auto":
        return optical
    choice = level.choose(optical.level, optical.sentinel2, bounds_wsen, period)
    return replace(optical, level=choice.level.lower())


@dataclass(frozen=True)
class Sentinel2Listing:
    """The period's scenes: those used, and how many have no partner in the cloud product (they are left out).

    turned: MGRS tiles of another UTM zone than the grid's, whose pixels lie across its own.
    """

    source: LevelChoice
    used: tuple[Scene, ...]
    unmatched: tuple[str, ...]
    turned: tuple[str, ...] = ()

    @property
    def has_edge_bands(self) -> bool:
        return bool(self.used) and all(set(EDGE_BANDS) <= set(scene.bands) for scene in self.used)


def matched(source: LevelChoice, bounds_wsen: BoundsWSEN, period: Period, mask: CloudMask) -> Sentinel2Listing:
    """The scenes checked against the linked cloud product where the mask has one."""
    available = source.scenes
    for scene in available:
        clouds.check_scene(scene, mask)
    if mask.product is None or not available:
        return Sentinel2Listing(source, available, ())
    partners = scenes.listed(scenes.collection(mask.product, bounds_wsen, period).select(mask.band), period)
    partner_indices = {scene.index for scene in partners}
    return Sentinel2Listing(
        source,
        tuple(scene for scene in available if scene.index in partner_indices),
        tuple(scene.index for scene in available if scene.index not in partner_indices),
    )


def _turned(used: Sequence[Scene], epsg: int | None) -> tuple[str, ...]:
    """The tiles of other zones than that of the code; none without one."""
    if epsg is None:
        return ()
    # North and south are one zone: EPSG 326zz and 327zz end in its number, as a tile's code begins with it.
    tiles = {str(scene.get("MGRS_TILE") or "") for scene in used}
    return tuple(sorted(tile for tile in tiles if tile[:2].isdigit() and int(tile[:2]) != epsg % 100))


def _without(images: ee.ImageCollection, scene_listing: Sentinel2Listing) -> ee.ImageCollection:
    """The scenes that have a partner: linking the others would mask them in silence."""
    import ee

    if not scene_listing.unmatched:
        return images
    return images.filter(ee.Filter.inList("system:index", list(scene_listing.unmatched)).Not())


def composite(
    images: ee.ImageCollection, period: Period, optical: Optical, scene_listing: Sentinel2Listing
) -> tuple[ee.Image, ee.Image]:
    """The bands as stored numbers (reflectance x 10,000) and the day where asked; and the number of clear pixels."""
    names = [*optical.bands, *(EXTRAS[name].name for name in optical.extras if name != "count")]
    turned = scene_listing.turned if optical.composite_version >= 2 else ()
    ready = images.map(lambda image: observation(image, period, optical, scene_listing.source.level, turned))
    if optical.composite_version >= 2:
        ready = _once(ready, scene_listing.used)
    return REDUCERS[optical.reducer](ready, names)


def of_year(
    images: ee.ImageCollection, period: Period, how: tuple[Optical, Statistics], scene_listing: Sentinel2Listing
) -> tuple[ee.Image, ee.Image]:
    """The statistics in stored numbers, and the number of clear dates."""
    optical, statistics = how
    read = replace(optical, bands=statistics.inputs(optical.bands))
    sources = [*optical.bands, *(statistics.indices or ())]
    turned = scene_listing.turned if optical.composite_version >= 2 else ()
    ready = images.map(
        lambda image: time_series.with_indices(
            observation(image, period, read, scene_listing.source.level, turned),
            optical.bands,
            statistics,
        ).copyProperties(image, ["system:time_start", "system:index"])
    )
    ready = _once(ready, scene_listing.used)

    def make(group: time_series.Group) -> tuple[ee.Image, ee.Image]:
        season = time_series.in_season(ready, group[-1])
        return time_series.summarised(season, sources, group, period, statistics)

    return time_series.by_group(statistics, "s2", statistics.optical_groups, make)


def _trimmed(images: ee.ImageCollection, scene_listing: Sentinel2Listing, optical: Optical) -> ee.ImageCollection:
    """The scenes without their noisy edges, which the masks of the 10-m bands sometimes keep.

    As the catalog's own sample does it (page COPERNICUS_S2_CLOUD_PROBABILITY, `maskEdges`), before any interpolation.
    Scenes of a folder that lack these bands stay as they are.
    """
    if optical.composite_version < 2 or not scene_listing.has_edge_bands:
        return images
    coarse, coarsest = EDGE_BANDS
    return images.map(
        lambda image: image.updateMask(image.select(coarse).mask().updateMask(image.select(coarsest).mask()))
    )


def _once(ready: ee.ImageCollection, used: Sequence[Scene]) -> ee.ImageCollection:
    """One image an acquisition: its tiles overlap by 10 km, also across zones, and a tile may be processed twice.

    An index begins with the acquisition's sensing time, YYYYMMDDTHHMMSS.
    """
    import ee

    times = [scene.index[:SENSING_CHARS] for scene in used]
    doubled = sorted({time for time in times if times.count(time) > 1})
    # Nothing is doubled, so the graph gains no mosaics.
    if not doubled:
        return ready
    begins = [ee.Filter.stringStartsWith("system:index", time) for time in doubled]
    single = ready.filter(ee.Filter.Or(*begins).Not())
    # Reversed, so that of several tiles the first one's time stays.
    begun_ms = {scene.index[:SENSING_CHARS]: scene.get("system:time_start") for scene in reversed(used)}
    scenes = [
        # A mosaic takes one tile's pixel where two overlap; mean, median and count would take both.
        ready.filter(each).mosaic().set("system:time_start", begun_ms[time])
        for time, each in zip(doubled, begins, strict=True)
    ]
    return single.merge(ee.ImageCollection(scenes))


def observation(image: ee.Image, period: Period, optical: Optical, level_: str, turned: Sequence[str] = ()) -> ee.Image:
    """A scene's clear pixels: its bands, and what extras and reducer need beside them. turned: of `Sentinel2Listing`.

    Interpolation comes first and the mask last: a mask set before would be looked at in the coarse bands' own grid,
    so that cloud edges would be 20 or 60 m wide and differ from band to band.
    """
    import ee

    bands = _at_ten_metres(image, optical, turned)
    beside = []
    if "day" in optical.extras:
        beside.append(_day(image, period))
    if optical.reducer == "best":
        beside.append(best_pixel.score(image, optical.mask.score(image, optical, level_), period))
    if beside:
        # Day and score are constants of a scene: without its mask they would exist where it has no ground.
        seen = bands.select(0).mask()
        bands = bands.addBands(ee.Image([band.updateMask(seen) for band in beside]))
    return bands if optical.mask.clear is None else bands.updateMask(optical.mask.clear(image, optical, level_))


def _any_clear(images: ee.ImageCollection, optical: Optical, level_: str) -> ee.Image | None:
    """Where the mask lets some scene through, roughly; the mask's own bands are read and no other. None without one."""
    clear = optical.mask.rough or optical.mask.clear
    if clear is None:
        return None
    return images.map(lambda image: clear(image, optical, level_)).max().unmask(0, False)


def _day(image: ee.Image, period: Period) -> ee.Image:
    """Days since the year of the period's first day began, 1 January being day 1 (so winters go on after 365)."""
    import ee

    january = ee.Date(f"{period.start.year}-01-01")
    day = image.date().difference(january, "day").floor().add(1)
    return ee.Image.constant(day).toFloat().rename(EXTRAS["day"].name)


def _at_ten_metres(image: ee.Image, optical: Optical, turned: Sequence[str]) -> ee.Image:
    """The bands in order; those of 20 and 60 m resampled (set on the input: after compositing it has no effect).

    Of tiles whose grid is turned against the others' (`turned`) those of 10 m too: by the nearest pixel they would lie
    up to half a pixel off.
    """
    import ee

    bands = list(optical.bands)
    if turned and optical.resample != "nearest":
        is_turned = ee.List(list(turned)).contains(image.get("MGRS_TILE"))
        smooth = image.select(bands).resample(optical.resample)
        return ee.Image(ee.Algorithms.If(is_turned, smooth, _at_ten_metres(image, optical, ())))
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


def info(scene_listing: Sentinel2Listing, bounds_wsen: BoundsWSEN, period: Period, optical: Optical) -> dict[str, Any]:
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
    if optical.composite_version >= 2:
        facts["edge_mask"] = " and ".join(EDGE_BANDS) if scene_listing.has_edge_bands else "none: no such bands"
        if scene_listing.turned:
            facts["interpolated_tiles"] = list(scene_listing.turned)
    if scene_listing.source.acquisitions:
        facts["acquisitions"] = dict(scene_listing.source.acquisitions)
    facts |= provenance.of_archives(scene_listing.used)
    facts |= provenance.left_out(scene_listing.source.collection, period, bounds_wsen)
    if optical.reducer == "best":
        facts["ranked_by"] = optical.mask.ranked_by
    if "day" in optical.extras:
        facts["day_1"] = f"{period.start.year}-01-01"
    return facts
