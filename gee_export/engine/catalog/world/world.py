"""The simulated world as a catalog: any place and date, on demand, the same pixels however they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from gee_export.engine.catalog import AssetInfo, BoundsWSEN, SourceImage
from gee_export.engine.catalog.world import passes
from gee_export.engine.catalog.world.backscatter import Backscatter
from gee_export.engine.catalog.world.fractions import CellCache
from gee_export.engine.catalog.world.ground import Ground
from gee_export.engine.catalog.world.labels import Products
from gee_export.engine.catalog.world.maps import WorldCover
from gee_export.engine.catalog.world.optical import Camera
from gee_export.engine.catalog.world.sentinel1 import Sentinel1
from gee_export.engine.catalog.world.sentinel2 import Sentinel2

_CELL_TILES, _GROUND_TILES, _RADAR_TILES = 640, 1600, 300  # about 240, 105 and 80 MB
_LABEL_TILES = 1500  # 25 MB


_FAR_MS = 4_102_444_800_000  # the year 2100


class World:
    """Simulated collections and images under Earth Engine's ids. Every image carries simulated = 1."""

    def __init__(self) -> None:
        cells = CellCache(_CELL_TILES)
        optical = Sentinel2(Camera(cells, Ground(cells, _GROUND_TILES)))
        radar = Sentinel1(Backscatter(cells, _RADAR_TILES))
        covers = WorldCover(Products(cells, _LABEL_TILES))
        self._collections = {key: source for source in (optical, radar, covers) for key in source.ids}

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where the world does not hold it."""
        if asset_id in self._collections:
            return AssetInfo(asset_id, "IMAGE_COLLECTION", {"simulated": 1})
        image = self.image(asset_id)
        return None if image is None else AssetInfo(asset_id, "IMAGE", image.properties)

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None."""
        collection_id, _, index = image_id.rpartition("/")
        source = self._collections.get(collection_id)
        return None if source is None else source.image(collection_id, index)

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """A collection's images that begin in [start_ms, end_ms) and touch the bounds, in order of time then index."""
        source = self._collections.get(collection_id)
        if source is None:
            raise ValueError(f"collection {collection_id!r} is not in the simulated world")
        if isinstance(source, WorldCover):
            start_ms, end_ms, bounds_wsen = start_ms or 0, end_ms or _FAR_MS, bounds_wsen or (-180, -90, 180, 90)
        if start_ms is None or end_ms is None or bounds_wsen is None:
            raise ValueError(
                f"collection {collection_id!r} of the simulated world has no end: filter it by date and by bounds"
            )
        first, last = passes.day_of(start_ms) - timedelta(days=1), passes.day_of(end_ms)
        found = source.images(collection_id, first, min(last, date(2100, 1, 1)), bounds_wsen)
        return [image for image in found if start_ms <= image.properties["system:time_start"] < end_ms]
