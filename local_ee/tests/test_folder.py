"""The folder catalog against rasterio's own reading of the same files (docs/reference/formats.md, "Folder catalog")."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterioWindow

from local_ee.catalog import geotiff
from local_ee.catalog.folder import FolderCatalog, write_image
from local_ee.catalog.stack import CatalogStack
from local_ee.errors import EngineFault
from local_ee.evaluation.sources import not_found
from local_ee.raster.window import Window, crop
from local_ee.testing.folder_files import GRID, INDEX, LATTICES, S2, numbers, tiff


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_values_are_the_files(tmp_path: Path, dtype: str) -> None:
    path = tiff(tmp_path / S2 / f"{INDEX}.tif", [numbers(dtype), numbers(dtype, seed=8)], names=("B2", "B3"))
    image = FolderCatalog(tmp_path).image(f"{S2}/{INDEX}")
    values, masks = image.read(("B3", "B2"), GRID)
    with rasterio.open(path) as oracle:
        np.testing.assert_array_equal(values, oracle.read([2, 1]))
    assert values.dtype == dtype == image.bands[0].dtype
    assert masks.all()


def test_an_unknown_id_is_refused_with_what_the_folder_holds(tmp_path: Path) -> None:
    tiff(tmp_path / "A" / "B" / "x.tif", [numbers("int16")], names=("b",))
    catalog = CatalogStack([FolderCatalog(tmp_path)])
    message = not_found("Image", "A/C", catalog).message
    assert message.endswith("access). The local engine has 1 ids, such as A/B.")


@pytest.mark.parametrize("name", LATTICES)
def test_any_lattice_keeps_its_place(tmp_path: Path, name: str) -> None:
    grid = LATTICES[name]
    path = tiff(tmp_path / "A" / "x.tif", [numbers("int16", grid)], grid, ("b",))
    band = FolderCatalog(tmp_path).image("A/x").bands[0]
    with rasterio.open(path) as oracle:
        assert band.grid.affine == oracle.transform
        assert band.grid.shape == oracle.shape
        assert band.grid.crs == oracle.crs.to_string()


@settings(max_examples=40, deadline=None)
@given(
    row=st.integers(-60, 60),
    col=st.integers(-60, 60),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    name=st.sampled_from(sorted(LATTICES)),
)
def test_windows_over_the_edge_are_masked(edge_files, row, col, height, width, name) -> None:
    """rasterio's boundless read is the oracle: the same values inside, masked outside."""
    root, grid = edge_files, LATTICES[name]
    image = FolderCatalog(root).image(f"A/{name.replace(' ', '-')}")
    values, masks = image.read(("b",), crop(grid, Window(row, col, height, width)))
    with rasterio.open(root / "A" / f"{name.replace(' ', '-')}.tif") as oracle:
        window = RasterioWindow(col, row, width, height)
        expected = oracle.read(1, window=window, boundless=True, masked=True)
    np.testing.assert_array_equal(masks[0], ~np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(values[0], expected.filled(0))


@pytest.fixture(scope="module")
def edge_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("edges")
    for name, grid in LATTICES.items():
        values = numbers("int16", grid)
        values[5:9, 3:20] = -32768
        tiff(root / "A" / f"{name.replace(' ', '-')}.tif", [values], grid, ("b",), nodata=-32768)
    return root


def test_a_window_off_the_lattice_is_refused(tmp_path: Path) -> None:
    tiff(tmp_path / "A" / "x.tif", [numbers("int16")], names=("b",))
    image = FolderCatalog(tmp_path).image("A/x")
    for wrong in (GRID.translate_pix(0.5, 0), GRID.zoom_out(2)):
        with pytest.raises(ValueError, match="not on the lattice"):
            image.read(("b",), wrong)


def test_masks_from_nodata(tmp_path: Path) -> None:
    values = numbers("uint16")
    values[3, 4] = 65535
    path = tiff(tmp_path / "A" / "x.tif", [values], names=("b",), nodata=65535)
    read, masks = FolderCatalog(tmp_path).image("A/x").read(("b",), GRID)
    with rasterio.open(path) as oracle:
        np.testing.assert_array_equal(masks[0], oracle.read_masks(1) > 0)
    assert not masks[0, 3, 4]
    assert read[0, 3, 4] == 0


def test_masks_from_gdal_mask_band(tmp_path: Path) -> None:
    path = tiff(tmp_path / "A" / "x.tif", [numbers("uint16"), numbers("uint16", seed=2)], names=("b", "c"))
    mask = numbers("uint8") > 127
    with rasterio.open(path, "r+") as target:
        target.write_mask(mask)
    _, masks = FolderCatalog(tmp_path).image("A/x").read(("c",), GRID)
    np.testing.assert_array_equal(masks[0], mask)


def test_masks_from_alpha_which_is_no_band(tmp_path: Path) -> None:
    alpha = np.where(numbers("uint8") > 99, 255, 0).astype("uint8")
    colours = [numbers("uint8", seed=seed) for seed in (1, 2, 3)]
    path = tiff(
        tmp_path / "A" / "x.tif", [*colours, alpha], names=("R", "G", "B", "alpha"), photometric="rgb", alpha="yes"
    )
    with rasterio.open(path) as oracle:
        assert oracle.colorinterp[3].name == "alpha"
    image = FolderCatalog(tmp_path).image("A/x")
    _, masks = image.read(("G",), GRID)
    assert [band.name for band in image.bands] == ["R", "G", "B"]
    np.testing.assert_array_equal(masks[0], alpha > 0)


def test_nan_and_infinity_are_masked_and_never_returned(tmp_path: Path) -> None:
    values = numbers("float32")
    values[0, 0], values[1, 1] = np.nan, np.inf
    tiff(tmp_path / "A" / "x.tif", [values], names=("b",))
    read, masks = FolderCatalog(tmp_path).image("A/x").read(("b",), GRID)
    assert np.isfinite(read).all()
    np.testing.assert_array_equal(masks[0], np.isfinite(values))


def test_an_image_is_named_like_its_folder(tmp_path: Path) -> None:
    write_image(tmp_path, "Tsinghua/FROM-GLC/GAIA/v10/v10", {"change_year_index": numbers("uint8")}, GRID)
    catalog = FolderCatalog(tmp_path)
    assert catalog.describe("Tsinghua/FROM-GLC/GAIA/v10").type == "IMAGE"
    assert catalog.image("Tsinghua/FROM-GLC/GAIA/v10").id == "Tsinghua/FROM-GLC/GAIA/v10"
    assert catalog.describe("Tsinghua/FROM-GLC/GAIA/v10/v10") is None
    assert catalog.images("Tsinghua/FROM-GLC/GAIA/v10", None, None, None) == ()


def test_a_folder_of_others_is_a_collection(tmp_path: Path) -> None:
    for year in ("2018", "2020"):
        write_image(tmp_path, f"JRC/GHSL/P2023A/GHS_BUILT_S_10m/{year}", {"built_surface": numbers("uint16")}, GRID)
    catalog = FolderCatalog(tmp_path)
    assert catalog.describe("JRC/GHSL/P2023A/GHS_BUILT_S_10m").type == "IMAGE_COLLECTION"
    assert catalog.describe("JRC/GHSL/P2023A/GHS_BUILT_S_10m/2018").type == "IMAGE"
    assert catalog.describe("JRC/GHSL").type == "FOLDER"


@pytest.mark.parametrize("asset_id", ["A/none", "none", "none/x", "../A/x", "A//x", "/A/x", "A/x.tif", "A/../A/x", ""])
def test_ids_that_are_not_there(tmp_path: Path, asset_id: str) -> None:
    write_image(tmp_path / "root", "A/x", {"b": numbers("uint8")}, GRID)
    write_image(tmp_path, "A/x", {"b": numbers("uint8")}, GRID)
    catalog = FolderCatalog(tmp_path / "root")
    assert catalog.describe(asset_id) is None
    assert catalog.image(asset_id) is None
    assert catalog.images(asset_id, None, None, None) == ()


@pytest.fixture
def months(tmp_path: Path) -> FolderCatalog:
    """Four images: two of one time whose indices decide, one later to the east, one without a date."""
    east = GRID.translate_pix(1000, 0)
    for index, time, grid in (("b", 1000, GRID), ("a", 1000, GRID), ("c", 5000, east), ("undated", None, GRID)):
        properties = {} if time is None else {"system:time_start": time}
        write_image(tmp_path, f"A/{index}", {"b": numbers("uint8")}, grid, properties=properties)
    return FolderCatalog(tmp_path)


def indices(images) -> list[str]:
    return [image.properties["system:index"] for image in images]


def test_collections_are_in_order_of_time_then_index(months: FolderCatalog) -> None:
    assert indices(months.images("A", None, None, None)) == ["undated", "a", "b", "c"]


@pytest.mark.parametrize(
    ("start_ms", "end_ms", "expected"),
    [(1000, 5000, ["a", "b"]), (1001, None, ["c"]), (None, 1001, ["a", "b"]), (5000, 5001, ["c"]), (0, 1000, [])],
)
def test_a_period_holds_its_start_and_not_its_end(months: FolderCatalog, start_ms, end_ms, expected) -> None:
    """filterDate: start inclusive, end exclusive; undated images drop out (apidocs ee-filter-date)."""
    assert indices(months.images("A", start_ms, end_ms, None)) == expected


def test_bounds_choose_by_footprint(months: FolderCatalog) -> None:
    west, south, east, north = GRID.footprint("EPSG:4326").boundingbox
    assert indices(months.images("A", 0, None, (west, south, east, north))) == ["a", "b"]
    assert indices(months.images("A", None, None, (-10, 0, -9, 1))) == []


def test_a_collection_without_any_date_says_so(tmp_path: Path) -> None:
    write_image(tmp_path, "A/x", {"b": numbers("uint8")}, GRID)
    with pytest.raises(ValueError, match=r"none of its 1 images has a date.*x\.json"):
        FolderCatalog(tmp_path).images("A", 0, 1, None)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"catalog folder .*nowhere is missing"):
        FolderCatalog(tmp_path / "nowhere").describe("A")


def test_a_damaged_file_is_a_fault(tmp_path: Path) -> None:
    path = tiff(tmp_path / "A" / "x.tif", [numbers("uint16")], names=("b",))
    image = FolderCatalog(tmp_path).image("A/x")
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(EngineFault, match=r"x\.tif cannot be"):
        image.read(("b",), GRID)
    path.write_bytes(b"not a raster")
    with pytest.raises(EngineFault, match=r"x\.tif cannot be opened"):
        FolderCatalog(tmp_path).image("A/x")


def test_replaced_files_are_read_again(tmp_path: Path) -> None:
    write_image(tmp_path, "A/x", {"b": numbers("uint8")}, GRID, properties={"version": 1})
    catalog = FolderCatalog(tmp_path)
    catalog.image("A/x").read(("b",), GRID)
    write_image(tmp_path, "A/x", {"b": numbers("uint8", seed=9)}, GRID, properties={"version": 2})
    write_image(tmp_path, "A/y", {"b": numbers("uint8")}, GRID)
    assert catalog.image("A/x").properties["version"] == 2
    np.testing.assert_array_equal(catalog.image("A/x").read(("b",), GRID)[0][0], numbers("uint8", seed=9))
    assert indices(catalog.images("A", None, None, None)) == ["x", "y"]


def test_a_query_opens_only_what_it_has_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files: only images of the period are opened, and each once."""
    for day in range(60):
        properties = {"system:time_start": day * 1000}
        write_image(tmp_path, f"A/i{day}", {"b": numbers("uint8")}, GRID, properties=properties)
    opened = []
    describe = geotiff.describe
    monkeypatch.setattr(geotiff, "describe", lambda path, **more: opened.append(path.name) or describe(path, **more))
    catalog = FolderCatalog(tmp_path)
    assert len(catalog.images("A", 10_000, 15_000, None)) == 5
    assert len(opened) == 5
    assert len(catalog.images("A", 10_000, 16_000, None)) == 6
    assert len(opened) == 6


def test_many_threads_read_the_same_pixels(tmp_path: Path) -> None:
    """One handle a thread: a shared GDAL handle would mix up blocks."""
    grid = GeoBox((600, 600), GRID.affine, GRID.crs)
    stored = numbers("uint16", grid)
    write_image(tmp_path, "A/x", {"b": stored}, grid)
    image = FolderCatalog(tmp_path).image("A/x")
    windows = [Window(row, col, 97, 89) for row in range(-50, 600, 70) for col in range(-50, 600, 70)]
    seen = set()

    def matches(window: Window) -> bool:
        seen.add(threading.get_ident())
        values, masks = image.read(("b",), crop(grid, window))
        padded = np.pad(stored, 100)[100 + window.row :, 100 + window.col :][: window.height, : window.width]
        return bool((values[0] == padded).all() and masks[0].sum() == inside(window))

    def inside(window: Window) -> int:
        overlap = window.overlap(Window(0, 0, 600, 600))
        return overlap.height * overlap.width

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(matches, windows * 3))
    assert len(seen) > 1


def test_threads_do_not_share_open_files(tmp_path: Path) -> None:
    """GDAL's handles are not safe for use by two threads at once (GDAL's documentation on multi-threading)."""
    (path,) = write_image(tmp_path, "A/x", {"b": numbers("uint8")}, GRID)
    together = threading.Barrier(2)

    def opened(_: int) -> rasterio.DatasetReader:
        together.wait()
        return geotiff.opened(path)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(opened, range(2))
    assert first is not second


def test_open_files_are_bounded(tmp_path: Path) -> None:
    for day in range(geotiff.MAX_OPEN_PER_THREAD + 20):
        write_image(tmp_path, f"A/i{day}", {"b": numbers("uint8")}, GRID)
    for image in FolderCatalog(tmp_path).images("A", None, None, None):
        image.read(("b",), GRID)
    held = sum(os.path.realpath(link).startswith(str(tmp_path)) for link in Path("/proc/self/fd").iterdir())
    assert 0 < held <= geotiff.MAX_OPEN_PER_THREAD


def test_written_images_come_back_with_their_masks(tmp_path: Path) -> None:
    values = np.ma.masked_less(numbers("int16"), 0)
    (path,) = write_image(tmp_path, "A/x", {"b": values, "c": numbers("int16").clip(0)}, GRID, nodata=-1)
    read, masks = FolderCatalog(tmp_path).image("A/x").read(("b", "c"), GRID)
    np.testing.assert_array_equal(read[0], values.filled(0))
    np.testing.assert_array_equal(masks[0], ~np.ma.getmaskarray(values))
    assert masks[1].all()
    with rasterio.open(path) as oracle:
        assert oracle.descriptions == ("b", "c")


def test_written_masks_need_a_free_value(tmp_path: Path) -> None:
    values = np.ma.masked_less(numbers("int16"), 0)
    with pytest.raises(ValueError, match="give nodata"):
        write_image(tmp_path, "A/x", {"b": values}, GRID)
    with pytest.raises(ValueError, match="also stands in valid pixels"):
        write_image(tmp_path, "A/x", {"b": values}, GRID, nodata=int(values.max()))


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / n, "A/x", {"b": numbers("uint8")}, GRID, properties={"p": 1})[0] for n in "12"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].with_suffix(".json").read_bytes() == paths[1].with_suffix(".json").read_bytes()
