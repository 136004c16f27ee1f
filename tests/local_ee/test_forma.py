"""formaTrend against SciPy's regression, and Hansen's test against its definition."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from scipy import stats

from local_ee.errors import EngineError
from local_ee.raster.forma import trends
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

STEPS = np.arange(40.0)
NAMES = ("long-trend", "short-trend", "long-tstat", "stability")


def series(*, drop: float = 0.0, seed: int = 1) -> np.ndarray:
    """A slow growth with noise, and a drop in the 25th image."""
    return 0.4 + 0.004 * STEPS + np.where(STEPS < 25, 0, drop) + np.random.default_rng(seed).normal(0, 0.02, 40)


def hansen(numbers: np.ndarray) -> float:
    """L_c of Hansen 1992: the mean of S' V^-1 S, with V the sum of f f' and S the sums of f up to each time."""
    fit = np.polynomial.Polynomial.fit(STEPS, numbers, 1)
    away = numbers - fit(STEPS)
    f = np.array([[e * t, e, e**2 - np.mean(away**2)] for t, e in zip(STEPS, away, strict=True)])
    inverse = np.linalg.inv(sum(np.outer(row, row) for row in f))
    sums = [f[: i + 1].sum(axis=0) for i in range(len(f))]
    return float(np.mean([total @ inverse @ total for total in sums]))


@pytest.mark.parametrize("seed", range(6))
def test_the_long_trend_is_the_slope_of_the_least_squares(seed):
    own = trends(STEPS, series(seed=seed), 6)
    fit = stats.linregress(STEPS, series(seed=seed))
    assert own[0] == pytest.approx(fit.slope) and own[2] == pytest.approx(fit.slope / fit.stderr)


@pytest.mark.parametrize("window", [2, 6, 15, 100])
def test_the_short_trend_is_the_least_slope_of_a_window(window):
    numbers = series(drop=-0.3)
    width = min(window, 40)
    slopes = [np.polyfit(STEPS[:width], numbers[i : i + width], 1)[0] for i in range(40 - width + 1)]
    assert trends(STEPS, numbers, window)[1] == pytest.approx(min(slopes))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("drop", [0.0, -0.3])
def test_stability_is_hansens_statistic(seed, drop):
    assert trends(STEPS, series(drop=drop, seed=seed), 6)[3] == pytest.approx(hansen(series(drop=drop, seed=seed)))


def test_a_drop_is_less_stable():
    """Hansen 1992, table 1: 1.01 is the 5 % critical value for three parameters."""
    assert trends(STEPS, series(), 6)[3] < 1.01 < trends(STEPS, series(drop=-0.3), 6)[3]


def test_an_exact_line_has_a_trend_and_no_tests():
    assert trends(STEPS, 2 + 0.5 * STEPS, 6) == pytest.approx((0.5, 0.5, np.nan, np.nan), nan_ok=True)


@pytest.mark.parametrize("scale", [1e-90, 1e90])
def test_the_tests_have_no_units(scale):
    slope, least, *tests = trends(STEPS, scale * series(), 6)
    own = trends(STEPS, series(), 6)
    assert (slope, least) == pytest.approx((scale * own[0], scale * own[1])) and tests == pytest.approx(own[2:])


# Through the client


def collection(numbers: np.ndarray) -> ee.ImageCollection:
    return ee.ImageCollection([ee.Image(number).rename("ndvi") for number in numbers.tolist()])


def run(image: ee.Image) -> list[float]:
    return [float(pixels(image, grid=utm(1, 2), band=i)[0, 0]) for i in range(4)]


def test_the_bands_are_four_floats():
    """A: "The output is 4 float bands"; scripts select long-trend and long-tstat."""
    bands = value(collection(series()).formaTrend()).bands
    assert tuple(band.name for band in bands) == NAMES and {band.type.dtype.name for band in bands} == {"float32"}


def test_an_image_has_the_trends_of_its_series():
    """A: windowSize, 6 by default."""
    expected = trends(STEPS, series(drop=-0.3), 6)
    assert run(collection(series(drop=-0.3)).formaTrend()) == pytest.approx(expected, rel=1e-5)
    wider = run(collection(series(drop=-0.3)).formaTrend(windowSize=12))
    assert wider[1] == pytest.approx(trends(STEPS, series(drop=-0.3), 12)[1], rel=1e-5) and wider[1] > expected[1]


def test_with_a_covariate_the_trends_are_those_of_the_ratio():
    """A: "the trends of the ratio of the time series and a covariate"."""
    rain = 1 + np.random.default_rng(9).random(40)
    image = collection(series() * rain).formaTrend(collection(rain))
    assert run(image) == pytest.approx(trends(STEPS, series(), 6), rel=1e-4)


def test_masked_images_keep_their_place_in_time():
    shown = ee.List(STEPS.tolist()).map(lambda i: ee.Image(ee.Number(i).multiply(0.5)).updateMask(ee.Number(i).mod(3)))
    image = ee.ImageCollection.fromImages(shown).formaTrend()
    assert pixels(image)[0, 0] == pytest.approx(0.5)


def test_a_pixel_of_three_images_is_masked():
    assert not value(collection(series()[:3]).formaTrend()).read(utm(1, 2)).masks[0].any()


def test_tests_of_a_line_are_masked():
    masks = value(collection(2 + 0.5 * STEPS).formaTrend()).read(utm(1, 2)).masks
    assert [bool(mask.any()) for mask in masks] == [True, True, False, False]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: collection(series()).limit(0).formaTrend(), "collection is empty"),
        (lambda: collection(series()).formaTrend(windowSize=1), "windowSize must be at least 2"),
        (lambda: collection(series()).formaTrend(collection(series()[:5])), "has 40 images and covariates 5"),
    ],
)
def test_what_is_no_series_is_refused(image, words):
    with pytest.raises(EngineError, match=words):
        info(image())
