"""Any cut of a window gives the same pixels, in any order, from any thread: the world's first promise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_ee.world import World
from tests.support.places import WUHAN_WSEN, Month
from tests.support.world_spots import COUNTRY, HANKOU, part, window

JANUARY, JUNE = Month(2020, 1), Month(2020, 6)
HOME = "projects/local/assets/world"
# Collection, bands read together, and the window's size in pixels.
PRODUCTS = (
    ("COPERNICUS/S2_SR_HARMONIZED", ("B2", "B8"), (40, 150)),
    ("COPERNICUS/S2_SR_HARMONIZED", ("B5", "B11"), (30, 80)),
    ("COPERNICUS/S2_SR_HARMONIZED", ("B1", "B9"), (12, 30)),
    ("COPERNICUS/S2_SR_HARMONIZED", ("SCL",), (30, 80)),
    ("COPERNICUS/S2_SR_HARMONIZED", ("QA60",), (12, 30)),
    ("COPERNICUS/S2_HARMONIZED", ("B4",), (40, 150)),
    ("COPERNICUS/S2_CLOUD_PROBABILITY", ("probability",), (40, 150)),
    ("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", ("cs", "cs_cdf"), (40, 150)),
    ("GOOGLE/DYNAMICWORLD/V1", ("label",), (40, 150)),
    ("COPERNICUS/S1_GRD_FLOAT", ("VV", "VH"), (40, 150)),
    ("COPERNICUS/S1_GRD", ("VV",), (40, 150)),
    (f"{HOME}/truth", ("class", "impervious"), (60, 300)),
    (f"{HOME}/truth10", ("impervious", "height"), (40, 150)),
    (f"{HOME}/imagery1m", ("R", "N"), (50, 70)),
    (f"{HOME}/planet3m", ("R", "N"), (30, 40)),
    ("projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS", ("b1",), (40, 150)),
)


def first_image(world: World, collection: str):
    """The first image of a collection over Hankou that the test of splits reads."""
    period = JANUARY if collection.startswith("projects/") else (Month(2020, 4) if "DYNAMIC" in collection else JUNE)
    images = world.images(collection, period.start_ms, period.end_ms, WUHAN_WSEN)
    return next(
        i for i in images if str(i.bands[0].grid.crs.to_epsg()) == "32650" and i.properties.get("MGRS_TILE") != "50RKV"
    )


def halves(box, row: int, col: int):
    """Four parts of a window."""
    height, width = box.shape
    rows, cols = ((0, row), (row, height - row)), ((0, col), (col, width - col))
    return [[part(box, r, c, h, w) for c, w in cols] for r, h in rows]


@pytest.mark.parametrize(("collection", "bands", "size"), PRODUCTS, ids=[f"{p[0]}-{p[1][0]}" for p in PRODUCTS])
def test_parts_equal_the_whole_in_another_world(world, collection, bands, size):
    image = first_image(world, collection)
    box = window(image, bands[0], HANKOU, size)
    whole, mask = image.read(bands, box)
    again = first_image(World(), collection)
    blocks = [
        [again.read(bands, piece) for piece in row] for row in reversed(halves(box, size[0] // 3, 2 * size[1] // 3))
    ]
    values = np.concatenate([np.concatenate([b[0] for b in row], axis=2) for row in reversed(blocks)], axis=1)
    masks = np.concatenate([np.concatenate([b[1] for b in row], axis=2) for row in reversed(blocks)], axis=1)
    assert whole.std() > 0 or collection.endswith(("SR_HARMONIZED", "PROBABILITY"))
    np.testing.assert_array_equal(values, whole)
    np.testing.assert_array_equal(masks, mask)


@settings(max_examples=15, deadline=None)
@given(row=st.integers(1, 39), col=st.integers(1, 149), which=st.sampled_from(["B4", "VV", "cs_cdf"]))
def test_any_cut_of_a_scene(world, row, col, which):
    collection = {"B4": PRODUCTS[0][0], "VV": "COPERNICUS/S1_GRD_FLOAT", "cs_cdf": PRODUCTS[7][0]}[which]
    image = first_image(world, collection)
    box = window(image, which, HANKOU, (40, 150))
    whole, _ = image.read((which,), box)
    pieces = [[image.read((which,), piece)[0] for piece in line] for line in halves(box, row, col)]
    np.testing.assert_array_equal(np.block([[p[0] for p in line] for line in pieces]), whole[0])


def test_degree_grids_split_too(world):
    for image in (
        world.images("ESA/WorldCover/v200", None, None, None)[0],
        world.image("USGS/SRTMGL1_003"),
        world.image("Tsinghua/FROM-GLC/GAIA/v10"),
    ):
        name = image.bands[0].name
        box = window(image, name, (114.2501, 30.6003), (30, 40))
        whole, mask = image.read((name,), box)
        left, right = image.read((name,), part(box, 0, 0, 30, 13)), image.read((name,), part(box, 0, 13, 30, 27))
        np.testing.assert_array_equal(np.concatenate([left[0], right[0]], axis=2), whole)
        np.testing.assert_array_equal(np.concatenate([left[1], right[1]], axis=2), mask)


def test_threads_see_the_same_pixels(optical, world):
    image = optical[0]
    boxes = [window(image, "B3", (COUNTRY[0] + 700 * k, COUNTRY[1]), (60, 60)) for k in range(6)]
    alone = [image.read(("B3",), box)[0] for box in boxes]
    fresh = World().image(image.id)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda box: fresh.read(("B3",), box)[0], boxes * 2))
    for expected, found in zip(alone * 2, together, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_two_zones_show_one_world(world, bounds):
    """T49RGP and T50RKU overlap; the same ground must carry the same town in both zones' metres."""
    from rasterio.warp import Resampling, reproject

    images = world.images(f"{HOME}/truth10", JANUARY.start_ms, JANUARY.end_ms, bounds)
    west, east = (next(i for i in images if i.properties["utm_zone"] == zone) for zone in ("49N", "50N"))
    here = window(east, "impervious", (226_000.0, 3_384_000.0), (90, 90))
    x, y = 226_450.0, 3_383_550.0
    from local_ee.world.plane import lonlat_of_utm, utm_of

    u, v = utm_of(*lonlat_of_utm(x, y, 32650), 32649)
    there = window(west, "impervious", (u - 700, v + 700), (140, 140))
    seen = np.empty(here.shape, np.float32)
    shares = west.read(("impervious",), there)[0][0].astype(np.float32)
    reproject(
        shares, seen, src_transform=there.affine, src_crs="EPSG:32649",
        dst_transform=here.affine, dst_crs="EPSG:32650", resampling=Resampling.bilinear,
    )  # fmt: skip
    own = east.read(("impervious",), here)[0][0].astype(np.float32)
    assert np.corrcoef(own.ravel(), seen.ravel())[0, 1] > 0.9
