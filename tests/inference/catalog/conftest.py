"""A run of four tiles of a plot, names for the assets made of it, and the check of these against its map."""

from __future__ import annotations

import uuid
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from isamap.gee_export.requests import pixels
from isamap.inference.runs.run import run_jobs
from tests.inference.tiles.conftest import MAP, network, options, plot  # noqa: F401
from tests.support.map_files import read_map


@pytest.fixture(scope="module")
def folder(plot, network, tmp_path_factory) -> Path:  # noqa: F811
    """A run of four tiles."""
    out = tmp_path_factory.mktemp("publication") / "plots"
    run_jobs(**options(plot, network, out))
    return out


@pytest.fixture
def name(folder, session, home) -> str:
    """An asset name that no other test uses; the client is connected to the run's engine."""
    return f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"


def assert_equals_the_map(asset: str, folder: Path) -> None:
    """Every pixel of the run's own COG, classes and probabilities, 255 where masked."""
    with rasterio.open(folder / f"{MAP}.tif") as file:
        grid = GeoBox(file.shape, file.transform, file.crs.to_string())
    made = pixels.fetch(ee.Image(asset), grid, ["isa", "prob"])
    np.testing.assert_array_equal(np.where(made.valid_BHW, made.values_BHW, 255), read_map(folder / f"{MAP}.tif"))
