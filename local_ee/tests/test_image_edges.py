"""Gradients and edges (guides/image_gradients, guides/image_edges), against NumPy and SciPy."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(30, 34)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("float32", 10), "y": ("float32", 10)}, seed=3),))
HOLED = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=3, hidden=2),))
INNER = np.s_[9:-9, 9:-9]


def source() -> ee.Image:
    return ee.Image("C/a").select("x")


def array(catalog: Scenes = CATALOG) -> np.ndarray:
    return pixels(source(), catalog, GRID).filled(np.nan).astype(float)


def test_the_gradient_is_per_metre_and_points_east_and_north():
    down, right = np.gradient(array(), 10.0)
    assert info(source().gradient().bandNames(), CATALOG) == ["x", "y"]
    np.testing.assert_allclose(pixels(source().gradient(), CATALOG, GRID)[INNER], right[INNER], rtol=1e-5)
    np.testing.assert_allclose(pixels(source().gradient(), CATALOG, GRID, band=1)[INNER], -down[INNER], rtol=1e-5)


def test_the_slope_of_the_terrain_is_the_gradients():
    """Terrain.slope is the arc tangent of the gradient (apidocs ee-terrain-slope: from the 4-connected neighbours)."""
    slope = pixels(ee.Terrain.slope(source()), CATALOG, GRID)
    gradient = source().gradient()
    steepness = gradient.select("x").hypot(gradient.select("y")).atan().multiply(180 / np.pi)
    np.testing.assert_allclose(pixels(steepness, CATALOG, GRID)[INNER], slope[INNER], rtol=1e-4)


def test_derivatives_are_per_pixel_of_each_band():
    asked = ee.Image("C/a").derivative()
    assert info(asked.bandNames(), CATALOG) == ["x_x", "x_y", "y_x", "y_y"]
    down, right = np.gradient(array())
    np.testing.assert_allclose(pixels(asked, CATALOG, GRID)[INNER], right[INNER], rtol=1e-5)
    np.testing.assert_allclose(pixels(asked, CATALOG, GRID, band=1)[INNER], down[INNER], rtol=1e-5)


def test_beside_masked_pixels_there_is_no_gradient():
    hidden = np.isnan(array(HOLED))
    expected = ndimage.binary_dilation(hidden)[INNER]
    np.testing.assert_array_equal(np.ma.getmaskarray(pixels(source().gradient(), HOLED, GRID))[INNER], expected)
    assert 0 < expected.sum() < expected.size


def test_signs_change_to_the_right_below_or_across():
    """The definition of guides/image_edges, written with shifted arrays."""
    signs = np.sign(array() - 0.5)
    expected = (
        (signs[:-1, :-1] * signs[:-1, 1:] < 0)
        | (signs[:-1, :-1] * signs[1:, :-1] < 0)
        | (signs[:-1, :-1] * signs[1:, 1:] < 0)
    )
    found = pixels(source().subtract(0.5).zeroCrossing(), CATALOG, GRID)
    np.testing.assert_array_equal(found[:-1, :-1], expected)
    assert 0 < expected.sum() < expected.size


def test_a_step_has_one_line_of_edges():
    """A step of 100 between columns 11 and 12: the gradient is highest beside it, 50 a pixel without smoothing."""
    step = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).select("x").gt(30_012).multiply(100)
    edges = pixels(ee.Algorithms.CannyEdgeDetector(step, 10, 0), CATALOG, GRID)
    assert np.array_equal(np.unique(np.nonzero(edges)[1]), [11, 12]) and set(np.unique(edges)) == {0, 50}


def test_edges_lie_where_the_smoothed_gradient_is_highest():
    """Magnitudes as SciPy's Gaussian (cut off at 3 sigma) and NumPy's gradient give them; only ridges are kept."""
    smooth = ndimage.gaussian_filter(array(), 1.2, truncate=4 / 1.2)  # 3.6 sigma, rounded up to 4 pixels
    down, right = np.gradient(smooth)
    size = np.hypot(right, down)
    edges = pixels(ee.Algorithms.CannyEdgeDetector(source(), 0.05, 1.2), CATALOG, GRID)
    on_edge = np.asarray(edges != 0)[INNER]
    np.testing.assert_allclose(np.asarray(edges)[INNER][on_edge], size[INNER][on_edge], rtol=1e-5)
    assert (size[INNER][on_edge] > 0.05).all() and 5 < on_edge.sum() < on_edge.size / 2
    peaks = (size == ndimage.maximum_filter(size, 3)) & (size > 0.05)
    assert on_edge[peaks[INNER]].all()


@pytest.mark.parametrize("name", ["gradient", "derivative", "zeroCrossing", "canny"])
def test_a_pixel_does_not_depend_on_the_window(name):
    asked = ee.Algorithms.CannyEdgeDetector(source(), 0.02, 1.5) if name == "canny" else getattr(source(), name)()
    whole = pixels(asked, HOLED, GRID)
    part = pixels(asked, HOLED, GeoBox((9, 7), GRID.affine * Affine.translation(11, 8), GRID.crs))
    np.testing.assert_array_equal(part.filled(99), whole[8:17, 11:18].filled(99))


def test_the_kernel_of_roberts():
    """apidocs ee-kernel-roberts: [[1, 0], [0, -1]], the pixel itself at [1, 1]."""
    found = pixels(source().convolve(ee.Kernel.roberts()), CATALOG, GRID)
    np.testing.assert_allclose(found[1:, 1:], array()[:-1, :-1] - array()[1:, 1:], atol=1e-6)


def test_the_gradient_of_several_bands_is_refused():
    with pytest.raises(EngineError, match="must have 1 band, got 2"):
        pixels(ee.Image("C/a").gradient(), CATALOG, GRID)
