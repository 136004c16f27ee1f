"""Coarse pixels of classes and of bits are classes and bits of the image (guides/scale, "Image pyramids")."""

from __future__ import annotations

import ee
import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.testing.evaluating import CLIENT, pixels
from local_ee.world.public_facts import assets

pytestmark = CLIENT
STEP = 0.005  # degrees: 50 times the pixels of a land cover of 10 m
COARSE = GeoBox((12, 16), Affine(STEP, 0, 114.25, 0, -STEP, 30.62), "EPSG:4326")


def test_a_coarse_land_cover_has_the_classes_of_its_page(world):
    """ESA_WorldCover_v200."""
    seen = set(np.unique(pixels(ee.Image("ESA/WorldCover/v200/2021"), world, COARSE).compressed()).tolist())
    assert len(seen) > 1 and seen <= {10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100}


def test_a_placeholder_of_classes_is_coarse_in_classes(world):
    codes = set(next(iter(assets()["MODIS/061/MCD12Q1"].bands)).classes)
    grid = GeoBox((20, 20), Affine(2, 0, -20, 0, -2, 40), "EPSG:4326")
    seen = pixels(ee.Image("MODIS/061/MCD12Q1/2019_01_01").select(0), world, grid).compressed()
    assert set(np.unique(seen).tolist()) <= {int(code) for code in codes}


def test_bits_of_clouds_are_not_averaged(world):
    """Landsat's QA_PIXEL at 3 km: values of the sensor, none between them."""
    scene = ee.ImageCollection("LANDSAT/LC08/C02/T1_L2").filterBounds(ee.Geometry.Point(114.3, 30.6))
    scene = scene.filterDate("2022-05-01", "2022-09-01").filter(ee.Filter.rangeContains("CLOUD_COVER", 20, 80)).first()
    grid = GeoBox((30, 30), Affine(0.03, 0, 113.5, 0, -0.03, 31.2), "EPSG:4326")
    seen = set(np.unique(pixels(scene.select("QA_PIXEL"), world, grid).compressed()).tolist())
    assert len(seen) > 1 and seen <= {21824, 54596, 23888, 21762, 22280}
