"""Label products, elevation and the catalog's door."""

from __future__ import annotations

import numpy as np
import pytest

from local_ee.world import endless, labels
from local_ee.world.fractions import CellCache
from local_ee.world.labels import Products
from local_ee.world.lattice import Cut
from tests.support.places import Month
from tests.support.world_spots import COUNTRY, window

FRINGE = Cut(32650, -337_600, 22_800, 200, 260)  # the western edge of the town, 10-m pixels


@pytest.fixture(scope="module")
def drawn():
    cells = CellCache()
    hard = cells.window(FRINGE, 2020, slice(9, 16)).sum(axis=0)
    products = Products(cells)
    found = {
        "2020": products.groups(FRINGE, 2020, labels.WORLDCOVER_2020),
        "2021": products.groups(FRINGE, 2020, labels.WORLDCOVER_2021),
        "esri": products.groups(FRINGE, 2020, labels.ESRI),
    }
    return hard, {name: groups == labels.BUILT for name, groups in found.items()}


def kappa(a: np.ndarray, b: np.ndarray) -> float:
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    return float(((a == b).mean() - chance) / (1 - chance))


def test_worldcover_errs_but_not_wildly(drawn):
    hard, built = drawn
    assert 0.5 < kappa(built["2020"], hard >= 50) < 0.95


def test_editions_differ_on_the_same_ground(drawn):
    """Differences of v100 and v200 are not change (catalog page): the same year is drawn twice here."""
    _, built = drawn
    assert 0.6 < kappa(built["2020"], built["2021"]) < 0.99


def test_esri_calls_more_ground_built(drawn):
    """ESRI fills gardens and yards, WorldCover does not (local_ee/docs/world.md, "Label errors")."""
    _, built = drawn
    assert built["esri"].mean() > built["2020"].mean() * 1.05


def test_sieve_drops_small_patches_only():
    groups = np.full((9, 9), labels.GRASS, np.uint8)
    groups[1, 1] = labels.BUILT
    groups[4:7, 4:7] = labels.BUILT
    kept = labels.sieve(groups, 3)
    assert kept[1, 1] == labels.GRASS and (kept[4:7, 4:7] == labels.BUILT).all()


def test_growth_adds_a_ring_except_over_water():
    groups = np.full((9, 9), labels.GRASS, np.uint8)
    groups[4, 4], groups[4, 5] = labels.BUILT, labels.WATER
    grown = labels.grow(groups, 1)
    assert grown.shape == (7, 7)
    assert (grown == labels.BUILT).sum() == 4 and grown[3, 4] == labels.WATER


def test_worldcover_holds_its_real_codes(world):
    image = world.images("ESA/WorldCover/v100", None, None, None)[0]
    values, mask = image.read(("Map",), window(image, "Map", (114.25, 30.62), (150, 150)))
    assert set(np.unique(values)) <= {10, 30, 40, 50, 60, 80} and mask.all() and 50 in values
    assert values.dtype == np.uint8 and image.properties["simulated"] == 1


def test_gaia_masks_what_is_not_built_and_counts_back_from_2018(world):
    image = world.image("Tsinghua/FROM-GLC/GAIA/v10")
    values, mask = image.read(("change_year_index",), window(image, "change_year_index", (114.25, 30.62), (80, 80)))
    np.testing.assert_array_equal(mask, values > 0)
    assert values.max() <= 34 and 0.2 < mask.mean() < 1


def test_dynamic_world_probabilities_add_to_one(world, bounds):
    april = Month(2020, 4)
    image = world.images("GOOGLE/DYNAMICWORLD/V1", april.start_ms, april.end_ms, bounds)[-1]
    names = tuple(b.name for b in image.bands if b.name != "label")
    x, y = image.bands[0].grid.affine * (3000, 3000)
    box = window(image, "label", (x, y), (30, 30))
    values, _ = image.read(names, box)
    label = image.read(("label",), box)[0][0]
    np.testing.assert_allclose(values.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(values.argmax(axis=0), label)


def test_elevation_is_hubeis_plain(world, bounds):
    tile = world.images("COPERNICUS/DEM/GLO30_2024_1", None, None, bounds)[-1]
    heights, mask = tile.read(("DEM",), window(tile, "DEM", (114.4, 30.6), (60, 60)))
    assert mask.all() and 10 < np.median(heights) < 60
    srtm = world.image("USGS/SRTMGL1_003")
    other, _ = srtm.read(("elevation",), window(srtm, "elevation", (114.4, 30.6), (60, 60)))
    assert abs(np.median(other) - np.median(heights)) < 5
    ganzi = world.image("USGS/SRTMGL1_003").read(("elevation",), window(srtm, "elevation", (100.0, 31.0), (200, 200)))[
        0
    ]
    assert np.median(ganzi) > 3000 and ganzi.std() > 50


def test_editing_masks_follow_the_water(world, bounds):
    """catalog/COPERNICUS_DEM_GLO30: 1 is not edited, 8 to 10 are ocean, lake and river."""
    tile = world.images("COPERNICUS/DEM/GLO30_2024_1", None, None, bounds)[-1]
    (edits, fills, errors, water), _ = tile.read(("EDM", "FLM", "HEM", "WBM"), tile.bands[0].grid[1000:2600, 1000:2600])
    np.testing.assert_array_equal(edits, np.where(water, water + 7, 1))
    assert water.any() and set(fills[water > 0]) == {1} and set(fills[water == 0]) == {2} and set(errors.flat) == {1}


def test_the_older_elevation_model_shows_the_same_ground(world, bounds):
    """COPERNICUS/DEM/GLO30 is deprecated and still in use; Xee's tests record tiles of 3601 x 3601 pixels."""
    older, newer = (
        world.images(f"COPERNICUS/DEM/{name}", None, None, bounds)[-1] for name in ("GLO30", "GLO30_2024_1")
    )
    assert older.bands[0].grid.shape == (3601, 3601)
    assert older.bands[0].grid.affine.c == pytest.approx(newer.bands[0].grid.affine.c - 0.5 / 3600)
    heights = [image.read(("DEM",), window(image, "DEM", (114.3, 30.55), (60, 60)))[0][0] for image in (older, newer)]
    corners = (heights[1][:-1, :-1] + heights[1][1:, :-1] + heights[1][:-1, 1:] + heights[1][1:, 1:]) / 4
    assert np.abs(heights[0][1:, 1:] - corners).mean() < 1.5 and heights[0].std() > 0.5


SCENES = ["COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT", "GOOGLE/DYNAMICWORLD/V1"]


@pytest.mark.parametrize("collection", SCENES)
def test_endless_collections_are_not_counted(world, collection):
    june = Month(2020, 6)
    with pytest.raises(ValueError, match="filter it by date and bounds"):
        len(world.images(collection, june.start_ms, june.end_ms, None))


@pytest.mark.parametrize("collection", SCENES)
def test_the_archive_of_a_place_is_its_scenes_of_all_days(world, collection):
    """guides/ic_filtering: filterBounds alone; the same scenes as with dates from 2014 to the end of 2024."""
    corner = (114.3, 30.5, 114.31, 30.51)
    archive = world.images(collection, None, None, corner)
    dated = world.images(collection, 0, Month(2025, 1).start_ms, corner)
    assert len(archive) == len(dated) > 300
    assert [image.id for image in archive] == [image.id for image in dated]


def test_the_first_of_an_archive_is_not_counted(world):
    """Of half the world, whose scenes nobody lists."""
    hemisphere = world.images("COPERNICUS/S1_GRD", None, None, (0.0, 0.0, 180.0, 80.0))
    assert hemisphere[0].properties["system:time_start"] < Month(2014, 11).start_ms


def test_an_archive_of_too_many_scenes_says_so(world, monkeypatch):
    monkeypatch.setattr(endless, "_MOST_COUNTED", 20)
    with pytest.raises(ValueError, match="over 20 images there: filter it by date and bounds"):
        len(world.images("COPERNICUS/S1_GRD", None, None, (114.3, 30.5, 114.31, 30.51)))


@pytest.mark.parametrize("collection", ["COPERNICUS/S1_GRD_FLOAT", "GOOGLE/DYNAMICWORLD/V1"])
def test_endless_collections_have_a_first_image(world, bounds, collection):
    june = Month(2020, 6)
    first = world.images(collection, june.start_ms, None, bounds)[0]
    assert june.start_ms <= first.properties["system:time_start"] < june.start_ms + 10 * 86_400_000
    assert world.image(first.id).id == first.id


def test_unknown_ids_are_none(world):
    assert world.describe("LANDSAT/LC08") is None
    assert world.image("LANDSAT/LC08/scene") is None
    with pytest.raises(ValueError, match="not in the simulated world"):
        world.images("LANDSAT/LC08", 0, 1, (0, 0, 1, 1))


def test_every_id_is_described(world):
    for asset_id in world.ids:
        info = world.describe(asset_id)
        assert info.type in ("IMAGE", "IMAGE_COLLECTION") and info.properties["simulated"] == 1


def test_other_cities_have_towns_too(world):
    """A kilometre of Chengdu's centre is town, a kilometre of Ganzi's mountains is not."""
    from local_ee.world.plane import utm_of

    shares = []
    for lon, lat, zone in ((104.07, 30.66, "48N"), (100.0, 31.3, "47N")):
        image = world.image(f"projects/local/assets/world/truth10/2020_{zone}")
        corner = utm_of(lon, lat, 32600 + int(zone[:2]))
        shares.append(image.read(("impervious",), window(image, "impervious", corner, (100, 100)))[0].mean())
    assert shares[0] > 35 and shares[1] < 8


def test_country_is_mostly_soft(world):
    image = world.image("projects/local/assets/world/truth10/2020_50N")
    assert image.read(("impervious",), window(image, "impervious", COUNTRY, (100, 100)))[0].mean() < 30
