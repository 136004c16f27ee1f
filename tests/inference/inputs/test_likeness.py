"""What is told of foreign images before they are mapped: offset, level, values unlike the training; real scenes too."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Raster
from isamap.inference.inputs.likeness import likeness_warnings
from isamap.inference.mapping.map import map_region
from isamap.training.checkpoints.checkpoint import BandNorm
from tests.inference.conftest import stored_scene, write_tif
from tests.support.shared_data import SHARED

OPTICAL = ("B2", "B3", "B4", "B8")
BANDS = tuple(
    BandNorm(name, "reflectance", mean, 0.06) for name, mean in zip(OPTICAL, (0.06, 0.08, 0.08, 0.25), strict=True)
)


def trained(*levels: str) -> Any:
    return SimpleNamespace(bands=BANDS, level=levels[0] if levels else None, learned_levels=levels)


GROUND, TOP = trained("L2A"), trained("L1C")
BOTH = trained("L2A", "L1C")


def scene(lows=(0.01, 0.02, 0.015, 0.02), middles=(0.06, 0.08, 0.08, 0.25), *, side: int = 40, seed: int = 0) -> Raster:
    """Bands whose pixels lie between a darkest value and as much beyond their median."""
    rng = np.random.default_rng(seed)
    pairs = zip(lows, middles, strict=True)
    values = np.stack([rng.uniform(low, 2 * middle - low, (side, side)) for low, middle in pairs]).astype(np.float32)
    geobox = GeoBox((side, side), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
    return Raster(geobox, OPTICAL, values, np.ones(values.shape, bool))


def test_nothing_is_told_of_an_image_like_the_training():
    assert likeness_warnings([scene(seed=seed) for seed in range(9)], GROUND) == []


def test_an_offset_that_was_not_subtracted_is_told_alone():
    moved = scene((0.11, 0.12, 0.115, 0.12), (0.16, 0.18, 0.18, 0.35))
    (sentence,) = likeness_warnings([moved] * 9, GROUND)
    assert "1000 was not subtracted" in sentence and "-offset -0.1" in sentence


def test_an_offset_that_was_subtracted_twice_is_told_alone():
    moved = scene((-0.09, -0.08, -0.085, -0.08), (-0.04, -0.02, -0.02, 0.15))
    (sentence,) = likeness_warnings([moved] * 9, GROUND)
    assert "subtracted twice" in sentence and "-offset 0" in sentence


def test_a_little_noise_below_0_is_no_offset():
    """Two of a hundred pixels over water."""
    noisy = scene()
    noisy.values_BHW[3].flat[:32] = -0.005
    assert not any("twice" in text for text in likeness_warnings([noisy] * 9, GROUND))


def test_a_few_bright_windows_are_no_offset():
    bright = scene((0.11, 0.12, 0.115, 0.12), (0.12, 0.13, 0.13, 0.3))
    assert not any("1000" in text for text in likeness_warnings([bright] * 4 + [scene()] * 5, GROUND))


@pytest.mark.parametrize(("network", "told"), [(GROUND, True), (TOP, False), (BOTH, False), (trained(), False)])
def test_haze_is_told_to_a_network_of_ground_reflectance(network, told):
    hazy = scene((0.085, 0.06, 0.037, 0.03), (0.12, 0.11, 0.10, 0.22))
    sentences = likeness_warnings([hazy] * 9, network)
    assert any("looks like the top of the atmosphere (L1C)" in text for text in sentences) is told


def test_clear_ground_is_told_to_a_network_of_the_top_of_the_atmosphere():
    (sentence,) = likeness_warnings([scene()] * 9, TOP)
    assert "without atmosphere (L2A), but the network was trained on L1C" in sentence


def test_values_far_from_the_training_are_told_by_band():
    (sentence,) = likeness_warnings([scene(middles=(0.06, 0.08, 0.08, 0.6))] * 9, GROUND)
    assert "B8 0.59" in sentence and "B2" not in sentence and "fine-tune" in sentence


def real(name: str) -> list[Raster]:
    """A real scene as one window."""
    path = SHARED / name
    if not path.exists():
        pytest.skip("../shared/data is absent")
    with rasterio.open(path) as file:
        values = file.read().astype(np.float32)
    order = {"leipzig": (0, 1, 2, 5), "terramind": (1, 2, 3, 7)}[name.split("/")[0]]
    divided = values[list(order)] / 1e4
    geobox = GeoBox(divided.shape[1:], Affine(10, 0, 0, 0, -10, 0), "EPSG:32650")
    return [Raster(geobox, OPTICAL, divided, np.isfinite(divided) & (divided > 0))]


def test_the_real_leipzig_is_told_to_be_of_the_top_of_the_atmosphere():
    samples = real("leipzig/leipzig_raster.tif")
    assert any("(L1C)" in text for text in likeness_warnings(samples, GROUND))
    assert not any("L2A" in text for text in likeness_warnings(samples, TOP))


def test_the_real_patch_with_its_offset_is_told():
    samples = real("terramind/S2L2A/433D_629L_3_1.tif")
    assert any("1000 was not subtracted" in text for text in likeness_warnings(samples, GROUND))


@pytest.mark.parametrize("name", ["282D_485L_3_3", "38D_378R_2_3", "637U_59R_1_3"])
def test_real_patches_without_an_offset_are_not_told_one(name):
    samples = real(f"terramind/S2L2A/{name}.tif")
    sentences = likeness_warnings(samples, GROUND)
    assert not any("1000" in text or "L1C" in text for text in sentences)


def test_the_map_of_an_image_with_the_offset_says_so(run, tmp_path):
    stored = np.full((6, 80, 80), 2000, np.int16)
    stored[:4] += np.random.default_rng(0).integers(-800, 800, (4, 80, 80)).astype(np.int16)
    stored[4:] = -1200
    report = map_region(run, input=write_tif(tmp_path / "a.tif", stored), out=tmp_path / "map.tif", progress=False)
    assert "1000 was not subtracted" in str(report)


def test_the_map_of_an_image_of_another_level_is_refused(make_checkpoint, tmp_path):
    image = write_tif(tmp_path / "a.tif", stored_scene(20, 20), tags={"level": "L1C"})
    with pytest.raises(ValueError, match=r"a.tif holds Sentinel-2 L1C by its tags, .* trained on L2A: give L2A"):
        map_region(make_checkpoint(composite={"level": "l2a"}), input=image, out=tmp_path / "map.tif")


def test_complex_numbers_are_refused(run, tmp_path):
    values = np.full((6, 32, 32), 0.1 + 0.1j, np.complex64)
    path = write_tif(tmp_path / "a.tif", values, scales=None, nodata=None)
    with pytest.raises(ValueError, match="band B2 holds complex numbers"):
        map_region(run, input=path, out=tmp_path / "map.tif", progress=False)


def test_control_points_are_named_with_the_remedy(run, tmp_path):
    path = write_tif(tmp_path / "a.tif", np.zeros((6, 32, 32), np.int16))
    corners = ((0, 0, 0, 32), (0, 32, 32, 32), (32, 0, 0, 0), (32, 32, 32, 0))
    points = [rasterio.control.GroundControlPoint(row, col, x, y) for row, col, x, y in corners]
    with rasterio.open(path, "r+") as file:
        file.gcps = (points, rasterio.crs.CRS.from_epsg(32650))
    with pytest.raises(ValueError, match=r"4 control points instead of a grid.*gdalwarp"):
        map_region(run, input=path, out=tmp_path / "map.tif", progress=False)
