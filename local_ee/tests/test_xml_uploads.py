"""XML multipart uploads (https://cloud.google.com/storage/docs/multipart-uploads) through the unpatched client."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import google_crc32c
import pytest
import requests
from google.cloud import storage
from google.cloud.storage import transfer_manager

from local_ee import LocalEngine
from local_ee.home import PARTS, UPLOAD
from local_ee.leftovers import sweep
from local_ee.storage.part_store import PartStore
from local_ee.testing.small import bucket_of_test, catalog, storage_client
from tests.support.raw_http import exchange
from tests.support.raw_http import request as raw

MEBI = 1 << 20
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(8, 8), tmp_path_factory.mktemp("xml")) as running:
        yield running


@pytest.fixture(scope="module")
def client(engine: LocalEngine) -> storage.Client:
    return storage_client(engine.url)


@pytest.fixture
def bucket(client: storage.Client, request: pytest.FixtureRequest) -> storage.Bucket:
    return bucket_of_test(client, request)


class Upload:
    """One upload by plain requests, as any client of the XML API sends them."""

    def __init__(self, engine: LocalEngine, bucket: str, name: str = "x", **headers: str) -> None:
        self.url = f"{engine.url}/{bucket}/{name}"
        reply = requests.post(f"{self.url}?uploads", headers=headers, timeout=300)
        reply.raise_for_status()
        self.id = ElementTree.fromstring(reply.content).findtext(f"{NAMESPACE}UploadId") or ""

    def put(self, number: int | str, content: bytes, **headers: str) -> requests.Response:
        query = {"partNumber": str(number), "uploadId": self.id}
        return requests.put(self.url, params=query, data=content, headers=headers, timeout=300)

    def parts(self, **query: str) -> ElementTree.Element:
        reply = requests.get(self.url, params={"uploadId": self.id, **query}, timeout=300)
        reply.raise_for_status()
        return ElementTree.fromstring(reply.content)

    def post(self, body: bytes | str) -> requests.Response:
        return requests.post(self.url, params={"uploadId": self.id}, data=body, timeout=300)

    def complete(self, *parts: tuple[int, str]) -> requests.Response:
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in parts)
        return self.post(f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>")

    def abort(self) -> requests.Response:
        return requests.delete(self.url, params={"uploadId": self.id}, timeout=300)


def code(reply: requests.Response) -> tuple[int, str | None]:
    return reply.status_code, ElementTree.fromstring(reply.content).findtext("Code")


def texts(document: ElementTree.Element, field: str) -> list[str | None]:
    return [element.text for element in document.iter(f"{NAMESPACE}{field}")]


@pytest.fixture
def upload(engine: LocalEngine, bucket: storage.Bucket) -> Upload:
    return Upload(engine, bucket.name)


def folders(engine: LocalEngine) -> list[Path]:
    return sorted(engine.home.uploads.glob(f"*{PARTS}"))


@pytest.mark.parametrize("worker", [transfer_manager.THREAD, pytest.param("process", marks=pytest.mark.long)])
def test_a_file_is_uploaded_in_chunks_at_once(bucket, tmp_path, worker):
    content = os.urandom(12 * MEBI + 17)
    (source := tmp_path / "large").write_bytes(content)
    blob = bucket.blob("folder/large ü.bin")
    transfer_manager.upload_chunks_concurrently(
        str(source), blob, content_type="image/tiff", chunk_size=5 * MEBI, worker_type=worker, max_workers=2
    )
    stored = bucket.get_blob("folder/large ü.bin")
    assert stored.download_as_bytes() == content and stored.content_type == "image/tiff"
    assert stored.crc32c == base64.b64encode(google_crc32c.Checksum(content).digest()).decode()


def test_an_object_of_parts_has_no_md5(bucket, tmp_path):
    """The page: an MD5 hash does not exist for objects uploaded using this method."""
    (source := tmp_path / "small").write_bytes(b"small")
    transfer_manager.upload_chunks_concurrently(str(source), bucket.blob("x"), worker_type=transfer_manager.THREAD)
    assert bucket.get_blob("x").md5_hash is None


def test_metadata_of_the_blob_comes_with_it(bucket, tmp_path):
    (source := tmp_path / "small").write_bytes(b"small")
    blob = bucket.blob("x")
    blob.metadata, blob.cache_control = {"city": "wuhan"}, "no-store"
    transfer_manager.upload_chunks_concurrently(str(source), blob, worker_type=transfer_manager.THREAD)
    stored = bucket.get_blob("x")
    assert (stored.metadata, stored.cache_control) == ({"city": "wuhan"}, "no-store")


def test_the_client_is_told_of_a_bucket_that_is_not_there(client, tmp_path):
    (source := tmp_path / "small").write_bytes(b"small")
    with pytest.raises(Exception, match=r"NoSuchBucket|404"):
        transfer_manager.upload_chunks_concurrently(
            str(source), client.bucket("absent").blob("x"), worker_type=transfer_manager.THREAD, retry=None
        )


def test_an_upload_is_no_object_before_it_is_complete(bucket, upload):
    tag = upload.put(1, b"abc").headers["etag"]
    assert list(bucket.list_blobs()) == []
    assert upload.complete((1, tag)).status_code == 200
    assert bucket.blob("x").download_as_bytes() == b"abc"


def test_parts_are_joined_by_their_numbers(bucket, upload):
    second, first = upload.put(7, b"end"), upload.put(2, bytes(5 * MEBI))
    assert upload.complete((2, first.headers["etag"]), (7, second.headers["etag"])).status_code == 200
    assert bucket.blob("x").download_as_bytes() == bytes(5 * MEBI) + b"end"


def test_a_part_of_the_same_number_replaces_the_first(bucket, upload):
    upload.put(1, b"first")
    tag = upload.put(1, b"second").headers["etag"]
    upload.complete((1, tag))
    assert bucket.blob("x").download_as_bytes() == b"second"


def test_a_parts_etag_is_the_md5_of_its_bytes(upload):
    assert upload.put(1, b"abc").headers["etag"] == f'"{hashlib.md5(b"abc").hexdigest()}"'


def test_parts_are_listed_page_by_page(upload):
    """https://cloud.google.com/storage/docs/xml-api/get-object-multipart."""
    for number in (1, 3, 4):
        upload.put(number, bytes(number))
    page = upload.parts(**{"max-parts": "2"})
    assert texts(page, "Size") == texts(page, "PartNumber")[:2] == ["1", "3"]
    assert texts(page, "IsTruncated") + texts(page, "NextPartNumberMarker") == ["true", "3"]
    assert texts(upload.parts(**{"part-number-marker": "3"}), "PartNumber") == ["4"]


def test_a_completed_upload_answers_a_repeated_request_alike(bucket, upload):
    tag = upload.put(1, b"abc").headers["etag"]
    first, second = upload.complete((1, tag)), upload.complete((1, tag))
    assert first.content == second.content and len(list(bucket.list_blobs(versions=True))) == 1


def test_an_aborted_upload_leaves_nothing(engine, upload):
    upload.put(1, b"abc")
    assert upload.abort().status_code == 204
    assert not [path for path in folders(engine) if upload.id in path.name]
    assert code(upload.put(2, b"more")) == (404, "NoSuchUpload")


def test_a_completed_upload_leaves_no_parts(engine, upload):
    upload.complete((1, upload.put(1, b"abc").headers["etag"]))
    (folder,) = (path for path in folders(engine) if upload.id in path.name)
    assert [path.name for path in folder.iterdir()] == [UPLOAD]


def test_another_engine_of_the_home_goes_on_with_an_upload(engine, bucket, upload):
    tag = upload.put(1, b"abc").headers["etag"]
    with LocalEngine(catalog(8, 8), engine.home.root) as other:
        upload.url = upload.url.replace(engine.url, other.url)
        assert upload.complete((1, tag)).status_code == 200
    assert bucket.blob("x").download_as_bytes() == b"abc"


@pytest.mark.parametrize(
    ("header", "value"), [("x-goog-hash", "crc32c=AAAAAA=="), ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]
)
def test_a_part_that_changed_on_its_way_is_refused(upload, header, value):
    assert code(upload.put(1, b"abc", **{header: value})) == (400, "BadDigest")
    assert not texts(upload.parts(), "PartNumber")


@pytest.mark.parametrize("number", [0, 10_001, "x"])
def test_part_numbers_are_1_to_10000(upload, number):
    """https://cloud.google.com/storage/quotas#requests: "Maximum number of parts per upload: 10,000"."""
    assert code(upload.put(number, b"abc")) == (400, "InvalidArgument")


def test_a_part_below_5_mib_is_refused_unless_it_is_the_last(upload):
    tags = [upload.put(number, b"abc").headers["etag"] for number in (1, 2)]
    assert code(upload.complete((1, tags[0]), (2, tags[1]))) == (400, "EntityTooSmall")
    assert upload.complete((1, tags[0])).status_code == 200


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "MalformedXML"),
        ([(2, "b"), (1, "a")], "InvalidPartOrder"),
        ([(1, "a"), (1, "a")], "InvalidPartOrder"),
        ([(9, "0" * 32)], "InvalidPart"),
        ([(1, "0" * 32)], "InvalidPart"),
    ],
)
def test_parts_that_did_not_arrive_so_are_refused(upload, parts, words):
    upload.put(1, b"abc")
    assert code(upload.complete(*parts)) == (400, words)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<Other/>",
        b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
        b'<!DOCTYPE a [<!ENTITY x "1">]><CompleteMultipartUpload>&x;</CompleteMultipartUpload>',
        b"<CompleteMultipartUpload>" + b"<Part/>" * 200_000 + b"</CompleteMultipartUpload>",
    ],
)
def test_a_list_of_parts_that_is_none_is_refused(upload, body):
    assert code(upload.post(body)) == (400, "MalformedXML")


def test_an_upload_of_another_object_is_not_found(upload):
    upload.url += "other"
    assert code(upload.put(1, b"abc")) == (404, "NoSuchUpload")


@pytest.mark.parametrize("upload_id", ["", "../..", "0" * 32])
def test_an_id_that_was_not_given_out_is_not_found(upload, upload_id):
    upload.id = upload_id
    assert code(upload.abort()) == (404, "NoSuchUpload")


def test_a_damaged_part_is_never_stored(engine, bucket, upload):
    tag = upload.put(1, b"abc").headers["etag"]
    (folder,) = (path for path in folders(engine) if upload.id in path.name)
    next(path for path in folder.iterdir() if path.suffix != ".json").write_bytes(b"abd")
    assert code(upload.complete((1, tag))) == (500, "InternalError")
    assert list(bucket.list_blobs()) == []


def test_an_upload_that_nobody_touched_for_a_week_is_forgotten(engine, upload):
    upload.put(1, b"abc")
    (folder,) = (path for path in folders(engine) if upload.id in path.name)
    store = PartStore(engine.home, engine._app.storage.store)
    store.expire()
    assert folder.exists()
    week_ago = time.time() - 8 * 24 * 3600
    for path in (*folder.iterdir(), folder):
        os.utime(path, (week_ago, week_ago))
    store.expire()
    assert not folder.exists()


def test_what_a_killed_engine_left_of_an_upload_is_swept(engine, upload):
    tag = upload.put(1, b"abc").headers["etag"]
    (folder,) = (path for path in folders(engine) if upload.id in path.name)
    (folder / "00001@dead").write_bytes(b"never described")
    (folder / "00002@beef").write_bytes(b"never described")
    (without := folder.with_name(f"{'0' * 32}{PARTS}")).mkdir()
    (without / "00001@dead").write_bytes(b"without an upload")
    assert {path.name for path in sweep(engine.home)} >= {"00001@dead", "00002@beef", without.name}
    assert not without.exists() and upload.complete((1, tag)).status_code == 200


def test_without_the_token_there_is_no_upload(engine, bucket):
    sent = raw("POST", f"/{bucket.name}/x?uploads", {"Content-Type": "text/plain"}, port=engine.port)
    assert exchange(engine, sent).status == 403


@pytest.mark.parametrize("query", ["uploads", "uploadId=1"])
def test_its_query_opens_no_other_api_to_forms(engine, query):
    headers = {"Authorization": f"Bearer {engine.token}", "Content-Type": "text/plain"}
    path = f"/v1/projects/local/value:compute?{query}"
    assert exchange(engine, raw("POST", path, headers, b"{}", port=engine.port)).status == 415
