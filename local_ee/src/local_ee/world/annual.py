"""Label products of years: ESRI's land cover; GAIA's and GISD30's years of change; the settlements of 2015."""

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
from local_ee.world.labels import ESRI, Products
from local_ee.world.lattice import Cut
from local_ee.world.passes import milliseconds
from local_ee.world.tiled import STEP_10_DEG, STEP_30_DEG
from local_ee.world.truths import zone_grid, zone_outline, zones_of

ESRI_YEARLY = "projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS"
GAIA = "Tsinghua/FROM-GLC/GAIA/v10"
GISD30 = "projects/sat-io/open-datasets/GISD30_1985_2020"
WSF2015 = "DLR/WSF/WSF2015/v1"
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
        bands = (SourceBand("b1", "uint8", grid, "MODE"),)
        return SourceImage(f"{ESRI_YEARLY}/{year}_{zone}", bands, properties, zone_outline(zone), read)


def gaia(products: Products) -> SourceImage:
    """GAIA: one image, change_year_index (1 = 2018 .. 34 = 1985), masked where it sees nothing built."""

    def codes(cut: Cut) -> np.ndarray:
        seen = products.since(cut, _GAIA_LAST, labels.GAIA).astype(np.int64)
        return np.where(seen > 0, _GAIA_LAST + 1 - np.clip(seen, _GAIA_FIRST, _GAIA_LAST), 0).astype(np.uint8)

    return _global(GAIA, "change_year_index", STEP_30_DEG, date(_GAIA_FIRST, 1, 1), codes, masked=True)


def gisd30(products: Products) -> SourceImage:
    """GISD30: 0 pervious, 1 built before 1985, 2 to 8 in the five years to 1990 ... 2020 (community catalog)."""

    def codes(cut: Cut) -> np.ndarray:
        seen = products.since(cut, 2020, labels.GISD30).astype(np.int64)
        return np.where(seen > 0, np.maximum(-((1980 - seen) // 5), 1), 0).astype(np.uint8)

    return _global(GISD30, "b1", STEP_30_DEG, date(1985, 1, 1), codes)


def wsf2015(products: Products) -> SourceImage:
    """The World Settlement Footprint 2015: 255 where settled, else masked."""

    def codes(cut: Cut) -> np.ndarray:
        return np.where(products.groups(cut, 2015, labels.WSF2015) == labels.BUILT, np.uint8(255), np.uint8(0))

    return _global(WSF2015, "settlement", STEP_10_DEG, date(2015, 1, 1), codes, masked=True)


def _global(asset_id: str, band: str, step_deg: float, start: date, codes, masked: bool = False) -> SourceImage:
    """One image of one byte band over the whole land; its zeros masked where told."""

    def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        values = nearest(window, codes)[None]
        return values, values > 0 if masked else np.ones(values.shape, bool)

    properties = {
        "system:index": asset_id.rpartition("/")[2],
        "system:time_start": milliseconds(datetime(start.year, start.month, start.day, tzinfo=UTC)),
        "simulated": 1,
    }
    bands = (SourceBand(band, "uint8", globe(step_deg, 83, -60), "MODE"),)
    return SourceImage(asset_id, bands, properties, box(-180, -60, 180, 83), read)
