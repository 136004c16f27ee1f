"""Answers that Google's Earth Engine gave and others wrote down: each is held as a number, with its source."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.algorithms import terrain
from local_ee.algorithms.image_grid import clip_to_bounds_and_scale
from local_ee.evaluation.values import Band, Image, constant
from local_ee.raster import resample
from local_ee.raster.geometry import Geometry, rectangle
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import Projection
from local_ee.testing.evaluating import info, number

pytestmark = pytest.mark.usefixtures("session")

# openmapflow's tests/98-togo_2019-02-06_2020-02-01.tif: SRTMGL1_003 and ee.Terrain.slope, exported with scale 10.
EXPORTED = GeoBox(
    (17, 17), Affine(10 / 111319.49079327358, 0, 1.4220330947612025, 0, -10 / 111319.49079327358, 7.720301214779991),
    "EPSG:4326",
)  # fmt: skip
HEIGHTS_M = [
    [209, 213, 215, 214, 213, 214, 214],
    [209, 212, 214, 213, 212, 213, 213],
    [209, 211, 212, 211, 211, 212, 212],
    [208, 209, 209, 209, 210, 210, 210],
    [207, 207, 208, 209, 210, 210, 211],
    [208, 209, 209, 209, 208, 209, 210],
]
SLOPES_DEG = [
    [5.021205, 2.933113, 3.349735, 1.854334, 2.07683],
    [3.946792, 4.627367, 3.820537, 2.07683, 2.933112],
    [3.820537, 3.704792, 2.07683, 1.317449, 1.854334],
    [0.935889, 1.871279, 1.871279, 2.07683, 1.317449],
]
ROWS, COLUMNS = (2, 3, 3, 3, 3, 3), (1, 3, 3, 3, 3, 3, 1)  # pixels of each cell in the export
CELLS = Projection("EPSG:4326", Affine(1 / 3600, 0, 5118.5 / 3600, 0, -1 / 3600, 27793.5 / 3600))


def spread(cells: np.ndarray) -> np.ndarray:
    """Cells as the pixels of the export."""
    return np.repeat(np.repeat(cells, ROWS, axis=0), COLUMNS, axis=1)


def heights() -> Image:
    """The cells of the elevation, which end where the region was clipped."""
    values = np.array(HEIGHTS_M, np.int16)

    def fetch(window: GeoBox) -> Pixels:
        col, row = (round(each) for each in ~CELLS.transform * (window.affine.c, window.affine.f))
        rows, cols = np.arange(row, row + window.shape[0]), np.arange(col, col + window.shape[1])
        inside = ((rows >= 0) & (rows < 6))[:, None] & ((cols >= 0) & (cols < 7))[None, :]
        return Pixels((values[np.ix_(rows.clip(0, 5), cols.clip(0, 6))],), (inside,))

    source = resample.ResampleSource(CELLS, fetch, (np.dtype(np.int16),))
    return Image((Band("elevation", NAMED["int16"], CELLS),), lambda geobox, _: resample.read(source, geobox))


def test_heights_lie_in_the_export_as_google_put_them():
    assert np.array_equal(heights().read(EXPORTED).values[0], spread(np.array(HEIGHTS_M)))


def test_slope_is_that_of_the_elevations_own_cells():
    pixels = terrain.slope(heights()).read(EXPORTED)
    expected = spread(np.pad(np.array(SLOPES_DEG), 1, constant_values=np.nan))
    assert np.array_equal(pixels.masks[0], ~np.isnan(expected))  # a cell without a neighbour has no slope
    assert np.abs(pixels.values[0] - expected)[pixels.masks[0]].max() < 8e-7  # 6,371,008.77 m gives 1.5e-6


def test_aspect_and_hillshade_are_constant_within_a_cell():
    for image in (terrain.aspect(heights()), terrain.hillshade(heights(), 270.0, 45.0)):
        values = np.where((pixels := image.read(EXPORTED)).masks[0], pixels.values[0], 0)
        firsts = values[np.ix_(np.cumsum((0, *ROWS[:-1])), np.cumsum((0, *COLUMNS[:-1])))]
        assert np.array_equal(values, spread(firsts))


def test_aspect_looks_downhill():
    """Cell (1, 1): heights rise by 5 m to the east and fall by 2 m to the south."""
    across, down = 5 / np.cos(np.radians(27792 / 3600)), 2
    faces = np.degrees(np.arctan2(-across, -down)) % 360
    assert terrain.aspect(heights()).read(EXPORTED).values[0][2, 1] == pytest.approx(faces, abs=1e-3)


def test_a_scale_alone_widens_the_region_to_whole_pixels():
    """The export's origin is a multiple of its pixel of 10/111319.49 degrees (README of the stacks, fact 4)."""
    step = EXPORTED.affine.a
    left, top = EXPORTED.affine.c + 0.3 * step, EXPORTED.affine.f - 0.4 * step
    region = Geometry(rectangle(left, top - 16 * step, left + 16.2 * step, top), geodesic=False)
    grid = clip_to_bounds_and_scale(constant([1], ["b"]), region, None, None, None, 10).bands[0].grid
    assert grid is not None and grid.shape == EXPORTED.shape
    assert tuple(grid.affine) == pytest.approx(tuple(EXPORTED.affine), abs=1e-12)


def test_the_area_that_google_printed():
    """EEwPython, 4_features.ipynb, cell 10: 9918985.748 km2 within great circles."""
    area = ee.Geometry.Polygon([[-5, 40], [65, 40], [65, 60], [-5, 60]]).area()
    assert round(info(area) / 1e6, 3) == 9_918_985.748


def test_the_perimeter_that_google_printed():
    """The same cell: 13979.887 km. Shortest paths on the ellipsoid have 13,979.872, on the sphere 13,950.6."""
    perimeter = ee.Geometry.Polygon([[-5, 40], [65, 40], [65, 60], [-5, 60]]).perimeter()
    assert round(info(perimeter) / 1e3, 3) == 13_979.887


def test_pixel_areas_are_those_of_the_ellipsoid():
    """geetools, test_Image/test_pixel_area.yml, pixels of 1 m at (0, 0): acres and hectares to six decimals."""
    circle = ee.Geometry.Point([0, 0]).buffer(100)
    mean = ee.Image.pixelArea().reduceRegion(ee.Reducer.mean(), circle, scale=1)
    area_m2 = info(mean)["area"]
    assert (round(area_m2 / 4046.86, 6), round(area_m2 / 10_000, 6)) == (0.000245, 9.9e-05)


def test_null_entries_of_dictionaries_are_dropped():
    """openet-core, Landsat: "Set the default scale factor to 1 if the image does not have the property"."""
    empty = ee.Dictionary({"s": ee.Image(1).get("none")})
    assert info(empty) == {}
    assert info(empty.combine({"s": 1.0}, False).get("s")) == 1.0
    assert info(ee.Dictionary.fromLists(["a", "b"], [ee.Image(1).get("none"), 2])) == {"b": 2}


def test_a_ring_that_crosses_itself_keeps_both_lobes():
    """algorithms.json, evenOdd: inside if a path to the outside crosses an odd number of edges."""
    bow = ee.Geometry.Polygon([[[0, 0], [1, 1], [1, 0], [0, 1]]], None, False)
    for lon, lat, inside in ((0.1, 0.5, True), (0.9, 0.5, True), (0.5, 0.1, False), (0.5, 0.9, False)):
        assert info(bow.contains(ee.Geometry.Point([lon, lat]))) is inside, (lon, lat)
    image = ee.Image(1).reduceRegion(ee.Reducer.sum(), bow, crs="EPSG:4326", crsTransform=[0.01, 0, 0, 0, -0.01, 1])
    assert info(image)["constant"] == pytest.approx(5000, rel=1e-3)


def test_the_middle_of_a_star_is_outside():
    angles = np.radians(90 + 144 * np.arange(5))
    star = ee.Geometry.Polygon([[[float(np.cos(a)), float(np.sin(a))] for a in angles]], None, False)
    assert info(star.contains(ee.Geometry.Point([0, 0]))) is False
    assert info(star.contains(ee.Geometry.Point([0, 0.6]))) is True


def test_longitudes_count_modulo_a_turn():
    wide = ee.Geometry.Polygon([[[170, -5], [190, -5], [190, 5], [170, 5]]])
    for lon, inside in ((-175, True), (175, True), (185, True), (-165, False), (0, False)):
        assert info(wide.contains(ee.Geometry.Point([lon, 0]))) is inside, lon
    points = ee.FeatureCollection([ee.Feature(ee.Geometry.Point([lon, 0])) for lon in (-175, 175, -165)])
    assert info(points.filterBounds(wide).size()) == 2


@pytest.mark.parametrize(("lon", "inside"), [(0, False), (90, True)])
def test_a_clockwise_ring_by_the_left_inside_rule(lon, inside):
    """ee.Geometry's documented example: evenOdd=False and a clockwise ring take all but the ring's inside."""
    ring = [[[-35, -10], [-35, 10], [35, 10], [35, -10], [-35, -10]]]
    hole = ee.Geometry.Polygon(coords=ring, evenOdd=False)
    assert info(hole.contains(ee.Geometry.Point([lon, 0]))) is inside
    filled = ee.Geometry.Polygon(coords=ring, evenOdd=True)
    globe_m2 = 4 * np.pi * 6_371_007.181**2
    assert info(hole.area()) + info(filled.area()) == pytest.approx(globe_m2, rel=1e-9)


def test_day_of_year_includes_its_end():
    """apidocs: "end: the end of the desired day range, inclusive"."""
    days = ee.FeatureCollection([
        ee.Feature(None, {"system:time_start": ee.Date(f"2020-01-0{day}").millis()}) for day in (1, 2, 3)
    ])  # fmt: skip
    assert info(days.filter(ee.Filter.dayOfYear(1, 2)).size()) == 2


@pytest.mark.parametrize(("opacity", "expected"), [(0.5, 5.0), (0.25, 2.5), (1, 10.0), (0, 0.0)])
def test_blend_takes_masks_as_opacity(opacity, expected):
    """apidocs ee-image-blend: "blended together using the masks as opacity"."""
    assert number(ee.Image(0.0).blend(ee.Image(10.0).updateMask(opacity))) == pytest.approx(expected)


def test_blend_over_a_half_clear_image():
    below, above = ee.Image(4.0).updateMask(0.5), ee.Image(10.0).updateMask(0.5)
    assert number(below.blend(above)) == pytest.approx((0.5 * 10 + 0.25 * 4) / 0.75)
    assert number(below.blend(above).mask()) == pytest.approx(0.75)
    assert number(ee.Image(1).updateMask(0).blend(ee.Image(2).updateMask(0))) is None


JAVA = [  # java.util.Formatter and Double.toString, which the page of Number.format links
    (0.25, "%.1f", "0.3"),
    (0.35, "%.1f", "0.4"),
    (1.005, "%.2f", "1.01"),
    (2.5, "%.0f", "3"),
    (-2.5, "%.0f", "-3"),
    (1e-5, "%s", "1.0E-5"),
    (123456789.5, "%s", "1.234567895E8"),
    (1e-4, "%g", "0.000100000"),
    (1e-5, "%g", "1.00000e-05"),
    (123456.7, "%.3g", "1.23e+05"),
    (999999.5, "%g", "1.00000e+06"),
    (0.0, "%g", "0.00000"),
    (12345.678, "%.2e", "1.23e+04"),
    (9.999, "%.1E", "1.0E+01"),
    (1234567, "%,d", "1,234,567"),
    (-1234567.891, "%,.2f", "-1,234,567.89"),
    (-12, "%(d", "(12)"),
    (12, "%+05d", "+0012"),
    (8, "%o", "10"),
    (-1, "%x", "ffffffffffffffff"),
    (255, "%#X", "0XFF"),
    (1.0, "%a", "0x1.0p0"),
    (-0.75, "%A", "-0X1.8P-1"),
    (3, "%-4d|", "3   |"),
    (5, "%d%%", "5%"),
    (7, "tile_%1$03d.tif", "tile_007.tif"),
]


@pytest.mark.parametrize(("value", "pattern", "expected"), JAVA)
def test_number_format_follows_java(value, pattern, expected):
    assert info(ee.Number(value).format(pattern)) == expected


@pytest.mark.parametrize("pattern", ["%", "%q", "%d %d", "no number", "%-d", "%#g", "%.2d", "%+ d", "%++d", "%,x"])
def test_a_pattern_that_java_refuses_is_refused(pattern):
    with pytest.raises(Exception, match="Invalid number format"):
        info(ee.Number(1).format(pattern))
