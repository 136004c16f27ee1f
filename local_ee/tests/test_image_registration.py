"""Registration (guides/register), against images that were moved by known distances."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster.matching import correlation, peak
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(70, 70)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10)}, seed=3),))
MIDDLE = GeoBox((10, 10), GRID.affine * Affine.translation(30, 30), GRID.crs)


def reference() -> ee.Image:
    return ee.Image("C/a").select("x")


def smooth() -> ee.Image:
    """With structure of some pixels, so that parts of a pixel can be told."""
    return reference().focalMean(2, "square", "pixels")


def test_correlations_are_pearsons():
    chance = np.random.default_rng(1)
    patch, place = chance.normal(size=(2, 5, 6)), chance.normal(size=(2, 9, 11))
    found = correlation(patch, place)
    for row, col in [(0, 0), (4, 5), (2, 3)]:
        own = place[:, row : row + 5, col : col + 6]
        pairs = [(a - a.mean(), b - b.mean()) for a, b in zip(patch, own, strict=True)]
        top = sum((a * b).sum() for a, b in pairs)
        expected = top / np.sqrt(sum((a * a).sum() for a, _ in pairs) * sum((b * b).sum() for _, b in pairs))
        assert found[row, col] == pytest.approx(expected)


def test_a_peak_lies_between_pixels():
    rows, cols = np.indices((7, 8))
    scores = 0.9 - 0.02 * (rows - 3.3) ** 2 - 0.03 * (cols - 4.8) ** 2
    assert peak(scores)[:2] == pytest.approx((3.3, 4.8))


def test_a_flat_patch_matches_nothing():
    assert (correlation(np.ones((1, 3, 3)), np.random.default_rng(0).normal(size=(1, 6, 6))) == -1).all()


@pytest.mark.parametrize(("east_m", "north_m"), [(30, -20), (0, 0), (-40, 10)])
def test_the_displacement_leads_to_the_matching_place(east_m, north_m):
    """guides/register: the distance to travel from the reference's place to that in the calling image."""
    found = reference().translate(east_m, north_m).displacement(reference(), 50, patchWidth=160)
    assert info(found.bandNames(), CATALOG) == ["dx", "dy", "confidence"]
    dx, dy, confidence = (pixels(found, CATALOG, MIDDLE, band=i) for i in range(3))
    np.testing.assert_allclose(dx, east_m, atol=0.5)
    np.testing.assert_allclose(dy, north_m, atol=0.5)
    assert (confidence > 0.9).all() and (confidence <= 1).all()


def test_parts_of_a_pixel_are_told():
    moved = smooth().resample("bilinear").translate(14, 6)
    found = moved.displacement(smooth(), 40, patchWidth=160)
    assert float(pixels(found, CATALOG, MIDDLE).mean()) == pytest.approx(14, abs=2)
    assert float(pixels(found, CATALOG, MIDDLE, band=1).mean()) == pytest.approx(6, abs=2)


def test_a_registered_image_lies_on_the_reference():
    found = pixels(smooth().translate(30, -20).register(smooth(), 50, 160), CATALOG, MIDDLE)
    expected = pixels(smooth(), CATALOG, MIDDLE)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_without_a_likeness_there_is_no_confidence():
    other = ee.Image.random(3).multiply(100).setDefaultProjection("EPSG:32650", None, 10)
    found = other.displacement(reference(), 30, patchWidth=160)
    assert float(pixels(found, CATALOG, MIDDLE, band=2).mean()) < 0.5


def test_a_pixel_does_not_depend_on_the_window():
    asked = reference().translate(20, 10).displacement(reference(), 30, patchWidth=160)
    whole = pixels(asked, CATALOG, MIDDLE)
    part = pixels(asked, CATALOG, GeoBox((3, 4), MIDDLE.affine * Affine.translation(5, 2), MIDDLE.crs))
    np.testing.assert_array_equal(part, whole[2:5, 5:9])


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: ee.Image([1, 2]).displacement(reference(), 10), "same number of bands, got 2 and 1"),
        (lambda: reference().displacement(reference(), 0), "maxOffset must be positive"),
        (lambda: reference().displacement(reference(), 1e5), "maxOffset spans 10000 pixels"),
        (lambda: reference().displacement(reference(), 10, stiffness=11), "within \\[0, 10\\], got 11"),
    ],
)
def test_what_cannot_be_registered_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, MIDDLE)
