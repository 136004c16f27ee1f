"""Folders and buckets hold bytes alike: whole or not at all, never over somebody else's."""

from __future__ import annotations

import errno
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from isamap.gee_export.base.atomic import check_writable
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import bucket_of, crc32c, open_storage, provide


@pytest.fixture(params=["folder", "bucket"])
def storage(request, tmp_path):
    if request.param == "folder":
        return open_storage(tmp_path / "place")
    session = request.getfixturevalue("plot_session")
    bucket = f"bucket-{uuid4().hex[:8]}"
    session.storage_client().create_bucket(bucket)
    return open_storage(f"gs://{bucket}/some/prefix", session)


def test_names_are_listed_sorted_under_a_prefix(storage):
    storage.write_many([("images/b.tif", b"2"), ("images/a.tif", b"1"), ("manifest.json", b"{}")])
    assert storage.list() == ["images/a.tif", "images/b.tif", "manifest.json"]
    assert storage.list("images/") == ["images/a.tif", "images/b.tif"]
    assert storage.list("images/a") == ["images/a.tif"]
    assert storage.list(deep=False) == ["manifest.json"]


def test_the_runs_own_folder_is_not_listed(storage):
    storage.write(".run/ledger.jsonl", b"")
    assert storage.list() == []


def test_writing_again_replaces(storage):
    storage.write("a", b"old")
    storage.write("a", b"new")
    assert storage.read("a") == b"new"


def test_what_is_missing_is_named(storage):
    with pytest.raises(Fault, match=r"images/none\.tif is missing"):
        storage.read("images/none.tif")


def test_deleting_twice_is_no_error(storage):
    storage.write("a", b"")
    storage.delete("a")
    storage.delete("a")
    assert not storage.exists("a")


def test_many_writers_of_one_object_leave_one_whole_object(storage):
    """docs/reference/earth-engine.md, "Cloud Storage": preconditions, so that a retry cannot overwrite what
    is newer.
    """
    contents = [bytes([index]) * 5000 for index in range(8)]

    def put(data):
        try:
            storage.write("a", data)
        except Fault as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        refusals = [text for text in pool.map(put, contents) if text]
    assert storage.read("a") in contents
    assert all("somebody else" in text for text in refusals)


def test_nothing_leaves_the_folder(tmp_path):
    with pytest.raises(ValueError, match="leaves the folder"):
        open_storage(tmp_path).write("../b", b"")


def test_the_bucket_of_an_address():
    assert bucket_of("gs://box/some/prefix") == bucket_of("gs://box") == "box"
    assert bucket_of("data/box") is bucket_of("gs://") is None


def test_an_address_without_bucket_is_refused():
    with pytest.raises(ValueError, match="names no bucket"):
        open_storage("gs://")


def test_the_local_engine_makes_the_bucket_that_an_export_names(plot_session):
    for _ in range(2):
        provide("made-when-named", plot_session)
    assert plot_session.storage_client().get_bucket("made-when-named").exists()


def test_a_missing_bucket_is_a_sentence(plot_session):
    with pytest.raises(Fault, match="does not exist"):
        open_storage("gs://no-such-bucket-here/x", plot_session).read("a")


def test_files_have_the_permissions_of_new_files(tmp_path):
    open_storage(tmp_path).write("a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert os.stat(tmp_path / "a").st_mode == os.stat(tmp_path / "b").st_mode


def test_sweeping_removes_what_killed_writers_left(tmp_path):
    storage = open_storage(tmp_path)
    storage.write("images/a.tif", b"1")
    (tmp_path / "images" / ".b.tif.77-1.part").write_bytes(b"half")
    storage.sweep()
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["a.tif"]


def test_the_checksum_is_castagnolis():
    """RFC 3720 appendix B.4: 32 bytes of zeros."""
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path):
    check_writable(tmp_path / "new" / "deep" / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EROFS, "choose another folder"), (errno.ENOSPC, "is full: free some space")]
)
def test_a_disk_that_takes_no_file_is_told_before_there_is_one(tmp_path, monkeypatch, number, words):
    def refused(**_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(Fault, match=words):
        check_writable(tmp_path / "file")


def test_a_folder_where_a_file_belongs_is_told(tmp_path):
    with pytest.raises(Fault, match="cannot be written"):
        check_writable(tmp_path)
