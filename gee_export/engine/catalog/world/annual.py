"""Yearly label products of the world: ESRI's land cover at 10 m, and GAIA's year of change at 30 m."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from gee_export.engine.catalog import BoundsWSEN, SourceBand, SourceImage
from gee_export.engine.catalog.world import labels
from gee_export.engine.catalog.world import materials as m
from gee_export.engine.catalog.world.fractions import BORN, CellCache
from gee_export.engine.catalog.world.globes import globe, nearest
from gee_export.engine.catalog.world.labels import ESRI, Products
from gee_export.engine.catalog.world.lattice import Cut
from gee_export.engine.catalog.world.passes import milliseconds
from gee_export.engine.catalog.world.truths import zone_grid, zone_outline, zones_of

ESRI_YEARLY = "projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS"
GAIA = "Tsinghua/FROM-GLC/GAIA/v10"
ESRI_YEARS = range(2017, 2025)
_GAIA_LAST, _GAIA_FIRST = 2018, 1985
_CODES = {
    labels.BUILT: 7,
    labels.WATER: 1,
    labels.TREES: 2,
    labels.GRASS: 11,
    labels.CROPS: 5,
    labels.BARE: 8,
    labels.WET: 4,
}
_LOOKUP = np.array([_CODES[group] for group in range(labels.GROUPS)], np.uint8)


@dataclass(frozen=True)
class EsriYearly:
    """ESRI's yearly series: one image a year and UTM zone here, band b1 with the asset's raw codes (built is 7)."""

    products: Products

    ids = (ESRI_YEARLY,)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Images of the years that begin on the given days, of the zones that touch the box."""
        years = [year for year in ESRI_YEARS if first <= date(year, 1, 1) <= last]
        return [self._image(year, zone) for year in years for zone in zones_of(bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One image, or None."""
        year, _, zone = index.partition("_")
        good = year.isdigit() and int(year) in ESRI_YEARS and len(zone) == 3 and zone[:2].isdigit() and zone[2] in "NS"
        return self._image(int(year), zone) if good and 1 <= int(zone[:2]) <= 60 else None

    def _image(self, year: int, zone: str) -> SourceImage:
        grid = zone_grid(zone, 10)

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            cut = Cut.of(window)
            return _LOOKUP[self.products.groups(cut, year, ESRI)][None], Cut.of(grid).covers(cut)[None]

        properties = {
            "system:index": f"{year}_{zone}",
            "system:time_start": milliseconds(datetime(year, 1, 1, tzinfo=UTC)),
            "system:time_end": milliseconds(datetime(year + 1, 1, 1, tzinfo=UTC)),
            "simulated": 1,
        }
        bands = (SourceBand("b1", "uint8", grid),)
        return SourceImage(f"{ESRI_YEARLY}/{year}_{zone}", bands, properties, zone_outline(zone), read)


def gaia(cells: CellCache) -> SourceImage:
    """GAIA: one image, change_year_index (1 = 2018 .. 34 = 1985), masked where less than half a cell is impervious."""
    grid = globe(0.00026949458523585647, 83, -60)

    def changed(cut: Cut) -> np.ndarray:
        wide = cells.window(cut.around(1), _GAIA_LAST)
        hard = wide[m.FIRST_IMPERVIOUS : m.COUNT].sum(axis=0, dtype=np.float32)
        born = wide[BORN].astype(np.int64) + m.FIRST_YEAR
        share = _box(hard) / 900
        index = np.clip(_GAIA_LAST + 1 - born[1:-1, 1:-1], 1, _GAIA_LAST + 1 - _GAIA_FIRST)
        return np.where(share > 0.5, index, 0).astype(np.uint8)

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        index = nearest(window, changed)
        return index[None], index[None] > 0

    properties = {
        "system:index": "v10",
        "system:time_start": milliseconds(datetime(1985, 1, 1, tzinfo=UTC)),
        "simulated": 1,
    }
    return SourceImage(
        GAIA, (SourceBand("change_year_index", "uint8", grid),), properties, box(-180, -60, 180, 83), read
    )


def _box(values: np.ndarray) -> np.ndarray:
    """Sums of 3 x 3 pixels, the outermost row and column cut off."""
    down = values[:-2] + values[1:-1] + values[2:]
    return down[:, :-2] + down[:, 1:-1] + down[:, 2:]
