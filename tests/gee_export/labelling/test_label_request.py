"""Labels of the simulated world from their source to the grid: fusion of products, shares against what is there."""

from __future__ import annotations

from pathlib import Path

import ee
import numpy as np
import pytest

from gee_export.base.grid import Window, crop, grid_of
from gee_export.base.regions import Period, named
from gee_export.labelling import label_asset, label_products, local_file
from gee_export.labelling.label_request import LabelRequest, open_labels
from gee_export.requests import pixels
from tests.local_ee.support.folder_files import tiff
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
    coarse = crop(grid_of(WUHAN, 20), Window(1300, 150, 32, 32))
    _, share = read(f"{TRUTH}/truth10/2019_50N#impervious=percent", grid=coarse, share=True)
    expected = percent.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(share - expected).max() <= 0.5


def test_products_follow_the_truth(percent):
    """A majority of three is no worse than the worst of them, and both agree with the ground more than by chance."""
    found = {name: read(name)[0] for name in ("worldcover", "glc_fcs30d", "from_glc10")}
    agreed = {name: (label == (percent > 50)).mean() for name, label in found.items()}
    majority, _ = read(*found, fusion="majority")
    assert (majority == (percent > 50)).mean() >= min(agreed.values()) > 0.7


def test_intersection_leaves_what_two_products_dispute_unknown():
    """RU-Net++ keeps the ground on which two products agree."""
    one, two = read("worldcover")[0], read("gaia@2018")[0]
    both, _ = read("worldcover", "gaia@2018", fusion="intersection")
    np.testing.assert_array_equal(both, np.where(one == two, one, 255))
    assert 0 < (both == 255).mean() < 0.5


def test_sources_here_and_there_are_fused(metres, tmp_path):
    path = str(tiff(tmp_path / "truth.tif", [metres], local_file.finer(GRID, 10)))
    server, here = read("worldcover")[0], metres[5::10, 5::10]
    both, share = read("worldcover", path, fusion="union", share=True)
    np.testing.assert_array_equal(both, server | here)
    assert share.max() == 100


def test_roads_and_houses_are_apart_in_ghsl():
    """GHS_BUILT_S knows buildings only, GHS_BUILT_C roads as well (docs/reference/earth-engine.md, "Label
    products").
    """
    houses, ground = read("ghs_built_s_10m")[0], read("ghs_built_c")[0]
    assert houses.mean() < 0.8 * (ground == 1).mean()


def test_labels_do_not_depend_on_the_window():
    whole = read("worldcover", "glc_fcs30d", "ghs_built_s_10m", fusion="majority", share=True)
    part = read("worldcover", "glc_fcs30d", "ghs_built_s_10m", fusion="majority", share=True, grid=GRID[10:40, 21:50])
    for wide, narrow in zip(whole, part, strict=True):
        np.testing.assert_array_equal(wide[10:40, 21:50], narrow)


def test_channels_are_known_before_the_server_is_asked():
    for sources in (("worldcover",), (f"{TRUTH}/truth/2019_50N#impervious", "ghs_built_s_10m")):
        label_request = LabelRequest(sources, "union" if len(sources) > 1 else "single", share=True)
        opened, _ = codes.read(label_request, JUNE, GRID, WUHAN)
        assert [c.name for c in label_request.channels] == opened.image.bandNames().getInfo()


def test_the_page_lists_what_the_world_holds(session):
    """docs/labels.md names the products that can be had without an account."""
    text = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    shown = text.partition("the simulated world holds ")[2].partition("; the others")[0]
    products = [product for product in label_products.LABELS.values() if product is not None]
    held = {product.name for product in products if is_held(product.editions[-1].asset)}
    assert held == {product.name for product in products if f"`{product.name}`" in shown}


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
