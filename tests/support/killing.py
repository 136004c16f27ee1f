"""Exports the plot again and again, killing the exporting process (SIGKILL) at random moments, until all is done.

python killing.py FOLDER BASE WAY KILLS SEED        WAY: folder, bucket or batch; ISAMAP_HOME is BASE/home

Prints a JSON line for every run: what it was given (blocks noted before it), its process id, and how it ended. One
process that has everything loaded makes the others by fork, so a run takes a second. A moment is a point in time, or
the n-th file that the run opens, renames or removes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import ee  # noqa: F401  (these are loaded once, for every fork)
import geopandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import rasterio  # noqa: F401
from local_ee.evaluation import graph  # noqa: F401
from local_ee.faults import Faults

import isamap.gee_export.export.runner  # noqa: F401
from isamap.gee_export.datasets.progress_log import ProgressLog, run_folder
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import pixels
from isamap.gee_export.tasks import batch, export_task
from tests.support import killed

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir")
BUCKET = "kills"


def place(base: Path, way: str, number: int) -> str:
    return f"gs://{BUCKET}/run{number}" if way == "bucket" else str(base / f"run{number}")


def count_events(base: Path, fatal: int | None) -> list[int]:
    """Counts what happens to files under base from now on; the event of that number is the process's last."""
    seen, root = [0], str(base)

    def hook(event: str, args: tuple) -> None:
        if event in EVENTS and root in str(args[0]):
            seen[0] += 1
            if seen[0] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return seen


def export(folder: str, base: Path, way: str, number: int) -> None:
    session = connect(catalog=folder, home=base / "home", faults=Faults())
    bucket = session.storage_client().bucket(BUCKET)
    if not bucket.exists():
        bucket.create()
    pixels.REQUEST_LIMIT_BYTES = killed.SMALL_REQUEST
    export_task.TASK_PX, batch.LOCAL_PACE = 64, batch.Pace(0.02, 0.05, 2.0)
    means = {"mode": "batch", "bucket": BUCKET} if way == "batch" else {}
    export_patches(**killed.ASKED, **means, out=place(base, way, number), session=session)


def forked(folder: str, base: Path, way: str, number: int, *, event: int | None, seconds: float | None) -> dict:
    """One run in a process of its own, and how it ended."""
    began, report = time.monotonic(), base / "events"
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            seen = count_events(base, event)
            export(folder, base, way, number)
            report.write_text(str(seen[0]))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    events = int(report.read_text()) if report.exists() else 0
    return {"process": pid, "end": status, "events": events, "seconds": time.monotonic() - began}


def main(folder: str, base: Path, way: str, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    full = forked(folder, base, way, 0, event=None, seconds=None)
    print(json.dumps({"number": 0, "noted": [], **full}), flush=True)
    index, left = 1, kills
    while left or index == 1:
        while True:
            rows = ProgressLog(run_folder(place(base, way, index))).rows()
            noted = [row["window"] for row in rows if "block" in row]
            event = chance.randint(1, full["events"]) if left and chance.random() < 0.7 else None
            seconds = chance.uniform(0, full["seconds"]) if left and event is None else None
            run = forked(folder, base, way, index, event=event, seconds=seconds)
            print(json.dumps({"number": index, "noted": noted, **run}), flush=True)
            if run["end"] != signal.SIGKILL:
                break
            left -= 1
        if run["end"]:
            break
        index += 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
