"""First steps of gee_s1_ard, which has no tests: its s1_ard.py with each filter and model, over 100 m of Wuhan.

Collected by local_ee/benchmarks/foreign_suites.py in gee_s1_ard's folder python-api, whose modules it imports.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import ee
import pytest
import wrapper

FILTERS = ("BOXCAR", "LEE", "GAMMA MAP", "REFINED LEE", "LEE SIGMA")
CENTRE = ee.Geometry.Point([114.3, 30.5])
PARAMETERS = {
    "START_DATE": "2019-06-01",
    "STOP_DATE": "2019-07-01",
    "POLARIZATION": "VVVH",
    "ORBIT": "BOTH",
    "ROI": CENTRE.buffer(50),
    "APPLY_BORDER_NOISE_CORRECTION": False,
    "APPLY_SPECKLE_FILTERING": False,
    "SPECKLE_FILTER_FRAMEWORK": "MONO",
    "SPECKLE_FILTER": "BOXCAR",
    "SPECKLE_FILTER_KERNEL_SIZE": 5,
    "SPECKLE_FILTER_NR_OF_IMAGES": 3,
    "APPLY_TERRAIN_FLATTENING": False,
    "DEM": ee.Image("USGS/SRTMGL1_003"),
    "TERRAIN_FLATTENING_MODEL": "VOLUME",
    "TERRAIN_FLATTENING_ADDITIONAL_LAYOVER_SHADOW_BUFFER": 0,
    "FORMAT": "DB",
    "CLIP_TO_ROI": False,
    "SAVE_ASSET": False,
    "ASSET_ID": "users/nobody",
}


def decibels(**parameters: Any) -> float:
    """VV of the first processed image at the centre."""
    image = wrapper.s1_preproc({**PARAMETERS, **parameters}).first()
    value: float = image.select("VV").reduceRegion(ee.Reducer.first(), CENTRE, 10).get("VV").getInfo()
    return value


@pytest.mark.parametrize(("name", "framework"), list(product(FILTERS, ("MONO", "MULTI"))))
def test_a_speckle_filter(name: str, framework: str) -> None:
    filtered = {"APPLY_SPECKLE_FILTERING": True, "SPECKLE_FILTER": name, "SPECKLE_FILTER_FRAMEWORK": framework}
    assert -40 < decibels(**filtered) < 20


@pytest.mark.parametrize("model", ["DIRECT", "VOLUME"])
def test_a_model_of_the_terrain(model: str) -> None:
    assert -40 < decibels(APPLY_TERRAIN_FLATTENING=True, TERRAIN_FLATTENING_MODEL=model) < 20


def test_the_border_noise_correction() -> None:
    assert -40 < decibels(APPLY_BORDER_NOISE_CORRECTION=True) < 20


def test_linear_power() -> None:
    assert 0 < decibels(FORMAT="LINEAR") < 100
