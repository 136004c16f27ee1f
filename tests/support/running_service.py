"""`isamap serve` in a process of its own, as a browser reaches it, and where its page has the map."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from tests.support.chromium import Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180  # beside other tests on two cores, a server of a second can take a minute
TOKEN = "a-token-of-this-test-and-no-other"


class Running:
    """A service in a process of its own, and its address."""

    def __init__(self, process: subprocess.Popen, address: str) -> None:
        self.process, self.address = process, address

    def json(self, path: str) -> dict:
        return self._reply(path, None)

    def post(self, path: str, document: dict) -> dict:
        return self._reply(path, json.dumps(document).encode())

    def _reply(self, path: str, body: bytes | None) -> dict:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
        types = {"Content-Type": "application/json"} if body else {}
        with urlopen(Request(self.address + path, body, headers | types), timeout=PATIENCE_S) as reply:
            return json.loads(reply.read())


@contextmanager
def running_service(folder: Path, home: Path, *options: str, path: Path = ROOT) -> Iterator[Running]:
    """The service over a folder, with the options of the command line; it is ended afterwards.

    path: a folder of Python modules for all of its processes.
    """
    words = [sys.executable, "-m", "isamap", "serve", "--folder", str(folder)]
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}", "ISAMAP_HOME": str(home)}
    door = () if "--token-file" in options else ("--no-token",)
    process = subprocess.Popen(
        [*words, "--port", "0", *door, *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address, f"the service said {line!r}"
    try:
        yield Running(process, address.group())
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def map_box(page: Page) -> tuple[float, float, float, float]:
    """Left, top, width and height of the map as the page counts them: width and height in whole pixels."""
    return page.evaluate(
        "(() => { const map = document.querySelector('#map'); const b = map.getBoundingClientRect();"
        " return [b.x, b.y, map.clientWidth, map.clientHeight] })()"
    )


def drag_box(page: Page, share: float) -> None:
    """A box around the middle of the map, so many of its widths and heights wide."""
    page.click("#draw-box")
    left, top, width, height = map_box(page)
    corners = [(left + width * (0.5 + sign * share / 2), top + height * (0.5 + sign * share / 2)) for sign in (-1, 1)]
    page.drag(*corners)
