"""Tables over REST, through the unpatched `ee` client: pages, listings, downloads and exports."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import ee
import geopandas
import numpy as np
import pytest
import requests
import shapely
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.catalog.folder import FolderCatalog
from local_ee.testing.small import ended, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
ROOT = "projects/local/assets"
TOWNS = "towns/places"
ROWS = [("a", 1, 10.0), ("b", 2, 20.5), ("c", 3, 30.0)]  # name, rank, longitude; all at latitude 5
KML = "{http://www.opengis.net/kml/2.2}"


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "towns").mkdir()
    lines = [f"{name},{rank},{x},5" for name, rank, x in ROWS]
    (folder / "towns" / "places.csv").write_text("\n".join(["name,rank,longitude,latitude", *lines]))
    (folder / "towns" / "many.csv").write_text("\n".join(["i", *map(str, range(5001))]))
    with LocalEngine(FolderCatalog(folder), tmp_path_factory.mktemp("tables")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        storage_client(running.url).create_bucket("tables")
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture(scope="module")
def bucket(engine) -> storage.Bucket:
    return storage_client(engine.url).bucket("tables")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


@pytest.fixture
def places(engine) -> ee.FeatureCollection:
    return ee.FeatureCollection(TOWNS)


def numbered(count: int) -> ee.FeatureCollection:
    return ee.FeatureCollection(ee.List.sequence(0, count - 1).map(lambda i: ee.Feature(None, {"i": i})))


def exported(collection: ee.FeatureCollection, prefix: str, file_format: str, **options) -> dict:
    task = ee.batch.Export.table.toCloudStorage(
        collection=collection,
        description="table",
        bucket="tables",
        fileNamePrefix=prefix,
        fileFormat=file_format,
        **options,
    )
    task.start()
    return ended(task.name)


def to_asset(collection: ee.FeatureCollection, name: str, **options) -> dict:
    task = ee.batch.Export.table.toAsset(collection, "table", f"{ROOT}/{name}", **options)
    task.start()
    return ended(task.name)


def succeeded(operation: dict) -> dict:
    assert operation["metadata"]["state"] == "SUCCEEDED", operation
    return operation


# computed features


def test_computed_features_are_geojson(places):
    answer = ee.data.computeFeatures({"expression": places})
    assert answer["type"] == "FeatureCollection" and "nextPageToken" not in answer
    assert [f["properties"]["name"] for f in answer["features"]] == ["a", "b", "c"]
    assert answer["features"][1]["geometry"] == {"type": "Point", "coordinates": [20.5, 5]}


def test_a_page_holds_1000_features_by_default(engine):
    """https://developers.google.com/earth-engine/reference/rest/v1/projects.table/computeFeatures."""
    assert len(ee.data.computeFeatures({"expression": numbered(1001)})["features"]) == 1000


def test_computed_geometries_are_in_degrees_with_straight_edges(engine):
    """reference/rest/v1/projects.table/computeFeatures, and ee.data.computeFeatures: EPSG:4326 with planar edges."""
    long_edge = ee.Geometry.LineString([[0, 50], [90, 50]])
    (feature,) = ee.data.computeFeatures({"expression": ee.FeatureCollection([ee.Feature(long_edge)])})["features"]
    latitudes = np.array(feature["geometry"]["coordinates"])[:, 1]
    assert "geodesic" not in feature["geometry"] and latitudes.max() == pytest.approx(59.3, abs=0.1)


def test_the_properties_of_images_are_computed_features_too(engine):
    images = ee.ImageCollection([ee.Image(1).set("year", 2020), ee.Image(2).set("year", 2021)])
    assert ee.data.computeFeatures({"expression": images, "fileFormat": "PANDAS_DATAFRAME"})["year"].tolist() == [
        2020,
        2021,
    ]


def test_what_is_no_collection_is_refused(engine):
    with pytest.raises(ee.EEException, match="does not compute a FeatureCollection"):
        ee.data.computeFeatures({"expression": ee.Number(1)})


def test_more_than_5000_features_come_in_pages_and_not_at_once(engine):
    """https://developers.google.com/earth-engine/reference/rest/v1/projects.table/computeFeatures."""
    many = ee.FeatureCollection("towns/many")
    with pytest.raises(ee.EEException, match="Collection query aborted after accumulating over 5000 elements"):
        many.getInfo()
    frame = ee.data.computeFeatures({"expression": many, "fileFormat": "PANDAS_DATAFRAME"})
    assert frame["i"].tolist() == list(range(5001)) and frame["geo"].isna().all()


def test_a_page_token_of_nobody_is_refused(places):
    with pytest.raises(ee.EEException, match="Invalid pageToken 'x'"):
        ee.data.computeFeatures({"expression": places, "pageToken": "x"})


# assets


def test_a_folder_of_the_catalog_lists_its_tables(engine):
    assets = ee.data.listAssets({"parent": "towns"})["assets"]
    assert [(asset["id"], asset["type"]) for asset in assets] == [("towns/many", "TABLE"), (TOWNS, "TABLE")]


def test_the_features_of_a_table_are_listed_page_by_page(engine):
    first = ee.data.listFeatures({"assetId": TOWNS, "pageSize": 2})
    second = ee.data.listFeatures({"assetId": TOWNS, "pageSize": 2, "pageToken": first["nextPageToken"]})
    assert [f["properties"]["name"] for f in (*first["features"], *second["features"])] == ["a", "b", "c"]


def test_listed_features_lie_in_the_region(engine):
    region = json.dumps(shapely.geometry.mapping(shapely.box(15, 0, 25, 10)))
    features = ee.data.listFeatures({"assetId": TOWNS, "region": region})["features"]
    assert [f["properties"]["name"] for f in features] == ["b"]


@pytest.mark.parametrize(
    ("text", "names"),
    [("rank >= 2", ["b", "c"]), ('name = "a"', ["a"]), ('rank < 3 AND name != "a"', ["b"]), ('rank = "2"', [])],
)
def test_listed_features_pass_the_filter(engine, text, names):
    features = ee.data.listFeatures({"assetId": TOWNS, "filter": text})["features"]
    assert [f["properties"]["name"] for f in features] == names


def test_a_filter_of_another_form_is_refused(engine):
    with pytest.raises(ee.EEException, match="Unsupported condition of a filter: rank IN"):
        ee.data.listFeatures({"assetId": TOWNS, "filter": "rank IN (1)"})


def test_features_of_no_table_are_refused(engine):
    with pytest.raises(ee.EEException, match="is not a table"):
        ee.data.listFeatures({"assetId": "towns"})


# downloads


def downloaded(collection: ee.FeatureCollection, filetype: str, **options) -> requests.Response:
    reply = requests.get(collection.getDownloadURL(filetype, **options), timeout=300)
    assert reply.ok, reply.text
    return reply


def test_a_csv_has_index_sorted_properties_and_geometry(places):
    text = downloaded(places, "CSV").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert text.splitlines()[0] == "system:index,latitude,longitude,name,rank,.geo"
    assert [row["name"] for row in rows] == ["a", "b", "c"]
    assert json.loads(rows[0][".geo"]) == {"type": "Point", "coordinates": [10, 5]}


def test_selectors_choose_the_columns_in_their_order(places):
    assert downloaded(places, "CSV", selectors=["rank", "name"]).text == "rank,name\n1,a\n2,b\n3,c\n"


def test_dictionaries_and_lists_are_cells_as_java_prints_them(engine):
    feature = ee.Feature(None, {"d": {"a": 1, "b": 2}, "l": [1, 2], "t": 'say "x", y'})
    (row,) = csv.DictReader(io.StringIO(downloaded(ee.FeatureCollection([feature]), "CSV").text))
    assert (row["d"], row["l"], row["t"]) == ("{a=1, b=2}", "[1, 2]", 'say "x", y')


def test_a_downloaded_geojson_is_read_by_geopandas(places):
    frame = geopandas.read_file(io.BytesIO(downloaded(places, "GeoJSON").content))
    assert frame["name"].tolist() == ["a", "b", "c"] and frame.geometry.x.tolist() == [10, 20.5, 30]


def test_a_kml_has_a_placemark_a_feature(engine):
    square = ee.Geometry.Polygon([[[0, 0], [1, 0], [1, 1]], [[0.5, 0.2], [0.8, 0.2], [0.8, 0.5]]], None, False)
    root = ElementTree.fromstring(downloaded(ee.FeatureCollection([ee.Feature(square, {"a<b": "&"})]), "KML").content)
    (mark,) = root.iter(f"{KML}Placemark")
    data = mark.find(f".//{KML}Data")
    assert (data.get("name"), data.find(f"{KML}value").text) == ("a<b", "&")
    assert len(list(mark.iter(f"{KML}innerBoundaryIs"))) == 1


def test_a_kmz_is_an_archive_of_its_kml(places):
    archive = zipfile.ZipFile(io.BytesIO(downloaded(places, "KMZ").content))
    assert len(list(ElementTree.fromstring(archive.read("doc.kml")).iter(f"{KML}Placemark"))) == 3


def test_a_downloaded_shapefile_is_an_archive_that_geopandas_reads(places):
    reply = downloaded(places, "SHP", filename="towns")
    frame = geopandas.read_file(io.BytesIO(reply.content))
    assert 'filename="towns.zip"' in reply.headers["content-disposition"]
    assert frame["rank"].tolist() == [1, 2, 3] and frame.crs.to_epsg() == 4326


def test_a_download_is_open_to_a_browser_that_has_its_address(engine, places):
    url = places.getDownloadURL("CSV").replace(f"/t/{engine.token}", "")
    assert engine.token not in url and requests.get(url, timeout=300).text.startswith("system:index,")
    assert requests.get(f"{url[:-20]}:getFeatures", timeout=300).status_code == 403


def test_a_download_counts_under_its_tag(engine, places):
    with ee.data.workloadTagContext("of-a-download"):
        places.getDownloadURL("CSV")
    assert "of-a-download" in engine.cpu_seconds


# exports


def test_an_export_to_a_bucket_is_a_csv(bucket, places, name):
    operation = succeeded(exported(places, f"out/{name}", "CSV", selectors=["name"]))
    assert operation["metadata"]["type"] == "EXPORT_FEATURES"
    assert operation["metadata"]["destinationUris"] == [f"gs://tables/out/{name}"]
    assert bucket.blob(f"out/{name}.csv").download_as_text() == "name\na\nb\nc\n"


def test_an_exported_shapefile_is_its_files(bucket, places, name, tmp_path):
    succeeded(exported(places, name, "SHP"))
    blobs = list(bucket.list_blobs(prefix=name))
    assert {Path(blob.name).suffix for blob in blobs} >= {".shp", ".shx", ".dbf", ".prj"}
    for blob in blobs:
        blob.download_to_filename(tmp_path / blob.name)
    assert geopandas.read_file(tmp_path / f"{name}.shp")["name"].tolist() == ["a", "b", "c"]


def test_a_shapefile_of_several_types_is_refused(engine, name):
    """https://developers.google.com/earth-engine/guides/exporting_tables: features with the same geometry type."""
    point = ee.Feature(ee.Geometry.Point(0, 0))
    operation = exported(ee.FeatureCollection([point, point.buffer(10)]), name, "SHP")
    assert "geometries of one type; these are Point, Polygon" in operation["error"]["message"]


def test_columns_that_a_shapefile_would_call_alike_are_refused(engine, name):
    feature = ee.Feature(ee.Geometry.Point(0, 0), {"impervious_2020": 1, "impervious_2021": 2})
    operation = exported(ee.FeatureCollection([feature]), name, "SHP")
    assert "would be called 'impervious'" in operation["error"]["message"]


def test_a_bucket_that_is_not_there_fails_the_task(places):
    task = ee.batch.Export.table.toCloudStorage(places, bucket="absent", fileNamePrefix="x")
    task.start()
    assert "Cannot write to bucket absent" in ended(task.name)["error"]["message"]


def test_an_export_to_drive_is_a_file_of_its_bucket(engine, places):
    task = ee.batch.Export.table.toDrive(places, description="towns", fileFormat="CSV")
    task.start()
    assert ended(task.name)["metadata"]["state"] == "SUCCEEDED"
    text = storage_client(engine.url).bucket("google-drive").blob("towns.csv").download_as_text()
    assert text.startswith("system:index,") and len(text.splitlines()) == 1 + places.size().getInfo()


def test_an_export_to_bigquery_is_refused_in_words(places):
    with pytest.raises(ee.EEException, match="does not export to BigQuery"):
        ee.batch.Export.table.toBigQuery(places, table="a.b.c").start()


def test_a_geometry_of_more_vertices_than_asked_for_fails_the_task(engine, name):
    circle = ee.FeatureCollection([ee.Feature(ee.Geometry.Point(0, 0).buffer(1000))])
    assert "more than maxVertices 5" in exported(circle, name, "CSV", maxVertices=5)["error"]["message"]


def test_an_exported_asset_is_the_collection(engine, name):
    edge = ee.Geometry.LineString([[0, 50], [90, 50]])
    features = [ee.Feature(edge, {"name": "x", "n": 1, "f": 0.5, "l": [1, 2]}), ee.Feature(None, {"name": "y"})]
    succeeded(to_asset(ee.FeatureCollection(features).set("source", "test"), name))
    table = ee.FeatureCollection(f"{ROOT}/{name}")
    first, second = table.getInfo()["features"]
    assert first["properties"] == {"name": "x", "n": 1, "f": 0.5, "l": [1, 2]} and second["geometry"] is None
    assert table.first().geometry().length().getInfo() == pytest.approx(edge.length().getInfo(), rel=1e-12)
    asset = ee.data.getAsset(f"{ROOT}/{name}")
    assert (asset["type"], asset["properties"]) == ("TABLE", {"source": "test"}) and int(asset["sizeBytes"]) > 0


def test_a_table_asset_is_copied_and_deleted(engine, places, name):
    succeeded(to_asset(places, name))
    ee.data.copyAsset(f"{ROOT}/{name}", f"{ROOT}/{name}_copy")
    ee.data.deleteAsset(f"{ROOT}/{name}")
    assert ee.FeatureCollection(f"{ROOT}/{name}_copy").size().getInfo() == 3
    with pytest.raises(ee.EEException, match="not found"):
        ee.FeatureCollection(f"{ROOT}/{name}").size().getInfo()


def test_a_table_asset_is_overwritten_only_when_asked(engine, places, name):
    succeeded(to_asset(places, name))
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        to_asset(places.limit(1), name)
    succeeded(to_asset(places.limit(1), name, overwrite=True))
    assert ee.FeatureCollection(f"{ROOT}/{name}").size().getInfo() == 1


def test_a_table_does_not_replace_an_image(engine, places, name):
    grid = {"crs": "EPSG:4326", "crsTransform": [1, 0, 0, 0, -1, 1], "dimensions": "1x1"}
    task = ee.batch.Export.image.toAsset(ee.Image(1), "image", f"{ROOT}/{name}", **grid)
    task.start()
    succeeded(ended(task.name))
    with pytest.raises(ee.EEException, match="Cannot overwrite asset"):
        to_asset(places, name, overwrite=True)


def test_a_property_that_a_table_cannot_hold_is_refused(engine, name):
    operation = to_asset(ee.FeatureCollection([ee.Feature(None, {"d": {"a": 1}})]), name)
    assert "Property 'd' has an unsupported type" in operation["error"]["message"]
