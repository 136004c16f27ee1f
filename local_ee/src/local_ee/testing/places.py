"""Made scenes and tiles whose numbers follow from the places of their pixels, and their pixels on any grid by pyproj.

What an engine reads of them is compared with this; nothing here uses the engine's own ways of reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ee
import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.windows import Window
from shapely import MultiPolygon, Polygon, box
from shapely.affinity import translate
from shapely.geometry import mapping

from local_ee.open.providers import DEM_BUCKET
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import cog

S2, DEM = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/DEM/GLO30"


def grid_of(epsg: int, left: float, top: float, shape: tuple[int, int], step: float = 10) -> GeoBox:
    return GeoBox(shape, Affine(step, 0, left, 0, -step, top), f"EPSG:{epsg}")


def epsg_of(grid: GeoBox) -> int:
    """The code of a grid's coordinate system."""
    assert grid.crs is not None and grid.crs.epsg is not None
    return grid.crs.epsg


def centres(grid: GeoBox, epsg: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y [row, column] of a grid's pixel centres in another system."""
    rows, cols = np.indices(tuple(grid.shape)) + 0.5
    x, y = grid.affine * (cols, rows)
    return Transformer.from_crs(epsg_of(grid), epsg, always_xy=True).transform(x, y)


def bounds_of(grid: GeoBox) -> tuple[float, float, float, float]:
    """West, south, east, north; west is greater than east across the antimeridian."""
    lon, lat = centres(grid, 4326)
    crosses = lon.max() - lon.min() > 180
    west, east = (lon[lon > 0].min(), lon[lon < 0].max()) if crosses else (lon.min(), lon.max())
    return float(west), float(lat.min()), float(east), float(lat.max())


def nearest(values: np.ndarray, source: GeoBox, grid: GeoBox) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """A source's pixels on another grid, masked where the source has none, and where that is sure."""
    places = ~source.affine * centres(grid, epsg_of(source))
    cols, rows = (np.floor(each).astype(int) for each in places)
    height, width = values.shape
    here = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    picked = values[np.where(here, rows, 0), np.where(here, cols, 0)]
    return np.ma.MaskedArray(picked, ~here), inside(places)


def layered(scenes: Iterable[tuple[GeoBox, np.ndarray]], grid: GeoBox) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """Reflectance of scenes on another grid [scene, row, column], and where all of it is sure."""
    pairs = [nearest(stored, own, grid) for own, stored in scenes]
    return np.ma.stack([shifted(values) for values, _ in pairs]), np.logical_and.reduce([sure for _, sure in pairs])


def inside(fractions: Iterable[np.ndarray]) -> np.ndarray:
    """Where places in pixels lie farther from their pixel's edges than the engine may err: it says 0.01 of a pixel."""
    return np.logical_and.reduce([np.abs(each - np.rint(each)) > 0.02 for each in fractions])


def same(found: np.ma.MaskedArray, expected: np.ma.MaskedArray, sure: np.ndarray | bool = True) -> None:
    """Fails unless both have the same pixels and values wherever the oracle is sure."""
    sure = np.broadcast_to(sure, expected.shape)
    assert sure.mean() > 0.8 and expected[sure].count() > 0.1 * expected.size
    np.testing.assert_array_equal(np.ma.getmaskarray(found)[sure], np.ma.getmaskarray(expected)[sure])
    np.testing.assert_allclose(found[sure].filled(0), expected[sure].filled(0), rtol=1e-12, atol=0)


def drawn(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Stored numbers: a twentieth without data, some below the shift."""
    rng = np.random.default_rng([25, seed])
    values = rng.integers(900, 4000, shape).astype(np.uint16)
    values[rng.random(shape) < 0.05] = 0
    return values


def shifted(stored: np.ma.MaskedArray | np.ndarray) -> np.ma.MaskedArray:
    """Reflectance x 10,000 of Collection 1's numbers."""
    numbers = np.ma.masked_equal(np.ma.MaskedArray(stored), 0).astype(int)
    return np.ma.maximum(numbers - 1000, 0)


def add_scene(archive: Archive, grid: GeoBox, stored: np.ndarray, item: dict[str, Any]) -> None:
    """A scene, on a grid of its own, whose bands all hold the same numbers."""
    item["properties"]["proj:epsg"] = epsg_of(grid)
    item["geometry"] = mapping(_ground(grid))
    for name, asset in item["assets"].items():
        is_coarse = name.lower() == "scl"
        own = grid.zoom_out(2) if is_coarse else grid
        asset |= {"proj:shape": list(own.shape), "proj:transform": list(own.affine[:6])}
        archive.files[asset["href"]] = cog(np.full(own.shape, 4, np.uint8) if is_coarse else stored, own, nodata=0)
    archive.items.append(item)


def _ground(grid: GeoBox) -> Polygon | MultiPolygon:
    """A grid's outline in degrees, in two parts across the antimeridian, as the recorded item of tile 01WCR has it."""
    height, width = grid.shape
    corners = [grid.affine * each for each in ((0, 0), (width, 0), (width, height), (0, height))]
    lon, lat = Transformer.from_crs(epsg_of(grid), 4326, always_xy=True).transform(*np.transpose(corners))
    if np.ptp(lon) < 180:
        return Polygon(np.stack([lon, lat], 1))
    ring = Polygon(np.stack([np.where(lon < 0, lon + 360, lon), lat], 1))
    return MultiPolygon(
        [ring.intersection(box(0, -90, 180, 90)), translate(ring.intersection(box(180, -90, 360, 90)), -360)]
    )


def heights(lon: np.ndarray, lat: np.ndarray, step_s: np.ndarray | float) -> np.ndarray:
    """A height for each post: posts lie on whole seconds of latitude and multiples of step_s of longitude."""
    east, north = np.rint(np.asarray(lon) * 3600 / step_s), np.rint(np.asarray(lat) * 3600)
    return ((east * 7919 + north * 104_729) % 8_191).astype(np.float32)


def same_heights(found: np.ma.MaskedArray, lon: np.ndarray, lat: np.ndarray, step_s: np.ndarray | float) -> None:
    """Fails unless every pixel has the height of its nearest post; posts are half a pixel from their edges."""
    expected = np.ma.MaskedArray(heights(lon, lat, step_s), np.zeros(lat.shape, bool))
    same(found, expected, inside((lon * 3600 / step_s + 0.5, lat * 3600 + 0.5)))


def add_degree(archive: Archive, lon: int, lat: int, step_s: float, near: tuple[float, float]) -> None:
    """A DEM tile by its south-west corner: rows from its northern edge down to one second above its southern one.

    Only the pixels within about 3 km of a place are written.
    Source: Copernicus DEM Product Handbook, "Pixel is area/point"; bounds of the recorded items.
    """
    columns = round(3600 / step_s)
    name = f"Copernicus_DSM_COG_10_{'NS'[lat < 0]}{abs(lat):02d}_00_{'EW'[lon < 0]}{abs(lon):03d}_00_DEM"
    lons, lats = lon + np.arange(columns) * step_s / 3600, lat + 1 - np.arange(3600) / 3600
    cols = np.flatnonzero(np.abs(lons - near[0]) * np.cos(np.radians(near[1])) < 0.03)
    rows = np.flatnonzero(np.abs(lats - near[1]) < 0.03)
    shape = {"height": 3600, "width": columns, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    affine = Affine(step_s / 3600, 0, lon - step_s / 7200, 0, -1 / 3600, lat + 1 + 1 / 7200)
    window = Window(int(cols[0]), int(rows[0]), len(cols), len(rows))
    content = sparse(heights(lons[cols][None, :], lats[rows][:, None], step_s), window, affine, **shape)
    archive.files[f"https://{DEM_BUCKET}/{name}/{name}.tif"] = content


def sparse(values: np.ndarray, window: Window, affine: Affine, **shape: Any) -> bytes:
    """A tiled GeoTIFF that holds a window of values, and no other tiles."""
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "SPARSE_OK": "TRUE"}
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", transform=affine, **shape, **tiles) as file:
            file.write(values, 1, window=window)
        return memory.read()


def june(bounds: tuple[float, float, float, float]) -> ee.ImageCollection:
    return ee.ImageCollection(S2).filterBounds(ee.Geometry.BBox(*bounds)).filterDate("2024-06-01", "2024-07-01")


def dem(grid: GeoBox) -> ee.Image:
    west, south, east, north = bounds_of(grid)
    return ee.ImageCollection(DEM).filterBounds(ee.Geometry.BBox(west, south, east, north)).mosaic()
