"""kill -9 at random moments: the dataset is the same to the byte, and what was finished is not fetched again.

docs/reference/wishes.md, "Wish 9" and "Wish 10": resume after interruption; done means that the files are there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from local_ee.home import Home
from local_ee.storage.objects import ObjectStore

from local_ee import injector
from tests.support import plot as plots
from tests.support.killing import BUCKET

SUPPORT = Path(__file__).parents[2] / "support"


def killed_exports(folder: Path, base: Path, way: str, kills: int, seed: int) -> list[dict]:
    """The runs of killing.py."""
    environment = {**os.environ, "ISAMAP_HOME": str(base / "home"), "PYTHONPATH": str(SUPPORT.parents[1])}
    command = [sys.executable, str(SUPPORT / "killing.py"), str(folder), str(base), way, str(kills), str(seed)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(run["end"] in (0, signal.SIGKILL) for run in runs), result.stderr[-4000:]
    return runs


def dataset(base: Path, way: str, number: int) -> dict[str, bytes]:
    """The bytes by name of an export that is done."""
    if way == "bucket":
        store, actual = ObjectStore(Home(base / "home")), {}
        for stored in store.walk(BUCKET, f"run{number}/"):
            _, file = store.open(BUCKET, stored.name)
            with file:
                actual[stored.name.partition("/")[2]] = file.read()
        return actual
    root = base / f"run{number}"
    files = (path for path in root.rglob("*") if path.is_file() and ".run" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def corner(window: list[int]) -> tuple[float, ...]:
    """Left, top, width and height of a noted block, as requests have them."""
    row, col, height, width = window
    return plots.LEFT + 10 * col, plots.TOP - 10 * row, width, height


def asked(base: Path) -> dict[int, list[tuple[float, ...]]]:
    """The grids that each process was given pixels of."""
    actual: dict[int, list[tuple[float, ...]]] = {}
    for call in injector.calls(base / "home"):
        if call["route"] == "pixels" and call["status"] == 200:
            _, _, _, left, _, _, top, width, height = call["grid"]
            actual.setdefault(call["process"], []).append((left, top, width, height))
    return actual


def succeeded(base: Path) -> Counter[str]:
    """How many tasks succeeded of each piece of work."""
    records = [json.loads(path.read_bytes()) for path in (base / "home/engine/operations").glob("*.json")]
    done = (record["metadata"] for record in records if record["metadata"]["state"] == "SUCCEEDED")
    return Counter(metadata["description"].split("-")[1] for metadata in done)


def check(folder: Path, base: Path, way: str, kills: int, seed: int) -> None:
    base.mkdir(exist_ok=True)
    runs = killed_exports(folder, base, way, kills, seed)
    assert sum(run["end"] == signal.SIGKILL for run in runs) == kills
    full, grids = dataset(base, way, 0), asked(base)
    assert "manifest.json" in full and len(full) == 3 + 2 * 46
    for index in {run["number"] for run in runs}:
        assert dataset(base, way, index) == full
    for run in runs:
        noted = {corner(window) for window in run["noted"]}
        assert not noted & set(grids.get(run["process"], ()))
    if way == "batch":
        exports = len({run["number"] for run in runs})
        assert set(succeeded(base).values()) == {exports}  # each export computes its nine pieces once, killed or not


@pytest.mark.long
@pytest.mark.parametrize(("way", "kills", "seed"), [("folder", 4, 11), ("bucket", 4, 12), ("batch", 4, 13)])
def test_after_many_kills_the_dataset_is_the_same(plot, tmp_path, way, kills, seed):
    check(plot.folder, tmp_path / "base", way, kills, seed)
