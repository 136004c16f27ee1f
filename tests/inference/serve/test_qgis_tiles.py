"""QGIS itself draws the tiles of a running service, where Debian's python3-qgis is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.inference.map_files.test_qgis import has_qgis, system
from tests.support.running_service import running_service

pytestmark = pytest.mark.long
DRAW = """
import sys
from qgis.core import (QgsApplication, QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsMapRendererParallelJob,
    QgsMapSettings, QgsProject, QgsRasterLayer)
from qgis.PyQt.QtCore import QSize

application = QgsApplication([], False)
application.initQgis()
file = QgsRasterLayer(sys.argv[1], "file")
address = sys.argv[2].replace("{", "%7B").replace("}", "%7D")
tiles = QgsRasterLayer(f"type=xyz&url={address}&zmin=0&zmax=17", "tiles", "wms")
assert tiles.isValid()
mercator = QgsCoordinateReferenceSystem("EPSG:3857")
extent = QgsCoordinateTransform(file.crs(), mercator, QgsProject.instance()).transformBoundingBox(file.extent())
# a tile that a busy service gives too late is left out of a picture, and in QGIS's cache for the next
for layer, name in ((file, sys.argv[3]), (tiles, sys.argv[4]), (tiles, sys.argv[4])):
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(mercator)
    settings.setExtent(extent)
    settings.setOutputSize(QSize(280, 360))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(name)
"""


def drawn(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_tiles_of_the_service_look_like_the_maps_file(finished_map, random_map, tmp_path):
    """Squares of 10 pixels, so that where an edge falls between two pixels of the screen counts for little."""
    if not has_qgis():
        pytest.skip("QGIS is not installed (Debian: apt-get install python3-qgis)")
    squares = np.kron(np.random.default_rng(0).integers(0, 2, (9, 7)), np.ones((10, 10))).astype(np.uint8)
    path = finished_map(np.stack([squares, squares * 254]), "town.tif")
    maps = tmp_path / "service" / "maps"
    maps.mkdir(parents=True)
    for name in ("town.tif", "town_prob.tif"):
        (maps / name).write_bytes((tmp_path / name).read_bytes())
    pictures = [str(tmp_path / name) for name in ("file.png", "tiles.png")]
    with running_service(tmp_path / "service", tmp_path / "home") as service:
        tiles = f"{service.address}/maps/town/tiles/class/{{z}}/{{x}}/{{y}}.png"
        done = system("-c", DRAW, str(path), tiles, *pictures)
    assert done.returncode == 0, done.stderr
    single, second = (drawn(Path(name)) for name in pictures)
    assert (np.abs(single - second).max(axis=2) < 40).mean() > 0.9 and single.std() > 30
