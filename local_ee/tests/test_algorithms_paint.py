"""Image.paint against shapely: a pixel is painted where its centre lies in a feature."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import shapely
from shapely.geometry import mapping

from local_ee.errors import EngineError
from local_ee.testing.evaluating import pixels
from local_ee.testing.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(40, 45)
BOX = shapely.box(*GRID.extent.boundingbox)
SHAPES = [
    shapely.affinity.rotate(shapely.affinity.scale(BOX, 0.4, 0.3), 25),
    shapely.affinity.translate(shapely.affinity.scale(BOX, 0.3, 0.5), 40, 50),
]


def features(*numbers: int) -> ee.FeatureCollection:
    crs = str(GRID.crs)
    return ee.FeatureCollection(
        [
            ee.Feature(ee.Geometry(mapping(s), crs, False), {"n": n})
            for s, n in zip(SHAPES[: len(numbers)], numbers, strict=True)
        ]
    )


def inside(shape) -> np.ndarray:
    x, y = GRID.affine * np.meshgrid(np.arange(GRID.shape[1]) + 0.5, np.arange(GRID.shape[0]) + 0.5)
    return shapely.contains_xy(shape, x, y)


def test_centres_inside_take_the_number():
    found = pixels(ee.Image(0).toByte().paint(features(1), 7), grid=GRID)
    np.testing.assert_array_equal(found, inside(SHAPES[0]) * 7)
    assert not np.ma.getmaskarray(found).any()


def test_later_features_lie_on_top_and_bring_their_own_number():
    found = pixels(ee.Image(0).toByte().paint(features(3, 5), "n"), grid=GRID)
    np.testing.assert_array_equal(found, np.where(inside(SHAPES[1]), 5, inside(SHAPES[0]) * 3))


def test_painted_pixels_become_valid():
    """`ee.Image().byte().paint(...)` is how the guide makes an image of features alone."""
    found = pixels(ee.Image(0).selfMask().toByte().paint(features(1), 1), grid=GRID)
    np.testing.assert_array_equal(~np.ma.getmaskarray(found), inside(SHAPES[0]))


@pytest.mark.parametrize(
    ("color", "width", "words"),
    [(1, "name", "numeric property for 'width'"), ("system:index", None, "numeric property for 'color'")],
)
def test_what_it_cannot_paint_is_said(color, width, words):
    with pytest.raises(EngineError, match=words):
        pixels(ee.Image(0).paint(features(1), color, width), grid=GRID)


@pytest.mark.parametrize("color", ["black", "000000"])
def test_a_colour_that_no_feature_has_as_a_property_is_0(color):
    """datasets/catalog/TIGER_2018_Counties: `ee.Image().float().paint({..., color: 'black', width: 1})` draws."""
    found = pixels(ee.Image(7).selfMask().toByte().paint(features(1), color), grid=GRID)
    np.testing.assert_array_equal(found, np.where(inside(SHAPES[0]), 0, 7))
