"""What hides a pixel hides it for every reader: a value, a mask in or beside the file, alpha in any number of bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, Resampling

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.validity import valid_pixels
from isamap.gee_export.base.warp import warped
from isamap.gee_export.coregistration import raster_file
from isamap.gee_export.images.external_image import open_imagery
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels
from isamap.inference.inputs.block_rows import BlockRows
from isamap.inference.postprocessing.mask import _inside

GRID = GeoBox((31, 23), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
FINER = GeoBox((62, 46), Affine(5, 0, 212750, 0, -5, 3416360), "EPSG:32650")
REGION = regions.Region("plot", 32650, (212750, 3416060, 212970, 3416360), (212750, 3416360))
MARKS = (
    "no-data value", "internal mask", ".msk file", "alpha band", "alpha band and no-data value",
    "internal mask and no-data value",
)  # fmt: skip
NODATA = 99


@pytest.fixture(params=[1, 2, 3, 6])
def marked(request, tmp_path):
    """Writes a file of so many bands of ones, some of them hidden by a mark."""

    def written(mark: str) -> tuple[Path, np.ndarray]:
        count, path = request.param, tmp_path / "marked.tif"
        hidden_HW = np.random.default_rng(count).random(GRID.shape) < 0.3
        by_value = hidden_HW & (np.arange(GRID.shape[1]) % 2 == 0) if " and " in mark else hidden_HW
        by_mask = hidden_HW & ~by_value if " and " in mark else hidden_HW
        values = np.ones((count, *GRID.shape), np.uint8)
        if "no-data" in mark:
            values[:, by_value] = NODATA
        bands = values if "alpha" not in mark else np.concatenate([values, np.where(by_mask, 0, 255)[None]])
        profile = {"dtype": "uint8", "crs": "EPSG:32650", "transform": GRID.affine, "count": len(bands)}
        profile |= {"nodata": NODATA} if "no-data" in mark else {}
        shape = {"height": GRID.shape[0], "width": GRID.shape[1]}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=mark != ".msk file"),
            rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file,
        ):
            if "alpha" in mark:  # before the pixels: GDAL writes which band it is into the head
                file.colorinterp = [*[ColorInterp.gray] * count, ColorInterp.alpha]
            file.write(bands.astype(np.uint8))
            if mark.startswith(("internal mask", ".msk file")):
                file.write_mask(~by_mask)
        return path, ~hidden_HW

    return written


@pytest.mark.parametrize("mark", MARKS)
def test_a_file_and_its_warp_hide_the_same_pixels(marked, mark):
    path, known_HW = marked(mark)
    with open_named(path) as file, warped(file, GRID, Resampling.nearest) as laid:
        for each in (file, laid):
            assert (valid_pixels(each, [1], each.read([1]))[0] == known_HW).all()


@pytest.mark.parametrize("mark", MARKS)
def test_an_image_an_input_a_label_a_mask_and_co_registration_agree(marked, mark):
    path, known_HW = marked(mark)
    finer_HW = known_HW.repeat(2, 0).repeat(2, 1)
    stored = open_imagery(Imagery(str(path)), None, regions.Month(2019, 6).period).onto(GRID).read(GRID)
    assert ((stored != -32768) == known_HW).all()
    with open_named(path) as file:
        assert (BlockRows(file, [1]).read(Window(0, 0, *GRID.shape))[1][0] == known_HW).all()
    labels = open_labels(LabelRequest((f"{path}#1=1/pervious=0",)), REGION, regions.Month(2019, 6))
    assert ((labels.fuse({}, GRID)[0] != 255) == known_HW).all()
    assert (_inside(path, FINER, 0, 62) == finer_HW).all()
    assert (raster_file.read(path).valid_BHW == known_HW).all()
    moved = GeoBox(GRID.shape, GRID.affine * Affine.translation(10, 0), GRID.crs)
    assert (raster_file.read(path, onto=moved).valid_BHW[:, :, :-10] == known_HW[:, 10:]).all()
