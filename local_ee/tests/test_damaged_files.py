"""Files of a home that a power cut emptied or halved count as absent: others are served, and they can be made again."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Submission, TaskStore
from local_ee.home import Home
from local_ee.limits import Limits
from local_ee.storage.objects import Checksums, ObjectStore, Preconditions, StorageError
from local_ee.storage.uploads import ResumableUploads
from tests.test_leftovers import home, put, store

__all__ = ["home", "store"]

PARENT = "projects/p/assets"


@pytest.fixture(params=[0.0, 0.5], ids=["empty", "half"])
def damage(request):
    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * request.param)])

    return cut


def names(store: ObjectStore) -> list[str]:
    return sorted(stored.name for stored in store.walk("things"))


def test_a_bucket_with_a_damaged_description_of_an_object_is_listed_without_it(home, store, damage):
    put(store, "a", b"1"), put(store, "b", b"2")
    damage(home.buckets / "things" / "a@.json")
    assert names(store) == ["b"]


def test_an_object_with_a_damaged_description_can_be_written_again(home, store, damage):
    put(store, "a", b"1")
    damage(home.buckets / "things" / "a@.json")
    put(store, "a", b"2")
    assert store.open("things", "a")[1].read() == b"2"


def test_the_damage_is_logged_once(home, store, damage, caplog):
    put(store, "a", b"1")
    damage(home.buckets / "things" / "a@.json")
    names(store), names(store)
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "a@.json" in caplog.text


def test_an_object_whose_bytes_are_gone_is_missing(home, store):
    store.content_path(put(store, "a", b"1")).unlink()
    with pytest.raises(StorageError, match="No such object"):
        store.open("things", "a")


def test_a_bucket_whose_own_description_is_damaged_can_be_created_again(home, store, damage):
    put(store, "a", b"1")
    damage(home.buckets / "things" / "@bucket.json")
    assert store.buckets() == []
    store.create_bucket("things", {})
    assert names(store) == ["a"]


def test_assets_are_listed_without_the_damaged_one_which_can_be_made_again(home, damage):
    assets = AssetStore(home)
    for name in ("a", "b"):
        assets.create(f"{PARENT}/{name}", "FOLDER", {})
    damage(home.assets / PARENT / "a@.json")
    assert [asset.name for asset in assets.children(PARENT)] == ["b"]
    assert assets.create(f"{PARENT}/a", "FOLDER", {}).name == "a"


def test_operations_are_listed_without_the_damaged_one_which_can_be_submitted_again(home, damage):
    tasks = TaskStore(home, Limits())
    try:
        for name in ("a", "b"):
            made = tasks.submit(Submission("p", "EXPORT_IMAGE", name, name), lambda progress: [])
            assert tasks.wait(made["name"].rpartition("/")[2])["metadata"]["state"] == "SUCCEEDED"
        damage(home.operations / f"{made['name'].rpartition('/')[2]}.json")
        assert [operation["metadata"]["description"] for operation in tasks.list("p")] == ["a"]
        tasks.submit(Submission("p", "EXPORT_IMAGE", "b", "b"), lambda progress: [])
        assert len(tasks.list("p")) == 2
    finally:
        tasks.close()


def begun(home: Home, store: ObjectStore) -> tuple[ResumableUploads, str]:
    uploads = ResumableUploads(home, store)
    return uploads, uploads.begin("things", "x", attributes={}, conditions=Preconditions(), claimed=Checksums())


def piece(data: bytes) -> BytesIO:
    return BytesIO(data)


def test_an_upload_whose_session_is_damaged_is_begun_again(home, store, damage):
    uploads, session = begun(home, store)
    damage(home.uploads / f"{session}.json")
    with pytest.raises(StorageError, match="not found"):
        uploads.receive(session, "bytes 0-0/1", piece(b"1"), Checksums())


def test_an_upload_whose_bytes_are_gone_starts_from_the_first_one(home, store):
    uploads, session = begun(home, store)
    (home.uploads / f"{session}.part").unlink()
    assert uploads.receive(session, "bytes */1", piece(b""), Checksums()) == 0
    assert uploads.receive(session, "bytes 0-0/1", piece(b"1"), Checksums()).size == 1
