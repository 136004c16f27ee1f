"""An engine in a process of its own, for tests that may hang or end it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ee
import requests

ROOT = Path(__file__).parents[3]
SERVE = """
import sys, time
from pathlib import Path
from local_ee import LocalEngine
from local_ee.catalogs import open_catalog
from local_ee.evaluation import registry
from local_ee.limits import Limits
registry.names()  # loads the algorithms, which must not count against the first computation
seconds, memory = float(sys.argv[2]), int(sys.argv[3])
engine = LocalEngine(open_catalog("world"), Path(sys.argv[1]), limits=Limits(computation_seconds=seconds,
                     memory_bytes=memory), workers=2).start()
print(engine.url, flush=True)
sys.stdin.read()
engine.stop()
"""
HANG_S = 300  # a reply that takes longer never comes, also on a busy machine


@dataclass(frozen=True)
class Served:
    """The process and its address."""

    process: subprocess.Popen[str]
    url: str

    def compute(self, expression: Any, timeout: float = HANG_S) -> requests.Response:
        """value:compute of a client's object."""
        body = {"expression": ee.serializer.encode(expression, for_cloud_api=True)}
        return requests.post(f"{self.url}/v1/projects/local/value:compute", json=body, timeout=timeout)

    def pixels(self, image: ee.Image, grid: dict[str, Any], timeout: float = HANG_S) -> requests.Response:
        """computePixels of an image as NPY."""
        body = {"expression": ee.serializer.encode(image, for_cloud_api=True), "grid": grid, "fileFormat": "NPY"}
        return requests.post(f"{self.url}/v1/projects/local/image:computePixels", json=body, timeout=timeout)


def message(reply: requests.Response) -> str:
    """What a refusal says; nothing of an answer."""
    return "" if reply.ok else reply.json()["error"]["message"]


@contextmanager
def served(home: Path, *, seconds: float, memory_bytes: int = 2 << 30) -> Iterator[Served]:
    """An engine over the world whose computations have so much time and memory."""
    command = [sys.executable, "-c", SERVE, str(home), str(seconds), str(memory_bytes)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Served(process, process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait(30)
