"""Labels of the simulated world from their source to the grid: fusion of products, shares against what is there."""

from __future__ import annotations

from pathlib import Path

import ee
import numpy as np
import pytest
from local_ee.testing.folder_files import tiff

from isamap.gee_export.base.grid import Window, crop, grid_of
from isamap.gee_export.base.regions import Period, named
from isamap.gee_export.export.layers import composite_layer
from isamap.gee_export.labelling import label_asset, label_products, local_file
from isamap.gee_export.labelling.label_request import SOURCE_PX, LabelRequest, open_labels
from isamap.gee_export.requests import pixels
from tests.support import codes

pytestmark = pytest.mark.usefixtures("session")

WUHAN = named("wuhan")
JUNE = Period.between("2019-06-01", "2019-06-30")
GRID = crop(grid_of(WUHAN), Window(2600, 300, 64, 64))
TRUTH = "projects/local/assets/world"


def read(*sources: str, grid=GRID, **options):
    return codes.read(LabelRequest(sources, **options), JUNE, grid, WUHAN)[1]


@pytest.fixture(scope="module")
def metres() -> np.ndarray:
    """What is really there: impervious (0, 1) at 1 m, 10 x 10 pixels in each of GRID."""
    image = ee.Image(f"{TRUTH}/truth/2019_50N").select("impervious").rename("label")
    return pixels.fetch(image, local_file.finer(GRID, 10), ["label"]).values_BHW[0].astype(np.uint8)


@pytest.fixture(scope="module")
def percent(metres) -> np.ndarray:
    return metres.reshape(64, 10, 64, 10).sum(axis=(1, 3))


def test_a_finer_asset_gives_the_share_that_is_really_there(percent):
    """Server side: an asset of 1 m asked at 10 m."""
    _, share = read(f"{TRUTH}/truth/2019_50N#impervious", share=True)
    np.testing.assert_array_equal(share, percent)


def test_a_finer_raster_gives_the_share_that_is_really_there(metres, percent, tmp_path):
    """On this machine: the same pixels in a file."""
    path = tiff(tmp_path / "truth.tif", [metres], local_file.finer(GRID, 10))
    label, share = read(str(path), share=True)
    np.testing.assert_array_equal(share, percent)
    np.testing.assert_array_equal(label, metres[5::10, 5::10])


def test_percent_assets_are_averaged_too(percent):
    """truth10 holds percent at 10 m; at 20 m it is the mean of four."""
    coarse = crop(grid_of(WUHAN).zoom_out(2), Window(1300, 150, 32, 32))
    _, share = read(f"{TRUTH}/truth10/2019_50N#impervious=percent", grid=coarse, share=True)
    expected = percent.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(share - expected).max() <= 0.5


@pytest.mark.long
def test_intersection_leaves_what_two_products_dispute_unknown():
    """RU-Net++ keeps the ground on which two products agree."""
    first, two = read("worldcover")[0], read("gaia@2018")[0]
    both, _ = read("worldcover", "gaia@2018", fusion="intersection")
    np.testing.assert_array_equal(both, np.where(first == two, first, 255))
    assert 0 < (both == 255).mean() < 0.5


def test_sources_here_and_there_are_fused(metres, tmp_path):
    path = str(tiff(tmp_path / "truth.tif", [metres], local_file.finer(GRID, 10)))
    server, here = read("worldcover")[0], metres[5::10, 5::10]
    both, share = read("worldcover", path, fusion="union", share=True)
    np.testing.assert_array_equal(both, server | here)
    assert share.max() == 100


def test_labels_do_not_depend_on_the_window():
    full = read("worldcover", "glc_fcs30d", "ghs_built_s_10m", fusion="majority", share=True)
    window = read("worldcover", "glc_fcs30d", "ghs_built_s_10m", fusion="majority", share=True, grid=GRID[10:40, 21:50])
    for wide, narrow in zip(full, window, strict=True):
        np.testing.assert_array_equal(wide[10:40, 21:50], narrow)


def test_channels_are_known_before_the_server_is_asked():
    for sources in (("worldcover",), (f"{TRUTH}/truth/2019_50N#impervious", "ghs_built_s_10m")):
        label_request = LabelRequest(sources, "union" if len(sources) > 1 else "single", share=True)
        opened, _ = codes.read(label_request, JUNE, GRID, WUHAN)
        assert [c.name for c in label_request.channels] == opened.image.bandNames().getInfo()


def test_shares_of_finer_pixels_are_asked_in_smaller_blocks():
    """A block of 900 pixels would average 324 million of half a metre ("too large will cause out-of-memory")."""
    for source, finer in (("open_buildings_temporal", 20), ("vida:CHN", 10)):
        side = composite_layer(("B2",), LabelRequest((source,), share=True)).largest_side_px
        assert (side * finer) ** 2 <= SOURCE_PX < ((side + 1) * finer) ** 2
    usual, without = (composite_layer(("B2",), LabelRequest((s,))).largest_side_px for s in ("worldcover", "vida:CHN"))
    assert usual == without > 900


def test_the_page_lists_what_the_world_holds(session):
    """docs/labels.md names the products that can be had without an account."""
    text = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    shown = text.partition("the simulated world holds ")[2].partition("; the others")[0]
    products = [product for product in label_products.LABELS.values() if product is not None]
    served = {product.name for product in products if is_held(product.editions[-1].asset)}
    assert served == {product.name for product in products if f"`{product.name}`" in shown}


def is_held(asset: str) -> bool:
    try:
        return bool(label_asset.kind_of(asset))
    except ValueError:
        return False


@pytest.mark.parametrize("source", ["ghs_built_s", "MODIS/061/MCD12Q1#LC_Type1=13"])
def test_numbers_that_show_no_ground_are_no_labels(session, source):
    """The world answers for every id of Google's catalog; what it does not draw must not be learned from."""
    with pytest.raises(ValueError, match="has a placeholder of it, whose numbers say nothing of the ground"):
        open_labels(LabelRequest((source,)), named("wuhan"), Period.parse("2019"))
