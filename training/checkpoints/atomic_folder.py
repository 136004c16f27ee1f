"""A folder of a few files that is read whole or not at all, on disks, mounted drives and in buckets.

Its head, one of the files, says that the folder is whole. A disk renames a folder in one step: the new one is written
under a hidden name and put in place of the old one. Buckets and some mounted ones cannot: there the new files are first
written to `.NAME.new`, its head last, then over the old ones, and `.NAME.new` goes, its head first. So whenever
`.NAME.new` has a head it is whole and newer, and else the folder itself is. Files and names are synced before what says
that they are there, so this holds after a power cut too.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from isamap.gee_export.base.atomic import make_folder, put_in_place, settle, sync
from isamap.gee_export.base.platform.lock import hold_folder, is_free

Files = Mapping[str, bytes]


class WritableFolder(Protocol):
    """What files are written to: isamap.gee_export.base.storage's Storage."""

    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...
    def exists(self, name: str) -> bool: ...
    def delete(self, name: str) -> None: ...


def new_of(name: str) -> str:
    """Where the folder's next content waits."""
    return f".{name}.new"


def old_of(name: str) -> str:
    """Where the folder's former content lies while it is replaced."""
    return f".{name}.old"


def write_folder(folder: Path, files: Files, head: str) -> None:
    """Write the files as `folder`, in place of what it held; on a full disk nothing half-written is left."""
    with draft_of(folder) as fresh:
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        with contextlib.suppress(OSError):
            put_folder_in_place(fresh, folder)
            return
    write_place(_Disk(folder.parent), folder.name, files, head)


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """An empty folder beside this one, to be filled and renamed; it goes where that does not happen.

    Its writer holds a lock on it, so the next one tells the drafts of killed processes and removes them.
    """
    for stale in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        _remove_abandoned(stale)
    # The process's number in the name keeps the drafts of two runs that write one folder apart.
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    lock = _made(fresh)
    try:
        yield fresh
    finally:
        if lock is not None:
            os.close(lock)
        shutil.rmtree(fresh, ignore_errors=True)


def _made(fresh: Path) -> int | None:
    """A new folder, locked; another process may have taken it for abandoned before the lock was on it."""
    while True:
        make_folder(fresh)
        if (lock := hold_folder(fresh)) is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            # The lock may be on a folder that another process has just removed: only one that is still there counts.
            if os.path.samestat(os.fstat(lock), os.stat(fresh)):
                return lock
        os.close(lock)


def _remove_abandoned(draft: Path) -> None:
    """Removes a draft that no living process is writing; leaves it where that cannot be determined."""
    process = draft.name.split(".")[-2]
    if process.isdigit() and is_free(draft, int(process)):
        shutil.rmtree(draft, ignore_errors=True)


def put_folder_in_place(fresh: Path, folder: Path) -> None:
    """Rename; a folder that is there already stays under a hidden name until the new one is in its place."""
    settle(path for path in fresh.rglob("*") if path.is_file())
    old = folder.with_name(old_of(folder.name))
    # POSIX renames a folder only over an empty one, so the old one has to make room first; `recover` undoes that.
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    os.replace(fresh, folder)
    sync(folder.parent)
    for stale in (old, folder.with_name(new_of(folder.name))):
        shutil.rmtree(stale, ignore_errors=True)


def recover(folder: Path) -> None:
    """Put back what a writer had moved away that was stopped before the new content was in its place."""
    old = folder.with_name(old_of(folder.name))
    if old.is_dir() and not folder.exists():
        os.replace(old, folder)
        sync(folder.parent)


def write_place(bucket: WritableFolder, name: str, files: Files, head: str) -> None:
    """Writes the folder where folders cannot be renamed, in a bucket; `name` is the folder's name in it."""
    parent, _, last = name.rpartition("/")
    waiting = f"{parent}/{new_of(last)}".lstrip("/")
    # The head last: whoever finds it finds all other files too.
    ordered = sorted(files, key=lambda file: file == head)
    if bucket.exists(f"{waiting}/{head}"):  # somebody was stopped here: the folder itself may be half of it
        _copy(bucket, ordered, waiting, name)
        bucket.delete(f"{waiting}/{head}")
    for folder in (waiting, name):
        for file in ordered:
            bucket.write(f"{folder}/{file}", files[file])
    # The head first: from here on the folder itself is whole, and what still waits must not count as newer.
    for file in reversed(ordered):
        bucket.delete(f"{waiting}/{file}")


def _copy(bucket: WritableFolder, files: Sequence[str], source: str, target: str) -> None:
    for file in files:
        if bucket.exists(f"{source}/{file}"):
            bucket.write(f"{target}/{file}", bucket.read(f"{source}/{file}"))


class _Disk:
    """Files of a folder one by one, each renamed into its place."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        file = self.root / name
        make_folder(file.parent)
        fresh = file.with_name(f".{file.name}.tmp")
        fresh.write_bytes(data)
        put_in_place(fresh, file)

    def exists(self, name: str) -> bool:
        return (self.root / name).is_file()

    def delete(self, name: str) -> None:
        file = self.root / name
        if file.exists():
            file.unlink()
            sync(file.parent)  # the head goes first, after a power cut too
