"""Image.reduceResolution against block means of the finer pixels."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.testing.evaluating import pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

FINE = utm(60, 80)
WHOLE = Scenes((Scene("C/a", FINE, {"x": ("float32", 10)}, seed=1),))
HOLED = Scenes((Scene("C/a", FINE, {"x": ("float32", 10)}, seed=1, hidden=5),))


def coarser(side: int) -> GeoBox:
    return GeoBox((60 // side, 80 // side), FINE.affine * Affine.scale(side), FINE.crs)


def blocks(found: np.ma.MaskedArray, side: int) -> np.ma.MaskedArray:
    return found.reshape(60 // side, side, 80 // side, side)


@pytest.mark.parametrize("side", [2, 5, 4])
@pytest.mark.parametrize("catalog", [WHOLE, HOLED], ids=["whole", "holed"])
def test_a_coarse_pixel_is_the_mean_of_its_fine_ones(side, catalog):
    """Masked ones weigh nothing (apidocs: weights are the product of mask and covered fraction)."""
    image = ee.Image("C/a")
    found = pixels(image.reduceResolution(ee.Reducer.mean()), catalog, coarser(side))
    expected = blocks(pixels(image, catalog, FINE), side).mean(axis=(1, 3))
    np.testing.assert_allclose(found.filled(-1), expected.filled(-1), rtol=1e-5)
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))


def test_other_reducers_serve_too():
    found = pixels(ee.Image("C/a").reduceResolution(ee.Reducer.max()), WHOLE, coarser(4))
    np.testing.assert_array_equal(found, blocks(pixels(ee.Image("C/a"), WHOLE, FINE), 4).max(axis=(1, 3)))


def test_at_its_own_step_it_is_the_image():
    image = ee.Image("C/a")
    np.testing.assert_array_equal(
        pixels(image.reduceResolution(ee.Reducer.mean()), WHOLE, FINE), pixels(image, WHOLE, FINE)
    )


def test_windows_and_the_whole_agree():
    image = ee.Image("C/a").reduceResolution(ee.Reducer.mean())
    whole = pixels(image, HOLED, coarser(5))
    np.testing.assert_array_equal(pixels(image, HOLED, coarser(5)[3:9, 4:11]).filled(-1), whole[3:9, 4:11].filled(-1))


def test_too_many_pixels_are_refused_unless_the_best_is_enough():
    image = ee.Image("C/a")
    with pytest.raises(EngineError, match=r"Too many input pixels per output pixel \(100 > 64\)"):
        pixels(image.reduceResolution(ee.Reducer.mean()), WHOLE, coarser(10))
    pixels(image.reduceResolution(ee.Reducer.mean(), True), WHOLE, coarser(10))
    pixels(image.reduceResolution(ee.Reducer.mean(), False, 100), WHOLE, coarser(10))
