"""`isamap` in a process that may lose its power: python victim.py WORD ...

Commands follow one another after a word `;`, and run at once beside a word `&`: then each must end well, or be refused
in one sentence beside one that ends well. For the scheduler `local` there is a Dask cluster of this machine, whose
workers are killed at moments that VICTIM_CHANCE seeds.
Requests and tasks are made small, so that a small export has many. VICTIM_RENAME=N cuts the power at the N-th rename:
the file just renamed keeps only a share VICTIM_KEEP of its bytes, unless os.fsync was called on it after it was
written, and the process is killed. VICTIM_COUNT=FILE notes how many renames there were.
"""

from __future__ import annotations

import atexit
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

WORKERS, WORKER_KILLS = 2, 2  # of a cluster, and how many of them die in a run
GAP_S = (2.0, 8.0)  # between two such deaths
LATER_S = 4.0  # at most, until a command begins that runs beside another
WORKER_KILLED = "victim: a worker is killed"
SMALL_REQUEST_BYTES = 36 * 64 * 64  # blocks of at most 64 x 64 pixels
TASK_PX = 64


class PowerCut:
    """Counts renames, knows which files have reached the disk, and cuts the power at a rename."""

    def __init__(self, fatal: int, keep: float) -> None:
        self.renames = 0
        self._fatal, self._keep = fatal, keep
        self._safe: set[tuple[int, int, int]] = set()  # device, file number and time of the last change when synced
        # Re-entrant: the cut itself renames, and the hook is called for that, too.
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
        # A rename without fsync may reach the disk before the bytes do (ext4's delayed allocation): that is imitated.
        if (state.st_dev, state.st_ino, state.st_mtime_ns) not in self._safe:
            os.truncate(source, int(state.st_size * self._keep))
        os.rename(source, target)  # counted as one more, which no longer matters
        os.kill(os.getpid(), signal.SIGKILL)


def shrink() -> None:
    """Makes requests and tasks small and pauses short; loads what exports need."""
    from isamap.gee_export.requests import pixels
    from isamap.gee_export.tasks import batch, export_task

    pixels.REQUEST_LIMIT_BYTES = SMALL_REQUEST_BYTES
    export_task.TASK_PX, batch.LOCAL_PACE = TASK_PX, batch.Pace(0.02, 0.05, 2.0)


def chance() -> random.Random | None:
    """What seeds the moments of this trial; None in a run that nothing disturbs."""
    seed = os.environ.get("VICTIM_CHANCE")
    return random.Random(seed) if seed else None


@contextmanager
def cluster() -> Iterator[str]:
    """The address of the scheduler of workers in processes of their own, some of which die."""
    from distributed import LocalCluster

    ended = threading.Event()

    def kill(moments: random.Random) -> None:
        for _ in range(WORKER_KILLS):
            if ended.wait(moments.uniform(*GAP_S)):
                return
            if living := [nanny.pid for nanny in workers.workers.values() if nanny.pid]:
                os.kill(moments.choice(living), signal.SIGKILL)
                print(WORKER_KILLED, flush=True)

    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": None, "memory_limit": 0}
    with LocalCluster(n_workers=WORKERS, silence_logs="CRITICAL", **options) as workers:
        if moments := chance():
            threading.Thread(target=kill, args=(moments,), daemon=True).start()
        yield workers.scheduler_address
        ended.set()


def at_once(commands: Sequence[Sequence[str]]) -> int:
    """0 where commands that run at the same time end well, or but for refusals in one sentence; else 1."""
    moments = chance() or random.Random(0)
    delays = [0.0, *(moments.uniform(0, LATER_S) for _ in commands[1:])]

    def ending(command: Sequence[str], delay_s: float) -> subprocess.CompletedProcess:
        time.sleep(delay_s)
        return subprocess.run([sys.executable, __file__, *command], capture_output=True, text=True)

    with ThreadPoolExecutor(len(commands)) as pool:
        endings = list(pool.map(ending, commands, delays))
    for each in endings:
        print(each.stdout + each.stderr, flush=True)
    refused = [each for each in endings if each.returncode]
    are_told = all(each.returncode in (1, 2) and f"\n{each.stderr}".count("\nerror: ") == 1 for each in refused)
    return int(not are_told or len(refused) == len(endings))


def parts(words: Sequence[str], mark: str) -> list[list[str]]:
    """The words between the marks."""
    return [list(group) for is_mark, group in groupby(words, key=mark.__eq__) if not is_mark]


def run(words: list[str]) -> int:
    """The exit code of one `isamap` command."""
    import isamap

    if words[0] == "export":
        shrink()
    if "local" not in words:
        return isamap.main(words)
    with cluster() as address:
        return isamap.main([address if word == "local" else word for word in words])


def main(words: list[str]) -> int:
    power = PowerCut(int(os.environ.get("VICTIM_RENAME", "0")), float(os.environ.get("VICTIM_KEEP", "0")))
    power.install()
    if count := os.environ.get("VICTIM_COUNT"):
        atexit.register(lambda: Path(count).write_text(str(power.renames), encoding="utf-8"))
    for command in parts(words, ";"):
        together = parts(command, "&")
        if status := run(command) if len(together) == 1 else at_once(together):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
