"""Raster files that lie: none may show another file of this machine, ask an address, or fill the memory."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from local_ee.testing import hostile
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import rasters
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.rasters import open_bytes, open_picture, open_raster
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.coregistration import raster_file
from isamap.gee_export.datasets import geotiff
from isamap.gee_export.images.image_file import open_file
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels
from isamap.inference.inputs.source import open_geotiff
from isamap.inference.map_files.map_file import open_map
from isamap.training.checkpoints.checkpoint import BandNorm

GRID = GeoBox((32, 32), hostile.PLACE["transform"], "EPSG:32650")
REGION = Region("plot", 32650, (212750, 3416040, 213070, 3416360), (212750, 3416360))
JUNE = Period.between("2019-06-01", "2019-06-30")


def as_label(path: Path) -> np.ndarray:
    return open_labels(LabelRequest((str(path),)), REGION, JUNE).fuse({}, GRID)[0]


def as_image(path: Path) -> np.ndarray:
    return open_file(Imagery(str(path)), small=False).onto(GRID).read(GRID)


def as_input(path: Path) -> np.ndarray:
    from isamap.gee_export.base.grid import Window

    return open_geotiff(path, (BandNorm("isa", "share", 0.5, 0.5),)).read(Window(0, 0, 32, 32)).values_BHW


def as_patch(path: Path) -> np.ndarray:
    return geotiff.decode(path.read_bytes(), path.name)[0]


def as_other_raster(path: Path) -> np.ndarray:
    return raster_file.read(path).values_BHW


def opened(opener):
    def read(path: Path) -> np.ndarray:
        with opener(path) as file:
            return file.read()

    return read


NAMED = {"--label": as_label, "--image": as_image, "--input": as_input, "coregister": as_other_raster}
FOUND = {"patch": as_patch, "file": opened(open_raster), "chip": opened(open_picture), "map": open_map}
ALL = NAMED | FOUND


def refused(read, path: Path) -> str:
    """The words of the refusal, which is an error that commands print as one sentence."""
    with pytest.raises((ValueError, Fault, rasterio.errors.RasterioError)) as error:
        read(path)
    return str(error.value)


@pytest.mark.parametrize("name", ["x.tif", "x.vrt"])
@pytest.mark.parametrize("reader", ALL)
def test_bytes_of_another_file_are_never_pixels(tmp_path, reader, name):
    path = tmp_path / name
    path.write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    refused(ALL[reader], path)


@pytest.mark.long
@pytest.mark.parametrize("reader", ALL)
@pytest.mark.parametrize("name", ["x.tif", "x.vrt"])
def test_no_address_is_asked(tmp_path, reader, name):
    with hostile.listener() as (url, request):
        for text in (hostile.simple_vrt(f"/vsicurl/{url}/a.tif"), hostile.simple_vrt(f"{url}/a.tif"), hostile.wms(url)):
            (tmp_path / name).write_text(text)
            refused(ALL[reader], tmp_path / name)
    assert request == []


@pytest.mark.parametrize("reader", ALL)
def test_a_geotiff_that_names_another_file_is_refused(tmp_path, reader):
    """GDAL reads the overview that a GeoTIFF's own tag OVERVIEW_FILE names, by any driver."""
    second = tmp_path / "other.vrt"
    second.write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    words = refused(ALL[reader], hostile.pointing(tmp_path / "x.tif", second))
    assert "x.tif" in words and ("OVERVIEW_FILE" in words)


@pytest.mark.parametrize("reader", ALL)
def test_a_file_that_declares_too_many_pixels_is_refused_in_one_sentence(tmp_path, reader):
    path = hostile.vast(tmp_path / "x.tif")
    words = refused(ALL[reader], path)
    assert path.stat().st_size < 20_000
    assert all(piece in words for piece in ("x.tif", "40,000,000,000", f"{rasters.VALUES:,}", "gdal_translate"))


@pytest.mark.parametrize("reader", ALL)
def test_a_file_of_one_giant_block_is_refused_in_one_sentence(tmp_path, reader):
    words = refused(ALL[reader], hostile.one_block(tmp_path / "x.tif"))
    assert all(piece in words for piece in ("x.tif", "400,000,000", f"{rasters.BLOCK_BYTES:,}", "TILED=YES"))


def test_a_large_file_is_read_where_its_bytes_can_hold_the_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(rasters, "VALUES", 100)
    random = np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    np.testing.assert_array_equal(opened(open_raster)(hostile.geotiff(tmp_path / "x.tif", random))[0], random)


def test_a_file_too_large_to_be_read_at_once_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rasters, "WHOLE_BYTES", 1000)
    assert "1,024 bytes of pixels" in refused(as_patch, hostile.geotiff(tmp_path / "x.tif"))


def test_no_bytes_are_no_geotiff():
    with pytest.raises(ValueError, match=r"a\.tif is empty"), open_bytes(b"", "a.tif"):
        pass


@pytest.mark.parametrize("ending", [".msk", ".ovr"])
@pytest.mark.parametrize("reader", NAMED)
def test_what_lies_beside_a_named_file_must_be_a_geotiff(tmp_path, reader, ending):
    path = hostile.geotiff(tmp_path / "x.tif")
    (tmp_path / f"x.tif{ending}").write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    assert f"x.tif{ending}" in refused(NAMED[reader], path)


def test_overviews_beside_a_found_file_are_not_read(tmp_path):
    path = hostile.geotiff(tmp_path / "x.tif", np.ones((512, 512), np.uint8))
    (tmp_path / "x.tif.ovr").write_text(hostile.raw_vrt(hostile.secret(tmp_path)))
    with open_raster(path) as file:
        assert (file.read(1, out_shape=(16, 16)) == 1).all()


def test_a_mask_beside_a_found_file_is_never_left_out_silently(tmp_path):
    path = hostile.geotiff(tmp_path / "x.tif")
    hostile.geotiff(tmp_path / "x.tif.msk")
    assert "x.tif" in refused(opened(open_raster), path)


def test_a_mask_beside_a_named_file_is_honoured(tmp_path):
    values = np.ones((32, 32), np.uint8)
    path = hostile.geotiff(tmp_path / "x.tif", values)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(np.arange(1024).reshape(32, 32) >= 512)
    assert (tmp_path / "x.tif.msk").exists()
    assert (as_label(path)[:16] == 255).all() and (as_label(path)[16:] == 1).all()


@pytest.mark.parametrize("reader", NAMED)
def test_a_mosaic_of_files_beside_it_is_read(tmp_path, reader):
    random = np.random.default_rng(2).integers(0, 2, (32, 32), dtype=np.uint8)
    hostile.geotiff(tmp_path / "tiles" / "a.tif", random)
    (tmp_path / "x.vrt").write_text(hostile.simple_vrt("tiles/a.tif", relative=1))
    np.testing.assert_array_equal(np.squeeze(NAMED[reader](tmp_path / "x.vrt")), random)


def test_a_mosaic_is_what_gdal_makes_of_it(tmp_path):
    """Scales, no-data, masks, colours and rectangles survive the rebuilding; GDAL on the file itself is the oracle."""
    random = np.random.default_rng(3).integers(0, 255, (32, 32), dtype=np.uint8)
    for name in ("a", "b"):
        hostile.geotiff(tmp_path / f"{name}.tif", random if name == "a" else random.T, nodata=7)
    source = (
        '<ComplexSource resampling="nearest"><SourceFilename relativeToVRT="1" shared="0">{}.tif</SourceFilename>'
        '<SourceBand>1</SourceBand><SourceProperties RasterXSize="32" RasterYSize="32" DataType="Byte" '
        'BlockXSize="32" BlockYSize="32"/><SrcRect xOff="0" yOff="0" xSize="32" ySize="32"/>'
        '<DstRect xOff="{}" yOff="0" xSize="32" ySize="32"/><ScaleOffset>1</ScaleOffset><ScaleRatio>2</ScaleRatio>'
        "<NODATA>7</NODATA></ComplexSource>"
    )
    band = (
        '<Metadata><MDI key="k">v</MDI></Metadata><VRTRasterBand dataType="UInt16" band="1">'
        "<Description>isa</Description><NoDataValue>9</NoDataValue><Offset>1</Offset><Scale>0.5</Scale>"
        f"<UnitType>m</UnitType><ColorInterp>Gray</ColorInterp>{source.format('a', 0)}{source.format('b', 28)}"
        "</VRTRasterBand>"
    )
    (tmp_path / "x.vrt").write_text(hostile.vrt(band, side=60))
    with rasterio.open(tmp_path / "x.vrt") as oracle, open_named(tmp_path / "x.vrt") as file:
        np.testing.assert_array_equal(file.read(), oracle.read())
        assert (file.profile, file.tags(), file.scales, file.units) == (
            oracle.profile, oracle.tags(), oracle.scales, oracle.units,
        )  # fmt: skip


def nested(folder: Path) -> str:
    (folder / "inner.tif").write_text(hostile.raw_vrt(hostile.secret(folder)))
    return hostile.simple_vrt("inner.tif", relative=1)


def doctype(folder: Path) -> str:
    text = hostile.simple_vrt("&f;", relative=1)
    return f'<!DOCTYPE x [<!ENTITY f "{hostile.secret(folder)}">]>{text}'


VRTS = {
    "absolute": lambda folder: hostile.simple_vrt(hostile.geotiff(folder / "a.tif")),
    "absolute said to be relative": lambda folder: hostile.simple_vrt(hostile.geotiff(folder / "a.tif"), relative=1),
    "above": lambda folder: hostile.simple_vrt(f"../{hostile.geotiff(folder / 'a.tif').parent.name}/a.tif", relative=1),
    "raw": lambda folder: hostile.raw_vrt(hostile.secret(folder).name, relative=1),
    "derived": lambda folder: hostile.derived_vrt(hostile.geotiff(folder / "a.tif").name),
    "nested": nested,
    "subdataset": lambda folder: hostile.simple_vrt(f"GTIFF_DIR:1:{hostile.geotiff(folder / 'a.tif')}", relative=1),
    "connection": lambda folder: hostile.simple_vrt("&lt;GDAL_WMS/&gt;", relative=1),
    "entity": doctype,
    "no source": lambda folder: hostile.vrt('<VRTRasterBand dataType="Byte" band="1"/>'),
    "overview": lambda folder: hostile.vrt(
        '<VRTRasterBand dataType="Byte" band="1"><Overview><SourceFilename relativeToVRT="1">'
        f"{hostile.geotiff(folder / 'a.tif').name}</SourceFilename></Overview></VRTRasterBand>"
    ),
    "no XML": lambda folder: "<VRTDataset rasterXSize='3'",
}


@pytest.mark.parametrize("reader", NAMED)
@pytest.mark.parametrize("text", VRTS)
def test_other_virtual_files_are_refused_with_the_remedy(tmp_path, reader, text):
    path = tmp_path / "x.vrt"
    path.write_text(VRTS[text](tmp_path))
    words = refused(NAMED[reader], path)
    assert "x.vrt" in words or "inner.tif" in words
    assert "gdalbuildvrt" in words or "GeoTIFF" in words


def test_a_mosaic_may_not_declare_more_than_its_sources_hold(tmp_path):
    hostile.geotiff(tmp_path / "a.tif")
    inner = '<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">a.tif'
    (tmp_path / "x.vrt").write_text(
        hostile.vrt(f"{inner}</SourceFilename></SimpleSource></VRTRasterBand>", side=200_000)
    )
    assert "40,000,000,000 values" in refused(opened(open_named), tmp_path / "x.vrt")


def test_a_block_holds_all_bands_where_pixels_lie_together(tmp_path, monkeypatch):
    monkeypatch.setattr(rasters, "BLOCK_BYTES", 3 * 256 * 256 - 1)
    with rasterio.open(
        tmp_path / "x.tif", "w", driver="GTiff", height=256, width=256, count=3, dtype="uint8",
        tiled=True, blockxsize=256, blockysize=256, interleave="pixel", **hostile.PLACE,
    ) as target:  # fmt: skip
        target.write(np.ones((3, 256, 256), np.uint8))
    assert f"{math.prod((3, 256, 256)):,}" in refused(opened(open_raster), tmp_path / "x.tif")
