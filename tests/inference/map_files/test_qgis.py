"""What QGIS itself makes of a map's files, where Debian's python3-qgis is installed (`apt-get install python3-qgis`).

QGIS is bound to the system's Python, so each check runs there as a program of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
LOOK = """
import json, sys
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer)
from qgis.PyQt.QtCore import QSize

application = QgsApplication([], False)
application.initQgis()
layer = QgsRasterLayer(sys.argv[1], "map")
renderer, data = layer.renderer(), layer.dataProvider()
classes = renderer.classes() if renderer.type() == "paletted" else []
settings = QgsMapSettings()
settings.setLayers([layer])
settings.setDestinationCrs(layer.crs())
settings.setExtent(layer.extent())
settings.setOutputSize(QSize(layer.width(), layer.height()))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(sys.argv[2])
middle = data.sample(layer.extent().center(), 1)[0]
print(json.dumps({
    "renderer": renderer.type(),
    "classes": [[entry.value, entry.color.name(), entry.label] for entry in classes],
    "nodata": data.sourceNoDataValue(1),
    "middle": middle,
}))
"""


def system(*words: str) -> subprocess.CompletedProcess:
    environment = {"PATH": os.environ["PATH"], "QT_QPA_PLATFORM": "offscreen", "HOME": os.environ.get("HOME", "/tmp")}
    return subprocess.run([SYSTEM_PYTHON, *words], capture_output=True, text=True, env=environment, timeout=120)


@cache
def has_qgis() -> bool:
    return Path(SYSTEM_PYTHON).exists() and system("-c", "import qgis.core").returncode == 0


@pytest.fixture(autouse=True)
def qgis():
    if not has_qgis():
        pytest.skip("QGIS is not installed (Debian: apt-get install python3-qgis)")


def look(path: Path) -> dict:
    """What QGIS says of the layer; its picture lies at NAME.png."""
    result = system("-c", LOOK, str(path), str(path.with_suffix(".png")))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def picture_of(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.rint(imread(path.with_suffix(".png"))[:, :, :3] * 255).astype(np.uint8)


def test_qgis_lists_the_classes_with_names_and_colours(finished_map, random_map):
    seen = look(finished_map(random_map))
    assert seen["renderer"] == "paletted" and seen["nodata"] == 255
    assert seen["classes"] == [[0, "#d9d9d9", "pervious"], [1, "#e31a1c", "impervious"]]


def test_qgis_draws_the_palette_and_leaves_unknown_pixels_out(finished_map, random_map):
    path = finished_map(random_map)
    look(path)
    colours = np.array([[0xD9, 0xD9, 0xD9], [0xE3, 0x1A, 0x1C]], np.uint8)
    is_known = random_map[0] != 255
    drawn = picture_of(path)
    np.testing.assert_array_equal(drawn[is_known], colours[random_map[0][is_known]])
    assert (drawn[~is_known] == 255).all()


def test_qgis_reads_probabilities_from_0_to_1(finished_map, random_map):
    path = finished_map(random_map)
    seen = look(path.with_name("map_prob.tif"))
    assert seen["renderer"] == "singlebandgray" and seen["nodata"] == 255
    assert seen["middle"] == pytest.approx(random_map[1, 45, 35] / 254, abs=1e-6)
