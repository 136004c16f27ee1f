"""The simulated ground has the medians of real ground, within what docs/real-samples.md says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from benchmarks import real_medians
from tests.support.shared_data import SHARED, needs_shared

REFLECTANCE, DECIBELS = 0.02, 1.5
# Real woods and meadows differ among themselves; hamlets and mown grass are brighter in the world (the page says so).
WIDER = {
    ("Leipzig", "forest"): 0.07,
    ("Leipzig", "pasture"): 0.07,
    ("Slovenia", "3 grass"): 0.055,
    ("Chile", "5 built"): 0.03,
}


def test_an_exported_mean_is_unscaled_and_its_zeros_are_no_pixels(tmp_path):
    """sentinel1_means/README.txt: dB = value * 30 - 25, and 0 is masked or -25 and less."""
    profile = {"driver": "GTiff", "height": 1, "width": 3, "count": 1, "dtype": "float32"}
    with rasterio.open(tmp_path / "mean.tif", "w", **profile, crs="EPSG:4326", transform=Affine.scale(1e-4)) as file:
        file.write(np.array([[[0.0, 0.5, 1.0]]], "float32"))
    mean = real_medians.real_mean(tmp_path, real_medians.Pass("mean.tif", "VV", ("2018-03-01", "2018-06-01"), 8))
    np.testing.assert_array_equal(mean, [[np.nan, -10.0, 5.0]])


def test_a_pixel_is_of_a_class_by_seven_tenths_and_built_by_half():
    cells = np.array([[[3] * 7 + [2] * 3, [3] * 8 + [2] * 2, [9] * 5 + [3] * 5]])
    assert real_medians._is_meant(cells, (3,)).tolist() == [[False, True, False]]
    assert real_medians._is_meant(cells, None).tolist() == [[False, False, True]]


@needs_shared
@pytest.mark.long
def test_reflectance_has_the_real_medians(engine_home: Path):
    for place, classes in real_medians.reflectance(SHARED).items():
        for name, medians in classes.items():
            most = WIDER.get((place, name), REFLECTANCE)
            off = np.subtract(medians["simulated"], medians["real"])
            assert np.abs(off).max() <= most + 5e-4, (place, name, off)


@needs_shared
@pytest.mark.long
def test_towns_have_the_real_medians_of_backscatter(engine_home: Path):
    medians = {
        name: {key: values[1] for key, values in each.items()} for name, each in real_medians.decibels(SHARED).items()
    }
    for name, each in medians.items():
        assert abs(each["simulated"] - each["real"]) <= DECIBELS, (name, each)
    orbits = [each["simulated"] for name, each in medians.items() if name.startswith("Paris")]
    assert max(orbits) - min(orbits) <= DECIBELS
