"""Tables that are ingested from objects of a bucket, through the unpatched `ee` client."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

import ee
import geopandas
import numpy as np
import pytest
import shapely
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.catalog.folder import FolderCatalog
from local_ee.testing.small import ended, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
ROOT = "projects/local/assets"


@pytest.fixture(scope="module")
def bucket(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[storage.Bucket]:
    """The bucket `tables` of an engine with an empty catalog."""
    empty = FolderCatalog(tmp_path_factory.mktemp("catalog"))
    with LocalEngine(empty, tmp_path_factory.mktemp("tables")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        yield storage_client(running.url).create_bucket("tables")
    ee.data.setMaxRetries(5)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "".join(c if c.isalnum() else "_" for c in request.node.name)


def succeeded(operation: dict) -> dict:
    assert operation["metadata"]["state"] == "SUCCEEDED", operation
    return operation


def ingested(name: str, *uris: str, overwrite: bool = False, source: dict | None = None, **fields) -> dict:
    sources = [{"uris": [uri], **(source or {})} for uri in uris]
    manifest = {"name": f"{ROOT}/{name}", "sources": sources, **fields}
    return ended(ee.data.startTableIngestion(ee.data.newTaskId(1)[0], manifest, overwrite)["name"])


def put(bucket: storage.Bucket, name: str, content: bytes | str) -> str:
    bucket.blob(name).upload_from_string(content)
    return f"gs://tables/{name}"


def frame() -> geopandas.GeoDataFrame:
    squares = [shapely.box(500_000 + x, 3_300_000, 500_100 + x, 3_300_100) for x in (0, 1000)]
    return geopandas.GeoDataFrame({"name": ["x", "y"]}, geometry=squares, crs="EPSG:32650")


def test_an_ingested_csv_is_a_table_with_its_properties_and_times(bucket, name):
    uri = put(bucket, f"{name}.csv", "longitude,latitude,n\n10,20,5\n11,21,6\n")
    times = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2021-01-01T00:00:00Z"}
    operation = succeeded(ingested(name, uri, properties={"source": "survey"}, **times))
    assert operation["metadata"]["type"] == "INGEST_TABLE"
    table = ee.FeatureCollection(f"{ROOT}/{name}")
    assert table.aggregate_array("n").getInfo() == [5, 6]
    assert table.first().geometry().coordinates().getInfo() == [10, 20]
    asset = ee.data.getAsset(f"{ROOT}/{name}")
    assert asset["properties"] == {"source": "survey"} and asset["startTime"].startswith("2020-01-01")


def test_columns_are_named_by_the_manifest(bucket, name):
    uri = put(bucket, f"{name}.csv", "east;north;n\n500000;3300000;1\n")
    source = {"xColumn": "east", "yColumn": "north", "csvDelimiter": ";"}
    operation = ingested(name, uri, source=source)
    assert "no place on Earth" in operation["error"]["message"]


def test_the_fields_of_the_earthengine_command_are_understood(bucket, name):
    """ee/cli/commands.py, UploadTableCommand: names with underscores, which JSON of protocol buffers may have."""
    uri = put(bucket, f"{name}.csv", "east;north;n\n10;20;1\n")
    source = {"x_column": "east", "y_column": "north", "csv_delimiter": ";", "maxErrorMeters": 1}
    succeeded(ingested(name, uri, source=source, start_time="2020-01-01T00:00:00Z"))
    assert ee.FeatureCollection(f"{ROOT}/{name}").geometry().coordinates().getInfo() == [10, 20]
    assert ee.data.getAsset(f"{ROOT}/{name}")["startTime"].startswith("2020-01-01")


def test_a_zipped_shapefile_is_ingested_in_degrees(bucket, name, tmp_path):
    frame().to_file(tmp_path / "s.shp")
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for part in ("shp", "shx", "dbf", "prj"):
            archive.write(tmp_path / f"s.{part}", f"s.{part}")
    succeeded(ingested(name, put(bucket, f"{name}.zip", (tmp_path / "s.zip").read_bytes())))
    answer = ee.data.computeFeatures(
        {"expression": ee.FeatureCollection(f"{ROOT}/{name}"), "fileFormat": "GEOPANDAS_GEODATAFRAME"}
    )
    wanted = frame().to_crs(4326)
    assert answer.geometry.geom_equals_exact(wanted.geometry.normalize(), 1e-9).all() or all(
        a.normalize().equals_exact(b.normalize(), 1e-9) for a, b in zip(answer.geometry, wanted.geometry, strict=True)
    )


def test_the_other_files_of_a_shapefile_are_read_beside_it(bucket, name, tmp_path):
    frame().to_file(tmp_path / "s.shp")
    for part in ("shp", "shx", "dbf", "prj"):
        put(bucket, f"{name}.{part}", (tmp_path / f"s.{part}").read_bytes())
    succeeded(ingested(name, f"gs://tables/{name}.shp"))
    assert ee.FeatureCollection(f"{ROOT}/{name}").aggregate_array("name").getInfo() == ["x", "y"]


def test_a_geopackage_is_ingested(bucket, name, tmp_path):
    frame().to_file(tmp_path / "s.gpkg")
    succeeded(ingested(name, put(bucket, f"{name}.gpkg", (tmp_path / "s.gpkg").read_bytes())))
    area = ee.FeatureCollection(f"{ROOT}/{name}").geometry().area().getInfo()
    assert area == pytest.approx(2 * 100 * 100, rel=2e-3)


@pytest.mark.parametrize(("geodesic", "highest"), [(None, 59.3), ("false", 50)])
def test_edges_of_uploaded_degrees_are_shortest_paths_unless_told(bucket, name, geodesic, highest):
    """https://developers.google.com/earth-engine/guides/table_upload: WGS84 uses geodesic geometries."""
    uri = put(bucket, f"{name}.csv", 'geometry\n"LINESTRING (0 50, 90 50)"\n')
    succeeded(ingested(name, uri, source=None if geodesic is None else {"geodesic": geodesic}))
    (feature,) = ee.data.listFeatures({"assetId": f"{ROOT}/{name}"})["features"]
    assert np.array(feature["geometry"]["coordinates"])[:, 1].max() == pytest.approx(highest, abs=0.1)


REFUSED = {
    "no name": {"sources": [{"uris": ["gs://tables/a.csv"]}]},
    "no sources": {"name": f"{ROOT}/t"},
    "Cannot tell the format": {"name": f"{ROOT}/t", "sources": [{"uris": ["gs://tables/a.xls"]}]},
    "expected gs://BUCKET/OBJECT": {"name": f"{ROOT}/t", "sources": [{"uris": ["/etc/passwd.csv"]}]},
    "2 uris": {"name": f"{ROOT}/t", "sources": [{"uris": ["gs://t/a.csv", "gs://t/b.csv"]}]},
    "Unknown or unsupported field 'dateFormat'": {
        "name": f"{ROOT}/t",
        "sources": [{"uris": ["gs://tables/a.csv"], "dateFormat": "yyyy"}],
    },
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_manifest_that_is_wrong_is_refused_before_a_task_begins(bucket, words):
    with pytest.raises(ee.EEException, match=words):
        ee.data.startTableIngestion(ee.data.newTaskId(1)[0], REFUSED[words])


def test_a_file_that_is_no_table_fails_the_task_with_its_name(bucket, name):
    operation = ingested(name, put(bucket, f"{name}.gpkg", b"<OGRVRTDataSource/>"))
    assert f"Cannot read gs://tables/{name}.gpkg as a table" in operation["error"]["message"]
    with pytest.raises(ee.EEException, match="not found"):
        ee.data.getAsset(f"{ROOT}/{name}")
