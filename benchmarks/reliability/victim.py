"""`isamap` in a process that may lose its power: python victim.py WORD ...

Requests and tasks are made small, so that a small export has many. VICTIM_RENAME=N cuts the power at the N-th rename:
the file just renamed keeps only a share VICTIM_KEEP of its bytes, unless os.fsync was called on it after it was
written, and the process is killed. VICTIM_COUNT=FILE notes how many renames there were.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from pathlib import Path

SMALL_REQUEST_BYTES = 36 * 64 * 64  # blocks of at most 64 x 64 pixels
TASK_PX = 64


class PowerCut:
    """Counts renames, knows which files have reached the disk, and cuts the power at a rename."""

    def __init__(self, fatal: int, keep: float) -> None:
        self.renames = 0
        self._fatal, self._keep = fatal, keep
        self._safe: set[tuple[int, int, int]] = set()  # device, file number and time of the last change when synced
        self._lock = threading.RLock()
        self._fsync = os.fsync

    def install(self) -> None:
        """From now on; audit hooks cannot be taken off."""
        os.fsync = self.fsync
        if hasattr(os, "fdatasync"):
            os.fdatasync = self.fsync
        sys.addaudithook(self._hook)

    def fsync(self, file) -> None:
        self._fsync(file)
        state = os.fstat(file if isinstance(file, int) else file.fileno())
        with self._lock:
            self._safe.add((state.st_dev, state.st_ino, state.st_mtime_ns))

    def _hook(self, event: str, args: tuple) -> None:
        if event != "os.rename" or not os.path.isfile(args[0]):
            return
        with self._lock:
            self.renames += 1
            if self.renames == self._fatal:
                self._cut(args[0], args[1])

    def _cut(self, source: str, target: str) -> None:
        state = os.stat(source)
        if (state.st_dev, state.st_ino, state.st_mtime_ns) not in self._safe:
            os.truncate(source, int(state.st_size * self._keep))
        os.rename(source, target)  # counted as one more, which no longer matters
        os.kill(os.getpid(), signal.SIGKILL)


def shrink() -> None:
    """Makes requests and tasks small and pauses short; loads what exports need."""
    from gee_export.requests import pixels
    from gee_export.tasks import batch, export_task

    pixels.REQUEST_LIMIT_BYTES = SMALL_REQUEST_BYTES
    export_task.TASK_PX, batch.LOCAL_PACE = TASK_PX, batch.Pace(0.02, 0.05, 2.0)


def main(words: list[str]) -> int:
    power = PowerCut(int(os.environ.get("VICTIM_RENAME", "0")), float(os.environ.get("VICTIM_KEEP", "0")))
    power.install()
    if count := os.environ.get("VICTIM_COUNT"):
        atexit.register(lambda: Path(count).write_text(str(power.renames), encoding="utf-8"))
    import isamap

    if words[0] == "export":
        shrink()
    return isamap.main(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
