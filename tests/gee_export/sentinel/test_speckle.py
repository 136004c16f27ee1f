"""Speckle filters against numpy, against what Gamma speckle must become, and against what every filter promises."""

from __future__ import annotations

import json
import re

import ee
import numpy as np
import pytest
from affine import Affine
from local_ee.catalog.folder import FolderCatalog, write_image
from local_ee.testing.evaluating import info, value
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from isamap.gee_export.sentinel import speckle
from isamap.gee_export.sentinel.speckle import SPECKLE
from tests.support import radar

pytestmark = pytest.mark.usefixtures("session")

SIDE = 300
STEP_PX = 120
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 300_000, 0, -10, 3_400_000), "EPSG:32650")
SMALL = np.s_[40:110, 20:100]
BANDS = {"VV": 0.12, "VH": 0.02}
BRIGHT = {"VV": 0.35, "VH": 0.06}
LOOKS = 5


def _speckled(ground: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (ground * rng.gamma(LOOKS, 1 / LOOKS, ground.shape)).astype(np.float32)


def _town(level: float, seed: int) -> np.ndarray:
    """Texture, an edge, a row of targets, and holes."""
    rng = np.random.default_rng(seed)
    ground = level * np.exp(gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4) * 6)
    ground[:, 60:] *= 4
    ground[70:75, 30:36] = 40 * level
    power = np.ma.masked_array(_speckled(ground, seed), rng.random(ground.shape) < 0.02)
    power[90:100, 40:60] = np.ma.masked
    power[95, 50] = level  # a pixel with no neighbour but the far
    return power


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """level: speckle of 5 looks on even ground; town: everything at once; step, fall: 0.01 beside 1."""
    folder = tmp_path_factory.mktemp("speckle")
    level = {name: _speckled(np.full((SIDE, SIDE), mean), 1 + i) for i, (name, mean) in enumerate(BANDS.items())}
    town = {name: _town(mean, 11 + i) for i, (name, mean) in enumerate(BANDS.items())}
    step = np.where(np.arange(SIDE) < STEP_PX, 0.01, 1)[None, :].repeat(SIDE, axis=0)
    step, fall = ({name: _speckled(ground, 21) for name in BANDS} for ground in (step, 1.01 - step))
    images = {"level": level, "town": town, "step": step, "fall": fall}
    for index, bands in images.items():
        properties = {"system:time_start": 0} | {f"bright_{name}": at for name, at in BRIGHT.items()}
        write_image(folder, f"C/{index}", bands, GRID, properties=properties, nodata=-1)
    return FolderCatalog(folder), images


def filtered(catalog, name, index="town", kernel_px=7, *, scale=1.0, grid=GRID):
    image = ee.Image(f"C/{index}")
    power = image.select(list(BANDS)).multiply(scale).copyProperties(image)
    for band, at in BRIGHT.items():
        power = power.set(f"bright_{band}", at * scale)
    read = value(SPECKLE[name].apply(ee.Image(power), kernel_px), catalog).read(grid)
    return [np.where(mask != 0, values, np.nan) for values, mask in zip(read.values, read.masks, strict=True)]


@pytest.mark.long
@pytest.mark.parametrize("kernel_px", [5, 7])
@pytest.mark.parametrize("name", SPECKLE)
def test_every_filter_equals_numpy_pixel_by_pixel(scenes, name, kernel_px):
    """docs/reference/earth-engine.md, "Sentinel-1 equations", equations 2 to 6; beside edges, targets, holes and the
    image's end.
    """
    if not SPECKLE[name].least_px <= kernel_px <= SPECKLE[name].most_px:
        pytest.skip("a filter of one window")
    catalog, powers = scenes
    inside = np.s_[30:110, 0:110]
    actual = filtered(catalog, name, kernel_px=kernel_px, grid=GRID[:120, :120])
    for band, pixels in zip(BANDS, actual, strict=True):
        power = np.ma.filled(powers["town"][band].astype(float), np.nan)
        expected = radar.filtered(name, power[:120, :120], kernel_px, BRIGHT[band])[inside]
        np.testing.assert_allclose(pixels[inside], expected, rtol=2e-4)


@pytest.mark.parametrize("name", SPECKLE)
def test_the_mask_and_the_names_stay(scenes, name):
    catalog, powers = scenes
    image = SPECKLE[name].apply(ee.Image("C/town").select(list(BANDS)), 7)
    assert info(image.bandNames(), catalog) == list(BANDS)
    for band, pixels in zip(BANDS, filtered(catalog, name), strict=True):
        np.testing.assert_array_equal(np.isnan(pixels), np.ma.getmaskarray(powers["town"][band]))


@pytest.mark.parametrize("name", SPECKLE)
def test_no_pixel_depends_on_the_window_asked_for(scenes, name):
    """docs/reference/performance.md, "P3": blocks of an export meet without a seam."""
    catalog, _ = scenes
    full = filtered(catalog, name, grid=GRID[:130, :130])
    for pixels, all_pixels in zip(filtered(catalog, name, grid=GRID[SMALL]), full, strict=True):
        np.testing.assert_array_equal(pixels, all_pixels[SMALL])


@pytest.mark.parametrize("name", SPECKLE)
def test_filters_know_no_unit_but_the_one_kept_for_comparison(scenes, name):
    """Thirty-two times the power must come out thirty-two times; gee_s1_ard's bracket adds power to a bare number."""
    catalog, _ = scenes
    grid = GRID[:120, :120]
    single, second = filtered(catalog, name, grid=grid)[0], filtered(catalog, name, scale=32, grid=grid)[0] / 32
    alike = np.nanmax(np.abs(second / single - 1))
    assert alike > 0.05 if name == "gamma_map_gee_s1_ard" else alike < 1e-3


# The least and the most looks after 7 x 7 on five-look speckle. Boxcar: 49 independent pixels, 245. The others keep
# some grain where chance looks like texture. The mean stays within 1 %, but for Gamma MAP, whose estimate is the
# likeliest power, not the mean one: numpy alone says 1.1 % too low at five looks.
GAINED = {
    "none": (4.8, 5.2),
    "boxcar": (220, 270),
    "lee": (90, 245),
    "lee_sigma": (60, 245),
    "refined_lee": (20, 140),
    "gamma_map": (60, 245),
}


@pytest.mark.parametrize("name", GAINED)
def test_the_mean_stays_and_looks_are_gained_on_even_ground(scenes, name):
    """Stationary Gamma speckle: the mean within 1 %, equivalent looks mean2 / variance in the range of the filter."""
    catalog, powers = scenes
    for band, pixels in zip(BANDS, filtered(catalog, name, "level"), strict=True):
        inner = pixels[10:-10, 10:-10].astype(float)
        rel = 0.015 if name == "gamma_map" else 0.01
        assert inner.mean() == pytest.approx(powers["level"][band].mean(dtype=float), rel=rel)
        least, most = GAINED[name]
        assert least < inner.mean() ** 2 / inner.var() < most


def drawn(expression):
    """VV of ground given by column and row of the grid."""
    lonlat = ee.Image.pixelCoordinates("EPSG:32650")
    col, row = lonlat.select("x").subtract(300_000).divide(10).floor(), lonlat.select("y").subtract(3_400_000)
    return expression(col, row.divide(-10).floor()).toFloat().rename("VV").set("bright_VV", 1)


@pytest.mark.parametrize("index", ["step", "fall"])
def test_refined_lee_smooths_along_a_step_that_boxcar_blurs(scenes, index):
    """In the two columns beside a step of a hundredfold, whichever side is brighter (Lemoine's signs serve one)."""
    dark, bright = (STEP_PX - 1, STEP_PX) if index == "step" else (STEP_PX, STEP_PX - 1)
    refined, blurred = (filtered(scenes[0], name, index)[0][10:-10].astype(float) for name in ("refined_lee", "boxcar"))
    assert refined[:, dark].mean() < 0.05 and blurred[:, dark].mean() > 0.4
    assert refined[:, bright].mean() == pytest.approx(1, rel=0.15) and blurred[:, bright].mean() < 0.6
    assert refined[:, bright].mean() ** 2 / refined[:, bright].var() > 1.6 * LOOKS


def test_targets_stay_in_lee_sigma_and_smaller_groups_do_not(scenes):
    """Lee et al. 2009: at least seven of 3 x 3 are a target; gee_s1_ard counts distinct values, never over two."""

    def ground(col, row):
        target = col.gte(10).And(col.lt(13)).And(row.gte(10)).And(row.lt(13))
        group = col.gte(20).And(col.lt(22)).And(row.gte(10)).And(row.lt(13))
        return target.Or(group).multiply(col.add(row).mod(3).add(4)).add(0.1)

    image = drawn(ground)
    before, after = (
        value(each, scenes[0]).read(GRID[:30, :30]).values[0] for each in (image, SPECKLE["lee_sigma"].apply(image, 7))
    )
    assert after[11, 11] == before[11, 11]
    assert (np.abs(after - before)[10:13, 20:22] > 0.05).any()


@pytest.mark.parametrize(
    ("name", "kernel_px", "words"),
    [
        ("frost", 7, "expected one of none, boxcar, lee, lee_sigma, refined_lee, gamma_map, gamma_map_gee_s1_ard"),
        ("lee", 4, "odd number"),
        ("lee", 1, "odd number"),
        ("lee", 33, "3 to 31 for lee"),
        ("lee_sigma", 17, "3 to 15 for lee_sigma"),
        ("refined_lee", 5, "refined_lee is made for 7 and no other"),
    ],
)
def test_windows_that_a_filter_cannot_have_are_refused(name, kernel_px, words):
    with pytest.raises(ValueError, match=words):
        speckle.check(name, kernel_px)


def test_neighbours_of_lee_sigma_are_read_in_one_pass():
    """A window of reduceNeighborhood for each neighbour would read 224 windows of 15 x 15 (finding 13)."""
    graph = ee.serializer.encode(SPECKLE["lee_sigma"].apply(ee.Image("C/x"), 15), for_cloud_api=True)
    called = re.findall(r'"functionName": "([\w.]+)"', json.dumps(graph))
    assert called.count("Image.neighborhoodToBands") >= 1
    assert called.count("Image.reduceNeighborhood") <= 3  # of the filter's own statistics


@pytest.mark.parametrize("name", SPECKLE)
def test_graphs_stay_small(name):
    """Earth Engine takes 10 MB a request: a filter may be mapped over scenes, and is written once."""
    image = SPECKLE[name].apply(ee.Image("C/x"), SPECKLE[name].most_px)
    assert len(json.dumps(ee.serializer.encode(image, for_cloud_api=True))) < 800_000
