"""Finished maps in which somebody hid pixels afterwards: every reader of maps takes them for unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.rasters import open_raster
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.map_files.map_file import open_map
from isamap.inference.publishing import manifest
from isamap.inference.serve import tiles
from isamap.inference.web_map.facts import _areas_km2
from isamap.inference.years.series import open_series
from tests.inference.conftest import WUHAN
from tests.support.marked_rasters import MARKS, write_marked

IN_FILE = [mark for mark in MARKS if mark != ".msk file"]
SHAPE = (60, 50)


@pytest.fixture
def hidden_HW() -> np.ndarray:
    return np.random.default_rng(2).random(SHAPE) < 0.3


def values_2HW() -> np.ndarray:
    step_HW = np.random.default_rng(1).integers(0, 255, SHAPE)
    return np.stack([step_HW >= 127, step_HW]).astype(np.uint8)


def hide(path: Path, hidden_HW: np.ndarray, mark: str) -> None:
    """The file of a map's classes again, with all its tags, and pixels hidden in it."""
    with rasterio.open(path) as file:
        class_HW, tags, name = file.read(1), file.tags(), file.descriptions[0]
    place = {"crs": "EPSG:32650", "transform": WUHAN}
    write_marked(path, class_HW, hidden_HW, mark, tags=tags, name=name, **place)


@pytest.mark.parametrize("mark", IN_FILE)
def test_a_view_shows_hidden_pixels_as_unknown_in_both_pictures(finished_map, hidden_HW, mark):
    path = finished_map(values_2HW())
    hide(path, hidden_HW, mark)
    shown_2HW, _ = open_map(path).shrunk(1000)
    np.testing.assert_array_equal(shown_2HW, np.where(hidden_HW, 255, values_2HW()))


@pytest.mark.parametrize("tags", [{}, {"target": "share"}])
def test_the_areas_of_a_view_leave_hidden_pixels_out(finished_map, hidden_HW, tags):
    path = finished_map(np.where(hidden_HW, 255, values_2HW()), name="plain.tif", **tags)
    expected = _areas_km2(open_map(path))
    other = finished_map(values_2HW(), **tags)
    hide(other, hidden_HW, "internal mask")
    np.testing.assert_allclose(_areas_km2(open_map(other)), expected)


def test_a_hidden_class_has_no_probability_at_points(finished_map, hidden_HW):
    path = finished_map(values_2HW())
    hide(path, hidden_HW, "internal mask")
    classes, (rows, cols) = open_class_map(path), np.indices(SHAPE)
    found = classes.probability_at(*classes.sheets[0].lonlat(rows.ravel(), cols.ravel()))
    np.testing.assert_array_equal(np.isnan(found).reshape(SHAPE), hidden_HW)


@pytest.mark.parametrize("mark", IN_FILE)
def test_hidden_pixels_of_a_year_are_unknown_to_the_series(finished_map, hidden_HW, mark):
    paths = [
        finished_map(values_2HW(), f"{year}.tif", period_start=f"{year}-01-01", period_end=f"{year + 1}-01-01")
        for year in (2018, 2020)
    ]
    hide(paths[1], hidden_HW, mark)
    (rows,) = open_series(paths).rows()
    first, second = (np.stack([rows.class_THW[at], rows.share_THW[at]]) for at in (0, 1))
    np.testing.assert_array_equal(first, values_2HW())
    np.testing.assert_array_equal(second, np.where(hidden_HW, 255, values_2HW()))


@pytest.mark.parametrize("mark", IN_FILE)
def test_a_tile_of_the_service_is_clear_where_pixels_are_hidden(tmp_path, mark):
    hidden_HW = np.zeros(SHAPE, bool)
    hidden_HW[10:50, 5:40] = True
    place = {"crs": "EPSG:32650", "transform": WUHAN}
    plain = write_marked(tmp_path / "plain.tif", np.where(hidden_HW, 255, 1), hidden_HW & False, "none", **place)
    marked = write_marked(tmp_path / "marked.tif", np.ones(SHAPE), hidden_HW, mark, **place)
    x, y = Transformer.from_crs(32650, 3857, always_xy=True).transform(*(WUHAN * (25, 30)))
    side_m = tiles.EQUATOR_M / 2**16
    address = tiles.TileAddress(16, *(int((tiles.EQUATOR_M / 2 + far) // side_m) for far in (x, -y)))
    drawn = []
    for path in (plain, marked):
        with open_raster(path) as file:
            drawn.append(tiles._warped(file, 1, address, Window(0, 0, 256, 256)))
    # GDAL places pixels of plain files to an eighth of one.
    assert (drawn[0] == 1).any() and (drawn[0] != drawn[1]).mean() < 0.002


@pytest.mark.parametrize("mark", IN_FILE)
def test_a_map_with_other_marks_is_not_published(finished_map, hidden_HW, mark):
    path = finished_map(values_2HW())
    hide(path, hidden_HW, mark)
    with pytest.raises(ValueError, match=r"its upload would lose: write them as 255 first .gdalwarp -dstnodata 255"):
        manifest.whole(open_map(path))


def test_a_mask_beside_a_finished_map_is_refused_with_the_remedy(finished_map, hidden_HW):
    path = finished_map(values_2HW())
    hide(path, hidden_HW, ".msk file")
    with pytest.raises(ValueError, match="has a mask file beside it, which is not read: put the mask into the GeoTIFF"):
        open_map(path)
