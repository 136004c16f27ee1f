"""Colours against Python's colorsys, mixtures against scipy, patches against scipy.ndimage."""

from __future__ import annotations

import colorsys

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage
from scipy.optimize import nnls

from local_ee.algorithms.image_neighbors import patch_sizes
from local_ee.errors import EngineError
from local_ee.testing.evaluating import GRID, info, number, pixels, value

pytestmark = pytest.mark.usefixtures("session")

COLOURS = [(0.2, 0.7, 0.4), (0.9, 0.1, 0.1), (0.3, 0.3, 0.3), (0.1, 0.2, 0.8), (0.0, 0.0, 0.0)]
ENDMEMBERS = [[1.0, 0.0, 0.5], [0.2, 1.0, 0.1]]
TABLE = np.array(ENDMEMBERS).T
MIXED = [0.9, -0.4, 0.7]


def bands_of(image: ee.Image, count: int) -> list[float]:
    return [float(pixels(image, band=band)[0, 0]) for band in range(count)]


@pytest.mark.parametrize("colour", COLOURS)
def test_hue_saturation_and_value(colour):
    assert bands_of(ee.Image(list(colour)).rgbToHsv(), 3) == pytest.approx(colorsys.rgb_to_hsv(*colour), abs=1e-6)


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_come_back(colour):
    assert bands_of(ee.Image(list(colour)).rgbToHsv().hsvToRgb(), 3) == pytest.approx(colour, abs=1e-6)


def test_colours_have_three_bands():
    with pytest.raises(EngineError, match="3 bands"):
        value(ee.Image([1, 2]).rgbToHsv())


def test_fractions_by_least_squares():
    expected = np.linalg.lstsq(TABLE, np.array(MIXED), rcond=None)[0]
    assert bands_of(ee.Image(MIXED).unmix(ENDMEMBERS), 2) == pytest.approx(expected.tolist())


def test_fractions_that_are_not_negative():
    assert bands_of(ee.Image(MIXED).unmix(ENDMEMBERS, False, True), 2) == pytest.approx(nnls(TABLE, MIXED)[0].tolist())


def test_fractions_that_sum_to_one():
    """With b = 1 - a, least squares of one unknown."""
    first, second = TABLE.T
    a = (first - second) @ (np.array(MIXED) - second) / ((first - second) @ (first - second))
    assert bands_of(ee.Image(MIXED).unmix(ENDMEMBERS, True), 2) == pytest.approx([a, 1 - a])


def test_endmembers_have_a_number_for_each_band():
    with pytest.raises(EngineError, match="must have 2 numbers"):
        value(ee.Image([1, 2]).unmix(ENDMEMBERS))


def column() -> ee.Image:
    """The column of the grid."""
    affine = GRID.affine
    place = ee.Projection("EPSG:32650", [affine.a, 0, affine.c, 0, affine.e, affine.f])
    return ee.Image.pixelCoordinates(place).select("x").floor().toInt()


def test_a_neighbourhood_has_a_band_for_each_cell():
    image = column().neighborhoodToBands(ee.Kernel.square(1))
    assert info(image.bandNames())[:3] == ["x_-1_-1", "x_0_-1", "x_1_-1"]


def test_neighbours_are_the_pixels_beside():
    image = column().neighborhoodToBands(ee.Kernel.square(1))
    assert np.array_equal(pixels(image, band=5), np.broadcast_to(np.arange(8) + 1, (6, 8)))


def test_kernels_in_metres_are_refused():
    with pytest.raises(EngineError, match="in pixels, not in metres"):
        value(column().neighborhoodToBands(ee.Kernel.square(30, "meters")))


@pytest.mark.parametrize("eight_connected", [True, False])
def test_sizes_of_patches(eight_connected):
    chance = np.random.default_rng(4)
    values, valid = chance.integers(0, 2, (40, 50)), chance.random((40, 50)) > 0.1
    expected = np.zeros(values.shape, int)
    for label in (0, 1):
        patches, _ = ndimage.label((values == label) & valid, np.ones((3, 3)) if eight_connected else None)
        expected = np.where(patches > 0, np.bincount(patches.ravel())[patches], expected)
    sizes = patch_sizes(values, valid, eight_connected=eight_connected)
    assert np.array_equal(sizes[valid], expected[valid])


def test_patches_are_counted_up_to_the_largest_size():
    assert number(ee.Image(1).connectedPixelCount(9)) == 9


def test_a_patch_that_ends_outside_the_window_is_whole():
    """Stripes of two columns and of 9 rows or more: with maxSize 9, the count is 9 at the window's edge too."""
    counts = pixels(column().divide(2).floor().toInt().connectedPixelCount(9))
    assert np.array_equal(counts, np.full((6, 8), 9))


def test_patches_are_whole_at_every_edge_of_a_window():
    """Squares of 3 x 3 pixels, cut by each of the window's four edges: all count 9 (a mutant survived in the south)."""
    place = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).add(1).divide(3).floor()
    squares = place.select("x").multiply(10_007).add(place.select("y")).toInt()
    for col, row in ((0, 0), (1, 1), (2, 2)):
        grid = GeoBox((7, 7), Affine(10, 0, 500_000 + 10 * col, 0, -10, 3_400_000 - 10 * row), "EPSG:32650")
        assert np.array_equal(pixels(squares.connectedPixelCount(12), grid=grid), np.full((7, 7), 9))


def test_patches_have_a_largest_size():
    with pytest.raises(EngineError, match="1 to 1024"):
        value(ee.Image(1).connectedPixelCount(5000))


def test_products_of_terrain():
    terrain = ee.Terrain.products(column().toFloat().rename("elevation"))
    assert info(terrain.bandNames()) == ["elevation", "slope", "aspect", "hillshade"]
    assert float(pixels(terrain, band=1)[2, 3]) == pytest.approx(np.degrees(np.arctan(0.1)), abs=1e-4)
