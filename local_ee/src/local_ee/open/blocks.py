"""What archives sent, on disk: whole files under the hash of what they are, the least recently used removed first.

Several threads and processes may share the folder. A file that was damaged counts as absent. Nothing is synced: after a
power cut, what its checksum does not fit is fetched again.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from local_ee.errors import EngineFault
from local_ee.home import TEMPORARY, private_folder
from local_ee.platform.lock import try_take

BOUND_BYTES = 20 << 30
_ROOM = 0.9  # of the bound that is left full after a removal
_LOOK_SHARE = 0.02  # of the bound that is written between two looks at the whole folder
_DIGEST_BYTES = 16
_TOUCH_S = 3600.0  # a file that was used within is as new as one that was used now
_STALE_S = 86_400.0  # of what a killed process has left
_FULL = (errno.ENOSPC, errno.EDQUOT)


def key_of(*parts: object) -> str:
    """The name under which something is kept, by all that it depends on."""
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()


@dataclass
class Blocks:
    """Contents by key in a folder, up to a bound of bytes."""

    folder: Path
    bound_bytes: int = BOUND_BYTES
    _unseen: float = field(default=float("inf"), repr=False)  # bytes written since the last look; at first, unknown
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(self, key: str) -> bytes | None:
        """The content of a key, or None; used now."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                stored, age = file.read(), time.time() - os.fstat(file.fileno()).st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None
        content = stored[_DIGEST_BYTES:]
        if _digest(content) != stored[:_DIGEST_BYTES]:
            path.unlink(missing_ok=True)
            return None
        if age > _TOUCH_S:
            _touch(path)
        return content

    def holds(self, key: str) -> bool:
        """Whether a key is there; its content may yet prove damaged."""
        return self._path(key).is_file()

    def put(self, key: str, content: bytes) -> None:
        """Keeps a content, whole or not at all; EngineFault with the remedy where the disk is full or read-only."""
        path = self._path(key)
        temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(6)}{TEMPORARY}")
        try:
            if not path.parent.is_dir():
                private_folder(path.parent)
            _write(temporary, _digest(content), content)
            os.replace(temporary, path)
        except OSError as error:
            _remove(temporary)
            raise self._unusable(error) from error
        except BaseException:
            _remove(temporary)
            raise
        self._written(len(content))

    def forget(self, key: str) -> None:
        """Removes a key, where it is there."""
        _remove(self._path(key))

    def trim(self) -> None:
        """Removes the least recently used files beyond the bound, and what killed processes left."""
        if not self.folder.is_dir():
            return
        with (self.folder / ".trim").open("ab") as handle:
            if not try_take(handle):
                return  # another process is at it
            files = sorted(self._files())
            total = sum(size for _, size, _ in files)
            for _, size, path in files if total > self.bound_bytes else ():
                if total <= self.bound_bytes * _ROOM:
                    break
                _remove(path)
                total -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time of use, size and path of each file; stale temporary ones are removed on the way."""
        for path in self.folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if path.name.endswith(TEMPORARY):
                if time.time() - status.st_mtime > _STALE_S:
                    _remove(path)
                continue
            yield status.st_mtime, status.st_size, path

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _written(self, size: int) -> None:
        with self._lock:
            self._unseen += size
            look = self._unseen > self.bound_bytes * _LOOK_SHARE
            if look:
                self._unseen = 0
        if look:
            self.trim()

    def _unusable(self, error: OSError) -> EngineFault:
        if error.errno in _FULL:
            return EngineFault(
                f"the disk of {self.folder} is full: free space there, or remove that folder (it holds only what can "
                "be fetched again); then run the same command again"
            )
        return EngineFault(
            f"the cache of open archives at {self.folder} cannot be written ({error.strerror}): set ISAMAP_HOME to a "
            "folder that can be written"
        )


def _digest(content: bytes) -> bytes:
    return sha256(content).digest()[:_DIGEST_BYTES]  # which processors know: twice as fast as blake2b


def _write(path: Path, *parts: bytes) -> None:
    with path.open("wb") as file:
        for piece in parts:  # not joined first: a tile would be copied
            file.write(piece)


def _touch(path: Path) -> None:
    with suppress(OSError):  # removed meanwhile, or a folder that is only read
        os.utime(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
