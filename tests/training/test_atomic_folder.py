"""Folders that are whole at any moment, on disks and mounts of many kinds."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from isamap.training.checkpoints.atomic_folder import new_of, write_folder, write_place

OLD = {"weights": b"old weights", "card": b"old", "head": b"old head"}
NEW = {"weights": b"new weights", "card": b"new", "head": b"new head"}


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def read_whole(folder: Path) -> dict[str, bytes]:
    """What a reader finds: the waiting folder if its head is there, else the folder itself."""
    waiting = folder.with_name(new_of(folder.name))
    return content(waiting if (waiting / "head").exists() else folder)


def test_a_folder_replaces_what_was_there_and_leaves_nothing_else(tmp_path):
    write_folder(tmp_path / "best", OLD | {"extra": b"1"}, "head")
    write_folder(tmp_path / "best", NEW, "head")
    assert content(tmp_path / "best") == NEW and [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_full_disk_leaves_the_old_folder_and_nothing_half_written(tmp_path, monkeypatch):
    write_folder(tmp_path / "best", OLD, "head")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            write_folder(tmp_path / "best", NEW, "head")
    assert content(tmp_path / "best") == OLD and [path.name for path in tmp_path.iterdir()] == ["best"]


@pytest.fixture
def no_folder_renames(monkeypatch):
    """As gcsfuse without --rename-dir-limit, and other mounts: folders cannot be renamed."""
    original = os.replace

    def replace(source, target):
        if Path(source).is_dir():
            raise OSError(errno.EMFILE, "Too many open files")
        return original(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.usefixtures("no_folder_renames")
def test_mounts_that_cannot_rename_folders_are_written_file_by_file(tmp_path):
    for files in (OLD, NEW):
        write_folder(tmp_path / "best", files, "head")
        assert content(tmp_path / "best") == files
    assert sorted(path.name for path in tmp_path.iterdir() if any(path.iterdir())) == ["best"]


class Dying:
    """A place whose process is killed before its nth change."""

    def __init__(self, root: Path, changes: int) -> None:
        self.root, self.left = root, changes

    def _count(self) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        self._count()
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def delete(self, name: str) -> None:
        self._count()
        (self.root / name).unlink(missing_ok=True)


LATEST = {"weights": b"latest weights", "card": b"latest", "head": b"latest head"}


@pytest.mark.long
def test_killed_at_any_moment_a_reader_finds_a_folder_whole(tmp_path):
    """Buckets: one object after another. Two writers in a row, each killed between any two of its changes."""
    for first in range(10):
        for second in range(15):
            root = tmp_path / f"{first}-{second}"
            write_place(Dying(root, 100), "best", OLD, "head")
            for files, limit in ((NEW, first), (LATEST, second)):
                with contextlib.suppress(KeyboardInterrupt):
                    write_place(Dying(root, limit), "best", files, "head")
                assert read_whole(root / "best") in (OLD, NEW, LATEST), (first, second)
    assert read_whole(root / "best") == LATEST
