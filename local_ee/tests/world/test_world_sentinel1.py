"""Sentinel-1 of the world: orbits and properties, speckle, borders, the shift against Sentinel-2, water and walls."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import ndimage

from local_ee.world import radar as kernels
from local_ee.world.passes import day_of
from local_ee.world.tracks import ASCENDING, Pass, angle_deg, passes
from tests.support.places import Month
from tests.support.world_spots import HANKOU, RIVER, window

FLOAT, DECIBEL = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S1_GRD"


def month(world, collection, year, number, bounds):
    period = Month(year, number)
    return world.images(collection, period.start_ms, period.end_ms, bounds)


def test_orbit_113_flies_every_twelve_days(world, bounds):
    """Track 113 flew on 2015-04-11 and every 12 days after (local_ee/docs/world.md, "Orbits")."""
    days = [
        day_of(i.properties["system:time_start"]).toordinal()
        for number in range(1, 13)
        for i in month(world, FLOAT, 2020, number, bounds)
        if i.properties["relativeOrbitNumber_start"] == 113
    ]
    assert set(np.diff(days)) == {12}
    assert (days[0] - 735_699) % 12 == 0  # 735699 is 2015-04-11


def test_properties_serve_earth_engines_filters(world, bounds):
    directions = set()
    for image in month(world, DECIBEL, 2020, 6, bounds):
        p = image.properties
        assert re.fullmatch(
            r"S1A_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}", p["system:index"]
        )
        assert (p["instrumentMode"], p["resolution_meters"]) == ("IW", 10)
        assert p["transmitterReceiverPolarisation"] == ["VV", "VH"]
        assert (p["orbitNumber_start"] - 73) % 175 + 1 == p["relativeOrbitNumber_start"]
        directions.add(p["orbitProperties_pass"])
    assert directions == {"ASCENDING", "DESCENDING"}


def test_ascending_pass_covers_all_of_wuhan(radar, bounds):
    from shapely.geometry import box

    assert {image.properties["relativeOrbitNumber_start"] for image in radar} == {113}
    assert all(image.footprint.contains(box(*bounds)) for image in radar)


def test_found_again_by_id(world, radar):
    assert world.image(radar[0].id).properties == radar[0].properties
    assert world.image(f"{FLOAT}/S1A_IW_GRDH_nonsense") is None


def test_speckle_has_the_looks_and_correlation_of_real_grd():
    """ENL 4.4-5.9, intensity correlation .68 .21 .0 at lags 1 2 3, tolerance .06 (local_ee/docs/world.md, "Speckle"
    and "Does it look real").
    """
    grain = kernels.speckle(600, 600, np.uint64(11), 1234, -987)
    assert grain.mean() == pytest.approx(1, abs=0.02)
    assert 4.2 < grain.mean() ** 2 / grain.var() < 5.0
    for lag, expected in ((1, 0.68), (2, 0.21), (3, 0.0)):
        for a, b in ((grain[:, lag:], grain[:, :-lag]), (grain[lag:], grain[:-lag])):
            assert np.corrcoef(a.ravel(), b.ravel())[0, 1] == pytest.approx(expected, abs=0.06)


def test_speckle_differs_by_polarisation_and_date(radar):
    values = np.concatenate(
        [i.read(("VV", "VH"), window(i, "VV", (RIVER[0] - 300, RIVER[1] + 300), (60, 60)))[0] for i in radar[:2]]
    )
    table = np.corrcoef(values.reshape(4, -1))
    assert np.abs(table[~np.eye(4, dtype=bool)]).max() < 0.35


def test_water_is_dark_and_town_bright(radar):
    image = radar[0]
    water = image.read(("VV", "VH"), window(image, "VV", RIVER, (40, 40)))[0].mean(axis=(1, 2))
    town = image.read(("VV", "VH"), window(image, "VV", HANKOU, (100, 100)))[0].mean(axis=(1, 2))
    db = 10 * np.log10(np.stack([water, town]))
    assert -24 < db[0, 0] < -13 and -6 < db[1, 0] < 2  # Beijing: -1.0, docs/world.md
    assert (db[:, 1] < db[:, 0]).all()


def test_decibels_are_the_linear_twin(world, radar):
    box = window(radar[0], "VV", HANKOU, (20, 30))
    power, _ = radar[0].read(("VV",), box)
    twin = world.image(radar[0].id.replace(FLOAT, DECIBEL))
    np.testing.assert_allclose(twin.read(("VV",), box)[0], 10 * np.log10(power), atol=1e-4)


def test_angles_grow_across_the_swath(radar):
    grid = next(b.grid for b in radar[0].bands if b.name == "angle")
    angle, mask = radar[0].read(("angle",), grid)
    assert mask.all() and 29 <= angle.min() < angle.max() <= 46.01
    assert grid.affine.a == 20_000
    middle = angle[0][angle.shape[1] // 2]
    assert (np.diff(middle) >= 0).all()
    assert angle_deg(0) == pytest.approx(29.1) and angle_deg(250) == pytest.approx(46.0)


def border_share(world, bounds, year: int, month_number: int) -> float:
    """Share of very dark pixels along 20 km of the near edge of the first ascending pass."""
    image = next(
        i
        for i in month(world, FLOAT, year, month_number, bounds)
        if i.properties["orbitProperties_pass"] == "ASCENDING"
    )
    day = day_of(image.properties["system:time_start"])
    taken = Pass(ASCENDING, 0, day, 20)
    from local_ee.world.plane import utm_of

    grid = image.bands[0].grid
    x, y = utm_of(taken.near_lon(30.6) + 0.004, 30.6, grid.crs.to_epsg())
    values, mask = image.read(("VV",), window(image, "VV", (x, y), (60, 40)))
    assert mask.any()
    return float((values[mask] < 10**-2.3).mean())


def test_border_noise_ends_in_january_2018(world, bounds):
    """Earth Engine removes border noise from 2018-01-12 on (catalog page of S1_GRD)."""
    assert border_share(world, bounds, 2017, 8) > 0.5
    assert border_share(world, bounds, 2019, 8) < 0.3


def test_the_shift_against_the_truth_is_found(world, radar, bounds):
    """The pass lies shift_px away from the truth: the water mask correlates best there, to half a pixel."""
    day = day_of(radar[0].properties["system:time_start"])
    taken = next(p for p in passes(day, day, bounds) if p.index == radar[0].properties["system:index"])
    corner, size = (238_500.0, 3_384_500.0), (420, 420)
    power = 10 * np.log10(np.mean([i.read(("VV",), window(i, "VV", corner, size))[0][0] for i in radar], axis=0))
    period = Month(2020, 1)
    truth = world.images("projects/local/assets/world/truth", period.start_ms, period.end_ms, bounds)[-1]
    kind = truth.read(("class",), window(truth, "class", corner, (4200, 4200)))[0][0]
    water = (kind < 2).reshape(420, 10, 420, 10).mean(axis=(1, 3))
    water = ndimage.gaussian_filter(water, 0.9)
    scores = {
        (dy, dx): -np.corrcoef(ndimage.shift(water, (dy, dx), order=1)[8:-8, 8:-8].ravel(), power[8:-8, 8:-8].ravel())[
            0, 1
        ]
        for dy in np.arange(-3, 3.1, 0.5)
        for dx in np.arange(-3, 4.1, 0.5)
    }
    dy, dx = max(scores, key=scores.get)
    east, south = taken.shift_px()
    assert abs(dx - east) <= 0.8 and abs(dy - south) <= 0.8


def test_walls_along_the_track_shine():
    """Double bounce is strongest for walls parallel to the track and plateaus beyond 30 degrees, of VV alone
    (local_ee/docs/world.md, "Street orientation").
    """
    from local_ee.world.backscatter import scatter, tables
    from local_ee.world.fractions import FACING, LAYERS, WALL

    layers = np.zeros((LAYERS, 60, 60), np.uint8)
    layers[11], layers[WALL], layers[16:19] = 100, 12, 128
    power = []
    for turn in (78, 60, 48, 33):
        layers[FACING] = turn
        # The median leaves out the corners, which shine whichever way a street runs.
        power.append(np.median(scatter(layers, tables(7, 39.0), np.ones(2), (78.0, 0.0, 0), 0, 0)[:2], axis=(1, 2)))
    vv, vh = 10 * np.log10(np.array(power)).T
    assert (np.diff(vv) < 0).all() and 1 < vv[0] - vv[-1] < 2
    assert np.ptp(vh) < 0.1 and -11.5 < vh[0] - vv[0] < -8
