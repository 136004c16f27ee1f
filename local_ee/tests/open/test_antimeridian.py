"""Places across 180 degrees: the pixels of either side, beside plain NumPy and pyproj."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window
from shapely import box

from local_ee.errors import EngineError
from local_ee.open.providers import WORLDCOVER_BUCKET
from local_ee.raster import lattice
from local_ee.raster.geometry import outline
from local_ee.raster.projection import Projection
from local_ee.testing.archive import Archive
from local_ee.testing.evaluating import CLIENT, pixels
from local_ee.testing.places import (
    DEM,
    add_degree,
    add_scene,
    bounds_of,
    centres,
    dem,
    drawn,
    grid_of,
    heights,
    inside,
    june,
    layered,
    same,
    same_heights,
    sparse,
)
from local_ee.testing.small_archive import DAY, optical_item

pytestmark = CLIENT
COVER = "ESA/WorldCover/v200/2021"


@pytest.fixture
def server() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


FIJI = [(32660, "60KZF"), (32601, "01KAB")]


@pytest.mark.parametrize(("epsg", "other"), [(32660, 32601), (32601, 32660)])
def test_scenes_across_the_antimeridian(epsg: int, other: int, server: Archive, tmp_path: Path):
    """A scene of zone 60 and one of zone 1, both across 180 degrees, on either zone's pixels."""
    scenes = {}
    for zone, tile in FIJI:
        x, y = Transformer.from_crs(4326, zone, always_xy=True).transform(179.995 if zone == 32660 else -179.996, -16.8)
        scenes[zone] = grid_of(zone, round(x, -1) - 900, round(y, -1) + 900, (180, 200)), drawn((180, 200), zone)
        add_scene(server, *scenes[zone], optical_item(DAY, tile=tile))
    asked = scenes[epsg][0].pad(5)
    assert np.ptp(centres(asked, 4326)[0]) > 180
    layers, sure = layered(scenes.values(), asked)
    assert (layers.count(axis=0) == 2).any()
    images, catalog = june(bounds_of(asked)).select("B8"), server.catalog(tmp_path)
    same(pixels(images.mean(), catalog, asked), layers.mean(axis=0), sure)


@pytest.mark.parametrize(("epsg", "south", "step_s"), [(32660, -17, 1), (3031, -76, 3)])
def test_the_dem_across_the_antimeridian(epsg: int, south: int, step_s: int, server: Archive, tmp_path: Path):
    """The column of posts at 180 degrees is the first of tile W180. EPSG:3031 has the east on the left there."""
    for lon, near in ((179, 180), (-180, -180)):
        add_degree(server, lon, south, step_s, (near, south + 0.2))
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(180, south + 0.2)
    asked = grid_of(epsg, round(x, -1) - 700, round(y, -1) + 700, (70, 70), 20)
    lon, lat = centres(asked, 4326)
    lon = np.where(lon > 180 - step_s / 7200, lon - 360, lon)
    same_heights(pixels(dem(asked), server.catalog(tmp_path), asked), lon, lat, step_s)


@pytest.mark.parametrize("side", ["west", "east"])
def test_the_posts_at_180_degrees_are_half_a_column_on_either_side(side: str, server: Archive, tmp_path: Path):
    """Pixels of a tenth of a second on one side of the line, within the half column and beyond it."""
    for lon, near in ((179, 180), (-180, -180)):
        add_degree(server, lon, -17, 1, (near, -16.8))
    step = 0.1 / 3600
    left = 180 - 20 * step if side == "west" else -180
    asked = GeoBox((8, 20), Affine(step, 0, left, 0, -step, -16.8), "EPSG:4326")
    lon, lat = centres(asked, 4326)
    post = np.where(lon > 180 - 0.5 / 3600, lon - 360, lon)
    assert 0 < (post < -180).sum() < lon.size or side == "east"
    same_heights(pixels(dem(asked), server.catalog(tmp_path), asked), post, lat, 1)


@pytest.mark.parametrize("left", [818_840, 819_840])
def test_land_cover_across_the_antimeridian(left: int, server: Archive, tmp_path: Path):
    """WorldCover's tiles E177 and W180 side by side, on the pixels of zone 60, also with the line as left edge."""
    per_degree = 12_000
    codes = np.random.default_rng(26).choice([10, 30, 50, 80], (400, 500)).astype(np.uint8)
    for name, west, first in (("S18E177", 177, 35_800), ("S18W180", -180, 0)):
        half = codes[:, :200] if west > 0 else codes[:, 200:]
        address = f"https://{WORLDCOVER_BUCKET}/v200/2021/map/ESA_WorldCover_10m_2021_v200_{name}_Map.tif"
        shape = {"height": 36_000, "width": 36_000, "count": 1, "dtype": "uint8", "nodata": 0, "crs": "EPSG:4326"}
        affine = Affine(1 / per_degree, 0, west, 0, -1 / per_degree, -15)
        server.files[address] = sparse(half, Window(first, 21_000, half.shape[1], 400), affine, **shape)
    asked = grid_of(32660, left, -1_855_470, (200, 200))
    lon, lat = centres(asked, 4326)
    assert np.ptp(lon[:, 0]) > 180 or left == 818_840
    places = (-16.75 - lat) * per_degree, (np.where(lon < 0, lon + 360, lon) - 180) * per_degree + 200
    rows, cols = (np.floor(each).astype(int) for each in places)
    expected = np.ma.MaskedArray(codes[rows, cols], np.zeros(asked.shape, bool))
    same(pixels(ee.Image(COVER), server.catalog(tmp_path), asked), expected, inside(places))


@pytest.mark.long
def test_the_dem_around_a_pole(server: Archive, tmp_path: Path):
    """Every third degree has a tile of columns of 10 seconds; the others are masked."""
    for lon in range(-180, 180, 3):
        add_degree(server, lon, -90, 10, (lon, -90))
    asked = grid_of(3031, -1_000, 1_000, (50, 50), 40)
    lon, lat = centres(asked, 4326)
    post = np.rint(lon * 360) / 360
    tiles = ee.ImageCollection(DEM).filterBounds(ee.Geometry.BBox(-180, -90, 180, -89.9))
    found = pixels(tiles.mosaic(), server.catalog(tmp_path), asked)
    expected = np.ma.MaskedArray(heights(lon, lat, 10), np.floor(post) % 3 != 0)
    same(found, expected, inside((lon * 360 + 0.5, lat * 3600 + 0.5)) & (post < 180))


def test_the_outline_of_a_window_around_a_pole_holds_it():
    window = grid_of(3031, -1_000, 1_000, (50, 50), 40)
    assert outline(window, "EPSG:4326").buffer(1e-9).contains(box(-180, -90, 180, -89.9912))
    assert not outline(window, "EPSG:4326").intersects(box(-180, -89.9, 180, 90))


def test_a_window_around_a_pole_that_is_too_large_is_refused():
    degrees = Projection("EPSG:4326", Affine(1e-4, 0, -180, 0, -1e-4, 90))
    with pytest.raises(EngineError, match="around a pole has 5000 x 5000 pixels; ask for smaller ones"):
        lattice.mapping(degrees, grid_of(3031, -50_000, 50_000, (5_000, 5_000), 20))
