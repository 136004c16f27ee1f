"""A plot of ground with known pixels, a small checkpoint of composites, and runs of its tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isamap.gee_export.base.outline import inside
from isamap.gee_export.base.regions import Region
from isamap.gee_export.sentinel import composite as composites
from isamap.inference.runs.run import run_jobs
from isamap.inference.tiles.tiling import TileWindow
from tests.support import plot as plots

SETTINGS = composites.Settings.of(speckle="none", clouds="none")
STEP_PX = 64
REGION = Region("field", 32650, (212750, 3415100, 213700, 3416300), (212750, 3416300))  # in four tiles
MAP = "field_201906_50n"


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture(scope="session")
def network(make_checkpoint) -> Path:
    """A small U-Net of composites, with windows of 32 px every 24."""
    return make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=24)


def options(plot: plots.Plot, network: Path, out: Path) -> dict[str, Any]:
    return {
        "region": REGION,
        "month": "2019-06",
        "catalog": str(plot.folder),
        "checkpoint": str(network),
        "out": str(out),
        "tile_px": STEP_PX,
        "retries": 0,
        "progress": False,
    }


@pytest.fixture
def asked(plot, network, tmp_path, reconnected) -> dict[str, Any]:
    """The options of a run over four tiles of the plot."""
    return options(plot, network, tmp_path / "out")


@pytest.fixture(scope="session")
def undisturbed_folder(plot, network, tmp_path_factory) -> Path:
    """That run, finished."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run_jobs(**options(plot, network, out))
    return out


@pytest.fixture(scope="session")
def undisturbed(undisturbed_folder) -> dict[str, bytes]:
    """Every raster of that run, by name."""
    return bytes_of(undisturbed_folder)


def wanted_HW(window: TileWindow) -> np.ndarray:
    """Which pixels of a window have their centre on the wanted ground, bool (rows, columns)."""
    if window.ground_m is None:
        return np.ones(tuple(window.geobox.shape), bool)
    return inside(window.ground_m, window.geobox)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All rasters of a run by name, with the files beside them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".tif", ".xml", ".vrt", ".gpkg") and ".run" not in path.parts
    }
