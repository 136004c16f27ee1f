"""Areas by class and polygon: against the ellipsoid's own areas, and against pixels counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import Geod, Transformer

from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.zonal import class_areas, transition_areas
from isamap.inference.assessment.zones import read_zones
from tests.inference.assessment.conftest import UTM

GEOD = Geod(ellps="WGS84")


def ellipsoid_km2(ring_xy, epsg: int) -> float:
    """Area of a ring drawn on a grid, its edges followed closely, on the ellipsoid."""
    dense = shapely.segmentize(shapely.Polygon(ring_xy), 50 if epsg != 4326 else 0.0005)
    x, y = np.array(dense.exterior.coords).T
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
    return abs(GEOD.polygon_area_perimeter(lon, lat)[0]) / 1e6


def box(left, bottom, right, top):
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


@pytest.mark.parametrize(
    ("epsg", "transform"),
    [
        (32650, UTM),  # far west of its meridian: 1.3 per mille larger on the grid than on the ground
        (4326, Affine(1e-4, 0, 114.3, 0, -1e-4, 30.6)),
        (6933, Affine(10, 0, 11_000_000, 0, -10, 3_700_000)),  # equal area already
    ],
)
def test_the_area_of_a_map_is_its_ground_on_the_ellipsoid(make_map, epsg, transform):
    path = make_map(np.ones((300, 400)), crs=f"EPSG:{epsg}", transform=transform)
    left, top = transform * (0, 0)
    right, bottom = transform * (400, 300)
    expected = ellipsoid_km2(box(left, bottom, right, top), epsg)
    assert class_areas(path).of("all", "impervious") == pytest.approx(expected, rel=2e-8)


def test_counting_squares_of_the_grid_would_be_wrong_at_the_edge_of_a_zone(make_map):
    grid_km2 = 300 * 400 * 100 / 1e6
    assert class_areas(make_map(np.ones((300, 400)))).of("all", "impervious") < grid_km2 * 0.9992


def test_a_slanting_zone_counts_the_exact_share_of_border_pixels(make_map, make_zones):
    ring = [(213003, 3415891), (215711, 3415503), (214307, 3413877)]
    zones = read_zones(make_zones({"triangle": ring}))
    areas = class_areas(make_map(np.ones((300, 400))), zones)
    assert areas.known_km2[0] == pytest.approx(ellipsoid_km2(ring, 32650), rel=1e-7)


def test_by_centre_a_zone_counts_the_pixels_whose_centre_it_holds(make_map, make_zones):
    ring = box(212750, 3416360 - 26, 212750 + 34, 3416360)  # 3 columns of centres, 3 rows
    zones = read_zones(make_zones({"corner": ring}))
    areas = class_areas(make_map(np.ones((50, 50))), zones, method="centre")
    assert areas.known_km2[0] == pytest.approx(9 * 100 / 1e6, rel=2e-3)


def test_classes_are_told_apart_by_zone(make_map, make_zones):
    class_HW = np.zeros((100, 100), np.uint8)
    class_HW[:, 50:] = 1
    west, east = box(212750, 3415360, 213250, 3416360), box(213250, 3415360, 213750, 3416360)
    areas = class_areas(make_map(class_HW), read_zones(make_zones({"west": west, "east": east})))
    assert (areas.of("west", "impervious"), areas.of("east", "pervious")) == (0, 0)


def test_unknown_ground_is_no_class(make_map):
    class_HW = np.ones((40, 40), np.uint8)
    class_HW[:10] = 255
    areas = class_areas(make_map(class_HW))
    assert areas.unknown_km2[0] / areas.known_km2[0] == pytest.approx(1 / 3, rel=1e-4)


def test_tiles_of_two_utm_zones_count_shared_ground_once(make_map):
    """A square around 120 degrees east, in zones 50 and 51, each drawn a kilometre over the meridian."""
    y = 3_400_000
    x50 = Transformer.from_crs(4326, 32650, always_xy=True).transform(120, 30.7)[0]
    x51, y51 = Transformer.from_crs(32650, 32651, always_xy=True).transform(x50, y)
    west = make_map(np.ones((200, 300)), "tiles/a.tif", transform=Affine(10, 0, x50 - 2000, 0, -10, y))
    east = make_map(
        np.ones((200, 300)), "tiles/b.tif", transform=Affine(10, 0, x51 - 1000, 0, -10, y51), crs="EPSG:32651"
    )
    outlines = []
    for path, epsg in ((west, 32650), (east, 32651)):
        left, bottom, right, top = open_class_map(path).sheets[0].geobox.boundingbox.bbox
        dense = shapely.segmentize(shapely.box(left, bottom, right, top), 20)
        change = Transformer.from_crs(epsg, 4326, always_xy=True)
        outlines.append(shapely.transform(dense, lambda p, change=change: np.column_stack(change.transform(*p.T))))
    expected = abs(GEOD.geometry_area_perimeter(shapely.orient_polygons(shapely.union_all(outlines)))[0]) / 1e6
    areas = class_areas(west.parent)
    assert areas.of("all", "impervious") == pytest.approx(expected, rel=1e-4)
    assert class_areas([west]).known_km2[0] + class_areas([east]).known_km2[0] > 1.2 * expected


def test_a_folder_of_tiles_is_one_map(make_map):
    rng = np.random.default_rng(3)
    class_HW = rng.integers(0, 2, (64, 96)).astype(np.uint8)
    full = class_areas(make_map(class_HW))
    for index, (rows, cols) in enumerate(((slice(0, 30), slice(0, 96)), (slice(30, 64), slice(0, 96)))):
        corner = UTM * Affine.translation(cols.start, rows.start)
        make_map(class_HW[rows, cols], f"tiles/{index}.tif", transform=corner)
    np.testing.assert_allclose(class_areas(make_map(class_HW).parent / "tiles").km2, full.km2, rtol=1e-9)


def test_probabilities_beside_a_map_are_no_tile_of_it(make_map):
    make_map(np.ones((20, 20)), "tiles/a.tif")
    make_map(np.full((20, 20), 200), "tiles/a_prob.tif")
    folder = make_map(np.ones((20, 20)), "tiles/a.tif").parent
    assert len(open_class_map(folder).sheets) == 1


def test_changes_are_counted_from_class_to_class(make_map):
    before, after = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    before[:10], after[:20] = 1, 1
    after[:5] = 0
    table = transition_areas(make_map(before, "a.tif"), make_map(after, "b.tif"))
    gain, loss = table.km2[0, 0, 1], table.km2[0, 1, 0]
    assert gain / loss == pytest.approx(2, rel=1e-4)


def test_a_later_map_on_another_grid_is_read_at_the_first_ones_pixels(make_map):
    before = np.zeros((40, 40), np.uint8)
    after = np.zeros((20, 20), np.uint8)
    after[:10] = 1
    coarse = make_map(after, "b.tif", transform=UTM * Affine.scale(2))
    table = transition_areas(make_map(before, "a.tif"), coarse)
    assert table.km2[0, 0, 1] == pytest.approx(table.km2[0].sum() / 2, rel=1e-4)


@pytest.mark.parametrize("east_px", [40, 4000])  # side by side, and in another city
def test_changes_between_maps_of_other_places_are_refused(make_map, east_px):
    before = make_map(np.zeros((40, 40)), "a.tif")
    after = make_map(np.ones((40, 40)), "b.tif", transform=UTM * Affine.translation(east_px, 0))
    with pytest.raises(ValueError, match=r"b\.tif lies beside .*a\.tif and shares no ground|no pixel is known in both"):
        transition_areas(before, after)


def test_changes_of_pixels_that_no_map_shares_are_refused(make_map):
    before, after = np.zeros((40, 40)), np.zeros((40, 40))
    before[:20], after[20:] = 255, 255
    with pytest.raises(ValueError, match="no pixel is known in both"):
        transition_areas(make_map(before, "a.tif"), make_map(after, "b.tif"))


def test_zones_in_degrees_are_moved_onto_the_grid(make_map, make_zones):
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform([213000, 214000], [3414000, 3415000])
    ring = box(lon[0], lat[0], lon[1], lat[1])
    areas = class_areas(make_map(np.ones((300, 400))), read_zones(make_zones({"box": ring}, epsg=4326)))
    assert areas.known_km2[0] == pytest.approx(ellipsoid_km2(ring, 4326), rel=1e-7)


def test_zones_that_all_lie_off_the_map_are_refused(make_map, make_zones):
    zones = read_zones(make_zones({"far away": box(300000, 3300000, 301000, 3301000)}))
    with pytest.raises(ValueError, match=r"no zone lies on the map .*, the first 'far away'"):
        class_areas(make_map(np.ones((30, 30))), zones)


def test_a_zone_off_the_map_is_left_out_and_named(make_map, make_zones):
    rings = {"far": box(300000, 3300000, 301000, 3301000), "in": box(212800, 3416100, 212900, 3416300)}
    areas = class_areas(make_map(np.ones((30, 30))), read_zones(make_zones(rings)))
    assert areas.zones == ("in",) and areas.off_map == ("far",) and areas.off_km2[0] == 0


def test_the_ground_of_a_zone_that_is_off_the_map_is_its_own_column(make_map, make_zones):
    """A square of 1 km2 that begins 100 m before the map's eastern edge."""
    ring = box(212750 + 2900, 3415300, 212750 + 3900, 3416300)
    areas = class_areas(make_map(np.ones((300, 300))), read_zones(make_zones({"east": ring})))
    assert areas.off_km2[0] == pytest.approx(0.9 * ellipsoid_km2(ring, 32650), rel=1e-5)
    assert areas.off_km2[0] + areas.known_km2[0] == pytest.approx(ellipsoid_km2(ring, 32650), rel=1e-7)


def test_a_value_without_a_name_is_refused(make_map):
    with pytest.raises(ValueError, match="holds value 7, but its classes are 0 to 1"):
        class_areas(make_map(np.full((30, 30), 7)))


def test_a_map_without_class_names_asks_for_them(make_map):
    path = make_map(np.ones((5, 5)), classes="")
    with pytest.raises(ValueError, match="does not name its classes: give --classes"):
        open_class_map(path)
    assert open_class_map(path, ("ground", "impervious")).classes == ("ground", "impervious")


def test_a_map_without_a_coordinate_system_is_refused(make_map):
    with pytest.raises(ValueError, match="has no coordinate system"):
        open_class_map(make_map(np.ones((5, 5)), crs=None))


def test_tiles_of_different_classes_are_refused(make_map):
    make_map(np.ones((5, 5)), "tiles/a.tif")
    folder = make_map(np.ones((5, 5)), "tiles/b.tif", classes="impervious,water").parent
    with pytest.raises(ValueError, match="have different classes"):
        open_class_map(folder)


def test_an_unknown_column_of_zones_is_refused_with_those_there_are(make_zones):
    path = make_zones({"a": box(0, 0, 1, 1)}, column="code")
    with pytest.raises(ValueError, match="has no column 'name_of': it has code"):
        read_zones(path, "name_of")
