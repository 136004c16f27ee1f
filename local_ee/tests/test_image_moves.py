"""Images moved as a whole (apidocs ee-image-changeproj, ee-image-translate)."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(20, 24)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10)}, seed=3, hidden=2),))


def source() -> ee.Image:
    return ee.Image("C/a")


def array(grid: GeoBox = GRID) -> np.ndarray:
    return pixels(source(), CATALOG, grid).filled(65535)


def shifted(cols: float, rows: float) -> GeoBox:
    return GeoBox(GRID.shape, GRID.affine * Affine.translation(cols, rows), GRID.crs)


def test_metres_go_east_and_north():
    found = pixels(source().translate(30, 20), CATALOG, shifted(3, -2))
    np.testing.assert_array_equal(found.filled(65535), array())


def test_pixels_go_right_and_down():
    found = pixels(source().translate(3, 2, "pixels"), CATALOG, shifted(3, 2))
    np.testing.assert_array_equal(found.filled(65535), array())


def test_pixels_of_another_projection():
    projection = ee.Projection("EPSG:32650", [20, 0, 0, 0, -20, 0])
    found = pixels(source().translate(1, 0, "pixels", projection), CATALOG, shifted(2, 0))
    np.testing.assert_array_equal(found.filled(65535), array())


def test_the_grid_moves_with_the_image():
    moved = info(source().translate(5, 0), CATALOG)["bands"][0]
    assert moved["crs_transform"] == [10, 0, GRID.affine.c + 5, 0, -10, GRID.affine.f]


def test_the_footprint_moves_with_the_image():
    before = info(source().geometry().transform("EPSG:32650", 1).bounds(1, "EPSG:32650"), CATALOG)
    after = info(source().translate(100, 0).geometry().transform("EPSG:32650", 1).bounds(1, "EPSG:32650"), CATALOG)
    east = [np.array(each["coordinates"][0])[:, 0] for each in (before, after)]
    np.testing.assert_allclose(east[1] - east[0], 100, atol=1e-3)


def test_coordinates_of_one_zone_are_taken_for_another():
    """A UTM zone further east, the same coordinates: the same pixels."""
    moved = source().changeProj("EPSG:32650", "EPSG:32651")
    there = GeoBox(GRID.shape, GRID.affine, "EPSG:32651")
    np.testing.assert_array_equal(pixels(moved, CATALOG, there).filled(65535), array())
    assert info(moved, CATALOG)["bands"][0]["crs"] == "EPSG:32651"


def test_the_scale_of_the_projections_counts():
    """Twice as large pixels in the destination: each pixel is two by two of the same value."""
    moved = source().changeProj("EPSG:32650", ee.Projection("EPSG:32650").scale(2, 2))
    affine = Affine(10, 0, GRID.affine.c * 2, 0, -10, GRID.affine.f * 2)
    found = pixels(moved, CATALOG, GeoBox((40, 48), affine, GRID.crs)).filled(65535)
    np.testing.assert_array_equal(found, np.kron(array(), np.ones((2, 2), int)))


def test_a_third_projection_sees_the_moved_image():
    """pixelLonLat read in degrees after its degrees were taken for other ones, 10 to the east."""
    moved = ee.Image.pixelLonLat().changeProj("EPSG:4326", ee.Projection("EPSG:4326").translate(10, 0))
    found = pixels(moved, CATALOG, GRID)
    plain = pixels(ee.Image.pixelLonLat(), CATALOG, GRID)
    np.testing.assert_allclose(found, plain - 10, atol=2e-4)


def test_a_pixel_does_not_depend_on_the_window():
    asked = source().translate(33, 12)
    whole = pixels(asked, CATALOG, GRID)
    part = pixels(asked, CATALOG, GeoBox((5, 4), GRID.affine * Affine.translation(6, 3), GRID.crs))
    np.testing.assert_array_equal(part.filled(65535), whole[3:8, 6:10].filled(65535))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: source().translate(1, 1, "feet"), "Unknown kernel units 'feet'"),
        (lambda: source().changeProj(ee.Projection("EPSG:32650").scale(0, 1), "EPSG:4326"), "cannot be inverted"),
    ],
)
def test_what_cannot_be_moved_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), CATALOG, GRID)
