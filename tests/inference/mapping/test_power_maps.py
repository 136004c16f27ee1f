"""A power cut while a map is made or published: the same command ends with the same map, pixel for pixel and byte."""

from __future__ import annotations

import random
from pathlib import Path

import ee
import numpy as np
import pytest
from local_ee.testing.power import Disk
from odc.geo.geobox import GeoBox

from isamap import inference
from isamap.gee_export.requests import pixels
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.support.own_engine import engine_of

pytestmark = pytest.mark.long
SEED, SAMPLED = 5, 40
ASSET = "projects/local/assets/power/map"


def sample(disk: Disk) -> list:
    return random.Random(SEED).sample(disk.cuts, min(SAMPLED, len(disk.cuts)))


@pytest.fixture
def disk(tmp_path) -> Disk:
    (tmp_path / "disk").mkdir()
    return Disk(tmp_path / "disk")


def test_a_map_ends_with_the_same_bytes_after_a_power_cut(run, tmp_path, disk):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(700, 137))

    def made() -> dict[str, bytes]:
        inference.map_region(run, input=scene, out=disk.root / "map.tif", progress=False)
        return {path.name: path.read_bytes() for path in disk.root.iterdir()}

    with disk.recording():
        full = made()
    assert sorted(full) == ["map.tif", "map.tif.aux.xml", "map.toml", "map_prob.tif"] and len(disk.cuts) > SAMPLED
    for cut in sample(disk):
        cut.restore(disk.root)
        assert made() == full, cut.moment


def test_a_map_that_was_said_to_be_made_is_there(run, tmp_path, disk):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(150, 137))
    with disk.recording():
        inference.map_region(run, input=scene, out=disk.root / "map.tif", progress=False)
        disk.promise("made")
    for cut in (cut for cut in disk.cuts if cut.promised):
        cut.restore(disk.root)
        report = inference.map_region(run, input=scene, out=disk.root / "map.tif", progress=False)
        assert report.already_there, cut.moment


@pytest.mark.usefixtures("reconnected")
def test_a_map_is_published_the_same_after_a_power_cut(tmp_path, disk, finished_map, random_map, monkeypatch):
    """The bucket, the operation and the asset lie in one home, which the cut hits as a whole."""
    path = finished_map(random_map)
    monkeypatch.setenv("ISAMAP_HOME", str(disk.root))

    def published(home: Path) -> np.ndarray:
        with engine_of(home):
            inference.publish(path, asset=ASSET, progress=False)
            grid = GeoBox(random_map.shape[1:], WUHAN, "EPSG:32650")
            raster = pixels.fetch(ee.Image(ASSET), grid, ["isa", "prob"])
            return np.where(raster.valid_BHW, raster.values_BHW, 255)

    with disk.recording():
        np.testing.assert_array_equal(published(disk.root), random_map)
    for cut in sample(disk):
        cut.restore(disk.root)
        np.testing.assert_array_equal(published(disk.root), random_map, cut.moment)
