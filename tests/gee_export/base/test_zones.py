"""Places of several UTM zones: what their regions cover together, and that no ground is in two of them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Geod, Transformer

from isamap.gee_export.base import regions, zones
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.places import places

ACROSS = (118.5, 30.5, 121.5, 31.0)  # 1.5 degrees either side of the meridian between zones 50 and 51


def covers(parts, lon, lat) -> np.ndarray:
    """In how many regions' exported pixels each point of ground lies."""
    count = np.zeros(len(lon), int)
    for piece in parts:
        region_grid = RegionGrid.of(piece)
        x, y = Transformer.from_crs(4326, piece.epsg, always_xy=True).transform(lon, lat)
        left, _, _, top = piece.bounds_m
        col, row = np.floor((x - left) / 10).astype(int), np.floor((top - y) / 10).astype(int)
        inside = region_grid.inside(region_grid.window)
        present = (row >= 0) & (row < inside.shape[0]) & (col >= 0) & (col < inside.shape[1])
        count[present] += inside[row[present], col[present]]
    return count


def test_the_belt_is_one_region_a_zone():
    assert [piece.name for piece in places("yreb")] == [f"yreb-{zone}n" for zone in (47, 48, 49, 50, 51)]


def test_the_belts_regions_are_its_provinces_without_overlap():
    """Each province's box, from the shipped table, is covered; outlines share no area."""
    outlines = [piece.outline for piece in places("yreb")]
    table = {row["name"]: row for row in regions.described()}
    boxes = [table[member]["bounds_wsen"] for member in table["yreb"]["members"]]
    provinces = shapely.union_all([shapely.box(*box) for box in boxes])
    assert shapely.union_all(outlines).symmetric_difference(provinces).area < 1e-9
    assert sum(outline.area for outline in outlines) == pytest.approx(provinces.area, abs=1e-9)


def test_each_region_lies_in_its_own_zone():
    for piece, (west, east) in zip(places(None, bbox=ACROSS), ((118.5, 120), (120, 121.5)), strict=True):
        assert piece.outline.bounds == (west, 30.5, east, 31.0)
        assert piece.epsg == regions.utm_epsg((west + east) / 2, 30.7)


def test_no_point_lies_in_two_regions_and_none_is_missing():
    """Points anywhere in a box, more than a pixel from its sides and from the meridian: each in exactly one."""
    box = (118.97, 30.9, 121.03, 30.93)
    rng = np.random.default_rng(3)
    lon, lat = rng.uniform(118.9702, 121.0298, 40_000), rng.uniform(30.9002, 30.9298, 40_000)
    far = np.abs(lon - 120) > 1.1e-4  # 10 m: pixels of two lattices cannot meet closer
    assert (covers(places(None, bbox=box), lon, lat)[far] == 1).all()


def test_at_the_meridian_a_pixel_belongs_to_the_side_of_its_centre():
    """Within half a diagonal of the meridian ground may be seen by one lattice's pixel or the other's, not by more."""
    box = (118.97, 30.9, 121.03, 30.93)
    rng = np.random.default_rng(4)
    lon, lat = 120 + rng.uniform(-1e-4, 1e-4, 20_000), rng.uniform(30.9002, 30.9298, 20_000)
    count = covers(places(None, bbox=box), lon, lat)
    assert count.mean() == pytest.approx(1, abs=0.02)  # what one pixel takes too much its neighbour lacks


@pytest.mark.parametrize("name", ["wuhan", "wuhan-city", "hangzhou", "harbin", "anhui"])
def test_regions_that_reach_less_than_a_degree_into_a_zone_keep_their_grid(name):
    assert places(name) == (regions.named(name),)


@pytest.mark.parametrize("box", [(119.2, 30, 120.8, 30.1), (114.1, 30, 114.2, 30.1), (118, 30, 121, 30.1)])
def test_a_box_is_divided_only_where_it_reaches_far_into_two_zones(box):
    single = regions.from_bbox(box)
    assert places(None, bbox=box) == (single,)


def test_a_zone_that_is_asked_for_holds_all_of_the_place():
    (actual,) = places("hubei", epsg=32649)
    assert actual == regions.named("hubei")


def test_a_box_across_the_antimeridian_is_two_regions():
    actual = {piece.name: piece.outline.bounds for piece in places(None, bbox=(177, -19, -178, -16), name="fiji")}
    assert actual == {"fiji-60s": (177, -19, 180, -16), "fiji-01s": (-180, -19, -178, -16)}


def test_an_outline_past_180_degrees_is_wrapped():
    actual = {zone.name: zone.outline.bounds for zone in zones.of_outline(shapely.box(177, -19, 182, -16), name="fiji")}
    assert actual == {"fiji-60s": (177, -19, 180, -16), "fiji-01s": (-180, -19, -178, -16)}


def test_an_outline_around_the_globe_is_refused():
    with pytest.raises(ValueError, match="cut it at the antimeridian"):
        zones.of_outline(shapely.box(-178, -19, 177, -16), name="fiji")


def test_a_box_in_a_divided_region_has_the_regions_lattices():
    parts, actual = places("hubei"), places("hubei", bbox=(113.5, 30, 114.5, 30.5))
    assert [(piece.name, piece.origin_m) for piece in actual] == [(piece.name, piece.origin_m) for piece in parts]
    assert shapely.union_all([piece.outline for piece in actual]).equals(shapely.box(113.5, 30, 114.5, 30.5))


def test_a_box_that_leaves_a_divided_region_is_refused():
    with pytest.raises(ValueError, match="reaches outside region 'hubei'"):
        places("hubei", bbox=(113.5, 30, 118, 30.5))


@pytest.mark.long
def test_positions_of_an_outline_are_those_with_a_pixel_in_it():
    """Against every window's own pixels, one at a time."""
    disc = shapely.Point(114.3, 30.5).buffer(0.03)
    region_grid = RegionGrid.of(regions.from_outline(disc, name="disc"))
    full = RegionGrid.of(regions.from_bbox(disc.bounds))
    expected = [window for window in full.positions(32, 20) if region_grid.inside(window).any()]
    assert list(region_grid.positions(32, 20)) == expected and len(expected) > 100


def test_china_is_one_outlined_region_a_zone():
    parts = places("china")
    assert [piece.epsg for piece in parts] == list(range(32643, 32654))
    assert sum(piece.outline.area for piece in parts) == pytest.approx(regions.ground("china").area)


def test_chinas_outline_has_its_area():
    """Natural Earth's record at 1:110m covers 9.41 million km2 of the ellipsoid; the coordinates are rounded here."""
    area_m2, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(regions.ground("china")))
    assert area_m2 / 1e12 == pytest.approx(9.41, rel=0.002)
