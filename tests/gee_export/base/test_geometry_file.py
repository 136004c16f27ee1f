"""Outlines of vector files that geopandas and pyogrio wrote: formats, systems, repairs, buffers, refusals."""

from __future__ import annotations

import json
import zipfile

import geopandas
import pytest
import shapely
from pyproj import Geod
from shapely.geometry import shape

from isamap.gee_export.base.geometry_file import read_outline
from isamap.gee_export.export.places import places

TOWN = shapely.Polygon([(114.2, 30.5), (114.3, 30.51), (114.31, 30.6), (114.21, 30.59)])


def written(path, shapes, crs="EPSG:4326", **options):
    table = geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:4326").to_crs(crs)
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_file(path, **options)
    return path


def zipped(folder):
    written(folder / "t.shp", [TOWN])
    with zipfile.ZipFile(folder / "town.zip", "w") as archive:
        for file in folder.glob("t.*"):
            archive.write(file, f"inner/{file.name}")
    return folder / "town.zip"


def area_km2(outline) -> float:
    return abs(Geod(ellps="WGS84").geometry_area_perimeter(outline)[0]) / 1e6


@pytest.mark.parametrize("name", ["t.geojson", "t.gpkg", "t.shp", "t.fgb", "t.parquet", "t.kml"])
def test_every_format_gives_the_outline(tmp_path, name):
    options = {"driver": "KML"} if name == "t.kml" else {}
    assert read_outline(written(tmp_path / name, [TOWN], **options)).symmetric_difference(TOWN).area < 1e-9


def test_a_zipped_shapefile_gives_the_outline(tmp_path):
    assert read_outline(zipped(tmp_path)).equals(TOWN)


@pytest.mark.parametrize("crs", ["EPSG:32650", "EPSG:3857", "EPSG:4490", "EPSG:2263"])
def test_every_system_gives_the_same_ground(tmp_path, crs):
    """A system in feet on the other side of the globe holds no such ground, so its own town is taken there."""
    town = shapely.segmentize(TOWN, 0.002)  # geopandas moves the corners only
    town = town if crs != "EPSG:2263" else shapely.affinity.translate(town, -188.2, 10.2)
    outline = read_outline(written(tmp_path / "t.gpkg", [town], crs))
    assert outline.symmetric_difference(town).area < 1e-5 * town.area


def test_a_ring_that_is_not_closed_is_closed_and_told_once(tmp_path, capsys, recwarn):
    ring = [[114.2, 30.5], [114.3, 30.5], [114.3, 30.6]]
    (tmp_path / "t.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    assert read_outline(tmp_path / "t.geojson").equals(shapely.Polygon(ring))
    assert capsys.readouterr().err.count("a ring was not closed: it was closed") == 1 and not recwarn.list


def test_coordinates_that_are_no_numbers_are_refused(tmp_path, recwarn):
    (tmp_path / "t.geojson").write_text('{"type": "Polygon", "coordinates": [[[1, 2], [NaN, 2], [2, 3], [1, 2]]]}')
    with pytest.raises(ValueError, match="coordinates that are no numbers"):
        read_outline(tmp_path / "t.geojson")
    assert not recwarn.list


def test_points_beside_polygons_are_left_out_and_counted(tmp_path, capsys):
    path = written(tmp_path / "t.gpkg", [TOWN, shapely.Point(114.0, 30.0), shapely.Point(114.1, 30.0)])
    assert read_outline(path).symmetric_difference(TOWN).area < 1e-9
    assert "holds 2 Points beside polygons: left out" in capsys.readouterr().err


def test_geojson_in_degrees_is_taken_as_it_is(tmp_path):
    """The bytes that datasets of earlier versions hold a digest of."""
    document = {"type": "Polygon", "coordinates": [[[114.2, 30.5], [114.3, 30.5], [114.3, 30.6], [114.2, 30.5]]]}
    (tmp_path / "t.geojson").write_text(json.dumps(document))
    assert read_outline(tmp_path / "t.geojson").wkb == shapely.union_all([shape(document)]).wkb


def test_several_polygons_are_one_outline_and_several_files_several_regions(tmp_path):
    far = shapely.affinity.translate(TOWN, 0.3)
    single = written(tmp_path / "one.gpkg", [TOWN, far])
    two = written(tmp_path / "two.gpkg", [TOWN])
    actual = places(None, geometry=[single, two])
    assert [region.name for region in actual] == ["one", "two"]
    assert actual[0].outline.equals(shapely.union_all([TOWN, far]))


def test_a_bow_tie_is_repaired_and_said(tmp_path, capsys):
    bow = shapely.Polygon([(114, 30), (114.1, 30.1), (114.1, 30), (114, 30.1)])
    outline = read_outline(written(tmp_path / "bow.gpkg", [bow]))
    words = capsys.readouterr().err
    assert outline.is_valid and outline.area == pytest.approx(0.005)
    assert (
        "1 of 1 features were repaired (Self-intersection" in words and f"is {area_km2(outline):.6g} km2 now" in words
    )


def test_a_repair_that_leaves_no_ground_is_refused(tmp_path):
    flat = shapely.Polygon([(114, 30), (114.1, 30.1), (114, 30), (114, 30)])
    path = written(tmp_path / "flat.gpkg", [flat])
    with pytest.raises(ValueError, match=r"flat\.gpkg, layer flat, holds no polygon"):
        read_outline(path)


def test_a_buffer_widens_by_metres(tmp_path):
    outline = read_outline(written(tmp_path / "p.gpkg", [shapely.Point(114.2, 30.5)]), 1000)
    assert area_km2(outline) == pytest.approx(3.1416, rel=0.005)
    far = [Geod(ellps="WGS84").inv(114.2, 30.5, lon, lat)[2] for lon, lat in outline.exterior.coords]
    assert min(far) == pytest.approx(1000, rel=0.003) and max(far) == pytest.approx(1000, rel=0.003)


def test_features_are_buffered_in_their_own_zones(tmp_path):
    points = [shapely.Point(114.2, 30.5), shapely.Point(98.0, 30.5)]
    outline = read_outline(written(tmp_path / "p.gpkg", points), 1000)
    assert [area_km2(each) for each in outline.geoms] == pytest.approx([3.1416, 3.1416], rel=0.005)


@pytest.mark.parametrize("line", [shapely.LineString([(114.2, 30.5), (114.3, 30.5)]), shapely.Point(114.2, 30.5)])
def test_points_and_lines_need_a_buffer(tmp_path, line):
    with pytest.raises(ValueError, match=rf"holds no polygon but {line.geom_type}s: .*--buffer METRES"):
        read_outline(written(tmp_path / "l.gpkg", [line]))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"bbox": TOWN.bounds, "name": "My Town"}, "such as my-town"),
        ({"bbox": TOWN.bounds, "name": "wuhan"}, "is a region of `isamap regions`"),
        ({"region": "wuhan", "name": "town"}, "a --region has a name"),
        ({"geometry": ["a.gpkg", "b.gpkg"], "name": "town"}, "several files"),
        ({"bbox": TOWN.bounds, "buffer_m": 10}, "--buffer 10 widens the features of a --geometry"),
        ({"geometry": "a.gpkg", "buffer_m": -1}, "expected more than 0"),
        ({"geometry": "a.gpkg", "buffer_m": float("nan")}, "expected more than 0"),
    ],
)
def test_names_and_buffers_that_fit_nothing_are_refused(asked, message):
    with pytest.raises(ValueError, match=message):
        places(asked.pop("region", None), **asked)


def test_files_that_cannot_serve_are_refused(tmp_path):
    metres = {"type": "Polygon", "coordinates": [[[534e3, 5.21e6], [535e3, 5.21e6], [535e3, 5.22e6], [534e3, 5.21e6]]]}
    (tmp_path / "utm.geojson").write_text(json.dumps(metres))
    nowhere = written(tmp_path / "nowhere.shp", [TOWN])
    nowhere.with_suffix(".prj").unlink()
    two = written(tmp_path / "two.gpkg", [TOWN], layer="a")
    written(two, [TOWN], layer="b")
    written(tmp_path / "none.gpkg", [])
    (tmp_path / "a.csv").write_text("x,y")
    (tmp_path / "text.gpkg").write_text("no database")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04nothing")
    for path, message in (
        (tmp_path / "utm.geojson", r"utm\.geojson holds coordinates of 534000 .* no degrees .*ogr2ogr -s_srs"),
        (nowhere, r"no coordinate system in layer nowhere: add one"),
        (two, "has the layers a, b: give a file of one layer"),
        (tmp_path / "none.gpkg", "holds no features"),
        (tmp_path / "gone.gpkg", "was not found"),
        (tmp_path, "is a folder"),
        (tmp_path / "a.csv", "ends in .csv"),
        (tmp_path / "text.gpkg", "by its first bytes"),
        (tmp_path / "broken.zip", "no archive that can be read"),
    ):
        with pytest.raises(ValueError, match=message):
            read_outline(path)


@pytest.mark.parametrize("ending", [".geojson", ".gpkg", ".shp", ".fgb", ".kml"])
@pytest.mark.parametrize(
    "content",
    [
        '<OGRVRTDataSource><OGRVRTLayer name="t"><SrcDataSource>PATH</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>',
        '{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read PATH"}',
    ],
)
def test_files_that_point_elsewhere_are_refused(tmp_path, ending, content):
    real = written(tmp_path / "real.gpkg", [TOWN])
    (tmp_path / f"x{ending}").write_text(content.replace("PATH", str(real)))
    with pytest.raises(ValueError, match="by its first bytes"):
        read_outline(tmp_path / f"x{ending}")
