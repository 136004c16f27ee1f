"""A bucket that fails in every way that buckets fail: nothing is lost, doubled or damaged."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from local_ee.faults import Faults
from local_ee.testing.small import catalog, storage_client

from isamap.gee_export.base.cloud_storage import BucketStorage, same_bytes
from isamap.gee_export.base.errors import Fault
from local_ee import LocalEngine
from tests.support.raw_server import HANG_UP, RawServer, refusal, reply

PATIENCE_S = 55.0  # for a busy machine; from a minute on the first pause is a second


@contextmanager
def failing(home, *rules, patience_s=PATIENCE_S):
    """A bucket whose engine goes wrong, and that engine's log."""
    with LocalEngine(catalog(8, 8), home, faults=Faults.of(*rules)) as engine:
        client = storage_client(engine.url)
        client.create_bucket("bucket")
        yield BucketStorage(client, "bucket", "some/prefix", patience_s=patience_s), engine.injector


@pytest.mark.long
@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost", "truncate", "corrupt"])
@pytest.mark.parametrize("route", ["upload", "download"])
def test_a_transfer_that_fails_twice_is_made_whole(tmp_path, route, kind):
    """docs/reference/earth-engine.md, "Cloud Storage", also where the reply of an upload was lost: 412 with our own
    bytes is success.
    """
    with failing(tmp_path, {"on": route, "kind": kind, "count": 2}) as (storage, log):
        storage.write("a", b"first" * 1000)
        assert storage.read("a") == b"first" * 1000
        assert log.report()["rules"][0]["struck"] == 2


@pytest.mark.long
@pytest.mark.parametrize("kind", ["503", "reset", "truncate"])
def test_lists_and_deletions_are_repeated(tmp_path, kind):
    with failing(tmp_path, {"on": ["list", "delete", "object"], "kind": kind, "probability": 0.4}) as (storage, log):
        storage.write_many((f"n{index}", b"x") for index in range(6))
        assert storage.list() == [f"n{index}" for index in range(6)]
        for index in range(6):
            storage.delete(f"n{index}")
        assert storage.list() == [] and not storage.exists("n1")
        assert log.report()["rules"][0]["struck"] > 0


def test_a_bucket_that_stays_away_is_a_sentence(tmp_path):
    with (
        failing(tmp_path, {"on": "download", "kind": "503"}, patience_s=0.3) as (storage, _),
        pytest.raises(Fault, match=r"gs://bucket/some/prefix/a: Cloud Storage failed: .*run the command again"),
    ):
        storage.read("a")


def test_what_always_arrives_damaged_is_a_sentence(tmp_path):
    with failing(tmp_path, {"on": "download", "kind": "corrupt"}) as (storage, _):
        storage.write("a", b"content")
        with pytest.raises(Fault, match="arrived damaged 4 times"):
            storage.read("a")


def test_a_download_is_the_object_of_the_list(tmp_path):
    with failing(tmp_path / "home", {"on": "download", "kind": "truncate", "nth": 1}) as (storage, _):
        storage.write("deep/a", bytes(range(256)) * 100)
        storage.download("deep/a", tmp_path / "files" / "a")
        [stored] = storage.listed("deep/")
        assert (stored.name, stored.size) == ("deep/a", 25600) and same_bytes(stored, tmp_path / "files" / "a")
        (tmp_path / "files" / "a").write_bytes(bytes(25600))
        assert not same_bytes(stored, tmp_path / "files" / "a")


def test_a_download_to_a_full_disk_is_a_sentence(tmp_path):
    """/dev/full refuses every byte with ENOSPC."""
    (tmp_path / "a").symlink_to("/dev/full")
    with failing(tmp_path / "home") as (storage, _):
        storage.write("a", b"content" * 10_000)
        with pytest.raises(Fault, match="is full"):
            storage.download("a", tmp_path / "a")


@pytest.mark.long
def test_many_objects_arrive_and_only_some_are_held(tmp_path):
    stored, most = set(), []

    def items():
        for index in range(150):
            stored.add(index)
            most.append(len(stored))
            yield f"{index:03d}", str(index).encode()

    with failing(tmp_path) as (storage, _):
        original = storage.write

        def counted(name, data):
            original(name, data)
            stored.discard(int(name))

        storage.write = counted
        storage.write_many(items())
        assert storage.list() == [f"{n:03d}" for n in range(150)]
        assert storage.read("149") == b"149"
    assert max(most) <= 2 * 32 + 1


@pytest.mark.long
def test_the_first_failure_among_many_is_raised(tmp_path):
    rule = {"on": "upload", "kind": "503", "matching": "bucket"}
    with failing(tmp_path, rule, patience_s=0.2) as (storage, _), pytest.raises(Fault, match="Cloud Storage failed"):
        storage.write_many((str(index), b"") for index in range(100))


def raw(server, patience_s=PATIENCE_S):
    """The bucket of a server that speaks as it is told."""
    return BucketStorage(storage_client(server.url), "bucket", "", patience_s=patience_s)


SLOW_DOWN = refusal(403, "The rate limit was exceeded.", "rateLimitExceeded")


def test_a_rate_limit_that_comes_as_403_is_waited_for():
    listed = reply(200, {"items": [{"name": "a", "size": "1", "crc32c": "x"}]})
    with RawServer(SLOW_DOWN, SLOW_DOWN, listed) as server:
        assert raw(server).list() == ["a"]


def test_an_upload_waits_for_a_rate_limit_too():
    with RawServer(SLOW_DOWN, reply(200, {"name": "a"})) as server:
        raw(server).write("a", b"1")
        assert [request.split()[0] for request in server.requests if b"/upload" in request] == [b"POST"] * 2, (
            server.requests
        )


def test_a_lasting_rate_limit_is_no_lack_of_rights():
    with RawServer(SLOW_DOWN) as server, pytest.raises(Fault, match="takes no more requests for the moment") as caught:
        raw(server, patience_s=0.3).list()
    assert "permission" not in str(caught.value)


def test_a_lack_of_rights_is_told_at_once():
    with RawServer(refusal(403, "me does not have storage.objects.list access", "forbidden")) as server:
        with pytest.raises(Fault, match=r"no permission .*storage\.objects\.list.*isamap check"):
            raw(server).list()
        assert sum(b"/b/bucket/o?" in request for request in server.requests) == 1


def test_a_server_that_is_not_there_is_told_in_plain_words():
    with RawServer(HANG_UP) as server:
        storage = raw(server, patience_s=0.3)
    with pytest.raises(Fault, match="Cloud Storage failed: it refuses connections") as caught:
        storage.read("a")
    assert "HTTPConnectionPool" not in str(caught.value)


def test_the_first_request_for_a_bucket_is_repeated(tmp_path):
    with LocalEngine(catalog(8, 8), tmp_path, faults=Faults.of({"on": "bucket", "kind": "503", "nth": 1})) as engine:
        client = storage_client(engine.url)
        BucketStorage(client, "first", "", patience_s=PATIENCE_S).provide()
        assert client.bucket("first").exists()
