"""Composites of collections that are filtered by date only, as the examples of Google's catalog pages are.

datasets/catalog/COPERNICUS_S2_SR_HARMONIZED: filterDate, a filter of clouds, a mapped
mask, mean(), and a map; no bounds.
"""

from __future__ import annotations

import math

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.catalogs import open_catalog
from local_ee.errors import EngineError
from local_ee.testing.evaluating import value
from local_ee.testing.scenes import utm
from local_ee.world import landsat

pytestmark = pytest.mark.usefixtures("session")
WORLD = open_catalog("world")
WINDOW = utm(12, 16)


def without_clouds(image: ee.Image) -> ee.Image:
    quality = image.select("QA60")
    return image.updateMask(quality.bitwiseAnd(3 << 10).eq(0)).divide(10000)


def dated() -> ee.ImageCollection:
    return ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate("2019-06-01", "2019-06-21")


def scenes() -> ee.ImageCollection:
    return dated().filter(ee.Filter.lt("CLOUDY_PIXEL_PERCENTAGE", 95)).map(without_clouds)


def here(collection: ee.ImageCollection) -> ee.ImageCollection:
    west, south, east, north = WINDOW.extent.to_crs("EPSG:4326").boundingbox
    return collection.filterBounds(ee.Geometry.Rectangle([west, south, east, north]))


COMPOSITES = {
    "mean": lambda images: images.mean(),
    "median": lambda images: images.median(),
    "mosaic": lambda images: images.mosaic(),
    "qualityMosaic": lambda images: images.qualityMosaic("B8"),
    "reduce": lambda images: images.reduce(ee.Reducer.percentile([20, 80])),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_of_the_whole_earth_has_the_pixels_of_the_scenes_there(name):
    compose = COMPOSITES[name]
    everywhere, near = (value(compose(images), WORLD) for images in (scenes(), here(scenes())))
    assert everywhere.band_names == near.band_names
    pixels, wanted = everywhere.read(WINDOW, everywhere.band_names[:3]), near.read(WINDOW, near.band_names[:3])
    for got, expected, got_mask, expected_mask in zip(
        pixels.values, wanted.values, pixels.masks, wanted.masks, strict=True
    ):
        np.testing.assert_array_equal(got_mask, expected_mask)
        np.testing.assert_array_equal(got, expected)


def test_a_filter_after_the_map_is_kept():
    marked = dated().map(lambda image: image.set("clear", ee.Number(image.get("CLOUDY_PIXEL_PERCENTAGE")).lt(60)))
    chosen = marked.filter(ee.Filter.eq("clear", 1))
    pixels, wanted = (value(images.count(), WORLD).read(WINDOW, ["B4"]) for images in (chosen, here(chosen)))
    np.testing.assert_array_equal(pixels.values[0], wanted.values[0])


def test_a_composite_of_the_whole_earth_has_no_end():
    assert value(scenes().mean(), WORLD).footprint is None


def test_what_no_window_limits_is_still_refused():
    with pytest.raises(EngineError, match="has no end: filter it by date and bounds"):
        value(scenes().sort("system:time_start").mean(), WORLD)


def test_what_the_images_of_a_window_share_is_read_once(monkeypatch):
    """Each scene of a simple composite asks for the least cloud score of all of them."""
    reads = []
    scene_reader = landsat.inside
    monkeypatch.setattr(landsat, "inside", lambda *parts: reads.append(parts) or scene_reader(*parts))
    raw = ee.ImageCollection("LANDSAT/LT05/C02/T1").filterDate("2010-01-01", "2010-12-31")
    image = value(ee.Algorithms.Landsat.simpleComposite(raw), WORLD)
    image.read(utm(4, 5), ["B4"])
    scenes_there = len(value(here(raw).toList(5000), WORLD))
    assert 0 < scenes_there <= len(reads) <= 2 * scenes_there


def test_a_coarse_window_of_a_placeholder_reads_as_many_pixels_as_it_has(monkeypatch):
    shapes = []
    scene_reader = landsat.inside
    monkeypatch.setattr(landsat, "inside", lambda *parts: shapes.append(parts[1].shape) or scene_reader(*parts))
    image = value(ee.Image("LANDSAT/LC08/C02/T1/LC08_044034_20140318"), WORLD)
    image.read(GeoBox((100, 100), Affine(240, 0, 540_000, 0, -240, 4_200_000), "EPSG:32610"), ["B4"])
    assert max(math.prod(shape) for shape in shapes) < 110 * 110


def test_merged_collections_are_composed_by_windows():
    """guides/sentinel1: ascending and descending scenes, filtered by date only."""
    radar = ee.ImageCollection("COPERNICUS/S1_GRD").filterDate("2020-06-01", "2020-06-20").select("VV")
    passes = [radar.filter(ee.Filter.eq("orbitProperties_pass", name)) for name in ("ASCENDING", "DESCENDING")]
    merged, every = (value(images.count(), WORLD).read(WINDOW) for images in (passes[0].merge(passes[1]), radar))
    assert every.values[0].max() > 0
    np.testing.assert_array_equal(merged.values[0], every.values[0])
