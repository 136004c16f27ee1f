"""Power of 0, which no ground gives, is missing in composites of Sentinel-1, whatever the files say of no data."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from affine import Affine
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.regions import Period
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import sentinel1, sentinel2
from isamap.gee_export.sentinel.sentinel1 import Radar
from isamap.gee_export.sentinel.sentinel2 import Optical

SIDE = 40
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 239_630, 0, -10, 3_388_200), "EPSG:32650")
BOUNDS = tuple(GRID.extent.to_crs("EPSG:4326").boundingbox)
JUNE = Period(date(2023, 6, 1), date(2023, 7, 1))
FILLED = Period(date(2023, 6, 17), date(2023, 6, 18))
S1, S2 = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S2_SR_HARMONIZED"
POWER, VH_POWER = 0.1, 0.02  # -10 dB and -16.99 dB
FILL = np.s_[:, 25:]  # columns that the second scene fills with 0
VH_FILL = np.s_[:5, :]  # rows where it has no VH only
REFLECTANCE = 1200


def _written(folder) -> None:
    facts = {"instrumentMode": "IW", "transmitterReceiverPolarisation": ["VV", "VH"]}
    for day in (5, 17):
        power = {"VV": np.full((SIDE, SIDE), POWER, np.float32), "VH": np.full((SIDE, SIDE), VH_POWER, np.float32)}
        optical = {name: np.full((SIDE, SIDE), REFLECTANCE, np.uint16) for name in ("B2", "B3", "B4", "B8")}
        if day == 17:
            power["VH"][VH_FILL] = 0
            for band in (*power.values(), *optical.values()):
                band[FILL] = 0
        index = f"S1A_IW_GRDH_1SDV_202306{day:02d}T102519_202306{day:02d}T102544_048849_05DFD1_ABCD"
        write_image(folder, f"{S1}/{index}", power, GRID, properties=facts)
        index = f"202306{day:02d}T025551_202306{day:02d}T030602_T50RKU"
        write_image(folder, f"{S2}/{index}", optical, GRID, properties={"MGRS_TILE": "50RKU"})


@pytest.fixture(scope="module", autouse=True)
def connected(tmp_path_factory, engine_home, reconnected):
    from isamap.gee_export.earth_engine.session import connect

    folder = tmp_path_factory.mktemp("filled")
    _written(folder)
    with connect(catalog=folder, home=engine_home) as session:
        yield session


def _read(image, *names) -> np.ndarray:
    raster = pixels.fetch(image, GRID, list(names))
    return np.where(raster.valid_BHW, raster.values_BHW, np.nan)


def backscatter_db(period=JUNE, **options) -> np.ndarray:
    return _read(sentinel1.sensed(BOUNDS, period, Radar(**options)).image, "VV", "VH")


def test_power_of_0_is_in_no_mean():
    """10 log10 of .1 is -10 wherever one of the dates has a measurement (PlanetaryComputer#307)."""
    vv_db, vh_db = backscatter_db(speckle="none")
    np.testing.assert_allclose(vv_db, -10, atol=1e-4)
    np.testing.assert_allclose(vh_db, 10 * np.log10(VH_POWER), atol=1e-4)


def test_versions_before_3_keep_power_of_0():
    """Checkpoints trained on such composites get them, and so do datasets that go on: half the power, 3 dB less."""
    assert backscatter_db(speckle="none", composite_version=2)[0][FILL] == pytest.approx(-13.01, abs=0.01)


@pytest.mark.parametrize("speckle", ["boxcar", "lee", "gamma_map", "lee_sigma"])
def test_power_of_0_is_in_no_filters_window(speckle):
    """Even ground stays even up to the fill, and no filter paints over it."""
    vv_db, _ = backscatter_db(FILLED, speckle=speckle)
    np.testing.assert_allclose(vv_db[:, :25], -10, atol=1e-3)
    assert np.isnan(vv_db[FILL]).all()


def test_sentinel_2_may_be_0_in_all_bands():
    """Harmonised reflectance ends at 0: deep shadow is a measurement, and a lake would have holes."""
    seen = sentinel2.sensed(BOUNDS, JUNE, Optical(clouds="none", level="l2a"))
    stored = _read(seen.packed, "B2", "B3", "B4", "B8")
    np.testing.assert_allclose(stored[0][FILL], REFLECTANCE / 2)
