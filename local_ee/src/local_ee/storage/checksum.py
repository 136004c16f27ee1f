"""Whether stored files are the bytes that were written: CRC-32C of files, looked at once for each state of a file."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path

import google_crc32c

CHUNK = 1 << 20
STATES = 1 << 16  # of files whose outcome is kept in memory


def crc32c_of(path: Path) -> str:
    """A file's CRC-32C as Cloud Storage writes it: big-endian, base64."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()


def is_whole(path: Path, crc32c: str) -> bool:
    """Whether a file has the checksum; reads it once in a process while its size and time of change stay the same.

    FileNotFoundError where there is none.
    """
    state = path.stat()
    return _has_checksum(path, crc32c, state.st_size, state.st_mtime_ns)


@lru_cache(STATES)
def _has_checksum(path: Path, crc32c: str, size: int, modified_ns: int) -> bool:
    return crc32c_of(path) == crc32c
