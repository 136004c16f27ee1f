"""Files that are complete or absent, even after a power cut; checksums; the sentence for a disk that refuses them.

A write is on the disk only once its file is synced, and a name (of a new file, a new folder or a renamed one) only once
its folder is: https://man7.org/linux/man-pages/man2/fsync.2.html. What says that something is there is written last.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import google_crc32c

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.platform.disk import reserve

# Read in pieces, so that memory stays small whatever the size of the file.
CHUNK = 1 << 20
SYNCS = 8  # files synced at a time, so that one write of the file system's journal serves several
UNABLE = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of mounted drives that cannot sync


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of the bytes, the checksum of Cloud Storage and of patches.parquet."""
    checksum: int = google_crc32c.value(data)
    return checksum


def crc32c_base64(data: bytes) -> str:
    """The checksum as Cloud Storage writes it: big-endian, base64."""
    return base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()


def crc32c_base64_of(path: Path) -> str:
    """A file's checksum as Cloud Storage writes it, whatever the file's size."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return base64.b64encode(checksum.digest()).decode()


def local_path(address: str | os.PathLike[str]) -> Path:
    """A file or folder of this machine; ValueError for an address in a bucket, which would become a folder `gs:`."""
    if str(address).startswith("gs:/"):
        raise ValueError(f"{address}: this is written on this machine only; give a path and copy it to the bucket")
    return Path(address)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file in one step, and it outlives a power cut; Fault on a full or unwritable disk."""
    _write(path, data, put_in_place)


def write_loose(path: Path, data: bytes) -> None:
    """Writes a file in one step, which a power cut before `settle` may empty or undo; Fault as of write_whole."""
    _write(path, data, os.replace)


def settle(paths: Iterable[Path]) -> None:
    """Makes files and their names outlive a power cut, each folder synced once; Fault where the disk fails."""
    paths = list(paths)
    try:
        with ThreadPoolExecutor(SYNCS, thread_name_prefix="sync") as pool:
            list(pool.map(sync, paths))
        for folder in sorted({path.parent for path in paths}):
            sync(folder)
    except OSError as error:
        raise disk_fault(Path(error.filename or paths[0]), error) from error


def put_in_place(temporary: Path, path: Path) -> None:
    """Renames a written file; a power cut leaves the old file or the new one, and afterwards the new one."""
    # The bytes before the name: a power cut in between would leave the new name with an empty file.
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def append(path: Path, text: str) -> None:
    """Adds text to a file, and it outlives a power cut; OSError where the disk refuses."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        _sync(file.fileno())
    if is_new:
        sync(path.parent)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, and they outlive a power cut; OSError where the disk refuses."""
    if folder.is_dir():
        return
    # Above first: a folder's name is safe only once the one that holds it has been synced.
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Brings a file's bytes, or the names in a folder, to the disk, whoever wrote them."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that may be written and not be read
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes JSON as a whole file, one value a line."""
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode())


def _write(path: Path, data: bytes, rename: Callable[[Path, Path], None]) -> None:
    # Process and thread in the name: two writers of one file must not write into each other's.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        make_folder(path.parent)
        temporary.write_bytes(data)
        rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_fault(path, error) from error


def check_writable(path: Path, size: int = 1 << 16) -> None:
    """Raises Fault where a file of so many bytes could not be written as `path`; called before long computations."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, folder, size)
    except OSError as error:
        raise disk_fault(path, error) from error


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Such a drive promises nothing, whatever is asked: to refuse it would be to refuse mounted drives.
        if error.errno not in UNABLE:
            raise


def disk_fault(path: Path, error: OSError) -> Fault:
    """The sentence for a file that cannot be written."""
    if error.errno == errno.ENOSPC:
        return Fault(f"the disk of {path} is full: free some space and run the same command again, it goes on")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Fault(f"{path} is not writable ({error.strerror}): choose another folder or change its permissions")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return Fault(
            f"{path} cannot be written ({error.strerror}): a file stands where a folder belongs; "
            "choose another place or remove it"
        )
    return Fault(f"{path} cannot be written: {error.strerror or error}; correct that and run the same command again")
