"""Coarse views of scenes: from the overviews of their files, where these are means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from shapely.geometry import mapping

from local_ee.catalog import SourceImage
from local_ee.evaluation.sources import image_of
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import BOX, C1_NAMES, DAY, cog, optical_item

S2 = "COPERNICUS/S2_SR_HARMONIZED"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]
SIDE = 2_041  # whose overviews have 1,020, 510, 255 pixels
GRID = GeoBox((SIDE, SIDE), rasterio.Affine(10, 0, 500000, 0, -10, 3300040), "EPSG:32650")
VALUES = np.random.default_rng(3).integers(2_000, 9_000, GRID.shape).astype(np.uint16)
VALUES[:, :1_000] = 0


@pytest.fixture(scope="module")
def content() -> bytes:
    return cog(VALUES, GRID, nodata=0, overviews="auto", overview_resampling="average")


@contextmanager
def archive_of(content: bytes, side: int) -> Iterator[Archive]:
    """One scene whose files all are the same."""
    item = optical_item(DAY)
    item["geometry"] = mapping(GRID.footprint("EPSG:4326", npoints=4).geom)
    with Archive(items=[item]) as server:
        for key in C1_NAMES.values():
            item["assets"][key] |= {"proj:shape": [side, side], "proj:transform": list(GRID.affine[:6])}
            server.files[item["assets"][key]["href"]] = content
        yield server


@pytest.fixture
def server(content: bytes) -> Iterator[Archive]:
    with archive_of(content, SIDE) as server:
        yield server


@pytest.fixture
def image(server: Archive, tmp_path: Path) -> SourceImage:
    (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
    return image


def coarse(image: SourceImage, band: str, factor: int) -> tuple[np.ndarray, np.ndarray]:
    side = image.bands[0].grid.shape[0]
    grid = GeoBox((side // factor, side // factor), GRID.affine @ rasterio.Affine.scale(factor), GRID.crs)
    pixels = image_of(image).read(grid, (band,))
    return pixels.values[0], pixels.masks[0]


def test_a_coarse_view_is_made_of_an_overview(server: Archive, image: SourceImage, content: bytes):
    """Of 16 x 16 pixels, and there is one of 8 x 8: its mean, less the shift, as plain rasterio reads it."""
    before = server.sent_bytes
    values, mask = coarse(image, "B3", 16)
    assert server.sent_bytes - before < len(content) / 20
    with rasterio.MemoryFile(content) as memory, memory.open(overview_level=2) as file:
        assert file.shape == (255, 255)
        stored = np.ma.masked_equal(file.read(1), 0).astype(float)
    means = stored[:254, :254].reshape(127, 2, 127, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(mask > 0, ~np.ma.getmaskarray(means))
    assert np.ma.abs(values - (means - 1_000)).max() <= 1


@pytest.mark.parametrize(("band", "factor"), [("B3", 4), ("SCL", 16)])
def test_finer_views_and_classes_are_made_of_the_pixels_themselves(image: SourceImage, server: Archive, content: bytes,
    band: str, factor: int):  # fmt: skip
    before = server.sent_bytes
    coarse(image, band, factor)
    assert server.sent_bytes - before > len(content) / 2


def test_overviews_that_halve_evenly_give_the_exact_means_but_for_rounding(tmp_path: Path):
    """Three halvings round by half a number each."""
    grid = GRID[:1_024, :1_024]
    part = VALUES[:1_024, 1_010:2_034]
    with archive_of(cog(part, grid, overviews="auto", overview_resampling="average", blocksize=128), 1_024) as server:
        (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        before = server.sent_bytes
        values, mask = coarse(image, "B3", 8)
        assert server.sent_bytes - before < part.nbytes / 30
    exact = part.astype(float).reshape(128, 8, 128, 8).mean(axis=(1, 3)) - 1_000
    assert mask.all() and np.abs(values - exact).max() <= 2
