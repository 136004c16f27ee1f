"""Folders that are whole or not there: after a power cut at any step, and beside what killed writers left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from local_ee.testing.power import Cut, Disk

from isamap.gee_export.base.storage import FolderStorage
from isamap.training.checkpoints.atomic_folder import draft_of, old_of, recover, write_folder, write_place
from tests.training.test_atomic_folder import NEW, OLD, content, no_folder_renames, read_whole

__all__ = ["no_folder_renames"]


@pytest.fixture
def disk(tmp_path) -> Disk:
    write_folder(tmp_path / "disk" / "best", OLD, "head")
    return Disk(tmp_path / "disk")


def after(cut: Cut, root: Path) -> dict[str, bytes]:
    """What the next process finds."""
    cut.restore(root)
    recover(root / "best")
    return read_whole(root / "best")


def is_kept(cut: Cut, root: Path) -> bool:
    return after(cut, root) in ([NEW] if cut.promised else [OLD, NEW])


def test_a_power_cut_leaves_the_old_folder_or_the_new_one(disk):
    with disk.recording():
        write_folder(disk.root / "best", NEW, "head")
        disk.promise("written")
    assert [cut.moment for cut in disk.cuts if not is_kept(cut, disk.root)] == []


@pytest.mark.usefixtures("no_folder_renames")
def test_a_power_cut_where_folders_cannot_be_renamed_leaves_one_that_is_whole(disk):
    with disk.recording():
        write_folder(disk.root / "best", NEW, "head")
        disk.promise("written")
    assert [cut.moment for cut in disk.cuts if not is_kept(cut, disk.root)] == []


def test_a_power_cut_where_files_are_stored_one_by_one_leaves_a_folder_that_is_whole(disk):
    with disk.recording():
        write_place(FolderStorage(disk.root), "best", NEW, "head")
        disk.promise("written")
    assert [cut.moment for cut in disk.cuts if not is_kept(cut, disk.root)] == []


def test_a_disk_that_heeds_no_sync_tears_folders(tmp_path):
    """So the tests above can fail."""
    write_folder(tmp_path / "disk" / "best", OLD, "head")
    disk = Disk(tmp_path / "disk", fsync=False)
    with disk.recording():
        write_folder(disk.root / "best", NEW, "head")
        disk.promise("written")
    assert not all(is_kept(cut, disk.root) for cut in disk.cuts)


def test_a_folder_that_was_moved_away_is_put_back(tmp_path):
    write_folder(tmp_path / "best", OLD, "head")
    os.replace(tmp_path / "best", tmp_path / old_of("best"))
    recover(tmp_path / "best")
    assert content(tmp_path / "best") == OLD


def test_drafts_of_killed_processes_are_removed(tmp_path):
    (stale := tmp_path / ".best.1.tmp").mkdir()
    (stale / "weights").write_bytes(b"half")
    write_folder(tmp_path / "best", OLD, "head")
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_the_draft_of_a_living_process_stays(tmp_path):
    with draft_of(tmp_path / "best") as theirs:
        living = theirs.rename(tmp_path / ".best.1.tmp")  # another process's, whose lock goes with it
        write_folder(tmp_path / "best", OLD, "head")
        assert living.is_dir()
