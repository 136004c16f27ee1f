"""Files whose rows run from south to north are read as their north-up twins, whatever the window."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window

from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.base.validity import valid_pixels
from isamap.gee_export.base.warp import warped
from tests.support.marked_rasters import southern

PLACE = {"crs": "EPSG:32650", "transform": Affine(10, 0, 239_630, 0, -10, 3_388_200)}


def twins(folder, shape=(37, 29), *, mirrored=False, masked=True, **changes):
    """Two files of equal pixels, the second one's rows stored from the south."""
    rng = np.random.default_rng(3)
    profile = {
        "driver": "GTiff",
        "count": 2,
        "height": shape[0],
        "width": shape[1],
        "dtype": "int16",
        **PLACE,
        **changes,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(folder / "north.tif", "w", **profile) as file:
        file.write(rng.integers(0, 3000, (2, *shape)).astype("int16"))
        file.descriptions, file.scales = ("B2", "VV"), (1e-4, 0.01)
        if masked:
            file.write_mask(rng.random(shape) > 0.3)
    return folder / "north.tif", southern(folder / "north.tif", folder / "south.tif", mirrored=mirrored)


@pytest.mark.parametrize("opened", [open_named, open_raster])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.booleans(), st.integers(0, 36), st.integers(0, 28), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from([None, 1, [2, 1]]), st.booleans(),
)  # fmt: skip
def test_any_window_is_that_of_the_north_up_file(tmp_path, opened, mirrored, row, col, height, width, bands, by_slices):
    window = ((row, row + height), (col, col + width)) if by_slices else Window(col, row, width, height)
    north, south = twins(tmp_path, mirrored=mirrored)
    with opened(north) as first, opened(south) as second:
        for read in ("read", "read_masks"):
            expected = getattr(first, read)(bands, window=window)
            np.testing.assert_array_equal(getattr(second, read)(bands, window=window), expected)
        ours, theirs = (file.read(1, window=window, masked=True) for file in (second, first))
        np.testing.assert_array_equal(ours.mask, theirs.mask)


@pytest.mark.parametrize("mirrored", [False, True])
def test_its_place_and_what_it_says_of_itself_are_those_of_the_north_up_file(tmp_path, mirrored):
    north, south = twins(tmp_path, mirrored=mirrored)
    with open_named(north) as first, open_named(south) as second:
        assert (second.transform, second.bounds, second.shape) == (first.transform, first.bounds, first.shape)
        assert (second.descriptions, second.scales) == (first.descriptions, first.scales)
        assert second.index(239_700, 3_388_100) == first.index(239_700, 3_388_100)
        np.testing.assert_array_equal(second.dataset_mask(), first.dataset_mask())


@pytest.mark.parametrize("resampling", [Resampling.nearest, Resampling.bilinear, Resampling.average])
@pytest.mark.parametrize("nodata", [None, 7])
def test_a_warp_gives_the_same_pixels(tmp_path, resampling, nodata):
    grid = GeoBox((14, 9), Affine(25, 0, 239_603, 0, -25, 3_388_213), "EPSG:32650")
    answers = []
    for path in twins(tmp_path, masked=nodata is None, nodata=nodata):
        with open_named(path) as file, warped(file, grid, resampling) as laid:
            values = laid.read([1, 2])
            answers.append(np.where(valid_pixels(laid, [1, 2], values), values, -1))
    np.testing.assert_array_equal(*answers)
    assert (answers[0] == -1).any() and (answers[0] >= 0).any()


def test_a_mosaic_of_south_up_files_is_turned_too(tmp_path):
    _, south = twins(tmp_path, masked=False)
    mosaic = tmp_path / "mosaic.vrt"
    bands = "".join(
        f"<VRTRasterBand dataType='Int16' band='{band}'><SimpleSource><SourceFilename relativeToVRT='1'>south.tif"
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2)
    )
    with rasterio.open(south) as file:
        place = ", ".join(map(str, file.transform.to_gdal()))
    mosaic.write_text(
        f"<VRTDataset rasterXSize='29' rasterYSize='37'><SRS>EPSG:32650</SRS><GeoTransform>{place}</GeoTransform>"
        f"{bands}</VRTDataset>"
    )
    with open_named(mosaic) as file, rasterio.open(tmp_path / "north.tif") as north:
        assert file.transform == north.transform
        np.testing.assert_array_equal(file.read(), north.read())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("changes", [{"transform": None}, {"crs": None}])
def test_rows_of_a_file_that_lies_nowhere_stay_in_their_order(tmp_path, changes):
    _, south = twins(tmp_path, masked=False)
    with rasterio.open(south) as file:
        values, profile = file.read(), file.profile | changes
    with rasterio.open(tmp_path / "nowhere.tif", "w", **{k: v for k, v in profile.items() if v is not None}) as file:
        file.write(values)
    with open_named(tmp_path / "nowhere.tif") as file:
        np.testing.assert_array_equal(file.read(), values)
