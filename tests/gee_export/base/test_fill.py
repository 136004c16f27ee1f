"""Pixels of 0 in all bands that nothing calls missing: what counts as fill in each input of images."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.fill import Fill
from isamap.gee_export.base.grid import Window
from isamap.gee_export.coregistration import raster_file
from isamap.gee_export.datasets.chips import ChipOptions, import_chips
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.manifest import NODATA
from isamap.gee_export.images.external_image import open_imagery
from isamap.gee_export.images.imagery import Imagery
from isamap.inference.inputs.checks import fill_warnings
from isamap.inference.inputs.source import open_geotiff
from tests.gee_export.images.test_imagery import GRID, PERIOD, scene, write
from tests.inference.conftest import BANDS, stored_scene, write_tif

LEFT = np.s_[:, :, :30]  # the border of 0 in all bands
OPTICAL = ("B2", "B3", "B4")


def filled(kind: str = "uint16") -> np.ndarray:
    values = scene(kind=kind)
    values[LEFT] = 0
    values[0, :, 50:60] = 0  # one band alone is a measurement
    return values


def imagery(path: str, unit: str | None = "reflectance=0.0001"):
    return open_imagery(Imagery(path, OPTICAL, unit), None, PERIOD)


@pytest.mark.parametrize(
    ("units", "missing", "doubtful"),
    [
        (("reflectance", "dB", "reflectance", "dB"), {(0, 2), (1, 3)}, set()),
        (("reflectance", "dB"), {(0, 1)}, set()),
        (("dn", "dn"), set(), {(0, 1)}),
        (("reflectance",), set(), set()),
    ],
)
def test_bands_of_one_unit_tell_fill_together(units, missing, doubtful):
    fill = Fill.of_units(units)
    assert (set(fill.missing), set(fill.doubtful)) == (missing, doubtful)


def source_of(path):
    return open_geotiff(path, BANDS)


def border() -> np.ndarray:
    stored = stored_scene(80, 80)
    stored[stored == NODATA] = 500
    stored[LEFT] = 0
    return stored


@pytest.mark.parametrize("sensors", [slice(0, 6), slice(0, 4), slice(4, 6)])
def test_a_mapped_file_lacks_the_border_of_either_sensor(tmp_path, sensors):
    stored = stored_scene(80, 80)
    stored[stored == NODATA] = 500
    stored[sensors, :, :30] = 0
    raster = source_of(write_tif(tmp_path / "a.tif", stored, nodata=None)).read(Window(0, 0, 80, 80))
    assert not raster.valid_BHW[sensors, :, :30].any() and raster.valid_BHW[:, :, 30:].all()


def test_the_share_of_a_mapped_files_border_is_told(tmp_path):
    source = source_of(write_tif(tmp_path / "a.tif", border(), nodata=None))
    (sentence,) = fill_warnings(source)
    assert "0 in all bands" in sentence and "a_nodata" in sentence and "37.5%" in sentence


def test_a_file_with_a_no_data_value_is_taken_by_its_word(tmp_path):
    source = source_of(write_tif(tmp_path / "a.tif", border()))
    assert source.read(Window(0, 0, 80, 80)).valid_BHW.all() and fill_warnings(source) == []


def test_an_exported_image_lacks_its_border(tmp_path):
    """0 in one band stays 0."""
    stored = imagery(write(tmp_path / "a.tif", filled(), names=OPTICAL)).onto(GRID).read(GRID)
    assert (stored[LEFT] == NODATA).all() and (stored[:, :, 30:] != NODATA).all()
    assert (stored[0, :, 50:60] == 0).all()


@pytest.mark.parametrize("kind", ["uint16", "int16", "float32"])
def test_no_border_is_blended_with_what_lies_beside_it(tmp_path, kind):
    """Even ground of .1 under a grid half a pixel off: .1 wherever there is a value, never .05."""
    values, unit = np.full((3, *GRID.shape), 1000, kind), "reflectance=0.0001"
    if kind == "float32":
        values, unit = values / np.float32(10_000), "reflectance"
    values[LEFT] = 0
    moved = GeoBox((60, 60), GRID.affine * GRID.affine.translation(0.5, 0.5), GRID.crs)
    found = imagery(write(tmp_path / "a.tif", values, names=OPTICAL), unit).onto(moved).read(moved)
    assert set(np.unique(found)) == {NODATA, 1000} and (found[:, :, :29] == NODATA).all()


def test_zeros_of_an_unknown_unit_stay_and_are_told(tmp_path, capsys):
    """A picture may be black, and counts may be 0."""
    stored = imagery(write(tmp_path / "b.tif", filled("uint8"), names=OPTICAL), None).onto(GRID).read(GRID)
    assert (stored[LEFT] == 0).all()
    told = capsys.readouterr().err
    assert "0 in all bands and count as measured" in told and "-a_nodata 0" in told


def test_co_registration_reads_no_border(tmp_path):
    path = write(tmp_path / "a.tif", filled())
    raster = raster_file.read(path)
    assert not raster.valid_BHW[LEFT].any() and raster.valid_BHW[:, :, 30:].all()
    moved = GeoBox((60, 60), GRID.affine * GRID.affine.translation(0.5, 0.5), GRID.crs)
    assert not raster_file.read(path, onto=moved).valid_BHW[:, :, :29].any()


def chips(tmp_path, unit: str) -> np.ndarray:
    """Stored numbers of the first of three chips whose four left columns are 0."""
    values, label = scene(kind="uint16")[:, :16, :16], np.zeros((16, 16), np.uint8)
    values[:, :, :4], label[8:] = 0, 1
    for split in ("train", "val", "test"):
        for folder, array in (("images", values), ("labels", label)):
            (tmp_path / folder / split).mkdir(parents=True)
            np.save(tmp_path / folder / split / "a.npy", array)
    options = ChipOptions(OPTICAL, unit)
    import_chips(tmp_path / "images", tmp_path / "labels", tmp_path / "data", options)
    dataset = Dataset.open(tmp_path / "data")
    with rasterio.open(tmp_path / "data" / dataset.patches[0].image_name) as file:
        return file.read()


def test_chips_lack_their_border(tmp_path):
    stored = chips(tmp_path, "reflectance=0.0001")
    assert (stored[:, :, :4] == NODATA).all() and (stored[:, :, 4:] != NODATA).all()


def test_chips_of_an_unknown_unit_keep_zeros_and_are_told(tmp_path, capsys):
    stored = chips(tmp_path, "dn")
    assert (stored != NODATA).all()
    assert "about 25.0% of the pixels of the chips" in capsys.readouterr().err
