"""The simulated world as a catalog: any place and date, on demand, the same pixels however they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from gee_export.engine.catalog import AssetInfo, BoundsWSEN, SourceImage
from gee_export.engine.catalog.world import passes
from gee_export.engine.catalog.world.fractions import CellCache
from gee_export.engine.catalog.world.ground import Ground
from gee_export.engine.catalog.world.optical import Camera
from gee_export.engine.catalog.world.sentinel2 import Sentinel2

_CELL_TILES, _GROUND_TILES = 640, 1600  # about 240 MB and 105 MB


class World:
    """Simulated collections and images under Earth Engine's ids. Every image carries simulated = 1."""

    def __init__(self) -> None:
        cells = CellCache(_CELL_TILES)
        optical = Sentinel2(Camera(cells, Ground(cells, _GROUND_TILES)))
        self._collections = {collection_id: optical for collection_id in Sentinel2.ids}

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
        if start_ms is None or end_ms is None or bounds_wsen is None:
            raise ValueError(
                f"collection {collection_id!r} of the simulated world has no end: filter it by date and by bounds"
            )
        first, last = passes.day_of(start_ms) - timedelta(days=1), passes.day_of(end_ms)
        found = source.images(collection_id, first, min(last, date(2100, 1, 1)), bounds_wsen)
        return [image for image in found if start_ms <= image.properties["system:time_start"] < end_ms]
