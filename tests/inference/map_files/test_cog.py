"""The map's files: cloud-optimised, one band each with its meaning, overviews, written whole."""

from __future__ import annotations

import xml.etree.ElementTree as xml

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from isamap.gee_export.base.errors import Fault
from isamap.inference.map_files import cog
from isamap.inference.map_files.map_file import probability_of, sidecar_of
from tests.inference.conftest import LEGEND, WUHAN
from tests.support.map_files import read_map


def large() -> np.ndarray:
    rng = np.random.default_rng(5)
    share_HW = rng.integers(0, 255, (701, 1203))
    values_2HW = np.stack([share_HW >= 127, share_HW]).astype(np.uint8)
    values_2HW[:, 600:, 1000:] = 255
    return values_2HW


FILES = ("map.tif", "map_prob.tif")


@pytest.mark.parametrize("name", FILES)
def test_both_files_are_cogs_of_one_band_on_one_grid(finished_map, name):
    with rasterio.open(finished_map(large()).with_name(name)) as stored:
        assert stored.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and stored.overviews(1) == [2, 4]
        assert stored.count == 1 and stored.dtypes == ("uint8",) and stored.nodata == 255
        assert stored.transform == WUHAN and stored.crs.to_epsg() == 32650


def test_both_files_have_the_same_tags(finished_map):
    path = finished_map(large(), period="2020-06 & <more>")
    with rasterio.open(path) as classes, rasterio.open(path.with_name("map_prob.tif")) as probabilities:
        assert classes.tags() == probabilities.tags()
        assert classes.tags()["period"] == "2020-06 & <more>"


def test_classes_have_their_name_and_palette(finished_map):
    """docs/reference/formats.md, "Map"; without the sidecar, as whoever copies the GeoTIFF alone has it."""
    path = finished_map(large())
    sidecar_of(path).unlink()
    with rasterio.open(path) as stored:
        assert stored.descriptions == ("isa",) and stored.colorinterp == (ColorInterp.palette,)
        colours = stored.colormap(1)
    assert colours[0][:3] == (0xD9, 0xD9, 0xD9) and colours[1][:3] == (0xE3, 0x1A, 0x1C)


def test_probabilities_have_their_name_and_scale(finished_map):
    with rasterio.open(probability_of(finished_map(large()))) as stored:
        assert stored.descriptions == ("prob",) and stored.scales == (pytest.approx(1 / 254),)
        assert stored.colorinterp == (ColorInterp.gray,)


def test_the_pixels_are_those_of_the_rows(finished_map):
    np.testing.assert_array_equal(read_map(finished_map(large())), large())


def test_the_sidecar_leaves_only_the_classes_in_the_palette(finished_map):
    """GDAL, through rasterio, prefers the sidecar's palette to the 256 entries of the TIFF's."""
    with rasterio.open(finished_map(large())) as stored:
        assert stored.colormap(1) == {0: (0xD9, 0xD9, 0xD9, 255), 1: (0xE3, 0x1A, 0x1C, 255)}


def test_the_sidecar_counts_the_pixels_of_each_class(finished_map):
    table = xml.parse(sidecar_of(finished_map(large()))).getroot().find(".//GDALRasterAttributeTable")
    rows = [[cell.text for cell in row.iter("F")] for row in table.iter("Row")]
    counts = [str((large()[0] == value).sum()) for value in (0, 1)]
    assert rows == [
        ["0", "pervious", "217", "217", "217", counts[0]],
        ["1", "impervious", "227", "26", "28", counts[1]],
    ]


@pytest.mark.long
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_map_is_there_only_once_its_other_files_are(finished_map, tmp_path, writes, monkeypatch):
    """A former map is replaced and the program ends before one of the three files: never are two maps mixed."""
    finished_map(large(), settings="former")
    left = iter(range(writes))

    def until_none_is_left(write):
        def written(*words):
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(*words)

        return written

    for name in ("put_in_place", "write_whole"):
        monkeypatch.setattr(cog, name, until_none_is_left(getattr(cog, name)))
    with pytest.raises(KeyboardInterrupt):
        finished_map(large()[:, ::-1].copy(), settings="new")
    assert not (tmp_path / "map.tif").exists()


def test_directories_come_before_pixels(finished_map):
    """A COG's reader finds every directory in the first bytes (GDAL's COG driver page, "File format")."""
    head = finished_map(large()).read_bytes()[:400]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in head


def test_overviews_hold_the_usual_class_and_the_mean_probability(finished_map):
    path, halved = finished_map(large()), cog.halved(large())
    for file, expected_HW in zip((path, probability_of(path)), halved, strict=True):
        with rasterio.open(file, overview_level=0) as stored:
            np.testing.assert_array_equal(stored.read(1), expected_HW)


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
    actual = cog.counts_of(finished_map(large()))
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {v: actual[v] for v in np.flatnonzero(actual)}


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
