"""Images other than Sentinel's: files and assets with grids, types and units of their own, laid on other grids."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, Resampling
from rasterio.warp import reproject

from isamap.gee_export.base import regions
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.datasets.manifest import NODATA
from isamap.gee_export.images.external_image import ExternalImage, ground_of, open_imagery
from isamap.gee_export.images.imagery import Imagery

PERIOD = regions.Month(2019, 6).period
GRID = GeoBox((90, 70), Affine(3.0, 0, 212_751.0, 0, -3.0, 3_416_359.0), "EPSG:32650")
MERCATOR = GeoBox((60, 80), Affine(4.777, 0, 12_700_000.0, 0, -4.777, 3_570_000.0), "EPSG:3857")


def write(path, values, grid=GRID, *, names=(), **profile):
    """A GeoTIFF of the array (bands, rows, columns)."""
    count, height, width = values.shape
    location = {"crs": str(grid.crs), "transform": grid.affine} if grid is not None else {}
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **location, **profile) as target:
        target.write(values)
        if names:
            target.descriptions = names
    return str(path)


def scene(grid=GRID, bands=3, kind="uint16", seed=0, high=3000):
    return np.random.default_rng(seed).integers(1, high, (bands, *grid.shape)).astype(kind)


def region_over(grid, name="spot"):
    """A region of UTM zone 50 that lies over a grid."""
    return regions.from_bbox(tuple(grid.geographic_extent.boundingbox), name=name, epsg=32650)


# -- files


def test_a_files_own_pixels_are_kept(tmp_path):
    values = scene()
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", values, names=("red", "green", "blue"))), None, PERIOD)
    assert imagery.bands == ("red", "green", "blue") and imagery.grid == GRID
    region = region_over(GRID)
    region_grid = ground_of(imagery, region, None)
    assert region_grid.lattice.affine == GRID.affine and region_grid.window == Window(0, 0, 90, 70)
    laid = imagery.onto(region_grid.geobox(region_grid.window))
    piece = Window(20, 10, 32, 40)
    np.testing.assert_array_equal(laid.read(region_grid.geobox(piece))[0].astype(int) + 32767, values[0][piece.slices])


def test_what_lies_outside_a_file_is_missing(tmp_path):
    values = scene(kind="int16")
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", values)), None, PERIOD)
    read = imagery.onto(GRID).read(crop(GRID, Window(-5, 60, 20, 20)))
    assert (read[:, :5] == -32768).all() and (read[:, :, 10:] == -32768).all()
    np.testing.assert_array_equal(read[:, 5:, :10], values[:, :15, 60:])


def test_no_data_masks_and_alpha_are_missing(tmp_path):
    """docs/reference/wishes.md, "Wish 13"."""
    values = scene(kind="uint8", high=255)
    values[:, 3, 4] = 99
    tagged = open_imagery(Imagery(write(tmp_path / "a.tif", values, nodata=99)), None, PERIOD)
    assert ((tagged.onto(GRID).read(GRID) == -32768) == (values == 99)).all()
    alpha = np.full((1, *GRID.shape), 255, np.uint8)
    alpha[0, 7] = 0
    path = write(tmp_path / "b.tif", np.concatenate((values, alpha)))
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    imagery = open_imagery(Imagery(path, bands=("R", "G", "B")), None, PERIOD)
    assert imagery.bands == ("R", "G", "B")
    assert ((imagery.onto(GRID).read(GRID) == -32768).all(axis=0) == (alpha[0] == 0)).all()


def test_bands_are_chosen_by_name_or_number_in_the_order_asked(tmp_path):
    """docs/reference/wishes.md, "Wish 14"."""
    values = scene(kind="int16")
    path = write(tmp_path / "a.tif", values, names=("red", "green", "blue"))
    for bands, order in ((("blue", "red"), (2, 0)), (("3", "1"), (2, 0))):
        imagery = open_imagery(Imagery(path, bands), None, PERIOD)
        np.testing.assert_array_equal(imagery.onto(GRID).read(GRID), values[list(order)])


@pytest.mark.parametrize(
    ("names", "bands", "called"),
    [
        (("VV_p50", "VH_p50", "mask"), ("VH=VH_p50", "VV=VV_p50"), ("VH", "VV")),
        (None, ("VH=2", "VV=1"), ("VH", "VV")),
        (("VV_p50", "VH_p50", "mask"), ("VH=2", "1"), ("VH", "b1")),
    ],
)
def test_bands_get_the_names_that_a_checkpoint_knows(tmp_path, names, bands, called):
    values = scene(kind="int16")
    path = write(tmp_path / "a.tif", values, names=names) if names else write(tmp_path / "a.tif", values)
    imagery = open_imagery(Imagery(path, bands), None, PERIOD)
    assert imagery.bands == called
    np.testing.assert_array_equal(imagery.onto(GRID).read(GRID), values[[1, 0]])


@pytest.mark.parametrize("bands", [("VV=red", "VV=blue"), ("VV=",), ("red", "red=blue")])
def test_new_names_are_one_each(bands):
    with pytest.raises(ValueError, match=r"name each once|expected NAME, or NEW=NAME"):
        Imagery("a.tif", bands)


def test_scale_and_unit_come_from_the_files_tags_unless_told(tmp_path):
    path = write(tmp_path / "a.tif", scene(kind="int16"))
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets, target.units = (0.5,) * 3, (10.0,) * 3, ("kelvin",) * 3
    tagged = open_imagery(Imagery(path), None, PERIOD).packing
    assert (tagged.unit, tagged.scale, tagged.offset) == ("kelvin", 0.5, 10.0)
    notices = open_imagery(Imagery(path, unit="reflectance=0.0001"), None, PERIOD).packing
    assert (notices.unit, notices.scale, notices.offset) == ("reflectance", 1e-4, 0.0)


@pytest.mark.parametrize(("ratio", "method"), [(1, Resampling.bilinear), (4, Resampling.average)])
def test_another_grid_is_resampled_as_rasterio_does_it(tmp_path, ratio, method):
    """Bilinear onto pixels of about the same size, the mean onto coarser ones."""
    values = (np.add.outer(np.arange(60), np.arange(80)) * 20).astype(np.int16)[None] + scene(MERCATOR, 1, "int16")
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", values, MERCATOR)), None, PERIOD)
    region_grid = ground_of(imagery, region_over(MERCATOR), 4.0 * ratio)
    geobox = region_grid.geobox(region_grid.window)
    expected = np.full((1, *geobox.shape), -32768, np.int16)
    reproject(
        values, expected, src_transform=MERCATOR.affine, src_crs="EPSG:3857", dst_transform=geobox.affine,
        dst_crs="EPSG:32650", dst_nodata=-32768, init_dest_nodata=True, resampling=method, tolerance=1e-6,
    )  # fmt: skip
    read = imagery.onto(geobox).read(geobox)
    np.testing.assert_array_equal(read == -32768, expected == -32768)
    np.testing.assert_allclose(read, expected, atol=1)  # GDAL sums in other blocks: halves may round the other way
    assert (expected != -32768).mean() > 0.7


@pytest.mark.parametrize("step_m", [4.0, 16.0])
def test_missing_pixels_do_not_bleed_into_resampled_ones(tmp_path, step_m):
    values = scene(MERCATOR, 1, "int16") % 100 + 500
    values[:, :, 40:] = -9999
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", values, MERCATOR, nodata=-9999)), None, PERIOD)
    region_grid = ground_of(imagery, region_over(MERCATOR), step_m)
    read = imagery.onto(region_grid.geobox(region_grid.window)).read(region_grid.geobox(region_grid.window))
    seen = read[read != NODATA]
    assert 0.3 < seen.size / read.size < 0.6 and seen.min() >= 500 and seen.max() < 600


@pytest.fixture(scope="module")
def warped(tmp_path_factory):
    path = tmp_path_factory.mktemp("warped") / "a.tif"
    imagery = open_imagery(Imagery(write(path, scene(MERCATOR, 2, "int16"), MERCATOR)), None, PERIOD)
    region_grid = ground_of(imagery, region_over(MERCATOR), 3.0)
    return imagery.onto(region_grid.geobox(region_grid.window)), region_grid, imagery


@settings(max_examples=20)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 28), st.integers(1, 40))
def test_a_pixel_does_not_depend_on_the_window_read(warped, row, col, height, width):
    laid, region_grid, _ = warped
    full = laid.read(region_grid.geobox(region_grid.window))
    piece = Window(region_grid.window.row + row, region_grid.window.col + col, height, width)
    np.testing.assert_array_equal(laid.read(region_grid.geobox(piece)), full[:, row : row + height, col : col + width])


@pytest.mark.parametrize(
    ("make", "asked", "words"),
    [
        (lambda path: None, {}, "was not found"),
        (lambda path: path.write_text("text"), {}, "is no raster that can be read"),
        (lambda path: write(path, scene(), None), {}, "does not say where it lies"),
        (lambda path: write(path, scene()), {"bands": ("R", "G")}, "3 bands without names and 2 names"),
        (lambda path: write(path, scene(), names=("a", "b", "c")), {"bands": ("x",)}, "no band x: expected some of 1"),
        (lambda path: write(path, scene(kind="float32")), {}, "say --unit reflectance"),
        (lambda path: write(path, scene(kind="complex64")), {}, "are no image"),
    ],
)
def test_files_that_cannot_serve_are_sentences(tmp_path, make, asked, words):
    make(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=words):
        open_imagery(Imagery(str(tmp_path / "a.tif"), **asked), None, PERIOD)


def test_rotated_pixels_need_a_step_and_then_a_grid_is_laid(tmp_path):
    turned = GeoBox((90, 70), GRID.affine * Affine.rotation(30), "EPSG:32650")
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", scene(kind="int16"), turned)), None, PERIOD)
    region = region_over(GRID)
    with pytest.raises(ValueError, match="rotated pixels: say with --scale"):
        ground_of(imagery, region, None)
    region_grid = ground_of(imagery, region, 3.0)
    read = imagery.onto(region_grid.geobox(region_grid.window)).read(region_grid.geobox(region_grid.window))
    assert 0.1 < (read != -32768).mean() < 0.95
    assert (read != 0).all()


def test_a_file_elsewhere_is_refused(tmp_path):
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", scene())), None, PERIOD)
    with pytest.raises(ValueError, match="does not cover any part of region 'beijing'"):
        ground_of(imagery, regions.named("beijing"), None)


def test_parts_of_a_region_share_their_lattice(tmp_path):
    imagery = open_imagery(Imagery(write(tmp_path / "a.tif", scene())), None, PERIOD)
    full = region_over(GRID)
    west, south, east, north = GRID.geographic_extent.boundingbox
    piece = full.part((west + (east - west) / 3, south + (north - south) / 3, east, north))
    for step in (None, 3.0, 16.0):
        single, second = ground_of(imagery, full, step), ground_of(imagery, piece, step)
        assert single.lattice == second.lattice
        assert single.window.overlap(second.window) == second.window != single.window


@pytest.mark.parametrize("unit", ["reflectance", "reflectance=0.0001"])
def test_floating_point_digital_numbers_are_no_reflectance(tmp_path, unit):
    """They were stored as 32767 everywhere, and the export ended well."""
    path = write(tmp_path / "a.tif", scene(kind="float32"))
    with pytest.raises(
        ValueError, match=r"most of the image's numbers do not fit: as reflectance they are about 1\d\d\d"
    ):
        open_imagery(Imagery(path, unit=unit), None, PERIOD)


# -- assets of the server: the world's


def test_a_collection_gives_the_periods_year_in_the_regions_zone(session):
    region = regions.named("wuhan").part((114.28, 30.58, 114.30, 30.60))
    request = Imagery("projects/local/assets/world/planet3m", unit="reflectance=0.0001")
    imagery = open_imagery(request, region, PERIOD)
    assert imagery.info == {"name": request.source, "year": 2019, "images": ["2019_50N"]}
    assert imagery.bands == ("R", "G", "B", "N") and imagery.simulated
    region_grid = ground_of(imagery, region, None)
    assert region_grid.lattice.affine.a == 3.0 and str(region_grid.lattice.crs) == "EPSG:32650"
    assert (region_grid.lattice.affine.c - 99_000) % 3 == 0
    later = regions.Period.between("2026-01-01", "2026-01-31")
    assert open_imagery(request, region, later).info["year"] == 2024  # the nearest that there is


@pytest.mark.long
def test_an_asset_on_its_own_pixels_is_what_the_server_holds(session):
    import ee

    region = regions.named("wuhan").part((114.28, 30.58, 114.282, 30.582))
    request = Imagery("projects/local/assets/world/planet3m", ("N", "R"), unit="reflectance=0.0001")
    imagery = open_imagery(request, region, PERIOD)
    region_grid = ground_of(imagery, region, None)
    geobox = region_grid.geobox(Window(region_grid.window.row, region_grid.window.col, 20, 30))
    raw = ee.Image("projects/local/assets/world/planet3m/2019_50N").select(["N", "R"])
    laid = imagery.onto(region_grid.geobox(region_grid.window)).image
    expected, packed = fetched(raw, geobox), fetched(laid, geobox)
    for band in ("N", "R"):
        np.testing.assert_array_equal(packed[band].astype(int), expected[band].astype(int))
    assert [band.unit for band in ExternalImage.of(request, imagery).bands] == ["reflectance"] * 2


def test_an_asset_between_its_pixels_is_bilinear(session):
    """On a lattice moved by half a pixel: the mean of four neighbours, whole numbers again."""
    import ee

    region = regions.named("wuhan").part((114.28, 30.58, 114.282, 30.582))
    imagery = open_imagery(Imagery("projects/local/assets/world/planet3m", ("R",)), region, PERIOD)
    region_grid = ground_of(imagery, region, None)
    geobox = region_grid.geobox(Window(region_grid.window.row, region_grid.window.col, 20, 30))
    moved = GeoBox(geobox.shape, geobox.affine * Affine.translation(0.5, 0.5), geobox.crs)
    raw = fetched(ee.Image("projects/local/assets/world/planet3m/2019_50N").select("R"), geobox)["R"].astype(int)
    mean = (raw[:-1, :-1] + raw[1:, :-1] + raw[:-1, 1:] + raw[1:, 1:]) / 4
    read = fetched(imagery.onto(moved).image, moved)["R"][:-1, :-1] + 32767.0
    np.testing.assert_allclose(read, mean, atol=0.5)


@pytest.mark.parametrize(
    ("source", "bands", "words"),
    [
        ("projects/local/assets/nothing", (), "neither a file on this machine nor an asset"),
        ("projects/local/assets/world/planet3m", ("SWIR",), "no band SWIR: expected some of R, G, B, N"),
    ],
)
def test_assets_that_cannot_serve_are_sentences(session, source, bands, words):
    with pytest.raises(ValueError, match=words):
        open_imagery(Imagery(source, bands), regions.named("wuhan"), PERIOD)


LANDSAT, TOWN = "LANDSAT/LC08/C02/T1_L2", (114.28, 30.58, 114.30, 30.60)


def test_images_with_more_cloud_than_asked_are_left_out(session):
    """Those that the server's own filter of CLOUD_COVER keeps."""
    import ee

    region = regions.named("wuhan").part(TOWN)
    scenes = ee.ImageCollection(LANDSAT).filterBounds(ee.Geometry.BBox(*TOWN)).filterDate("2019-01-01", "2020-01-01")
    expected = scenes.filter(ee.Filter.lte("CLOUD_COVER", 15)).aggregate_array("system:index").getInfo()
    request = Imagery(LANDSAT, ("SR_B5",), most_cloud=15.0)
    opened = open_imagery(request, region, PERIOD)
    assert 0 < len(expected) < scenes.size().getInfo()
    assert sorted(opened.info["images"]) == sorted(expected)
    assert ExternalImage.of(request, opened).asked()["most_cloud"] == 15


@pytest.mark.parametrize(
    ("source", "percent", "words"),
    [
        ("COPERNICUS/S2_SR_HARMONIZED", 0.0, "the clearest of .* images of .* has .* % cloud; give more"),
        ("projects/local/assets/world/planet3m", 15.0, "planet3m says no cloud cover .*: leave --image-clouds out"),
        (LANDSAT, 150.0, "--image-clouds 150: expected percents of 0 to 100"),
        ("photo.tif", 15.0, "--image-clouds is of images on the server, photo.tif is a file"),
    ],
)
def test_a_limit_of_cloud_that_leaves_nothing_is_a_sentence(session, source, percent, words):
    with pytest.raises(ValueError, match=words):
        open_imagery(Imagery(source, most_cloud=percent), regions.named("wuhan").part(TOWN), PERIOD)


def test_an_asset_needs_a_place(session):
    with pytest.raises(ValueError, match="nothing says which part"):
        open_imagery(Imagery("projects/local/assets/world/planet3m"), None, PERIOD)


def fetched(image, geobox):
    """The image's pixels by the client's own call."""
    import ee

    a = geobox.affine
    location = {"scaleX": a.a, "shearX": a.b, "translateX": a.c, "shearY": a.d, "scaleY": a.e, "translateY": a.f}
    grid = {"crsCode": str(geobox.crs), "affineTransform": location}
    grid["dimensions"] = {"width": geobox.shape[1], "height": geobox.shape[0]}
    return ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid})
