"""A bucket that fails in every way that buckets fail: nothing is lost, doubled or damaged."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from gee_export.base.errors import Fault

from gee_export.base.cloud_storage import BucketStorage, same_bytes
from local_ee import LocalEngine
from local_ee.faults import Faults
from tests.local_ee.support.small import catalog, storage_client


@contextmanager
def failing(home, *rules, patience_s=20.0):
    """A bucket whose engine goes wrong, and that engine's log."""
    with LocalEngine(catalog(8, 8), home, faults=Faults.of(*rules)) as engine:
        client = storage_client(engine.url)
        client.create_bucket("bucket")
        yield BucketStorage(client, "bucket", "some/prefix", patience_s=patience_s), engine.injector


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


@pytest.mark.parametrize("kind", ["503", "reset", "truncate"])
def test_lists_and_deletions_are_repeated(tmp_path, kind):
    with failing(tmp_path, {"on": ["list", "delete", "object"], "kind": kind, "probability": 0.4}) as (storage, log):
        storage.write_many((f"n{number}", b"x") for number in range(6))
        assert storage.list() == [f"n{number}" for number in range(6)]
        for number in range(6):
            storage.delete(f"n{number}")
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


def test_many_objects_arrive_and_only_some_are_held(tmp_path):
    held, most = set(), []

    def items():
        for number in range(150):
            held.add(number)
            most.append(len(held))
            yield f"{number:03d}", str(number).encode()

    with failing(tmp_path) as (storage, _):
        original = storage.write

        def counted(name, data):
            original(name, data)
            held.discard(int(name))

        storage.write = counted
        storage.write_many(items())
        assert storage.list() == [f"{number:03d}" for number in range(150)]
        assert storage.read("149") == b"149"
    assert max(most) <= 2 * 32 + 1


def test_the_first_failure_among_many_is_raised(tmp_path):
    rule = {"on": "upload", "kind": "503", "matching": "bucket"}
    with failing(tmp_path, rule, patience_s=0.2) as (storage, _), pytest.raises(Fault, match="Cloud Storage failed"):
        storage.write_many((str(number), b"") for number in range(100))
