"""Points as labels: each pixel against a plain loop over the points; labels of another place."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels
from tests.gee_export.labelling.test_label_vectors import JUNE, LEFT, REGION, TOP, grid

NAMES = ("pervious", "impervious")


def points(path, x, y, values, *, column="class", crs="EPSG:32650"):
    table = geopandas.GeoDataFrame({column: values}, geometry=shapely.points(x, y), crs="EPSG:32650")
    table.to_crs(crs).to_file(path)
    return f"{path}#column={column}"


def read(source: str, step_m: float = 10, **options):
    return open_labels(LabelRequest((source,), **options), REGION, JUNE).fuse({}, grid(step_m, int(600 // step_m)))


@pytest.mark.parametrize("name", ["p.gpkg", "p.geojson"])
def test_the_pixel_under_a_point_has_its_class_and_no_other(tmp_path, name):
    rng = np.random.default_rng(3)
    x, y, classes = LEFT + rng.uniform(0, 600, 200), TOP - rng.uniform(0, 600, 200), rng.integers(0, 2, 200)
    crs = "EPSG:4326" if name.endswith("json") else "EPSG:32650"
    label, _ = read(points(tmp_path / name, x, y, [NAMES[c] for c in classes], crs=crs))
    said: dict[tuple[int, int], set[int]] = {}
    for px, py, c in zip(x, y, classes, strict=True):
        said.setdefault((int((TOP - py) // 10), int((px - LEFT) // 10)), set()).add(int(c))
    expected = np.full((60, 60), UNKNOWN)
    for pixel, values in said.items():
        expected[pixel] = values.pop() if len(values) == 1 else UNKNOWN
    np.testing.assert_array_equal(label, expected)


def test_numbers_are_classes_and_doubts_are_unknown(tmp_path):
    source = points(tmp_path / "p.gpkg", [LEFT + 5, LEFT + 15, LEFT + 25], [TOP - 5] * 3, ["1", "unsure", ""])
    label, share = read(source, share=True)
    assert label[0, :3].tolist() == [1, UNKNOWN, UNKNOWN] and share[0, 0] == 100 and share[0, 1] == UNKNOWN


def test_decimal_numbers_are_classes(tmp_path):
    label, _ = read(points(tmp_path / "p.gpkg", [LEFT + 5, LEFT + 15], [TOP - 5] * 2, [1.0, np.nan]))
    assert label[0, :2].tolist() == [1, UNKNOWN]


def test_points_have_the_seven_classes_too(tmp_path):
    label, _ = read(points(tmp_path / "p.gpkg", [LEFT + 5], [TOP - 5], ["water"]), scheme="landcover3m")
    assert label[0, 0] == 3


KINDS = ["Town", "road", "forest", "unsure", ""]


def kinds(path) -> str:
    return points(path, LEFT + 5 + 10 * np.arange(5), [TOP - 5] * 5, KINDS)


def test_values_that_are_named_are_impervious_and_others_are_not(tmp_path):
    label, _ = read(kinds(tmp_path / "p.gpkg") + "#impervious=town,road")
    assert label[0, :5].tolist() == [1, 1, 0, UNKNOWN, UNKNOWN]


def test_a_value_that_no_point_has_is_refused(tmp_path):
    """Or a word written wrong would make all ground pervious."""
    with pytest.raises(ValueError, match="no answer is city; there are Town, forest, road, unsure"):
        read(kinds(tmp_path / "p.gpkg") + "#impervious=town,city")


def test_a_value_of_points_elsewhere_is_none_of_a_typo(tmp_path):
    table = points(tmp_path / "p.gpkg", [LEFT + 5, LEFT + 50_000], [TOP - 5] * 2, ["forest", "town"])
    label, _ = read(table + "#impervious=town")
    assert label[0, 0] == 0


@pytest.mark.parametrize(("option", "scheme"), [("#impervious=", "isa"), ("#impervious=town", "landcover3m")])
def test_impervious_values_are_of_two_classes(tmp_path, option, scheme):
    with pytest.raises(ValueError, match="names values of two classes"):
        read(kinds(tmp_path / "p.gpkg") + option, scheme=scheme)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("class", ["lava"], "class 'lava' is unknown, expected pervious, impervious"),
        ("kind", ["pervious"], "the file has no attribute 'class', it has kind"),
    ],
)
def test_what_is_no_class_is_refused(tmp_path, column, values, message):
    source = points(tmp_path / "p.gpkg", [LEFT + 5], [TOP - 5], values, column=column)
    with pytest.raises(ValueError, match=message):
        read(source.replace(f"column={column}", "column=class"))


def areas(path, shapes, values):
    geopandas.GeoDataFrame({"class": values}, geometry=shapes, crs="EPSG:32650").to_file(path)
    return f"{path}#column=class"


def test_pixels_whose_centre_a_polygon_holds_have_its_class_and_no_other(tmp_path):
    """Two overlap: where they disagree nothing is known."""
    boxes = {(2, 3, 20, 25): 1, (30, 8, 50, 40): 0, (15, 20, 33, 30): 1}  # left, top, right, bottom in pixels
    shapes = [
        shapely.box(LEFT + 10 * w + 4, TOP - 10 * s - 4, LEFT + 10 * e + 4, TOP - 10 * n - 4) for w, n, e, s in boxes
    ]
    label, _ = read(areas(tmp_path / "p.gpkg", shapes, [NAMES[value] for value in boxes.values()]))
    expected = np.full((60, 60), UNKNOWN)
    for row in range(60):
        for col in range(60):
            holding = {v for (w, n, e, s), v in boxes.items() if w <= col < e and n <= row < s}
            expected[row, col] = holding.pop() if len(holding) == 1 else UNKNOWN
    np.testing.assert_array_equal(label, expected)


def test_a_column_of_points_and_polygons_is_refused(tmp_path):
    shapes = [shapely.box(LEFT, TOP - 50, LEFT + 50, TOP), shapely.Point(LEFT + 5, TOP - 5)]
    with pytest.raises(ValueError, match="the file holds Point, Polygon: give one kind alone"):
        read(areas(tmp_path / "p.gpkg", shapes, ["1", "0"]))


def test_points_beside_polygons_are_left_out_and_told(tmp_path, capsys):
    shapes = [shapely.box(LEFT, TOP - 50, LEFT + 50, TOP), shapely.Point(LEFT + 205, TOP - 205)]
    geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32650").to_file(tmp_path / "mixed.gpkg")
    label, _ = read(f"{tmp_path / 'mixed.gpkg'}#extent=all")
    assert (label == 1).sum() == 25 and "1 point is left out" in capsys.readouterr().err


def far_raster(path) -> str:
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 20, "width": 20, "crs": "EPSG:32630"}
    with rasterio.open(path, "w", transform=from_origin(500000, 700000, 10, 10), **profile) as file:
        file.write(np.ones((1, 20, 20), np.uint8))
    return str(path)


def far_vectors(path) -> str:
    box = shapely.geometry.mapping(shapely.box(-1.65, 6.65, -1.6, 6.7))
    path.write_text(json.dumps(box))
    return str(path)


@pytest.mark.parametrize(("make", "name"), [(far_raster, "far.tif"), (far_vectors, "far.geojson")])
def test_labels_of_another_continent_are_told(tmp_path, capsys, make, name):
    opened = open_labels(LabelRequest((make(tmp_path / name),)), REGION, JUNE)
    assert (
        opened.lies_elsewhere and f"label {name} lies elsewhere: it knows no ground of plot" in capsys.readouterr().err
    )


def test_one_source_of_the_place_is_enough(tmp_path):
    here = points(tmp_path / "p.gpkg", [LEFT + 5], [TOP - 5], ["1"])
    request = LabelRequest((far_vectors(tmp_path / "far.geojson"), here), fusion="majority")
    assert not open_labels(request, REGION, JUNE).lies_elsewhere


@pytest.mark.parametrize("text", ["labels.gpkg=1", "survey.tif=50,80"])
def test_an_option_without_its_sign_is_told(text):
    with pytest.raises(ValueError, match="options follow a #"):
        LabelRequest((text,))


def test_points_with_exchanged_coordinates_are_told_so(tmp_path, capsys):
    """As people write GeoJSON by hand: latitude first."""
    west, south, east, north = REGION.bounds_wsen
    shapes = shapely.points([(south + north) / 2] * 2, [west + (east - west) / 3, west + (east - west) / 2])
    geopandas.GeoDataFrame({"class": NAMES}, geometry=shapes, crs=4326).to_file(tmp_path / "p.geojson")
    open_labels(LabelRequest((f"{tmp_path / 'p.geojson'}#column=class",)), REGION, JUNE)
    assert "LON and LAT look exchanged" in capsys.readouterr().err
