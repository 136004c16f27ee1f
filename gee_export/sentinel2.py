"""Sentinel-2 composites: surface reflectance without clouds, mean or median of a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gee_export import clouds, scenes
from gee_export.manifest import REFLECTANCE_SCALE, Band
from gee_export.regions import BoundsWSEN, Period
from gee_export.scenes import Scene, Sensed

if TYPE_CHECKING:
    import ee

COLLECTION = "COPERNICUS/S2_SR_HARMONIZED"
# metres of each reflectance band (catalog page of S2_SR_HARMONIZED)
BANDS_M = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, "B11": 20,
    "B12": 20,
}  # fmt: skip
REDUCERS = ("mean", "median")


@dataclass(frozen=True)
class Optical:
    """How Sentinel-2 is composed: which bands, which pixels count as clear, what is made of them."""

    bands: tuple[str, ...] = ("B2", "B3", "B4", "B8")
    clouds: str = "cloud_score_plus"
    reducer: str = "mean"
    sentinel2: str = COLLECTION

    def __post_init__(self) -> None:
        check_bands(self.bands)
        clouds.check(self.clouds)
        if self.reducer not in REDUCERS:
            raise ValueError(f"reducer {self.reducer!r}: expected one of {', '.join(REDUCERS)}")

    @property
    def stored(self) -> tuple[Band, ...]:
        """The bands as datasets store them: reflectance by 1e-4."""
        return tuple(Band(name, "reflectance", REFLECTANCE_SCALE) for name in self.bands)


def sensed(bounds_wsen: BoundsWSEN, period: Period, optical: Optical) -> Sensed:
    """The composite of the box and period as `optical` says, reflectance.

    Packed numbers are means of whole ones (reflectance x 10,000), so rounding them half to even later is exact.
    """
    found = listing(bounds_wsen, period, cloud_mask=optical.clouds, collection_id=optical.sentinel2)
    clear = clouds.CLOUDS[optical.clouds](scenes.collection(optical.sentinel2, bounds_wsen, period))
    packed, count = composite(clear, bands=optical.bands, reducer=optical.reducer)
    image = packed.multiply(REFLECTANCE_SCALE)
    return Sensed(optical.stored, image, packed, count.rename("s2_count"), found.used, info(found, optical.clouds))


@dataclass(frozen=True)
class Listing:
    """The period's scenes: those used, and how many have no partner in the cloud product (they are left out)."""

    used: tuple[Scene, ...]
    unmatched: tuple[str, ...]


def listing(bounds_wsen: BoundsWSEN, period: Period, *, cloud_mask: str, collection_id: str = COLLECTION) -> Listing:
    """The scenes of the box and period, checked against the linked cloud product where the mask needs one."""
    found = scenes.listed(scenes.collection(collection_id, bounds_wsen, period))
    if cloud_mask != "cloud_score_plus" or not found:
        return Listing(found, ())
    partners = scenes.listed(scenes.collection(clouds.CLOUD_SCORE_PLUS, bounds_wsen, period).select("cs_cdf"))
    known = {scene.index for scene in partners}
    return Listing(
        tuple(scene for scene in found if scene.index in known),
        tuple(scene.index for scene in found if scene.index not in known),
    )


def composite(collection: ee.ImageCollection, *, bands: Sequence[str], reducer: str) -> tuple[ee.Image, ee.Image]:
    """The bands as stored numbers (reflectance x 10,000), the mean or median of the clear pixels; and their number."""
    return scenes.reduced(collection.map(lambda image: _at_ten_metres(image, bands)), bands, reducer)


def check_bands(bands: Sequence[str]) -> None:
    """ValueError for bands that Sentinel-2 L2A does not have, and for repeated ones."""
    unknown = [band for band in bands if band not in BANDS_M]
    if unknown:
        raise ValueError(f"Sentinel-2 has no band {', '.join(unknown)}: expected some of {', '.join(BANDS_M)}")
    if not bands or len(set(bands)) != len(bands):
        raise ValueError(f"bands {' '.join(bands)!r}: name at least one Sentinel-2 band, each once")


def info(found: Listing, cloud_mask: str) -> dict[str, Any]:
    """What the manifest says of the scenes."""
    return {
        "scenes": len(found.used),
        "tiles": scenes.tally(scene.get("MGRS_TILE") for scene in found.used),
        "clouds": clouds.describe(cloud_mask),
        "without_cloud_product": list(found.unmatched),
        "ids": [scene.index for scene in found.used],
    }


def _at_ten_metres(image: ee.Image, bands: Sequence[str]) -> ee.Image:
    """The bands in order; those of 20 and 60 m bilinear (set on the input: after compositing it has no effect)."""
    coarse = [band for band in bands if BANDS_M[band] > 10]
    if not coarse:
        return image.select(list(bands))
    fine = [band for band in bands if BANDS_M[band] == 10]
    smooth = image.select(coarse).resample("bilinear")
    return (image.select(fine).addBands(smooth) if fine else smooth).select(list(bands))
