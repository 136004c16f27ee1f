"""The disk that loses what was not synced does lose it, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_ee.testing.power import Disk


@pytest.fixture
def disk(tmp_path) -> Disk:
    (tmp_path / "old").write_bytes(b"old bytes")
    return Disk(tmp_path)


def sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    os.fsync(number)
    os.close(number)


END = "end"


def last(disk: Disk) -> list[dict]:
    """What cuts after END was promised could leave."""
    return [cut.tree for cut in disk.cuts if END in cut.promised]


def test_a_file_that_was_not_synced_may_be_missing_empty_half_or_zeros(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"12345678")
        disk.promise(END)
    assert [tree.get("new") for tree in last(disk)][:4] == [None, b"", b"1234", bytes(8)]


def test_what_was_there_before_stays(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"12345678")
    assert all(cut.tree["old"] == b"old bytes" for cut in disk.cuts)


def test_a_file_and_folder_that_were_synced_stay(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"1234")
        sync(disk.root / "new"), sync(disk.root)
        disk.promise(END)
    assert [tree["new"] for tree in last(disk)] == [b"1234"]


def test_a_disk_that_heeds_no_sync_keeps_nothing(tmp_path):
    disk = Disk(tmp_path, fsync=False)
    with disk.recording():
        (disk.root / "new").write_bytes(b"1234")
        sync(disk.root / "new"), sync(disk.root)
        disk.promise(END)
    assert {} in last(disk)


def test_a_synced_file_in_a_folder_that_was_not_may_be_missing(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"1234")
        sync(disk.root / "new")
        disk.promise(END)
    assert {"old": b"old bytes"} in last(disk)


def test_a_rename_of_a_file_that_was_not_synced_may_empty_what_it_replaces(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"1234")
        os.replace(disk.root / "new", disk.root / "old")
        sync(disk.root)
    assert {"old": b""} in [cut.tree for cut in disk.cuts]


def test_a_rename_of_a_synced_file_leaves_the_old_or_the_new(disk):
    with disk.recording():
        (disk.root / "new").write_bytes(b"1234")
        sync(disk.root / "new")
        os.replace(disk.root / "new", disk.root / "old")
        sync(disk.root)
    assert {cut.tree["old"] for cut in disk.cuts} == {b"old bytes", b"1234"}


def test_a_synced_folder_in_one_that_was_not_is_lost_with_all_in_it(disk):
    with disk.recording():
        (disk.root / "a").mkdir()
        (disk.root / "a" / "b").write_bytes(b"1")
        sync(disk.root / "a" / "b"), sync(disk.root / "a")
        disk.promise(END)
    assert {"old": b"old bytes"} in last(disk)


def test_a_removal_that_was_not_synced_may_be_undone(disk):
    with disk.recording():
        (disk.root / "old").unlink()
        disk.promise(END)
    assert {"old": b"old bytes"} in last(disk) and {} in last(disk)


def test_what_was_appended_is_lost_and_not_what_it_was_appended_to(disk):
    with disk.recording(), (disk.root / "old").open("ab") as file:
        file.write(b"more")
    assert {cut.tree["old"] for cut in disk.cuts} >= {b"old bytes", b"old bytesmo"}


def test_the_files_of_a_renamed_folder_go_with_it(disk):
    with disk.recording():
        (disk.root / "a").mkdir()
        (disk.root / "a" / "x").write_bytes(b"1")
        sync(disk.root / "a" / "x"), sync(disk.root / "a")
        os.replace(disk.root / "a", disk.root / "b")
        sync(disk.root)
        disk.promise(END)
    assert last(disk) == [{"old": b"old bytes", "b": None, "b/x": b"1"}]


def test_a_state_is_restored(disk):
    with disk.recording():
        (disk.root / "a").mkdir()
        (disk.root / "a" / "x").write_bytes(b"1")
        sync(disk.root / "a" / "x"), sync(disk.root / "a"), sync(disk.root)
    disk.cuts[0].restore(disk.root)
    assert [path.name for path in disk.root.rglob("*")] == ["old"]
    disk.cuts[-1].restore(disk.root)
    assert (disk.root / "a" / "x").read_bytes() == b"1"
