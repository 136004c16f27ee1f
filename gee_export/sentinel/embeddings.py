"""Google's annual satellite embedding as a sensor: beside Sentinel-1 and Sentinel-2, or instead of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isamap.gee_export.base.band_globs import expanded
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.datasets.packing import EMBEDDING, EMBEDDING_SCALE
from isamap.gee_export.sentinel import provenance, scenes
from isamap.gee_export.sentinel.scenes import Sensed

if TYPE_CHECKING:
    import ee

COLLECTION = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL"
BANDS = tuple(f"A{axis:02}" for axis in range(64))


@dataclass(frozen=True)
class Embeddings:
    """How the annual embedding is taken: the collection, and its bands (`A0*` stands for A00 to A09)."""

    embedding: str = COLLECTION
    embedding_bands: tuple[str, ...] = ("A*",)

    def __post_init__(self) -> None:
        band_names = expanded(self.embedding_bands, BANDS)
        if unknown := [name for name in band_names if name not in BANDS]:
            raise ValueError(f"embedding band {unknown[0]!r}: expected some of A00 to A63, or a pattern such as A0*")
        if not band_names:
            raise ValueError("embedding_bands is empty: give some of A00 to A63, or leave embeddings out of --sensors")
        object.__setattr__(self, "embedding_bands", band_names)

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands as datasets store them: components of a vector of length 1, by 1e-4."""
        return tuple(Band(name, EMBEDDING, EMBEDDING_SCALE) for name in self.embedding_bands)


def sensed(region: Region, period: Period, embeddings: Embeddings) -> Sensed:
    """The embedding of the period's first year, or of the nearest year that has one.

    Images of the region's own UTM zone lie on top, pixel by pixel; those of other zones are interpolated bilinearly.
    count is 1 where there is an embedding.
    Source: developers.google.com/earth-engine/datasets/catalog/GOOGLE_SATELLITE_EMBEDDING_V1_ANNUAL.
    """
    import ee

    images = ee.ImageCollection(embeddings.embedding).filterBounds(ee.Geometry.BBox(*region.bounds_wsen))
    year = scenes.nearest_year(images, period.start.year)
    within = period if year is None else Period.parse(f"{year}")
    of_year = images.filterDate(within.start_ms, within.end_ms)
    used = scenes.listed(of_year, within)
    image = _mosaic(of_year, used, region.epsg, embeddings.embedding_bands)
    return Sensed(
        embeddings.bands,
        image,
        image.multiply(1 / EMBEDDING_SCALE),
        image.select([0]).mask().unmask(0).rename("embeddings_count"),
        used,
        {"collection": embeddings.embedding, "year": year, "scenes": len(used)} | provenance.of_archives(used),
    )


def _mosaic(images: ee.ImageCollection, used: Sequence[scenes.Scene], epsg: int, bands: Sequence[str]) -> ee.Image:
    import ee

    # As the catalog writes zones: 49N, 33S.
    zone = f"{epsg % 100:02}{'N' if epsg < 32700 else 'S'}"
    selected = images.select(list(bands))
    if all(scene.get("UTM_ZONE") == zone for scene in used):
        return selected.mosaic()
    own = ee.Filter.eq("UTM_ZONE", zone)
    # Own zone last in the merge, as a mosaic shows the last image: its pixels need no interpolation.
    others = selected.filter(own.Not()).map(lambda image: ee.Image(image).resample("bilinear"))
    return ee.ImageCollection(others.merge(selected.filter(own))).mosaic()
