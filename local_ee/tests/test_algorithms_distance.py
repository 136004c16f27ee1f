"""Distances to non-zero pixels, against all pairs of pixels (no code in common with the engine's shifts)."""

from __future__ import annotations

import math

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(30, 34)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("float32", 10)}, seed=3, hidden=4),))
REACH = 9


def source() -> ee.Image:
    return ee.Image("C/a")


def sparse(seed_share: float = 0.06) -> tuple[ee.Image, np.ndarray]:
    """Few non-zero pixels, some hidden, and where they are."""
    values = pixels(source(), CATALOG, GRID)
    limit = float(np.quantile(values.compressed(), 1 - seed_share))
    image = source().gt(limit)
    hit = (values > limit).filled(False)
    assert 10 < hit.sum() < 100
    return image, hit


def along(hit: np.ndarray, angle_deg: float, reach: float) -> np.ndarray:
    """The distance from each pixel to the nearest hit within half a pixel of the ray, by all pairs; nan where none."""
    across, up = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    found = np.full(hit.shape, np.nan)
    for row, col in np.ndindex(hit.shape):
        for other_row, other_col in np.argwhere(hit):
            x, y = other_col - col, row - other_row
            if abs(across) >= abs(up):
                on_line = x * across >= 0 and abs(y - x * up / across) < 0.5
            else:
                on_line = y * up >= 0 and abs(x - y * across / up) < 0.5
            distance = math.hypot(x, y)
            if on_line and distance <= reach:
                found[row, col] = np.nanmin([found[row, col], distance])
    return found


@pytest.mark.parametrize("angle_deg", [0, 17.3, 61, 90, 133.7, -29, 201.4, 270])
def test_the_nearest_pixel_in_a_direction(angle_deg):
    """Google's pages do not say it: the angle is the one of Google's s2cloudless guide (90 - azimuth)."""
    image, hit = sparse()
    found = pixels(image.directionalDistanceTransform(angle_deg, REACH), CATALOG, GRID)
    expected = along(hit, angle_deg, REACH)
    inner = np.s_[REACH:-REACH, REACH:-REACH]  # hits beyond the window are known to the engine, not to the oracle
    np.testing.assert_array_equal(np.ma.getmaskarray(found)[inner], np.isnan(expected)[inner])
    np.testing.assert_allclose(found[inner].compressed(), expected[inner][~np.isnan(expected[inner])], rtol=1e-6)
    assert (~np.isnan(expected[inner])).sum() > 5


def test_a_cloud_in_the_south_casts_its_shadow_north():
    """The sun at azimuth 180: searching at 90 - 180 degrees from the shadow finds the cloud below it."""
    row = pixels(ee.Image.pixelCoordinates(ee.Projection("EPSG:32650")).select("y"), CATALOG, GRID)
    cloud = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650")).select("y").eq(float(row[20, 0]))
    found = pixels(cloud.directionalDistanceTransform(90 - 180, 5), CATALOG, GRID)
    below = np.ma.getmaskarray(found)[:, 0]
    assert [number for number in range(30) if not below[number]] == [15, 16, 17, 18, 19, 20]
    assert found[16, 0] == 4 and found[20, 0] == 0


def test_values_of_the_pixels_found_are_brought_along():
    image, hit = sparse()
    both = source().rename("value").addBands(image.rename("hit"))
    asked = both.directionalDistanceTransform(0, REACH, "hit")
    assert info(asked.bandNames(), CATALOG) == ["value", "hit", "distance"]
    values, found = pixels(source(), CATALOG, GRID), pixels(asked, CATALOG, GRID, band=0)
    for row, col in np.argwhere(~np.ma.getmaskarray(found)):
        ahead = np.flatnonzero(hit[row, col : col + REACH + 1])
        if len(ahead):
            assert found[row, col] == values[row, col + ahead[0]]


def all_pairs(hit: np.ndarray, metric: str) -> np.ndarray:
    rows, cols = np.indices(hit.shape)
    away = [(abs(rows - row), abs(cols - col)) for row, col in np.argwhere(hit)]
    measure = {
        "squared_euclidean": lambda y, x: y**2 + x**2,
        "manhattan": lambda y, x: y + x,
        "chebyshev": np.maximum,
    }[metric]
    return np.min([measure(y, x) for y, x in away], axis=0)


@pytest.mark.parametrize("metric", ["squared_euclidean", "manhattan", "chebyshev"])
def test_the_fast_transform_equals_all_pairs_within_its_neighbourhood(metric):
    """Image.fastDistanceTransform: values for all pixels within the neighbourhood, whatever the mask; squared first."""
    image, hit = sparse()
    found = pixels(image.fastDistanceTransform(REACH, "pixels", metric), CATALOG, GRID)
    expected = all_pairs(hit, metric)
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    limit = REACH**2 if metric == "squared_euclidean" else REACH
    np.testing.assert_array_equal(np.ma.getmaskarray(found)[inner], (expected > limit)[inner])
    near = expected[inner] <= limit
    np.testing.assert_array_equal(found[inner][near], expected[inner][near])


@pytest.mark.parametrize("kind", ["directional", "fast"])
def test_a_pixel_does_not_depend_on_the_window(kind):
    image, _ = sparse()
    asked = image.directionalDistanceTransform(40, 12) if kind == "directional" else image.fastDistanceTransform(12)
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((9, 7), GRID.affine * Affine.translation(11, 8), GRID.crs))
    np.testing.assert_array_equal(np.ma.getmaskarray(part), np.ma.getmaskarray(whole)[8:17, 11:18])
    np.testing.assert_array_equal(part.filled(-1), whole[8:17, 11:18].filled(-1))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: source().fastDistanceTransform(5, "meters"), "Only 'pixels'"),
        (lambda: source().fastDistanceTransform(5, "pixels", "minkowski"), "Unknown metric"),
        (lambda: source().fastDistanceTransform(5000), "1 to 1024"),
        (lambda: source().directionalDistanceTransform(0, 0), "1 to 1024"),
        (lambda: source().addBands(source().rename("y")).directionalDistanceTransform(0, 5), "needs a labelBand"),
        (lambda: source().directionalDistanceTransform(0, 5, "z"), "did not match"),
    ],
)
def test_what_cannot_be_searched_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev"])
@pytest.mark.parametrize(("units", "step"), [("pixels", 1), ("meters", 10)])
def test_a_distance_kernel_measures_to_the_nearest_pixel(metric, units, step):
    """apidocs ee-image-distance: in the kernel's units, masked beyond its radius."""
    image, hit = sparse()
    kernel = getattr(ee.Kernel, metric)(REACH * step, units)
    found = pixels(image.distance(kernel, False), CATALOG, GRID)
    expected = all_pairs(hit, "squared_euclidean" if metric == "euclidean" else metric)
    expected = np.sqrt(expected) if metric == "euclidean" else expected
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    near = expected[inner] <= REACH
    np.testing.assert_array_equal(~np.ma.getmaskarray(found)[inner], near)
    np.testing.assert_allclose(found[inner][near], expected[inner][near] * step, rtol=1e-6)


def test_masked_pixels_have_a_distance_only_where_they_are_asked_for():
    image, _ = sparse()
    asked = image.distance(ee.Kernel.euclidean(REACH))
    hidden = np.ma.getmaskarray(pixels(image, CATALOG, GRID))
    assert hidden.any() and np.ma.getmaskarray(pixels(asked, CATALOG, GRID))[hidden].all()


def test_a_kernel_without_distances_measures_nothing():
    with pytest.raises(EngineError, match="one of: chebyshev, euclidean, manhattan"):
        pixels(source().distance(ee.Kernel.square(3)), CATALOG, GRID)


def test_parabolas_over_pixels():
    """apidocs ee-image-rsedtransform: the highest of value - squared distance over all non-zero pixels, at least 0."""
    image, hit = sparse()
    heights = image.multiply(source().multiply(60)).toInt()
    tops = pixels(heights, CATALOG, GRID).filled(0)
    rows, cols = np.indices(hit.shape)
    peaks = [tops[row, col] - (rows - row) ** 2 - (cols - col) ** 2 for row, col in np.argwhere(tops)]
    expected = np.maximum(np.max(peaks, axis=0), 0)
    found = pixels(heights.rsedTransform(REACH), CATALOG, GRID)
    inner = np.s_[REACH:-REACH, REACH:-REACH]
    np.testing.assert_array_equal(found[inner].compressed(), expected[inner][~np.ma.getmaskarray(found)[inner]])
    assert (expected[inner] > 0).sum() > (tops[inner] > 0).sum()
