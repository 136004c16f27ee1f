"""Users' buildings and roads on 1-m, 3-m and 10-m grids, against shapely's own areas and points."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.affinity import rotate

from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.labelling import coverage, label_vectors
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels

JUNE = Period.between("2019-06-01", "2019-06-30")
LEFT, TOP = 212750.0, 3416360.0
REGION = Region("plot", 32650, (LEFT, TOP - 600, LEFT + 600, TOP), (LEFT, TOP))
RNG = np.random.default_rng(11)


def grid(step_m: float, size: int) -> GeoBox:
    return GeoBox((size, size), Affine(step_m, 0, LEFT, 0, -step_m, TOP), "EPSG:32650")


def read(source: str, geobox: GeoBox, **options):
    return open_labels(LabelRequest((source,), **options), REGION, JUNE).fuse({}, geobox)


def houses(count: int = 120):
    """Turned rectangles of 6 to 25 m; the first and last reach the region's corners."""
    x, y = RNG.uniform(20, 580, (2, count))
    wide, deep, angle = RNG.uniform(6, 25, count), RNG.uniform(6, 25, count), RNG.uniform(0, 90, count)
    shapes = [rotate(shapely.box(a, b, a + w, b + d), t) for a, b, w, d, t in zip(x, y, wide, deep, angle, strict=True)]
    shapes += [shapely.box(0, 0, 8, 8), shapely.box(592, 592, 600, 600)]
    return [shapely.affinity.translate(each, LEFT, TOP - 600) for each in shapes]


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> tuple[str, shapely.Geometry]:
    shapes = houses()
    path = tmp_path_factory.mktemp("town") / "houses.gpkg"
    geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32650").to_file(path)
    return str(path), shapely.union_all(shapes)


def areas(geobox: GeoBox, ground: shapely.Geometry) -> np.ndarray:
    """Shapely's own: the share of each pixel's area that the ground covers."""
    rows, cols = geobox.shape
    left, step, top = geobox.affine.c, geobox.affine.a, geobox.affine.f
    edges, tops = left + step * np.arange(cols), top - step * np.arange(rows)
    cells = shapely.box(*np.broadcast_arrays(edges, tops[:, None] - step, edges + step, tops[:, None]))
    return shapely.area(shapely.intersection(cells, ground)) / step**2


@pytest.mark.long
@pytest.mark.parametrize(("step", "size"), [(10, 60), (3, 200), (1, 150)])
def test_covered_shares_are_shapelys_areas(town, step, size):
    _, ground = town
    ground = ground - shapely.box(LEFT + 40, TOP - 90, LEFT + 77, TOP - 51)  # with holes and cut houses
    actual = coverage.covered(np.array([ground]), grid(step, size))
    np.testing.assert_allclose(actual, areas(grid(step, size), ground), rtol=0, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("step", [10, 3])
def test_shares_are_percentages_of_the_area(town, step):
    """Stored as whole percents; houses that overlap count once."""
    path, ground = town
    _, share = read(path, grid(step, 600 // step), share=True)
    percent = areas(grid(step, 600 // step), ground) * 100
    assert np.abs(share - percent).max() <= 0.5 + 1e-6


@pytest.mark.long
@pytest.mark.parametrize("step", [10, 1])
def test_a_pixel_is_what_more_than_half_of_it_is(town, step):
    path, ground = town
    label, _ = read(path, grid(step, 600 // step))
    np.testing.assert_array_equal(label, areas(grid(step, 600 // step), ground) > 0.5)


def test_a_pixel_of_which_exactly_half_is_built_is_pervious(tmp_path):
    halves = [shapely.box(LEFT + 5, TOP - 600, LEFT + 10, TOP), shapely.box(LEFT + 14, TOP - 600, LEFT + 20, TOP)]
    geopandas.GeoDataFrame(geometry=halves, crs="EPSG:32650").to_file(tmp_path / "half.gpkg")
    label, share = read(f"{tmp_path / 'half.gpkg'}#extent=all", grid(10, 60), share=True)
    assert (share[:, :2] == (50, 60)).all() and (label[:, :2] == (0, 1)).all()


def test_a_self_crossing_polygon_counts_both_halves(tmp_path):
    """Two triangles of 50 m2 that meet in a point."""
    x, y = LEFT, TOP
    bow = shapely.Polygon([(x, y), (x + 20, y - 10), (x + 20, y), (x, y - 10)])
    geopandas.GeoDataFrame(geometry=[bow], crs="EPSG:32650").to_file(tmp_path / "bow.gpkg")
    _, share = read(f"{tmp_path / 'bow.gpkg'}#extent=all", grid(10, 60), share=True)
    assert share[0, :2].tolist() == [50, 50]


def test_a_share_is_of_the_known_part_of_a_pixel(tmp_path):
    """Known from 4 m into the second pixel on, built from there for 3 m: 3 of 6 m; the first pixel is not known."""
    geopandas.GeoDataFrame(geometry=[shapely.box(LEFT, TOP - 600, LEFT + 17, TOP)], crs="EPSG:32650").to_file(
        tmp_path / "edge.gpkg"
    )
    source = open_labels(LabelRequest((f"{tmp_path / 'edge.gpkg'}#extent=all",)), REGION, JUNE).opened[0].shapes
    shapes = label_vectors.Shapes(source.crs, source.polygons, shapely.box(LEFT + 14, TOP - 600, LEFT + 600, TOP))
    actual = label_vectors.built_share(shapes, grid(10, 60))
    assert np.isnan(actual[:, 0]).all() and actual[5, 1] == pytest.approx(0.5, abs=1e-9) and actual[5, 2] == 0
    less = label_vectors.Shapes(source.crs, source.polygons, shapely.box(LEFT + 16, TOP - 600, LEFT + 600, TOP))
    assert np.isnan(label_vectors.built_share(less, grid(10, 60))[:, 1]).all(), "4 m of 10 are known"


def test_windows_and_the_whole_agree(town):
    path, _ = town
    full = np.stack(read(path, grid(10, 60), share=True))
    window = np.stack(read(path, crop(grid(10, 60), Window(13, 7, 30, 20)), share=True))
    np.testing.assert_array_equal(window, full[:, 13:43, 7:27])


@pytest.mark.parametrize("name", ["h.geojson", "h.shp", "h.fgb", "h.parquet"])
def test_every_format_and_system_gives_the_same_ground(town, tmp_path, name):
    path, _ = town
    table = geopandas.read_file(path)
    moved = table.to_crs("EPSG:4326" if name != "h.shp" else "EPSG:32649")
    file = tmp_path / name
    moved.to_parquet(file) if name.endswith("parquet") else moved.to_file(file)
    expected, _ = read(path, grid(1, 600))
    actual, _ = read(f"{file}#extent=all", grid(1, 600))
    assert (actual != expected).mean() < 2e-5  # GeoJSON holds seven decimals of a degree: centimetres


def test_a_grid_of_another_system_sees_the_same_ground(town):
    path, ground = town
    other = GeoBox.from_bbox(grid(1, 600).boundingbox.to_crs("EPSG:4326"), "EPSG:4326", shape=(800, 800))
    label, _ = read(f"{path}#extent=all", other)
    degrees = geopandas.GeoSeries([ground], crs="EPSG:32650").to_crs("EPSG:4326")[0]
    x, y = other.affine * np.meshgrid(np.arange(800) + 0.5, np.arange(800) + 0.5)
    shapely.prepare(degrees)
    assert (label == shapely.contains_xy(degrees, x, y)).mean() > 0.998  # of a cut pixel the centre is not the half


def lines(tmp_path, **columns) -> str:
    """Two roads, 400 m each: one east, one north."""
    roads = [
        shapely.LineString([(LEFT + 100, TOP - 105), (LEFT + 500, TOP - 105)]),
        shapely.LineString([(LEFT + 105, TOP - 550), (LEFT + 105, TOP - 150)]),
    ]
    path = tmp_path / "roads.gpkg"
    geopandas.GeoDataFrame(columns, geometry=roads, crs="EPSG:32650").to_file(path)
    return str(path)


@pytest.mark.parametrize("column", ["width", "width_m"])
def test_roads_are_as_wide_as_they_say(tmp_path, column):
    path = lines(tmp_path, **{column: [6.0, 12.0]})
    label, _ = read(f"{path}#extent=all", grid(1, 600))
    assert label[:, 300].sum() == 6 and label[400, :].sum() == 12


def test_roads_without_a_width_take_the_one_that_is_given(tmp_path):
    path = lines(tmp_path, width=[None, 12.0])
    label, _ = read(f"{path}#width=8#extent=all", grid(1, 600))
    assert label[:, 300].sum() == 8 and label[400, :].sum() == 12
    with pytest.raises(ValueError, match=r"1 of 2 lines have no attribute width or width_m above 0.*#width=6"):
        read(path, grid(1, 600))


def test_beyond_the_features_the_ground_is_unknown(tmp_path):
    """Inside the box around all features, ground without one is pervious; outside nobody looked."""
    path = tmp_path / "two.geojson"
    corners = [
        shapely.box(LEFT + 100, TOP - 200, LEFT + 120, TOP - 180),
        shapely.box(LEFT + 300, TOP - 400, LEFT + 320, TOP - 380),
    ]
    geopandas.GeoDataFrame(geometry=corners, crs="EPSG:32650").to_file(path.with_suffix(".gpkg"))
    label, share = read(str(path.with_suffix(".gpkg")), grid(10, 60), share=True)
    assert (label[18:40, 10:32] != 255).all() and label[18:40, 10:32].sum() == 8
    outside = np.ones((60, 60), bool)
    outside[18:40, 10:32] = False
    assert (label[outside] == 255).all() and (share[outside] == 255).all()
    everywhere, _ = read(f"{path.with_suffix('.gpkg')}#extent=all", grid(10, 60))
    assert (everywhere != 255).all() and everywhere.sum() == 8
    west, south, east, north = crop(grid(10, 60), Window(0, 0, 30, 60)).boundingbox.to_crs("EPSG:4326")
    half, _ = read(f"{path.with_suffix('.gpkg')}#extent={west},{south},{east},{north}", grid(10, 60))
    assert (half[1:29, 1:59] != 255).all() and (half[32:] == 255).all()


def test_features_far_away_are_not_loaded(tmp_path):
    far = [
        shapely.box(LEFT + 5e4, TOP, LEFT + 5e4 + 9, TOP + 9),
        shapely.box(LEFT - 5e4, TOP - 900, LEFT - 5e4 + 9, TOP - 890),
    ]
    geopandas.GeoDataFrame(geometry=far, crs="EPSG:32650").to_file(tmp_path / "far.gpkg")
    opened = open_labels(LabelRequest((str(tmp_path / "far.gpkg"),)), REGION, JUNE)
    assert len(opened.opened[0].shapes.polygons) == 0
    label, _ = opened.fuse({}, grid(10, 60))
    assert (label == 0).all()  # between the two, where someone looked and found nothing


def test_a_pipeline_in_a_file_is_refused(town, tmp_path):
    """GDAL runs a GDALG file of any name: it may read any file or address."""
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps({"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline ! read {town[0]}"}))
    with pytest.raises(ValueError, match="by its first bytes"):
        read(str(path), grid(10, 60))


def test_bad_files_are_refused(tmp_path, town):
    geopandas.GeoDataFrame(geometry=[shapely.Point(LEFT, TOP - 9)], crs="EPSG:32650").to_file(tmp_path / "points.gpkg")
    geopandas.GeoDataFrame(geometry=houses(3), crs="EPSG:32650").to_file(tmp_path / "nowhere.shp")
    (tmp_path / "nowhere.prj").unlink()
    geopandas.GeoDataFrame(geometry=[], crs="EPSG:32650").to_file(tmp_path / "empty.gpkg", layer="x")
    (tmp_path / "broken.geojson").write_text('{"type": "FeatureColl')
    two = tmp_path / "two.gpkg"
    for layer in ("houses", "roads"):
        geopandas.GeoDataFrame(geometry=houses(2), crs="EPSG:32650").to_file(two, layer=layer)
    for source, message in (
        (tmp_path / "points.gpkg", "holds points"),
        (tmp_path / "nowhere.shp", "no coordinate system"),
        (tmp_path / "empty.gpkg", "holds no features"),
        (tmp_path / "broken.geojson", "no vectors that can be read"),
        (tmp_path / "gone.gpkg", "was not found"),
        (two, "has the layers houses, roads: say which"),
        (f"{two}#layer=rivers", "no vectors that can be read"),
        (f"{town[0]}#widht=6", "'widht' is unknown, expected width, extent, layer"),
        (f"{town[0]}#extent=1,2,3", "expected all or W,S,E,N"),
        (f"{town[0]}#extent=all#extent=all", "gives an option twice"),
    ):
        with pytest.raises(ValueError, match=message):
            read(str(source), grid(10, 60))
    with pytest.raises(ValueError, match="tells only impervious"):
        LabelRequest((town[0],), scheme="landcover3m")
    with pytest.raises(ValueError, match="expected 0 to 200 metres"):
        read(f"{lines(tmp_path)}#width=-1", grid(10, 60))


def test_layers_are_chosen(tmp_path):
    two = tmp_path / "two.gpkg"
    geopandas.GeoDataFrame(geometry=[shapely.box(LEFT, TOP - 100, LEFT + 100, TOP)], crs="EPSG:32650").to_file(
        two, layer="a"
    )
    geopandas.GeoDataFrame(geometry=houses(2), crs="EPSG:32650").to_file(two, layer="b")
    label, _ = read(f"{two}#layer=a#extent=all", grid(10, 60))
    assert label.sum() == 100


@pytest.mark.parametrize("ending", [".geojson", ".json", ".gpkg", ".fgb", ".shp"])
@pytest.mark.parametrize("before", ["", " ", '{"a": "'])
def test_a_virtual_file_is_refused(town, tmp_path, ending, before):
    """GDAL takes an OGRVRTDataSource under any name and reads the file or address that it names."""
    path = tmp_path / f"x{ending}"
    path.write_text(
        f'{before}<OGRVRTDataSource><OGRVRTLayer name="houses"><SrcDataSource>{town[0]}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    with pytest.raises(ValueError, match="by its first bytes"):
        read(str(path), grid(10, 60))


def test_holes_stay_holes(tmp_path):
    ring = shapely.box(LEFT, TOP - 600, LEFT + 600, TOP) - shapely.box(LEFT + 200, TOP - 400, LEFT + 400, TOP - 200)
    geopandas.GeoDataFrame(geometry=[ring], crs="EPSG:32650").to_file(tmp_path / "ring.gpkg")
    label, _ = read(str(tmp_path / "ring.gpkg"), grid(10, 60))
    assert (label[20:40, 20:40] == 0).all() and label.sum() == 3600 - 400
