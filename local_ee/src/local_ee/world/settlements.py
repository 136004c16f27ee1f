"""GHSL's built-up surface and settlement characteristics of 2018, on their Mollweide grid of 10 m."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import materials as m
from local_ee.world.fractions import HEIGHT, CellCache
from local_ee.world.globes import anywhere
from local_ee.world.labels import waves
from local_ee.world.lattice import Cut
from local_ee.world.noise import seed_of
from local_ee.world.passes import milliseconds

BUILT_S, BUILT_C = "JRC/GHSL/P2023A/GHS_BUILT_S_10m", "JRC/GHSL/P2023A/GHS_BUILT_C"
_YEAR = 2018
_GRID = GeoBox((1_800_000, 3_608_200), Affine(10, 0, -18_041_000, 0, -10, 9_000_000), "ESRI:54009")
_WORLD = box(-180, -80, 180, 84)
_SHEDS = (m.ROOF_METAL, m.ROOF_BLUE)
_LEAST_M2 = 8  # built square metres of a cell that go unseen: lone roofs
_NEAR_PX, _SETTLED = 8, 4.0  # a settlement has so many built m2 a cell within this reach
_STOREYS_M = (3, 6, 15, 30)  # classes of building height end there


@dataclass(frozen=True)
class Settlements:
    """One image, index 2018, in each collection."""

    cells: CellCache

    ids = (BUILT_S, BUILT_C)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """The image where 2018 begins on one of the days."""
        return [self._image(collection_id)] if first <= date(_YEAR, 1, 1) <= last else []

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """The image, or None."""
        return self._image(collection_id) if index == str(_YEAR) else None

    def _image(self, collection_id: str) -> SourceImage:
        bands, readers = self._bands(collection_id)

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            values = np.stack([anywhere(window, readers[name]) for name in names])
            return values, values > 0 if collection_id == BUILT_C else np.ones(values.shape, bool)

        properties = {
            "system:index": str(_YEAR),
            "system:time_start": milliseconds(datetime(_YEAR, 1, 1, tzinfo=UTC)),
            "system:time_end": milliseconds(datetime(_YEAR + 1, 1, 1, tzinfo=UTC)),
            "simulated": 1,
        }
        return SourceImage(f"{collection_id}/{_YEAR}", bands, properties, _WORLD, read)

    def _bands(self, collection_id: str) -> tuple[tuple[SourceBand, ...], dict[str, Callable[[Cut], np.ndarray]]]:
        if collection_id == BUILT_C:
            name = "built_characteristics"
            return (SourceBand(name, "uint8", _GRID, "MODE"),), {name: self._kinds}
        names = ("built_surface", "built_surface_nres")
        readers = {names[0]: self._surface, names[1]: lambda cut: np.where(self._sheds(cut), self._surface(cut), 0)}
        return tuple(SourceBand(name, "uint16", _GRID) for name in names), readers

    def _surface(self, cut: Cut) -> np.ndarray:
        """Square metres of roofs as a blurred view sees them, with a little of the yards: buildings, not roads."""
        layers = self.cells.window(cut.around(1), _YEAR, slice(0, m.COUNT)).astype(np.float32)
        seen = layers[m.FIRST_ROOF :].sum(axis=0) + 0.2 * layers[m.CONCRETE]
        blurred = _means(seen, 3)[1:-1, 1:-1]
        surface = np.rint(blurred * (1 + 0.25 * waves(cut, seed_of("ghs surface"))))
        return np.where(surface < _LEAST_M2, 0, np.minimum(surface, 100)).astype(np.uint16)

    def _sheds(self, cut: Cut) -> np.ndarray:
        """Where most roofs are sheds of metal: trade, not homes."""
        layers = self.cells.window(cut, _YEAR, slice(0, m.COUNT)).astype(np.int32)
        return 2 * layers[list(_SHEDS)].sum(axis=0) > layers[m.FIRST_ROOF :].sum(axis=0)

    def _kinds(self, cut: Cut) -> np.ndarray:
        """Codes of the catalog page; 0 outside settlements."""
        wide = self._surface(cut.around(_NEAR_PX)).astype(np.float32)
        settled = _means(wide, 2 * _NEAR_PX + 1)[_NEAR_PX:-_NEAR_PX, _NEAR_PX:-_NEAR_PX] > _SETTLED
        layers = self.cells.window(cut, _YEAR, slice(0, HEIGHT + 1)).astype(np.int32)
        storeys = 1 + np.digitize(layers[HEIGHT], _STOREYS_M, right=True)
        paved = layers[m.ASPHALT] + layers[m.CONCRETE]
        trees = layers[m.EVERGREEN] + layers[m.DECIDUOUS]
        codes = np.select(
            [
                self._surface(cut) >= 40,
                paved > 50,
                layers[m.RIVER] + layers[m.LAKE] > 50,
                trees > 50,
                trees > 20,
            ],
            [np.where(self._sheds(cut), 20, 10) + storeys, 5, 4, 3, 2],
            1,
        )
        return np.where(settled, codes, 0).astype(np.uint8)


def _means(values: np.ndarray, side: int) -> np.ndarray:
    """Means of side x side pixels."""
    from scipy.ndimage import uniform_filter  # here: an engine starts without it

    return np.asarray(uniform_filter(values, side))
