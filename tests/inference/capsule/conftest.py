"""A map of a corner of the plot on the local engine, and its capsule."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import inference
from gee_export.sentinel import composite as composites
from inference.capsule import archive
from inference.capsule.capsule import capsule
from inference.capsule.document import digest_of_json
from tests.support import plot as plots

WEST, SOUTH, EAST, NORTH = plots.REGION.bounds_wsen
BBOX = (WEST + 0.004, SOUTH + 0.005, WEST + 0.010, SOUTH + 0.010)
SETTINGS = composites.Settings.of(speckle="none", clouds="none")


@dataclass(frozen=True)
class Made:
    """A map, its capsule as a ZIP, the catalog of its images and its checkpoint."""

    map: Path
    capsule: Path
    catalog: Path
    checkpoint: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory, engine_home, make_checkpoint) -> Made:
    folder = tmp_path_factory.mktemp("capsule")
    plots.write(folder / "plot")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISAMAP_HOME", str(engine_home))
        run = make_checkpoint(composite=SETTINGS.to_json())
        options = {"bbox": BBOX, "month": "2019-06", "catalog": str(folder / "plot"), "progress": False}
        inference.map_region(run, out=folder / "map.tif", **options)
        capsule(folder / "map.tif", out=folder / "map.zip")
    return Made(folder / "map.tif", folder / "map.zip", folder / "plot", run)


@pytest.fixture
def changed(made, tmp_path) -> Callable[..., Path]:
    """A folder with the capsule's files; `edit` changes its document, whose own digest is made again if asked."""

    def make(edit: Callable[[dict], object], *, sealed: bool = True) -> Path:
        files = archive.read(made.capsule)
        document = json.loads(files[archive.DOCUMENT])
        edit(document)
        if sealed:
            document.pop("digest")
            document["digest"] = digest_of_json(document)
        files[archive.DOCUMENT] = json.dumps(document).encode()
        archive.write(tmp_path / "changed", files)
        return tmp_path / "changed"

    return make
