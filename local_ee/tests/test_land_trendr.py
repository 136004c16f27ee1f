"""LandTrendr on series whose vertices are known, and its F test against SciPy's."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import stats

from local_ee.errors import EngineError
from local_ee.raster import land_trendr
from local_ee.raster.land_trendr import Rules, fitted, segmented
from local_ee.testing.evaluating import GRID, info, pixels, value

pytestmark = pytest.mark.usefixtures("session")

YEARS = np.arange(1985, 2021.0)
HARVEST = np.interp(YEARS, [1985, 2000, 2001, 2020], [-700, -680, -100, -600])  # -1000 x NBR: a clear-cut in 2001


def noisy(seed: int, size: float = 20) -> np.ndarray:
    return HARVEST + np.random.default_rng(seed).normal(0, size, len(YEARS))


def vertices(series: np.ndarray, **rules) -> list[float]:
    return YEARS[segmented(YEARS, series, Rules(**{"segments": 6, **rules}))[1]].tolist()


def test_a_series_of_straight_segments_is_found_exactly():
    fit, vertex = segmented(YEARS, HARVEST, Rules(6))
    assert YEARS[vertex].tolist() == [1985, 2000, 2001, 2020]
    np.testing.assert_allclose(fit, HARVEST, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_noise_moves_no_vertex_of_a_large_disturbance(seed):
    assert {1985, 2000, 2001, 2020} <= set(vertices(noisy(seed)))


@pytest.mark.parametrize("most", [1, 2, 3])
def test_there_are_no_more_segments_than_asked_for(most):
    assert 2 <= len(vertices(noisy(1), segments=most)) <= most + 1


def test_a_spike_is_no_disturbance():
    """A: "Threshold for dampening the spikes (1.0 means no dampening)"."""
    spiked = np.linspace(-700, -650, len(YEARS)) + np.random.default_rng(1).normal(0, 3, len(YEARS))
    spiked[12] += 500
    fit, _ = segmented(YEARS, spiked, Rules(6))
    assert np.abs(fit - np.linspace(-700, -650, len(YEARS))).max() < 15
    assert 1997 in vertices(spiked, spike=1.0, p_value=1.0, recovery=9.0)


def test_a_model_of_more_vertices_may_be_worse_by_the_proportion():
    """B: the model of the most vertices whose p-value is at most (2 - bestModelProportion) times the least."""
    for seed in (5, 6):
        counts = [len(vertices(noisy(seed, 150), best=best)) for best in (1.0, -1.0, -8.0)]  # 1, 3 and 10 times
        assert counts[0] < counts[1] < counts[2]


def test_recoveries_faster_than_the_threshold_are_not_modelled():
    """A: "a recovery rate faster than 1/recoveryThreshold (in years)": 0.25 forbids less than four years."""
    burnt = np.interp(YEARS, [1985, 2000, 2001, 2003, 2020], [-700, -700, -100, -700, -700])
    assert set(vertices(burnt, recovery=1.0)) >= {2000, 2001, 2003}
    fit, vertex = segmented(YEARS, burnt, Rules(6))
    ends = np.flatnonzero(vertex)
    assert (-np.diff(fit[ends]) / np.diff(YEARS[ends]) <= 0.25 * 600 + 1e-9).all()


def test_a_recovery_of_one_year_can_be_forbidden():
    slow = np.interp(YEARS, [1985, 2000, 2001, 2002, 2020], [-700, -700, -500, -650, -700])
    assert {2001, 2002} <= set(vertices(slow, recovery=9.0, spike=1.0))
    assert not {2001, 2002} <= set(vertices(slow, recovery=9.0, spike=1.0, no_one_year_recovery=True))


def test_noise_alone_is_its_mean():
    """A: pvalThreshold. White noise has no model whose p-value is as small as 1e-6."""
    noise = np.random.default_rng(4).normal(0, 1, len(YEARS))
    fit, vertex = segmented(YEARS, noise, Rules(6, p_value=1e-6, spike=1.0))
    assert fit == pytest.approx(np.full(len(YEARS), noise.mean())) and vertex.sum() == 2


@pytest.mark.parametrize(("count", "terms", "error"), [(8, 2, 0.2), (20, 4, 0.03), (30, 6, 0.9), (40, 10, 0.5)])
def test_the_p_value_is_that_of_f(count, terms, error):
    series = np.random.default_rng(1).normal(size=count)
    total, free = ((series - series.mean()) ** 2).sum(), count - terms - 1
    ratio = (1 - error) / terms / (error / free)
    assert land_trendr._p_of_f(series, error * total, terms) == pytest.approx(stats.f.sf(ratio, terms, free), rel=1e-8)


def test_segments_at_given_vertices_are_the_least_squares_from_the_first():
    corners = np.array([0, 15, 35])
    fit = fitted(YEARS, HARVEST, corners, 1.0)
    line = np.polyfit(YEARS[:16], HARVEST[:16], 1)
    assert fit[:16] == pytest.approx(np.polyval(line, YEARS[:16]))
    away = YEARS[16:] - YEARS[15]
    slope = (away * (HARVEST[16:] - fit[15])).sum() / (away**2).sum()
    assert fit[16:] == pytest.approx(fit[15] + slope * away)


# Through the client


def image_of(year: float, number: float) -> ee.Image:
    midsummer = ee.Date.fromYMD(year, 7, 1).millis()
    return ee.Image([number, 2 * number]).rename(["nbr", "twice"]).set("system:time_start", midsummer)


def series(**changed: float) -> ee.ImageCollection:
    """Yearly images of the bands nbr and twice (two times it); changed: other values, by year (y1990=5)."""
    numbers = {year: changed.get(f"y{year:.0f}", number) for year, number in zip(YEARS, HARVEST, strict=True)}
    return ee.ImageCollection([image_of(year, number) for year, number in numbers.items()])


def run(collection: ee.ImageCollection, **options) -> ee.Image:
    return ee.Algorithms.TemporalSegmentation.LandTrendr(collection, **({"maxSegments": 6} | options))


def first(image: ee.Image, band: int) -> np.ndarray:
    return pixels(image, band=band)[0, 0]


def test_the_bands_are_the_table_its_error_and_the_fits_of_the_others():
    """https://emapr.github.io/LT-GEE/lt-gee-outputs.html: 4 rows; rmse; a fit of each further band."""
    bands = value(run(series())).bands
    names = [(band.name, band.type.dimensions) for band in bands]
    assert names == [("LandTrendr", 2), ("rmse", 0), ("twice_fit", 1)]


def test_the_rows_are_years_values_fit_and_vertices():
    """A: "a 2-D matrix of 4 rows and as many columns as images"."""
    table = first(run(series()), 0)
    assert table.shape == (4, len(YEARS)) and table[0].tolist() == YEARS.tolist()
    assert table[1] == pytest.approx(HARVEST) and table[2] == pytest.approx(HARVEST)
    assert YEARS[table[3] == 1].tolist() == [1985, 2000, 2001, 2020] and set(table[3]) == {0, 1}


def test_rmse_is_about_the_values_of_the_first_band():
    image = run(series(y1990=-500), spikeThreshold=0.5)
    table = first(image, 0)
    assert first(image, 1) == pytest.approx(np.sqrt(np.mean((table[1] - table[2]) ** 2))) and first(image, 1) > 30


def test_further_bands_are_fitted_at_the_same_vertices():
    assert first(run(series()), 2) == pytest.approx(2 * HARVEST)


def test_images_may_come_in_any_order():
    backwards = first(run(series().sort("system:time_start", False)), 0)
    assert backwards.tolist() == first(run(series()), 0).tolist()


def test_masked_years_are_left_out():
    masked = series().map(lambda image: image.updateMask(image.date().get("year").neq(1990)))
    table = first(run(masked), 0)
    assert table.shape == (4, len(YEARS) - 1) and 1990 not in table[0]


def test_a_pixel_with_too_few_years_is_masked():
    """A: minObservationsNeeded."""
    short = series().limit(6)
    assert np.ma.getmaskarray(pixels(run(short, minObservationsNeeded=7), band=1)).all()
    assert not np.ma.getmaskarray(pixels(run(short, minObservationsNeeded=6), band=1)).any()


def test_breakpoints_are_read_with_arrays_as_the_guide_does():
    table = run(series()).select("LandTrendr")
    years = table.arraySlice(0, 0, 1).arrayMask(table.arraySlice(0, 3, 4)).arrayProject([1])
    assert info(years.reduceRegion(ee.Reducer.first(), ee.Geometry.Point([0, 0]), 1))["LandTrendr"] == [
        1985, 2000, 2001, 2020,
    ]  # fmt: skip


def test_a_fit_interpolates_between_given_years():
    """A LandTrendrFit: "input values interpolated between the breakpoint times identified by the vertices"."""
    corners = ee.Image(ee.Array([1985, 2000, 2001, 2020]))
    image = ee.Algorithms.TemporalSegmentation.LandTrendrFit(series(), corners)
    assert value(image).band_names == ("nbr_fit", "twice_fit")
    assert first(image, 1) == pytest.approx(2 * HARVEST)


def test_a_fit_without_two_valid_vertices_is_masked():
    image = ee.Algorithms.TemporalSegmentation.LandTrendrFit(series(), ee.Image(ee.Array([1985, 1900])))
    assert not value(image).read(GRID).masks[0].any()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: run(series().limit(0)), "collection is empty"),
        (lambda: run(series().merge(series().limit(1))), "Two images are of 1985"),
        (lambda: run(series().map(lambda image: image.set("system:time_start", None))), "no system:time_start"),
        (lambda: run(series(), maxSegments=0), "maxSegments must be 1 to"),
        (lambda: ee.Algorithms.TemporalSegmentation.LandTrendrFit(series(), ee.Image(1)), "arrays with one axis"),
    ],
)
def test_what_is_no_yearly_series_is_refused(image, words):
    with pytest.raises(EngineError, match=words):
        info(image())
