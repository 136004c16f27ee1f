"""No module of ours is loaded under two names: in a process, in those that it starts, and in what it sends them."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from isamap.gee_export.requests.quota import Use
from isamap.inference.serve import painter, worker
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.tiles import executors
from isamap.inference.tiles.jobs import Server
from isamap.inference.tiles.receipt import Receipt
from isamap.inference.tiles.store import TileStore
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.work import Work
from isamap.reproduction import runs
from isamap.reproduction.runs import Bench, Training
from tests.support.tile_work import Painted, tiles

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("gee_export", "training", "inference", "reproduction")

# What a process that isamap starts is given: its function and arguments.
SENT = {
    "a process that makes tiles": (executors._serve, Work("gs://bucket/run"), tiles(2)),
    "a painter of imagery": (painter.paint, Server()),
    "a worker of the service": (worker.work, ServiceSettings(Path("service")), 1),
    "a run of a study": (runs._aside, Bench(Path("out"), {"wuhan": ("data",)}), Training("unet-tiny", {}), 0),
}


class Reader(pickle.Unpickler):
    """Reads a pickle and notes the modules that it names."""

    def __init__(self, pickled: bytes) -> None:
        super().__init__(io.BytesIO(pickled))
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.modules.add(module)
        return super().find_class(module, name)


@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
def test_what_is_sent_to_a_process_names_modules_of_isamap_only(sent):
    reader = Reader(pickle.dumps(sent))
    assert reader.load()[1:] == sent[1:]
    assert "isamap" in {name.partition(".")[0] for name in reader.modules}
    assert not {name.partition(".")[0] for name in reader.modules} & set(FOLDERS)


def names_by_file() -> dict[str, list[str]]:
    """The names of this process's modules by their file in the clone, links followed; a program's own name left out."""
    names: dict[str, list[str]] = {}
    for name, module in list(sys.modules.items()):
        path = Path(os.path.realpath(getattr(module, "__file__", None) or os.sep))
        if path.is_relative_to(ROOT) and not name.startswith("__m"):
            names.setdefault(path.relative_to(ROOT).as_posix(), []).append(name)
    return names


def misnamed(names: dict[str, list[str]]) -> list[str]:
    """Files of the four folders that are loaded as something else, or more than once."""
    ours = {file: loaded for file, loaded in names.items() if file.startswith(FOLDERS)}
    return [
        f"{file}: {loaded}"
        for file, loaded in ours.items()
        if loaded != [f"isamap.{file.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"]
    ]


EVERY = """
import json, sys
from importlib import import_module
from pathlib import Path

for path in sorted(path for folder in sys.argv[1:] for path in Path(folder).rglob("*.py")):
    import_module(".".join(("isamap", *path.with_suffix("").parts)).removesuffix(".__init__"))
from tests.test_module_names import names_by_file

print(json.dumps(names_by_file()))
"""


@pytest.mark.long
def test_every_module_of_a_clone_has_one_name():
    """From the clone's own folder, where `import training` would find it, too."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "local_ee" / "src")))}
    done = subprocess.run(
        [sys.executable, "-c", EVERY, *FOLDERS], cwd=ROOT, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    assert misnamed(names) == []
    assert {path.relative_to(ROOT).as_posix() for each in FOLDERS for path in (ROOT / each).rglob("*.py")} <= {*names}


@dataclass(frozen=True)
class Naming(Painted):
    """Also writes what its process has loaded."""

    def _made(self, tile: Tile, store: TileStore, use: Use) -> Receipt:
        (Path(self.markers) / "names.json").write_text(json.dumps(names_by_file()))
        return super()._made(tile, store, use)


@pytest.mark.long
def test_a_process_that_makes_tiles_has_loaded_each_module_once(tmp_path):
    work = Naming(str(tmp_path / "store"), markers=str(tmp_path))
    process = executors._Process(work)
    try:
        process.begin(tiles(1)[0], 0)
        assert isinstance(process.end()[2], Receipt)
    finally:
        process.kill()
    names = json.loads((tmp_path / "names.json").read_text())
    assert "inference/tiles/executors.py" in names and misnamed(names) == []
