"""Real clouds over Belgium, winter 2022/23: twenty days of Sentinel-2 with their scene classes, as a catalog folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pytest
from local_ee.catalog.folder import write_image

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import sentinel2
from isamap.gee_export.sentinel.sentinel2 import Optical
from tests.support.shared_data import SHARED

FILE = SHARED / "gfmap" / "bap_quintad_cdse.nc"
SHAPE, LEFT, TOP = (66, 64), 643_260.0, 5_676_480.0
REGION = Region("belgium", 32631, (LEFT, TOP - 660, LEFT + 640, TOP), (LEFT, TOP))
NAMES = {"B2": "B02", "B3": "B03", "B4": "B04", "B8": "B08", "SCL": "SCL"}
WINTER = Period.parse("2023-DJF")
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="no real samples in ../shared/data")


@dataclass(frozen=True)
class Days:
    """Bands [day, row, column], masked where the file has no data, and the days."""

    days: tuple[date, ...]
    bands: dict[str, np.ma.MaskedArray]

    @property
    def clear(self) -> np.ma.MaskedArray:
        """B2 of the winter where no class hides the ground."""
        classes = self.bands["SCL"]
        hidden = np.isin(classes.filled(), (0, 1, 3, 8, 9, 10, 65535))
        winter = [WINTER.start <= day < WINTER.end for day in self.days]
        return np.ma.masked_where(hidden, self.bands["B2"])[winter]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, engine_home, reconnected) -> Iterator[Days]:
    actual, folder = _read(), tmp_path_factory.mktemp("belgium")
    for at, day in enumerate(actual.days):
        bands = {name: band[at] for name, band in actual.bands.items()}
        index = f"{day:%Y%m%d}T104421_{day:%Y%m%d}T104421_T31UFS"
        write_image(folder, f"COPERNICUS/S2_SR_HARMONIZED/{index}", bands, grid_of(REGION), nodata=65535)
    with connect(catalog=folder, home=engine_home):
        yield actual


def _read() -> Days:
    import netCDF4

    with netCDF4.Dataset(FILE) as source:
        days = tuple(date(1990, 1, 1) + timedelta(days=int(index)) for index in source["t"][:])
        bands = {name: _whole(np.ma.filled(source[f"S2-L2A-{own}"][:], np.nan)) for name, own in NAMES.items()}
    return Days(days, bands)


def _whole(values: np.ndarray) -> np.ma.MaskedArray:
    missing = np.isnan(values)
    return np.ma.MaskedArray(np.where(missing, 65535, values).astype(np.uint16), missing, fill_value=65535)


def composed(**settings) -> np.ma.MaskedArray:
    optical = Optical(bands=("B2",), clouds="scl", **settings)
    actual = sentinel2.sensed(REGION.bounds_wsen, WINTER, optical)
    names = [band.name for band in optical.stored]
    raster = pixels.fetch(actual.packed, grid_of(REGION), names)
    return np.ma.MaskedArray(raster.values_BHW, ~raster.valid_BHW)


@pytest.mark.parametrize(("reducer", "reduce"), [("mean", np.ma.mean), ("median", np.ma.median)])
def test_a_winter_is_reduced_over_what_the_classes_leave(real, reducer, reduce):
    actual, expected = composed(reducer=reducer, extras=("count",)), reduce(real.clear, axis=0)
    np.testing.assert_allclose(actual[0].filled(-1), np.ma.filled(expected, -1), rtol=1e-6)
    np.testing.assert_array_equal(actual[1], real.clear.count(axis=0))
    assert real.clear.count(axis=0).max() >= 3


def test_the_best_pixels_are_whole_observations_of_the_day_that_they_name(real):
    actual = composed(reducer="best", extras=("day",))
    january = date(WINTER.start.year, 1, 1)
    days = {(day - january).days + 1: index for index, day in enumerate(real.days)}
    for row, col in np.argwhere(~np.ma.getmaskarray(actual[0])):
        index = days[int(actual[1, row, col])]
        assert actual[0, row, col] == real.bands["B2"][index, row, col]
        assert real.bands["SCL"][index, row, col] not in (1, 3, 8, 9, 10)
    np.testing.assert_array_equal(np.ma.getmaskarray(actual[0]), real.clear.mask.all(axis=0))
