"""One tile of each public archive, for whoever has internet: `python -m pytest -m network`; no account is needed.

The same reading is tested on the archives of a small town (tests/support/open_town.py), so that it is known to work.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from local_ee.open.catalog import OpenCatalog
from local_ee.open.providers import C1, DE_AFRICA_S1, OLD, PC_S1, PC_S2, SENTINEL1, SENTINEL2
from local_ee.raster.window import Window, crop
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from isamap.gee_export.earth_engine.archive_check import MAIDUGURI, check_archives
from tests.support import open_town

WUHAN = (114.30, 30.57, 114.31, 30.58)
SIDE_PX = 64
# Collection -> a band, and what the median of a tile over a city may be
PLAUSIBLE = {
    "COPERNICUS/S2_SR_HARMONIZED": ("B4", 100, 5000),
    "COPERNICUS/S1_GRD_FLOAT": ("VV", 0.001, 10),
    "ESA/WorldCover/v200": ("Map", 10, 100),
    "ESA/WorldCover/v100": ("Map", 10, 100),
    "COPERNICUS/DEM/GLO30": ("DEM", 0, 200),
    "projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS": ("b1", 1, 11),
    "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL": ("A00", -0.5, 0.5),  # one of 64 components of a unit vector
}
SEARCHED = {"COPERNICUS/S2_SR_HARMONIZED": SENTINEL2, "COPERNICUS/S1_GRD_FLOAT": SENTINEL1}


def tile(catalog: OpenCatalog, collection: str, year: int, wsen: tuple[float, float, float, float]) -> np.ndarray:
    """The valid pixels of a small window of the first image of a collection that has some there."""
    begin, end = (int(datetime(*date, tzinfo=UTC).timestamp() * 1000) for date in ((year, 1, 1), (year + 1, 1, 1)))
    if collection in SEARCHED:
        begin, end = (int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7))
    name = PLAUSIBLE[collection][0]
    for image in catalog.images(collection, begin, end, wsen):
        grid = next(band.grid for band in image.bands if band.name == name)
        values, masks = image.read((name,), _around(grid, (wsen[0] + wsen[2]) / 2, (wsen[1] + wsen[3]) / 2))
        if masks[0].any():
            return values[0][masks[0]]
    return np.empty(0)


def _around(grid: GeoBox, lon: float, lat: float) -> GeoBox:
    x, y = Transformer.from_crs(4326, grid.crs, always_xy=True).transform(lon, lat)
    col, row = (int(each) for each in ~grid.affine @ (x, y))
    return crop(grid, Window(row - SIDE_PX // 2, col - SIDE_PX // 2, SIDE_PX, SIDE_PX))


@pytest.mark.network
@pytest.mark.timeout(600)
def test_every_archive_answers():
    report = check_archives()
    assert all(row.ok for row in report.rows), str(report)


@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("collection", PLAUSIBLE)
def test_a_tile_of_wuhan_is_plausible(collection, tmp_path):
    year = {"ESA/WorldCover/v100": 2020}.get(collection, 2021)
    values = tile(OpenCatalog(tmp_path), collection, year, WUHAN)
    _, low, high = PLAUSIBLE[collection]
    assert values.size and low <= np.median(values) <= high


@pytest.mark.network
@pytest.mark.timeout(600)
@pytest.mark.parametrize("provider", [C1, PC_S2, OLD, PC_S1, DE_AFRICA_S1], ids=lambda each: each.name)
def test_a_tile_of_every_archive_of_scenes_is_plausible(provider, tmp_path):
    """Each asked by itself: the catalog turns to some only where others have nothing."""
    collection, providers = next((name, each) for name, each in SEARCHED.items() if provider in each)
    catalog = OpenCatalog(tmp_path, without=[each.name for each in providers if each is not provider])
    west, south, east, north = MAIDUGURI if provider is DE_AFRICA_S1 else WUHAN
    values = tile(catalog, collection, 2021, (west, south, east, north))
    _, low, high = PLAUSIBLE[collection]
    assert values.size and low <= np.median(values) <= high


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenCatalog]:
    with open_town.standing() as town:
        yield town.archive.catalog(Path(tmp_path_factory.mktemp("town")))


@pytest.mark.parametrize("collection", list(PLAUSIBLE)[:3])
def test_the_same_reading_works_on_the_archives_of_the_town(collection, catalog):
    year = 2021 if "WorldCover" in collection else 2023
    wsen = open_town.GRID.footprint("EPSG:4326").geom.bounds
    values = tile(catalog, collection, year, wsen)
    _, low, high = PLAUSIBLE[collection]
    assert values.size and low <= np.median(values) <= high


def test_an_archive_that_is_not_asked_gives_nothing(tmp_path):
    """The town's scenes are of one archive each."""
    wsen = open_town.GRID.footprint("EPSG:4326").geom.bounds
    with open_town.standing() as town:
        catalog = town.archive.catalog(tmp_path, without=[C1.name])
        assert tile(catalog, "COPERNICUS/S2_SR_HARMONIZED", 2023, wsen).size == 0
        assert tile(catalog, "COPERNICUS/S1_GRD_FLOAT", 2023, wsen).size > 0
