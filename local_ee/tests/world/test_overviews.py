"""Coarse views of the simulated ground: a sample of its tiles with the ground's statistics, the same in any window."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.evaluation.sources import image_of
from local_ee.world import clouds, overview
from local_ee.world.fractions import CellCache
from local_ee.world.ground import GroundReflectance
from local_ee.world.labels import GROUPS, WORLDCOVER_2021, Products
from local_ee.world.lattice import Cut, pooled
from local_ee.world.optical import Overpass
from local_ee.world.passes import day_of
from local_ee.world.spectra import BANDS

SIDE, RED = overview.SIDE, BANDS.index("B4")
TILE_COL, TILE_ROW = 185, -2646  # of zone 50N, within Wuhan


def place(col: int, row: int) -> np.ndarray:
    """A tile whose pixels say where it lies."""
    out = np.empty((2, SIDE, SIDE), np.float32)
    out[0], out[1] = col, row
    return out


@pytest.mark.parametrize("step_m", [160, 320, 640, 240, 960])
def test_a_block_shows_the_tile_under_its_centre(step_m):
    shown = overview.sampled(Cut(32650, 5 * SIDE, -3 * SIDE, SIDE, 2 * SIDE, step_m), 2, place)
    for block, columns in ((-3, slice(0, SIDE)), (-2, slice(SIDE, 2 * SIDE))):
        assert np.all(shown[0, :, columns] == np.floor((block + 0.5) * SIDE * step_m / 1280))
        assert np.all(shown[1, :, columns] == np.floor(5.5 * SIDE * step_m / 1280))


def test_a_part_of_a_window_is_that_of_the_whole():
    def tile(col: int, row: int) -> np.ndarray:
        return np.arange(SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE) + 1000 * (col + 7 * row)

    whole = overview.sampled(Cut(32650, -21, 3, 50, 61, 320), 1, tile)
    part = overview.sampled(Cut(32650, -21 + 13, 3 + 18, 20, 31, 320), 1, tile)
    np.testing.assert_array_equal(part, whole[:, 13:33, 18:49])


@pytest.mark.parametrize("step_m", [10, 20, 160, 320])
def test_a_cut_covers_coarser_pixels_by_their_centres(step_m):
    """Bad data along a scene's edges is not all of a coarse view of it."""
    scene, coarse = Cut(32650, 640, -1280, 960, 960), Cut(32650, 6400 // step_m, -12800 // step_m, 20, 20, step_m)
    assert scene.covers(coarse).all()
    beyond = Cut(32650, 16_000 // step_m - 1, -12800 // step_m, 2, 1, step_m)
    assert scene.covers(beyond).ravel().tolist() == [True, False]


def test_pooled_pixels_are_means():
    assert pooled(np.arange(16, dtype=np.float32).reshape(4, 4), 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_a_tile_of_a_view_has_the_statistics_of_its_ground():
    """Against every native pixel of four tiles of Hankou; shadows come over a tile's edge from other buildings."""
    ground = GroundReflectance(CellCache())
    tiles = [(TILE_COL + k % 2, TILE_ROW + k // 2) for k in range(4)]
    views = [ground._pooled(32650, *tile, 2020, 6, RED) for tile in tiles]
    native = [ground._band(32650, *tile, 2020, 6, RED) for tile in tiles]
    means = [pooled(band, overview.FACTOR) for band in native]
    for view, mean in zip(views, means, strict=True):
        assert view.mean() == pytest.approx(mean.mean(), rel=0.005)
        assert view.std() == pytest.approx(mean.std(), rel=0.03)


def test_a_tile_of_classes_has_the_areas_of_its_ground():
    """Every other pixel, against every native pixel of the product: at most 2 % of a tile change their group."""
    products = Products(CellCache())
    for tile in ((TILE_COL, TILE_ROW), (TILE_COL + 9, TILE_ROW - 7)):
        view = products._make_alone(32650, *tile, 2021, WORLDCOVER_2021)
        native = products._make(32650, *tile, 2021, WORLDCOVER_2021)
        shares = [np.bincount(each.ravel(), minlength=GROUPS) / each.size for each in (view, native)]
        assert np.abs(shares[0] - shares[1]).max() < 0.02


@pytest.fixture(scope="module")
def radar_block(radar):
    """VV of a pass within a block of a view at 80 m, and of every native pixel of the world tile that it shows."""
    scene, across, down = radar[0], (TILE_COL - 2) // 4, (TILE_ROW - 2) // 4
    grid = next(band.grid for band in scene.bands if band.name == "VV")
    view = GeoBox((SIDE, SIDE), Affine(80, 0, across * SIDE * 80, 0, -80, -down * SIDE * 80), grid.crs)
    left, top = (4 * across + 2) * 1280, -(4 * down + 2) * 1280
    native = GeoBox((128, 128), Affine(10, 0, left, 0, -10, top), grid.crs)
    return scene, view, native


def test_a_view_of_power_has_the_mean_of_its_pixels(radar_block):
    scene, view, native = radar_block
    coarse, fine = (scene.read(("VV",), window)[0].mean() for window in (view, native))
    assert coarse == pytest.approx(fine, rel=0.05)


def test_a_view_of_decibels_has_their_mean_not_that_of_power(world, radar_block):
    """Earth Engine averages what is stored: speckle lowers the mean of decibels by about half a decibel."""
    scene, view, native = radar_block
    decibels = world.image(scene.id.replace("S1_GRD_FLOAT", "S1_GRD"))
    coarse, fine = (decibels.read(("VV",), window)[0].mean() for window in (view, native))
    assert coarse == pytest.approx(fine, abs=0.2)


def test_a_request_of_100_m_is_made_of_native_pixels(world):
    """Views of a sample begin at OVERVIEW_M, of the request's pixels."""
    image = world.image("ESA/WorldCover/v200/2021")
    sizes = []

    def read(names, window):
        sizes.append(round(window.affine.a * 12000))
        return image.read(names, window)

    for step in (100, 130):
        grid = GeoBox((2, 2), Affine(step, 0, 236_800, 0, -step, 3_386_880), "EPSG:32650")
        image_of(replace(image, read=read)).read(grid)
    assert sizes == [1, 8]


def test_a_scene_at_320_m_shows_the_sampled_tiles_under_its_clouds(optical):
    """Light and noise of the overpass are linear: a clear view follows its ground."""
    scene = optical[0]
    grid = next(band.grid for band in scene.bands if band.name == "B4")
    window = GeoBox((SIDE, SIDE), grid.affine * Affine.scale(32) * Affine.translation(64, 64), grid.crs)
    values, masks = scene.read(("B4",), window)
    cut = Cut.of(window)
    ground = GroundReflectance(CellCache()).overview(cut, 2020, 6, ["B4"])[0]
    opacity, shadow = clouds.at_centres(
        cut, Overpass(day_of(scene.properties["system:time_start"]), scene.properties["SENSING_ORBIT_NUMBER"]).sky
    )
    clear = (opacity == 0) & (shadow == 0)
    assert masks.all() and values.shape == (1, SIDE, SIDE)
    if clear.sum() > 30:
        assert np.corrcoef(values[0][clear], ground[clear])[0, 1] > 0.99
    else:
        assert values[0][opacity > 0.9].min() > 2000


def test_the_centres_clouds_are_those_of_native_pixels():
    sky = clouds.sky_of(date(2020, 6, 1), 75)
    coarse = Cut(32650, -20_700, 1500, 8, 8, 160)
    fine = clouds.over(Cut(32650, -20_700 * 16, 1500 * 16, 128, 128), sky)
    for view, native in zip(clouds.at_centres(coarse, sky), fine, strict=True):
        assert np.abs(view - native[8::16, 8::16]).max() < 0.1
