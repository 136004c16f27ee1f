"""The engine's Cloud Storage, used through the unpatched google-cloud-storage client."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import pytest
import requests
from google.api_core.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed
from google.cloud import storage
from hypothesis import given
from hypothesis import strategies as st

from local_ee import LocalEngine
from local_ee.home import Home, description_path, entry_path
from local_ee.storage.listing import Listing
from local_ee.storage.objects import ObjectStore, StorageError
from local_ee.testing.small import bucket_of_test, catalog, storage_client

MEBI = 1 << 20


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(8, 8), tmp_path_factory.mktemp("buckets")) as running:
        yield running


@pytest.fixture(scope="module")
def client(engine: LocalEngine) -> storage.Client:
    return storage_client(engine.url)


@pytest.fixture
def bucket(client: storage.Client, request: pytest.FixtureRequest) -> storage.Bucket:
    return bucket_of_test(client, request)


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.Checksum(content).digest()).decode()


def begun(engine: LocalEngine, bucket: storage.Bucket, name: str) -> str:
    """Where the chunks of a resumable upload go."""
    begin = f"{engine.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name={name}"
    return requests.post(begin, json={}, timeout=300).headers["location"]


def test_a_created_bucket_is_found_and_a_second_of_its_name_refused(client, bucket):
    assert client.get_bucket(bucket.name).location == "US"
    with pytest.raises(Conflict):
        client.create_bucket(bucket.name)


def test_a_bucket_with_objects_is_not_deleted_and_an_empty_one_is(client, bucket):
    blob = bucket.blob("kept")
    blob.upload_from_string(b"x")
    with pytest.raises(Conflict):
        bucket.delete()
    blob.delete()
    bucket.delete()
    with pytest.raises(NotFound, match="The specified bucket does not exist"):
        client.get_bucket(bucket.name)


@pytest.mark.parametrize(
    "name", ["plain", "a/b/c.tif", "ä ü/€.txt", "../../etc/passwd", "a//b", "%2F", "a?b#c", "." * 3]
)
def test_any_name_comes_back_with_its_bytes(bucket, name):
    blob = bucket.blob(name)
    blob.upload_from_string(name.encode(), content_type="text/plain")
    assert bucket.blob(name).download_as_bytes() == name.encode()
    assert [found.name for found in bucket.list_blobs()] == [name]


@given(st.text(min_size=1, max_size=60))
def test_no_name_leads_out_of_its_folder(name):
    folder = Path("/home/bucket")
    stem = Path(os.path.normpath(entry_path(folder, name)))
    assert folder in stem.parents and stem == entry_path(folder, name)


@given(st.lists(st.text("ab./%@~", min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_two_names_never_share_a_file(names):
    folder = Path("/home/bucket")
    first, second = (description_path(folder, name) for name in names)
    assert first != second and first not in second.parents and second not in first.parents


def test_a_description_outside_the_store_is_never_read(tmp_path):
    (tmp_path / "secret@.json").write_text("{}")
    with pytest.raises(StorageError, match="does not exist"):
        ObjectStore(Home(tmp_path / "home")).get("../..", "secret")


def test_of_16_writers_that_expect_nothing_there_exactly_one_wins(bucket):
    barrier = threading.Barrier(16)

    def write(number: int) -> bool:
        blob = bucket.blob("contested")
        barrier.wait()
        try:
            blob.upload_from_string(str(number).encode(), if_generation_match=0)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        winners = [number for number, won in enumerate(threads.map(write, range(16))) if won]
    assert len(winners) == 1
    assert bucket.blob("contested").download_as_bytes() == str(winners[0]).encode()


def test_an_object_that_appears_during_a_resumable_upload_is_not_overwritten(engine, bucket):
    session = begun(engine, bucket, "late&ifGenerationMatch=0")
    bucket.blob("late").upload_from_string(b"first")
    assert requests.put(session, data=b"second", timeout=300).status_code == 412
    assert bucket.blob("late").download_as_bytes() == b"first"


def test_delete_copy_compose_and_read_obey_generations(bucket):
    blob = bucket.blob("kept")
    blob.upload_from_string(b"one")
    old = blob.generation
    blob.upload_from_string(b"two", if_generation_match=old)
    assert blob.generation > old
    for attempt in (
        lambda: bucket.blob("kept").delete(if_generation_match=old),
        lambda: bucket.blob("kept").download_as_bytes(if_generation_match=old),
        lambda: bucket.copy_blob(blob, bucket, "copy", if_source_generation_match=old),
        lambda: bucket.copy_blob(blob, bucket, "kept", if_generation_match=0),
        lambda: bucket.blob("sum").compose([blob], if_source_generation_match=[old]),
        lambda: bucket.blob("kept").compose([blob], if_generation_match=0),
        lambda: bucket.blob("kept").patch(if_metageneration_match=99),
    ):
        with pytest.raises(PreconditionFailed):
            attempt()
    blob.delete(if_generation_match=blob.generation)
    with pytest.raises(NotFound):
        bucket.blob("kept").download_as_bytes()


def test_reading_what_has_not_changed_is_304(engine, bucket):
    blob = bucket.blob("same")
    blob.upload_from_string(b"x")
    address = f"{engine.url}/storage/v1/b/{bucket.name}/o/same?ifGenerationNotMatch={blob.generation}"
    assert requests.get(address, timeout=300).status_code == 304


@pytest.mark.parametrize("size", [9 * MEBI, 2 * MEBI, 0], ids=["nine chunks", "exactly two", "empty"])
def test_a_resumable_upload_in_chunks_arrives_whole(bucket, size):
    content = os.urandom(size)
    bucket.blob("big", chunk_size=MEBI).upload_from_file(io.BytesIO(content), checksum="crc32c")
    found = bucket.get_blob("big")
    assert (found.size, found.crc32c) == (size, crc32c(content))
    assert found.md5_hash == base64.b64encode(hashlib.md5(content).digest()).decode()
    assert found.download_as_bytes() == content


def test_an_interrupted_upload_says_how_far_it_came_and_goes_on(engine, bucket):
    """https://cloud.google.com/storage/docs/performing-resumable-uploads#status-check: 308 and Range."""
    session = begun(engine, bucket, "part")
    content = os.urandom(600 * 1024)
    ask = {"content-range": f"bytes */{len(content)}"}
    assert "range" not in requests.put(session, headers=ask, timeout=300).headers
    first = requests.put(
        session, content[: 512 * 1024], headers={"content-range": f"bytes 0-524287/{len(content)}"}, timeout=300
    )
    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-524287")
    again = requests.put(session, headers=ask, timeout=300)
    assert (again.status_code, again.headers["range"]) == (308, "bytes=0-524287")
    rest = {"content-range": f"bytes 524288-{len(content) - 1}/{len(content)}"}
    assert requests.put(session, content[524288:], headers=rest, timeout=300).status_code == 200
    assert bucket.blob("part").download_as_bytes() == content


def test_a_chunk_sent_again_after_a_lost_answer_is_taken_once(engine, bucket):
    session = begun(engine, bucket, "twice")
    content = os.urandom(700 * 1024)
    total = len(content)
    for start, stop in ((0, 256 * 1024), (0, 512 * 1024), (0, total)):
        header = {"content-range": f"bytes {start}-{stop - 1}/{total}"}
        requests.put(session, content[start:stop], headers=header, timeout=300)
    assert bucket.blob("twice").download_as_bytes() == content


def test_a_chunk_after_a_gap_is_not_taken(engine, bucket):
    session = begun(engine, bucket, "gap")
    reply = requests.put(session, b"xyz", headers={"content-range": "bytes 262144-262146/262147"}, timeout=300)
    assert reply.status_code == 308 and "range" not in reply.headers
    assert bucket.get_blob("gap") is None


def test_uploads_that_were_given_up_are_forgotten_after_a_week(engine, bucket):
    """https://cloud.google.com/storage/docs/resumable-uploads#session-uris: a session ends after a week."""
    old, fresh = (begun(engine, bucket, "lost") for _ in range(2))
    identity = old.rpartition("=")[2]
    for path in engine.home.uploads.glob(f"{identity}.*"):
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    with LocalEngine(catalog(8, 8), engine.home.root):
        pass
    assert requests.put(old, data=b"x", timeout=300).status_code == 404
    assert requests.put(fresh, data=b"x", timeout=300).status_code == 200


@pytest.mark.parametrize("field", ["crc32c", "md5Hash"])
@pytest.mark.parametrize("size", [10, 9 * MEBI], ids=["multipart", "resumable"])
def test_bytes_that_do_not_fit_their_checksum_are_refused(bucket, field, size):
    blob = bucket.blob("bad")
    blob._properties[field] = "AAAAAA==" if field == "crc32c" else base64.b64encode(bytes(16)).decode()
    blob._changes.add(field)
    with pytest.raises(BadRequest, match="doesn't match calculated"):
        blob.upload_from_file(io.BytesIO(bytes(size)), size=size, checksum=None)
    assert bucket.get_blob("bad") is None


def test_a_wrong_checksum_in_the_header_of_the_last_chunk_is_refused(engine, bucket):
    session = begun(engine, bucket, "bad")
    reply = requests.put(session, data=b"abc", headers={"x-goog-hash": "crc32c=AAAAAA=="}, timeout=300)
    assert reply.status_code == 400 and bucket.get_blob("bad") is None


@pytest.mark.parametrize(("start", "end"), [(0, 9), (5, None), (9_000_000, 9_000_099), (-10, None)])
def test_a_range_is_those_bytes(bucket, start, end):
    content = os.urandom(9_500_000)
    bucket.blob("range").upload_from_string(content)
    stop = None if end is None else end + 1
    assert bucket.blob("range").download_as_bytes(start=start, end=end) == content[start:stop]


def test_a_range_beyond_the_end_is_416(engine, bucket):
    bucket.blob("short").upload_from_string(b"abc")
    address = f"{engine.url}/download/storage/v1/b/{bucket.name}/o/short?alt=media"
    assert requests.get(address, headers={"range": "bytes=3-"}, timeout=300).status_code == 416
    partial = requests.get(address, headers={"range": "bytes=1-1"}, timeout=300)
    assert (partial.status_code, partial.content, partial.headers["content-range"]) == (206, b"b", "bytes 1-1/3")


NAMES = ["a.txt", "dir/1.tif", "dir/2.tif", "dir/sub/3.tif", "dir2/4.txt", "z"]


@pytest.fixture
def filled(bucket: storage.Bucket) -> storage.Bucket:
    for name in reversed(NAMES):
        bucket.blob(name).upload_from_string(b"")
    return bucket


def test_names_come_in_order_page_by_page(filled):
    iterator = filled.list_blobs(page_size=2)
    pages = [[blob.name for blob in page] for page in iterator.pages]
    assert pages == [NAMES[:2], NAMES[2:4], NAMES[4:]]


def test_a_delimiter_folds_names_into_prefixes(filled):
    listed = filled.list_blobs(prefix="dir", delimiter="/")
    assert [blob.name for blob in listed] == [] and sorted(listed.prefixes) == ["dir/", "dir2/"]
    inside = filled.list_blobs(prefix="dir/", delimiter="/")
    assert [blob.name for blob in inside] == NAMES[1:3] and list(inside.prefixes) == ["dir/sub/"]


def test_prefixes_count_once_over_pages(filled):
    listed = filled.list_blobs(delimiter="/", page_size=1)
    names = [blob.name for blob in listed]
    assert names == ["a.txt", "z"] and sorted(listed.prefixes) == ["dir/", "dir2/"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.txt", ["a.txt"]),
        ("**.txt", ["a.txt", "dir2/4.txt"]),
        ("dir/*.tif", ["dir/1.tif", "dir/2.tif"]),
        ("dir/**", ["dir/1.tif", "dir/2.tif", "dir/sub/3.tif"]),
        ("dir/[2-9].tif", ["dir/2.tif"]),
        ("{a,dir2/4}.txt", ["a.txt", "dir2/4.txt"]),
        ("?", ["z"]),
    ],
)
def test_globs_follow_the_list_methods_rules(filled, glob, expected):
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list#list-objects-and-prefixes-using-glob."""
    assert [blob.name for blob in filled.list_blobs(match_glob=glob)] == expected


@given(st.text("ab*?[]{},!\\/", max_size=12))
def test_a_glob_is_a_pattern_or_a_refusal(glob):
    try:
        Listing.from_query({"matchGlob": glob})
    except StorageError as error:
        assert error.status == 400


def test_start_and_end_offsets_cut_the_names(filled):
    assert [b.name for b in filled.list_blobs(start_offset="dir/2.tif", end_offset="dir2/")] == NAMES[2:4]


def test_metadata_is_kept_and_merged(bucket):
    blob = bucket.blob("described")
    blob.metadata = {"model": "unet"}
    blob.cache_control = "no-store"
    blob.upload_from_string(b"x", content_type="image/tiff")
    blob.metadata = {"year": "2019"}
    blob.patch()
    found = bucket.get_blob("described")
    assert (found.content_type, found.cache_control, found.metageneration) == ("image/tiff", "no-store", 2)
    assert found.metadata == {"model": "unet", "year": "2019"}


def test_copies_and_rewrites_keep_bytes_and_attributes(bucket):
    blob = bucket.blob("source")
    blob.upload_from_string(b"bytes", content_type="image/tiff")
    copy = bucket.copy_blob(blob, bucket, "x/rewriteTo/b/y")
    rewritten = bucket.blob("rewritten")
    token, done, total = rewritten.rewrite(copy)
    assert (token, done, total) == (None, 5, 5)
    assert rewritten.download_as_bytes() == b"bytes" and bucket.get_blob("rewritten").content_type == "image/tiff"


def test_compose_joins_in_order(bucket):
    parts = []
    for number in range(3):
        parts.append(bucket.blob(f"part{number}"))
        parts[-1].upload_from_string(str(number).encode())
    whole = bucket.blob("whole")
    whole.compose(parts)
    whole.reload()
    assert whole.download_as_bytes() == b"012" and whole.component_count == 3 and whole.md5_hash is None


def test_a_batch_reports_the_request_that_failed(client, bucket):
    bucket.blob("there").upload_from_string(b"x")
    with pytest.raises(NotFound), client.batch():
        bucket.blob("there").delete()
        bucket.blob("not there").delete()
    assert list(bucket.list_blobs()) == []


def test_a_half_written_object_is_never_listed(engine, bucket):
    folder = engine.home.buckets / bucket.name
    (folder / ".1234-dead.tmp").write_bytes(b"half")
    (folder / "orphan@123").write_bytes(b"no description")
    assert list(bucket.list_blobs()) == []
    assert bucket.get_blob("orphan") is None


def test_nothing_is_left_over_of_refused_uploads(engine, bucket):
    bucket.blob("once").upload_from_string(b"x")
    for _ in range(3):
        with pytest.raises(PreconditionFailed):
            bucket.blob("once").upload_from_string(b"y", if_generation_match=0)
    files = [path.name.partition("@")[2] for path in (engine.home.buckets / bucket.name).iterdir()]
    generation = str(bucket.get_blob("once").generation)
    assert sorted(files) == sorted([".json", "bucket.json", generation])


RACE = """
import sys
from pathlib import Path
from local_ee.home import Home
from local_ee.storage.objects import ObjectStore, Preconditions, StorageError
store, me, won = ObjectStore(Home(Path(sys.argv[1]))), sys.argv[2], 0
sys.stdin.readline()
for number in range(60):
    draft = store.temporary("raced", f"n/{number}")
    draft.write_text(me)
    try:
        store.put(draft, "raced", f"n/{number}", attributes={}, conditions=Preconditions(generation_match=0))
        won += 1
    except StorageError:
        draft.unlink()
print(won)
"""


def test_of_several_processes_on_one_home_exactly_one_wins_each_name(tmp_path):
    store = ObjectStore(Home(tmp_path))
    store.create_bucket("raced", {})
    arguments = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[2]}
    racers = [subprocess.Popen([sys.executable, "-c", RACE, str(tmp_path), name], **arguments) for name in "abc"]
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(racer.communicate(timeout=300)[0]) for racer in racers]
    held = [store.open("raced", f"n/{number}")[1].read().decode() for number in range(60)]
    assert sum(won) == 60 and [held.count(name) for name in "abc"] == won
