"""Ewmacd against the paper's formulas in another form, and on series whose break is known."""

from __future__ import annotations

from itertools import groupby

import ee
import numpy as np
import pytest
from scipy import linalg

from local_ee.errors import EngineError
from local_ee.raster.ewmacd import Rules, charted, terms
from tests.local_ee.support.evaluating import info, pixels, value
from tests.local_ee.support.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

EVERY = 20
DAYS = np.arange(0, 365 * 6, EVERY)  # since 2010-01-01, before the leap year's 366th day matters
DATES = np.datetime64("2010-01-01") + DAYS
YEARS = DATES.astype("datetime64[Y]").astype(int) + 1970
DAY_OF_YEAR = (DATES - DATES.astype("datetime64[Y]")).astype(int) + 1
TRAINING = YEARS < 2012
BREAK = 70
CENTRE = utm(1, 2)


def series(*, jump: float = -0.15, noise: float = 0.01, seed: int = 1) -> np.ndarray:
    """A season with noise, and a jump from BREAK on."""
    phase = 2 * np.pi * DAY_OF_YEAR / 365
    season = 0.6 + 0.1 * np.sin(phase) - 0.05 * np.cos(phase) + 0.03 * np.cos(2 * phase)
    jumps = np.where(np.arange(len(DAYS)) >= BREAK, jump, 0)
    return season + jumps + np.random.default_rng(seed).normal(0, noise, len(DAYS))


def chart(numbers: np.ndarray, **rules):
    result = charted(terms(DAY_OF_YEAR, 2), numbers, TRAINING, Rules(**({"vegetation": -1.0} | rules)))
    assert result is not None
    return result


def waves() -> np.ndarray:
    turns = DAY_OF_YEAR / 365
    columns = [np.ones(len(turns))]
    for k in (1, 2):
        wave = np.exp(2j * np.pi * k * turns)
        columns += [wave.imag, wave.real]
    return np.array(columns).T


def regression(numbers: np.ndarray, limit: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients by SVD of the training years without outliers, and which observations these are."""
    x, chosen = waves(), np.flatnonzero(TRAINING)
    first = linalg.lstsq(x[chosen], numbers[chosen])[0]
    away = numbers[chosen] - x[chosen] @ first
    kept = chosen[np.abs(away) <= limit * np.std(away, ddof=1)]
    return linalg.lstsq(x[kept], numbers[kept])[0], kept


def expected_signals(numbers: np.ndarray, *, vegetation: float = -1.0, persistence: int = 3) -> np.ndarray:
    """Section II of the paper: the average is written out as the sum of all residuals with their weights."""
    residuals = numbers - waves() @ regression(numbers)[0]
    sigma = np.std(residuals[TRAINING], ddof=1)
    inside = [
        i for i, r in enumerate(residuals)
        if numbers[i] > vegetation and abs(r) < (1.5 if TRAINING[i] else 20) * sigma
    ]  # fmt: skip
    sigma = np.std([residuals[i] for i in inside if TRAINING[i]], ddof=1)
    signals = []
    for n in range(len(inside)):
        weights = 0.3 * 0.7 ** np.arange(n, -1, -1.0)
        weights[0] = 0.7**n
        average = weights @ residuals[inside[: n + 1]]
        limit = 3 * sigma * np.sqrt(0.3 / 1.7 * (1 - 0.7 ** (2 * n + 2)))
        signals.append(np.trunc(average / limit))
    lasting, before = [], 0.0
    for _, group in groupby(signals, key=np.sign):
        run = list(group)
        lasting += run if len(run) >= persistence else [before] * len(run)
        before = lasting[-1]
    result, before = np.zeros(len(numbers)), 0.0
    for i in range(len(numbers)):
        before = lasting[inside.index(i)] if i in inside else before
        result[i] = before
    return result


@pytest.mark.parametrize("seed", range(8))
def test_coefficients_are_the_least_squares_without_outliers(seed):
    numbers = series(seed=seed)
    assert chart(numbers).coefficients == pytest.approx(regression(numbers)[0], rel=1e-8)


def test_coefficients_are_the_constant_and_sines_before_cosines():
    """A: "ordered as [constant, sin0, cos0, sin1, cos1...]"."""
    assert chart(series(noise=0)).coefficients == pytest.approx([0.6, 0.1, -0.05, 0, 0.03], abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("persistence", [0, 1, 3, 6])
def test_signals_are_those_of_the_paper(seed, persistence):
    numbers = series(seed=seed, jump=-0.04)
    own = chart(numbers, persistence=persistence).signals
    assert own.tolist() == expected_signals(numbers, persistence=persistence).tolist()


def test_a_drop_is_negative_from_its_date_on():
    """A: "Negative values represent disturbance"."""
    signals = chart(series()).signals
    assert (signals[BREAK + 1 :] < 0).all() and (signals[:BREAK] == 0).all()


def test_a_rise_is_positive():
    assert (chart(series(jump=0.15)).signals[BREAK + 1 :] > 0).all()


def test_a_series_that_does_not_change_has_no_signal():
    assert not chart(np.full(len(DAYS), 0.4)).signals.any()
    assert not chart(series(jump=0, noise=0)).signals.any()


def test_no_signal_is_a_negative_zero():
    assert not np.signbit(chart(series(jump=0)).signals).any()


def test_residuals_are_those_of_all_observations():
    numbers = series()
    assert chart(numbers).residuals == pytest.approx(numbers - waves() @ regression(numbers)[0], abs=1e-10)


def test_rmse_and_r_squared_are_those_of_the_regression():
    numbers = series()
    fit, kept = regression(numbers)
    away = numbers[kept] - waves()[kept] @ fit
    assert chart(numbers).rmse == pytest.approx(np.sqrt(np.mean(away**2)))
    assert chart(numbers).r_squared == pytest.approx(1 - np.mean(away**2) / np.var(numbers[kept]))


def test_values_without_vegetation_are_left_out():
    """A: "Values below this are considered non-vegetation": the signal before them goes on."""
    numbers = series(jump=-0.3, noise=0.02)
    assert (chart(numbers).signals[BREAK + 1 :] < 0).all()
    own = chart(numbers, vegetation=0.47)
    assert not own.signals.any()
    mixed = np.where(np.arange(len(DAYS)) % 2, series(jump=-0.06), 0.01)
    assert chart(mixed, vegetation=0.2).signals.tolist() == expected_signals(mixed, vegetation=0.2).tolist()


def test_scaling_a_series_scales_its_regression_and_no_signal():
    own, scaled = chart(series()), chart(10_000 * series(), vegetation=-10_000.0)
    assert scaled.signals.tolist() == own.signals.tolist() and scaled.rmse == pytest.approx(10_000 * own.rmse)


def test_a_single_outlier_is_no_signal():
    spiked = series(jump=0)
    spiked[80] -= 0.12
    assert not chart(spiked, persistence=8).signals.any()


def test_without_rounding_the_average_itself_is_rounded():
    """A: "Should rounding be performed for EWMA"; the average of residuals in units of the series."""
    numbers = 1000 * series()
    own = chart(numbers, rounding=False, vegetation=-1000.0, persistence=1)
    assert own.signals[-1] == pytest.approx(-150, abs=10) and own.signals[-1] % 1 == 0


def test_too_few_training_observations_have_no_chart():
    few = np.zeros(len(DAYS), bool)
    few[:5] = True
    assert charted(terms(DAY_OF_YEAR, 2), series(), few, Rules(-1.0)) is None


def test_training_at_one_day_of_each_year_has_no_chart():
    yearly = terms(np.full(12, 200), 1)
    assert charted(yearly, np.arange(12.0), np.ones(12, bool), Rules(-1.0)) is None


# Through the client


def collection(numbers: np.ndarray | None = None) -> ee.ImageCollection:
    pairs = zip(DATES.astype("datetime64[ms]").astype(int).tolist(), (numbers or series()).tolist(), strict=True)
    return ee.ImageCollection([
        ee.Image([number, 5]).rename(["ndvi", "other"]).set("system:time_start", millis) for millis, number in pairs
    ])  # fmt: skip


def run(images: ee.ImageCollection | None = None, **options) -> ee.Image:
    arguments = {"vegetationThreshold": -1, "trainingStartYear": 2010, "trainingEndYear": 2012} | options
    return ee.Algorithms.TemporalSegmentation.Ewmacd(images or collection(), **arguments)


def first(image: ee.Image, band: int) -> np.ndarray:
    return pixels(image, grid=CENTRE, band=band)[0, 0]


def test_the_bands_are_the_documented_ones():
    bands = [(band.name, band.type.dimensions) for band in value(run()).bands]
    assert bands == [("ewma", 1), ("harmonicCoefficients", 1), ("rmse", 0), ("rSquared", 0), ("residuals", 1)]


def test_an_image_has_the_chart_of_its_first_band():
    own, image = chart(series()), run()
    assert first(image, 0).tolist() == own.signals.tolist()
    assert first(image, 1) == pytest.approx(own.coefficients) and first(image, 2) == pytest.approx(own.rmse)
    assert first(image, 3) == pytest.approx(own.r_squared) and first(image, 4) == pytest.approx(own.residuals)


def test_the_training_ends_before_its_last_year():
    """A: "End year of training period, exclusive"."""
    longer = first(run(trainingEndYear=2013), 1)
    assert longer != pytest.approx(first(run(), 1), abs=1e-12)
    with_2012 = charted(terms(DAY_OF_YEAR, 2), series(), YEARS < 2013, Rules(-1.0))
    assert longer == pytest.approx(with_2012.coefficients)


def test_masked_images_are_left_out_of_the_arrays():
    masked = collection().map(lambda image: image.updateMask(image.date().get("year").neq(2013)))
    assert len(first(run(masked), 0)) == len(DAYS) - (YEARS == 2013).sum()


def test_a_pixel_that_is_masked_in_training_is_masked():
    masked = collection().map(lambda image: image.updateMask(image.date().get("year").gte(2012)))
    assert not value(run(masked)).read(CENTRE).masks[0].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"harmonicCount": 0}, "harmonicCount must be 1 to 10"),
        ({"persistence": -1}, "persistence must not be negative"),
        ({"trainingEndYear": 2010}, "trainingStartYear must be before"),
        ({"lambda": 0}, "lambda must be above 0"),
        ({"lambda": 1.5}, "lambda must be above 0 and at most 1, got 1.5"),
        ({"xBarLimit1": 0}, "xBarLimit1 must be positive"),
        ({"lambdasigs": -3}, "lambdasigs must be positive"),
        ({"vegetationThreshold": None}, "vegetationThreshold"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises((EngineError, ee.EEException), match=words):
        info(run(**options))


def test_pixels_that_are_arrays_are_refused():
    arrays = collection().map(lambda image: image.toArray().copyProperties(image, ["system:time_start"]))
    with pytest.raises(EngineError, match="are arrays: a series takes numbers"):
        info(run(arrays))
