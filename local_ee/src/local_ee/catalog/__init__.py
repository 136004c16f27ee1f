"""What a catalog gives the local engine: images under Earth Engine ids, read by windows of their own pixel lattice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from local_ee.catalog.kept import KeptPixels

BoundsWSEN = tuple[float, float, float, float]

# Reads the named bands (all on one lattice) over a window of that lattice: one array [band, row, column] of the
# bands' values and one of masks (bool). The window may reach outside the image: masked there. A reader may be
# called from several threads at once, and any cut of a window into windows gives the same pixels.
Reader = Callable[[tuple[str, ...], GeoBox], tuple[np.ndarray, np.ndarray]]
Prefetch = Callable[[tuple[str, ...], GeoBox], object]
# The coarsest stored copy of the named bands whose pixels are at most `factor` of the lattice's a side (a power of 2):
# how many they are, and what reads windows of that coarser lattice; None where there is none.
Overviews = Callable[[tuple[str, ...], int], tuple[int, Reader] | None]


@dataclass(frozen=True)
class SourceBand:
    """A band of a stored image: its pixel type (numpy name), the whole grid it lies on, and how its pyramid is made
    where the image's property pyramiding_policy does not say: MEAN, SAMPLE, MODE, MIN or MAX.
    """

    name: str
    dtype: str
    grid: GeoBox
    pyramid: str = "MEAN"


@dataclass(frozen=True)
class SourceImage:
    """An image of a catalog. `properties` holds system:index and, where dated, system:time_start (ms since 1970).

    analytic: `read` also takes windows whose pixels are 2**n of the lattice's, and gives the values at their centres,
    so that coarse requests need not read every pixel. smooth: these values alone are those of coarse pixels.
    overview_m: for requests of larger pixels `read` gives coarse pixels itself; None where it cannot. kept:
    where its bands on any grid are kept between requests; None where its pixels may change. composite: it is computed
    when it is read, on any grid: it has no projection of its own and no end, and the grids of its bands say only how
    fine it is. prefetch: begins to bring the named bands' pixels of a window near (from an archive), for those who read
    many images one after the other. overviews: coarser copies that are stored beside the pixels.
    """

    id: str
    bands: tuple[SourceBand, ...]
    properties: Mapping[str, Any]
    footprint: BaseGeometry  # EPSG:4326
    read: Reader = field(repr=False, compare=False)
    analytic: bool = False
    smooth: bool = False
    overview_m: float | None = None
    kept: KeptPixels | None = field(default=None, repr=False, compare=False)
    composite: bool = False
    prefetch: Prefetch | None = field(default=None, repr=False, compare=False)
    overviews: Overviews | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class AssetInfo:
    """An entry of a catalog that is not pixels: type is IMAGE, IMAGE_COLLECTION, TABLE or FOLDER."""

    id: str
    type: str
    properties: Mapping[str, Any]


class Catalog(Protocol):
    """Images by id. Ids are public ones such as COPERNICUS/S2_SR_HARMONIZED/20190602T..._T50RKU."""

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where this catalog does not hold it."""
        ...

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None."""
        ...

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """A collection's images that begin in [start_ms, end_ms) and touch the bounds, in order of time then index.

        ValueError where the collection is boundless (the simulated world) and no period or bounds are given.
        """
        ...
