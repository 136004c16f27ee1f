"""Sentinel-2 sampled from the 1-m ground: its response, the phase of each overpass, and what several dates know."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from local_ee.catalogs import SUBPIXEL, open_catalog
from local_ee.world.fine import Canvases
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.lattice import Cut
from local_ee.world.optical import Camera, Overpass
from local_ee.world.subpixel import CELL_M, SubpixelCamera, SubpixelGround, phase_of, response, sampled

TOWN = Cut(32650, -338_640, 23_704, 40, 48)
DATES = [Overpass(date(2021, 7, day), 32) for day in range(1, 29, 4)]


@pytest.fixture(scope="module")
def cameras():
    """The plain camera and the one of sub-pixels, over the same ground."""
    cells = CellCache()
    plain = Camera(cells, GroundReflectance(cells))
    return plain, SubpixelCamera(plain, SubpixelGround(Canvases()))


def view(camera: Camera, overpass: Overpass, cut: Cut = TOWN, band: str = "B4") -> np.ndarray:
    """A band without clouds."""
    clear = np.zeros((cut.height, cut.width), np.float32)
    return camera.reflectance(band, cut, overpass, (clear, clear, clear)).astype(float)


@pytest.mark.parametrize("phase", [-0.4, 0.0, 0.3])
def test_the_response_looks_where_the_shift_points(phase):
    """Its weights add to 1, and their centre of mass lies the shift before the pixel's middle."""
    weights = response(0.25, phase, 0.52, 5)
    at = (np.arange(weights.size) - (weights.size - 1) / 2) / 5
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights @ at == pytest.approx(-0.25, abs=0.01)


def test_the_response_passes_the_instruments_contrast():
    """MTF at Nyquist .26 of B2 (local_ee/docs/world.md, "Sentinel-2 sensor") where the samples lie on the pixels."""
    weights = response(0.0, 0.0, 0.52, 5)
    at = (np.arange(weights.size) - (weights.size - 1) / 2) / 5
    assert weights @ np.cos(np.pi * at) == pytest.approx(0.26, abs=0.02)


def test_sampling_is_the_sum_over_cells():
    rng = np.random.default_rng(0)
    base, taps = rng.random((60, 75)).astype(np.float32), rng.random(25).astype(np.float32)
    found = sampled(base, taps, taps, 5)
    assert found.shape == (8, 11)
    assert found[3, 4] == pytest.approx(float(taps @ base[15:40, 20:45] @ taps), rel=1e-4)


def test_any_cut_gives_the_same_pixels(cameras):
    whole = view(cameras[1], DATES[0])
    part = Cut(TOWN.epsg, TOWN.row + 7, TOWN.col + 30, 20, 15)
    np.testing.assert_array_equal(view(cameras[1], DATES[0], part), whole[7:27, 30:45])


def test_both_cameras_see_the_same_town(cameras):
    """Same ground, same shift: in means of 4 x 4 pixels, where texture cancels, they agree."""
    plain, fine = (view(camera, DATES[0]).reshape(10, 4, 12, 4).mean(axis=(1, 3)) for camera in cameras)
    assert fine.mean() == pytest.approx(plain.mean(), rel=0.06)
    assert np.corrcoef(plain.ravel(), fine.ravel())[0, 1] > 0.75


def test_overpasses_differ_in_phase():
    assert len({phase_of(overpass) for overpass in DATES}) == len(DATES)


def residual(target: np.ndarray, pictures: list[np.ndarray]) -> float:
    """Share of a picture's variance on held-out columns that a linear filter of 3 x 3 pixels of pictures leaves."""
    rows, cols = target.shape
    near = [
        p[1 + dy : rows - 1 + dy, 1 + dx : cols - 1 + dx] for p in pictures for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ]
    x, y = np.stack([*near, np.ones_like(near[0])], -1), target[1:-1, 1:-1]
    half = x.shape[1] // 2
    weights = np.linalg.lstsq(x[:, :half].reshape(-1, x.shape[-1]), y[:, :half].ravel(), rcond=None)[0]
    return float(np.var(y[:, half:] - x[:, half:] @ weights) / np.var(y[:, half:]))


def test_dates_tell_more_than_one_only_where_each_samples_for_itself(cameras):
    """The eastern half of each pixel (its contrast with the western) is estimated from one date and from seven: the
    plain world's further dates hold the same numbers, those of the sub-pixel world do not."""
    cut = Cut(TOWN.epsg, TOWN.row, TOWN.col, 110, 120)
    cells = 10 // CELL_M
    fine = cameras[1].fine.band(
        Cut(cut.epsg, cut.row * cells, cut.col * cells, 110 * cells, 120 * cells, CELL_M), 2021, 7, "B4"
    )
    halves = fine.reshape(110, cells, 120, cells).mean(axis=1)
    contrast = halves[:, :, 3:].mean(axis=2) - halves[:, :, :2].mean(axis=2)
    gains = []
    for camera in cameras:
        pictures = [view(camera, overpass, cut) for overpass in DATES]
        gains.append(residual(contrast, pictures[:1]) - residual(contrast, pictures))
    assert gains[1] > 0.05 and gains[1] > 2 * gains[0]


def test_the_catalog_has_a_name_of_its_own():
    camera = open_catalog(SUBPIXEL)._collections["COPERNICUS/S2_SR_HARMONIZED"].camera
    assert isinstance(camera, SubpixelCamera)
    assert not isinstance(open_catalog("world")._collections["COPERNICUS/S2_SR_HARMONIZED"].camera, SubpixelCamera)
