"""LandCover3m's chips of the simulated world: what is remapped, and on which pixels."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import rasterio
from local_ee.world.materials import NAMES

from isamap.gee_export.base.scheme import SCHEMES
from isamap.reproduction import chips
from isamap.reproduction.chips import CITIES, CLASS_OF_KIND, SITES, SMALL, _classes, _download, _site

# what a person would call each kind of the world's ground
CLASS_OF_NAME = {
    "river": "water", "lake": "water", "trees_evergreen": "woodland", "trees_deciduous": "woodland",
    "lawn": "grassland", "crop_double": "cropland", "paddy": "cropland", "crop_dry": "cropland", "bare": "bare",
}  # fmt: skip


@pytest.fixture(scope="module")
def site():
    """A square of 240 m of Wuhan."""
    return _site("wuhan-city", SITES["wuhan-city"], 0.24)


@pytest.fixture(scope="module")
def truth(site, tmp_path_factory, reconnected):
    """The raster of its truth's classes."""
    path = tmp_path_factory.mktemp("chips") / "folder" / "truth.tif"
    _download(path, site, 3, partial(_classes, site, 3))
    return path


def test_every_kind_of_ground_has_the_class_of_its_name():
    number_of = {name: index for index, name in SCHEMES["landcover3m"].classes.items()}
    expected = [number_of[CLASS_OF_NAME.get(name, "impervious")] for name in NAMES]
    assert list(CLASS_OF_KIND) == expected


def test_the_raster_covers_the_site_on_whole_multiples_of_the_step(truth, site):
    with rasterio.open(truth) as file:
        left, bottom, right, top = site.bounds_m
        assert file.bounds.left <= left and file.bounds.top >= top
        assert file.bounds.right >= right and file.bounds.bottom >= bottom
        assert file.bounds.left % 3 == 0 and file.bounds.top % 3 == 0 and file.res == (3, 3)


def test_pixels_hold_the_class_of_most_of_their_ground(truth, site):
    """Against numpy on the 1-m truth; of even ones the smaller (local_ee/docs/engine.md, Assumptions: mode)."""
    import ee

    with rasterio.open(truth) as file:
        actual, affine, shape = file.read(1), file.transform, file.shape
        assert file.nodata is None or file.nodata < 0  # 0 is a class
    grid = {
        "dimensions": {"width": 3 * shape[1], "height": 3 * shape[0]},
        "affineTransform": {"scaleX": 1, "scaleY": -1, "translateX": affine.c, "translateY": affine.f},
        "crsCode": f"EPSG:{site.epsg}",
    }
    index = f"{chips.WORLD}/truth/{chips.YEAR}_{site.epsg - 32600}N"
    kinds = ee.data.computePixels({"expression": ee.Image(index), "fileFormat": "NUMPY_NDARRAY", "grid": grid})
    classes = np.array(CLASS_OF_KIND)[kinds["class"]]
    votes = np.stack([(classes == k).reshape(shape[0], 3, shape[1], 3).sum(axis=(1, 3)) for k in range(7)])
    assert (actual == votes.argmax(axis=0)).all()
    assert len(np.unique(actual)) > 1


def test_a_raster_that_is_there_is_kept(truth, site):
    before = truth.read_bytes()
    _download(truth, site, 3, partial(_classes, _site("harbin", SITES["harbin"], 0.24), 3))
    assert truth.read_bytes() == before


def test_the_other_sensor_averages_and_then_gains(site, truth, tmp_path):
    """Against numpy: gains x the mean of 4 x 4 pixels of 1 m + haze, cut to whole numbers."""
    import ee

    _download(tmp_path / "sensor.tif", site, 4, partial(chips._sensed, site))
    with rasterio.open(tmp_path / "sensor.tif") as file:
        actual, affine = file.read(), file.transform
        assert file.descriptions == ("R", "G", "B", "N")
    grid = {
        "dimensions": {"width": 4 * actual.shape[2], "height": 4 * actual.shape[1]},
        "affineTransform": {"scaleX": 1, "scaleY": -1, "translateX": affine.c, "translateY": affine.f},
        "crsCode": f"EPSG:{site.epsg}",
    }
    image = ee.Image(f"{chips.WORLD}/imagery1m/{chips.YEAR}_{site.epsg - 32600}N")
    fine = ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid})
    for band, gain, haze, name in zip(actual, chips.GAINS, chips.HAZE_DN, "RGBN", strict=True):
        mean = fine[name].astype(float).reshape(*(n for side in band.shape for n in (side, 4))).mean(axis=(1, 3))
        assert np.abs(band - (gain * mean + haze)).max() <= 1


def test_truth_and_product_are_exported_on_the_same_chips():
    product, truth = chips.chips(SMALL).arguments, chips.chips_truth(SMALL).arguments
    shared = set(product) - {"label"}
    assert {key: product[key] for key in shared} == {key: truth[key] for key in shared}


@pytest.mark.parametrize("name", CITIES)
def test_a_city_is_no_training_ground_and_its_product_has_its_chips(name):
    truth, product = chips.city(name).arguments, chips.city_product(name).arguments
    shared = set(product) - {"label"}
    assert {key: product[key] for key in shared} == {key: truth[key] for key in shared}
    left, bottom, right, top = truth["region"][0].bounds_wsen
    for region in chips.chips(SMALL).arguments["region"]:
        west, south, east, north = region.bounds_wsen
        assert right < west or east < left or top < south or north < bottom


def test_sites_are_squares_of_the_length_asked():
    for name, middle in SITES.items():
        left, bottom, right, top = _site(name, middle, 4.0).bounds_m
        assert 4000 <= right - left < 4200 and 4000 <= top - bottom < 4200
