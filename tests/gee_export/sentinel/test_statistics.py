"""Composites of a year against numpy: each statistic, each season and pass, what has no value, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from isamap.gee_export.base.regions import Period
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.export.settings import chosen
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import NoScenes, Settings
from isamap.gee_export.sentinel.statistics import PRESETS, Statistics
from tests.support import year_of_scenes
from tests.support.year_of_scenes import EMPTY, FEW, GRID, MONTHS, REGION, YearOfScenes

YEAR = Period.parse("2020")


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory, engine_home, reconnected) -> Iterator[YearOfScenes]:
    written = year_of_scenes.write(tmp_path_factory.mktemp("year"))
    with connect(catalog=written.folder, home=engine_home):
        yield written


def build(preset: str = "year-statistics", period: Period = YEAR, **options):
    settings = Settings.of(composite=preset, clouds="scl", speckle="none", **options)
    return composite.build(REGION, period, settings)


def fetched(made, name: str) -> np.ndarray:
    raster = pixels.fetch(made.packed, GRID, (name,))
    return np.where(raster.valid_BHW[0], raster.values_BHW[0], np.nan)


def optical(**options):
    return build(bands=("B4", "B8"), sensors=("s2",), **options)


def radar(**options):
    return build(sensors=("s1",), **options)


def quiet(function, series: np.ndarray, least: int = 3) -> np.ndarray:
    """A statistic of the dates that have a value, NaN of fewer than `least`."""
    enough = np.isfinite(series).sum(axis=0) >= least
    out = np.full(enough.shape, np.nan)
    for row, col in np.argwhere(enough):
        values = series[:, row, col]
        out[row, col] = function(values[np.isfinite(values)])
    return out


def linear(values: np.ndarray, percent: float) -> float:
    """A percentile between the two samples around rank percent / 100 * (n - 1), in proportion."""
    ranked = np.sort(values)
    rank = percent / 100 * (len(ranked) - 1)
    low = int(rank)
    high = min(low + 1, len(ranked) - 1)
    return float(ranked[low] + (rank - low) * (ranked[high] - ranked[low]))


PLAIN = {
    "mean": np.mean,
    "std": lambda values: np.sqrt(np.mean((values - values.mean()) ** 2)),
    "min": np.min,
    "max": np.max,
    "p25": lambda values: linear(values, 25),
    "p90": lambda values: linear(values, 90),
}


@pytest.mark.long
@pytest.mark.parametrize("statistic", PLAIN)
def test_a_statistic_of_bands_and_indices_is_numpys(year, statistic):
    made = optical(statistics=(statistic,), indices=("NDVI",))
    assert made.bands == (f"B4_{statistic}", f"B8_{statistic}", f"NDVI_{statistic}")
    # an observation counts where every band and index has a value; here all are hidden together
    np.testing.assert_allclose(fetched(made, f"B4_{statistic}"), quiet(PLAIN[statistic], year.numbers["B4"]), rtol=1e-5)
    expected = quiet(PLAIN[statistic], year.index())
    np.testing.assert_allclose(fetched(made, f"NDVI_{statistic}"), expected, atol=0.02)


@pytest.mark.long
def test_too_few_dates_have_no_value_and_are_counted(year):
    made = optical(statistics=("mean", "count"), indices=())
    mean, count = fetched(made, "B4_mean"), fetched(made, "s2_observations")
    assert np.isnan(mean[EMPTY]).all() and np.isnan(mean[FEW]).all() and np.isfinite(mean[8:]).all()
    np.testing.assert_array_equal(count, np.isfinite(year.numbers["B4"]).sum(axis=0))
    assert (count[EMPTY] == 0).all() and (count[FEW] == 2).all()
    assert np.isfinite(fetched(optical(statistics=("mean",), indices=(), least_dates=2), "B4_mean")[FEW]).all()


@pytest.mark.long
@pytest.mark.parametrize("band", ["B8", "NDVI"])
def test_the_harmonic_is_the_least_squares_fit(year, band):
    made = optical(statistics=("amplitude", "phase"), indices=("NDVI",), preset="harmonic")
    series = year.index() if band == "NDVI" else year.numbers[band]
    january = datetime(2020, 1, 1, tzinfo=UTC)
    turns = np.array([(day - january).total_seconds() / 86_400 / 365.25 for day in year.days]) * 2 * np.pi
    design = np.stack([np.ones_like(turns), np.cos(turns), np.sin(turns)], axis=1)

    def fit(row: int, col: int) -> np.ndarray:
        valid = np.isfinite(series[:, row, col])
        return np.linalg.lstsq(design[valid], series[valid, row, col], rcond=None)[0]

    amplitude, phase = fetched(made, f"{band}_amplitude"), fetched(made, f"{band}_phase")
    places = np.argwhere(np.isfinite(amplitude))
    assert len(places) > 300
    fits = np.array([fit(*pixel) for pixel in places])
    np.testing.assert_allclose(amplitude[tuple(places.T)], np.hypot(*fits[:, 1:].T), rtol=1e-3, atol=0.1)
    difference = phase[tuple(places.T)] * 1e-4 - np.arctan2(fits[:, 2], fits[:, 1])
    np.testing.assert_allclose(np.cos(difference), 1, atol=1e-5)


def test_dates_of_half_a_year_give_no_harmonic(year):
    """A year-long period of which scenes from January to April exist: one turn does not follow from a third of it."""
    period = Period.parse("2019-05-05..2020-05-01")
    made = optical(statistics=("mean", "amplitude"), indices=(), preset="harmonic", least_dates=4, period=period)
    assert np.isfinite(fetched(made, "B4_mean")).mean() > 0.4
    assert not np.isfinite(fetched(made, "B4_amplitude")).any()


@pytest.mark.long
@pytest.mark.parametrize("season", MONTHS)
def test_a_season_is_of_its_months(year, season):
    made = optical(preset="season", indices=())
    within = np.isin(year.months(), MONTHS[season])
    expected = quiet(np.median, year.numbers["B8"][within], least=1)
    np.testing.assert_allclose(fetched(made, f"B8_{season}_p50"), expected, rtol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize(("way", "short"), [("ASCENDING", "asc"), ("DESCENDING", "desc")])
def test_radar_is_by_pass_and_its_mean_is_of_power(year, way, short):
    made = radar(statistics=("mean", "std", "count"), by_pass=True)
    own = np.array(year.passes) == way
    power = year.power["VV"][own].mean(axis=0)
    np.testing.assert_allclose(fetched(made, f"VV_{short}_mean"), 1000 * np.log10(power), atol=0.01)
    np.testing.assert_allclose(fetched(made, f"VH_{short}_std"), year.decibels("VH")[own].std(axis=0), atol=0.01)
    assert (fetched(made, f"s1_{short}_observations") == own.sum()).all()


def test_radar_by_pass_and_season(year):
    made = radar(statistics=("max",), by_pass=True, seasons=True, least_dates=1)
    own = (np.array(year.passes) == "ASCENDING") & np.isin(year.months(radar=True), MONTHS["JJA"])
    np.testing.assert_allclose(fetched(made, "VV_asc_JJA_max"), year.decibels("VV")[own].max(axis=0), atol=0.01)


@pytest.mark.long
@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "month"])
def test_stored_bands_are_those_of_the_graph(year, preset):
    settings = Settings.of(composite=preset, bands=("B4", "B8"), clouds="scl", speckle="none")
    made = composite.build(REGION, YEAR, settings)
    assert made.bands == tuple(band.name for band in settings.stored_bands)
    assert len(set(made.bands)) == len(made.bands) and PRESETS[preset].source
    raster = pixels.fetch(made.packed, GRID, made.bands)
    physical = pixels.fetch(made.image, GRID, made.bands)
    scales = np.array([band.scale for band in settings.stored_bands])[:, None, None]
    np.testing.assert_array_equal(raster.valid_BHW, physical.valid_BHW)
    np.testing.assert_allclose(raster.values_BHW * scales, physical.values_BHW, rtol=1e-5, atol=1e-6)
    assert np.abs(raster.values_BHW).max() <= 32767


def test_a_pass_or_season_without_scenes_is_named(year):
    with pytest.raises(NoScenes, match=r"no scene of Sentinel-1 in .* that is descending"):
        radar(statistics=("mean",), by_pass=True, orbits=(40,))


def test_a_month_is_no_year():
    with pytest.raises(ValueError, match="composites of harmonic are of a year or up to three, not of 2020-06"):
        build("harmonic", Period.parse("2020-06"))


def test_settings_survive_json_and_a_month_keeps_its_bytes():
    settings = Settings.of(composite="season", statistics=("p25", "count"), by_pass=True)
    assert Settings.from_json(settings.to_json()) == settings
    assert not {"composite", "statistics", "seasons"} & Settings().to_json().keys()


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ({"composite": "yearly"}, "--composite yearly: expected one of month, season, year-statistics, harmonic"),
        ({"statistics": "p25"}, "statistics is of a year: give --composite"),
        ({"composite": "harmonic", "statistics": "p101"}, "statistics p101: expected some of"),
        ({"composite": "harmonic", "indices": "EVI"}, "indices EVI: expected some of NDVI"),
        ({"composite": "harmonic", "seasons": "true"}, "a harmonic is of the whole year"),
        ({"composite": "harmonic", "least_dates": "3"}, "least_dates 3: expected 4 to 100 for amplitude and phase"),
        ({"composite": "season", "least_dates": "0"}, "--set least_dates=0: expected at least one, leave it out"),
        ({"composite": "season", "least_dates": 0}, "--set least_dates=0: expected at least one, leave it out"),
        ({"least_dates": "0"}, "--set least_dates=0: expected at least one, leave it out"),
        ({"composite": "season", "least_dates": "101"}, "least_dates 101: expected 1 to 100$"),
        ({"composite": "season", "least_dates": "1.5"}, "--set least_dates=1.5: expected a whole number"),
        ({"composite": "season", "statistics": ""}, "--set statistics=: expected at least one, leave it out"),
        ({"composite": "season", "statistics": ()}, "--set statistics=: expected at least one, leave it out"),
        ({"composite": "season", "statistics": ","}, "--set statistics=,: expected at least one, leave it out"),
        ({"composite": "season", "statistics": "p7,p07"}, "statistics p07: expected some of"),
        ({"dem": ""}, "--set dem=: expected at least one, leave it out"),
        ({"composite": "season", "statistics": "count"}, "count alone says nothing"),
        ({"composite": "season", "statistics": "p5,p5"}, "give each once"),
        ({"composite": "season", "reducer": "median"}, "leave reducer and extras out"),
        ({"composite": "season", "dates": "6"}, "leave dates=6 out"),
        ({"composite": "season", "by_pass": "true", "orbit_pass": "ASCENDING"}, "leave orbit_pass out"),
        ({"composite": "season", "sensors": ("s2", "embeddings")}, "leave one of them out"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_contradictions_are_refused(words, refusal):
    sensors = {"sensors": words.pop("sensors")} if "sensors" in words else {}
    with pytest.raises(ValueError, match=refusal):
        chosen(words, **sensors)


def test_many_dates_of_many_bands_make_smaller_requests():
    few, many = Statistics("year-statistics"), Statistics("month")
    assert few.side_px(12, 7, 512) == 256 and few.side_px(36, 13, 512) == 64 and many.side_px(36, 13, 512) == 512
