"""Label collections of the world under their Earth Engine ids: WorldCover, and later products like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import labels
from local_ee.world.globes import globe, nearest
from local_ee.world.labels import Errors, Products
from local_ee.world.overview import OVERVIEW_M
from local_ee.world.passes import milliseconds

_CODES = {
    labels.BUILT: 50,
    labels.WATER: 80,
    labels.TREES: 10,
    labels.GRASS: 30,
    labels.CROPS: 40,
    labels.BARE: 60,
    labels.WET: 90,
}
_LOOKUP = np.array([_CODES[group] for group in range(labels.GROUPS)], np.uint8)
_GRID = globe(1 / 12000, 83, -60)
_WORLD = box(-180, -60, 180, 83)
# Collection: index of its one image, year of the land it shows, errors (catalog pages ESA_WorldCover_v100, _v200).
_EDITIONS = {
    "ESA/WorldCover/v100": ("2020", 2020, labels.WORLDCOVER_2020),
    "ESA/WorldCover/v200": ("2021", 2021, labels.WORLDCOVER_2021),
}


@dataclass(frozen=True)
class WorldCover:
    """Both editions of WorldCover, each one image of band Map on a global grid of 1/12000 degree."""

    products: Products

    ids = tuple(_EDITIONS)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The edition's image where its year begins on one of the days."""
        index, year, errors = _EDITIONS[collection_id]
        return [self._image(collection_id, index, year, errors)] if first <= date(year, 1, 1) <= last else []

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The edition's image, or None."""
        edition_index, year, errors = _EDITIONS[collection_id]
        return self._image(collection_id, index, year, errors) if index == edition_index else None

    def _image(self, collection_id: str, index: str, year: int, errors: Errors) -> SourceImage:
        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            size = round(window.affine.a / _GRID.affine.a)
            ground = self.products.groups if size == 1 else self.products.overview
            groups = nearest(window, lambda cut: ground(cut, year, errors), size)
            return _LOOKUP[groups][None], np.ones((1, *window.shape), bool)

        properties = {
            "system:index": index,
            "system:time_start": milliseconds(datetime(year, 1, 1, tzinfo=UTC)),
            "system:time_end": milliseconds(datetime(year + 1, 1, 1, tzinfo=UTC)),
            "Map_class_names": list(_NAMES.values()),
            "Map_class_palette": list(_PALETTE.values()),
            "Map_class_values": list(_NAMES),
            "simulated": 1,
        }
        bands = (SourceBand("Map", "uint8", _GRID, "MODE"),)
        return SourceImage(f"{collection_id}/{index}", bands, properties, _WORLD, read, overview_m=OVERVIEW_M)


_NAMES = {
    10: "Tree cover", 20: "Shrubland", 30: "Grassland", 40: "Cropland", 50: "Built-up", 60: "Bare / sparse vegetation",
    70: "Snow and ice", 80: "Permanent water bodies", 90: "Herbaceous wetland", 95: "Mangroves", 100: "Moss and lichen",
}  # fmt: skip
_PALETTE = {
    10: "006400", 20: "ffbb22", 30: "ffff4c", 40: "f096ff", 50: "fa0000", 60: "b4b4b4",
    70: "f0f0f0", 80: "0064c8", 90: "0096a0", 95: "00cf75", 100: "fae6a0",
}  # fmt: skip
