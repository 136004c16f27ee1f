"""Reading on other grids: against rasterio, the exact projection, and any cut of the request."""

from __future__ import annotations

import ee
import numpy as np
import pyproj
import pytest
import rasterio.warp
import scipy.ndimage
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from local_ee.raster import lattice
from local_ee.raster.projection import Projection
from local_ee.testing.evaluating import pixels, value
from local_ee.testing.scenes import Scene, Scenes, month, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(120, 130, left=600_000, top=3_390_000, epsg=32649)
SCENE = Scene("C/a", GRID, {"x": ("float32", 10), "c": ("uint8", 10), "w": ("uint16", 20)}, seed=2, hidden=1)
CATALOG = Scenes((SCENE,))


def neighbour_zone(height: int = 60, width: int = 50, *, step: float = 10) -> GeoBox:
    """A grid of UTM zone 50 over the middle of the scene, which lies in zone 49."""
    x, y = pyproj.Transformer.from_crs(32649, 32650, always_xy=True).transform(600_500, 3_389_500)
    return utm(height, width, left=round(x, -1), top=round(y, -1), step=step)


def whole(name: str) -> tuple[np.ndarray, np.ndarray]:
    found = value(ee.Image("C/a").select(name), CATALOG).read(SCENE.grid_of(SCENE.bands[name][1]))
    return found.values[0], found.masks[0]


def warped(name: str, grid: GeoBox, method: Resampling) -> np.ndarray:
    """rasterio's own answer; valid everywhere, with the source's values as they are."""
    values, _ = whole(name)
    out = np.zeros(tuple(grid.shape), values.dtype)
    source = SCENE.grid_of(SCENE.bands[name][1])
    rasterio.warp.reproject(
        values, out, src_transform=source.affine, src_crs=source.crs.to_wkt(), dst_transform=grid.affine,
        dst_crs=grid.crs.to_wkt(), resampling=method, tolerance=0,
    )  # fmt: skip
    return out


def read(image: ee.Image, grid: GeoBox) -> np.ma.MaskedArray:
    return pixels(image, CATALOG, grid)


def test_the_own_lattice_is_read_as_it_is():
    window = GRID[20:50, 30:70]
    expected, valid = whole("x")
    found = read(ee.Image("C/a").select("x"), window)
    assert (found.data == expected[20:50, 30:70]).all() and (found.mask == ~valid[20:50, 30:70]).all()


def test_nearest_of_another_zone_equals_rasterio():
    grid = neighbour_zone()
    agree = read(ee.Image("C/a").select("c"), grid).data == warped("c", grid, Resampling.nearest)
    assert agree.mean() > 0.995  # pixels whose centre falls within a thousandth of an edge may go either way


def test_a_coarser_band_is_repeated_like_rasterio():
    assert (read(ee.Image("C/a").select("w"), GRID).data == warped("w", GRID, Resampling.nearest)).all()


def in_source_pixels(grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Exact column and row, in pixels of GRID, of the centres of a grid of zone 50."""
    rows, cols = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    x = grid.affine.c + grid.affine.a * cols
    y = grid.affine.f + grid.affine.e * rows
    x, y = pyproj.Transformer.from_crs(32650, 32649, always_xy=True).transform(x, y)
    return (x - 600_000) / 10, (3_390_000 - y) / 10


def test_bilinear_equals_scipy_at_the_exact_places():
    grid = neighbour_zone()
    solid = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=2),))
    found = pixels(ee.Image("C/a").resample("bilinear"), solid, grid).data
    values = value(ee.Image("C/a"), solid).read(GRID).values[0]
    cols, rows = in_source_pixels(grid)
    expected = scipy.ndimage.map_coordinates(values.astype(float), [rows - 0.5, cols - 0.5], order=1)
    assert np.abs(found - expected).max() < 0.02  # of noise between 0 and 1: a fiftieth of a pixel


def test_bicubic_gives_a_quadratic_surface_exactly():
    """The cubic convolution of Keys reproduces polynomials of second degree."""
    grid = neighbour_zone()
    place = ee.Image.pixelCoordinates("EPSG:32649")
    x, y = place.select("x").subtract(600_000).divide(10), place.select("y").subtract(3_390_000).divide(-10)
    surface = x.pow(2).add(x.multiply(y)).subtract(y.multiply(3)).divide(100)
    native = surface.reproject("EPSG:32649", [10, 0, 600_000, 0, -10, 3_390_000])
    cols, rows = in_source_pixels(grid)
    expected = (cols**2 + cols * rows - 3 * rows) / 100
    assert pixels(native.resample("bicubic"), grid=grid).data == pytest.approx(expected, abs=0.05)


def test_an_average_over_the_pyramid_equals_rasterio():
    coarse = utm(30, 32, left=600_000, top=3_390_000, epsg=32649, step=40)
    solid = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=2),))
    values = value(ee.Image("C/a"), solid).read(GRID).values[0]
    out = np.zeros((30, 32), "float32")
    rasterio.warp.reproject(
        values, out, src_transform=GRID.affine, src_crs=GRID.crs.to_wkt(), dst_transform=coarse.affine,
        dst_crs=coarse.crs.to_wkt(), resampling=Resampling.average,
    )  # fmt: skip
    assert pixels(ee.Image("C/a"), solid, coarse).data == pytest.approx(out, rel=1e-5)


@pytest.mark.parametrize("step", [1.0, 10.0, 300.0, 5000.0])
@pytest.mark.parametrize("epsg, left, top", [(32650, 260_000, 3_400_000), (32637, 500_000, 8_400_000)])
def test_coordinates_between_zones_are_within_a_twentieth_of_a_pixel(step, epsg, left, top):
    grid = utm(200, 150, left=left, top=top, epsg=epsg, step=step)
    native = Projection(f"EPSG:{epsg - 1}", Affine(step, 0, 0, 0, -step, 0))
    us, vs = lattice.mapping(native, grid).exact()
    cols, rows = np.meshgrid(np.arange(150) + 0.5, np.arange(200) + 0.5)
    move = pyproj.Transformer.from_crs(epsg, epsg - 1, always_xy=True)
    x, y = move.transform(left + step * cols, top - step * rows)
    assert np.abs(us - x / step).max() < 0.05 and np.abs(vs + y / step).max() < 0.05


def test_coordinates_from_degrees_are_within_a_twentieth_of_a_pixel():
    grid = GeoBox((300, 300), Affine(1e-4, 0, 114.0, 0, -1e-4, 30.7), "EPSG:4326")
    native = Projection("EPSG:32650", Affine(10, 0, 0, 0, -10, 0))
    us, vs = lattice.mapping(native, grid).exact()
    lon, lat = np.meshgrid(114 + 1e-4 * (np.arange(300) + 0.5), 30.7 - 1e-4 * (np.arange(300) + 0.5))
    x, y = pyproj.Transformer.from_crs(4326, 32650, always_xy=True).transform(lon, lat)
    assert np.abs(us - x / 10).max() < 0.05 and np.abs(vs + y / 10).max() < 0.05


CHAINS = {
    "nearest": lambda: ee.Image("C/a").select("x"),
    "bilinear": lambda: ee.Image("C/a").select("x").resample("bilinear"),
    "bicubic": lambda: ee.Image("C/a").select(["x", "w"]).resample("bicubic"),
    "coarse": lambda: ee.Image("C/a").select("w"),
    "reproject": lambda: ee.Image("C/a").select("x").reproject("EPSG:32650", None, 25),
    "mean": lambda: ee.Image("C/a").select("x").reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(3)),
    "spread": lambda: ee.Image("C/a").select("x").reduceNeighborhood(ee.Reducer.stdDev(), ee.Kernel.gaussian(3, 1.3)),
    "median": lambda: ee.Image("C/a").select("x").focalMedian(1.5),
    "convolve": lambda: ee.Image("C/a").select("x").convolve(ee.Kernel.gaussian(3)).subtract(0.3),
    "fixed": lambda: ee.Image("C/a").select("x").focalMax(2).reproject("EPSG:32649", None, 20).focalMean(1),
    "noise": lambda: ee.Image.random(4),
    "place": lambda: ee.Image.pixelLonLat(),
    "clip": lambda: ee.Image("C/a").clip(ee.Geometry.Point([112.0478, 30.6329]).buffer(230)),
    "collection": lambda: ee.ImageCollection([ee.Image("C/a"), ee.Image("C/a").multiply(3)]).select("x").median(),
}


@pytest.mark.parametrize("chain", CHAINS)
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_cut_of_a_request_gives_the_same_bits(chain, data):
    """user's rule: how a request is cut never changes a pixel."""
    image = value(CHAINS[chain](), CATALOG)
    step = data.draw(st.sampled_from([10, 10, 7.3, 23]))
    phase = data.draw(st.sampled_from([0, 0.37]))
    grid = neighbour_zone(40, 45, step=step)
    grid = GeoBox(grid.shape, grid.affine * Affine.translation(phase, phase), grid.crs)
    row, col = data.draw(st.integers(1, 39)), data.draw(st.integers(1, 44))
    full = image.read(grid)
    for part in (np.s_[:row, :col], np.s_[:row, col:], np.s_[row:, :col], np.s_[row:, col:]):
        cut = image.read(grid[part])
        for k in range(len(image.bands)):
            assert (np.asarray(full.masks[k])[part] == cut.masks[k]).all()
            seen = np.asarray(cut.masks[k]) > 0
            assert (np.asarray(full.values[k])[part][seen] == np.asarray(cut.values[k])[seen]).all()


def test_scenes_elsewhere_are_not_read():
    far = Scene("C/far", utm(50, 50, left=700_000), {"x": ("float32", 10)})
    near = Scene("C/near", utm(50, 50), {"x": ("float32", 10)})
    catalog = Scenes((far, near))
    value(ee.ImageCollection("C").mean(), catalog).read(utm(20, 20))
    assert near.reads and not far.reads


def test_neighbourhoods_read_only_their_margin():
    scene = Scene("C/a", utm(100, 100), {"x": ("float32", 10)})
    image = ee.Image("C/a").reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(3))
    value(image, Scenes((scene,))).read(utm(20, 30))
    assert scene.reads == [(("x",), (26, 36))]


def test_a_month_is_reduced_without_stacking_it():
    """The memory of a mean over many images is that of a few: read one by one and let go."""
    import tracemalloc

    catalog = month(12, utm(400, 400))
    image = value(ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").select(["B2", "B3"]).mean(), catalog)
    image.read(utm(8, 8))
    tracemalloc.start()
    image.read(utm(400, 400))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 400 * 400 * 4  # bytes: the 24 read bands alone would be 24 x (2 + 1) plus sums


def strip(step: float, rows: int, left: float, width_deg: float) -> GeoBox:
    """A grid of degrees around the latitude of the scene."""
    top = round(30.63 / step) * step + rows // 2 * step
    return GeoBox((rows, round(width_deg / step)), Affine(step, 0, left, 0, -step, top), "EPSG:4326")


def test_a_scene_on_a_map_of_the_world_has_the_pixels_of_a_map_of_its_place():
    """Half of the world has no coordinates in the scene's zone (PROJ, tmerc)."""
    image = ee.Image("C/a").select("x")
    around, near = strip(0.002, 12, -180, 360), strip(0.002, 12, 112.0, 0.1)
    found = read(image, around)
    expected = read(image, near)
    assert expected.count() > 20
    first = round((112.0 + 180) / 0.002)
    there = found[:, first : first + near.shape[1]]
    assert (there.mask == expected.mask).all() and (there == expected).all()
    assert found.count() == expected.count()


@pytest.mark.parametrize("epsg", [32601, 32660])
def test_a_scene_at_the_date_line_is_read_on_a_map_of_the_world(epsg):
    left = 210_300 if epsg == 32601 else 785_600  # across the date line
    scene = Scene("D/a", utm(400, 400, left=left, top=3_390_000, epsg=epsg), {"x": ("float32", 10)}, seed=2, hidden=1)
    found = pixels(ee.Image("D/a"), Scenes((scene,)), strip(0.01, 20, -180, 360))
    west, east = found[:, :18000].count(), found[:, 18000:].count()
    assert west > 0 and east > 0 and west + east > 8
