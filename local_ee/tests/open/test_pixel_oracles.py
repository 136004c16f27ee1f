"""What Earth Engine does where scenes and tiles meet, beside plain NumPy, pyproj and rasterio.

Overlaps, zones of UTM, classes of 20 m, borders of DEM tiles, the far north, embeddings' files. test_antimeridian.py is
about places across 180 degrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.open.providers import SOURCE_COOP
from local_ee.testing.archive import Archive
from local_ee.testing.evaluating import CLIENT, pixels
from local_ee.testing.places import (
    S2,
    add_degree,
    add_scene,
    bounds_of,
    centres,
    dem,
    drawn,
    grid_of,
    june,
    layered,
    nearest,
    same,
    same_heights,
    shifted,
)
from local_ee.testing.small_archive import BOX, DAY, GRID, add_optical, as_planetary, classes, optical_item, reflectance

pytestmark = CLIENT
EMBEDDINGS, ANNUAL = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL", f"https://{SOURCE_COOP}/tge-labs/aef/v1/annual"


@pytest.fixture
def server() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


EAST = grid_of(32650, 501_000, 3_300_040, (280, 300))
WEST = grid_of(32650, 500_000, 3_300_040, (280, 300))
BOTH = grid_of(32650, 500_000, 3_300_040, (280, 400))


def test_tiles_that_overlap_are_two_images_where_they_do(server: Archive, tmp_path: Path):
    """As on Earth Engine, whose collection has an image a tile: count says 2 there, a mosaic takes the last one."""
    west, east = drawn((280, 300), 1), drawn((280, 300), 2)
    add_scene(server, WEST, west, optical_item(DAY, tile="50RMU"))
    add_scene(server, EAST, east, optical_item(DAY, tile="50RNU"))
    images, catalog = june(bounds_of(BOTH)).select("B4"), server.catalog(tmp_path)
    layers = np.ma.stack([shifted(nearest(west, WEST, BOTH)[0]), shifted(nearest(east, EAST, BOTH)[0])])
    count = pixels(images.count(), catalog, BOTH)
    np.testing.assert_array_equal(count.filled(0), layers.count(axis=0))
    same(pixels(images.mean(), catalog, BOTH), layers.mean(axis=0))
    same(pixels(images.mosaic(), catalog, BOTH), np.ma.where(layers[1].mask, layers[0], layers[1]))


def test_a_tile_that_two_archives_hold_is_counted_once_by_its_newest_pixels(server: Archive, tmp_path: Path):
    old, new, grid = drawn((280, 300), 1), drawn((280, 300), 2), WEST
    first = optical_item(DAY, baseline="05.09", made="20240603T080000")
    add_scene(server, grid, old, as_planetary(first))
    add_scene(server, grid, new, optical_item(DAY, baseline="05.10", made="20240704T080000"))
    images, catalog = june(bounds_of(grid)).select("B4"), server.catalog(tmp_path)
    same(pixels(images.mean(), catalog, grid), shifted(new))
    assert pixels(images.count(), catalog, grid).max() == 1


def test_zones_in_one_composite(server: Archive, tmp_path: Path):
    """At 120 degrees east, on the western zone's pixels: the eastern zone's lie askew on them."""
    left, top = (round(each, -1) for each in Transformer.from_crs(4326, 32650, always_xy=True).transform(119.99, 29.82))
    east_left, east_top = (
        round(each, -1) for each in Transformer.from_crs(4326, 32651, always_xy=True).transform(119.995, 29.82)
    )
    west_grid, east_grid = grid_of(32650, left, top, (200, 180)), grid_of(32651, east_left, east_top, (200, 180))
    west, east = drawn((200, 180), 1), drawn((200, 180), 2)
    add_scene(server, west_grid, west, optical_item(DAY, tile="50RRT"))
    add_scene(server, east_grid, east, optical_item(DAY, tile="51RTN"))
    asked = grid_of(32650, left - 100, top + 100, (240, 260))
    layers, sure = layered([(west_grid, west), (east_grid, east)], asked)
    assert (layers.count(axis=0) == 2).any() and (layers.count(axis=(1, 2)) > 20_000).all()
    images, catalog = june(bounds_of(asked)).select("B3"), server.catalog(tmp_path)
    same(pixels(images.mean(), catalog, asked), layers.mean(axis=0), sure)


@pytest.mark.parametrize(("row", "col"), [(0, 0), (31, 17)])
def test_classes_of_20_metres_hide_four_pixels_of_10_metres(row: int, col: int, server: Archive, tmp_path: Path):
    """Also in a window that begins in the middle of one of theirs."""
    add_optical(server, DAY, 0)
    (scene,) = server.catalog(tmp_path).images(S2, 1717200000000, 1719792000000, BOX)
    image = ee.Image(scene.id)
    clear = image.select("B8").updateMask(image.select("SCL").eq(4).Or(image.select("SCL").eq(5)))
    asked = GRID[row : row + 90, col : col + 100]
    codes = np.kron(classes(0), np.ones((2, 2), np.uint8))[row : row + 90, col : col + 100]
    expected = shifted(reflectance("B8", 0)[row : row + 90, col : col + 100])
    same(pixels(clear, server.catalog(tmp_path), asked), np.ma.masked_where(~np.isin(codes, (4, 5)), expected))


def test_dem_tiles_join_at_their_corner_without_seam_or_shift(server: Archive, tmp_path: Path):
    """On another lattice, of 0.7 seconds, around the corner of four tiles: each pixel has its nearest post's height."""
    for corner in ((114, 29), (115, 29), (114, 30), (115, 30)):
        add_degree(server, *corner, 1, (115, 30))
    step = 0.7 / 3600
    grid = GeoBox((150, 160), Affine(step, 0, 115 - 80.3 * step, 0, -step, 30 + 75.2 * step), "EPSG:4326")
    same_heights(pixels(dem(grid), server.catalog(tmp_path), grid), *centres(grid, 4326), 1)


def test_dem_tiles_of_wider_columns_join_at_50_degrees(server: Archive, tmp_path: Path):
    """The post row of 50 degrees is the southern tile's: its columns have one second, those north of it 1.5."""
    for lat, step_s in ((49, 1), (50, 1.5)):
        add_degree(server, 8, lat, step_s, (8.5, 50))
    asked = grid_of(32632, 463_000, 5_539_900, (120, 110), 20)
    lon, lat = centres(asked, 4326)
    assert (lat > 50).any() and (lat < 50).any()
    step_s = np.where(np.rint(lat * 3600) <= 50 * 3600, 1, 1.5)
    same_heights(pixels(dem(asked), server.catalog(tmp_path), asked), lon, lat, step_s)


def test_the_dem_beyond_80_degrees_on_a_utm_grid(server: Archive, tmp_path: Path):
    """Columns of 5 seconds; the neighbour in the south has 5 too, as its northern edge is at 81."""
    for lat in (80, 81):
        add_degree(server, 16, lat, 5, (16.4, 81))
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(16.4, 81)
    asked = grid_of(32633, round(x, -1) - 200, round(y, -1) + 1_000, (100, 20), 20)
    same_heights(pixels(dem(asked), server.catalog(tmp_path), asked), *centres(asked, 4326), 5)


def test_a_scene_beyond_80_degrees(server: Archive, tmp_path: Path):
    """Tile 33XVM lies at 83 degrees north; asked in degrees, its pixels lie askew."""
    x, y = Transformer.from_crs(4326, 32633, always_xy=True).transform(14.0, 83.0)
    grid, stored = grid_of(32633, round(x, -1), round(y, -1), (200, 180)), drawn((200, 180), 3)
    add_scene(server, grid, stored, optical_item(DAY, tile="33XVM"))
    asked = GeoBox((150, 160), Affine(1e-4, 0, 14.002, 0, -1e-4, 82.998), "EPSG:4326")
    found = pixels(june(bounds_of(asked)).select("B2").mosaic(), server.catalog(tmp_path), asked)
    values, sure = nearest(stored, grid, asked)
    same(found, shifted(values), sure)


def add_embeddings(archive: Archive, files: dict[str, tuple[GeoBox, np.ndarray]]) -> None:
    """Files of int8 of 2024 whose first row is the southernmost, and the list of them."""
    lines = ["path,year,wgs84_west,wgs84_south,wgs84_east,wgs84_north"]
    for name, (grid, stored) in files.items():
        shape = {"count": 64, "height": grid.shape[0], "width": grid.shape[1], "dtype": "int8", "nodata": -128}
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", "interleave": "band"}
        with rasterio.MemoryFile() as memory:
            with memory.open(driver="GTiff", crs=str(grid.crs), transform=grid.affine, **shape, **tiles) as file:
                file.write(stored)
            archive.files[f"{ANNUAL}/2024/50N/{name}.tiff"] = memory.read()
        west, south, east, north = bounds_of(grid)
        bucket = "s3://us-west-2.opendata.source.coop"
        lines.append(f"{bucket}/tge-labs/aef/v1/annual/2024/50N/{name}.vrt,2024,{west},{south},{east},{north}")
    archive.files[f"{ANNUAL}/aef_index.csv"] = "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize("asked", [
    grid_of(32650, 500_300, 3_300_000, (70, 120)),
    grid_of(32651, -79_720, 3_315_000, (60, 60)),
])  # fmt: skip
def test_south_up_embeddings_on_a_north_up_grid(asked: GeoBox, server: Archive, tmp_path: Path):
    """Across the border of two files, on their own pixels turned over, and on those of another zone."""
    files = {}
    for name, left in (("a-0-0", 500_000), ("a-0-1", 500_800)):
        stored = np.random.default_rng(left).integers(-128, 128, (64, 96, 80)).astype(np.int8)
        files[name] = GeoBox((96, 80), Affine(10, 0, left, 0, 10, 3_299_080), "EPSG:32650"), stored
    add_embeddings(server, files)
    around = ee.Geometry.BBox(*bounds_of(files["a-0-0"][0].pad(80)))
    image = ee.ImageCollection(EMBEDDINGS).filterBounds(around).filterDate("2024-01-01", "2025-01-01").mosaic()
    catalog = server.catalog(tmp_path)
    for band in (0, 41, 63):
        pairs = [nearest(stored[band], grid, asked) for grid, stored in files.values()]
        codes = np.ma.where(np.ma.getmaskarray(pairs[0][0]), pairs[1][0], pairs[0][0]).astype(float)
        expected = np.ma.masked_where(codes == -128, np.sign(codes) * (codes / 127.5) ** 2).astype(np.float32)
        sure = pairs[0][1] | (asked.crs.epsg == 32650)
        same(pixels(image.select(f"A{band:02d}"), catalog, asked), expected, sure)
