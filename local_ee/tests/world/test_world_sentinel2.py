"""Sentinel-2 of the world: ids and properties, the years without L2A, light, clouds and their scores."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import ndimage
from shapely import Point

from local_ee.world import clouds
from local_ee.world.lattice import Cut
from local_ee.world.noise import smooth, smooth_row
from local_ee.world.optical import Overpass, taps
from local_ee.world.passes import day_of
from tests.support.places import Month
from tests.support.world_spots import COUNTRY, HANKOU, window

L2A, L1C = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED"
SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"


def month(world, collection, year, number, bounds):
    period = Month(year, number)
    return world.images(collection, period.start_ms, period.end_ms, bounds)


def test_ids_are_earth_engines(optical):
    """system:index is YYYYMMDDTHHMMSS_YYYYMMDDTHHMMSS_Txxxxx (docs/reference/earth-engine.md, "Sentinel-2")."""
    for image in optical:
        assert re.fullmatch(r"COPERNICUS/S2_SR_HARMONIZED/\d{8}T\d{6}_\d{8}T\d{6}_T50RKU", image.id)
        assert image.id.endswith(image.properties["system:index"])


def test_what_a_request_does_to_properties_is_not_kept(world, bounds):
    first = month(world, L2A, 2019, 6, bounds)[0]
    first.properties["simulated"] = "changed"
    assert month(world, L2A, 2019, 6, bounds)[0].properties["simulated"] == 1


def test_two_orbits_and_two_spacecraft_make_twelve_looks(optical):
    assert {image.properties["SENSING_ORBIT_NUMBER"] for image in optical} == {32, 75}
    assert {image.properties["SPACECRAFT_NAME"] for image in optical} == {"Sentinel-2A", "Sentinel-2B"}
    assert len(optical) == 12


def test_known_granules_fly_on_their_days(world, bounds):
    """S2A flew R032 on 2020-08-07 and R075 on 2019-04-18 and 2020-05-22 (local_ee/docs/world.md,
    "Sentinel-2 sensor").
    """
    for year, number, day, orbit in ((2020, 8, 7, 32), (2019, 4, 18, 75), (2020, 5, 22, 75)):
        flown = [
            i.properties
            for i in month(world, L2A, year, number, bounds)
            if day_of(i.properties["system:time_start"]).day == day
        ]
        assert {(p["SPACECRAFT_NAME"], p["SENSING_ORBIT_NUMBER"]) for p in flown} == {("Sentinel-2A", orbit)}


def test_every_image_says_simulated(world, bounds):
    for collection in (
        L2A,
        L1C,
        SCORES,
        "COPERNICUS/S2_CLOUD_PROBABILITY",
        "COPERNICUS/S1_GRD",
        "COPERNICUS/S1_GRD_FLOAT",
    ):
        assert all(image.properties["simulated"] == 1 for image in month(world, collection, 2020, 6, bounds))


def test_images_come_in_order_and_inside_the_period(world, bounds):
    period = Month(2020, 6)
    times = [(i.properties["system:time_start"], i.id) for i in month(world, L2A, 2020, 6, bounds)]
    assert all(period.start_ms <= t < period.end_ms for t, _ in times)
    assert [t for t, _ in times] == sorted(t for t, _ in times)


def test_l2a_is_missing_before_december_2018(world, bounds):
    """2017-2018 L2A coverage is not global (catalog page of S2_SR_HARMONIZED); L1C is there."""
    assert not month(world, L2A, 2017, 8, bounds)
    assert not month(world, L2A, 2018, 6, bounds)
    assert month(world, L1C, 2017, 8, bounds)
    assert month(world, L2A, 2019, 1, bounds)


def test_an_image_is_found_again_by_its_id(world, optical):
    for image in optical[:3]:
        found = world.image(image.id)
        assert (found.id, found.properties) == (image.id, image.properties)
    assert world.image(f"{L2A}/nonsense") is None


@pytest.mark.parametrize("collection", [L2A, "COPERNICUS/S2_SR"])
def test_a_scene_that_google_has_is_answered_by_its_id(world, collection):
    """Xee's and geedim's tests name it; the world's orbits have other seconds."""
    index = "20200101T100319_20200101T100321_T32TQM"
    image = world.image(f"{collection}/{index}")
    assert image.properties["system:index"] == index and image.properties["simulated"] == 1
    assert image.footprint.contains(Point(12.0, 42.0))  # north of Rome: column Q, row M of zone 32


@pytest.mark.parametrize(
    "index",
    [
        "20200101T100319_20200101T100321_T99ZZZ",
        "20201301T100319_20201301T100321_T32TQM",
        "20100101T100319_20100101T100321_T32TQM",
        "20200101T100319_T32TQM",
    ],
)
@pytest.mark.parametrize("collection", [L2A, "COPERNICUS/S2_SR"])
def test_an_id_of_no_tile_or_time_is_none(world, collection, index):
    assert world.image(f"{collection}/{index}") is None


def test_bands_lie_on_their_own_lattices(optical):
    steps = {band.name: band.grid.affine.a for band in optical[0].bands}
    assert (steps["B2"], steps["B8"], steps["B11"], steps["SCL"], steps["B1"], steps["QA60"]) == (
        10,
        10,
        20,
        20,
        60,
        60,
    )
    own = [band for band in optical[0].bands if not band.name.startswith("MSK_CLASSI")]
    assert {round(band.grid.affine.c) for band in own} == {199_980}


def test_pixels_outside_the_tile_are_masked(optical):
    image = optical[0]
    box = window(image, "B4", (199_980 - 200, 3_400_020 + 100), (30, 30))
    _, mask = image.read(("B4",), box)
    inside = np.zeros((30, 30), bool)
    inside[10:, 20:] = True
    np.testing.assert_array_equal(mask[0], inside)


def test_scores_fall_with_clouds(world, optical):
    """Median cs where the sky of the scene is opaque, thin and clear (1 is clear)."""
    opaque, clear = [], []
    for image in optical:
        box = window(image, "B4", COUNTRY, (120, 120))
        opacity, shadow = clouds.over(
            Cut.of(box),
            Overpass(day_of(image.properties["system:time_start"]), image.properties["SENSING_ORBIT_NUMBER"]).sky,
        )
        score, _ = world.image(f"{SCORES}/{image.properties['system:index']}").read(("cs", "cs_cdf"), box)
        assert ((score >= 0) & (score <= 1)).all()
        opaque.append(score[:, opacity > 0.9])
        clear.append(score[:, (opacity == 0) & (shadow == 0)])
    cs_opaque, cs_clear = np.concatenate(opaque, axis=1), np.concatenate(clear, axis=1)
    assert cs_opaque.shape[1] > 1000 and cs_clear.shape[1] > 1000
    assert np.median(cs_opaque[0]) < 0.2 < 0.8 < np.median(cs_clear[0])
    assert (cs_opaque[1] >= 0.6).mean() < 0.02
    assert (cs_clear[1] >= 0.6).mean() > 0.75


def test_clouds_are_bright_and_shadows_dark(optical):
    image = max(optical, key=lambda i: -abs(i.properties["CLOUDY_PIXEL_PERCENTAGE"] - 60))
    found = {"cloud": [], "shadow": [], "clear": []}
    sky = Overpass(day_of(image.properties["system:time_start"]), image.properties["SENSING_ORBIT_NUMBER"]).sky
    for k in range(12):
        box = window(image, "B8", (HANKOU[0] + 4000 * (k % 4), HANKOU[1] + 6000 * (k // 4)), (100, 100))
        opacity, shadow = clouds.over(Cut.of(box), sky)
        near_infrared = image.read(("B8",), box)[0][0]
        found["cloud"].append(near_infrared[opacity > 0.9])
        found["shadow"].append(near_infrared[(shadow > 0.9) & (opacity == 0)])
        found["clear"].append(near_infrared[(shadow == 0) & (opacity == 0)])
    medians = {name: np.median(np.concatenate(parts)) for name, parts in found.items() if sum(map(len, parts)) > 200}
    assert medians["cloud"] > 1.5 * medians["clear"]
    if "shadow" in medians:
        assert medians["shadow"] < medians["clear"]


def test_cover_of_the_year_is_cloudy_and_u_shaped(world, bounds):
    """local_ee/docs/world.md, "Clouds": clear share .31 to .59 by month; most scenes nearly clear or
    nearly overcast.
    """
    covers = [
        image.properties["CLOUDY_PIXEL_PERCENTAGE"]
        for number in range(1, 13)
        for image in month(world, L2A, 2020, number, bounds)
        if image.properties["MGRS_TILE"] == "50RKU"
    ]
    assert 45 < np.mean(covers) < 70
    ends = np.mean([c < 15 or c > 85 for c in covers])
    assert ends > 0.5


def test_shifted_taps_move_the_picture():
    """A Gaussian's taps keep the sum and put their centre of mass at the shift."""
    for shift in (-0.6, 0.0, 0.25):
        weights = taps(shift)
        assert weights.sum() == pytest.approx(1, abs=1e-6)
        assert np.dot(weights, np.arange(-3, 4)) == pytest.approx(shift, abs=0.03)


def test_ground_detail_is_the_same_on_two_clear_dates(world, bounds):
    """Two dates of one month see the same ground: after blur their B4 agrees wherever both are clear."""
    images = [i for i in month(world, L2A, 2020, 7, bounds) if i.properties["MGRS_TILE"] == "50RKU"]
    seen = []
    for image in images:
        box = window(image, "B4", HANKOU, (150, 150))
        score = world.image(f"{SCORES}/{image.properties['system:index']}").read(("cs",), box)[0][0]
        if (score > 0.7).mean() > 0.9:
            seen.append(ndimage.gaussian_filter(image.read(("B4",), box)[0][0].astype(float), 1.5))
    assert len(seen) >= 2
    assert np.corrcoef(seen[0].ravel(), seen[1].ravel())[0, 1] > 0.9


def test_qa60_is_masked_in_its_gap(world, bounds):
    """QA60 is masked from 2022-01-25 to 2024-02-28 (catalog page)."""
    for year, expected in ((2021, True), (2023, False)):
        image = next(i for i in month(world, L2A, year, 6, bounds) if i.properties["MGRS_TILE"] == "50RKU")
        _, mask = image.read(("QA60",), window(image, "QA60", HANKOU, (5, 5)))
        assert mask.all() == expected


def test_clouds_are_white(world, optical):
    """Bands of a cloud brighten together: .42, .40, .42 with sd .14 to .19 in blue, green, red
    (local_ee/docs/world.md, "Clouds").
    """
    image = max(optical, key=lambda i: i.properties["CLOUDY_PIXEL_PERCENTAGE"])
    box = window(image, "B2", COUNTRY, (200, 200))
    opacity, _ = clouds.over(
        Cut.of(box),
        Overpass(day_of(image.properties["system:time_start"]), image.properties["SENSING_ORBIT_NUMBER"]).sky,
    )
    blue, green, red = (band[opacity >= 1].astype(float) for band in image.read(("B2", "B3", "B4"), box)[0])
    assert blue.size > 20_000 and blue.std() > 0.05 * blue.mean()
    assert np.corrcoef([blue, green, red]).min() > 0.98


def test_a_row_of_noise_is_the_noise_of_its_points():
    out = np.empty(300)
    smooth_row(np.uint64(9), -140, 10.0, 300.0, 7.3, out)
    assert out.tolist() == [smooth(np.uint64(9), (k - 140) * 10.0 / 300.0, 7.3) for k in range(300)]


def test_bad_data_along_a_scenes_edge_is_masked_in_b8a_and_b9_alone(optical):
    """A strip of 60 m inside the tile (the catalog's maskEdges is made for it)."""
    image = optical[0]
    grids = {band.name: band.grid for band in image.bands}
    corner = {name: grids[name][: 600 // step, : 600 // step] for name, step in (("B2", 10), ("B8A", 20), ("B9", 60))}
    strip = {name: np.ones(box.shape, bool) for name, box in corner.items()}
    for name, step in (("B2", 10), ("B8A", 20), ("B9", 60)):
        strip[name][60 // step :, 60 // step :] = False
        values, masks = image.read((name,), corner[name])
        if name == "B2":
            assert masks.all() and (values[0][strip[name]] == 16_000).all()
            assert (values[0][~strip[name]] < 16_000).any()
        else:
            np.testing.assert_array_equal(masks[0], ~strip[name])
