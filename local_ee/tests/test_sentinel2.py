"""Sentinel2.CDI (Frantz et al. 2018): the formula in NumPy's own words on random pixels."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(12, 14)
BANDS = {name: ("float32", 10) for name in ("B7", "B8", "B8A")}
CATALOG = Scenes((Scene("C/a", GRID, BANDS, seed=3, hidden=1),))


def cdi() -> ee.Image:
    return ee.Algorithms.Sentinel2.CDI(ee.Image("C/a"))


def test_it_compares_the_variances_of_both_ratios():
    seven, eight, narrow = (pixels(ee.Image("C/a"), CATALOG, GRID, band=i).astype(float) for i in range(3))
    result = pixels(cdi(), CATALOG, GRID)
    hidden = np.ma.getmaskarray(seven) | np.ma.getmaskarray(eight) | np.ma.getmaskarray(narrow)
    for row, col in ((5, 5), (6, 9), (8, 4), (7, 7)):
        window = np.s_[row - 3 : row + 4, col - 3 : col + 4]
        base = np.where(hidden, np.nan, narrow.filled(np.nan))[window]
        low, high = np.nanvar(seven[window].filled(0) / base), np.nanvar(eight[window].filled(0) / base)
        index = np.ma.masked if hidden[row, col] else pytest.approx((low - high) / (low + high), rel=1e-5)
        assert result[row, col] is index or result[row, col] == index


def test_it_is_one_float_named_cdi():
    assert [(band["id"], band["data_type"]["precision"]) for band in info(cdi(), CATALOG)["bands"]] == [
        ("cdi", "float")
    ]


def test_even_ground_has_no_displacement():
    image = ee.Image([1, 2, 4]).rename(["B7", "B8", "B8A"])
    assert (pixels(ee.Algorithms.Sentinel2.CDI(image)) == 0).all()


def test_a_part_of_a_window_is_the_same():
    whole, part = pixels(cdi(), CATALOG, GRID), pixels(cdi(), CATALOG, utm(4, 5))
    np.testing.assert_array_equal(whole[:4, :5].filled(9), part.filled(9))


def test_an_image_without_the_bands_is_refused():
    with pytest.raises(EngineError, match="no band B8A"):
        info(ee.Algorithms.Sentinel2.CDI(ee.Image([1, 2]).rename(["B7", "B8"])))
