"""Objects of images (guides/image_objects; apidocs ee-image-connectedcomponents, ee-image-reduceconnectedcomponents),
against SciPy's labels."""

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

GRID = utm(26, 30)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("float32", 10)}, seed=5, hidden=3),))
MOST = 6
INNER = np.s_[8:18, 8:22]  # pixels whose objects of up to 6 pixels are in the grid
SQUARE, PLUS = np.ones((3, 3)), None


def classes() -> ee.Image:
    return ee.Image("C/a").select("x").mod(3).toByte().rename("class")


def other() -> ee.Image:
    return ee.Image("C/a").select("y")


def components(structure: np.ndarray | None) -> np.ndarray:
    """Labels by SciPy; 0 where the image is masked."""
    values = pixels(classes(), CATALOG, GRID)
    labels, last = np.zeros(values.shape, int), 0
    for number in range(3):
        own, count = ndimage.label((values == number).filled(False), structure)
        labels = np.where(own > 0, own + last, labels)
        last += count
    return labels


def label_image(kernel: ee.Kernel, most: int = MOST) -> ee.Image:
    return classes().connectedComponents(kernel, most)


@pytest.mark.parametrize(("name", "structure"), [("plus", PLUS), ("square", SQUARE)])
def test_pixels_have_one_label_where_they_are_one_object(name, structure):
    labels = pixels(label_image(getattr(ee.Kernel, name)(1)), CATALOG, GRID, band=1)
    expected = components(structure)
    sizes = np.bincount(expected.ravel())
    small = (expected > 0) & (sizes[expected] <= MOST)
    np.testing.assert_array_equal(~np.ma.getmaskarray(labels)[INNER], small[INNER])
    pairs = {(int(a), int(b)) for a, b in zip(labels[INNER][small[INNER]], expected[INNER][small[INNER]], strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) > 10


def test_the_input_stays_and_labels_are_added():
    assert info(label_image(ee.Kernel.plus(1)).bandNames(), CATALOG) == ["class", "labels"]
    kept = pixels(label_image(ee.Kernel.plus(1)), CATALOG, GRID)
    np.testing.assert_array_equal(kept.filled(9), pixels(classes(), CATALOG, GRID).filled(9))


def test_a_kernel_of_two_pixels_connects_across_a_gap():
    column = ee.Image.pixelCoordinates(ee.Projection("EPSG:32650").atScale(10)).select("x").floor().toInt()
    dots = column.mod(2).selfMask()
    apart = pixels(dots.connectedComponents(ee.Kernel.fixed(3, 1, [[1, 1, 1]]), 3), NOTHING, SMALL, band=1)
    joined = pixels(dots.connectedComponents(ee.Kernel.fixed(5, 1, [[1, 1, 1, 1, 1]]), 3), NOTHING, SMALL, band=1)
    assert np.ma.getmaskarray(apart)[0].sum() == 4  # every second pixel is an object of its own
    assert np.ma.getmaskarray(joined).all()  # all are one object, larger than 3 pixels


SMALL = utm(2, 8)
NOTHING = Scenes(())


@pytest.mark.parametrize("reducer", ["mean", "stdDev", "max", "median", "first", "count"])
def test_other_bands_are_reduced_over_objects(reducer):
    """Against NumPy, object by object; objects of more than MOST rows or columns are masked."""
    image = classes().addBands(other()).reduceConnectedComponents(getattr(ee.Reducer, reducer)(), "class", MOST)
    assert info(image.bandNames(), CATALOG) == ["y"]
    found, values = pixels(image, CATALOG, GRID), pixels(other(), CATALOG, GRID)
    expected = expected_reduction(values, reducer)
    np.testing.assert_array_equal(np.ma.getmaskarray(found)[INNER], np.isnan(expected)[INNER])
    np.testing.assert_allclose(found[INNER].compressed(), expected[INNER][~np.isnan(expected[INNER])], rtol=2e-6)


def expected_reduction(values: np.ma.MaskedArray, reducer: str) -> np.ndarray:
    compute = {"mean": np.mean, "stdDev": np.std, "max": np.max, "median": np.median, "first": lambda v: v[0]}
    labels = components(SQUARE)
    expected = np.full(labels.shape, np.nan)
    for index, where in enumerate(ndimage.find_objects(labels), start=1):
        members = labels == index
        if max(span.stop - span.start for span in where) > MOST:
            continue
        own = values[members].compressed().astype(float)
        if reducer == "count":
            expected[members] = len(own)
        elif len(own):
            expected[members] = compute[reducer](own)
    return expected


def test_several_outputs_name_the_bands():
    """As Google's object-based example: pixelLonLat reduced by minMax has longitude_max (samples, OBIA)."""
    image = ee.Image.pixelLonLat().addBands(classes()).reduceConnectedComponents(ee.Reducer.minMax(), "class", 8)
    assert info(image.bandNames(), CATALOG) == ["longitude_min", "longitude_max", "latitude_min", "latitude_max"]


def test_the_first_band_is_the_label_where_none_is_named():
    image = classes().addBands(other()).reduceConnectedComponents(ee.Reducer.mean())
    assert info(image.bandNames(), CATALOG) == ["y"]


@pytest.mark.parametrize("name", ["labels", "mean", "median"])
def test_a_pixel_does_not_depend_on_the_window(name):
    if name == "labels":
        asked = label_image(ee.Kernel.plus(1)).select("labels")
    else:
        asked = classes().addBands(other()).reduceConnectedComponents(getattr(ee.Reducer, name)(), "class", MOST)
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(11, 8), GRID.crs))
    np.testing.assert_array_equal(part.filled(-1), whole[8:13, 11:15].filled(-1))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: label_image(ee.Kernel.plus(1), 2000), "1 to 1024"),
        (lambda: label_image(ee.Kernel.plus(1)).connectedComponents(ee.Kernel.plus(1), 5), "'labels' already"),
        (lambda: label_image(ee.Kernel.plus(10, "meters")), "in pixels"),
        (lambda: classes().reduceConnectedComponents(ee.Reducer.mean()), "beside the label band"),
        (lambda: classes().addBands(other()).reduceConnectedComponents(ee.Reducer.mean(), "z"), "did not match"),
        (lambda: classes().addBands(other()).reduceConnectedComponents(ee.Reducer.linearFit()), "Need 2 bands"),
    ],
)
def test_what_cannot_be_computed_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)
