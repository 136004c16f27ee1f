"""Grids and types of simulated assets as Google prints them (findings of other projects' suites, 2026-11-24)."""

from __future__ import annotations

import math

import ee
import numpy as np
import pytest
from affine import Affine

from local_ee.evaluation.sources import image_of
from local_ee.raster.projection import Projection
from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")


def test_landsats_panchromatic_band_has_pixels_of_15_m(world):
    """G prints 15 for B8; its centres of every second pixel are those of the 30-m bands (USGS product guide)."""
    listed = world.images("LANDSAT/LC08/C02/T1_TOA", 1_559_347_200_000, 1_561_939_200_000, (114, 30, 115, 31))
    grids = {band.name: band.grid for band in listed[0].bands}
    fine, coarse = grids["B8"], grids["B4"]
    assert (fine.affine.a, coarse.affine.a) == (15, 30)
    assert fine.shape == tuple(2 * side - 1 for side in coarse.shape)
    assert fine.affine * (0.5, 0.5) == coarse.affine * (0.5, 0.5)
    values, masks = listed[0].read(("B8",), fine[4000:4004, 4000:4004])
    assert values.shape == masks.shape == (1, 4, 4)


def test_modis_lies_on_its_sinusoidal_grid(world):
    """G prints SR-ORG:6974 and 463.31 m for MOD13A1."""
    projection = info(ee.Image("MODIS/061/MOD13A1/2014_05_09").select("NDVI").projection(), world)
    assert projection["crs"] == "SR-ORG:6974"
    assert projection["transform"] == pytest.approx(
        [463.312716, 0, -20015109.354, 0, -463.312716, 10007554.677], abs=1e-3
    )
    scale = ee.Image("MODIS/061/MOD13A1/2014_05_09").select("NDVI").projection().nominalScale()
    assert round(info(scale, world), 2) == 463.31


def test_sinusoidal_pixels_lie_where_they_say(world):
    """A pixel of 1 km at (lon, lat) has x = R lon cos(lat), y = R lat; beyond the globe there is none."""
    image = image_of(world.image("MODIS/061/MOD13A2/2020_06_09"))
    native = image.bands[0].projection
    lon, lat, radius = 114.3, 30.603, 6_371_007.181
    x, y = radius * math.radians(lon) * math.cos(math.radians(lat)), radius * math.radians(lat)
    col, row = (math.floor(each) for each in ~native.transform * (x, y))
    own = image.read_at(native.geobox(1, 1, row=row, col=col), (0,))
    step = 1e-5
    place = Projection("EPSG:4326", Affine(step, 0, lon - step / 2, 0, -step, lat + step / 2)).geobox(1, 1)
    assert np.array_equal(image.read_at(place, (0,)).values[0], own.values[0]) and own.masks[0].all()
    assert not image.read_at(native.geobox(1, 1, row=0, col=0), (0,)).masks[0].any()


@pytest.mark.parametrize("asset", ["USGS/SRTMGL1_003", "NASA/NASADEM_HGT/001"])
def test_cells_of_the_shuttles_heights_have_edges_at_half_seconds(world, asset):
    """(k + 0.5) / 3600 degrees: proved by the stack of test_recorded_answers.py; the page has 1/3600."""
    grid = world.image(asset).bands[0].grid
    assert grid.affine.a == pytest.approx(1 / 3600, rel=1e-12)
    for edge in (grid.affine.c, grid.affine.f):
        assert edge * 3600 % 1 == pytest.approx(0.5, abs=1e-6)


def test_nasadem_begins_where_google_prints(world):
    """openet-core, test_affine_transform: -179.0001388888889 and 61.0001388888889."""
    affine = world.image("NASA/NASADEM_HGT/001").bands[0].grid.affine
    assert (affine.c, affine.f) == pytest.approx((-179.0001388888889, 61.0001388888889), abs=1e-12)


def test_3dep_has_no_time(world):
    """openet-core tests that USGS/3DEP/10m has no system:time_start."""
    names = info(ee.Image("USGS/3DEP/10m").propertyNames(), world)
    assert "system:time_start" not in names and "system:index" in names


def test_the_names_of_cropland_classes_are_one_text(world):
    """OpenET's tests split it; the page calls it a list."""
    assert isinstance(info(ee.Image("USDA/NASS/CDL/2019").get("cropland_class_names"), world), str)


def test_the_values_of_cropland_classes_are_numbers_and_commas(world):
    """openet-sims, test_cdl_crop_types: corn is 1, soybeans 5, alfalfa 36, almonds 75."""
    values = info(ee.Image("USDA/NASS/CDL/2019").get("cropland_class_values"), world)
    assert {"1", "5", "36", "75"} <= set(values.split(","))
