"""GeoTIFFs as input: bands by name, physical units, masks; and the sentences where something is missing."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window
from isamap.inference.inputs.checks import _spread, range_warnings, sampled, step_m, step_warnings
from isamap.inference.inputs.source import open_geotiff, same_band
from isamap.training.checkpoints.checkpoint import normalise
from tests.inference.conftest import BANDS, NAMES, WUHAN, stored_scene, write_tif


def test_values_are_pixel_times_scale_plus_offset(tmp_path):
    stored = stored_scene(70, 80)
    path = write_tif(tmp_path / "a.tif", stored)
    with rasterio.open(path, "r+") as target:
        target.offsets = (-0.1,) * 4 + (0.0,) * 2
    raster = open_geotiff(path, BANDS).read(Window(5, 6, 60, 70))
    piece = stored[:, 5:65, 6:76]
    expected = piece * np.array([1e-4] * 4 + [0.01] * 2)[:, None, None] - np.array([0.1] * 4 + [0] * 2)[:, None, None]
    np.testing.assert_array_equal(raster.valid_BHW, piece != -32768)
    np.testing.assert_array_equal(raster.values_BHW[raster.valid_BHW], expected.astype(np.float32)[raster.valid_BHW])


def test_bands_are_found_by_name_in_any_order_and_spelling(tmp_path):
    """docs/reference/wishes.md, "Wish 14"."""
    stored = stored_scene(20, 20)
    order = [5, 3, 0, 4, 1, 2]
    names = ["vh", "B08", "B02", "VV", "b3", "B4"]
    path = write_tif(tmp_path / "a.tif", stored[order], names=names, scales=[(1e-4, 0.01)[k > 3] for k in order])
    shuffled = open_geotiff(path, BANDS).read(Window(0, 0, 20, 20))
    plain = open_geotiff(write_tif(tmp_path / "b.tif", stored), BANDS).read(Window(0, 0, 20, 20))
    assert shuffled.bands == NAMES
    np.testing.assert_array_equal(shuffled.values_BHW, plain.values_BHW)


def test_common_names_of_other_archives_are_found(tmp_path):
    stored = stored_scene(20, 20)
    path = write_tif(tmp_path / "a.tif", stored, names=["blue", "Green", "red", "nir", "VV", "VH"])
    plain = open_geotiff(write_tif(tmp_path / "b.tif", stored), BANDS).read(Window(0, 0, 20, 20))
    np.testing.assert_array_equal(open_geotiff(path, BANDS).read(Window(0, 0, 20, 20)).values_BHW, plain.values_BHW)


def test_a_bands_own_name_goes_before_a_common_one(tmp_path):
    stored = stored_scene(20, 20)
    path = write_tif(
        tmp_path / "a.tif", np.concatenate([stored[3:4], stored]), names=["blue", *NAMES],
        scales=[1e-4, *(1e-4,) * 4, 0.01, 0.01],
    )  # fmt: skip
    read = open_geotiff(path, BANDS).read(Window(0, 0, 20, 20))
    plain = open_geotiff(write_tif(tmp_path / "b.tif", stored), BANDS).read(Window(0, 0, 20, 20))
    np.testing.assert_array_equal(read.values_BHW, plain.values_BHW)


def test_two_bands_of_one_common_name_are_refused(tmp_path):
    path = write_tif(tmp_path / "a.tif", stored_scene(20, 20)[:2], names=["swir1", "swir16"], scales=(1e-4,) * 2)
    with pytest.raises(ValueError, match="has two bands named swir16: rename one"):
        open_geotiff(path, BANDS)


def test_a_band_that_may_be_missing_is_the_networks_zero_in_its_place(tmp_path, capsys):
    """As in training, where a dropped band is 0 to the network; a pixel is known where all bands of the file are."""
    stored, at = stored_scene(20, 20), NAMES.index("B3")
    stored[0, 4, 5] = -32768
    others = [index for index in range(len(NAMES)) if index != at]
    names, scales = [NAMES[index] for index in others], [(1e-4, 0.01)[index > 3] for index in others]
    path = write_tif(tmp_path / "a.tif", stored[others], names=names, scales=scales)
    source = open_geotiff(path, BANDS, may_lack=lambda names: list(names) == ["B3"])
    raster = source.read(Window(0, 0, 20, 20))
    assert raster.bands == source.bands == NAMES and source.tags["lacks"] == "B3"
    whole = open_geotiff(write_tif(tmp_path / "b.tif", stored), BANDS).read(Window(0, 0, 20, 20))
    np.testing.assert_array_equal(raster.values_BHW[others], whole.values_BHW[others])
    np.testing.assert_array_equal(raster.valid_BHW[at], (stored[others] != -32768).all(axis=0))
    assert not normalise(raster.values_BHW, raster.valid_BHW, BANDS)[at].any()
    assert "lacks band B3: the network has learned without band B3 too" in capsys.readouterr().err


def test_two_bands_are_not_missing_where_one_may_be(tmp_path):
    path = write_tif(tmp_path / "a.tif", stored_scene(20, 20)[2:], names=NAMES[2:], scales=(1e-4, 1e-4, 0.01, 0.01))
    with pytest.raises(ValueError, match="lacks bands B2, B3 that the checkpoint needs"):
        open_geotiff(path, BANDS, may_lack=lambda names: len(names) == 1)


def test_band_names_keep_their_letters():
    assert [same_band(n) for n in ("B02", "B8A", "b8a", "B12", "VV_asc")] == ["B2", "B8A", "B8A", "B12", "VV_ASC"]


def test_numbers_that_are_not_finite_are_missing(tmp_path):
    """docs/reference/wishes.md, "Wish 22"."""
    values = np.full((6, 16, 16), 0.1, np.float32)
    values[4:] = -10
    values[0, 3, 4], values[5, 6, 7] = np.nan, -np.inf
    path = write_tif(tmp_path / "a.tif", values, scales=None, nodata=None, tiled=False, blockysize=16)
    raster = open_geotiff(path, BANDS).read(Window(0, 0, 16, 16))
    assert (~raster.valid_BHW).sum() == 2 and not raster.valid_BHW[0, 3, 4] and not raster.valid_BHW[5, 6, 7]
    assert np.isfinite(raster.values_BHW).all()


def test_an_internal_mask_is_honoured(tmp_path):
    stored = np.full((6, 32, 32), 1000, np.int16)
    path = write_tif(tmp_path / "a.tif", stored, nodata=None)
    mask = np.full((32, 32), 255, np.uint8)
    mask[4:8] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(mask)
    valid = open_geotiff(path, BANDS).read(Window(0, 0, 32, 32)).valid_BHW
    np.testing.assert_array_equal(valid, np.broadcast_to(mask != 0, valid.shape))


def refused(path, match: str, **how) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        open_geotiff(path, BANDS, **how)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"names": ("B2", "B3", "B4", "B5", "VV", "")}, "lacks bands B8, VH that the checkpoint"),
        ({"names": None}, r"it has \(unnamed\)"),
        ({"names": ("B2", "B02", "B4", "B8", "VV", "VH")}, "two bands named B02"),
        ({"crs": None}, r"no coordinate reference system \(CRS\)"),
        # Raw reflectance x 10,000 is known by its tag only: a guess would be wrong one day.
        ({"scales": None}, "band B2 holds integers without a scale"),
    ],
)
def test_what_a_file_lacks_is_named(tmp_path, changes, match):
    refused(write_tif(tmp_path / "a.tif", stored_scene(9, 9), **changes), match)


def test_gamma0_for_a_sigma0_network_is_refused(tmp_path):
    path = write_tif(tmp_path / "a.tif", stored_scene(9, 9), tags={"BACKSCATTER": "Gamma0"})
    refused(path, "holds gamma0 backscatter, the checkpoint was trained on sigma0", backscatter="sigma0")
    open_geotiff(path, BANDS, backscatter="gamma0").close()


LEVELS = [{"level": "L1C"}, {"PROCESSING_LEVEL": "Level-1C"}, {"PRODUCT_TYPE": "S2MSI1C"}]


@pytest.mark.parametrize("tags", LEVELS, ids=lambda tags: next(iter(tags)))
def test_a_level_that_the_file_states_is_refused(tmp_path, tags):
    path = write_tif(tmp_path / "a.tif", stored_scene(9, 9), tags=tags)
    with pytest.raises(ValueError, match=r"holds Sentinel-2 L1C by its tags, the checkpoint was trained on L2A"):
        open_geotiff(path, BANDS, levels=("L2A",))
    open_geotiff(path, BANDS, levels=("L2A", "L1C")).close()


@pytest.mark.parametrize("tags", [{}, {"level": "L2A"}, {"TIFFTAG_TYPE": "1c"}])
def test_the_same_level_and_no_level_are_taken(tmp_path, tags):
    open_geotiff(write_tif(tmp_path / "a.tif", stored_scene(9, 9), tags=tags), BANDS, levels=("L2A",)).close()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "none.tif", "no such file")


def test_a_file_that_is_no_raster_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("no tiff")
    refused(tmp_path / "a.tif", "not a raster")


def test_a_damaged_file_is_a_fault(tmp_path):
    path = write_tif(tmp_path / "a.tif", stored_scene(300, 300))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 60_000] = b"\xff" * 60_000  # more than one tile
    path.write_bytes(content)
    source = open_geotiff(path, BANDS)
    with pytest.raises(Fault, match="damaged at rows"):
        source.read(Window(0, 0, 300, 300))


def warnings_of(path) -> list[str]:
    return range_warnings(sampled(open_geotiff(path, BANDS)), BANDS)


def test_usual_values_give_no_warning(tmp_path):
    assert warnings_of(write_tif(tmp_path / "a.tif", stored_scene(200, 200))) == []


def test_a_tenth_of_strange_values_is_told(tmp_path):
    """docs/reference/wishes.md, "Wish 15"."""
    stored = stored_scene(120, 120)
    stored[1, :12] = 30000
    (sentence,) = warnings_of(write_tif(tmp_path / "a.tif", stored))
    assert "10% of band B3" in sentence and "reflectance" in sentence


@pytest.mark.parametrize(("height", "width"), [(3000, 1216), (700, 513)])
def test_samples_of_a_large_raster_lie_within_one_block_each(height, width):
    """Blocks are decoded whole: a sample over the corner of four would decode them all before the map begins."""
    windows = _spread(height, width)
    assert len({(window.row, window.col) for window in windows}) == 9
    for window in windows:
        assert window.row // 512 == (window.row_end - 1) // 512 and window.col // 256 == (window.col_end - 1) // 256
        assert window.row_end <= height and window.col_end <= width


@pytest.mark.parametrize(
    ("value", "match"),
    [(900, "band B2 is in other units"), (0.08, "band VV is not in dB")],
    ids=["reflectance x 10,000", "linear power"],
)
def test_other_units_are_refused(tmp_path, value, match):
    path = write_tif(tmp_path / "a.tif", np.full((6, 64, 64), value, np.float32), scales=None)
    with pytest.raises(ValueError, match=match):
        warnings_of(path)


@pytest.mark.parametrize(
    ("crs", "transform", "told"),
    [
        ("EPSG:32650", WUHAN, False),
        ("EPSG:32650", Affine(10.4, 0, 212750, 0, -10.4, 3416360), False),
        ("EPSG:32650", Affine(20, 0, 212750, 0, -20, 3416360), True),
        ("EPSG:32650", WUHAN * Affine.rotation(30), False),
        ("EPSG:4326", Affine(1 / 9567, 0, 114.2, 0, -1 / 11090, 30.6), False),
        ("EPSG:4326", Affine(1 / 11090, 0, 114.2, 0, -1 / 11090, 30.6), True),
    ],
)
def test_pixels_of_another_ground_size_are_told(tmp_path, crs, transform, told):
    """One degree of longitude is 95.67 km at 30.6 N, one of latitude 110.9 km (WGS84)."""
    path = write_tif(tmp_path / "a.tif", stored_scene(9, 9), crs=crs, transform=transform)
    geobox = open_geotiff(path, BANDS).geobox
    assert bool(step_warnings(geobox, 10.0)) == told
    assert step_m(geobox) == pytest.approx(10, rel=0.1) or told


def test_the_cache_holds_one_row_of_blocks(tmp_path):
    path = write_tif(tmp_path / "a.tif", stored_scene(64, 640))
    source = open_geotiff(path, BANDS)
    assert source.cache_bytes >= 640 * 64 * 6 * 2
    assert source.cache_bytes <= 64 << 20
