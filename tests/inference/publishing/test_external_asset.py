"""A map that stays in a bucket: the asset reads it there, and what is in its way is said before anything is written."""

from __future__ import annotations

import uuid

import ee
import numpy as np
import pytest

import isamap
from isamap.gee_export.base.storage import provide
from isamap.gee_export.earth_engine import session as session_module
from isamap.inference.publishing.external_asset import publish_external
from tests.inference.publishing.test_asset import FOLDER, read_back


@pytest.fixture
def name(session, home) -> str:
    return f"{FOLDER}/external/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def place(name, session) -> str:
    """An address in a bucket that nobody else writes to."""
    provide("external-maps", session)
    return f"gs://external-maps/{name.rpartition('/')[2]}/wuhan.tif"


def test_the_asset_equals_the_map_and_its_pixels_stay_in_the_bucket(name, place, finished_map, random_map):
    report = publish_external(finished_map(random_map), asset=name, external=place, progress=False)
    np.testing.assert_array_equal(read_back(name, random_map.shape[1:]), random_map)
    assert report.uris == (place, place.replace(".tif", "_prob.tif"))
    uris = ee.data.getAsset(name)["cloudStorageLocation"]["uris"]
    assert [uri.partition("#")[0] for uri in uris] == list(report.uris)


def test_the_asset_says_what_it_is(name, place, finished_map, random_map):
    publish_external(finished_map(random_map), asset=name, external=place, progress=False)
    info = ee.data.getAsset(name)
    assert info["properties"]["isa_class_palette"] == "d9d9d9,e31a1c" and info["startTime"].startswith("2020-06-01")


def test_the_same_map_again_is_no_operation(name, place, finished_map, random_map, capsys):
    path = finished_map(random_map)
    words = ["publish", str(path), "--asset", name, "--external", place]
    assert isamap.main(words) == 0
    before = ee.data.getAsset(name)["updateTime"]
    assert isamap.main(words) == 0
    assert "already there with this content" in capsys.readouterr().out
    assert ee.data.getAsset(name)["updateTime"] == before


def test_an_object_of_another_map_is_never_replaced(name, place, finished_map, random_map):
    publish_external(finished_map(random_map), asset=name, external=place, progress=False)
    mirrored = finished_map(random_map[:, ::-1].copy(), "other.tif")
    with pytest.raises(ValueError, match="holds another file: give another --external"):
        publish_external(mirrored, asset=name, external=place, overwrite=True, progress=False)
    np.testing.assert_array_equal(read_back(name, random_map.shape[1:]), random_map)


def test_a_bucket_that_earth_engine_does_not_read_is_refused_before_the_upload(name, finished_map, random_map, session):
    bucket = session.storage_client().create_bucket(f"far-{uuid.uuid4().hex[:8]}", location="EUROPE-WEST4")
    with pytest.raises(ValueError, match="is in EUROPE-WEST4, and Earth Engine reads external images only from"):
        publish_external(finished_map(random_map), asset=name, external=f"gs://{bucket.name}/a.tif", progress=False)
    assert list(bucket.list_blobs()) == []


def test_a_bucket_of_another_class_is_refused_before_the_upload(name, finished_map, random_map, session):
    """Manual, Earth_Engine_asset_from_cloud_geotiff: the bucket must be of class Standard."""
    bucket = session.storage_client().bucket(f"cold-{uuid.uuid4().hex[:8]}")
    bucket.storage_class = "NEARLINE"
    bucket.create()
    with pytest.raises(ValueError, match="is of class NEARLINE, and Earth Engine reads"):
        publish_external(finished_map(random_map), asset=name, external=f"gs://{bucket.name}/a.tif", progress=False)
    assert list(bucket.list_blobs()) == []


@pytest.mark.parametrize("address", ["maps/a.tif", "gs://bucket", "gs://bucket/folder/", "gs://bucket/a.png"])
def test_another_address_is_refused(finished_map, random_map, address, capsys):
    words = ["publish", str(finished_map(random_map)), "--asset", f"{FOLDER}/a", "--external", address]
    assert isamap.main(words) == 2
    assert "expected gs://BUCKET/NAME.tif" in capsys.readouterr().err


@pytest.mark.parametrize("bucket", ["C:", "Maps", "my bucket"])
def test_what_cannot_be_a_bucket_is_refused_before_anything_is_asked(
    finished_map, random_map, monkeypatch, capsys, bucket
):
    monkeypatch.setattr(session_module, "connect", lambda *given, **named: pytest.fail("asked"))
    google = ["--asset", "projects/my-project/assets/a", "--project", "my-project"]
    words = ["publish", str(finished_map(random_map)), *google, "--external", f"gs://{bucket}/a.tif"]
    assert isamap.main(words) == 2
    told = capsys.readouterr().err.strip()
    assert "expected a bucket of 3 to 222 of a-z" in told and "\n" not in told


def test_tiles_of_a_run_cannot_stay(tmp_path, capsys):
    words = ["publish", str(tmp_path), "--asset", f"{FOLDER}/a", "--external", "gs://bucket/a.tif"]
    assert isamap.main(words) == 2
    assert "is of one map" in capsys.readouterr().err
