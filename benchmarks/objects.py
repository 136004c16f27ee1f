"""Small objects into, out of and listed from a bucket of the local engine: objects a second, by threads and pool.

python benchmarks/objects.py [--objects 2000] [--bytes 20000] [--latency 0.05]

The engine runs in a process of its own and answers transfers so many seconds late, as a distant bucket does. Each
row writes a fresh prefix; `plain loop` is one blob after another with the storage client as it comes, the others are
gee_export.base.cloud_storage with so many threads, with the client's own pool of 10 connections and with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gee_export.base import cloud_storage  # noqa: E402
from gee_export.base.cloud_storage import BucketStorage  # noqa: E402

SETTINGS = ((32, 10), (8, 64), (16, 64), (32, 64), (64, 64))  # threads and connections kept
Items = Iterable[tuple[str, bytes]]


@contextmanager
def engine(home: Path, latency_s: float):
    """The address of an engine in another process."""
    faults = home / "faults.json"
    faults.write_text(json.dumps({"rules": [{"on": ["upload", "download"], "kind": "delay", "seconds": latency_s}]}))
    command = [sys.executable, "isamap.py", "engine", "serve", "--port", "0", "--faults", str(faults)]
    environment = {**os.environ, "ISAMAP_HOME": str(home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        try:
            yield process.stdout.readline().split(" at ")[1].split(" ")[0]
        finally:
            process.terminate()


def client(url: str) -> storage.Client:
    options = {"api_endpoint": url}
    return storage.Client(project="local", credentials=AnonymousCredentials(), client_options=options)


def seconds(action: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU time of this process."""
    wall, cpu = time.monotonic(), time.process_time()
    action()
    return time.monotonic() - wall, time.process_time() - cpu


def row(name: str, count: int, action: Callable[[], Any]) -> None:
    wall, cpu = seconds(action)
    print(f"{name:<34} {count / wall:8.0f} objects/s {1000 * cpu / count:7.2f} ms CPU an object", flush=True)


def plain_loop(bucket: storage.Bucket, items: Items) -> None:
    for name, data in items:
        bucket.blob(f"plain/{name}").upload_from_string(data, if_generation_match=0)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--objects", type=int, default=2000)
    options.add_argument("--bytes", type=int, default=20_000)
    options.add_argument("--latency", type=float, default=0.05)
    arguments = options.parse_args()
    items = [(f"{index:06d}.tif", os.urandom(arguments.bytes)) for index in range(arguments.objects)]
    with tempfile.TemporaryDirectory() as home, engine(Path(home), arguments.latency) as url:
        bucket = client(url).create_bucket("objects")
        some = items[: max(len(items) // 20, 1)]
        row("write, plain loop", len(some), lambda: plain_loop(bucket, some))
        for threads, connections in SETTINGS:
            cloud_storage.CONNECTIONS, cloud_storage.THREADS = connections, threads
            storage = BucketStorage(client(url), "objects", f"{connections}/{threads}")
            row(f"write, {threads} threads, pool of {connections}", len(items), lambda at=storage: at.write_many(items))
        row("list", len(items), storage.list)
        with ThreadPoolExecutor(32) as pool:
            row("read, 32 threads", len(items), lambda: list(pool.map(storage.read, (name for name, _ in items))))


if __name__ == "__main__":
    main()
