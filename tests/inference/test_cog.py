"""The map's file: cloud-optimised, two bands with their meaning, overviews, written whole."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from gee_export.base.errors import Fault
from inference import cog
from tests.inference.conftest import LEGEND, WUHAN


def large() -> np.ndarray:
    rng = np.random.default_rng(5)
    share_HW = rng.integers(0, 255, (701, 1203))
    values_2HW = np.stack([share_HW >= 127, share_HW]).astype(np.uint8)
    values_2HW[:, 600:, 1000:] = 255
    return values_2HW


def test_the_file_is_a_cog_with_the_maps_meaning(finished_map):
    """docs/reference/formats.md, "Map"."""
    with rasterio.open(finished_map(large(), period="2020-06 & <more>")) as held:
        assert held.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert held.descriptions == ("isa", "prob") and held.dtypes == ("uint8", "uint8")
        assert held.nodatavals == (255, 255) and held.scales == (1, pytest.approx(1 / 254))
        assert held.colorinterp[0] == ColorInterp.palette and held.colorinterp[1] != ColorInterp.alpha
        colours = held.colormap(1)
        assert colours[0][:3] == (0xD9, 0xD9, 0xD9) and colours[1][:3] == (0xE3, 0x1A, 0x1C)
        assert held.overviews(1) == [2, 4] and held.transform == WUHAN and held.crs.to_epsg() == 32650
        assert held.tags()["period"] == "2020-06 & <more>"
        np.testing.assert_array_equal(held.read(), large())


def test_directories_come_before_pixels(finished_map):
    """A COG's reader finds every directory in the first bytes (GDAL's COG driver page, "File format")."""
    head = finished_map(large()).read_bytes()[:400]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in head


def test_overviews_hold_the_usual_class_and_the_mean_probability(finished_map):
    with rasterio.open(finished_map(large()), overview_level=0) as held:
        np.testing.assert_array_equal(held.read(), cog.halved(large()))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_halving_agrees_with_counting(height, width, seed):
    rng = np.random.default_rng(seed)
    class_HW = rng.choice(np.array([0, 1, 2, 255], np.uint8), (height, width))
    share_HW = np.where(class_HW == 255, 255, rng.integers(0, 255, (height, width))).astype(np.uint8)
    small = cog.halved(np.stack([class_HW, share_HW]))
    for row in range(small.shape[1]):
        for col in range(small.shape[2]):
            cell = (slice(2 * row, 2 * row + 2), slice(2 * col, 2 * col + 2))
            classes = class_HW[cell][class_HW[cell] != 255].tolist()
            shares = share_HW[cell][class_HW[cell] != 255]
            if not classes:
                assert small[0, row, col] == small[1, row, col] == 255
                continue
            assert classes.count(small[0, row, col]) == max(map(classes.count, classes))
            assert abs(float(small[1, row, col]) - shares.mean()) <= 0.5


def test_counts_are_those_of_the_file(finished_map):
    values, counts = np.unique(large()[0], return_counts=True)
    found = cog.counts_of(finished_map(large()))
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {v: found[v] for v in np.flatnonzero(found)}


def test_rows_written_by_half_are_cut_off(tmp_path):
    rows = cog.RowsFile(tmp_path / "rows.u8", 10)
    rows.append(np.zeros((2, 3, 10), np.uint8))
    with rows.path.open("ab") as file:
        file.write(b"half")
    assert rows.rows == 3
    rows.keep(rows.rows)
    rows.append(np.ones((2, 1, 10), np.uint8))
    np.testing.assert_array_equal(next(rows.read())[:, 3], np.ones((2, 10)))


def test_a_folder_that_is_not_there_is_a_fault_and_leaves_nothing(tmp_path):
    rows = cog.RowsFile(tmp_path / "rows.u8", 10)
    rows.append(np.zeros((2, 3, 10), np.uint8))
    info = cog.MapInfo(GeoBox((3, 10), WUHAN, "EPSG:32650"), LEGEND, {})
    with pytest.raises(Fault):
        cog.write(rows, info, tmp_path / "none" / "map.tif")


def test_equal_maps_are_equal_files(finished_map):
    assert finished_map(large(), "a.tif").read_bytes() == finished_map(large(), "b.tif").read_bytes()


def test_rows_count_after_a_power_cut_only_once_they_were_synced(tmp_path):
    """A file may be longer than what of it reached the disk."""
    rows = cog.RowsFile(tmp_path / "rows.u8", 10)
    rows.append(np.zeros((2, 3, 10), np.uint8))
    rows.settle()
    rows.append(np.zeros((2, 2, 10), np.uint8))
    assert (rows.settled, rows.rows) == (3, 5)
