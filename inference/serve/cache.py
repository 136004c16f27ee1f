"""A folder of files that can be made again: bounded by their age and bytes."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MOST_AGE_S = 7 * 86_400.0  # since an entry was used
KEPT_S = 600.0  # since an entry was used: it may be in use still, and stays whatever the bytes are
# A sweep looks at every file: seldom enough to cost nothing, often enough for a limit of days.
SWEEP_S = 3600.0


@dataclass
class Cache:
    """The entries of a folder (files, or folders of files) and when each was used last, which is its time of change.

    The folder may be shared by servers and workers of one machine: an entry that another process removes is made again.
    clock: seconds since 1970.
    """

    folder: Path
    most_bytes: float
    clock: Callable[[], float] = time.time
    _swept_s: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def use(self, path: Path) -> bool:
        """Whether an entry is there, which now counts as just used."""
        # Before the use is noted, and only now and then: no thread of its own has to be ended with the server.
        self._sweep_now_and_then()
        try:
            os.utime(path, (self.clock(), self.clock()))
        except FileNotFoundError:
            return False
        return True

    def sweep(self) -> None:
        """Removes entries that nobody used for 7 days, and the longest unused ones until the bytes are few enough."""
        with self._lock:
            self._swept_s = self.clock()
            # The longest unused first.
            entries = sorted(_entries(self.folder))
            size = sum(entry_bytes for _, entry_bytes, _ in entries)
            for used_s, entry_bytes, path in entries:
                age_s = self.clock() - used_s
                is_spare = age_s > KEPT_S and not path.name.startswith(".")  # a part in the making is hidden
                if age_s > MOST_AGE_S or (size > self.most_bytes and is_spare):
                    _remove(path)
                    size -= entry_bytes

    def _sweep_now_and_then(self) -> None:
        if self.clock() - self._swept_s > SWEEP_S:
            self.sweep()


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each entry was used, its bytes, and itself."""
    for path in folder.glob("*"):
        with suppress(OSError):  # another process has removed it
            files = [path, *path.rglob("*")] if path.is_dir() else [path]
            yield path.stat().st_mtime, sum(file.stat().st_size for file in files if file.is_file()), path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
