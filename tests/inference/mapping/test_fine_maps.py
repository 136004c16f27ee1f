"""Maps at 1 m from 10-m images: ten output pixels per input pixel, the same however the work is cut."""

from __future__ import annotations

import os
import tracemalloc
import uuid

import ee
import numpy as np
import pytest
import rasterio
import torch
from odc.geo.geobox import GeoBox

from isamap import inference
from isamap.gee_export.requests import pixels
from isamap.inference.cutting.cut import WindowGrid
from isamap.inference.cutting.lattice import Lattice
from isamap.inference.mapping import blend, job, predict
from isamap.inference.mapping.predict import Predictor
from isamap.training.checkpoints.checkpoint import load, normalise
from isamap.training.runtimes.probabilities import probabilities_of
from tests.inference.conftest import LEGEND, WUHAN, Constant, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401

FINE = ("jointseg", "bilinear_unet")


@pytest.fixture(scope="module")
def fine(make_checkpoint):
    """Small networks that give ten output pixels per input pixel, with windows of 16 px."""
    return {name: make_checkpoint(name, window=16, lattice=12) for name in FINE}


@pytest.fixture
def small_scene(tmp_path):
    return write_tif(tmp_path / "scene.tif", stored_scene(45, 38))


def mapped(run, scene, out, **how) -> np.ndarray:
    inference.map_region(run, input=scene, out=out, progress=False, **how)
    return read_map(out)


@pytest.mark.parametrize("name", FINE)
def test_the_grid_is_exactly_ten_times_finer(fine, small_scene, tmp_path, name):
    """docs/reference/formats.md, "Map": same ground, one 10th of the step; a pixel without input is 100 pixels without
    output.
    """
    report = inference.map_region(fine[name], input=small_scene, out=tmp_path / "map.tif", progress=False)
    with rasterio.open(tmp_path / "map.tif") as mapped, rasterio.open(small_scene) as source:
        assert (
            mapped.transform == WUHAN * WUHAN.scale(0.1)
            and mapped.shape == (450, 380)
            and mapped.bounds == source.bounds
        )
        values, missing = read_map(tmp_path / "map.tif"), (source.read() == -32768).any(axis=0)
        assert mapped.overviews(1) == [] and mapped.profile["tiled"]
    np.testing.assert_array_equal((values == 255).all(axis=0), missing.repeat(10, 0).repeat(10, 1))
    assert missing.any() and report.step_m == pytest.approx(1, rel=1e-3) and report.shape == (450, 380)


@pytest.mark.long
def test_file_blocks_workers_and_slabs_never_change_a_pixel(fine, small_scene, tmp_path, monkeypatch):
    """docs/reference/performance.md, "P3"."""
    raster = mapped(fine["jointseg"], small_scene, tmp_path / "a.tif", workers=1)
    monkeypatch.setattr(blend, "SLAB_PX", 380 * 30)
    second = write_tif(tmp_path / "other.tif", stored_scene(45, 38), blockxsize=16, blockysize=16)
    np.testing.assert_array_equal(mapped(fine["jointseg"], second, tmp_path / "b.tif", workers=3), raster)


@pytest.mark.long
def test_an_interrupted_map_goes_on_in_the_middle_of_an_input_row(fine, small_scene, tmp_path, cut_short):
    """Of 450 rows 237 and a half are there: 23 input rows are whole."""
    raster = mapped(fine["jointseg"], small_scene, tmp_path / "a.tif")
    cut_short(mapped, fine["jointseg"], small_scene, tmp_path / "b.tif")
    os.truncate(tmp_path / "b.tif.run" / job.ROWS, 237 * 2 * 380 + 99)
    report = inference.map_region(fine["jointseg"], input=small_scene, out=tmp_path / "b.tif", progress=False)
    assert report.resumed_rows == 23
    np.testing.assert_array_equal(read_map(tmp_path / "b.tif"), raster)


def starts(offset: int, length: int) -> list[int]:
    """Where windows begin: on multiples of 12 from the origin, from the last that covers the first pixel."""
    begins = [at for at in range(-11, length) if (at + offset) % 12 == 0]
    return [at for at in begins if at - 12 + 16 < length or at == begins[0]]


def test_the_map_is_the_blend_of_the_networks_windows(fine, small_scene, tmp_path):
    """Windows of 16 px every 12 from the CRS's origin, each through the network alone, weighted by Hann's window."""
    trained = load(fine["jointseg"])
    network, values = trained.build(), mapped(fine["jointseg"], small_scene, tmp_path / "map.tif")
    stored = stored_scene(45, 38).astype(np.float32)
    valid = stored != -32768
    scales = np.array([1e-4] * 4 + [1e-2] * 2, np.float32)[:, None, None]
    padded = np.pad(normalise(np.where(valid, stored * scales, 0), valid, trained.bands), ((0, 0), (32, 32), (32, 32)))
    line = np.sin(np.pi * (np.arange(160) + 0.5) / 160) ** 2
    total, weight = np.zeros((1090, 1020)), np.zeros((1090, 1020))
    for top in starts(-round(WUHAN.f / 10), 45):
        for left in starts(round(WUHAN.c / 10), 38):
            tile = torch.from_numpy(padded[None, :, top + 32 : top + 48, left + 32 : left + 48].copy())
            with torch.no_grad():
                chance = network(tile).logits_BKHW.softmax(1)[0, 1].numpy()
            location = slice(10 * (top + 32), 10 * (top + 48)), slice(10 * (left + 32), 10 * (left + 48))
            total[location] += chance * np.outer(line, line)
            weight[location] += np.outer(line, line)
    expected = (total / np.maximum(weight, 1e-30))[320:770, 320:700]
    is_known = values[1] != 255
    assert len(np.unique(values[1][is_known])) > 3
    assert np.abs(values[1][is_known] - 254 * expected[is_known]).max() < 0.51


def test_memory_does_not_grow_with_the_height():
    """docs/reference/performance.md, "P2": rows are let go as they are finished; numpy tells tracemalloc
    what it takes.
    """
    predictor = Predictor(probabilities_of(Constant(0.3, 10)), 6, 10, LEGEND)

    def read(window):
        return np.zeros((6, window.height, window.width), np.float32), np.ones((window.height, window.width), bool)

    def peak_bytes(height: int) -> int:
        tracemalloc.start()
        for _ in predict.predict(predictor, read, WindowGrid(height, 60, Lattice(16, 12)), workers=1):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(60)
    assert peak_bytes(600) < 1.1 * peak_bytes(60)


def test_a_published_map_keeps_its_metres(session, home, finished_map, random_map):
    """The asset's own grid is the map's, pixels of 1 m."""
    name = f"projects/local/assets/tests/fine/{uuid.uuid4().hex[:12]}"
    transform = WUHAN * WUHAN.scale(0.1)
    inference.publish(finished_map(random_map, transform=transform), asset=name, progress=False)
    grid = ee.data.getAsset(name)["bands"][0]["grid"]["affineTransform"]
    assert (grid["scaleX"], grid["scaleY"]) == (1, -1)
    raster = pixels.fetch(ee.Image(name), GeoBox(random_map.shape[1:], transform, "EPSG:32650"), ["isa", "prob"])
    np.testing.assert_array_equal(np.where(raster.valid_BHW, raster.values_BHW, 255), random_map)
