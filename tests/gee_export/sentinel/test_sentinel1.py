"""Sentinel-1 of two tracks against numpy: which scenes, their borders, stacks of dates, slopes, and what is said."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest

from isamap.gee_export.base.regions import Period
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import multitemporal, sentinel1, terrain
from isamap.gee_export.sentinel.scenes import Scene
from isamap.gee_export.sentinel.sentinel1 import Radar
from tests.support import radar as numpy_radar
from tests.support import tracks as places

JANUARY = Period(date(2018, 1, 1), date(2018, 2, 1))
AFTER = Period(date(2018, 1, 20), date(2018, 2, 1))
BANDS = ("VV", "VH")
pytestmark = pytest.mark.usefixtures("tracks_session")


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    return places.write(tmp_path_factory.mktemp("tracks"))


@pytest.fixture(scope="module")
def tracks_session(tracks, engine_home):
    from isamap.gee_export.earth_engine.session import connect

    with connect(catalog=tracks.folder, home=engine_home) as connected:
        yield connected
    connect(catalog="world", home=engine_home)


def sensed(period=JANUARY, **settings):
    return sentinel1.sensed(places.REGION.bounds_wsen, period, Radar(**settings))


def decibels(image, bands=BANDS):
    raster = pixels.fetch(image, places.GRID, list(bands))
    return np.where(raster.valid_BHW, raster.values_BHW, np.nan)


def clean(scene, band):
    """The scene without its border: by angle, and before 2018-01-12 where the 7 x 7 mean of VV is below -30 dB."""
    power = scene.power[band].astype(float)
    if scene.begun < places.CLEAN:
        power = np.where(numpy_radar.boxcar(scene.power["VV"].astype(float), 7) < 1e-3, np.nan, power)
    angle = scene.angle_deg.astype(float)
    return np.where((angle > 30.63993) & (angle < 45.23993), power, np.nan)


def mean_db(images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return 10 * np.log10(np.nanmean(np.stack(images), axis=0))


def of_days(tracks, orbit, *days):
    return [scene for scene in tracks.of(orbit) if scene.day in days]


@pytest.mark.long
def test_scenes_are_chosen_by_pass_and_counted_by_reason(tracks):
    """Thread adugnag/gee_s1_ard 23: what is dropped is said."""
    composite = sensed(orbit_pass="DESCENDING", speckle="none")
    assert composite.info["dropped"] == {"no VH": 1, "pass ASCENDING": 3}
    assert composite.info["passes"] == {"DESCENDING": 2} and composite.info["relative_orbits"] == {"47": 2}
    expected = mean_db([clean(scene, "VV") for scene in tracks.of(47)])
    np.testing.assert_allclose(decibels(composite.image)[0], expected, atol=1e-4)


def test_scenes_are_chosen_by_relative_orbit(tracks):
    composite = sensed(orbits=(113,), speckle="none")
    assert composite.info["dropped"] == {"no VH": 1, "relative orbit 47": 2}
    expected = mean_db([clean(scene, "VH") for scene in of_days(tracks, 113, "2018-01-01", "2018-01-13", "2018-01-25")])
    np.testing.assert_allclose(decibels(composite.image)[1], expected, atol=1e-4)


def test_the_dark_edge_of_old_scenes_is_masked_and_said(tracks):
    """S1_GRD catalog page: border noise is removed by Google only from 2018-01-12 on."""
    old = sensed(Period(date(2017, 12, 1), date(2018, 1, 1)), speckle="none", orbits=(113,))
    hidden = np.isnan(decibels(old.image)[0])
    assert hidden[:, : places.EDGE_PX - 3].all() and not hidden[:, places.EDGE_PX + 3 :].any()
    assert "before 2018-01-12" in old.info["border_mask"]
    assert "before" not in sensed(AFTER).info["border_mask"]


@pytest.mark.parametrize("name", ["lee", *(pytest.param(n, marks=pytest.mark.long) for n in ("boxcar", "gamma_map"))])
def test_dates_of_an_orbit_are_filtered_together(tracks, name):
    """Equation 7 around any filter: three dates up to each scene's own, later ones where the first has too few."""
    composite = sensed(dates=3, speckle=name, kernel_px=5, orbits=(113,))
    stacks = {
        "2018-01-01": ("2017-12-20", "2018-01-01", "2018-01-13"),
        "2018-01-13": ("2017-12-20", "2018-01-01", "2018-01-13"),
        "2018-01-25": ("2018-01-01", "2018-01-13", "2018-01-25"),
    }
    image = decibels(composite.image)
    for index, band in enumerate(BANDS):
        by_date = []
        for day, stack in stacks.items():
            own = clean(of_days(tracks, 113, day)[0], band)
            others = [clean(scene, band) for scene in of_days(tracks, 113, *stack)]
            by_date.append(numpy_radar.quegan_yu(own, others, lambda x: numpy_radar.filtered(name, x, 5)))
        np.testing.assert_allclose(image[index], mean_db(by_date), atol=3e-4)
    assert composite.info["dates"] == {"3": 3}


def test_only_scenes_of_the_same_orbit_make_a_stack(tracks):
    """Threads adugnag/gee_s1_ard 21: other geometries leave seams; a pixel counts the dates that it has."""
    image = decibels(sensed(AFTER, dates=2, orbits=(47,), kernel_px=5).image)
    first, second = (clean(scene, "VV") for scene in tracks.of(47))
    expected = numpy_radar.quegan_yu(second, [first, second], lambda x: numpy_radar.lee(x, 5))
    np.testing.assert_allclose(image[0], mean_db([expected]), atol=3e-4)
    assert np.isnan(first[:, :6]).all() and np.isfinite(image[0]).mean() > 0.9


def scene(time_ms, orbit=113):
    return Scene(str(time_ms), ("VV",), {"system:time_start": time_ms, "relativeOrbitNumber_start": orbit})


def test_slices_of_one_pass_are_one_date():
    day = 86_400_000
    listed = [scene(each + late) for each in (0, 12 * day, 24 * day) for late in (0, 25_000)]
    actual = multitemporal.stacks(listed[4:], listed, 2)
    assert len(actual) == 1 and actual[0].dates == 2
    assert actual[0].of.times_ms == (24 * day, 24 * day + 25_000)
    assert actual[0].times_ms == (12 * day, 24 * day + 25_000)


def test_a_stack_takes_later_dates_only_where_earlier_ones_are_too_few():
    day = 86_400_000
    scenes = [scene(index * 12 * day) for index in range(6)]
    ends = [
        (actual.times_ms[0] // day, actual.times_ms[1] // day) for actual in multitemporal.stacks(scenes, scenes, 4)
    ]
    assert ends == [(0, 36), (0, 36), (0, 36), (0, 36), (12, 48), (24, 60)]


def test_scenes_without_an_orbit_make_no_stack():
    with pytest.raises(ValueError, match="scene a: no relativeOrbitNumber_start"):
        multitemporal.passes([Scene("a", ("VV", "VH"), {"system:time_start": 0})])


@pytest.mark.long
@pytest.mark.parametrize("model", terrain.MODELS)
@pytest.mark.parametrize("orbit", [113, 47])
def test_slopes_are_flattened_as_the_paper_says(tracks, orbit, model):
    """Vollrath et al. 2020 in angles, against the graph in tangents; one track looks east, the other west."""
    composite = sensed(AFTER, terrain=model, speckle="none", orbits=(orbit,))
    seen = of_days(tracks, orbit, "2018-01-22", "2018-01-25")[0]
    toward = 270 if orbit == 113 else 90
    notices = composite.info["measured"][seen.index]["toward_deg"]
    assert notices == pytest.approx(toward, abs=1.5)  # of true north, the grid's is a degree off
    expected = numpy_radar.flattened(
        clean(seen, "VV"), seen.angle_deg.astype(float), notices, tracks.height_m.astype(float), 10, model
    )
    image, inner = decibels(composite.image)[0], np.s_[2:-2, 2:-2]
    np.testing.assert_array_equal(np.isnan(image[inner]), np.isnan(expected[inner]))
    np.testing.assert_allclose(image[inner], mean_db([expected])[inner], atol=2e-3)


@pytest.mark.long
@pytest.mark.parametrize(("orbit", "facing"), [(113, "west"), (47, "east")])
def test_slopes_that_face_the_sensor_become_darker(tracks, orbit, facing):
    """The sign that is disputed (ESA-PhiLab/radiometric-slope-correction 3): brightening must fall, not grow."""
    plain = decibels(sensed(AFTER, speckle="none", orbits=(orbit,)).image)[0]
    flat = decibels(sensed(AFTER, terrain="volume", speckle="none", orbits=(orbit,)).image)[0]
    seen = of_days(tracks, orbit, "2018-01-22", "2018-01-25")[0]
    gained = flat - plain + 10 * np.log10(np.cos(np.radians(seen.angle_deg.astype(float))))
    rise_south, rise_east = np.gradient(tracks.height_m.astype(float), 10)
    steep = np.abs(rise_east) > np.maximum(0.1, np.abs(rise_south))
    west, east = steep & (rise_east > 0), steep & (rise_east < 0)  # faces of the hills
    near, far = (west, east) if facing == "west" else (east, west)
    hills = np.isfinite(gained) & (np.arange(places.HEIGHT) < 195)[:, None]
    assert gained[near & hills].max() < 0 < gained[far & hills].min()


@pytest.mark.long
def test_layover_and_shadow_are_masked_and_their_surroundings_where_asked(tracks):
    """The ridge rises by 63 degrees on both sides, more than any angle and less than no shadow."""
    narrow = np.isnan(decibels(sensed(AFTER, terrain="volume", speckle="none", orbits=(113,)).image)[0])
    wide = np.isnan(
        decibels(sensed(AFTER, terrain="volume", terrain_buffer_m=30, speckle="none", orbits=(113,)).image)[0]
    )
    assert narrow[80:120, 153:158].all() and narrow[80:120, 163:168].all() and not narrow[140:190, 2:-2].any()
    from scipy.ndimage import binary_dilation

    circle = np.hypot(*np.mgrid[-3:4, -3:4]) <= 3
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_array_equal(wide[inner], binary_dilation(narrow, circle)[inner])


def test_flattened_composites_say_gamma_nought(tracks):
    composite = sensed(AFTER, terrain="direct", terrain_buffer_m=20)
    assert composite.info["backscatter"] == "gamma0" and sensed(AFTER).info["backscatter"] == "sigma0"
    assert composite.info["dem"] == terrain.GLO30 and composite.info["terrain_buffer_m"] == 20
    assert sentinel1.backscatter(composite.used, Radar(terrain="volume")) == "gamma0"


def test_gamma_nought_is_not_flattened_again():
    scenes = (Scene("a", ("VV", "VH", "angle"), {"backscatter": "gamma0"}),)
    assert sentinel1.backscatter(scenes, Radar()) == "gamma0"
    with pytest.raises(ValueError, match="hold gamma0: terrain flattening begins with sigma0"):
        sentinel1.backscatter(scenes, Radar(terrain="volume"))


@pytest.mark.long
def test_facts_asked_in_groups_are_those_of_all_scenes_at_once(tracks, monkeypatch):
    """Google refuses "too many concurrent aggregations": a year of a province has hundreds of scenes."""
    full = sensed(speckle="lee_sigma").info["measured"]
    request, questions = sentinel1.scenes.ask, []
    monkeypatch.setattr(sentinel1.backscatter_facts, "SCENES_AT_ONCE", 2)
    monkeypatch.setattr(sentinel1.scenes, "ask", lambda value: questions.append(1) or request(value))
    assert sensed(speckle="lee_sigma").info["measured"] == full
    assert len(questions) == 2 + -(-len(full) // 2)  # scenes, their indices, and a question for every two


@pytest.mark.long
def test_percentiles_are_asked_once_and_told(tracks):
    """The 98th percentile of the box at 10 m, by numpy."""
    composite = sensed(AFTER, speckle="lee_sigma", orbits=(113,))
    seen = of_days(tracks, 113, "2018-01-25")[0]
    for band in BANDS:
        notices = composite.info["measured"][seen.index][f"bright_{band}"]
        assert notices == pytest.approx(np.percentile(seen.power[band], 98), rel=0.02)
    image = decibels(composite.image)[0]
    power = clean(seen, "VV")
    expected = numpy_radar.lee_sigma(power, 7, composite.info["measured"][seen.index]["bright_VV"])
    np.testing.assert_allclose(image, mean_db([expected]), atol=2e-3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dates": 1}, "expected 0 .each scene by itself. or 2 to 30"),
        ({"dates": 3, "speckle": "none"}, "needs a speckle filter"),
        ({"terrain": "surface"}, "expected none, volume, direct"),
        ({"terrain": "volume", "terrain_buffer_m": -1}, "expected 0 to 1000"),
        ({"terrain_buffer_m": 30}, "without --terrain nothing is masked"),
        ({"orbit_pass": "UP"}, "expected ASCENDING or DESCENDING"),
        ({"orbits": (0,)}, "expected 1 to 175"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Radar(**settings)


@pytest.mark.long
@pytest.mark.parametrize("model", terrain.MODELS)
def test_flat_ground_has_the_factor_one(tracks, model):
    """There gamma nought is sigma nought / cos theta, in both models."""
    actual = decibels(sensed(AFTER, terrain=model, speckle="none", orbits=(113,)).image)[0]
    seen = of_days(tracks, 113, "2018-01-25")[0]
    expected = 10 * np.log10(clean(seen, "VV") / np.cos(np.radians(seen.angle_deg.astype(float))))
    plain = np.s_[205:-2, 2:-2]
    np.testing.assert_allclose(actual[plain], expected[plain], atol=1e-4)
