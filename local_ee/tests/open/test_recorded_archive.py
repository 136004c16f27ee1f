"""The recorded archive through the whole engine: pixels equal to plain rasterio and NumPy in every band."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from local_ee.evaluation import graph
from local_ee.open.catalog import OpenCatalog
from local_ee.testing import archive as archives
from local_ee.testing.archive import Archive
from local_ee.testing.evaluating import CLIENT

pytestmark = [CLIENT, archives.needs_shared]
S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
BOX = (5.052, 51.216, 5.06, 51.221)
ASSETS = {"B2": "B02", "B3": "B03", "B4": "B04", "B8": "B08", "SCL": "SCL"}


@pytest.fixture(scope="module")
def served() -> Iterator[Archive]:
    with archives.recorded() as server:
        yield server


@pytest.fixture(scope="module")
def catalog(served: Archive, tmp_path_factory: pytest.TempPathFactory) -> OpenCatalog:
    return served.catalog(tmp_path_factory.mktemp("open"))


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)


def stored(pattern: str) -> tuple[np.ndarray, GeoBox]:
    """All dates of a band, [date, row, column], and their grid, by rasterio alone."""
    paths = sorted(
        (archives.SHARED / "archive").rglob(pattern), key=lambda path: path.parts[-2 if "S2" in path.parts[-2] else -3]
    )
    with rasterio.open(paths[0]) as file:
        grid = GeoBox((file.height, file.width), file.transform, str(file.crs))
    return np.stack([rasterio.open(path).read(1) for path in paths]), grid


@pytest.mark.parametrize("band", ["B2", "B3", "B4", "B8"])
def test_a_composite_is_numpys_median_of_the_shifted_numbers(band: str, catalog: OpenCatalog):
    numbers, grid = stored(f"{ASSETS[band]}.tif")
    assert len(numbers) == 20
    shifted = np.ma.masked_array(np.clip(numbers.astype(int) - 1000, 0, None), numbers == 0)
    image = (
        ee.ImageCollection(S2).filterBounds(ee.Geometry.BBox(*BOX)).filterDate("2022-11-01", "2023-03-01").select(band)
    ).median()
    pixels = graph.evaluate(ee.serializer.encode(image, for_cloud_api=True), catalog).read(grid)
    expected = np.ma.median(shifted, axis=0)
    np.testing.assert_array_equal(pixels.masks[0] > 0, ~np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(pixels.values[0], expected.filled(0))


@pytest.mark.parametrize("band", ["VV", "VH"])
def test_a_mean_of_radar_dates_is_numpys(band: str, catalog: OpenCatalog):
    numbers, grid = stored(f"*{band.lower()}.rtc.tiff")
    assert len(numbers) == 10
    valid = np.ma.masked_array(numbers.astype(np.float64), (numbers == -32768) | ~np.isfinite(numbers))
    image = (
        ee.ImageCollection(S1).filterBounds(ee.Geometry.BBox(*BOX)).filterDate("2023-04-01", "2023-05-01").select(band)
    ).mean()
    pixels = graph.evaluate(ee.serializer.encode(image, for_cloud_api=True), catalog).read(grid)
    np.testing.assert_allclose(pixels.values[0], valid.mean(axis=0).filled(0), rtol=1e-6)


def test_classes_keep_their_own_grid_of_20_metres(catalog: OpenCatalog):
    numbers, grid = stored("SCL.tif")
    images = catalog.images(S2, ms(2022, 11, 1), ms(2023, 3, 1), BOX)
    for image, expected in zip(images, numbers, strict=True):
        values, masks = image.read(("SCL",), grid)
        np.testing.assert_array_equal(values[0], expected)
        np.testing.assert_array_equal(masks[0], expected != 0)


def test_every_request_is_for_a_page_a_head_a_tile_or_a_token(served: Archive, catalog: OpenCatalog):
    image = catalog.images(S2, ms(2022, 11, 1), ms(2022, 12, 1), BOX)[0]
    image.read(("B2", "B3"), image.bands[0].grid)
    assert {asked.host for asked in served.asked} <= set(served.loopback)
    assert max(len(piece.split("-")) for piece in {a.range or "" for a in served.asked}) == 2


def test_a_second_process_reads_offline_what_the_first_fetched(served: Archive, tmp_path: Path):
    def pixels(catalog: OpenCatalog) -> list[np.ndarray]:
        images = catalog.images(S1, ms(2023, 4, 1), ms(2023, 5, 1), BOX)
        return [image.read(("VV", "VH"), image.bands[0].grid)[0] for image in images]

    first = pixels(served.catalog(tmp_path))
    before = len(served.asked)
    second = pixels(served.catalog(tmp_path, offline=True))
    assert len(first) == 10
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert len(served.asked) == before


def test_the_real_worldcover_tile_is_read_where_it_lies(catalog: OpenCatalog):
    grid = GeoBox((400, 500), rasterio.Affine(1 / 12000, 0, 8.0, 0, -1 / 12000, 1.5), "EPSG:4326")
    image = catalog.image("ESA/WorldCover/v200/2021")
    assert image is not None
    values, masks = image.read(("Map",), grid)
    with rasterio.open(archives.SHARED / "other-items" / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif") as file:
        expected = file.read(1, window=((18000, 18400), (24000, 24500)))
    np.testing.assert_array_equal(values[0], expected)
    np.testing.assert_array_equal(masks[0], expected != 0)


def test_sea_without_a_worldcover_tile_is_masked(catalog: OpenCatalog):
    grid = GeoBox((10, 10), rasterio.Affine(1 / 12000, 0, -30.0, 0, -1 / 12000, 0.5), "EPSG:4326")
    image = catalog.image("ESA/WorldCover/v200/2021")
    assert image is not None
    assert not image.read(("Map",), grid)[1].any()


def test_all_dates_of_a_composite_are_asked_for_before_the_first_is_waited_for(tmp_path: Path):
    """Requests one after the other would wait in vain for company."""
    image = (
        ee.ImageCollection(S2).filterBounds(ee.Geometry.BBox(*BOX)).filterDate("2022-11-01", "2023-03-01").select("B2")
    ).median()
    with archives.recorded() as server:
        catalog = server.catalog(tmp_path)
        composite = graph.evaluate(ee.serializer.encode(image, for_cloud_api=True), catalog)
        listed = len(server.paths())
        waiting = threading.Barrier(8, timeout=300)  # eight requests that are under way at once let each other pass

        def plan(asked: archives.Asked) -> None:
            if asked.is_file and next(count) <= 8:
                waiting.wait()

        count = itertools.count(1)
        server.faults = plan
        composite.read(GeoBox((40, 40), rasterio.Affine(10, 0, 643300, 0, -10, 5676400), "EPSG:32631"))
        assert not waiting.broken
        assert len(server.paths()) - listed == 20


def test_prefetch_asks_for_no_tile_that_reading_does_not_need(tmp_path: Path):
    """On another lattice: the composite reads by windows of each source, as the prefetch foresaw."""
    image = ee.ImageCollection(S1).filterBounds(ee.Geometry.BBox(*BOX)).filterDate("2023-04-01", "2023-05-01").mosaic()
    with archives.recorded() as server:
        catalog = server.catalog(tmp_path)
        composite = graph.evaluate(ee.serializer.encode(image.select("VV"), for_cloud_api=True), catalog)
        listed = len(server.paths())
        composite.read(GeoBox((30, 30), rasterio.Affine(1e-4, 0, 5.053, 0, -1e-4, 51.22), "EPSG:4326"))
        end = time.monotonic() + 60
        while len(asked := server.paths()[listed:]) < 10 and time.monotonic() < end:
            time.sleep(0.01)  # the topmost dates sufficed: what was begun for the others is on its way
        assert len(asked) == len(set(asked)) == 10
