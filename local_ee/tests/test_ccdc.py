"""Ccdc on seasons whose breaks are known; the lasso against scikit-learn's, least squares against NumPy's."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import stats

from local_ee.errors import EngineError
from local_ee.raster import harmonics
from local_ee.raster.ccdc import Rules, segments
from local_ee.testing.evaluating import pixels, value
from local_ee.testing.scenes import utm

pytestmark = [pytest.mark.usefixtures("session"), pytest.mark.long]  # its kernels compile for half a minute

DAYS = np.arange(0, 365.25 * 10, 16.0) + 10_957  # from 2000-01-01
YEARS = DAYS / 365.25
PHASE = 2 * np.pi * YEARS
BREAK = 145
NOTHING = np.array([], np.int64)
BOTH = np.array([0, 1])


def forest(seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """Two bands [band, observation]: a season and a trend until the break, another season after it."""
    random = np.random.default_rng(seed)
    before = np.stack([0.3 + 0.1 * np.cos(PHASE - 0.5) + 0.002 * (YEARS - 30), np.full(len(YEARS), 0.2)])
    after = np.stack([0.6 + 0.02 * np.sin(PHASE), np.full(len(YEARS), 0.1)])
    series = np.where(np.arange(len(YEARS)) < BREAK, before, after)
    return series + random.normal(0, noise, series.shape)


def rules(**changed) -> Rules:
    limits = {"change": stats.chi2.ppf(0.99, 2), "outlier": stats.chi2.ppf(1 - 1e-6, 2)}
    return Rules(**{"observations": 6, "years": 1.33, "penalty": 0.0, "rounds": 1000, **limits, **changed})


def run(series: np.ndarray, clouds: np.ndarray = NOTHING, **changed):
    return segments(YEARS, PHASE, series, BOTH, clouds, rules(**changed))


@pytest.mark.parametrize("seed", range(4))
def test_the_break_is_the_first_observation_after_the_change(seed):
    assert run(forest(seed)).spans[:, :3].tolist()[0] == [0, BREAK - 1, BREAK]


def test_segments_carry_the_seasons_that_made_them():
    series = forest(noise=1e-4)
    found = run(series)
    assert found.spans[1].tolist() == [BREAK, len(YEARS) - 1, -1, len(YEARS) - BREAK]
    for segment, members in enumerate((slice(0, BREAK), slice(BREAK, None))):
        table = np.column_stack([np.ones(len(YEARS)), harmonics.inputs(YEARS, PHASE)])[members]
        expected, *_ = np.linalg.lstsq(table, series[0][members], rcond=None)
        assert found.coefficients[segment, 0] == pytest.approx(expected, abs=1e-6)


def test_a_confirmed_break_is_certain_and_has_the_change_as_its_magnitude():
    found = run(forest())
    ahead = slice(BREAK, BREAK + 6)
    before = 0.3 + 0.1 * np.cos(PHASE[ahead] - 0.5) + 0.002 * (YEARS[ahead] - 30)
    assert found.probability.tolist() == [1, 0]
    assert found.magnitude[0] == pytest.approx([np.median(forest()[0][ahead] - before), -0.1], abs=0.02)
    assert found.magnitude[1].tolist() == [0, 0]


def test_a_break_at_the_end_is_as_likely_as_its_observations():
    """A: minObservations, "the number of observations required to flag a change"."""
    short = slice(0, BREAK + 3)
    found = segments(YEARS[short], PHASE[short], forest()[:, short], BOTH, NOTHING, rules())
    assert found.spans[0, 2] == BREAK and found.probability[0] == pytest.approx(3 / 6)


def test_a_steady_season_has_no_break():
    random = np.random.default_rng(5)
    steady = 0.3 + 0.1 * np.cos(PHASE) + random.normal(0, 0.01, (2, len(YEARS)))
    assert run(steady).spans[:, :3].tolist() == [[0, len(YEARS) - 1, -1]]


def test_rmse_is_the_noise():
    assert run(forest()).rmse == pytest.approx(np.full((2, 2), 0.01), rel=0.25)


def test_a_single_cloud_is_no_break_and_left_out():
    cloudy = forest()
    cloudy[0, [60, 100, 180]] += 0.5
    found = run(cloudy)
    assert found.spans[:, 2].tolist() == [BREAK, -1] and found.spans[:, 3].sum() == len(YEARS) - 3


def test_tmask_finds_clouds_where_a_segment_begins():
    cloudy = forest()
    cloudy[0, [15, 16]] += 0.5
    found = run(cloudy, np.array([0]))
    assert found.spans[0, 3] == BREAK - 2 and found.rmse[0, 0] < 0.012
    assert run(cloudy).rmse[0, 0] > 0.03


def test_a_series_that_is_too_short_has_no_segment():
    few = slice(0, 20)
    assert not len(segments(YEARS[few], PHASE[few], forest()[:, few], BOTH, NOTHING, rules()).spans)


def test_a_break_in_a_band_that_is_not_asked_is_none():
    only_first = forest()
    only_first[1, :BREAK] -= 0.1
    found = segments(YEARS, PHASE, only_first, np.array([1]), NOTHING, rules(change=stats.chi2.ppf(0.99, 1)))
    assert found.spans[:, 2].tolist() == [-1]


@pytest.mark.parametrize("penalty", [0.001, 0.01, 0.05])
def test_the_lasso_is_scikit_learns_on_scaled_inputs(penalty):
    from sklearn.linear_model import Lasso

    table, series = harmonics.inputs(YEARS, PHASE), forest()[0]
    own = harmonics.fit(table, series, 8, penalty, 25_000)
    scaled = (table - table.mean(axis=0)) / table.std(axis=0)
    model = Lasso(alpha=penalty, tol=1e-12, max_iter=100_000).fit(scaled, series)
    assert own[1:] == pytest.approx(model.coef_ / table.std(axis=0), abs=1e-9)


# Through the client

CENTRE = utm(1, 2)


def collection() -> ee.ImageCollection:
    images = [
        ee.Image([float(first), float(second)]).rename(["nir", "red"]).set("system:time_start", day * 86_400_000)
        for day, first, second in zip(DAYS, *forest(), strict=True)
    ]
    return ee.ImageCollection(images)


def image(**options) -> ee.Image:
    return ee.Algorithms.TemporalSegmentation.Ccdc(collection(), **{"lambda": 0, "dateFormat": 1, **options})


def first(image: ee.Image, band: int) -> np.ndarray:
    return pixels(image, grid=CENTRE, band=band)[0, 0]


def test_the_bands_are_those_of_googles_own_collection():
    """https://developers.google.com/earth-engine/datasets/catalog/GOOGLE_GLOBAL_CCDC_V1."""
    bands = {band.name: band.type.dimensions for band in value(image()).bands}
    assert list(bands) == [
        "tStart", "tEnd", "tBreak", "numObs", "changeProb",
        "nir_coefs", "red_coefs", "nir_rmse", "red_rmse", "nir_magnitude", "red_magnitude",
    ]  # fmt: skip
    assert [bands[name] for name in ("tStart", "nir_coefs", "red_rmse")] == [1, 2, 1]


@pytest.mark.parametrize(
    ("date_format", "time"),
    [(0, DAYS + 719_529), (1, 1970 + YEARS), (2, DAYS * 86_400_000.0)],
)
def test_times_are_julian_days_fractional_years_or_milliseconds(date_format, time):
    """A dateFormat: "0 = jDays, 1 = fractional years, 2 = unix time in milliseconds"."""
    segmented = image(dateFormat=date_format)
    assert first(segmented, 0) == pytest.approx(time[[0, BREAK]], rel=1e-12)
    assert first(segmented, 2) == pytest.approx([time[BREAK], 0], rel=1e-12)
    turn = 2 * np.pi / (365.25, 1, 365.25 * 86_400_000)[date_format]
    terms = [np.ones_like(time), time, *(f(k * turn * time) for k in (1, 2, 3) for f in (np.cos, np.sin))]
    fitted = first(segmented, 5)[0] @ np.array(terms)[:, :BREAK]
    truth = 0.3 + 0.1 * np.cos(PHASE - 0.5) + 0.002 * (YEARS - 30)
    assert fitted == pytest.approx(truth[:BREAK], abs=0.01)


def test_observations_are_counted_by_segment():
    assert first(image(), 3).tolist() == [BREAK, len(YEARS) - BREAK]


def test_the_default_penalty_of_20_leaves_reflectances_their_mean():
    """A lambda: 20 is meant for reflectances times 10,000; below that the lasso keeps no term but the offset."""
    coefficients = first(image(**{"lambda": 20}), 5)
    assert not coefficients[:, 1:].any() and coefficients[:, 0].all()


def test_a_pixel_without_a_segment_is_masked():
    few = ee.Algorithms.TemporalSegmentation.Ccdc(collection().limit(20))
    assert not value(few).read(CENTRE).masks[0].any()


def test_an_infinite_observation_is_masked():
    wild = collection().map(lambda image: image.where(image.date().millis().gt(1e12), 1e300))
    assert first(ee.Algorithms.TemporalSegmentation.Ccdc(wild, **{"lambda": 0}), 3)[0] < BREAK


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"breakpointBands": ["blue"]}, "there is no band 'blue'"),
        ({"breakpointBands": [5]}, "there is no band 5"),
        ({"breakpointBands": ["nir"], "tmaskBands": ["red"]}, "tmaskBands must be included"),
        ({"minObservations": 0}, "minObservations must be 1 to"),
        ({"chiSquareProbability": 2}, "chiSquareProbability must be 0 to 1"),
        ({"dateFormat": 3}, "dateFormat must be 0, 1 or 2"),
        ({"lambda": -1}, "must not be negative"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(EngineError, match=words):
        value(image(**options))
