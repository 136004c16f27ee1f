"""Users' label rasters on 1-m, 3-m and 10-m grids, their own and other systems, against rasterio's warp and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from local_ee.testing.folder_files import tiff
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.labelling import label_raster, undeclared
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels

JUNE = Period.between("2019-06-01", "2019-06-30")
LEFT, TOP = 212750.0, 3416360.0
REGION = Region("plot", 32650, (LEFT, TOP - 600, LEFT + 600, TOP), (LEFT, TOP))
RNG = np.random.default_rng(5)


def grid(step_m: float, size: int, offset_m: float = 0) -> GeoBox:
    return GeoBox((size, size), Affine(step_m, 0, LEFT + offset_m, 0, -step_m, TOP - offset_m), "EPSG:32650")


FINE = grid(1, 600)


def read(source: str, geobox: GeoBox, **options):
    return open_labels(LabelRequest((source,), **options), REGION, JUNE).fuse({}, geobox)


@pytest.fixture(scope="module")
def fine(tmp_path_factory) -> tuple[str, np.ndarray]:
    """1-m labels in clumps of 4 m, a tenth unknown."""
    values = RNG.choice(np.array([0, 1, 1, 255], np.uint8), (150, 150)).repeat(4, 0).repeat(4, 1)
    return str(tiff(tmp_path_factory.mktemp("fine") / "own.tif", [values], FINE)), values


def test_its_own_grid_gives_its_own_pixels(fine):
    path, values = fine
    np.testing.assert_array_equal(read(path, FINE)[0], values)


@pytest.mark.parametrize("step", [3, 10])
def test_a_coarser_grid_takes_the_pixel_under_its_centre(fine, step):
    path, values = fine
    label, _ = read(path, grid(step, 600 // step))
    np.testing.assert_array_equal(label, values[step // 2 :: step, step // 2 :: step])


@pytest.mark.parametrize("step", [3, 10])
def test_a_share_is_the_mean_of_the_finer_pixels(fine, step):
    """10 x 10 of 1 m in 10 m; unknown ones left out, and 255 where under half is known."""
    path, values = fine
    _, share = read(path, grid(step, 600 // step), share=True)
    blocks = np.ma.masked_equal(values, 255).reshape(600 // step, step, 600 // step, step)
    mean, listed = blocks.mean(axis=(1, 3)) * 100, (~blocks.mask).sum(axis=(1, 3))
    expected = np.where(2 * listed >= step**2, np.rint(mean.filled(0)), 255)
    np.testing.assert_array_equal(share, expected)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32649", "EPSG:3857"])
def test_other_systems_as_rasterio_warps_them(tmp_path, crs):
    """GDAL's nearest with exact coordinates: at most a pixel in a thousand lies on an edge between two."""
    west, south, east, north = GeoBox.from_bbox(FINE.boundingbox.to_crs(crs), shape=(1, 1), crs=crs).boundingbox
    shape = (300, 300)
    source = GeoBox.from_bbox((west, south, east, north), crs, shape=shape)
    values = RNG.integers(0, 2, shape, dtype=np.uint8)
    path = tiff(tmp_path / "there.tif", [values], source)
    actual, _ = read(str(path), FINE)
    expected = np.full(FINE.shape, 255, np.uint8)
    reproject(
        values, expected, src_transform=source.affine, src_crs=crs, dst_transform=FINE.affine, dst_crs="EPSG:32650",
        resampling=Resampling.nearest, dst_nodata=255, tolerance=0,
    )  # fmt: skip
    assert (actual == expected).mean() > 0.999


def test_windows_and_the_whole_agree(fine, tmp_path):
    """Windows of the grid, and pieces that a small limit cuts it into, give the same pixels."""
    west, south, east, north = FINE.boundingbox.to_crs("EPSG:4326")
    source = GeoBox.from_bbox((west, south, east, north), "EPSG:4326", shape=(280, 310))
    path = str(tiff(tmp_path / "there.tif", [RNG.integers(0, 2, (280, 310), dtype=np.uint8)], source))
    full = np.stack(read(path, grid(10, 60), share=True))
    piece = np.stack(read(path, crop(grid(10, 60), Window(13, 7, 30, 20)), share=True))
    assert (piece == full[:, 13:43, 7:27]).mean() > 0.999


def test_centres_on_the_edges_of_a_coarser_grid_do_not_depend_on_the_window(tmp_path):
    """Landsat's 30-m pixels have their edges where 10-m pixels have their centres."""
    source = GeoBox((40, 40), Affine(30, 0, LEFT - 15, 0, -30, TOP + 15), "EPSG:32650")
    values = RNG.integers(0, 2, (40, 40), dtype=np.uint8)
    path = str(tiff(tmp_path / "landsat.tif", [values], source))
    full = read(path, grid(10, 100))[0]
    at = (10 * np.arange(100) + 20) // 30
    np.testing.assert_array_equal(full, values[np.ix_(at, at)])
    for window in (Window(13, 7, 30, 20), Window(1, 1, 99, 98), Window(77, 50, 3, 1)):
        np.testing.assert_array_equal(read(path, crop(grid(10, 100), window))[0], full[window.slices])


def test_what_is_no_number_is_unknown(tmp_path):
    """Also where the file names no such no-data value, and where every other code is pervious."""
    values = np.array([[50.0, np.nan], [10.0, 50.0]], np.float32).repeat(20, 0).repeat(20, 1)
    path = tiff(tmp_path / "float.tif", [values], grid(10, 40))
    label, share = read(f"{path}#1=50", grid(10, 40), share=True)
    np.testing.assert_array_equal(label[::20, ::20], [[1, 255], [0, 1]])
    np.testing.assert_array_equal(share[::20, ::20], [[100, 255], [0, 100]])


def test_a_little_more_than_half_is_impervious(tmp_path):
    """GAIA's definition, as the server reckons it; the stored share alone is rounded."""
    values = np.array([[50.4, 50.0], [255, 49.6]], np.float32).repeat(20, 0).repeat(20, 1)
    path = tiff(tmp_path / "percent.tif", [values], grid(10, 40))
    label, share = read(f"{path}#1=percent", grid(10, 40), share=True)
    np.testing.assert_array_equal(label[::20, ::20], [[1, 0], [255, 0]])
    np.testing.assert_array_equal(share[::20, ::20], [[50, 50], [255, 50]])


def test_large_rasters_are_read_by_pieces(fine, monkeypatch):
    """A grid whose pixels lie far apart in the raster is cut until each piece's window is small; nothing is missed."""
    path, _ = fine
    full = np.stack(read(path, grid(10, 60), share=True))
    monkeypatch.setattr(label_raster, "_PIECE_PX", 5000)
    np.testing.assert_array_equal(np.stack(read(path, grid(10, 60), share=True)), full)
    rows, cols = np.mgrid[0:6000:100, 0:6000:100]
    seen = np.zeros(rows.shape, int)
    for here in label_raster._halves(rows, cols, 50_000):
        seen[here] += 1
        assert (np.ptp(rows[here]) + 1) * (np.ptp(cols[here]) + 1) <= 50_000
    assert (seen == 1).all()


def test_a_file_that_goes_away_is_a_fault(tmp_path):
    path = tiff(tmp_path / "own.tif", [np.ones((60, 60), np.uint8)], grid(10, 60))
    opened = open_labels(LabelRequest((str(path),)), REGION, JUNE)
    path.unlink()
    with pytest.raises(Fault, match=r"own\.tif cannot be read"):
        opened.fuse({}, grid(10, 60))


def test_outside_and_no_data_are_unknown(tmp_path):
    """docs/reference/wishes.md, "Wish 13": what is missing is no class."""
    values = np.ones((60, 60), np.uint8)
    values[:10] = 7
    path = tiff(tmp_path / "own.tif", [values], grid(10, 60, offset_m=100), nodata=7)
    label, share = read(str(path), grid(10, 60), share=True)
    assert (label[:20] == 255).all() and (label[:, :10] == 255).all() and (label[20:, 10:] == 1).all()
    np.testing.assert_array_equal(share == 255, label == 255)


def test_bands_and_codes_are_chosen(tmp_path):
    single, two = RNG.integers(0, 5, (2, 60, 60), dtype=np.uint8)
    path = str(tiff(tmp_path / "own.tif", [single, two], grid(10, 60), names=("cover", "use")))
    np.testing.assert_array_equal(read(f"{path}#2=3,4", grid(10, 60))[0], np.isin(two, (3, 4)))
    np.testing.assert_array_equal(read(f"{path}#use=3,4", grid(10, 60))[0], np.isin(two, (3, 4)))
    np.testing.assert_array_equal(read(f"{path}#b1", grid(10, 60), scheme="landcover3m")[0], single)
    _, share = read(f"{path}#1=percent", grid(10, 60), share=True)
    np.testing.assert_array_equal(share, single)


CODED = RNG.choice(np.array([-1, 0, 1, 7], np.int16), (60, 60), p=[0.1, 0.5, 0.3, 0.1])


@pytest.fixture
def coded(tmp_path) -> str:
    return str(tiff(tmp_path / "coded.tif", [CODED], grid(10, 60)))


@pytest.mark.parametrize(
    ("words", "impervious", "unknown"),
    [
        ("1=1/unknown=-1", (1,), (-1,)),
        ("1=1,7/unknown=-1", (1, 7), (-1,)),
        ("1=-1/pervious=0", (-1,), (1, 7)),
        ("1=1/pervious=0,7/unknown=-1", (1,), (-1,)),
    ],
)
def test_a_code_map_says_what_codes_mean(coded, words, impervious, unknown):
    expected = np.where(np.isin(CODED, unknown), 255, np.isin(CODED, impervious))
    np.testing.assert_array_equal(read(f"{coded}#{words}", grid(10, 60))[0], expected)


def test_codes_that_nobody_declared_are_counted(coded, capsys):
    opened = open_labels(LabelRequest((f"{coded}#1=1/pervious=0",)), REGION, JUNE)
    percent = {str(code): round(100 * float((code == CODED).mean()), 2) for code in (-1, 7)}
    assert opened.info["undeclared_codes"] == percent
    assert "2 codes not declared: " in (words := capsys.readouterr().err) and words.endswith("counted as unknown\n")


def test_codes_are_counted_over_the_region_only(coded):
    """The region's lower half; no code 7 lies there where the file says so."""
    values = CODED.copy()
    values[30:][values[30:] == 7] = 0
    half = Region("half", 32650, (LEFT, TOP - 600, LEFT + 600, TOP - 300), (LEFT, TOP))
    with rasterio.open(coded, "r+") as file:
        file.write(values, 1)
    opened = open_labels(LabelRequest((f"{coded}#1=1/pervious=0/unknown=-1",)), half, JUNE)
    assert "undeclared_codes" not in opened.info


def test_a_file_with_every_code_declared_says_nothing(fine, capsys):
    assert "undeclared_codes" not in open_labels(LabelRequest((fine[0],)), REGION, JUNE).info
    assert capsys.readouterr().err == ""


def test_large_rasters_are_sampled(monkeypatch, coded):
    monkeypatch.setattr(undeclared, "TILE_PX", 4)
    monkeypatch.setattr(undeclared, "TILES", 4)
    opened = open_labels(LabelRequest((f"{coded}#1=1/pervious=0/unknown=-1",)), REGION, JUNE)
    starts = np.linspace(0, 56, 4).astype(int)
    rows = (starts[:, None] + np.arange(4)).ravel()
    assert opened.info["undeclared_codes"] == {"7": round(100 * float((CODED[np.ix_(rows, rows)] == 7).mean()), 2)}


def test_a_file_of_mostly_undeclared_codes_is_refused(tmp_path):
    path = tiff(tmp_path / "fives.tif", [np.full((60, 60), 5, np.uint8)], grid(10, 60))
    with pytest.raises(ValueError, match=r"most of its pixels hold 1 code not declared: 5 \(100 %\)"):
        read(str(path), grid(10, 60))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("1=1/unknow=3", "expected pervious=CODES or unknown=CODES"),
        ("1=1/unknown=1", "gives code 1 twice"),
        ("1=1/unknown=a", "neither whole numbers"),
        ("1=1/unknown=2/unknown=3", "once each"),
    ],
)
def test_wrong_code_maps_are_refused(coded, words, message):
    with pytest.raises(ValueError, match=message):
        read(f"{coded}#{words}", grid(10, 60))


def test_the_manifest_names_the_file_and_no_folder(fine):
    info = open_labels(LabelRequest((fine[0],)), REGION, JUNE).info
    assert info["product"] == info["file"] == "own.tif" and len(info["sha256"]) == 16
    assert "/" not in str(info["product"])


def test_bad_files_are_refused(tmp_path, fine):
    nowhere = tmp_path / "nowhere.tif"
    with rasterio.open(nowhere, "w", driver="GTiff", width=2, height=2, count=1, dtype="uint8") as file:
        file.write(np.ones((1, 2, 2), np.uint8))
    words = tmp_path / "words.tif"
    words.write_text("no raster")
    several = tiff(tmp_path / "several.tif", [np.ones((60, 60), np.uint8)] * 2, grid(10, 60))
    for source, message in (
        (str(nowhere), "does not say where it lies"),
        (str(words), "no raster that can be read"),
        (str(tmp_path / "gone.tif"), "was not found"),
        (str(several), "has 2 bands: say which"),
        (f"{several}#3", "has no band '3': expected one of 1, 2"),
        (f"{several}#1=x", "whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            read(source, grid(10, 60))
    with pytest.raises(ValueError, match="codes and percent tell only impervious"):
        read(f"{fine[0]}#1=2", FINE, scheme="landcover3m")
