"""Polygons of maps: no gap, no overlap, whole over tiles, with the ground and the mean probability of their pixels."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as parquet
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from scipy import ndimage

import isamap
from isamap.inference.polygons.parts import parts_of
from isamap.inference.polygons.polygons import PolygonOptions, map_polygons
from tests.inference.assessment.conftest import UTM, make_map  # noqa: F401

ALL = ("pervious", "impervious")


@pytest.fixture
def class_HW():
    rng = np.random.default_rng(8)
    class_HW = (ndimage.gaussian_filter(rng.standard_normal((150, 170)), 2.0) > 0.05).astype(np.uint8)
    class_HW[100:120, 20:50] = 255
    return class_HW


@pytest.fixture
def prob_HW(class_HW):
    values = np.random.default_rng(3).integers(0, 255, class_HW.shape).astype(np.uint8)
    return np.where(class_HW == 255, 255, values)


def read(path):
    head, _, content, values = pyogrio.raw.read(path, layer="polygons" if path.suffix == ".gpkg" else None)
    return shapely.from_wkb(content), dict(zip(head["fields"], values, strict=True)), head


def burnt(shapes, values, shape, transform=UTM):
    pairs = list(zip(shapes, values, strict=True))
    return rasterio.features.rasterize(pairs, shape, fill=255, transform=transform, dtype="uint8")


def test_polygons_at_pixels_edges_are_the_map(make_map, class_HW, tmp_path):  # noqa: F811
    map_polygons(make_map(class_HW), tmp_path / "p.gpkg", PolygonOptions(ALL), piece_px=32)
    shapes, columns, _ = read(tmp_path / "p.gpkg")
    values = [ALL.index(name) for name in columns["class"]]
    np.testing.assert_array_equal(burnt(shapes, values, class_HW.shape), class_HW)


@pytest.mark.long
def test_a_component_is_one_polygon_whatever_pieces_it_lies_in(make_map, class_HW, tmp_path):  # noqa: F811
    path, numbers = make_map(class_HW), {value: ndimage.label(class_HW == value)[1] for value in (0, 1)}
    for side in (16, 64, 1024):
        report = map_polygons(path, tmp_path / f"{side}.gpkg", PolygonOptions(ALL), piece_px=side)
        assert report.polygons == sum(numbers.values())
    single, second = (read(tmp_path / f"{side}.gpkg") for side in (16, 1024))
    order = [np.lexsort((columns["area_m2"], shapely.bounds(shapes)[:, 0])) for shapes, columns, _ in (single, second)]
    assert all(shapely.equals(single[0][order[0]], second[0][order[1]]))
    np.testing.assert_allclose(single[1]["area_m2"][order[0]], second[1]["area_m2"][order[1]], atol=0.02)


@pytest.mark.long
def test_tiles_give_the_polygons_of_the_whole_map(make_map, class_HW, tmp_path):  # noqa: F811
    full = map_polygons(make_map(class_HW), tmp_path / "w.gpkg", piece_px=64)
    for at, (rows, cols) in enumerate((slice(r, r + 75), slice(c, c + 85)) for r in (0, 75) for c in (0, 85)):
        corner = UTM * Affine.translation(cols.start, rows.start)
        make_map(class_HW[rows, cols], f"run/tiles/{at}.tif", transform=corner)
    tiled = map_polygons(tmp_path / "run", tmp_path / "t.gpkg", piece_px=64)
    assert tiled.polygons == full.polygons and tiled.km2 == full.km2
    assert all(shapely.equals(read(tmp_path / "w.gpkg")[0], read(tmp_path / "t.gpkg")[0]))


@pytest.mark.long
@pytest.mark.parametrize("side", [40, 1024])
def test_simplified_neighbours_have_no_gap_and_no_overlap(make_map, class_HW, tmp_path, side):  # noqa: F811
    class_HW[100:120, 20:50] = 0  # all ground is known: gaps would show
    class_HW[:, 60:] = np.where(np.roll(class_HW, 7, axis=0)[:, 60:] == 1, 2, class_HW[:, 60:])  # three meet at a side
    path, names = make_map(class_HW, classes="cropland,impervious,water"), ("cropland", "impervious", "water")
    map_polygons(path, tmp_path / "p.gpkg", PolygonOptions(names, tolerance_m=25), piece_px=side)
    shapes, _, _ = read(tmp_path / "p.gpkg")
    full = shapely.box(*(UTM * (0, 150)), *(UTM * (170, 0)))
    union = shapely.union_all(shapes)
    assert shapely.area(shapes).sum() == pytest.approx(union.area, rel=1e-12)  # no overlap
    assert full.buffer(-30).difference(union).area < 1e-3 and union.difference(full).area < 1e-3  # no gap
    assert shapely.is_valid(shapes).all()
    rough = map_polygons(path, tmp_path / "rough.gpkg", PolygonOptions(names))
    assert shapely.get_num_coordinates(shapes).sum() < 0.6 * shapely.get_num_coordinates(read(rough.path)[0]).sum()


def test_simplified_neighbours_share_every_vertex_of_their_border():
    """GEOS calls that a valid coverage; without a vertex where three meet at a side it is none."""
    rng = np.random.default_rng(4)
    layers = [ndimage.gaussian_filter(rng.standard_normal((60, 70)), 1.2) for _ in range(4)]
    class_HW = np.argmax(layers, axis=0).astype(np.uint8)
    parts = parts_of(class_HW, None, (0, 0), frozenset(range(4)), 2.0).parts
    assert shapely.coverage_is_valid([piece.shape for piece in parts])


def test_a_polygon_has_its_pixels_ground_and_mean_probability(make_map, class_HW, prob_HW, tmp_path):  # noqa: F811
    path = make_map(class_HW, period_start="2020-06-01")
    make_map(prob_HW, "map_prob.tif", classes="")
    map_polygons(path, tmp_path / "p.gpkg", piece_px=50)
    shapes, columns, _ = read(tmp_path / "p.gpkg")
    number_HW = burnt(shapes, range(1, len(shapes) + 1), class_HW.shape) if len(shapes) < 254 else None
    assert number_HW is not None
    for at in range(len(shapes)):
        own = number_HW == at + 1
        assert columns["pixels"][at] == own.sum()
        listed = prob_HW[own][prob_HW[own] != 255]
        assert columns["probability"][at] == pytest.approx(listed.mean() / 254, abs=1e-4)
    assert columns["area_m2"].sum() == pytest.approx((class_HW == 1).sum() * 100, rel=2e-3)
    assert columns["area_m2"].sum() < (class_HW == 1).sum() * 99.95  # the edge of the zone: less ground than grid
    assert set(columns["period_start"]) == {"2020-06-01"} and set(columns["source"]) == {"map.tif"}


def test_small_components_become_part_of_what_is_around_them(make_map, class_HW, tmp_path):  # noqa: F811
    options = PolygonOptions(ALL, least="2000m2")
    map_polygons(make_map(class_HW), tmp_path / "p.gpkg", options, piece_px=64)
    _, columns, _ = read(tmp_path / "p.gpkg")
    assert columns["pixels"].min() >= 20 and columns["pixels"].sum() == (class_HW != 255).sum()


def test_holes_stay_holes(make_map, tmp_path):  # noqa: F811
    class_HW = np.zeros((60, 60), np.uint8)
    class_HW[5:55, 5:55] = 1
    class_HW[20:40, 20:40] = 0
    map_polygons(make_map(class_HW), tmp_path / "p.gpkg", PolygonOptions(tolerance_m=20), piece_px=32)
    (shape,), columns, _ = read(tmp_path / "p.gpkg")
    assert len(shape.geoms[0].interiors) == 1 and columns["area_m2"][0] == pytest.approx(2100 * 100, rel=0.02)


@pytest.mark.long
def test_the_three_formats_hold_the_same(make_map, class_HW, tmp_path):  # noqa: F811
    path = make_map(class_HW)
    for suffix in ("gpkg", "fgb", "parquet"):
        map_polygons(path, tmp_path / f"p.{suffix}", piece_px=64)
    shapes, columns, head = read(tmp_path / "p.gpkg")
    flat, flat_columns, flat_head = read(tmp_path / "p.fgb")
    table = parquet.read_table(tmp_path / "p.parquet")
    order, flat_order = (
        np.argsort(columns["area_m2"], kind="stable"),
        np.argsort(flat_columns["area_m2"], kind="stable"),
    )
    np.testing.assert_array_equal(columns["area_m2"][order], flat_columns["area_m2"][flat_order])
    assert head["crs"] == flat_head["crs"] == "EPSG:32650"
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["columns"]["geometry"]["crs"]["id"]["code"] == 32650
    assert all(shapely.equals(shapely.from_wkb(table["geometry"].to_pylist()), shapes))
    assert len(flat) == len(shapes) == table.num_rows


def test_equal_maps_give_equal_bytes(make_map, class_HW, tmp_path):  # noqa: F811
    path = make_map(class_HW)
    for name in ("a.gpkg", "b.gpkg"):
        map_polygons(path, tmp_path / name, piece_px=64)
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()


def test_a_geopackage_has_a_style_for_qgis(make_map, class_HW, tmp_path):  # noqa: F811
    map_polygons(make_map(class_HW), tmp_path / "p.gpkg")
    assert sorted(name for name, _ in pyogrio.list_layers(tmp_path / "p.gpkg")) == ["layer_styles", "polygons"]
    row = pyogrio.read_dataframe(tmp_path / "p.gpkg", layer="layer_styles").iloc[0]
    assert row["f_table_name"] == "polygons" and row["useAsDefault"] and "227,26,28,255" in row["styleQML"]


def test_a_failed_command_leaves_nothing(make_map, class_HW, tmp_path):  # noqa: F811
    (tmp_path / "out").mkdir()
    class_HW[:] = np.where(class_HW == 1, 0, class_HW)
    with pytest.raises(ValueError, match="holds no ground of these classes"):
        map_polygons(make_map(class_HW), tmp_path / "out" / "p.gpkg")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_is_no_raster_gets_a_sentence_of_its_own(tmp_path, capsys):
    (tmp_path / "README.md").write_text("# a page")
    assert isamap.main(["polygons", str(tmp_path / "README.md"), "--out", str(tmp_path / "p.gpkg")]) == 2
    error = capsys.readouterr().err
    assert "is no raster that can be read: give the GeoTIFF of a map" in error and "format" not in error


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--out", "p.shp"], "--out p.shp: expected a name that ends in .gpkg, .fgb, .parquet"),
        (["--out", "p.gpkg", "--class", "roof"], "--class roof: the map's classes are pervious, impervious"),
        (["--out", "p.gpkg", "--simplify", "-3"], "--simplify -3: expected metres"),
        (["--out", "p.gpkg", "--min", "5m2"], "--min 5m2: less than two pixels"),
    ],
)
def test_mistakes_are_one_sentence_each(make_map, class_HW, tmp_path, monkeypatch, capsys, words, sentence):  # noqa: F811
    path = make_map(class_HW)
    monkeypatch.chdir(tmp_path)
    assert isamap.main(["polygons", str(path), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
