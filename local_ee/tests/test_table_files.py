"""Tables of a catalog folder: CSV, GeoJSON, shapefile and GeoPackage, written by pyogrio and the standard library."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import ee
import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from local_ee import vector_file
from local_ee.catalog.csv_table import CsvColumns, read_rows
from local_ee.catalog.folder import FolderCatalog
from local_ee.catalog.table import read_table
from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")
SQUARES = [shapely.box(x, 1, x + 1, 2) for x in (10, 20)]
NAMES, COUNTS = ["left", "right"], [3, 4]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "towns").mkdir()
    return tmp_path


def written(path: Path, crs: str = "EPSG:4326", shapes=SQUARES, **options) -> Path:
    """A vector file of two squares by pyogrio."""
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
        field_data=[np.array(NAMES, dtype=object), np.array(COUNTS)],
        fields=["name", "count"],
        crs=crs,
        geometry_type="Polygon",
        **options,
    )
    return path


def geojson(path: Path) -> Path:
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(square), "properties": {"name": name, "count": count}}
        for square, name, count in zip(SQUARES, NAMES, COUNTS, strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def wkt_csv(path: Path) -> Path:
    lines = [f'{name},{count},"{square.wkt}"' for square, name, count in zip(SQUARES, NAMES, COUNTS, strict=True)]
    path.write_text("\n".join(["name,count,WKT", *lines]))
    return path


def zipped(path: Path) -> Path:
    source = written(path.with_suffix(".shp"))
    with zipfile.ZipFile(path, "w") as archive:
        for file in source.parent.glob(f"{source.stem}.*"):
            if file != path:
                archive.write(file, file.name)
                file.unlink()
    return path


MAKERS = {".geojson": geojson, ".csv": wkt_csv, ".shp": written, ".gpkg": written, ".zip": zipped}


@pytest.mark.parametrize("ending", MAKERS)
def test_a_table_of_every_format_has_its_features_in_order(folder, ending):
    MAKERS[ending](folder / "towns" / f"squares{ending}")
    table = ee.FeatureCollection("towns/squares")
    assert info(table.aggregate_array("name"), FolderCatalog(folder)) == NAMES
    assert info(table.aggregate_sum("count"), FolderCatalog(folder)) == 7
    corners = info(table.filter(ee.Filter.eq("name", "right")).geometry().bounds().coordinates(), FolderCatalog(folder))
    assert np.min(corners[0], axis=0).tolist() == pytest.approx([20, 1], abs=1e-3)
    assert np.max(corners[0], axis=0).tolist() == pytest.approx([21, 2], abs=1e-3)


@pytest.mark.parametrize("ending", [".shp", ".gpkg"])
def test_a_projected_file_is_moved_to_degrees(folder, ending):
    metres = shapely.box(300_000, 3_300_000, 301_000, 3_301_000)
    path = written(folder / f"utm{ending}", "EPSG:32650", [metres] * 2)
    moved = read_table(path)[0].geometry
    lonlat = Transformer.from_crs("EPSG:32650", "EPSG:4326", always_xy=True)
    expected = shapely.transform(metres, lambda xy: np.column_stack(lonlat.transform(*xy.T)))
    assert moved.equals_exact(expected, 1e-9, normalize=True)


def test_points_of_longitude_and_latitude(folder):
    (folder / "towns" / "points.csv").write_text("latitude,longitude,people\n30.5,114.3,12\n31,115,\n")
    points = info(ee.FeatureCollection("towns/points"), FolderCatalog(folder))["features"]
    assert [point["geometry"]["coordinates"] for point in points] == [[114.3, 30.5], [115, 31]]
    assert points[0]["properties"]["people"] == 12 and "people" not in points[1]["properties"]


def test_a_column_with_a_text_is_of_texts():
    """https://developers.google.com/earth-engine/guides/table_upload: mixed columns default to string."""
    rows = read_rows(b"a,b,c\n1,1.5,1\n2,2,NA\n")
    assert [properties for _, properties in rows] == [{"a": 1, "b": 1.5, "c": "1"}, {"a": 2, "b": 2.0, "c": "NA"}]


def test_columns_and_signs_may_be_named():
    columns = CsvColumns(x="east", y="north", delimiter=";", qualifier="'", charset="latin-1")
    ((point, properties),) = read_rows("east;north;name\n1;2;'K\u00f6ln; am Rhein'\n".encode("latin-1"), columns)
    assert (point.x, point.y, properties["name"]) == (1, 2, "K\u00f6ln; am Rhein")


def test_the_geojson_column_of_earth_engines_own_csv_is_a_geometry():
    text = 'system:index,v,.geo\n0,5,"{""type"":""Point"",""coordinates"":[7,8]}"\n1,6,\n'
    (first, _), (second, _) = read_rows(text.encode())
    assert first.wkt == "POINT (7 8)" and second is None


BAD_CSV = {
    "names": b"a,a\n1,2\n",
    "2 cells under 3 columns": b"a,b,c\n1,2\n",
    "row 1": b"WKT\nPOLYGON((0 0)\n",
    "no place on Earth": b"longitude,latitude\n10,95\n",
    "no header": b"",
    "utf-8": b"a\n\xff\xfe\n",
}


@pytest.mark.parametrize("words", BAD_CSV)
def test_a_csv_that_is_wrong_is_refused_with_its_name(tmp_path, words):
    path = tmp_path / "bad.csv"
    path.write_bytes(BAD_CSV[words])
    with pytest.raises(ValueError, match=rf"bad\.csv is no CSV.*{words}"):
        read_table(path)


@pytest.mark.parametrize("ending", [".shp", ".gpkg", ".zip", ".geojson"])
@pytest.mark.parametrize("content", [b"<OGRVRTDataSource/>", b"", b"\0" * 200])
def test_a_file_of_another_format_is_refused_before_gdal_sees_it(tmp_path, ending, content):
    path = tmp_path / f"bad{ending}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.\w+ is no"):
        read_table(path)


def test_a_geopackage_cut_short_is_refused(tmp_path):
    path = written(tmp_path / "cut.gpkg")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="damaged, or not of the format"):
        read_table(path)


def test_a_shapefile_without_its_table_is_refused(tmp_path):
    written(tmp_path / "half.shp").with_suffix(".dbf").unlink()
    with pytest.raises(ValueError, match=r"half\.shp .*no \.dbf file beside it"):
        read_table(tmp_path / "half.shp")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = zipped(tmp_path / "large.zip")
    monkeypatch.setattr(vector_file, "MOST_BYTES", path.stat().st_size - 100)
    with pytest.raises(ValueError, match=r"unpacks to more|larger than"):
        read_table(path)


def test_two_files_of_one_name_are_refused(folder):
    geojson(folder / "towns" / "squares.geojson")
    wkt_csv(folder / "towns" / "squares.csv")
    with pytest.raises(ValueError, match="in both"):
        FolderCatalog(folder).table("towns/squares")


def test_a_changed_table_is_read_again(folder):
    catalog, path = FolderCatalog(folder), folder / "towns" / "t.csv"
    path.write_text("a\n1\n")
    assert len(catalog.table("towns/t")) == 1
    path.write_text("a\n1\n2\n")
    assert len(catalog.table("towns/t")) == 2


def test_a_shapefile_whose_table_alone_changed_is_read_again(folder):
    catalog, path = FolderCatalog(folder), written(folder / "towns" / "t.shp")
    before = catalog.table("towns/t")[0].properties["name"]
    (folder / "new").mkdir()
    pyogrio.raw.write(
        folder / "new" / "t.shp",
        geometry=shapely.to_wkb(np.array(SQUARES, dtype=object)),
        field_data=[np.array(["other", "names"], dtype=object)],
        fields=["name"],
        crs="EPSG:4326",
        geometry_type="Polygon",
    )
    shutil.copy(folder / "new" / "t.dbf", path.with_suffix(".dbf"))
    assert (before, catalog.table("towns/t")[0].properties["name"]) == ("left", "other")


def test_a_folder_lists_its_tables_and_folders(folder):
    geojson(folder / "towns" / "squares.geojson")
    (folder / "towns" / "deep").mkdir()
    contents = FolderCatalog(folder).contents("towns")
    assert [(each.id, each.type) for each in contents] == [("towns/deep", "FOLDER"), ("towns/squares", "TABLE")]
