"""Public archives behind the engine's server and command: the name, and how a fault reaches a client."""

from __future__ import annotations

from pathlib import Path

import ee
import numpy as np
import pytest

from local_ee.__main__ import main
from local_ee.catalogs import open_catalog
from local_ee.open import hosts
from local_ee.open.catalog import OpenCatalog
from local_ee.rest import server as engine_server
from local_ee.testing.archive import Fault, always
from local_ee.testing.small_archive import BOX, DAY, GRID, reflectance, small_archive
from tests.support.connection import connect

S2 = "COPERNICUS/S2_SR_HARMONIZED"


def test_open_is_a_name_of_a_catalog(tmp_path: Path):
    catalog = open_catalog("open", home=tmp_path)
    assert isinstance(catalog, OpenCatalog) and catalog.folder == tmp_path / "open"
    assert not list(tmp_path.iterdir())  # nothing is made or asked before it is needed


def test_offline_is_of_open_archives_only(capsys: pytest.CaptureFixture):
    assert main(["serve", "--offline", "--port", "0"]) == 2
    assert "--offline is of --catalog open" in capsys.readouterr().err


def test_the_command_serves_open_archives_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    served: list[OpenCatalog] = []

    class Engine:
        def __init__(self, catalog: OpenCatalog, *_: object, **__: object) -> None:
            served.append(catalog)
            raise ValueError("enough")

    monkeypatch.setattr(engine_server, "LocalEngine", Engine)
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path))
    assert main(["serve", "--catalog", "open", "--offline"]) == 2
    assert served[0].hosts.offline


@pytest.fixture
def archive():
    with small_archive((DAY,)) as server:
        yield server


@pytest.mark.usefixtures("reconnected")
def test_a_client_computes_pixels_of_archives_and_reads_why_it_cannot(archive, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.002)
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    window = {
        "dimensions": {"width": 20, "height": 30},
        "affineTransform": dict(zip(names, GRID[5:35, 9:29].affine[:6], strict=True)),
        "crsCode": "EPSG:32650",
    }
    with connect(catalog=archive.catalog(tmp_path / "cache"), home=tmp_path / "home"):
        image = ee.Image(f"{S2}/20240603T000000_20240603T000022_T50RMU").select("B4")
        pixels = ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": window})["B4"]
        stored = reflectance("B4", 0)[5:35, 9:29].astype(int)
        np.testing.assert_array_equal(pixels, np.clip(stored - 1000, 0, None))
        archive.faults = always(Fault("status", 503))
        scenes = ee.ImageCollection(S2).filterBounds(ee.Geometry.BBox(*BOX))
        with pytest.raises(ee.EEException, match="run the same command again later"):
            scenes.filterDate("2021-01-01", "2021-02-01").size().getInfo()
        with pytest.raises(ee.EEException, match="--label FILE"):
            ee.ImageCollection("GOOGLE/DYNAMICWORLD/V1").size().getInfo()
        with pytest.raises(ee.EEException, match="filterBounds"):
            ee.ImageCollection(S2).size().getInfo()
