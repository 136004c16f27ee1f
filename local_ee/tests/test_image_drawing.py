"""Features drawn (apidocs ee-featurecollection-style, ee-featurecollection-draw, ee-image-paint), against Shapely."""

from __future__ import annotations

import ee
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster import drawing
from local_ee.testing.evaluating import CLIENT, info, pixels, value
from local_ee.testing.scenes import utm
from tests.test_table_images import LEFT, TOP, geometry

pytestmark = CLIENT

GRID = utm(26, 30)
AREA = shapely.Polygon([(LEFT + 42.3, TOP - 38.1), (LEFT + 221.7, TOP - 61.4), (LEFT + 137.2, TOP - 208.9)])
LINE = shapely.LineString([(LEFT + 23.1, TOP - 33.3), (LEFT + 261.9, TOP - 177.7)])
SPOT = shapely.Point(LEFT + 154.4, TOP - 126.7)


def collection(shape: shapely.Geometry, **properties) -> ee.FeatureCollection:
    return ee.FeatureCollection([ee.Feature(geometry(shape), properties)])


def away_px(shape: shapely.Geometry) -> np.ndarray:
    """The distance of each pixel's centre from a shape, in pixels."""
    rows, cols = np.indices(GRID.shape)
    centres = shapely.points(LEFT + 10 * cols + 5, TOP - 10 * rows - 5)
    return shapely.distance(shape, centres) / 10


def drawn(image: ee.Image, band: int = 0) -> np.ma.MaskedArray:
    return pixels(image, grid=GRID, band=band)


def opacity(image: ee.Image) -> np.ndarray:
    return np.asarray(value(image).read(GRID).masks[0], float)


def test_an_outline_lies_within_half_its_width_of_the_edge():
    found = pixels(ee.Image(0).paint(collection(AREA), 7, 3), grid=GRID)
    near = away_px(AREA.exterior)
    sure = abs(near - 1.5) > 0.05  # round ends are polygons
    np.testing.assert_array_equal((found == 7)[sure], (near <= 1.5)[sure])


def test_colour_and_width_may_be_properties():
    found = pixels(ee.Image(0).paint(collection(LINE, n=9, wide=5), "n", "wide"), grid=GRID)
    near = away_px(LINE)
    sure = abs(near - 2.5) > 0.05
    np.testing.assert_array_equal((found == 9)[sure], (near <= 2.5)[sure])


def test_areas_are_filled_and_outlined():
    """Fill in ff4757 at 0x88 of 255, lines of two pixels in 1e90ff: the colours of Google's sample."""
    image = collection(AREA).style(color="1e90ff", width=2, fillColor="ff475788")
    assert info(image.bandNames()) == ["vis-red", "vis-green", "vis-blue"]
    edge, inside = away_px(AREA.exterior), away_px(AREA) == 0
    line, fill = edge < 0.95, inside & (edge > 1.05)
    assert (drawn(image)[line] == 0x1E).all() and (drawn(image, 2)[line] == 0xFF).all()
    assert (drawn(image)[fill] == 0xFF).all() and (drawn(image, 1)[fill] == 0x47).all()
    np.testing.assert_allclose(opacity(image)[fill], 0x88 / 255, atol=1e-6)
    assert (opacity(image)[line] == 1).all() and (opacity(image)[~inside & (edge > 1.05)] == 0).all()


def test_the_fill_is_the_colour_at_two_thirds():
    """The colour at 0.66 opacity is the default (apidocs ee-featurecollection-style)."""
    image = collection(AREA).style(color="red", width=0)
    fill = (away_px(AREA) == 0) & (away_px(AREA.exterior) > 0.1)
    np.testing.assert_allclose(opacity(image)[fill], 0.66, atol=1e-6)


def test_a_transparent_colour_over_another():
    """Half of blue over opaque red, by the formula of "over": 127.5 of each."""
    both = collection(AREA).merge(collection(AREA.buffer(100)))
    styles = ee.List([{"color": "red", "fillColor": "ff0000", "width": 0}, {"fillColor": "0000ff80", "width": 0}])
    listed = both.toList(2)
    styled = ee.FeatureCollection([ee.Feature(listed.get(i)).set("style", styles.get(i)) for i in range(2)])
    image = styled.style(styleProperty="style", neighborhood=20)
    row, col = np.argwhere((away_px(AREA) == 0) & (away_px(AREA.exterior) > 1))[0]
    share = 0x80 / 255
    assert [drawn(image, i)[row, col] for i in range(3)] == [round(255 * (1 - share)), 0, round(255 * share)]


@pytest.mark.parametrize("shape", ["circle", "square", "diamond", "plus", "pentagram", "^", "hexagon", "x"])
def test_markers_lie_within_their_size(shape):
    image = collection(SPOT).style(pointSize=12, pointShape=shape, width=1)
    shown, near = opacity(image) > 0, away_px(SPOT)
    assert shown[near < 0.6].all() and not shown[near > 6.6].any() and shown.sum() > 8


def test_a_circle_is_as_wide_as_its_size():
    shown, near = opacity(collection(SPOT).style(pointSize=10, width=0)) > 0, away_px(SPOT)
    np.testing.assert_array_equal(shown[abs(near - 5) > 0.1], (near < 5)[abs(near - 5) > 0.1])


def test_dots_and_dashes_leave_gaps():
    solid, dashed, dotted = (
        (opacity(collection(LINE).style(width=2, lineType=name)) > 0).sum() for name in ("solid", "dashed", "dotted")
    )
    assert 0.6 * solid < dashed < 0.8 * solid and 0.35 * solid < dotted < 0.65 * solid


def test_what_reaches_beyond_the_neighbourhood_is_cut_off():
    """apidocs: neighborhood is the maximum pointSize + width needed where styleProperty is used."""
    styled = collection(SPOT, style={"pointSize": 16, "width": 0}).style(styleProperty="style", neighborhood=4)
    shown, near = opacity(styled) > 0, away_px(SPOT)
    np.testing.assert_array_equal(shown[abs(near - 4) > 0.1], (near < 4)[abs(near - 4) > 0.1])


def test_draw_uses_one_colour():
    image = collection(SPOT).merge(collection(LINE)).draw("006600", 4, 3)
    assert set(np.unique(drawn(image, 1).compressed())) == {0x66} and set(np.unique(drawn(image).compressed())) == {0}
    near = away_px(SPOT)
    assert (opacity(image)[near < 3.9] > 0).all()


@pytest.mark.parametrize("name", ["style", "paint"])
def test_a_pixel_does_not_depend_on_the_window(name):
    every = collection(AREA).merge(collection(LINE)).merge(collection(SPOT))
    image = every.style(lineType="dashed", width=3) if name == "style" else ee.Image(0).paint(every, 3, 4)
    whole = pixels(image, grid=GRID)
    part = pixels(image, grid=GeoBox((9, 8), GRID.affine * Affine.translation(11, 7), GRID.crs))
    np.testing.assert_array_equal(part.filled(99), whole[7:16, 11:19].filled(99))


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: collection(SPOT).style(color="nocolour"), "Invalid color 'nocolour'"),
        (lambda: collection(SPOT).style(pointShape="heart"), "Unknown pointShape 'heart'"),
        (lambda: collection(SPOT).style(lineType="wavy"), "Unknown lineType 'wavy'"),
        (lambda: collection(SPOT).style(width=-1), "width must be 0 to 512"),
        (lambda: collection(SPOT, s=3).style(styleProperty="s"), "must be a dictionary, got Integer"),
        (lambda: collection(SPOT, s={"colour": "red"}).style(styleProperty="s"), "Unknown style 'colour'"),
        (lambda: collection(SPOT, s={"color": 3}).style(styleProperty="s"), "color: expected a String"),
    ],
)
def test_what_cannot_be_drawn_is_refused(graph, words):
    with pytest.raises(EngineError, match=words):
        pixels(graph(), grid=GRID)


def test_areas_whose_rings_cross_are_made_valid():
    """Borders of countries that are cut and projected may cross themselves: GEOS alone ends with an exception."""
    bowties = [shapely.Polygon([(x, 0), (x + 4, 4), (x + 4, 0), (x, 4)]) for x in (0, 1, 2)]
    with pytest.raises(shapely.errors.GEOSException):
        shapely.union_all(bowties)
    assert drawing.areas(shapely.GeometryCollection(bowties)).area == pytest.approx(
        shapely.union_all(shapely.make_valid(bowties)).area
    )
