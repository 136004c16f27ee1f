"""HoughTransform (guides/image_edges): lines that are drawn by hand, and windows that agree."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster import hough
from local_ee.testing.evaluating import info, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(80, 90)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint8", 10)}, seed=3, hidden=1),))
ROWS, COLS = np.mgrid[:40, :40]


@pytest.mark.parametrize(
    "line",
    [ROWS == 7, COLS == 30, ROWS == COLS, ROWS + COLS == 38],
    ids=["row", "column", "diagonal", "other diagonal"],
)
def test_a_line_is_found_where_it_is(line):
    np.testing.assert_array_equal(hough.lines(line, 39, smooth=False), line)


def test_a_line_with_gaps_is_drawn_without_them():
    broken = (ROWS == 7) & (COLS % 2 == 0)
    np.testing.assert_array_equal(hough.lines(broken, 20, smooth=False), ROWS == 7)


def test_too_few_votes_are_no_line():
    assert not hough.lines(ROWS == 7, 41, smooth=False).any()


def test_smoothing_spreads_a_narrow_peak():
    """The row's 40 votes are at one place; its neighbours have at most a few, so that the mean is far below 40."""
    assert not hough.lines(ROWS == 7, 30, smooth=True).any()
    assert hough.lines(ROWS == 7, 5, smooth=True)[7].all()


def lines(size: int = 32) -> ee.Image:
    return ee.Algorithms.HoughTransform(ee.Image("C/a"), size, 128, 22, False)


def test_a_part_of_a_window_is_that_of_the_whole():
    whole = pixels(lines(), CATALOG, GRID)
    part = GeoBox((21, 33), GRID.affine * Affine.translation(17, 29), GRID.crs)
    np.testing.assert_array_equal(pixels(lines(), CATALOG, part).filled(9), whole[29:50, 17:50].filled(9))
    assert 0 < whole.mean() < 1


def test_masked_pixels_stay_masked():
    np.testing.assert_array_equal(
        np.ma.getmaskarray(pixels(lines(), CATALOG, GRID)), np.ma.getmaskarray(pixels(ee.Image("C/a"), CATALOG, GRID))
    )


def test_bands_are_called_lines():
    assert info(lines().bandNames(), CATALOG) == ["x_lines"]


def test_a_grid_beyond_the_limit_is_refused():
    with pytest.raises(EngineError, match="gridSize must be 1 to 1024 pixels, got 5000"):
        value(lines(5000), CATALOG)
