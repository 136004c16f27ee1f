"""Samples: the chances that their designs promise, the same ones again for a seed, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import Geod

from isamap.inference.assessment import frame as frames
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.designs import Drawing
from isamap.inference.assessment.sample import read_key, write_key
from isamap.inference.assessment.strata import MapClasses, WholeMap, strata_named

GEOD = Geod(ellps="WGS84")


def halves(height=60, width=80, split=20):
    class_HW = np.zeros((height, width), np.uint8)
    class_HW[:, :split] = 1
    return class_HW


@pytest.fixture
def drawing(make_map):
    return Drawing(open_class_map(make_map(halves())), seed=4)


def test_simple_points_are_different_pixels_of_the_map(drawing):
    sample = drawing.simple(500)
    assert len({(point.lon, point.lat) for point in sample.points}) == 500


def test_points_lie_at_the_centres_of_pixels_of_the_class_that_the_key_says(drawing):
    sample = drawing.simple(200)
    actual = drawing.class_map.at(*sample.lonlat)
    assert [drawing.class_map.classes[value] for value in actual] == [point.map_class for point in sample.points]


def test_a_seed_draws_the_same_points_again(make_map):
    classes = open_class_map(make_map(halves()))
    assert Drawing(classes, 9).simple(50).points == Drawing(classes, 9).simple(50).points
    assert Drawing(classes, 9).simple(50).points != Drawing(classes, 10).simple(50).points


def test_inclusion_probabilities_sum_to_the_points(drawing):
    """Over all pixels they do; here every pixel of one grid has nearly the same."""
    sample = drawing.simple(300)
    assert sample.points[0].inclusion * halves().size == pytest.approx(300, rel=1e-3)


@pytest.mark.long
def test_every_pixel_is_drawn_as_often_as_its_inclusion_probability_says(make_map):
    classes = open_class_map(make_map(halves(6, 8, 2)))
    frame = frames.survey(classes, WholeMap())
    times = np.zeros((6, 8))
    for seed in range(150):
        pixels = frames.draw(frame, np.array([12]), np.random.default_rng(seed))
        np.add.at(times, (pixels.row_N, pixels.col_N), 1)
    share = times / 150
    assert abs(share.mean() - 0.25) < 1e-9 and np.abs(share - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 150)


def test_on_a_grid_in_degrees_ground_counts_and_not_pixels(make_map):
    """From 0 to 60 degrees north pixels shrink by half: points follow the area."""
    path = make_map(np.ones((600, 10)), crs="EPSG:4326", transform=Affine(0.1, 0, 100, 0, -0.1, 60))
    sample = Drawing(open_class_map(path), 1).simple(1500)
    lat = sample.lonlat[1]
    south = np.sin(np.radians(30)) / np.sin(np.radians(60))  # of a sphere; the ellipsoid differs by 0.2 %
    assert np.mean(lat < 30) == pytest.approx(south, abs=4 * np.sqrt(south * (1 - south) / 1500))


def test_strata_get_the_points_asked_of_them(drawing):
    sample = drawing.stratified(MapClasses(drawing.class_map.classes), np.array([30, 70]))
    counts = {name: sum(point.stratum == name for point in sample.points) for name in drawing.class_map.classes}
    assert counts == {"pervious": 30, "impervious": 70}


def test_the_order_of_points_says_nothing_of_their_stratum(drawing):
    sample = drawing.stratified(MapClasses(drawing.class_map.classes), np.array([50, 50]))
    first = [point.stratum for point in sorted(sample.points, key=lambda point: point.plotid)][:50]
    assert 15 < first.count("pervious") < 35


def test_a_whole_stratum_can_be_drawn(make_map):
    classes = open_class_map(make_map(halves(5, 10, 1)))
    sample = Drawing(classes, 0).stratified(MapClasses(classes.classes), np.array([2, 5]))
    assert len({(p.lon, p.lat) for p in sample.points if p.stratum == "impervious"}) == 5


def test_more_points_than_pixels_are_refused(make_map):
    classes = open_class_map(make_map(halves(5, 10, 1)))
    with pytest.raises(ValueError, match="stratum 'impervious' has 5 pixels, 6 points are more"):
        Drawing(classes, 0).stratified(MapClasses(classes.classes), np.array([2, 6]))


def test_polygons_are_strata_and_what_they_leave_out_is_not_sampled(drawing, make_zones):
    left, top = 212750, 3416360
    ring = [(left, top), (left + 200, top), (left + 200, top - 300), (left, top - 300)]
    strata = strata_named(str(make_zones({"west": ring})), drawing.class_map)
    sample = drawing.stratified(strata, np.array([40]))
    assert sample.strata[0].pixels == 20 * 30 and {p.map_class for p in sample.points} == {"impervious"}


def test_another_raster_gives_strata(drawing, make_map):
    second = np.zeros((60, 80), np.uint8)
    second[30:] = 1
    path = make_map(second, "strata.tif", classes="hill,impervious")
    sample = drawing.stratified(strata_named(str(path), drawing.class_map), np.array([20, 10]))
    assert [stratum.pixels for stratum in sample.strata] == [2400, 2400]


def test_a_systematic_sample_is_a_lattice_with_a_random_start(drawing, make_map):
    sample = drawing.systematic(48)
    lon, lat = sample.lonlat
    nearest = [
        min(GEOD.inv(lon[i], lat[i], lon[j], lat[j])[2] for j in range(len(lon)) if j != i) for i in range(len(lon))
    ]
    assert 36 <= len(lon) <= 60
    assert min(nearest) > sample.settings["spacing_m"] - 15
    assert Drawing(drawing.class_map, 5).systematic(48).points != sample.points


@pytest.mark.long
def test_the_systematic_sample_covers_every_pixel_equally_often(make_map):
    classes = open_class_map(make_map(halves(20, 20, 5)))
    times, frame = np.zeros((20, 20)), frames.survey(classes, WholeMap())
    for seed in range(250):
        pixels = frames.systematic(frame, 50.0, np.random.default_rng(seed))
        np.add.at(times, (pixels.row_N, pixels.col_N), 1)
    assert np.abs(times / 250 - 1 / 25).max() < 5 * np.sqrt(0.04 * 0.96 / 250)


def test_two_stages_draw_blocks_and_then_points_within(drawing):
    sample = drawing.clusters(5, 8, side_m=200)
    in_each = {cluster.index: sum(p.cluster == cluster.index for p in sample.points) for cluster in sample.clusters}
    assert set(in_each.values()) == {8} and len(in_each) == 5 and sample.cluster_count == 3 * 4


def test_inclusion_probabilities_of_two_stages_are_products(drawing):
    sample = drawing.clusters(6, 10, side_m=200)
    assert sample.points[0].inclusion == pytest.approx(6 / 12 * 10 / 400, rel=1e-3)


def test_points_keep_a_minimum_distance_and_the_sample_says_what_that_breaks(drawing):
    sample = drawing.stratified(MapClasses(drawing.class_map.classes), np.array([10, 6]), min_distance_m=60)
    lon, lat = sample.lonlat
    gaps = [GEOD.inv(lon[i], lat[i], lon[j], lat[j])[2] for i in range(16) for j in range(i)]
    assert min(gaps) >= 60 and "inclusion probabilities unequal" in sample.flaw


def test_a_distance_that_cannot_be_kept_is_refused(drawing):
    with pytest.raises(ValueError, match=r"--min-distance 500: only .* points lie so far apart"):
        drawing.simple(50, min_distance_m=500)


def test_only_blocks_that_hold_points_are_read_again(make_map):
    """A map of a country has thousands of blocks, and a sample touches few."""
    classes = open_class_map(make_map(halves(60, 80, 40)))
    every, some = list(classes.blocks(20)), list(classes.blocks(20, only={3, 7}))
    assert [block.index for block in every] == list(range(12)) and [block.index for block in some] == [3, 7]
    np.testing.assert_array_equal(some[1].class_HW, every[7].class_HW)


def test_unknown_pixels_are_no_stratum_of_the_maps_classes(make_map):
    class_HW = halves()
    class_HW[:, 40:] = 255
    classes = open_class_map(make_map(class_HW))
    sample = Drawing(classes, 2).stratified(MapClasses(classes.classes), np.array([30, 30]))
    lon, lat = sample.lonlat
    assert (classes.at(lon, lat) != 255).all()
    assert sum(stratum.pixels for stratum in sample.strata) == (class_HW != 255).sum()


def test_a_sample_is_read_back_as_it_was_written(drawing, tmp_path):
    sample = drawing.clusters(4, 3, side_m=200)
    write_key(sample, tmp_path)
    assert read_key(tmp_path) == sample


def test_a_folder_without_a_key_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no key.json: give the folder that `isamap assess sample"):
        read_key(tmp_path)


def test_strata_of_another_map_are_not_taken_for_the_maps_classes_though_they_have_their_names(make_map, drawing):
    """They were, and intervals by district then held the truth in 77 of 100 samples."""
    older = make_map(halves(split=50), "older.tif")
    sample = drawing.stratified(strata_named(str(older), drawing.class_map), np.array([30, 30]))
    assert tuple(stratum.name for stratum in sample.strata) == sample.classes
    assert sample.class_of_strata is None


def test_unknown_pixels_are_never_drawn(make_map):
    class_HW = halves()
    class_HW[:, 40:] = 255
    classes = open_class_map(make_map(class_HW))
    lon, lat = Drawing(classes, 2).simple(300).lonlat
    assert (classes.at(lon, lat) != 255).all()
