"""QGIS itself draws the tiles of a running service, where Debian's python3-qgis is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.inference.test_qgis import has_qgis, system

pytestmark = pytest.mark.long
pytest.importorskip("rio_tiler")
ROOT = Path(__file__).resolve().parents[3]
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
for layer, name in ((file, sys.argv[3]), (tiles, sys.argv[4])):
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
    words = [sys.executable, "-m", "isamap", "serve", "--folder", str(tmp_path / "service"), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = process.stdout.readline().split(" at ")[1].split()[0]
            tiles = f"{address}/maps/town/tiles/class/{{z}}/{{x}}/{{y}}.png"
            pictures = [str(tmp_path / name) for name in ("file.png", "tiles.png")]
            done = system("-c", DRAW, str(path), tiles, *pictures)
            assert done.returncode == 0, done.stderr
        finally:
            process.terminate()
    one, other = (drawn(Path(name)) for name in pictures)
    assert (np.abs(one - other).max(axis=2) < 40).mean() > 0.9 and one.std() > 30
