"""Stored bytes are bytes: a browser saves them, and nothing that a client stored becomes a header of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from google.api_core.exceptions import BadRequest
from google.cloud import storage

from local_ee import LocalEngine
from local_ee.home import description_path, read_json, write_json
from local_ee.storage.media_types import served_type
from local_ee.testing.small import catalog, storage_client

NAVIGATION = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OLD_NAVIGATION = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ACTIVE = [
    "text/html",
    "TEXT/HTML; charset=utf-8",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/xml",
    "application/xml",
    "text/javascript",
    "application/pdf",
    "multipart/x-mixed-replace; boundary=x",
    "application/x-shockwave-flash",
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(8, 8), tmp_path_factory.mktemp("types")) as running:
        storage_client(running.url).create_bucket("typed")
        yield running


@pytest.fixture
def bucket(engine: LocalEngine) -> storage.Bucket:
    return storage_client(engine.url).bucket("typed")


def address(engine: LocalEngine, name: str) -> str:
    return f"{engine.url}/storage/v1/b/typed/o/{name}?alt=media"


@pytest.mark.parametrize("browser", [NAVIGATION, OLD_NAVIGATION], ids=["new", "old"])
@pytest.mark.parametrize("content_type", ACTIVE)
def test_a_browser_gets_no_page_that_runs(engine, bucket, content_type, browser):
    bucket.blob("page").upload_from_string(b"<script>1</script>", content_type=content_type)
    reply = requests.get(address(engine, "page"), headers=browser, timeout=300)
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("route", ["storage", "download/storage"])
@pytest.mark.parametrize("browser", [{}, NAVIGATION], ids=["client", "browser"])
def test_every_download_is_saved_and_not_shown(engine, bucket, route, browser):
    bucket.blob("page").upload_from_string(b"<script>1</script>", content_type="text/html")
    reply = requests.get(f"{engine.url}/{route}/v1/b/typed/o/page?alt=media", headers=browser, timeout=300)
    assert reply.headers["content-disposition"] == "attachment"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_picture_is_one_to_a_browser_too(engine, bucket):
    bucket.blob("picture").upload_from_string(b"x", content_type="image/png")
    reply = requests.get(address(engine, "picture"), headers=NAVIGATION, timeout=300)
    assert reply.headers["content-type"] == "image/png"


@pytest.mark.parametrize("content_type", ACTIVE[:3])
def test_the_storage_client_sees_the_type_that_was_stored(bucket, content_type):
    """It takes contentType from the download's header, so a later patch would write back another one."""
    bucket.blob("kept").upload_from_string(b"x", content_type=content_type)
    blob = bucket.get_blob("kept")
    blob.download_as_bytes()
    assert blob.content_type == content_type


BAD_TYPES = ["a/b\r\nX-Evil: 1", "a/b\nc", "a", "/", "a/b c", "a/b;c", "a/\x00", "é/b", "a/b; c=d\r", "x" * 2000 + "/y"]


@pytest.mark.parametrize("content_type", BAD_TYPES)
def test_a_type_that_is_none_is_refused_by_every_way_in(engine, bucket, content_type):
    bucket.blob("source").upload_from_string(b"x")
    document = {"name": "bad", "contentType": content_type}
    uploads = f"{engine.url}/upload/storage/v1/b/typed/o"
    objects = f"{engine.url}/storage/v1/b/typed/o"
    sources = {"sourceObjects": [{"name": "source"}]}
    for reply in (
        requests.post(f"{uploads}?uploadType=resumable&name=bad", json=document, timeout=300),
        requests.patch(f"{objects}/source", json=document, timeout=300),
        requests.post(f"{objects}/source/copyTo/b/typed/o/bad", json=document, timeout=300),
        requests.post(f"{objects}/source/rewriteTo/b/typed/o/bad", json=document, timeout=300),
        requests.post(f"{objects}/bad/compose", json={**sources, "destination": document}, timeout=300),
    ):
        assert reply.status_code == 400 and "Invalid value for contentType" in reply.text
    assert bucket.get_blob("bad") is None and bucket.get_blob("source").content_type == "text/plain"


def test_a_bad_type_in_a_multipart_upload_is_refused(bucket):
    blob = bucket.blob("bad")
    blob.content_type = "a/b\r\nX-Evil: 1"
    with pytest.raises((BadRequest, ValueError)):
        blob.upload_from_string(b"x", content_type=None)
    assert bucket.get_blob("bad") is None


@pytest.mark.parametrize("field", ["cacheControl", "contentEncoding", "contentLanguage", "storageClass"])
@pytest.mark.parametrize("value", ["x\r\nX-Evil: 1", "x\x7f", ["x"], {"a": 1}, "x" * 2000])
def test_other_fields_that_become_headers_are_lines_of_text(engine, bucket, field, value):
    bucket.blob("plain").upload_from_string(b"x")
    reply = requests.patch(f"{engine.url}/storage/v1/b/typed/o/plain", json={field: value}, timeout=300)
    assert reply.status_code == 400 and f"Invalid value for {field}" in reply.text


def test_what_an_older_engine_stored_does_not_break_the_connection(engine, bucket):
    bucket.blob("old").upload_from_string(b"bytes")
    path = description_path(engine.home.buckets / "typed", "old")
    evil = "x\r\nX-Evil: 1"
    fields = dict.fromkeys(("contentType", "cacheControl", "contentEncoding", "storageClass"), evil)
    write_json(path, {**read_json(path), "attributes": fields})
    reply = requests.get(address(engine, "old"), timeout=300)
    assert (reply.status_code, reply.content) == (200, b"bytes") and "X-Evil" not in reply.headers
    assert reply.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(
    "good", ["image/tiff; application=geotiff; profile=cloud-optimized", 'a/b; c="d e"', "text/csv"]
)
def test_parameters_of_a_type_are_kept(good):
    assert served_type(good, to_browser=False) == good


def test_a_batch_cannot_add_lines_to_its_reply(engine):
    head = "--x\r\nContent-Type: application/http\r\nContent-ID: <1\r\n X-Evil: 1>\r\n\r\n"
    part = f"{head}GET /storage/v1/b HTTP/1.1\r\n\r\n\r\n"
    headers = {"content-type": "multipart/mixed; boundary=x"}
    reply = requests.post(f"{engine.url}/batch/storage/v1", data=f"{part}--x--\r\n", headers=headers, timeout=300)
    assert reply.status_code == 200 and not any(line.startswith((" ", "X-Evil")) for line in reply.text.splitlines())
