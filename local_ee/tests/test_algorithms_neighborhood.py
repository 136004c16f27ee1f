"""Neighbourhoods against scipy and plain numpy loops over shifted arrays."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from local_ee.errors import EngineError
from local_ee.raster.kernel import Weights
from local_ee.raster.neighborhood import window_moments, window_sums
from local_ee.testing.evaluating import info, number, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(40, 45)
SOLID = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=1),))
HOLED = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=1, hidden=5),))
INNER = np.s_[5:-5, 5:-5]


def read(image: ee.Image, catalog: Scenes = SOLID) -> np.ma.MaskedArray:
    return pixels(image, catalog, GRID)


def shifted(source: np.ma.MaskedArray, weights: np.ndarray) -> np.ma.MaskedArray:
    """The neighbours under a kernel's non-zero cells, one layer each."""
    row, col = np.array(weights.shape) // 2
    layers = [np.roll(source, (row - r, col - c), (0, 1)) for r, c in np.argwhere(weights != 0)]
    return np.ma.stack(layers)


SQUARE = np.ones((5, 5))
REDUCERS = {
    "mean": lambda stack: stack.mean(axis=0, dtype=float),
    "variance": lambda stack: stack.astype(float).var(axis=0),
    "stdDev": lambda stack: stack.astype(float).std(axis=0),
    "min": lambda stack: stack.min(axis=0),
    "max": lambda stack: stack.max(axis=0),
    "median": lambda stack: np.ma.median(stack, axis=0),
    "count": lambda stack: stack.count(axis=0),
}


@pytest.mark.parametrize("name", REDUCERS)
@pytest.mark.parametrize("catalog", [SOLID, HOLED], ids=["whole", "holed"])
def test_reducers_over_a_square_equal_masked_numpy(name, catalog):
    image = ee.Image("C/a").reduceNeighborhood(getattr(ee.Reducer, name)(), ee.Kernel.square(2))
    source, found = read(ee.Image("C/a"), catalog), read(image, catalog)
    expected = REDUCERS[name](shifted(source, SQUARE))
    assert info(image.bandNames(), catalog) == [f"x_{name}"]
    assert (found.mask[INNER] == source.mask[INNER]).all()  # skipMasked
    assert np.ma.allclose(found[INNER], expected[INNER], atol=1e-6)


def test_the_output_where_the_pixel_is_masked_can_be_kept():
    image = ee.Image("C/a").reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(2), None, False)
    assert not read(image, HOLED).mask[INNER].any() and read(ee.Image("C/a"), HOLED).mask[INNER].any()


def test_means_are_weighted_by_the_kernel():
    """A Image.reduceNeighborhood: inputWeight 'kernel' is the default."""
    weights = np.array([[1, 2, 1], [0, 4, 0], [1, 2, 3]], float)
    kernel = ee.Kernel.fixed(3, 3, weights.tolist())
    source = read(ee.Image("C/a"), HOLED)
    stack = shifted(source, weights)
    expected = np.ma.average(stack, axis=0, weights=np.broadcast_to(weights[weights != 0][:, None, None], stack.shape))
    found = read(ee.Image("C/a").reduceNeighborhood(ee.Reducer.mean(), kernel), HOLED)
    assert np.ma.allclose(found[INNER], expected[INNER], atol=1e-6)


def test_sums_are_weighted_and_counts_are_not():
    weights = [[0, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0]]
    image = ee.Image(4)
    reducer = ee.Reducer.sum().combine(ee.Reducer.count(), sharedInputs=True)
    both = image.reduceNeighborhood(reducer, ee.Kernel.fixed(3, 3, weights))
    assert number(both) == 8 and number(both.select(1)) == 4


def test_the_weight_can_be_the_mask():
    half = ee.Image(3).updateMask(0.5)
    by_mask = half.reduceNeighborhood(ee.Reducer.sum(), ee.Kernel.square(1, "pixels", False), "mask")
    by_least = half.reduceNeighborhood(ee.Reducer.sum(), ee.Kernel.square(1, "pixels", True), "min")
    assert number(by_mask) == pytest.approx(9 * 3 * 0.5) and number(by_least) == pytest.approx(3)


def test_convolution_equals_scipy():
    weights = np.array([[1.0, 2, 0], [-1, 3, 0], [0, -2, 1]])
    found = read(ee.Image("C/a").convolve(ee.Kernel.fixed(3, 3, weights.tolist())))
    expected = scipy.ndimage.correlate(read(ee.Image("C/a")).data.astype(float), weights)
    assert found.data[INNER] == pytest.approx(expected[INNER], abs=1e-5)


def test_convolution_next_to_masked_pixels_is_masked():
    """Assumption (local_ee/docs/reference.md, "Undocumented"): no value is made up for a masked neighbour."""
    mask = read(ee.Image("C/a").convolve(ee.Kernel.square(1)), HOLED).mask
    holes = read(ee.Image("C/a"), HOLED).mask
    assert (mask[INNER] == scipy.ndimage.binary_dilation(holes, np.ones((3, 3)))[INNER]).all()


def test_focal_max_equals_scipy():
    """D guides/image_morph: pixels under non-zero cells; the default, a circle of radius 1.5, is a 3 x 3 box."""
    circle = np.hypot(*np.mgrid[-1:2, -1:2]) <= 1.5
    found = read(ee.Image("C/a").focalMax())
    expected = scipy.ndimage.maximum_filter(read(ee.Image("C/a")).data, footprint=circle)
    assert (found.data[INNER] == expected[INNER]).all() and info(ee.Image("C/a").focal_max().bandNames(), SOLID) == [
        "x"
    ]


def test_focal_mode_is_the_most_frequent():
    image = ee.Image.pixelCoordinates("EPSG:32650").select("x").mod(30).gt(10)
    found = pixels(image.focalMode(1, "square"), grid=GRID).data
    assert (found == 1).all()  # two of three columns are 1 in every 3 x 3 window


def test_iterations_repeat_the_filter():
    twice = read(ee.Image("C/a").focalMin(1, "square", "pixels", 2)).data
    once = read(ee.Image("C/a").focalMin(2, "square")).data
    assert (twice[INNER] == once[INNER]).all()


def test_kernels_in_metres_follow_the_pixel_size():
    """D guides/image_convolutions: kernels in meters resize with the zoom."""
    image = ee.Image(1).reduceNeighborhood(ee.Reducer.count(), ee.Kernel.square(30, "meters"))
    assert pixels(image, grid=utm(3, 3)).data[1, 1] == 49 and pixels(image, grid=utm(3, 3, step=30)).data[1, 1] == 9


def test_normalised_kernels_sum_to_the_magnitude():
    """D guides/image_convolutions: normalise makes the cells sum to 1, or to 0 if any is negative."""
    assert np.sum(info(ee.Kernel.gaussian(3, 1.5, "pixels", True, 2))["weights"]) == pytest.approx(2)
    assert np.sum(info(ee.Kernel.fixed(2, 1, [[3, -1]], 0, 0, True))["weights"]) == pytest.approx(0)


def test_kernels_are_turned_and_added():
    corner = ee.Kernel.fixed(3, 3, [[1, 2, 0], [0, 0, 0], [0, 0, 0]])
    assert info(corner.rotate(1))["weights"] == [[0, 0, 1], [0, 0, 2], [0, 0, 0]]
    total = info(ee.Kernel.square(1, "pixels", False).add(ee.Kernel.fixed(1, 1, [[5]])))
    assert total["weights"] == [[1, 1, 1], [1, 6, 1], [1, 1, 1]]


def test_kernels_beyond_512_pixels_are_refused():
    """D release-notes: larger kernels are refused."""
    with pytest.raises(EngineError, match="512"):
        value(ee.Image(1).convolve(ee.Kernel.square(300))).read(GRID)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99), half=st.integers(0, 3), dtype=st.sampled_from(["float32", "uint16", "float64", "int32"])
)
def test_window_sums_equal_a_loop(seed, half, dtype):
    random = np.random.default_rng(seed)
    values = random.integers(0, 9000, (12, 13)).astype(dtype)
    mask = random.random((12, 13)) < 0.7
    side = 2 * half + 1
    count, total, square = window_sums(values, mask, Weights(np.ones((side, side)), half, half), squares=True)
    windows = np.lib.stride_tricks.sliding_window_view(np.where(mask, values, 0).astype(float), (side, side))
    assert (count == np.lib.stride_tricks.sliding_window_view(mask, (side, side)).sum(axis=(2, 3))).all()
    assert total == pytest.approx(windows.sum(axis=(2, 3))) and square == pytest.approx((windows**2).sum(axis=(2, 3)))


def test_slope_and_aspect_of_a_plane():
    """A Terrain.slope, Terrain.aspect: degrees, from the 4-connected gradient."""
    place = ee.Image.pixelCoordinates("EPSG:32650")
    rising_east = place.select("x").multiply(0.5)
    rising_south_east = place.select("x").subtract(place.select("y"))
    assert pixels(ee.Terrain.slope(rising_east)).data == pytest.approx(np.degrees(np.arctan(0.5)), abs=1e-4)
    assert pixels(ee.Terrain.aspect(rising_east)).data == pytest.approx(270, abs=1e-4)  # it faces west
    assert pixels(ee.Terrain.aspect(rising_south_east)).data == pytest.approx(315, abs=1e-4)


def test_slope_is_missing_beside_masked_pixels():
    holes = read(ee.Image("C/a"), HOLED).mask
    cross = scipy.ndimage.binary_dilation(holes, scipy.ndimage.generate_binary_structure(2, 1))
    assert (read(ee.Terrain.slope(ee.Image("C/a")), HOLED).mask[INNER] == cross[INNER]).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (3, 7), (7, 7), (5, 8), (12, 31)])
@pytest.mark.parametrize("holes", [0.0, 0.3, 1.0])
def test_moments_of_boxes_equal_numpy_and_know_no_window(height, width, holes):
    """Bit for bit the same pixel in any cut of the image, also where one cut has holes and the other none."""
    rng = np.random.default_rng(height * width)
    values = rng.gamma(2, 1, (60, 70)).astype(np.float32)
    mask = rng.random(values.shape) >= holes
    mask[:25] = True
    weights = Weights(np.full((height, width), 0.5), height // 2, width // 2)
    mean, variance, valid = window_moments(values, mask, weights, squares=True)
    parts = np.lib.stride_tricks.sliding_window_view(
        np.ma.filled(np.ma.masked_array(values, ~mask).astype(float), np.nan), (height, width)
    )
    expected = np.ma.masked_invalid(parts)
    np.testing.assert_array_equal(valid, (~np.isnan(parts)).any(axis=(2, 3)))
    assert np.ma.allclose(np.ma.masked_array(mean, ~valid), expected.mean(axis=(2, 3)), rtol=1e-6)
    assert np.ma.allclose(np.ma.masked_array(variance, ~valid), expected.var(axis=(2, 3)), rtol=1e-5, atol=1e-6)
    cut = np.s_[3:40, 5:50]
    inner = np.s_[3 : 40 - height + 1, 5 : 50 - width + 1]
    again = window_moments(values[cut], mask[cut], weights, squares=True)
    for one, other in zip(again, (mean, variance, valid), strict=True):
        np.testing.assert_array_equal(one, other[inner])
    alone, _, _ = window_moments(values[:25], mask[:25], weights, squares=False)
    np.testing.assert_array_equal(alone, mean[: 25 - height + 1])
