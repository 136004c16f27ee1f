"""A plot of ground with known pixels, a small checkpoint of composites, and runs of its tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gee_export.sentinel import composite as composites
from tests.inference.conftest import home, make_checkpoint  # noqa: F401
from tests.support import plot as plots

SETTINGS = composites.Settings.of(speckle="none", clouds="none")
STEP_PX = 64
BOX = (114.0, 30.86, 114.01, 30.87)


@pytest.fixture(scope="session")
def plot(tmp_path_factory: pytest.TempPathFactory) -> plots.Plot:
    return plots.write(tmp_path_factory.mktemp("plot"))


@pytest.fixture(scope="session")
def network(make_checkpoint) -> Path:  # noqa: F811
    """A small U-Net of composites, with windows of 32 px every 24."""
    return make_checkpoint(composite=SETTINGS.to_json(), window=32, lattice=24)


@pytest.fixture
def asked(plot, network, tmp_path, home, reconnected) -> dict[str, Any]:  # noqa: F811
    """The options of a run over the plot."""
    return {
        "region": plots.REGION,
        "month": "2019-06",
        "catalog": str(plot.folder),
        "checkpoint": str(network),
        "out": str(tmp_path / "out"),
        "tile_px": STEP_PX,
        "retries": 0,
        "progress": False,
    }


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All rasters of a run by name, with the sidecars."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".tif", ".xml", ".vrt") and ".run" not in path.parts
    }
