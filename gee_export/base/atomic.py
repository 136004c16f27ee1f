"""Files that are whole or not there, checksums of their bytes, and the sentence for a disk that refuses them."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c

from gee_export.base.errors import Fault

CHUNK = 1 << 20


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of the bytes, the checksum of Cloud Storage and of patches.parquet."""
    return google_crc32c.value(data)


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


def local_path(place: str | Path) -> Path:
    """A file or folder of this machine; ValueError for an address in a bucket, which would become a folder `gs:`."""
    if str(place).startswith("gs:/"):
        raise ValueError(f"{place}: this is written on this machine only; give a path and copy it to the bucket")
    return Path(place)


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name in the same folder and renames it; Fault on a full or unwritable disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise disk_fault(path, error) from error


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes JSON as a whole file, one value a line."""
    write_whole(path, (json.dumps(values, indent=1) + "\n").encode())


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
    return Fault(f"{path} cannot be written: {error.strerror or error}; mend that and run the same command again")
